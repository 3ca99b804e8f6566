//! Unsafe calls of wgpu and the standard library, each with the reason why it is sound. No other file may have any.
#![allow(unsafe_code, reason = "the caller must guarantee what no type can express")]

/// Enables wgpu's experimental features. Only a plan with kernels of cooperative matrices needs them, and the autotuner
/// compares those with the plain core before it uses them.
pub(super) fn experimental() -> wgpu::ExperimentalFeatures {
    // SAFETY: the caller acknowledges that such a feature may have bugs, which cannot be excluded here
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}

/// A pipeline cache, empty or with `data`, to which the driver adds as it compiles.
///
/// `data` must come from [`wgpu::PipelineCache::get_data`], possibly on another machine. Data of another driver or version
/// is ignored, and data of another adapter is a validation error.
pub(super) fn pipeline_cache(device: &wgpu::Device, data: Option<&[u8]>) -> wgpu::PipelineCache {
    let descriptor = wgpu::PipelineCacheDescriptor { label: Some("pipeline cache"), data, fallback: true };
    // SAFETY: the data comes from a file of this program with a valid digest, so get_data returned it, unless someone with
    // write access to the user's cache folder forged it
    unsafe { device.create_pipeline_cache(&descriptor) }
}

/// Sets a variable of the environment, if this is the only thread of the process.
#[cfg(target_os = "linux")]
pub(super) fn set_variable(name: &str, value: &str) {
    if std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1) {
        // SAFETY: only another thread could read the environment meanwhile, and there is none
        unsafe { std::env::set_var(name, value) }
    }
}
