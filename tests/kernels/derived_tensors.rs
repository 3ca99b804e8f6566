//! Derived tensors, which are texture copies and Winograd transforms: they are computed again after a write to their source,
//! and only then.

use std::collections::HashMap;

use wgvae::config::ModelConfig;
use wgvae::gpu::{Capabilities, GpuRunner, Item, Plan, ProgramId, ReferenceRunner, Runner, Tensor};
use wgvae::model::ModelOptions;
use wgvae::ops::conv2d::{Conv2d, Conv2dTranspose, Conv2dWeightGrad, Geometry};
use wgvae::ops::fused::Fused;
use wgvae::ops::gemm::variant::Variant;
use wgvae::ops::gemm::{Epilogue, Gemm, Product};
use wgvae::ops::linear::Linear;
use wgvae::ops::tunable::{KernelConfig, Tunable};

use crate::common;
use crate::common::report;

/// Rows and columns of every matrix: a tensor fills part of one row of a texture.
const EDGE: u32 = 8;

/// A matrix for each of `names`, and an empty program.
fn plan<const N: usize>(names: [&str; N]) -> (Plan, ProgramId, [Tensor; N]) {
    let mut plan = Plan::of(&Capabilities::webgpu_default());
    let program = plan.program("textures");
    let tensors = names.map(|name| plan.tensor(name, &[EDGE, EDGE]));
    (plan, program, tensors)
}

/// Records `out = x weight^T` with factors in textures.
fn multiply(plan: &mut Plan, program: ProgramId, x: Tensor, weight: Tensor, out: Tensor) {
    let product = Linear { rows: EDGE, inputs: EDGE, outputs: EDGE, planes: 1 };
    let variant = Variant::direct([64, 1], 1).fetching(true);
    let op = Gemm { product, variant, splits: 1, epilogue: Epilogue::NONE };
    plan.dispatch(program, "multiply", op, &[x, weight, x.slice(0, 4), out]);
}

/// The buffers that are copied to textures, by their index, in order.
fn copies(plan: &Plan, program: ProgramId) -> Vec<usize> {
    let items = plan.get(program).items.iter();
    items
        .filter_map(
            |item| if let Item::TextureCopy(copy) = item { Some(copy.tensor.buffer.index()) } else { None },
        )
        .collect()
}

#[test]
fn a_tensor_is_copied_again_only_after_a_write() {
    let (mut plan, program, [x, weight, other, out, out2]) = plan(["x", "weight", "other", "out", "out2"]);
    multiply(&mut plan, program, x, weight, out);
    multiply(&mut plan, program, x, other, out2);
    assert_eq!(copies(&plan, program), [0, 1, 2], "x is in its texture already");
    plan.clear(program, x.buffer);
    multiply(&mut plan, program, x, other, out2);
    assert_eq!(copies(&plan, program), [0, 1, 2, 0], "x has been cleared");
    let second = plan.program("second");
    multiply(&mut plan, second, x, other, out2);
    assert_eq!(copies(&plan, second), [0, 2], "another program may run after anything");
    assert_eq!(plan.textures().len(), 3, "the textures are shared");
    let words: u64 = plan.buffers.iter().map(|buffer| buffer.len).sum();
    let textures: u64 = plan.textures().iter().map(|texture| texture.bytes()).sum();
    assert_eq!(plan.bytes(), 4 * words + textures, "textures are part of a plan's memory");
}

