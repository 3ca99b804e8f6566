//! Training steps and single kernels on the adapter in use:
//!
//!     cargo bench --manifest-path benches/criterion/Cargo.toml [-- conv2d]
//!
//! Times are measured on the host. A measurement waits for the GPU once at its end, so a wait is shared by many runs.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wgvae::config::ModelConfig;
use wgvae::gpu::{Adapter, AdapterChoice, GpuRunner, Plan, Runner, adapter};
use wgvae::model::{ModelOptions, Input, Device, StepSettings, Vae};
use wgvae::ops::conv2d::{Conv2d, Conv2dTranspose, Conv2dWeightGrad, Geometry};
use wgvae::ops::fused::Fused;
use wgvae::ops::gemm::{Epilogue, Product};
use wgvae::ops::tunable::Tunable;
use wgvae::ops::tuning::Tuning;

fn open() -> Adapter {
    let named = std::env::var("WGVAE_ADAPTER").ok().and_then(|name| name.parse().ok());
    let choice: AdapterChoice = named.unwrap_or_default();
    let backends = adapter::backends(None).expect("back ends");
    Adapter::choose(&choice, backends).expect("an adapter")
}

/// Images per second of whole training steps.
fn steps(criterion: &mut Criterion) {
    let adapter = open();
    let mut group = criterion.benchmark_group("train");
    for (size, hidden, batch) in [(64, 16, 16), (64, 64, 16)] {
        let config = ModelConfig::reference(size, hidden, 128);
        let build = ModelOptions::training(config, batch);
        let mut vae = Vae::new(Device::Gpu(&adapter), build, 0).expect("model");
        let rgba = vec![0xff80_4020; (batch * size * size) as usize];
        let mut step = 0;
        group.throughput(Throughput::Elements(batch.into()));
        group.bench_function(format!("{size} px, hidden {hidden}, batch {batch}"), |bencher| {
            bencher.iter_custom(|iterations| {
                let began = Instant::now();
                for _ in 0..iterations {
                    let settings =
                        StepSettings { seed: 0, step, lr: 1e-3, beta: 0.2, ..StepSettings::default() };
                    vae.train_step(Input::Rgba(&rgba), batch, &settings).expect("step");
                    step += 1;
                }
                black_box(vae.losses(true).expect("losses"));
                began.elapsed()
            });
        });
    }
}

/// FLOP/s of the three convolutions of a middle layer, counted as direct convolutions: the default configuration may
/// execute fewer operations.
fn kernels(criterion: &mut Criterion) {
    let geometry = Geometry { batch: 16, low_h: 8, low_w: 8, low_c: 256, high_c: 128 };
    one(criterion, "conv2d", Conv2d::from(geometry));
    one(criterion, "conv2d_transpose", Conv2dTranspose::from(geometry));
    one(criterion, "conv2d_weight_grad", Conv2dWeightGrad::from(geometry));
}

fn one<P: Product>(criterion: &mut Criterion, name: &str, product: P) {
    let adapter = open();
    let target = adapter.capabilities();
    let op = Fused::plain(product, Epilogue::NONE);
    let form = Tuning::of(&target).product(op);
    let mut plan = Plan::of(&target);
    let program = plan.program("bench");
    let tensors: Vec<_> =
        op.operands().iter().map(|(name, shape)| plan.tensor(*name, shape.dims())).collect();
    op.record(&mut plan, program, form, &tensors);
    let mut runner = GpuRunner::new(&adapter, plan).expect("runner");
    for tensor in &tensors[..2] {
        let values: Vec<f32> = (0..tensor.len()).map(|i| (i % 97) as f32 / 97.0 - 0.5).collect();
        runner.write_f32(tensor, &values);
    }
    let corner = tensors[3].slice(0, 4);
    let mut group = criterion.benchmark_group("kernel");
    group.throughput(Throughput::Elements(product.flops()));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let began = Instant::now();
            for _ in 0..iterations {
                runner.run(&[program]).expect("run");
            }
            black_box(runner.read(&corner).expect("read"));
            began.elapsed()
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(10));
    targets = kernels, steps
}
criterion_main!(benches);
