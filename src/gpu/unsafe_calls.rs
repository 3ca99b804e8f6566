//! What wgpu and the standard library mark as unsafe: the only file that may say so, each call with the reason why it is
//! sound here.
#![allow(unsafe_code, reason = "they ask for the caller's word that no type can give")]

/// Leave to use wgpu's experimental features. Asked for only by a plan with kernels that need one, cooperative
/// matrices; the autotuner takes those after it has compared them with the plain core.
pub(super) fn experimental() -> wgpu::ExperimentalFeatures {
    // SAFETY: wgpu wants it acknowledged that such a feature may have bugs; none of them can be ruled out from here
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}

/// A store of compiled kernels, empty or holding `data`, which the driver adds to as it compiles.
///
/// `data` must be what [`wgpu::PipelineCache::get_data`] gave, on whatever machine: what another driver or version
/// wrote is left unused, and what another adapter did is a validation error.
pub(super) fn pipeline_cache(device: &wgpu::Device, data: Option<&[u8]>) -> wgpu::PipelineCache {
    let descriptor = wgpu::PipelineCacheDescriptor { label: Some("kept kernels"), data, fallback: true };
    // SAFETY: the data comes from a file of ours whose digest is right, so it is what get_data gave when it was
    // written, unless somebody who may write to the user's cache folder made it up
    unsafe { device.create_pipeline_cache(&descriptor) }
}

/// Sets a variable of the environment, if this is the only thread of the process.
#[cfg(target_os = "linux")]
pub(super) fn set_variable(name: &str, value: &str) {
    if std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1) {
        // SAFETY: another thread could read the environment meanwhile, and there is none, nor anyone to start one
        unsafe { std::env::set_var(name, value) }
    }
}
