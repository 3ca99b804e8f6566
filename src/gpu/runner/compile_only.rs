//! Compilation of a plan's kernels without running them, one by one in the plan's order.
//!
//! Drivers of GPUs that are not there compile kernels, and execute nothing: Mesa's no-op shims. See docs/gpu-compilers.md.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::device::OpenDevice;
use super::pipelines::pipeline;
use crate::error::Result;
use crate::gpu::adapter::Adapter;
use crate::gpu::op::Dispatch;
use crate::gpu::plan::Plan;

/// A kernel that the driver has compiled, or refused.
pub struct Compiled<'a> {
    /// the first of the plan's dispatches that run it
    pub dispatch: &'a Dispatch,
    /// time that its compilation took
    pub took: Duration,
    /// the driver's or wgpu's reason to refuse it
    pub refused: Option<String>,
}

/// Compiles each kernel of `plan` once on `adapter`, in the order of its first dispatch; `each` receives every result. No
/// buffer is allocated, no pipeline cache is read or written, and nothing is submitted.
///
/// # Errors
/// [`Error::Limit`](crate::error::Error::Limit) if the plan does not fit, [`Error::Device`](crate::error::Error::Device) if
/// the adapter gives no device.
pub fn compile_only<'a>(adapter: &Adapter, plan: &'a Plan, each: &mut dyn FnMut(Compiled<'a>)) -> Result<()> {
    plan.check_limits(&adapter.capabilities())?;
    let device = OpenDevice::open(adapter, plan, wgpu::Features::empty())?;
    let mut seen = HashSet::new();
    for dispatch in plan.programs.iter().flat_map(|program| program.dispatches()) {
        if !seen.insert(&dispatch.source) {
            continue;
        }
        let filters =
            [wgpu::ErrorFilter::Validation, wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::OutOfMemory];
        let scopes = filters.map(|filter| device.device.push_error_scope(filter));
        let began = Instant::now();
        drop(pipeline(&device.device, dispatch, None));
        let took = began.elapsed();
        let errors = scopes.into_iter().rev().filter_map(|scope| pollster::block_on(scope.pop()));
        // all scopes have to be taken off
        let refused = errors.map(|error| error.to_string()).collect::<Vec<_>>().into_iter().next();
        each(Compiled { dispatch, took, refused });
    }
    Ok(())
}
