//! A strided convolution as plain data: its sizes, and which of its tensors a product multiplies.
//!
//! Read this for the contract between a [`Product`](super::Product) and the Winograd algorithm, which know nothing of each
//! other.

/// One of the three tensors of a convolution with kernel 4, stride 2 and padding 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// high resolution, `[N, 2H, 2W, C_high]`
    High,
    /// low resolution, `[N, H, W, C_low]`
    Low,
    /// `[C_low, 4, 4, C_high]`
    Weights,
}

/// A convolution with kernel 4, stride 2 and padding 1, its transpose or its weight gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution {
    /// N
    pub batch: u32,
    /// H
    pub low_h: u32,
    /// W
    pub low_w: u32,
    /// channels of the low side, a multiple of 4
    pub low_c: u32,
    /// channels of the high side, a multiple of 4
    pub high_c: u32,
    /// left factor, right factor and output
    pub sides: [Side; 3],
}
