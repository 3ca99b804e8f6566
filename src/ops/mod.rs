//! The kernels: each with its sizes, its CPU twin and its cost. One file per family; the WGSL is in `shaders/`.
//!
//! An op implements [`Op`](crate::gpu::Op): which files, which sizes, which operands, how many workgroups, and
//! the twin. [`cases`] lists every op at the sizes where kernels break; a new op goes there.

pub mod adam;
pub mod augment;
pub mod bias_grad;
pub mod cases;
pub mod check;
pub mod clip;
pub mod conv2d;
pub mod elementwise;
pub mod ema;
pub mod gemm;
pub mod likelihood;
pub mod linear;
pub mod loss_scale;
pub mod max_error;
pub mod mmd;
pub mod normal;
mod operand_source;
pub mod picture;
pub mod reconstruction;
pub mod reparameterize;
pub mod roofline;
pub mod split_k;
pub mod step;
pub mod totals;
pub mod tuning;
pub mod variant;
pub mod winograd;

pub use step::{Step, Stream};
pub use tuning::Tuning;

use crate::gpu::Source;
use crate::wgsl;

/// Every file in `shaders/`: together they decide what a kernel computes and how fast.
pub const SHADERS: &[Source] = &[
    wgsl!("adam.wgsl"),
    wgsl!("augment.wgsl"),
    wgsl!("auxiliary.wgsl"),
    wgsl!("auxiliary_words.wgsl"),
    wgsl!("average.wgsl"),
    wgsl!("bce.wgsl"),
    wgsl!("bias_grad.wgsl"),
    wgsl!("ceiling_copy.wgsl"),
    wgsl!("ceiling_fma.wgsl"),
    wgsl!("check_gradient.wgsl"),
    wgsl!("clip.wgsl"),
    wgsl!("continuous_bernoulli.wgsl"),
    wgsl!("continuous_bernoulli_mean.wgsl"),
    wgsl!("conv2d.wgsl"),
    wgsl!("conv2d_pixels.wgsl"),
    wgsl!("conv2d_transpose.wgsl"),
    wgsl!("conv2d_weight_grad.wgsl"),
    wgsl!("cooperative_16.wgsl"),
    wgsl!("cooperative_8.wgsl"),
    wgsl!("epilogue.wgsl"),
    wgsl!("gather.wgsl"),
    wgsl!("gemm.wgsl"),
    wgsl!("gemm_buffers.wgsl"),
    wgsl!("gemm_cells.wgsl"),
    wgsl!("gemm_cooperative.wgsl"),
    wgsl!("gemm_direct.wgsl"),
    wgsl!("gemm_fetch.wgsl"),
    wgsl!("gemm_images.wgsl"),
    wgsl!("gemm_stage.wgsl"),
    wgsl!("gemm_subgroup.wgsl"),
    wgsl!("gemm_tile.wgsl"),
    wgsl!("infinite.wgsl"),
    wgsl!("kl.wgsl"),
    wgsl!("l1.wgsl"),
    wgsl!("linear.wgsl"),
    wgsl!("linear_input_grad.wgsl"),
    wgsl!("linear_sizes.wgsl"),
    wgsl!("linear_weight_grad.wgsl"),
    wgsl!("loss_scale.wgsl"),
    wgsl!("mmd.wgsl"),
    wgsl!("mmd_total.wgsl"),
    wgsl!("mse.wgsl"),
    wgsl!("normal.wgsl"),
    wgsl!("philox.wgsl"),
    wgsl!("picture.wgsl"),
    wgsl!("quads.wgsl"),
    wgsl!("quads_words.wgsl"),
    wgsl!("reconstruction.wgsl"),
    wgsl!("reparameterize.wgsl"),
    wgsl!("reparameterize_backward.wgsl"),
    wgsl!("rescale.wgsl"),
    wgsl!("sigmoid.wgsl"),
    wgsl!("source_buffer.wgsl"),
    wgsl!("source_image.wgsl"),
    wgsl!("split_sum.wgsl"),
    wgsl!("square_sum.wgsl"),
    wgsl!("step.wgsl"),
    wgsl!("subgroup_broadcast.wgsl"),
    wgsl!("subgroup_shuffle.wgsl"),
    wgsl!("swap.wgsl"),
    wgsl!("sweep.wgsl"),
    wgsl!("texel.wgsl"),
    wgsl!("totals.wgsl"),
    wgsl!("totals_slots.wgsl"),
    wgsl!("tree_sum.wgsl"),
    wgsl!("unpack.wgsl"),
    wgsl!("winograd.wgsl"),
    wgsl!("winograd_back.wgsl"),
    wgsl!("winograd_high.wgsl"),
    wgsl!("winograd_high_back.wgsl"),
    wgsl!("winograd_low.wgsl"),
    wgsl!("winograd_low_back.wgsl"),
    wgsl!("winograd_points.wgsl"),
    wgsl!("winograd_weights.wgsl"),
    wgsl!("winograd_weights_back.wgsl"),
    wgsl!("words.wgsl"),
    wgsl!("worst.wgsl"),
];
