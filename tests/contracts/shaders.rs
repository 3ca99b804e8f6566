//! Contracts of every kernel, checked without a GPU: its WGSL is valid, agrees with the Rust that launches it
//! and stays within WebGPU's default limits. `translations` has the languages of Vulkan, Metal and Direct3D.
//!
//! The kernels are those of the cases table, at every size there and for adapters with and without subgroups,
//! so that each variant of each core is seen. A kernel missing from the table is an orphan, and fails too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use naga::back::msl;
use naga::valid::{ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Block, Expression, Function, Module, Statement, TypeInner};
use rayon::prelude::*;
use wgvae::config::ModelConfig;
use wgvae::gpu::dead_branches::pruned;
use wgvae::gpu::kernel::{self, Access, Reflection, Value};
use wgvae::gpu::{Capabilities, Dispatch, Element, Fragment, Plan, Shape, Tensor, Usage};
use wgvae::model::ModelOptions;
use wgvae::ops::{Step, testing::cases};

use crate::common::report;

/// Every adapter that a kernel is composed differently for.
fn targets() -> Vec<Capabilities> {
    let plain = Capabilities::webgpu_default();
    let lanes = |least, most| Capabilities { subgroups: Some([least, most]), ..plain.clone() };
    let half = |target| Capabilities { f16: true, ..target };
    let textures = |target| Capabilities { textures: true, ..target };
    let words = |target| Capabilities { packed_u64: true, ..target };
    let fragments = |target, lanes, cells: &[(u32, Element)]| {
        let fragments = cells.iter().map(|&(size, element)| Fragment { size, element, lanes }).collect();
        half(Capabilities { fragments, ..target })
    };
    vec![
        textures(lanes(4, 4)),
        words(textures(Capabilities { software: true, ..lanes(16, 16) })), // llvmpipe by vectors of 512 bits
        words(textures(fragments(lanes(8, 8), [8, 8], &[(8, Element::F16)]))), // llvmpipe
        fragments(lanes(4, 64), [32, 32], &[(8, Element::F32), (8, Element::F16)]), // Apple
        fragments(lanes(32, 32), [32, 32], &[(16, Element::F16)]),         // NVIDIA
        fragments(lanes(32, 64), [32, 64], &[(16, Element::F16)]),         // AMD
        lanes(8, 32),
        half(plain.clone()),
        plain,
    ]
}

/// The cases of one target as dispatches, large sizes included: they cost nothing here, no twin is run.
fn record(target: &Capabilities) -> Plan {
    let mut plan = Plan::of(target);
    let program = plan.program("contracts");
    for case in cases::cases(target, true) {
        let tensors: Vec<Tensor> = (case.op.operands().into_iter().enumerate())
            .map(|(at, (name, shape))| Tensor {
                buffer: plan.buffer(name, shape.len().into(), Usage::Activation),
                offset: 0,
                shape,
                element: case.element(at),
            })
            .collect();
        plan.dispatch_boxed(program, case.label, case.op, &tensors);
    }
    plan
}

/// Each composed text once, with the first dispatch that uses it.
pub(super) fn kernels(plans: &[Plan]) -> Vec<(&Dispatch, Module)> {
    let mut all: BTreeMap<Arc<str>, &Dispatch> = BTreeMap::new();
    for dispatch in plans.iter().flat_map(|plan| &plan.programs).flat_map(|p| p.dispatches()) {
        all.entry(dispatch.source.clone()).or_insert(dispatch);
    }
    let all: Vec<_> = all.into_iter().collect();
    all.into_par_iter().map(|(text, dispatch)| (dispatch, kernel::parse(dispatch.kernel, &text))).collect()
}

/// Dispatches, each with its module.
pub(super) type Kernels<'a> = Vec<(&'a Dispatch, Module)>;

static PLANS: LazyLock<Vec<Plan>> = LazyLock::new(|| targets().par_iter().map(record).collect());
static KERNELS: LazyLock<Kernels> = LazyLock::new(|| kernels(&PLANS));
/// The kernels as devices get them.
pub(super) static PRUNED: LazyLock<Kernels> =
    LazyLock::new(|| KERNELS.par_iter().map(|(d, module)| (*d, pruned(module.clone()))).collect());

/// Runs `check` on every kernel and fails with all that it found.
fn hold(check: impl Fn(&Dispatch, &Module) -> Result<(), String> + Sync) {
    hold_of(&KERNELS, check);
}