/// With tensors of very different sizes, large tensors share the large textures: the right factor must not overwrite the
/// copy of the left one, and two large tensors need no third large texture.
#[test]
fn large_tensors_share_textures_and_no_product_overwrites_its_own() {
    let mut plan = Plan::of(&Capabilities::webgpu_default());
    let program = plan.program("textures");
    let mut product = |rows: u32, inputs: u32, outputs: u32| {
        let x = plan.tensor("x", &[rows, inputs]);
        let weight = plan.tensor("weight", &[outputs, inputs]);
        let out = plan.tensor("out", &[rows, outputs]);
        let variant = Variant::direct([64, 1], 1).fetching(true);
        let product = Linear { rows, inputs, outputs, planes: 1 };
        let op = Gemm { product, variant, splits: 1, epilogue: Epilogue::NONE };
        plan.dispatch(program, "multiply", op, &[x, weight, x.slice(0, 4), out]);
        let mut all: Vec<u32> = plan.textures().iter().map(|texture| texture.rows).collect();
        all.sort_unstable();
        all
    };
    assert_eq!(product(8, 1024, 1024), [8, 1024]);
    assert_eq!(product(8, 512, 8), [4, 8, 1024]);
    assert_eq!(product(8, 1024, 2048), [8, 8, 2048], "the large one grows");
    assert_eq!(product(8, 512, 8), [8, 8, 2048]);
    assert_eq!(product(2048, 1024, 2048), [8, 2048, 2048], "both factors are large");
    assert_eq!(product(2048, 1024, 1024), [8, 2048, 2048]);
    let wide = 1 << 20; // 16 and 32 of it are too long for 8192 rows of 256 texels
    assert_eq!(product(16, wide, 4), [8, 2048, 4096, 4096], "the new one has rows of 1024 texels");
    assert_eq!(product(4, wide, 16), [8, 4096, 4096, 4096], "one wide texture is enough");
    assert_eq!(product(16, wide, 32), [8, 4096, 4096, 4096, 8192], "but for two such factors");
    for item in &plan.get(program).items {
        if let Item::Dispatch(dispatch) = item {
            let [left, right] = [0, 1].map(|at| dispatch.textures[at].expect("read as a texture"));
            assert_ne!(left, right, "one texture for both factors");
        }
    }
}

/// One factor is too long for the narrowest textures and the other one is not: each is read by its own width.
#[test]
fn long_tensors_take_wider_textures() {
    let Some(adapter) = common::adapter() else { return };
    if !adapter.capabilities().textures {
        return report::left_out(&format!("no textures: {}", adapter.describe()));
    }
    let outputs = (1 << 20) + 8;
    let record = || {
        let mut plan = Plan::of(&adapter.capabilities());
        let program = plan.program("textures");
        let tensors =
            [&[EDGE, EDGE], &[outputs, EDGE], &[EDGE, outputs]].map(|dims| plan.tensor("any", dims));
        let [x, weight, out] = tensors;
        let product = Linear { rows: EDGE, inputs: EDGE, outputs, planes: 1 };
        let variant = Variant::direct([64, 1], 1).fetching(true);
        let op = Gemm { product, variant, splits: 1, epilogue: Epilogue::NONE };
        plan.dispatch(program, "multiply", op, &[x, weight, x.slice(0, 4), out]);
        (plan, program, tensors)
    };
    let (plan, program, tensors) = record();
    let widths: Vec<u32> = plan.textures().iter().map(|texture| texture.width).collect();
    assert_eq!(widths, [256, 1024]);
    let want = run(&mut ReferenceRunner::new(plan), program, &tensors);
    let (plan, program, tensors) = record();
    let got = run(&mut GpuRunner::new(&adapter, plan).expect("runner"), program, &tensors);
    let differ = got[2].iter().zip(&want[2]).filter(|(got, want)| got != want).count();
    assert_eq!(differ, 0, "of {} whole numbers", want[2].len());
}

/// Writes small whole numbers into all tensors, different ones in each, runs the program, and reads all tensors.
fn run(runner: &mut dyn Runner, program: ProgramId, tensors: &[Tensor]) -> Vec<Vec<f32>> {
    for (tensor, shift) in tensors.iter().zip(1..) {
        let values: Vec<f32> = (0..tensor.len()).map(|i| ((i * shift + shift) % 7) as f32 - 3.0).collect();
        runner.write_f32(tensor, &values);
    }
    rerun(runner, program, tensors)
}

/// Runs the program with the present content of the tensors, and reads all of them.
fn rerun(runner: &mut dyn Runner, program: ProgramId, tensors: &[Tensor]) -> Vec<Vec<f32>> {
    runner.run(&[program]).expect("run");
    tensors.iter().map(|tensor| runner.read(tensor).expect("read")).collect()
}

