//! The exported plan: the programs that turn noise or a picture into a picture, without training.
//! Read this for what an export takes out of a model's plan.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::written::{Binding, Buffer, Dispatched, Field, Range, Step, Written, WrittenRun, limits};
use super::{sha256, weights};
use crate::config::{Likelihood, ModelConfig};
use crate::error::Result;
use crate::gpu::kernel::{self, Access, Constant, Value};
use crate::gpu::{Capabilities, Dispatch, Item, Plan, ProgramId, Tensor, Usage};
use crate::model::flow::{FlowSampler, FlowSampling};
use crate::model::{ModelOptions, Network, Run};
use crate::ops::Stream;
use crate::ops::gemm::variant::Variant;
use crate::ops::tunable::KernelConfig;
use crate::ops::tuning::Tuning;

/// A model's exported plan, and the layout of its parameters.
pub struct Recorded {
    /// `plan.json`
    pub plan: Written,
    /// file name and source of every kernel
    pub shaders: BTreeMap<String, String>,
    pub(super) network: Network,
}

/// A run of the page.
struct Computed {
    name: &'static str,
    programs: Vec<ProgramId>,
    /// fields of the uniform
    step: Vec<(&'static str, Json)>,
}

/// The runs that the page can compute.
fn computed(network: &Network) -> Vec<Computed> {
    let programs = network.programs;
    let valid = ("valid", Json::from(1));
    let drawn = vec![valid.clone(), ("noise_std", 1.into()), ("stream", (Stream::Samples as u32).into())];
    let computed = |name, run: Run, step| Computed { name, programs: run.each, step };
    let flow = network.flow.as_ref();
    let flow = flow.map(|flow| computed("flow", programs.sample_flow(flow), drawn.clone()));
    let others = [
        computed("sample", programs.sample(), drawn),
        computed("encode", programs.encode(), vec![valid.clone()]),
        computed("decode", programs.decode(), vec![valid.clone()]),
        // no noise, so that z is the mean
        computed("reconstruct", programs.reconstruct(), vec![valid]),
    ];
    flow.into_iter().chain(others).collect()
}

/// Records the plan of `config` for one picture, with `likelihood` determining its display and `flow` another source of
/// latents, for the WebGPU default limits without optional features.
///
/// # Errors
/// If the model exceeds these limits.
pub fn record(config: &ModelConfig, likelihood: Likelihood, flow: Option<FlowSampling>) -> Result<Recorded> {
    let target = Capabilities::webgpu_default();
    let build = ModelOptions { likelihood, flow, ..ModelOptions::inference(*config, 1) };
    let usual = Tuning::of(&target);
    build.plan_with(&target, &usual)?;
    let quick = usual.ops().into_iter().map(|(op, form)| (op.key(), quick(form))).collect();
    let (network, plan) = build.plan_with(&target, &Tuning::with(&target, quick))?;
    Ok(Writer::new(&network, &plan).write(network, &plan))
}

/// Replaces a product's configuration by the one whose shader compiles fastest. A visitor waits for all kernels to
/// compile before the first picture, and a single picture is little work (compile times in
/// docs/lab-notebook/defaults.md).
fn quick(config: KernelConfig) -> KernelConfig {
    let direct = |threads| Variant::direct(threads, 1);
    match config {
        KernelConfig::Product { variant: Variant::NARROW, splits } => {
            KernelConfig::Product { variant: direct([64, 1]), splits }
        }
        KernelConfig::Product { splits, .. } => KernelConfig::Product { variant: direct([16, 4]), splits },
        other => other,
    }
}

struct Writer {
    ids: BTreeSet<usize>,
    /// index of each exported buffer by its index in the plan
    places: BTreeMap<usize, usize>,
    shaders: BTreeMap<String, String>,
}

impl Writer {
    /// Keeps only the buffers that the page's dispatches bind.
    fn new(network: &Network, plan: &Plan) -> Self {
        let ids: BTreeSet<usize> =
            computed(network).into_iter().flat_map(|run| run.programs).map(|id| id.0).collect();
        let items = || ids.iter().flat_map(|id| &plan.programs[*id].items);
        let of = |item: &Item| match item {
            Item::Clear(buffer) => vec![buffer.index()],
            Item::TextureCopy(copy) => vec![copy.tensor.buffer.index()],
            Item::Dispatch(d) => d.bindings.iter().map(|tensor| tensor.buffer.index()).collect(),
        };
        let used: BTreeSet<usize> = items().flat_map(of).collect();
        let places = used.into_iter().enumerate().map(|(place, buffer)| (buffer, place)).collect();
        Self { ids, places, shaders: BTreeMap::new() }
    }

    fn range(&self, tensor: &Tensor) -> Range {
        Range {
            buffer: self.places[&tensor.buffer.index()],
            offset: tensor.byte_offset(),
            bytes: tensor.bytes(),
            shape: tensor.shape.dims().to_vec(),
        }
    }

