//! Four elements at a time, as floats or as two words of 64 bits: the same bits either way.

mod common;

use bytemuck::cast_slice;
use wgvae::gpu::{Adapter, GpuRunner, Plan, Runner, Target, Tensor, Usage};
use wgvae::ops::adam::Adam;
use wgvae::ops::conv2d::{Conv2dTranspose, Geometry};
use wgvae::ops::gemm::{Epilogue, Fused, Gemm};
use wgvae::ops::linear::LinearWeightGrad;
use wgvae::ops::scaling::Scaling;
use wgvae::ops::step::Step;
use wgvae::ops::sweep::Sweep;
use wgvae::ops::totalled::Totalled;
use wgvae::ops::tuning::{Form, Tunable};
use wgvae::ops::variant::Variant;

/// A matrix's edge: no multiple of a tile's, so that tiles jut out.
const EDGE: u32 = 20;

/// Bits that do not look like the others: zero below zero, subnormal, least normal, infinite, none.
const ODD: [u32; 6] = [0x8000_0000, 0x8000_0001, 0x0080_0000, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000];

/// The bits, those of what is not a number all the same: which of two such a sum takes on is the compiler's choice.
fn bits(value: f32) -> u32 {
    if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() }
}

/// What a product that adds to what is there, a convolution by points and a step of Adam write, and how many of their
/// kernels take words.
fn outputs(adapter: &Adapter, target: &Target) -> (Vec<(&'static str, Vec<u32>)>, usize) {
    let mut plan = Plan::of(target);
    let program = plan.program("quads");
    let square = [EDGE, EDGE];
    let [dy, x, grad, param, first, second] =
        ["dy", "x", "grad", "param", "first", "second"].map(|name| plan.tensor(name, &square));
    let scaling = plan.tensor("scaling", Scaling::shape().dims());
    let totals = plan.tensor("totals", Totalled::shape().dims());
    let step = plan.buffer("step", Step::shape().len().into(), Usage::Uniform);
    let step = Tensor { buffer: step, shape: Step::shape(), ..x };

    let product = LinearWeightGrad { rows: EDGE, inputs: EDGE, outputs: EDGE, planes: 1 };
    let added = Gemm { product, variant: Variant::PLAIN, splits: 1, epilogue: Epilogue::Accumulate };
    plan.dispatch(program, "added", added, &[dy, x, x.slice(0, 4), grad]);
    let adam = Adam::new(EDGE * EDGE, Sweep::default());
    plan.dispatch(program, "adam", adam, &[step, grad, scaling, totals, param, first, second]);
    let g = Geometry { images: 4, low_h: 5, low_w: 3, low_c: 12, high_c: 8 };
    let points = Fused::plain(Conv2dTranspose::from(g), Epilogue::None);
    let operands: Vec<Tensor> =
        points.operands().iter().map(|(name, shape)| plan.tensor(*name, shape.dims())).collect();
    let &[low, weight, _, high] = &operands[..] else { panic!("{operands:?}") };
    points.record(&mut plan, program, Form::Winograd { variant: Variant::PLAIN, splits: 2 }, &operands);

    let words = plan.get(program).dispatches().filter(|d| d.reflection.int64).count();
    let mut runner = GpuRunner::new(adapter, plan).expect("a runner");
    let wave = |scale: f32, len: u32| -> Vec<f32> { (0..len).map(|i| (scale * i as f32).sin()).collect() };
    for (scale, tensor) in [dy, x, grad, param, first, low, weight].iter().enumerate() {
        runner.write_f32(tensor, &wave(0.3 + scale as f32, tensor.len()));
    }
    let squares: Vec<f32> = wave(0.7, second.len()).into_iter().map(f32::abs).collect();
    runner.write_f32(&second, &squares);
    for (at, odd) in ODD.into_iter().enumerate() {
        runner.write(&param.slice(64 * at as u32, 4), &[odd; 3]);
        runner.write(&grad.slice(64 * at as u32 + 4, 4), &[odd; 3]);
    }
    runner.write(&scaling, cast_slice(&[Scaling::default()]));
    runner.write(&step, cast_slice(&[Step::default().with_adam(1e-3, 0.01, 3)]));
    runner.run(&[program]).expect("a run");
    let outputs = [("grad", grad), ("param", param), ("first", first), ("second", second), ("high", high)];
    let mut read = |tensor| runner.read(tensor).expect("a result").into_iter().map(bits).collect();
    (outputs.iter().map(|(name, tensor)| (*name, read(tensor))).collect(), words)
}

#[test]
fn words_of_64_bits_hold_the_same_bits() {
    let Some(adapter) = common::adapter() else { return };
    if !adapter.features.contains(wgpu::Features::SHADER_INT64) {
        return println!("SKIPPED: {} has no integers of 64 bits", adapter.describe());
    }
    let of = |words| outputs(&adapter, &Target { words, ..adapter.target() });
    let ((floats, none), (words, some)) = (of(false), of(true));
    assert_eq!(none, 0, "kernels with words nobody asked for");
    // the product, Adam, points of both factors, their products, and the sum of those
    assert_eq!(some, 7, "kernels with words");
    for ((name, floats), (_, words)) in floats.iter().zip(&words) {
        let differ = floats.iter().zip(words).position(|(f, w)| f != w);
        assert_eq!(differ, None, "{name}: {:?}", differ.map(|at| [floats[at], words[at]]));
        let odd = floats.iter().filter(|&&v| !f32::from_bits(v).is_normal()).count();
        println!("{name}: {} elements, {odd} of them odd", floats.len());
    }
}
