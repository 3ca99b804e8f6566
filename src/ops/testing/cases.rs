//! Test cases: every op at the sizes at which kernels tend to break.
//!
//! A new op is added here. `wgvae selftest` and `tests/kernels` run all cases by [`check`](super::check::check).

use super::case::{case, update};
use super::product_cases::{self, fetches};
use crate::config::{Augmentation, Likelihood, LossKind, Sigma};
use crate::gpu::{Capabilities, Element};
use crate::ops::adam::Adam;
use crate::ops::augment::Augment;
use crate::ops::bias_grad::BiasGrad;
use crate::ops::destandardize::Destandardize;
use crate::ops::elementwise::Elementwise;
use crate::ops::ema::{Ema, Exchange};
use crate::ops::flow_interpolate::FlowInterpolate;
use crate::ops::gemm::Epilogue;
use crate::ops::gemm::split_k::SplitK;
use crate::ops::grad_clip::{Clip, SquareSum};
use crate::ops::heun::Heun;
use crate::ops::log_sigma::LogSigmaGrad;
use crate::ops::loss_scale::{FindNonFinite, LossScale, UpdateLossScale};
use crate::ops::max_error::MaxError;
use crate::ops::mmd::{Gather, Mmd, MmdTotal};
use crate::ops::normal::Normal;
use crate::ops::reparameterize::{Reparameterize, ReparameterizeBackward};
use crate::ops::rms_norm::{NormSizes, RmsNorm, RmsNormAffineGrad, RmsNormBackward};
use crate::ops::roofline::{RooflineCopy, RooflineFma};
use crate::ops::silu::{Silu, SiluBackward};
use crate::ops::squared_error::{SquaredError, SquaredErrorTotal};
use crate::ops::time_features::TimeFeatures;
use crate::ops::tunable::{ELEMENTWISE, KernelConfig};
use crate::ops::velocity_loss::VelocityLoss;
use crate::ops::{logits_to_rgba::LogitsToRgba, rgba_to_float::RgbaToFloat};
use crate::ops::{reconstruction::Reconstruction, totals::Totals};

pub use super::case::Case;

/// Every op; `large` adds the sizes that take a software adapter seconds.
pub fn cases(target: &Capabilities, large: bool) -> Vec<Case> {
    let mut all = Vec::new();
    product_cases::products(&mut all, target, large);
    product_cases::winograd(&mut all, target, large);
    reductions(&mut all, target, large);
    elementwise(&mut all, large);
    loss_scales(&mut all);
    non_finite(&mut all);
    over_a_batch(&mut all);
    if target.f16 {
        halves(&mut all, target);
    }
    all
}

/// The loss scale: its update, and the kernels that multiply or divide by it.
fn loss_scales(all: &mut Vec<Case>) {
    let at = |exponent, found_inf| LossScale { exponent, found_inf, growth_tracker: 4, skipped: 2 };
    for scaling in [at(3, 0), at(3, 1), at(24, 0), at(-16, 1)] {
        for interval in [5, 6] {
            all.push(
                update(format!("update_loss_scale {scaling:?}, {interval}"), UpdateLossScale { interval })
                    .with(scaling),
            );
        }
    }
    for scaling in [at(-2, 0), at(5, 0), at(4, 1)] {
        let launch = Elementwise::default();
        let config =
            KernelConfig::Elementwise { threads: launch.threads, vec4s_per_thread: launch.vec4s_per_thread };
        all.push(case(format!("adam {scaling:?}"), Adam::new(260, launch)).with(scaling).with_config(config));
        let op = Reconstruction::new(Likelihood::default(), 3, 300, true);
        all.push(case(format!("reconstruction {scaling:?}"), op).with(scaling));
        all.push(update(format!("grad_clip {scaling:?}"), Clip::new(70, 1e-3)).with(scaling));
        all.push(case(format!("ema {scaling:?}"), Ema::new(260, launch)).with(scaling));
        let op = ReparameterizeBackward::new(3, 10, 1, Some(9));
        all.push(case(format!("reparameterize_backward {scaling:?}"), op).with(scaling));
    }
}