pub(super) fn hold_of(kernels: &Kernels, check: impl Fn(&Dispatch, &Module) -> Result<(), String> + Sync) {
    let wrong: BTreeSet<String> = (kernels.par_iter())
        .filter_map(|(d, module)| check(d, module).err().map(|e| format!("{} ({}): {e}", d.kernel, d.label)))
        .collect();
    println!("{} kernels", kernels.len());
    assert!(wrong.is_empty(), "{} broken:\n{}", wrong.len(), Vec::from_iter(wrong).join("\n"));
}

pub(super) fn require(holds: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(message()) }
}

pub(super) fn validate(dispatch: &Dispatch, module: &Module) -> Result<ModuleInfo, String> {
    let needed = |is, capability| if is { capability } else { naga::valid::Capabilities::empty() };
    let Reflection { subgroups, f16, int64, cooperative, .. } = *dispatch.reflection;
    let needed = needed(subgroups, naga::valid::Capabilities::SUBGROUP)
        | needed(int64, naga::valid::Capabilities::SHADER_INT64)
        | needed(f16, naga::valid::Capabilities::SHADER_FLOAT16)
        | needed(cooperative, naga::valid::Capabilities::COOPERATIVE_MATRIX);
    let validated = Validator::new(ValidationFlags::all(), needed).validate(module);
    validated.map_err(|e| e.emit_to_string(&dispatch.source))
}

#[test]
fn every_kernel_is_valid_and_asks_only_for_what_the_adapter_has() {
    hold(|dispatch, module| validate(dispatch, module).map(|_| ()));
    report::checked(KERNELS.len(), "kernels");
    for (target, plan) in targets().iter().zip(PLANS.iter()) {
        let subgroups = plan.programs[0].dispatches().any(|d| d.reflection.subgroups);
        assert_eq!(subgroups, target.subgroups.is_some(), "kernels for subgroups of {:?}", target.subgroups);
        let f16 = plan.programs[0].dispatches().any(|d| d.reflection.f16);
        assert_eq!(f16, target.f16, "kernels with 16-bit floats");
        let cooperative = plan.programs[0].dispatches().any(|d| d.reflection.cooperative);
        assert_eq!(cooperative, !target.fragments.is_empty(), "kernels with cooperative matrices");
        let textures = plan.programs[0].dispatches().any(|d| d.reflection.textures());
        assert_eq!(textures, target.textures, "kernels that read textures");
        let words = plan.programs[0].dispatches().any(|d| d.reflection.int64);
        assert_eq!(words, target.packed_u64, "kernels that write words of 64 bits");
    }
}

#[test]
fn bindings_are_the_operands_in_order() {
    hold(|dispatch, module| {
        let wgsl: Vec<&str> = dispatch.reflection.bindings.iter().map(|(name, _)| name.as_str()).collect();
        let operands = dispatch.op.operands();
        let rust: Vec<&str> = operands.iter().map(|(name, _)| *name).collect();
        require(wgsl == rust, || format!("WGSL binds {wgsl:?}, Rust {rust:?}"))?;
        for (name, access) in &dispatch.reflection.bindings {
            let uniform = *access == Access::Uniform;
            require(uniform == (name == "step"), || format!("{name} is {access:?}"))?;
        }
        let mut places: Vec<_> = module.global_variables.iter().filter_map(|(_, v)| v.binding).collect();
        places.sort_by_key(|place| (place.group, place.binding));
        let dense = places.iter().zip(0..).all(|(place, index)| (place.group, place.binding) == (0, index));
        require(dense, || format!("not bindings 0, 1, .. of group 0: {places:?}"))?;
        let storage = dispatch.reflection.bindings.iter().filter(|(_, a)| *a != Access::Uniform).count();
        let most = wgpu::Limits::default().max_storage_buffers_per_shader_stage;
        require(storage <= most as usize, || format!("{storage} storage buffers"))?;
        let mut operands = operands.iter().zip(&dispatch.bindings);
        operands.try_for_each(|(&(name, shape), tensor)| whole_elements(module, name, shape, tensor.element))
    });
}