/// The second product overwrites the left factor of the first, which the third reads again. There are more tensors than
/// textures.
#[test]
fn a_copy_is_never_older_than_its_tensor() {
    let Some(adapter) = common::adapter() else { return };
    if !adapter.capabilities().textures {
        return report::left_out(&format!("no textures: {}", adapter.describe()));
    }
    let names = ["x", "weight", "middle", "back", "out"];
    let record = || {
        let (mut plan, program, tensors) = plan(names);
        let [x, weight, middle, back, out] = tensors;
        multiply(&mut plan, program, x, weight, middle);
        multiply(&mut plan, program, middle, weight, x);
        multiply(&mut plan, program, x, weight, out);
        multiply(&mut plan, program, back, middle, x);
        multiply(&mut plan, program, x, weight, middle);
        (plan, program, tensors)
    };
    let (plan, program, tensors) = record();
    let want = run(&mut ReferenceRunner::new(plan), program, &tensors);
    let (plan, program, tensors) = record();
    let got = run(&mut GpuRunner::new(&adapter, plan).expect("runner"), program, &tensors);
    // whole numbers below 2^24: exact in any order
    for (name, (got, want)) in names.iter().zip(got.iter().zip(&want)) {
        assert_eq!(got, want, "{name}");
    }
}

/// A layer's input, weights and their gradients.
struct LayerTensors {
    x: Tensor,
    dy: Tensor,
    weight: Tensor,
    dw: Tensor,
    dx: Tensor,
}

const GEOMETRY: Geometry = Geometry { batch: 2, low_h: 4, low_w: 3, low_c: 8, high_c: 4 };

fn layer(target: &Capabilities) -> (Plan, ProgramId, LayerTensors) {
    let mut plan = Plan::of(target);
    let program = plan.program("winograd");
    let [low, high, weight] = [GEOMETRY.low(), GEOMETRY.high(), GEOMETRY.weight()];
    let names = [("x", low), ("dy", high), ("weight", weight), ("dw", weight), ("dx", low)];
    let [x, dy, weight, dw, dx] = names.map(|(name, shape)| plan.tensor(name, shape.dims()));
    (plan, program, LayerTensors { x, dy, weight, dw, dx })
}

/// The Winograd algorithm with products by `variant`.
fn winograd(variant: Variant) -> KernelConfig {
    KernelConfig::Winograd { variant, splits: 1 }
}

fn record(
    plan: &mut Plan,
    to: (ProgramId, KernelConfig),
    product: impl Product,
    factors: [Tensor; 2],
    out: Tensor,
) {
    let (program, config) = to;
    let [left, right] = factors;
    let operands = [left, right, left.slice(0, 4), out];
    Fused::plain(product, Epilogue::NONE).record(plan, program, config, &operands);
}

/// Both gradients of a layer by the Winograd algorithm, where dy is the high side; dy by a direct convolution; and both
/// gradients once more. Each of the five goes to its program.
fn record_gradients(plan: &mut Plan, programs: [ProgramId; 5], t: &LayerTensors, variant: Variant) {
    let [one, two, three, four, five] = programs;
    let (winograd, direct) = (winograd(variant), KernelConfig::Product { variant, splits: 1 });
    record(plan, (one, winograd), Conv2dWeightGrad::from(GEOMETRY), [t.x, t.dy], t.dw);
    record(plan, (two, winograd), Conv2d::from(GEOMETRY), [t.dy, t.weight], t.dx);
    record(plan, (three, direct), Conv2dTranspose::from(GEOMETRY), [t.dx, t.weight], t.dy);
    record(plan, (four, winograd), Conv2dWeightGrad::from(GEOMETRY), [t.x, t.dy], t.dw);
    record(plan, (five, winograd), Conv2d::from(GEOMETRY), [t.dy, t.weight], t.dx);
}

