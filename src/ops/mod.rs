//! The kernels: each with its sizes, its CPU twin and its cost. A file is named after its main shader in `shaders/`.
//!
//! An op implements [`Op`](crate::gpu::Op): its files, sizes, operands, workgroups and twin. To add one, write its file and
//! its shader, list the shader in [`SHADERS`], and add its sizes to [`testing::cases`]. `tests/contracts/layers.rs` lists the
//! files by level: each uses only files of lower levels.

pub mod adam;
pub mod augment;
pub mod bias_grad;
pub mod conv2d;
pub mod destandardize;
pub mod elementwise;
pub mod ema;
pub mod flow_interpolate;
pub mod fused;
pub mod gemm;
pub mod grad_clip;
pub mod heun;
pub mod heuristics;
pub mod likelihood;
pub mod linear;
pub mod log_sigma;
pub mod logits_to_rgba;
pub mod loss_scale;
pub mod max_error;
pub mod mmd;
pub mod normal;
pub mod reconstruction;
pub mod reparameterize;
pub mod rgba_to_float;
pub mod rms_norm;
pub mod roofline;
pub mod silu;
pub mod squared_error;
pub mod step;
pub mod testing;
pub mod time_features;
pub mod tolerance;
pub mod totals;
pub mod tunable;
pub mod tuning;
pub mod velocity_loss;
pub mod winograd;
pub mod winograd_convolution;

pub use step::{Step, Stream};
pub use tuning::Tuning;

use crate::gpu::Source;
use crate::wgsl;

/// Every file in `shaders/`. The digest of all of them is part of a tuning table's identity.
pub const SHADERS: &[Source] = &[
    wgsl!("common/aux_vec4s.wgsl"),
    wgsl!("common/aux_vec4s_packed.wgsl"),
    wgsl!("common/box_muller.wgsl"),
    wgsl!("common/elementwise.wgsl"),
    wgsl!("common/packed_u64.wgsl"),
    wgsl!("common/philox.wgsl"),
    wgsl!("common/silu.wgsl"),
    wgsl!("common/source_buffer.wgsl"),
    wgsl!("common/source_texture.wgsl"),
    wgsl!("common/step.wgsl"),
    wgsl!("common/texel.wgsl"),
    wgsl!("common/tree_sum.wgsl"),
    wgsl!("common/vec4s.wgsl"),
    wgsl!("common/vec4s_packed.wgsl"),
    wgsl!("conv/bias_grad.wgsl"),
    wgsl!("conv/conv2d.wgsl"),
    wgsl!("conv/conv2d_pixels.wgsl"),
    wgsl!("conv/conv2d_transpose.wgsl"),
    wgsl!("conv/conv2d_weight_grad.wgsl"),
    wgsl!("flow/destandardize.wgsl"),
    wgsl!("flow/flow_interpolate.wgsl"),
    wgsl!("flow/heun.wgsl"),
    wgsl!("flow/rms_norm.wgsl"),
    wgsl!("flow/rms_norm_affine_grad.wgsl"),
    wgsl!("flow/rms_norm_backward.wgsl"),
    wgsl!("flow/rms_norm_row.wgsl"),
    wgsl!("flow/silu.wgsl"),
    wgsl!("flow/silu_backward.wgsl"),
    wgsl!("flow/time_features.wgsl"),
    wgsl!("flow/velocity_loss.wgsl"),
    wgsl!("gemm/addend.wgsl"),
    wgsl!("gemm/cooperative_16.wgsl"),
    wgsl!("gemm/cooperative_8.wgsl"),
    wgsl!("gemm/epilogue.wgsl"),
    wgsl!("gemm/gemm.wgsl"),
    wgsl!("gemm/gemm_buffers.wgsl"),
    wgsl!("gemm/gemm_cooperative.wgsl"),
    wgsl!("gemm/gemm_direct.wgsl"),
    wgsl!("gemm/gemm_load_tile.wgsl"),
    wgsl!("gemm/gemm_multiply_tile.wgsl"),
    wgsl!("gemm/gemm_store_fragments.wgsl"),
    wgsl!("gemm/gemm_store_tile.wgsl"),
    wgsl!("gemm/gemm_subgroup.wgsl"),
    wgsl!("gemm/gemm_textures.wgsl"),
    wgsl!("gemm/gemm_tile.wgsl"),
    wgsl!("gemm/linear.wgsl"),
    wgsl!("gemm/linear_input_grad.wgsl"),
    wgsl!("gemm/linear_operands.wgsl"),
    wgsl!("gemm/linear_weight_grad.wgsl"),
    wgsl!("gemm/no_addend.wgsl"),
    wgsl!("gemm/split_k.wgsl"),
    wgsl!("gemm/subgroup_broadcast.wgsl"),
    wgsl!("gemm/subgroup_shuffle.wgsl"),
    wgsl!("latent/normal.wgsl"),
    wgsl!("latent/reparameterize.wgsl"),
    wgsl!("latent/reparameterize_backward.wgsl"),
    wgsl!("loss/bce.wgsl"),
    wgsl!("loss/continuous_bernoulli.wgsl"),
    wgsl!("loss/continuous_bernoulli_mean.wgsl"),
    wgsl!("loss/gather.wgsl"),
    wgsl!("loss/gaussian.wgsl"),
    wgsl!("loss/gaussian_learned.wgsl"),
    wgsl!("loss/kl.wgsl"),
    wgsl!("loss/l1.wgsl"),
    wgsl!("loss/log_sigma_grad.wgsl"),
    wgsl!("loss/mmd.wgsl"),
    wgsl!("loss/mmd_total.wgsl"),
    wgsl!("loss/mse.wgsl"),
    wgsl!("loss/reconstruction.wgsl"),
    wgsl!("loss/sigmoid.wgsl"),
    wgsl!("loss/squared_error.wgsl"),
    wgsl!("loss/squared_error_total.wgsl"),
    wgsl!("loss/sum_parts.wgsl"),
    wgsl!("loss/totals.wgsl"),
    wgsl!("loss/totals_slots.wgsl"),
    wgsl!("measure/max_error.wgsl"),
    wgsl!("measure/roofline_copy.wgsl"),
    wgsl!("measure/roofline_fma.wgsl"),
    wgsl!("optimizer/adam.wgsl"),
    wgsl!("optimizer/ema.wgsl"),
    wgsl!("optimizer/exchange.wgsl"),
    wgsl!("optimizer/find_non_finite.wgsl"),
    wgsl!("optimizer/grad_clip.wgsl"),
    wgsl!("optimizer/loss_scale.wgsl"),
    wgsl!("optimizer/non_finite.wgsl"),
    wgsl!("optimizer/square_sum.wgsl"),
    wgsl!("optimizer/update_loss_scale.wgsl"),
    wgsl!("pixels/augment.wgsl"),
    wgsl!("pixels/logits_to_rgba.wgsl"),
    wgsl!("pixels/rgba_to_float.wgsl"),
    wgsl!("winograd/winograd.wgsl"),
    wgsl!("winograd/winograd_high_inverse.wgsl"),
    wgsl!("winograd/winograd_high_transform.wgsl"),
    wgsl!("winograd/winograd_inverse.wgsl"),
    wgsl!("winograd/winograd_low_inverse.wgsl"),
    wgsl!("winograd/winograd_low_transform.wgsl"),
    wgsl!("winograd/winograd_transformed.wgsl"),
    wgsl!("winograd/winograd_weights_inverse.wgsl"),
    wgsl!("winograd/winograd_weights_transform.wgsl"),
];
