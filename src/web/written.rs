//! `plan.json`, the JSON format that the page's JavaScript reads.
//! Read this before changing what the page is told.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;

/// `plan.json`.
#[derive(Debug, Serialize)]
pub struct Written {
    pub(super) format: u32,
    /// required WebGPU limits by name
    pub(super) limits: BTreeMap<&'static str, u64>,
    pub(super) buffers: Vec<Buffer>,
    /// runs by name: programs in their order, and the fields of the uniform
    pub(super) runs: BTreeMap<&'static str, WrittenRun>,
    pub(super) programs: BTreeMap<&'static str, Vec<Step>>,
    /// tensors that the page reads and writes, by name
    pub(super) tensors: BTreeMap<&'static str, Range>,
    /// uniform fields by the name of the uniform's tensor
    pub(super) uniforms: BTreeMap<&'static str, Vec<Field>>,
    /// ranges of the parameters by their names in `model.safetensors`
    pub(super) parameters: BTreeMap<String, Range>,
    /// ranges of the parameters in `flow.safetensors`: pages of earlier versions read `model.safetensors` only
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) flow_parameters: BTreeMap<String, Range>,
}

#[derive(Debug, Serialize)]
pub(super) struct Buffer {
    pub(super) label: String,
    pub(super) bytes: u64,
    pub(super) usage: &'static str,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Range {
    pub(super) buffer: usize,
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) shape: Vec<u32>,
}

#[derive(Debug, Serialize)]
pub(super) struct WrittenRun {
    pub(super) programs: Vec<&'static str>,
    /// fields of the uniform; unnamed fields are zero
    pub(super) step: BTreeMap<&'static str, Json>,
}

#[derive(Debug, Serialize)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) offset: u32,
    #[serde(rename = "type")]
    pub(super) wgsl_type: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Step {
    Clear { clear: usize },
    Dispatch(Box<Dispatched>),
}

#[derive(Debug, Serialize)]
pub(super) struct Dispatched {
    pub(super) label: String,
    pub(super) kernel: &'static str,
    /// constants of this dispatch: the kernel is this text followed by that of `shader`
    pub(super) header: String,
    pub(super) shader: String,
    pub(super) entry: &'static str,
    /// values already compiled into the shader, for information
    pub(super) constants: BTreeMap<&'static str, Json>,
    pub(super) bindings: Vec<Binding>,
    pub(super) groups: [u32; 3],
}

#[derive(Debug, Serialize)]
pub(super) struct Binding {
    pub(super) name: String,
    pub(super) access: &'static str,
    #[serde(flatten)]
    pub(super) range: Range,
}

/// Limits of the plan beyond the WebGPU minimum: the page must request them.
pub(super) fn limits(
    buffers: &[Buffer],
    programs: &BTreeMap<&'static str, Vec<Step>>,
) -> BTreeMap<&'static str, u64> {
    let dispatches = programs.values().flatten().filter_map(|step| match step {
        Step::Dispatch(dispatch) => Some(dispatch),
        Step::Clear { .. } => None,
    });
    let binding = dispatches.flat_map(|d| &d.bindings).map(|b| b.range.bytes).max();
    let buffer = buffers.iter().map(|buffer| buffer.bytes).max();
    let needed = [("maxBufferSize", buffer), ("maxStorageBufferBindingSize", binding)];
    needed.into_iter().map(|(name, bytes)| (name, bytes.unwrap_or_default())).collect()
}