#[test]
fn a_tensor_is_transformed_again_only_after_a_write() {
    let transforms = |plan: &Plan, program: ProgramId| -> Vec<String> {
        let kernels = plan.get(program).dispatches().map(|d| d.kernel);
        let sides = kernels.filter_map(|kernel| kernel.strip_prefix("winograd_")?.strip_suffix("_transform"));
        sides.map(str::to_owned).collect()
    };
    let (mut plan, program, t) = layer(&Capabilities::webgpu_default());
    record_gradients(&mut plan, [program; 5], &t, Variant::PLAIN);
    // products write transformed tensors as well: the first one overwrites those of the weights, the second those of low
    assert_eq!(transforms(&plan, program), ["low", "high", "weights", "low", "high", "weights"]);
    let second = plan.program("second");
    let conv2d = |plan: &mut Plan| {
        record(plan, (second, winograd(Variant::PLAIN)), Conv2d::from(GEOMETRY), [t.dy, t.weight], t.dx);
        transforms(plan, second)
    };
    assert_eq!(conv2d(&mut plan), ["high", "weights"], "another program may run after anything");
    assert_eq!(conv2d(&mut plan).len(), 2, "nothing has changed");
    plan.clear(second, t.weight.buffer);
    assert_eq!(conv2d(&mut plan), ["high", "weights", "weights"], "the weights have been cleared");

    let high =
        plan.get(second).dispatches().find(|d| d.kernel == "winograd_high_transform").map(|d| d.bindings[1]);
    plan.clear(second, high.expect("the transform of high").buffer);
    assert_eq!(conv2d(&mut plan)[3..], ["high"], "the transform of high has been cleared");
    // its transform takes the beginning of the same memory
    let smaller = Geometry { batch: 1, ..GEOMETRY };
    let [dy, dx] = [smaller.high(), smaller.low()].map(|shape| plan.tensor("smaller", shape.dims()));
    record(&mut plan, (second, winograd(Variant::PLAIN)), Conv2d::from(smaller), [dy, t.weight], dx);
    assert_eq!(conv2d(&mut plan)[4..], ["high", "high"], "overwritten by the transform of a smaller layer");
}

/// The kernel that transforms weights.
const TRANSFORM: &str = "winograd_weights_transform";

/// A layer forward, another one with weights of its own, and the input gradient of the first one in a program that runs
/// after the first program.
fn forward_and_back(
    plan: &mut Plan,
    [first, second]: [ProgramId; 2],
    t: &LayerTensors,
    other: Tensor,
    config: KernelConfig,
) {
    record(plan, (first, config), Conv2d::from(GEOMETRY), [t.dy, t.weight], t.x);
    record(plan, (first, config), Conv2d::from(GEOMETRY), [t.dy, other], t.dx);
    plan.inherit_derived(second, &[first]);
    record(plan, (second, config), Conv2dTranspose::from(GEOMETRY), [t.x, t.weight], t.dy);
}

#[test]
fn later_programs_inherit_what_is_derived_from_weights() {
    let config = winograd(Variant::direct([64, 1], 1).fetching(true));
    let weights = |plan: &Plan, program: ProgramId| {
        plan.get(program).dispatches().filter(|d| d.kernel == TRANSFORM).count()
    };
    // copies of weights and of their transforms
    let copied = |plan: &Plan, program: ProgramId| {
        let transforms = plan.get(program).dispatches().filter(|d| d.kernel == TRANSFORM);
        let bound = transforms.flat_map(|d| &d.bindings);
        let bound: Vec<usize> = bound.map(|tensor| tensor.buffer.index()).collect();
        copies(plan, program).iter().filter(|buffer| bound.contains(buffer)).count()
    };
    let (mut plan, first, t) = layer(&Capabilities::webgpu_default());
    let (other, second) = (plan.tensor("other", GEOMETRY.weight().dims()), plan.program("second"));
    plan.persist_derived_of(t.weight.buffer);
    plan.persist_derived_of(other.buffer);
    forward_and_back(&mut plan, [first, second], &t, other, config);
    assert_eq!((weights(&plan, first), copied(&plan, first)), (2, 4), "both weights and both transforms");
    let again = |plan: &Plan| {
        plan.get(second).items.iter().filter(|item| matches!(item, Item::TextureCopy(_))).count()
    };
    assert_eq!((weights(&plan, second), again(&plan)), (0, 3), "x, its transform, and the transform of dy");
    plan.clear(second, t.weight.buffer);
    record(&mut plan, (second, config), Conv2dTranspose::from(GEOMETRY), [t.x, t.weight], t.dy);
    assert_eq!((weights(&plan, second), copied(&plan, second)), (1, 2), "the weights have been cleared");
    record(&mut plan, (second, config), Conv2d::from(GEOMETRY), [t.dy, other], t.dx);
    assert_eq!(weights(&plan, second), 1, "the other ones have not");

    let (mut plan, first, t) = layer(&Capabilities::webgpu_default());
    let (other, second) = (plan.tensor("other", GEOMETRY.weight().dims()), plan.program("second"));
    forward_and_back(&mut plan, [first, second], &t, other, config);
    assert_eq!(weights(&plan, second), 1, "they do not persist");
}

