//! Guarantees of training steps: reproducible bits, micro-batches that add up, short batches, f16, limits.

use wgvae::config::ModelConfig;
use wgvae::data;
use wgvae::error::Error;
use wgvae::gpu::{Capabilities, Element, Tensor};
use wgvae::model::{Device, Input, Loss, ModelOptions, StateDict, StepSettings, TrainFeatures, Vae};
use wgvae::ops::loss_scale::LossScale;

use crate::common;

const SMALL: ModelConfig = ModelConfig::reference(32, 8, 12);

fn landscapes(count: u32, size: u32) -> Vec<u32> {
    (0..u64::from(count)).flat_map(|i| data::rgba_of(&data::landscape(9, i, size).0)).collect()
}

/// Losses of `steps` steps on `count` fixed pictures, and the final parameters.
fn trained(place: Device<'_>, build: ModelOptions, count: u32, steps: u64) -> (Vec<Loss>, StateDict) {
    let mut vae = Vae::new(place, build, 5).expect("build");
    let rgba = landscapes(count, build.config.size);
    let mut losses = Vec::new();
    for step in 0..steps {
        vae.train_step(
            Input::Rgba(&rgba),
            count,
            &StepSettings { seed: 5, step, lr: 1e-3, beta: 0.2, ..StepSettings::default() },
        )
        .expect("step");
        losses.extend(vae.losses(step + 1 == steps).expect("losses").into_iter().map(|(_, of)| of.loss));
    }
    assert_eq!(losses.len(), steps as usize, "every step's loss comes back once");
    (losses, vae.weights().expect("weights"))
}

fn build(batch: u32, micro: Option<u32>) -> ModelOptions {
    ModelOptions { micro, ..ModelOptions::training(SMALL, batch) }
}

fn close(a: &[Loss], b: &[Loss], bound: f64) {
    for (step, (a, b)) in a.iter().zip(b).enumerate() {
        let error = (a.total(0.2) - b.total(0.2)).abs() / b.total(0.2);
        assert!(error <= bound, "step {step}: {a:?} and {b:?} differ by {error:.1e}");
    }
}

fn bits(weights: &StateDict) -> Vec<u32> {
    weights.tensors.iter().flat_map(|t| t.values.iter().map(|v| v.to_bits())).collect()
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let Some(adapter) = common::adapter() else { return };
    let (losses, weights) = trained(Device::Gpu(&adapter), build(16, None), 16, 4);
    let (again, others) = trained(Device::Gpu(&adapter), build(16, None), 16, 4);
    assert_eq!(losses, again);
    assert_eq!(bits(&weights), bits(&others));
    let initial = StateDict::initial(&SMALL, 5);
    let moved = weights.tensors.iter().zip(&initial.tensors).filter(|(a, b)| a.values != b.values).count();
    assert_eq!(moved, weights.tensors.len(), "every parameter tensor is trained");
}

fn keeping(build: ModelOptions) -> ModelOptions {
    ModelOptions { keep_gradients: true, ..build }
}

/// With a single micro-batch, Adam runs right after each weight gradient.
#[test]
fn gradients_that_make_room_and_gradients_that_stay_give_the_same_bits() {
    let adapter = common::adapter();
    let gpu = adapter.as_ref().map(|adapter| (Device::Gpu(adapter), 16, 4));
    for (place, batch, steps) in [(Device::Twins, 2, 3)].into_iter().chain(gpu) {
        let (losses, weights) = trained(place, build(batch, None), batch, steps);
        let (same, others) = trained(place, keeping(build(batch, None)), batch, steps);
        assert_eq!(losses, same);
        assert_eq!(bits(&weights), bits(&others));
    }
}

