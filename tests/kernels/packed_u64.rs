//! Vec4 loads and stores packed into 64-bit integers: equal bits with and without.

use bytemuck::cast_slice;
use wgvae::gpu::{Adapter, Capabilities, GpuRunner, Plan, Runner, Tensor, Usage};
use wgvae::ops::adam::Adam;
use wgvae::ops::conv2d::{Conv2dTranspose, Geometry};
use wgvae::ops::elementwise::Elementwise;
use wgvae::ops::ema::Ema;
use wgvae::ops::fused::Fused;
use wgvae::ops::gemm::variant::Variant;
use wgvae::ops::gemm::{Epilogue, Gemm};
use wgvae::ops::linear::LinearWeightGrad;
use wgvae::ops::loss_scale::LossScale;
use wgvae::ops::step::Step;
use wgvae::ops::totals::TotalsSlots;
use wgvae::ops::tunable::{KernelConfig, Tunable};

use crate::common;
use crate::common::report;

/// Rows and columns of a matrix: no multiple of a tile's, so that tiles extend beyond it.
const EDGE: u32 = 20;

/// Special values: minimum normal, negative zero, subnormal, infinity, NaN.
const ODD: [u32; 6] = [0x0080_0000, 0x8000_0000, 0x8000_0001, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000];

/// The bits, with one pattern for all NaNs, because the sum of two NaNs has the bits of either.
fn bits(value: f32) -> u32 {
    if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() }
}

/// The outputs of products that accumulate or have a mask or a bias, of a step of Adam, an EMA and a Winograd convolution, and
/// how many of their kernels use 64-bit integers.
fn outputs(adapter: &Adapter, target: &Capabilities) -> (Vec<(&'static str, Vec<u32>)>, usize) {
    let mut plan = Plan::of(target);
    let program = plan.program("vec4s");
    let square = [EDGE, EDGE];
    let [dy, x, grad, param, first, second, average] =
        ["dy", "x", "grad", "param", "first", "second", "average"].map(|name| plan.tensor(name, &square));
    let scaling = plan.tensor("scaling", LossScale::shape().dims());
    let totals = plan.tensor("totals", TotalsSlots::shape().dims());
    let step = plan.buffer("step", Step::shape().len().into(), Usage::Uniform);
    let step = Tensor { buffer: step, shape: Step::shape(), ..x };

    let product = LinearWeightGrad { rows: EDGE, inputs: EDGE, outputs: EDGE, planes: 1 };
    let added = Gemm { product, variant: Variant::PLAIN, splits: 1, epilogue: Epilogue::ACCUMULATE };
    plan.dispatch(program, "added", added, &[dy, x, x.slice(0, 4), grad]);
    let [mask, masked, biased] = ["mask", "masked", "biased"].map(|name| plan.tensor(name, &square));
    let bias = plan.tensor("bias", &[EDGE]);
    plan.dispatch(program, "masked", Gemm { epilogue: Epilogue::MASK, ..added }, &[x, x, mask, masked]);
    plan.dispatch(program, "biased", Gemm { epilogue: Epilogue::BIAS, ..added }, &[x, x, bias, biased]);
    let adam = Adam::new(EDGE * EDGE, Elementwise::default());
    plan.dispatch(program, "adam", adam, &[step, grad, scaling, totals, param, first, second]);
    let averaged = Ema::new(EDGE * EDGE, Elementwise::default());
    plan.dispatch(program, "average", averaged, &[step, param, scaling, average]);
    let g = Geometry { batch: 4, low_h: 5, low_w: 3, low_c: 12, high_c: 8 };
    let winograd = Fused::plain(Conv2dTranspose::from(g), Epilogue::NONE);
    let operands: Vec<Tensor> =
        winograd.operands().iter().map(|(name, shape)| plan.tensor(*name, shape.dims())).collect();
    let &[low, weight, _, high] = &operands[..] else { panic!("{operands:?}") };
    winograd.record(
        &mut plan,
        program,
        KernelConfig::Winograd { variant: Variant::PLAIN, splits: 2 },
        &operands,
    );

    let words = plan.get(program).dispatches().filter(|d| d.reflection.int64).count();
    let mut runner = GpuRunner::new(adapter, plan).expect("a runner");
    let wave = |scale: f32, len: u32| -> Vec<f32> { (0..len).map(|i| (scale * i as f32).sin()).collect() };
    for (scale, tensor) in [dy, x, grad, param, first, average, low, weight, mask, bias].iter().enumerate() {
        runner.write_f32(tensor, &wave(0.3 + scale as f32, tensor.len()));
    }
    let squares: Vec<f32> = wave(0.7, second.len()).into_iter().map(f32::abs).collect();
    runner.write_f32(&second, &squares);
    // the product adds nothing to the first row of gradients; for zero gradients Adam adds nothing to the parameters
    let zeros = [0; EDGE as usize];
    let mut column = wave(0.3, dy.len());
    column.iter_mut().step_by(EDGE as usize).for_each(|value| *value = 0.0);
    runner.write_f32(&dy, &column);
    [grad, first, second].iter().for_each(|tensor| runner.write(tensor, &zeros));
    runner.write(&grad, &ODD);
    [param.slice(8, 8), mask.slice(8, 8), bias].iter().for_each(|tensor| runner.write(tensor, &ODD));
    runner.write(&scaling, cast_slice(&[LossScale::default()]));
    runner.write(&step, cast_slice(&[Step { ema: 0.1, ..Step::default().with_adam(1e-3, 0.0, 3) }]));
    runner.run(&[program]).expect("a run");
    let outputs = [
        ("grad", grad),
        ("param", param),
        ("first", first),
        ("second", second),
        ("average", average),
        ("high", high),
        ("masked", masked),
        ("biased", biased),
    ];
    let mut read = |tensor| runner.read(tensor).expect("a result").into_iter().map(bits).collect();
    (outputs.iter().map(|(name, tensor)| (*name, read(tensor))).collect(), words)
}

#[test]
fn packed_vec4s_have_equal_bits() {
    let Some(adapter) = common::adapter() else { return };
    let there = adapter.features.contains(wgpu::Features::SHADER_INT64);
    assert_eq!(adapter.capabilities().packed_u64, there && adapter.is_software());
    // other compilers may fuse other multiplications and additions with other loads
    if !adapter.capabilities().packed_u64 {
        return report::left_out(&format!("no 64-bit integers: {}", adapter.describe()));
    }
    let of = |packed_u64| outputs(&adapter, &Capabilities { packed_u64, ..adapter.capabilities() });
    let ((floats, none), (words, some)) = (of(false), of(true));
    assert_eq!(none, 0, "kernels with 64-bit integers that are switched off");
    // the products, Adam, the EMA; transforms of both factors, their products, the sum of those, and the inverse
    assert_eq!(some, 10, "kernels with 64-bit integers");
    let kept = |(name, bits): &(&str, Vec<u32>)| *name != "param" || bits[8..10] == ODD[..2];
    assert!(floats.iter().all(kept), "{:x?} should still be there", &ODD[..2]);
    for ((name, floats), (_, words)) in floats.iter().zip(&words) {
        let differ = floats.iter().zip(words).position(|(f, w)| f != w);
        assert_eq!(differ, None, "{name}: {:?}", differ.map(|at| [floats[at], words[at]]));
        let odd = floats.iter().filter(|&&v| !f32::from_bits(v).is_normal()).count();
        println!("{name}: {} elements, {odd} of them odd", floats.len());
    }
}