/// Forward and backward, on an adapter with the Winograd algorithm and textures by default.
#[test]
fn a_step_transforms_and_copies_each_weight_once() {
    let target = Capabilities { subgroups: Some([8, 8]), textures: true, ..Capabilities::twins() };
    let config = ModelConfig::reference(64, 64, 128);
    let (network, plan) = ModelOptions::training(config, 16).plan(&target).expect("plan");
    let backward = network.programs.training.expect("a training").backward;
    let step = [network.programs.encode, network.programs.decode, backward];
    let items: Vec<&Item> = step.iter().flat_map(|program| &plan.get(*program).items).collect();
    let transformed = items.iter().filter_map(|item| match item {
        Item::Dispatch(dispatch) if dispatch.kernel == TRANSFORM => Some(dispatch.bindings[0]),
        _ => None,
    });
    let copied = items.iter().filter_map(|item| match item {
        Item::TextureCopy(copy) if copy.tensor.buffer == network.arenas.params => Some(copy.tensor),
        _ => None,
    });
    let [transformed, copied] = [transformed.collect(), copied.collect()].map(|all: Vec<Tensor>| {
        let mut offsets: Vec<u64> = all.iter().map(|tensor| tensor.offset).collect();
        offsets.sort_unstable();
        offsets
    });
    let layout = &network.layout;
    // the convolutions but the first of the encoder and the last of the decoder
    let by_winograd = [&layout.layers[1..4], &layout.layers[6..9]].concat();
    assert_eq!(transformed, by_winograd.iter().map(|layer| layer.slices[0].offset).collect::<Vec<_>>());
    let (once, all) = (copied.len(), layout.layers.len());
    assert!(copied.windows(2).all(|pair| pair[0] < pair[1]), "a weight is copied twice: {copied:?}");
    assert!(once > all / 2, "{once} of {all} weights are read from textures");

    let (_, plan) = ModelOptions::inference(config, 16).plan(&target).expect("plan");
    assert!(
        plan.buffers.iter().all(|buffer| !buffer.label.starts_with("derived from")),
        "no program inherits"
    );
}