/// Every parameter is updated once, after its last reader, if nothing needs all gradients together.
#[test]
fn a_weight_is_updated_when_nothing_reads_it_any_more() {
    let target = Capabilities::webgpu_default();
    let (network, plan) = build(4, None).plan(&target).expect("plan");
    let (params, programs) = (network.arenas.params, network.programs.training.expect("a training"));
    let mut updated: Vec<Tensor> = Vec::new();
    for dispatch in [programs.backward, programs.update].iter().flat_map(|p| plan.get(*p).dispatches()) {
        let next = |tensor: &Tensor| updated.iter().any(|other| other.overlaps(tensor));
        assert!(!dispatch.bindings.iter().any(next), "{}: reads what is of the next step", dispatch.label);
        updated.extend(dispatch.written().filter(|tensor| tensor.buffer == params));
    }
    for slot in network.layout.slices() {
        let end = slot.offset + u64::from(slot.shape.len());
        let within = |of: &&Tensor| of.offset <= slot.offset && end <= of.offset + u64::from(of.len());
        let names = network.layout.names(slot);
        assert_eq!(updated.iter().filter(within).count(), 1, "{names:?}");
    }

    let bytes = |build: ModelOptions| build.plan(&target).expect("plan").1.bytes();
    let saved = bytes(keeping(build(4, None))) - bytes(build(4, None));
    assert!(saved > 4 * network.layout.weights / 2, "{saved} bytes less");
    let several = build(4, Some(2));
    let clipped = ModelOptions {
        extras: TrainFeatures { clip: Some(1.0), ..TrainFeatures::default() },
        ..build(4, None)
    };
    let half = ModelOptions { precision: Element::F16, ..build(4, None) };
    let target = Capabilities { f16: true, ..Capabilities::webgpu_default() };
    for build in [several, clipped, half] {
        let (network, _) = build.plan(&target).expect("plan");
        assert!(!network.arenas.training.expect("a training").gradients.are_transient());
    }
}

#[test]
fn more_kept_pictures_than_an_index_counts_are_refused() {
    let config = ModelConfig::reference(256, 8, 12);
    let build = |resident| ModelOptions { resident, ..ModelOptions::training(config, 1) };
    assert!(build(65_000).resolve_micro_batch(&Capabilities::twins()).is_ok());
    let error = build(65_536).resolve_micro_batch(&Capabilities::twins()).expect_err("refused").to_string();
    assert!(error.contains("65536 pictures") && error.contains("--resident no"), "{error}");
}

/// Resident pictures give results identical to uploaded ones, to the last bit.
#[test]
fn kept_pictures_give_the_same_bits_as_uploaded_ones() {
    let Some(adapter) = common::adapter() else { return };
    let rgba = landscapes(9, SMALL.size);
    let pixels = (SMALL.size * SMALL.size) as usize;
    let order = [7u32, 0, 8, 3, 5];
    let chosen: Vec<u32> =
        order.iter().flat_map(|&i| rgba[i as usize * pixels..][..pixels].to_vec()).collect();
    let settings = StepSettings { seed: 5, step: 0, lr: 1e-3, beta: 0.2, ..StepSettings::default() };
    let run = |resident: u32, input: Input<'_>| {
        let build = ModelOptions { resident, ..build(5, Some(2)) };
        let mut vae = Vae::new(Device::Gpu(&adapter), build, 5).expect("build");
        if resident > 0 {
            vae.upload_resident(0, &rgba[..4 * pixels]).expect("resident");
            vae.upload_resident(4, &rgba[4 * pixels..]).expect("resident");
        }
        vae.train_step(input, 5, &settings).expect("step");
        let losses = vae.losses(true).expect("losses");
        let held_out = vae.evaluate(input, 5, 0, (1, 0.0)).expect("evaluate");
        (losses, held_out, bits(&vae.weights().expect("weights")))
    };
    let uploaded = run(0, Input::Rgba(&chosen));
    assert_eq!(run(9, Input::Resident(&order)), uploaded);
    // with some resident pictures, others can still be uploaded
    assert_eq!(run(9, Input::Rgba(&chosen)), uploaded);
}

#[test]
fn micro_batches_add_up() {
    let Some(adapter) = common::adapter() else { return };
    let whole = trained(Device::Gpu(&adapter), build(16, Some(16)), 16, 5).0;
    let quarters = trained(Device::Gpu(&adapter), build(16, Some(4)), 16, 5).0;
    let uneven = trained(Device::Gpu(&adapter), build(16, Some(7)), 16, 5).0;
    close(&quarters, &whole, 1e-5);
    close(&uneven, &whole, 1e-5);
}

#[test]
fn a_short_batch_counts_only_its_pictures() {
    let Some(adapter) = common::adapter() else { return };
    let short = trained(Device::Gpu(&adapter), build(8, None), 3, 3).0;
    let exact = trained(Device::Gpu(&adapter), build(3, None), 3, 3).0;
    close(&short, &exact, 1e-5);
}