/// A vec4 array needs a whole number of vec4s: WGSL would round down, and the last elements would be lost.
fn whole_elements(module: &Module, name: &str, shape: Shape, element: Element) -> Result<(), String> {
    let variable = module.global_variables.iter().find(|(_, v)| v.name.as_deref() == Some(name));
    let stride = match variable.map(|(_, v)| &module.types[v.ty].inner) {
        Some(TypeInner::Array { stride, .. }) => *stride,
        Some(TypeInner::Image { .. }) => 4 * element.bytes() as u32,
        _ => 4,
    };
    let bytes = element.bytes() * u64::from(shape.len());
    require(bytes.is_multiple_of(stride.into()), || format!("{name} {shape} is no whole number of elements"))
}

/// Name, type and offset of each member of a WGSL struct, and the struct's size.
fn members(module: &Module, name: &str) -> (Vec<(String, &'static str, u32)>, u32) {
    let found = module.types.iter().find(|(_, t)| t.name.as_deref() == Some(name));
    let Some((_, naga::Type { inner: TypeInner::Struct { members, span }, .. })) = found else {
        return (Vec::new(), 0);
    };
    let kind = |ty| match module.types[ty].inner {
        TypeInner::Scalar(naga::Scalar::U32) => "u32",
        TypeInner::Scalar(naga::Scalar::F32) => "f32",
        TypeInner::Scalar(naga::Scalar::BOOL) => "bool",
        _ => "no scalar",
    };
    (members.iter().map(|m| (m.name.clone().unwrap_or_default(), kind(m.ty), m.offset)).collect(), *span)
}

#[test]
fn params_have_the_same_fields_in_wgsl_and_in_rust() {
    hold(|dispatch, module| {
        let wgsl = members(module, "Params").0;
        let wgsl: Vec<(&str, &str)> = wgsl.iter().map(|(name, kind, _)| (name.as_str(), *kind)).collect();
        let rust = dispatch.op.params();
        let rust: Vec<(&str, &str)> = rust.iter().map(|(name, value)| (*name, value.wgsl_type())).collect();
        require(wgsl == rust, || format!("WGSL has {wgsl:?}, Rust {rust:?}"))
    });
}

/// Name, type and offset of the fields of Rust's `Step`, as the compiler laid them out.
macro_rules! step_fields {
    ($($name:ident)*) => {
        vec![$((
            stringify!($name).to_owned(),
            Value::from(Step::default().$name).wgsl_type(),
            std::mem::offset_of!(Step, $name) as u32,
        )),*]
    };
}

#[test]
fn the_step_uniform_has_the_same_layout_in_wgsl_and_in_rust() {
    let rust = step_fields!(seed_lo seed_hi stream step sample_offset valid batch beta capacity free_bits mmd noise_std
        step_size inv_sqrt_bias2 decay ema);
    assert_eq!(Step::FIELDS.to_vec(), rust.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>());
    let mut uniforms = 0;
    for (dispatch, module) in KERNELS.iter() {
        let (wgsl, span) = members(module, "Step");
        if !wgsl.is_empty() {
            uniforms += 1;
            assert_eq!(wgsl, rust, "{}", dispatch.kernel);
            // a uniform's size is rounded up to 16 bytes, and so Rust's has to be
            assert_eq!(size_of::<Step>() as u32, span.next_multiple_of(16), "{}", dispatch.kernel);
        }
    }
    assert!(uniforms > 0, "no kernel reads the step");
}

#[test]
fn default_limits_hold() {
    let limits = wgpu::Limits::default();
    hold(|dispatch, module| {
        let [x, y, z] = dispatch.reflection.workgroup_size;
        let fits = x * y * z <= limits.max_compute_invocations_per_workgroup
            && x <= limits.max_compute_workgroup_size_x
            && y <= limits.max_compute_workgroup_size_y
            && z <= limits.max_compute_workgroup_size_z;
        require(fits, || format!("workgroup of {x} x {y} x {z}"))?;
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(module.to_ctx()).map_err(|e| e.to_string())?;
        let variables = module.global_variables.iter().filter(|(_, v)| v.space == AddressSpace::WorkGroup);
        // each variable counts as rounded up to 16 bytes
        let memory: u32 = variables.map(|(_, v)| layouter[v.ty].size.next_multiple_of(16)).sum();
        let most = limits.max_compute_workgroup_storage_size;
        require(memory <= most, || format!("{memory} bytes of workgroup memory"))
    });
    for dispatch in PLANS.iter().flat_map(|plan| plan.programs[0].dispatches()) {
        let most = limits.max_compute_workgroups_per_dimension;
        assert!(dispatch.groups.iter().all(|&n| n <= most), "{}: {:?}", dispatch.label, dispatch.groups);
    }
}

/// Bindings, their offsets, and WebGPU's rule that a buffer which a dispatch writes is bound once, even if the ranges
/// differ: for the reference at batch 64, and for sizes that fill nothing evenly.
#[test]
fn whole_trainings_fit_the_default_limits() {
    let limits = wgpu::Limits::default();
    let odd = ModelConfig::reference(48, 3, 5);
    let [f32, f16] = [Element::F32, Element::F16];
    for (config, batch, precision) in [(ModelConfig::REFERENCE, 64, f32), (odd, 3, f32), (odd, 3, f16)] {
        let target = Capabilities { f16: true, ..Capabilities::webgpu_default() };
        let build = ModelOptions { precision, ..ModelOptions::training(config, batch) };
        let (network, plan) = build.plan(&target).expect("a micro-batch that fits");
        plan.check_limits(&target).expect("bindings and buffers that fit");
        for dispatch in plan.programs.iter().flat_map(|p| p.dispatches()) {
            assert!(dispatch.groups.iter().all(|&n| n <= limits.max_compute_workgroups_per_dimension));
            for (tensor, (name, access)) in dispatch.bindings.iter().zip(&dispatch.reflection.bindings) {
                let aligned =
                    tensor.byte_offset() % u64::from(limits.min_storage_buffer_offset_alignment) == 0;
                assert!(aligned, "{}: {name} begins at element {}", dispatch.label, tensor.offset);
                let bound = dispatch.bindings.iter().filter(|other| other.buffer == tensor.buffer).count();
                assert!(*access != Access::ReadWrite || bound == 1, "{}: {name} bound twice", dispatch.label);
            }
        }
        println!("{config:?}: micro-batch {}, {} MiB", network.dims.micro, plan.bytes() >> 20);
    }
}

#[test]
fn networks_take_vec4s_as_suits_the_adapter() {
    for words in [false, true] {
        let target = Capabilities { packed_u64: words, ..Capabilities::webgpu_default() };
        let build = ModelOptions::training(ModelConfig::reference(16, 4, 3), 2);
        let (_, plan) = build.plan(&target).expect("a micro-batch that fits");
        let packed_u64 = plan.programs.iter().flat_map(|p| p.dispatches()).any(|d| d.reflection.int64);
        assert_eq!(packed_u64, words);
    }
}

/// Shows `see` every statement of a block and of those within it.
fn walk<'a>(block: &'a Block, see: &mut impl FnMut(&'a Statement)) {
    for statement in block {
        see(statement);
        match statement {
            Statement::Block(block) => walk(block, see),
            Statement::If { accept, reject, .. } => [accept, reject].into_iter().for_each(|b| walk(b, see)),
            Statement::Loop { body, continuing, .. } => {
                [body, continuing].into_iter().for_each(|b| walk(b, see));
            }
            Statement::Switch { cases, .. } => cases.iter().for_each(|case| walk(&case.body, see)),
            _ => {}
        }
    }
}

fn functions(module: &Module) -> impl Iterator<Item = &Function> {
    let entries = module.entry_points.iter().map(|entry| &entry.function);
    module.functions.iter().map(|(_, function)| function).chain(entries)
}

#[test]
fn devices_get_only_what_constants_leave() {
    hold_of(&PRUNED, |_, module| {
        let (mut constant, mut called) = (0, BTreeSet::new());
        for function in functions(module) {
            walk(&function.body, &mut |statement| match statement {
                Statement::If { condition, .. } => {
                    let condition = &function.expressions[*condition];
                    constant +=
                        usize::from(matches!(condition, Expression::Literal(_) | Expression::Constant(_)));
                }
                Statement::Call { function, .. } => {
                    called.insert(*function);
                }
                _ => {}
            });
        }
        require(constant == 0, || format!("{constant} conditions are constants"))?;
        let idle = module.functions.len() - called.len();
        require(idle == 0, || format!("{idle} functions are not called"))
    });
    let statements = |kernels: &Kernels| {
        let mut count = 0;
        for function in kernels.iter().flat_map(|(_, module)| functions(module)) {
            walk(&function.body, &mut |_| count += 1);
        }
        count
    };
    let (before, after) = (statements(&KERNELS), statements(&PRUNED));
    println!("{before} statements, {after} for devices");
    assert!(4 * after < 3 * before, "{after} of {before} statements are left");
}

#[test]
fn pruning_takes_the_branch_that_runs() {
    let source = "
        const YES: bool = true;
        const SIZE: u32 = 8u;
        @group(0) @binding(0) var<storage, read_write> out: array<u32>;
        @group(0) @binding(1) var<storage, read> ruled: array<u32>;
        fn chosen() -> u32 { if (YES) { return 101u; } return 902u; }
        fn other() -> u32 { if (!YES) { return 903u; } else if (SIZE > 7u) { return 104u; } else { return 905u; } }
        fn unused() -> u32 { return 906u; }
        fn last(i: u32) -> u32 { if (i == 107u) { if (SIZE == 9u) { return 908u; } return 109u; } return 110u; }
        @compute @workgroup_size(1)
        fn main(@builtin(workgroup_id) id: vec3<u32>) {
            var sum = chosen() + other();
            let old = out[1];
            out[1] = 113u;
            sum += old;
            for (var i = 0u; i < id.x; i += 1u) {
                if (YES & (SIZE > 8u)) { sum += unused(); }
                if (SIZE == 8u) { if (i == 111u) { continue; } sum += 112u; } else { break; }
                sum += last(i);
                if (YES | (i == 918u)) { sum += 116u; }
                if ((i == 919u) & !YES) { sum += 920u; }
                if ((i == 117u) & YES) { sum += 118u; }
                switch i { case 114u: { if (YES) { sum += 115u; } else { sum += 916u; } } default: {} }
            }
            if (!YES) { let named = ruled[917u]; sum += named; }
            out[0] = sum;
        }";
    let module = pruned(kernel::parse("pruning", source));
    let info = Validator::new(ValidationFlags::all(), naga::valid::Capabilities::empty()).validate(&module);
    let info = info.unwrap_or_else(|e| panic!("{}", e.emit_to_string(source)));
    assert_eq!(module.global_variables.len(), 1, "`ruled` is read by what never runs only");
    let (text, _) = msl::write_string(&module, &info, &Default::default(), &Default::default()).expect("MSL");
    let digits = text.split(|c: char| !c.is_ascii_digit()).filter(|word| word.len() == 3);
    let mut numbers: Vec<u32> = digits.filter_map(|word| word.parse().ok()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [101, 104, 107, 109, 110, 111, 112, 113, 114, 115, 116, 117, 118], "{text}");
    let [loaded, stored] = ["uint old = ", "= 113u"].map(|part| text.find(part).expect("a load and a store"));
    assert!(loaded < stored, "what was there is loaded before something else is:\n{text}");
}

/// No shader has a construct that pruning does not handle: naga makes a variable and two branches of `&&` and `||`.
#[test]
fn shaders_keep_to_what_can_be_pruned() {
    for file in wgvae::ops::SHADERS {
        let code = file.text.lines().filter_map(|line| line.split("//").next());
        for (number, line) in code.enumerate() {
            let banned = ["&&", "||", "loop {", "continuing"].into_iter().find(|word| line.contains(word));
            assert_eq!(banned, None, "{}, line {}: {line}", file.name, number + 1);
        }
    }
}

#[test]
fn every_shader_file_is_used_short_and_introduced() {
    let used = |text: &str| KERNELS.iter().any(|(d, _)| d.source.contains(text));
    let used: BTreeSet<String> = (wgvae::ops::SHADERS.iter())
        .filter(|file| used(file.text))
        .map(|file| file.name.to_owned())
        .collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut there = BTreeSet::new();
    for entry in walkdir::WalkDir::new(&folder).into_iter().map(|entry| entry.expect("an entry")) {
        let path = entry.path();
        if !path.is_file() {
            continue;
        }
        let name = path.strip_prefix(&folder).expect("below the folder").to_string_lossy().replace('\\', "/");
        let text = std::fs::read_to_string(path).expect("a text file");
        assert!(text.starts_with("//"), "{name} does not begin with a comment that says what it is");
        assert!(text.lines().count() <= 150, "{name} is longer than 150 lines");
        there.insert(name);
    }
    assert_eq!(there, used, "files in shaders/ and files that the kernels of the cases table are made of");
    let listed: BTreeSet<String> = wgvae::ops::SHADERS.iter().map(|file| file.name.to_owned()).collect();
    assert_eq!(there, listed, "files in shaders/ and ops::SHADERS");
    for (Dispatch { kernel, .. }, _) in KERNELS.iter() {
        let file = format!("/{kernel}.wgsl");
        assert!(there.iter().any(|name| name.ends_with(&file)), "kernel {kernel} has no file of its name");
    }
}