/// Walks through a step and compares the tensor of every texture that a kernel reads with the operand: it must be the last
/// one copied there, and not written since. With weights for textures of every width.
#[test]
fn every_texture_has_the_copy_that_its_reader_expects() {
    let target = Capabilities { subgroups: Some([8, 8]), textures: true, ..Capabilities::twins() };
    for (size, hidden, batch) in [(64, 64, 16), (256, 64, 4), (128, 64, 9)] {
        let config = ModelConfig::reference(size, hidden, 128);
        let (network, plan) = ModelOptions::training(config, batch).plan(&target).expect("plan");
        let at = network.programs;
        let backward = at.training.expect("a training").backward;
        let step = [at.encode, at.draw, at.reparameterize, at.decode, backward];
        let mut copies: HashMap<usize, Tensor> = HashMap::new();
        for item in step.iter().flat_map(|program| &plan.get(*program).items) {
            match item {
                Item::Clear(buffer) => copies.retain(|_, tensor| tensor.buffer != *buffer),
                Item::TextureCopy(copy) => drop(copies.insert(copy.texture.index(), copy.tensor)),
                Item::Dispatch(dispatch) => {
                    let textures = dispatch.bindings.iter().zip(&dispatch.textures);
                    for (tensor, texture) in
                        textures.filter_map(|(tensor, texture)| Some((tensor, (*texture)?)))
                    {
                        let copy = copies.get(&texture.index());
                        let right = copy.is_some_and(|copy| copy.is(tensor));
                        assert!(
                            right,
                            "{size} px, {}: {tensor:?} from a texture of {copy:?}",
                            dispatch.label
                        );
                    }
                    for written in dispatch.written() {
                        copies.retain(|_, copy| !copy.overlaps(written));
                    }
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "winograd writes to a source of persistent derived tensors")]
fn no_program_inherits_from_one_that_writes_to_the_weights() {
    let (mut plan, first, t) = layer(&Capabilities::webgpu_default());
    let second = plan.program("second");
    plan.persist_derived_of(t.dw.buffer);
    record(&mut plan, (first, winograd(Variant::PLAIN)), Conv2dWeightGrad::from(GEOMETRY), [t.x, t.dy], t.dw);
    plan.inherit_derived(second, &[first]);
}

#[test]
fn inherited_tensors_give_the_same_bits_as_new_ones() {
    let Some(adapter) = common::adapter() else { return };
    let from_textures = adapter.capabilities().textures.then_some(Variant::direct([64, 1], 1).fetching(true));
    for variant in [Some(Variant::PLAIN), from_textures].into_iter().flatten() {
        let results = [false, true].map(|persistent| {
            let (mut plan, first, t) = layer(&adapter.capabilities());
            let (other, second) = (plan.tensor("other", GEOMETRY.weight().dims()), plan.program("second"));
            if persistent {
                plan.persist_derived_of(t.weight.buffer);
                plan.persist_derived_of(other.buffer);
            }
            forward_and_back(&mut plan, [first, second], &t, other, winograd(variant));
            let mut runner = GpuRunner::new(&adapter, plan).expect("runner");
            let tensors = [t.x, t.dy, t.weight, t.dx, other];
            run(&mut runner, first, &tensors);
            let once = rerun(&mut runner, second, &tensors);
            // and with other weights, which the host writes between two runs
            let shifted: Vec<f32> = once[2].iter().map(|value| value + 1.0).collect();
            runner.write_f32(&t.weight, &shifted);
            runner.run(&[first]).expect("run");
            [once, rerun(&mut runner, second, &tensors)]
        });
        assert!(results[0] == results[1], "with {}", variant.name());
        assert!(results[0][0][1] != results[0][1][1], "dy depends on the weights");
    }
}

#[test]
fn transforms_that_are_used_twice_give_the_same_gradients() {
    let Some(adapter) = common::adapter() else { return };
    // five programs, each of which starts with an empty cache
    let (mut plan, first, t) = layer(&adapter.capabilities());
    let tensors = [t.x, t.dy, t.weight, t.dw, t.dx];
    let rest = ["b", "c", "d", "e"].map(|name| plan.program(name));
    record_gradients(&mut plan, [first, rest[0], rest[1], rest[2], rest[3]], &t, Variant::PLAIN);
    let mut runner = ReferenceRunner::new(plan);
    let mut want = run(&mut runner, first, &tensors);
    for program in rest {
        want = rerun(&mut runner, program, &tensors);
    }
    let from_textures = adapter.capabilities().textures.then_some(Variant::direct([64, 1], 1).fetching(true));
    for variant in [Some(Variant::PLAIN), from_textures].into_iter().flatten() {
        let (mut plan, program, t) = layer(&adapter.capabilities());
        record_gradients(&mut plan, [program; 5], &t, variant);
        let got = run(&mut GpuRunner::new(&adapter, plan).expect("runner"), program, &tensors);
        for (name, (got, want)) in ["x", "dy", "weight", "dw", "dx"].iter().zip(got.iter().zip(&want)) {
            assert!(got == want, "{name} differs with {}", variant.name());
        }
    }
}