#[test]
fn the_adapter_trains_like_the_twins() {
    let Some(adapter) = common::adapter() else { return };
    let config = ModelConfig::reference(16, 4, 6);
    let build = ModelOptions { config, ..build(4, None) };
    let gpu = trained(Device::Gpu(&adapter), build, 4, 3);
    let twins = trained(Device::Twins, build, 4, 3);
    close(&gpu.0, &twins.0, 1e-5);
}

/// The entropy of the pictures, summed: the lower bound of the cross-entropy.
fn floor(rgba: &[u32]) -> f64 {
    let entropy = |byte: u8| {
        let x = f64::from(byte) / 255.0;
        [x, 1.0 - x].into_iter().filter(|p| *p > 0.0).map(|p| -p * p.ln()).sum::<f64>()
    };
    rgba.iter().flat_map(|word| word.to_le_bytes().into_iter().take(3)).map(entropy).sum()
}

#[test]
fn training_learns() {
    let Some(adapter) = common::adapter() else { return };
    let losses = trained(Device::Gpu(&adapter), build(16, None), 16, 150).0;
    let floor = floor(&landscapes(16, SMALL.size));
    let (first, last) = (losses[0].total(0.2) - floor, losses[149].total(0.2) - floor);
    println!("loss above the pictures' own entropy ({floor:.0}): {first:.0}, after 150 steps {last:.0}");
    assert!(last > 0.0, "no model can get below the floor");
    assert!(last < 0.5 * first, "150 steps took the loss above the floor from {first} to {last} only");
}

#[test]
fn encoding_decoding_and_loss_agree_with_the_twins() {
    let Some(adapter) = common::adapter() else { return };
    let config = ModelConfig::reference(16, 4, 6);
    let build = ModelOptions { micro: Some(2), ..ModelOptions::inference(config, 4) };
    let mut gpu = Vae::new(Device::Gpu(&adapter), build, 1).expect("gpu");
    let mut twins = Vae::new(Device::Twins, build, 1).expect("twins");
    let bytes: Vec<u8> = (0..5).flat_map(|i| data::landscape(9, i, 16).0).collect();
    let pictures: Vec<f32> = bytes.iter().map(|&b| f32::from(b) / 255.0).collect();
    let near = |a: &[f32], b: &[f32]| {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).for_each(|(a, b)| assert!((a - b).abs() < 1e-5, "{a} and {b}"));
    };
    let [a, b] = [&mut gpu, &mut twins].map(|vae| vae.encode(&pictures).expect("encode"));
    near(&a.mu, &b.mu);
    near(&a.logvar, &b.logvar);
    let [a, b] = [&mut gpu, &mut twins].map(|vae| vae.reparameterize(&b, 3, 4).expect("reparameterize"));
    near(&a, &b);
    let [a, b] = [&mut gpu, &mut twins].map(|vae| vae.decode(&b).expect("decode"));
    near(&a, &b);
    let [a, b] = [&mut gpu, &mut twins].map(|vae| vae.loss(&pictures, 3, 4).expect("loss"));
    close(&[a], &[b], 1e-5);
}

/// The twins round stored values as the adapter does, so the two agree far better than f16 agrees with f32.
#[test]
fn training_in_f16_is_like_the_twins_and_repeats_its_bits() {
    let Some(adapter) = common::adapter() else { return };
    if !common::has_f16(&adapter) {
        return;
    }
    let half = ModelOptions { precision: Element::F16, ..build(4, Some(2)) };
    let (losses, weights) = trained(Device::Gpu(&adapter), half, 4, 10);
    let (again, others) = trained(Device::Gpu(&adapter), half, 4, 10);
    assert_eq!(losses, again);
    assert_eq!(bits(&weights), bits(&others));
    close(&losses, &trained(Device::Twins, half, 4, 10).0, 1e-4);
    close(&losses, &trained(Device::Gpu(&adapter), build(4, Some(2)), 4, 10).0, 1e-3);
    assert_ne!(losses, trained(Device::Gpu(&adapter), build(4, Some(2)), 4, 10).0, "f16 rounds nothing");
}

