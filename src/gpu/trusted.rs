//! What wgpu marks as unsafe: the only file of the library that may say so, each call with the reason why it is sound here.
#![allow(unsafe_code, reason = "wgpu asks for the caller's word that no type can give")]

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