/// Finite gradients, and gradients with one infinity or NaN.
fn non_finite(all: &mut Vec<Case>) {
    for flaw in [None, Some(f32::NAN), Some(f32::NEG_INFINITY), Some(f32::MAX)] {
        for vec4s in [1, 70] {
            let case = update(format!("find_non_finite {vec4s} {flaw:?}"), FindNonFinite::new(4 * vec4s));
            all.push(Case { flaw, ..case });
        }
    }
}

/// Other ops that read or write f16.
fn halves(all: &mut Vec<Case>, target: &Capabilities) {
    let [f16, f32] = [Element::F16, Element::F32];
    for (rows, channels) in [(37, 12), (1000, 4), (300, 516)] {
        for textures in fetches(target) {
            let op = BiasGrad::new(rows, channels, [64, 5], Epilogue::NONE).fetching(textures);
            let from = if textures { ", texture" } else { "" };
            all.push(case(format!("bias_grad {rows}x{channels} f16{from}"), op).of(&[f16, f16]));
        }
    }
    let sum = |epilogue| SplitK::new(5, 3 * 12, 12, epilogue);
    all.push(case("split_k f16", sum(Epilogue::BIAS_RELU)).of(&[f32, f32, f16]));
    all.push(case("split_k f16 mask", sum(Epilogue::MASK)).of(&[f32, f16, f16]));
    all.push(case("normal f16", Normal { rows: 5, pictures: 5, vec4s: 7 }).of(&[f32, f16]));
    all.push(case("max_error f16", MaxError::new(260, 1e-3, 1e-2)).of(&[f16, f16]));
}

/// Augmentation in every way, and in each alone.
fn augmentations(all: &mut Vec<Case>) {
    let ways = [(true, 0.0, 0.0), (false, 0.3, 0.0), (false, 0.0, 0.4), (true, 0.9, 1.0)];
    for (flip, crop, jitter) in ways {
        let how = Augmentation { flip, crop, jitter };
        for (batch, size, slots) in [(1, 1, 1), (3, 5, 7), (5, 16, 2)] {
            let name = format!("augment {batch}x{size} of {slots}, {flip} {crop} {jitter}");
            all.push(case(name, Augment::new(how, batch, size, slots)));
        }
    }
}

/// Ops over a whole batch: MMD, and the norm of the gradient.
fn over_a_batch(all: &mut Vec<Case>) {
    for (batch, latent) in [(2, 1), (3, 10), (70, 130), (129, 5)] {
        let vec4s = crate::ops::reparameterize::padded(latent) / 4;
        all.push(case(format!("mmd {batch}x{latent}"), Mmd::new(batch, latent)));
        all.push(update(format!("mmd_total {batch}"), MmdTotal::new(batch)));
        let rows = batch.div_ceil(2);
        // 5 pictures of the batch come before these
        all.push(update(format!("gather {rows}x{latent}"), Gather { rows, vec4s, batch: batch + 5 }));
    }
    for len in [4, 5000, 70_000] {
        all.push(case(format!("square_sum {len}"), SquareSum::new(len)));
    }
    for (parts, most) in [(1, 1e3), (70, 1.0), (4096, 1e-2)] {
        all.push(update(format!("grad_clip {parts} {most}"), Clip::new(parts, most)));
    }
}