    fn write(mut self, network: Network, plan: &Plan) -> Recorded {
        let mut programs = BTreeMap::new();
        for id in self.ids.clone() {
            let program = &plan.programs[id];
            let steps = program.items.iter().map(|item| match item {
                Item::Clear(buffer) => Step::Clear { clear: self.places[&buffer.index()] },
                Item::TextureCopy(copy) => unreachable!("{}: the page's target has no textures", copy.label),
                Item::Dispatch(d) => Step::Dispatch(Box::new(self.dispatch(d))),
            });
            programs.insert(program.name, steps.collect());
        }
        let buffer = |(&at, _): (&usize, _)| {
            let spec = &plan.buffers[at];
            let usage = if spec.usage == Usage::Uniform { "uniform" } else { "storage" };
            Buffer { label: spec.label.clone(), bytes: (4 * spec.len).next_multiple_of(16), usage }
        };
        let buffers: Vec<Buffer> = self.places.iter().map(buffer).collect();
        let t = &network.tensors;
        let labels = network.flow.as_ref().map(|flow| ("flow_labels", flow.labels));
        let tensors = [
            ("step", t.step),
            ("batch_indices", t.batch_indices),
            ("rgba", t.rgba),
            ("heads", t.heads),
            ("eps", t.eps),
            ("z", t.z),
            ("output_rgba", t.output_rgba),
        ];
        let named = |Computed { name, programs, step }| {
            let programs = programs.iter().map(|id| plan.get(*id).name).collect();
            (name, WrittenRun { programs, step: step.into_iter().collect() })
        };
        let written = Written {
            format: super::FORMAT,
            limits: limits(&buffers, &programs),
            runs: computed(&network).into_iter().map(named).collect(),
            tensors: tensors
                .iter()
                .chain(&labels)
                .map(|(name, tensor)| (*name, self.range(tensor)))
                .collect(),
            uniforms: [("step", self.fields(plan, t.step))].into(),
            parameters: self.parameters(&network),
            flow_parameters: network.flow.as_ref().map(|flow| self.flow_parameters(flow)).unwrap_or_default(),
            buffers,
            programs,
        };
        Recorded { plan: written, shaders: self.shaders, network }
    }

    fn dispatch(&mut self, d: &Dispatch) -> Dispatched {
        // dispatches of a kernel differ only in their constants, so its source is stored once
        let (header, files) = d.source.split_at(kernel::header_len(&d.source));
        let shader = format!("shaders/{}-{}.wgsl", d.kernel, &sha256(files.as_bytes())[..12]);
        self.shaders.entry(shader.clone()).or_insert_with(|| files.to_owned());
        let access = |access: Access| match access {
            Access::Uniform => "uniform",
            Access::Read => "read",
            Access::ReadWrite => "read_write",
            Access::Texture(_) => unreachable!("the page's target has no textures"),
        };
        let bindings = d.bindings.iter().zip(&d.reflection.bindings).map(|(tensor, (name, how))| Binding {
            name: name.clone(),
            access: access(*how),
            range: self.range(tensor),
        });
        let constants = d.op.params().into_iter().chain(d.op.constants());
        Dispatched {
            label: d.label.clone(),
            kernel: d.kernel,
            header: header.to_owned(),
            shader,
            entry: "main",
            constants: constants.map(constant).collect(),
            bindings: bindings.collect(),
            groups: d.groups,
        }
    }

    /// The fields of the uniform `tensor`, as the kernels that bind it declare them.
    fn fields(&self, plan: &Plan, tensor: Tensor) -> Vec<Field> {
        let dispatches = self.ids.iter().flat_map(|id| plan.programs[*id].dispatches());
        let binds = |d: &&Dispatch| {
            let pairs = d.bindings.iter().zip(&d.reflection.bindings);
            pairs.into_iter().any(|(t, (_, access))| t.buffer == tensor.buffer && *access == Access::Uniform)
        };
        let found = dispatches.into_iter().find(binds);
        let fields = found.map(|d| d.reflection.uniform.clone()).unwrap_or_default();
        let field = |f: kernel::Field| Field { name: f.name, offset: f.offset, wgsl_type: f.wgsl_type };
        fields.into_iter().map(field).collect()
    }

    fn parameters(&self, network: &Network) -> BTreeMap<String, Range> {
        let slots = weights::slots(&network.layout, "").into_iter();
        slots.map(|(name, slot)| (name, self.range(&slot.of(network.arenas.params)))).collect()
    }

    fn flow_parameters(&self, flow: &FlowSampler) -> BTreeMap<String, Range> {
        let slots = weights::slots(&flow.layout, weights::FLOW).into_iter();
        let slots = slots.map(|(name, slot)| (name, slot.of(flow.params)));
        slots
            .chain([(weights::STANDARD.into(), flow.standard)])
            .map(|(name, tensor)| (name, self.range(&tensor)))
            .collect()
    }
}

fn constant((name, value): Constant) -> (&'static str, Json) {
    let value = match value {
        Value::U32(value) => value.into(),
        Value::F32(value) => value.into(),
        Value::Bool(value) => value.into(),
    };
    (name, value)
}
