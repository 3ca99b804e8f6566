//! What wgpu marks as unsafe: the only file that may say so, each call with the reason why it is sound here.
#![allow(unsafe_code, reason = "wgpu asks for the caller's word that no type can give")]

/// Leave to use wgpu's experimental features. Asked for only by a plan with kernels that need one, cooperative
/// matrices; the autotuner takes those after it has compared them with the plain core.
pub(super) fn experimental() -> wgpu::ExperimentalFeatures {
    // SAFETY: wgpu wants it acknowledged that such a feature may have bugs; none of them can be ruled out from here
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}