fn reductions(all: &mut Vec<Case>, target: &Capabilities, large: bool) {
    for epilogue in [
        Epilogue::NONE,
        Epilogue::BIAS_RELU,
        Epilogue::MASK,
        Epilogue::BIAS.add(),
        Epilogue::MASK.add().accumulate(),
    ] {
        all.push(case(format!("split_k {epilogue:?}"), SplitK::new(5, 3 * 12, 12, epilogue)));
    }
    all.push(case("split_k added", SplitK::new(7, 260, 4, Epilogue::ACCUMULATE)));
    // the last size has more rows in a part than a workgroup has rows of invocations
    for (rows, channels) in [(1, 4), (37, 12), (1000, 4), (300, 516), (20_000, 8)] {
        for (threads, parts) in [(64, 1), (64, 7), (256, 1), (256, 50)] {
            let parts = parts.min(rows);
            let name = format!("bias_grad {rows}x{channels}");
            for textures in fetches(target) {
                let config = KernelConfig::BiasGrad { threads, parts, textures };
                let op =
                    |epilogue| BiasGrad::new(rows, channels, [threads, parts], epilogue).fetching(textures);
                all.push(case(&name, op(Epilogue::NONE)).with_config(config));
                all.push(case(format!("{name} added"), op(Epilogue::ACCUMULATE)).with_config(config));
            }
        }
    }
    for (parts, rows) in [(1, 1), (63, 65), (1000, 3)] {
        for accumulate in [false, true] {
            all.push(update(format!("totals {parts}, {rows}"), Totals::new(parts, rows, accumulate)));
        }
        all.push(update(format!("squared_error_total {parts}"), SquaredErrorTotal::new(parts)));
        for accumulate in [false, true] {
            let op = LogSigmaGrad::new(parts, 40, accumulate);
            all.push(update(format!("log_sigma_grad {parts}, {accumulate}"), op));
        }
    }
    for len in [4, 260, 70_000] {
        all.push(case(format!("max_error {len}"), MaxError::new(len, 1e-3, 1e-2)));
    }
    if large {
        // more than 65,535 workgroups
        let sum = SplitK::new(1, 4 * 64 * 65_600, 4, Epilogue::NONE);
        all.push(case("split_k, two rows of groups", sum).rarely(true));
    }
}

fn elementwise(all: &mut Vec<Case>, large: bool) {
    // the last ones have their latents on a grid of 9 and of 16 cells
    for (rows, latent, cells) in [(1, 1, 1), (3, 10, 1), (5, 128, 1), (2, 300, 1), (3, 36, 9), (2, 128, 16)] {
        let vec4s = crate::ops::reparameterize::padded(latent) / 4;
        all.push(case(format!("normal {rows}x{latent}"), Normal { rows, pictures: rows, vec4s }));
        let op = Normal { rows: 2 * rows, pictures: rows, vec4s };
        all.push(case(format!("normal {rows}x{latent} twice"), op));
        let op = Reparameterize { rows, latent, vec4s, cell: vec4s / cells };
        all.push(case(format!("reparameterize {rows}x{latent} of {cells}"), op));
        for batch in [None, Some(rows + 5)] {
            let op = ReparameterizeBackward::new(rows, latent, cells, batch);
            all.push(case(format!("reparameterize_backward {rows}x{latent} of {cells} {batch:?}"), op));
        }
    }
    for (batch, pixels) in [(1, 1), (3, 300), (3, 2304)] {
        let fixed =
            LossKind::ALL.iter().map(|&kind| Likelihood { kind, sigma: Sigma::Fixed(0.3) }.consistent());
        let gaussian =
            [Sigma::Channel, Sigma::Learned].map(|sigma| Likelihood { kind: LossKind::Gaussian, sigma });
        for of in fixed.chain(gaussian) {
            let width = if of.sigma.is_fixed() { String::new() } else { format!(" {}", of.sigma) };
            let name = format!("{} {batch}x{pixels}{width}", of.kind);
            all.push(update(name.clone(), Reconstruction::new(of, batch, pixels, false)));
            all.push(case(format!("{name} with gradient"), Reconstruction::new(of, batch, pixels, true)));
            all.push(case(format!("logits_to_rgba {name}"), LogitsToRgba::new(of, batch * pixels)));
        }
        all.push(case(format!("squared_error {batch}x{pixels}"), SquaredError::new(batch, pixels)));
        for slots in [1, 7] {
            all.push(case(
                format!("rgba_to_float {batch}x{pixels} of {slots}"),
                RgbaToFloat { batch, pixels, slots },
            ));
        }
    }
    for [threads, vec4s_per_thread] in ELEMENTWISE {
        for (len, clip) in [(4, false), (4, true), (8200, false)] {
            let launch = Elementwise { threads, vec4s_per_thread };
            let op = Adam::new(len, launch).clipped(clip);
            let clipped = if clip { ", clipped" } else { "" };
            let name = format!("adam {len}, {threads} threads, {vec4s_per_thread} each{clipped}");
            all.push(case(name, op).with_config(KernelConfig::Elementwise { threads, vec4s_per_thread }));
            all.push(case(
                format!("ema {len}, {threads} threads, {vec4s_per_thread} each"),
                Ema::new(len, launch),
            ));
            all.push(case(
                format!("exchange {len}, {threads} threads, {vec4s_per_thread} each"),
                Exchange::new(len, launch),
            ));
        }
    }
    augmentations(all);
    flows(all);
    for vec4s in [1, 65, 1000] {
        for unrolled in [8, 16] {
            let op = RooflineFma { vec4s, unrolled, rounds: vec4s % 7 };
            all.push(case(format!("roofline_fma {vec4s} by {unrolled}"), op));
        }
        for launch in [Elementwise::default(), Elementwise { threads: 64, vec4s_per_thread: 16 }] {
            let op = RooflineCopy::new(vec4s, launch);
            all.push(case(format!("roofline_copy {vec4s}, {} each", launch.vec4s_per_thread), op));
        }
    }
    if large {
        let op = RgbaToFloat { batch: 64, pixels: 65_600, slots: 2 };
        all.push(case("rgba_to_float, two rows of groups", op).rarely(true));
    }
}

