//! The roofline of an adapter: its peak arithmetic and bandwidth, measured by kernels of multiply-adds and copies.
//!
//! `wgvae profile` compares the other kernels with it.

use std::time::Duration;

use super::elementwise::Elementwise;
use crate::error::Result;
use crate::gpu::Op;
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::gpu::{Adapter, Clock, GpuRunner, Plan, Runner, Shape};
use crate::{params, wgsl};

/// Vec4 chains of each invocation.
const CHAINS: u64 = 3;
/// Multiply-adds of each chain per round; the faster counts.
const UNROLLED: [u32; 2] = [16, 8];
/// Workgroup sizes of the copy, and vec4s per invocation; the fastest counts.
const COPIES: [[u32; 2]; 3] = [[64, 1], [256, 1], [64, 16]];
/// Multiply-adds of each chain in a measurement.
const STEPS: u32 = 1024;

/// The minimum duration of a measurement: repeats are doubled until it is reached.
const LONG_ENOUGH: Duration = Duration::from_millis(40);
/// The number of measurements, the best of which counts.
const RUNS: usize = 4;
/// The maximum number of repeats in one submit.
const REPEATS: u32 = 4096;

params! {
    /// `out[vec4s, 4]`: the sum of three chains of `unrolled * rounds` steps `y = 3/4 y + 1/4` from `x[vec4s, 4]`,
    /// `x + 1` and `x + 2` on.
    pub struct RooflineFma {
        /// invocations, a vec4 each
        vec4s: u32,
        /// multiply-adds per chain and round, 8 or 16
        unrolled: u32,
        /// iterations of the loop
        rounds: u32,
    }
}

impl RooflineFma {
    fn steps(&self) -> u64 {
        u64::from(self.unrolled) * u64::from(self.rounds)
    }
}

impl Op for RooflineFma {
    fn kernel(&self) -> Kernel {
        Kernel { name: "roofline_fma", files: vec![wgsl!("measure/roofline_fma.wgsl")] }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let floats = Shape::new(&[self.vec4s, 4]);
        vec![("x", floats), ("out", floats)]
    }

    fn groups(&self) -> u64 {
        u64::from(self.vec4s).div_ceil(64)
    }

    fn flops(&self) -> u64 {
        // a multiply-add counts as two; two additions before and two after the chains
        4 * u64::from(self.vec4s) * (2 * CHAINS * self.steps() + 4)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [x, out] = buffers else { panic!("roofline_fma: {} operands", buffers.len()) };
        let chain = |start: f64| (0..self.steps()).fold(start, |y, _| 0.75 * y + 0.25);
        for (x, out) in x.iter().zip(out) {
            *out = (0..CHAINS).map(|i| chain(f64::from(*x) + i as f64)).sum::<f64>() as f32;
        }
    }
}

params! {
    /// Size of `roofline_copy.wgsl`.
    pub struct CopyParams {
        /// vec4s
        vec4s: u32,
    }
}

/// `out[vec4s, 4] = x[vec4s, 4]`.
#[derive(Debug, Clone, Copy)]
pub struct RooflineCopy {
    params: CopyParams,
    launch: Elementwise,
}

impl RooflineCopy {
    /// For `vec4s` vec4s.
    pub fn new(vec4s: u32, launch: Elementwise) -> Self {
        Self { params: CopyParams { vec4s }, launch }
    }
}

impl Op for RooflineCopy {
    fn kernel(&self) -> Kernel {
        Kernel {
            name: "roofline_copy",
            files: vec![wgsl!("measure/roofline_copy.wgsl"), wgsl!("common/elementwise.wgsl")],
        }
    }

    fn params(&self) -> Vec<Constant> {
        self.params.values()
    }

    fn constants(&self) -> Vec<Constant> {
        self.launch.constants()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let floats = Shape::new(&[self.params.vec4s, 4]);
        vec![("x", floats), ("out", floats)]
    }

    fn groups(&self) -> u64 {
        self.launch.groups(self.params.vec4s)
    }

    fn flops(&self) -> u64 {
        0
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [x, out] = buffers else { panic!("roofline_copy: {} operands", buffers.len()) };
        out.copy_from_slice(x);
    }
}

/// Peak rates of an adapter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ceilings {
    /// 10^9 floating-point operations per second; a multiply-add counts as two
    pub gflops: f64,
    /// 10^9 bytes per second, read and written
    pub gbps: f64,
}

impl Ceilings {
    /// Measures `adapter` in a second or two after the five kernels are compiled, by the host's clock if `clock` says so or
    /// there are no timestamps.
    ///
    /// # Errors
    /// If the device refuses.
    pub fn measure(adapter: &Adapter, clock: Clock) -> Result<Self> {
        // on a GPU enough work to outlast a launch, buffers too large for its caches; on a CPU some milliseconds
        let (invocations, bytes) =
            if adapter.is_software() { (1 << 13, 32 << 20) } else { (1 << 19, 64 << 20) };
        let bytes = adapter.capabilities().binding_bytes.min(bytes);
        let mut gflops = 0.0_f64;
        for unrolled in UNROLLED {
            let fma = RooflineFma { vec4s: invocations, unrolled, rounds: STEPS / unrolled };
            let flops = fma.flops() as f64;
            gflops = gflops.max(flops / best(adapter, clock, fma)? / 1e9);
        }
        let mut gbps = 0.0_f64;
        for launch in COPIES {
            let copy = RooflineCopy::new((bytes / 16) as u32, launch.into());
            let moved = (2 * 16 * u64::from(copy.params.vec4s)) as f64;
            gbps = gbps.max(moved / best(adapter, clock, copy)? / 1e9);
        }
        Ok(Self { gflops, gbps })
    }
}

/// The minimum time of one dispatch of `op` in seconds, of several measurements.
fn best(adapter: &Adapter, clock: Clock, op: impl Op) -> Result<f64> {
    let mut plan = Plan::of(&adapter.capabilities());
    let program = plan.program("ceiling");
    let operands = op.operands();
    let tensors: Vec<_> = operands.iter().map(|(name, shape)| plan.tensor(*name, shape.dims())).collect();
    plan.dispatch(program, "ceiling", op, &tensors);
    let mut runner = match clock {
        Clock::Device => GpuRunner::timed(adapter, plan)?,
        Clock::Host => GpuRunner::new(adapter, plan)?,
    };
    runner.run(&[program])?; // the buffers are cleared before their first use
    let mut repeats = 1;
    let mut took = runner.time(program, repeats)?;
    while took < LONG_ENOUGH && repeats < REPEATS {
        repeats *= 2;
        took = runner.time(program, repeats)?;
    }
    for _ in 1..RUNS {
        took = took.min(runner.time(program, repeats)?);
    }
    Ok(took.as_secs_f64().max(1e-9) / f64::from(repeats))
}