/// A too large loss scale makes gradients infinite: those steps only lower the scale, until it fits.
#[test]
fn steps_that_overflow_f16_are_left_out_and_halve_the_factor() {
    let gpu = common::adapter().filter(common::has_f16);
    let places = [Some(Device::Twins), gpu.as_ref().map(Device::Gpu)];
    for place in places.into_iter().flatten() {
        let half = ModelOptions { precision: Element::F16, ..build(4, None) };
        let mut vae = Vae::new(place, half, 5).expect("build");
        let start = LossScale { exponent: 20, ..LossScale::START };
        vae.load_scaling(start);
        let rgba = landscapes(4, SMALL.size);
        let before = bits(&vae.weights().expect("weights"));
        let mut step = 0;
        let mut skipped = 0;
        loop {
            let settings = StepSettings { seed: 5, step, lr: 1e-3, beta: 0.2, ..StepSettings::default() };
            vae.train_step(Input::Rgba(&rgba), 4, &settings).expect("step");
            let scaling = vae.scaling().expect("scaling");
            let moved = bits(&vae.weights().expect("weights")) != before;
            assert_eq!(moved, scaling.growth_tracker > 0, "step {step}: {scaling:?}");
            skipped += u32::from(!moved);
            assert_eq!((scaling.skipped, scaling.exponent), (skipped, 20 - skipped as i32));
            step += 1;
            if moved || step > 20 {
                break;
            }
        }
        assert!((1..12).contains(&skipped), "{skipped} steps left out at {}", vae.adapter());
    }
}

#[test]
fn f16_without_16_bit_floats_is_refused() {
    let half = ModelOptions { precision: Element::F16, ..build(4, None) };
    let error = half.plan(&Capabilities::webgpu_default()).err().expect("refused").to_string();
    assert!(error.contains("--precision f16") && error.contains("SHADER_F16"), "{error}");
}

#[test]
fn sizes_that_overflow_an_index_are_refused() {
    let refused = |config: ModelConfig, batch, micro| {
        let build = ModelOptions { micro, ..ModelOptions::training(config, batch) };
        let error = build.plan(&Capabilities::webgpu_default()).err().expect("refused");
        assert!(matches!(error, Error::Usage(_) | Error::Limit { .. }), "{error}");
    };
    refused(ModelConfig::reference(1024, 64, 1024), 1, None);
    refused(ModelConfig::reference(4096, 1024, 8), 1, None);
    refused(ModelConfig::REFERENCE, 4096, Some(4096));
    refused(ModelConfig::REFERENCE, 0, None);
}

#[test]
fn batch_64_of_the_reference_keeps_to_the_default_limits() {
    let target = Capabilities { discrete: true, ..Capabilities::webgpu_default() };
    let build = ModelOptions::training(ModelConfig::REFERENCE, 64);
    let (network, plan) = build.plan(&target).expect("plan");
    plan.check_limits(&target).expect("limits");
    assert_eq!(network.dims.micro, 32);
    let widest = plan.programs.iter().flat_map(|p| p.dispatches().flat_map(|d| d.bindings.iter()));
    assert_eq!(widest.map(Tensor::bytes).max(), Some(128 << 20), "the heads fill a binding exactly");
}

/// Drivers abort a dispatch that takes seconds, and cannot split it.
#[test]
fn no_dispatch_is_too_long_for_an_integrated_gpu() {
    let target =
        Capabilities { binding_bytes: 1 << 31, buffer_bytes: 1 << 32, ..Capabilities::webgpu_default() };
    let longest = |target: &Capabilities| {
        let build = ModelOptions::training(ModelConfig::REFERENCE, 64);
        let (network, plan) = build.plan(target).expect("plan");
        let dispatches = plan.programs.iter().flat_map(|program| program.dispatches());
        (network.dims.micro, dispatches.map(|dispatch| dispatch.flops()).max().expect("dispatches"))
    };
    let (micro, flops) = longest(&target);
    assert!(micro == 16 && flops <= 20_000_000_000, "{micro}: {flops}");
    let (micro, flops) = longest(&Capabilities { discrete: true, ..target });
    assert!(micro == 32 && flops > 30_000_000_000, "{micro}: {flops}");
}

#[test]
fn a_tensor_that_no_binding_holds_is_named() {
    let target = Capabilities::webgpu_default();
    let config = ModelConfig { latent: 160, ..ModelConfig::REFERENCE };
    let (_, plan) = ModelOptions::training(config, 4).plan(&target).expect("plan");
    let text = plan.check_limits(&target).expect_err("too large").to_string();
    for part in
        ["heads", "[320, 131072]", "167772160", "134217728", "maxStorageBufferBindingSize", "--latent"]
    {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    let larger = Capabilities { binding_bytes: 1 << 30, buffer_bytes: 1 << 31, ..target };
    plan.check_limits(&larger).expect("an adapter with larger limits takes it");
}