/// The flow: its condition, its norm, its loss and its solver.
fn flows(all: &mut Vec<Case>) {
    for (rows, classes) in [(1, 0), (3, 3), (70, 5)] {
        let op = TimeFeatures::new(rows, classes);
        all.push(case(format!("time_features {rows}, {classes} classes"), op));
        let name = format!("time_features {rows}, {classes} classes, drawn");
        all.push(case(name, op.drawn(0.3)));
    }
    for (pictures, pixels, channels) in [(1, 1, 4), (3, 4, 32), (2, 70, 12), (70, 1, 8)] {
        for shared in [false, true] {
            let sizes = NormSizes { pictures, pixels, channels, shared };
            let name = format!("{pictures}x{pixels}x{channels}{}", if shared { " shared" } else { "" });
            all.push(case(format!("rms_norm {name}"), RmsNorm(sizes)));
            for accumulate in [false, true] {
                let added = if accumulate { " added" } else { "" };
                let op = RmsNormBackward { sizes, accumulate };
                all.push(case(format!("rms_norm_backward {name}{added}"), op));
            }
            all.push(case(format!("rms_norm_affine_grad {name}"), RmsNormAffineGrad(sizes)));
        }
    }
    for len in [4, 260] {
        all.push(case(format!("silu {len}"), Silu::new(len)));
        all.push(case(format!("silu_backward {len}"), SiluBackward::new(len)));
    }
    for (rows, latent, cells) in [(1, 1, 1), (3, 10, 1), (5, 300, 1), (2, 128, 16)] {
        let width = crate::ops::reparameterize::padded(latent);
        let name = format!("{rows}x{latent} of {cells}");
        all.push(case(format!("flow_interpolate {name}"), FlowInterpolate::new(rows, latent, cells)));
        all.push(case(format!("destandardize {name}"), Destandardize::new(rows, width)));
        for gradient in [false, true] {
            let op = VelocityLoss::new(rows, latent, gradient);
            let with = if gradient { " with gradient" } else { "" };
            all.push(if gradient {
                case(format!("velocity_loss {name}{with}"), op)
            } else {
                update(format!("velocity_loss {name}"), op)
            });
        }
        for guidance in [None, Some(2.0)] {
            let op = Heun::predict(rows, width, 4, guidance);
            all.push(case(format!("heun {name} {guidance:?}"), op));
            all.push(case(format!("heun {name} {guidance:?}, corrected"), op.correct()));
        }
    }
}
