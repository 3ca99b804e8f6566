//! Images of tensors: a plan copies what a kernel reads as an image, again when it has been written since, and not
//! when it has not.

mod common;

use wgvae::gpu::{GpuRunner, Item, Plan, ProgramId, Runner, Tensor, TwinRunner};
use wgvae::ops::gemm::{Epilogue, Gemm};
use wgvae::ops::linear::Linear;
use wgvae::ops::variant::Variant;

/// Edge of every matrix: a tensor is one row of an image, not filled.
const EDGE: u32 = 8;

/// `names` as matrices, and an empty program.
fn plan<const N: usize>(names: [&str; N]) -> (Plan, ProgramId, [Tensor; N]) {
    let mut plan = Plan::new();
    let program = plan.program("images");
    let tensors = names.map(|name| plan.tensor(name, &[EDGE, EDGE]));
    (plan, program, tensors)
}

/// Records `out = x weight^T`, the factors read from images.
fn multiply(plan: &mut Plan, program: ProgramId, x: Tensor, weight: Tensor, out: Tensor) {
    let product = Linear { rows: EDGE, inputs: EDGE, outputs: EDGE, planes: 1 };
    let variant = Variant::direct([64, 1], 1).fetching(true);
    let op = Gemm { product, variant, splits: 1, epilogue: Epilogue::None };
    plan.dispatch(program, "multiply", op, &[x, weight, x.slice(0, 4), out]);
}

/// What is copied, by the place of its buffer, in order.
fn copies(plan: &Plan, program: ProgramId) -> Vec<usize> {
    let items = plan.get(program).items.iter();
    items
        .filter_map(|item| if let Item::Image(copy) = item { Some(copy.tensor.buffer.index()) } else { None })
        .collect()
}

#[test]
fn what_has_not_changed_is_not_copied_again() {
    let (mut plan, program, [x, weight, other, out, out2]) = plan(["x", "weight", "other", "out", "out2"]);
    multiply(&mut plan, program, x, weight, out);
    multiply(&mut plan, program, x, other, out2);
    assert_eq!(copies(&plan, program), [0, 1, 2], "x is in its image already");
    plan.clear(program, x.buffer);
    multiply(&mut plan, program, x, other, out2);
    assert_eq!(copies(&plan, program), [0, 1, 2, 0], "x has been cleared");
    let second = plan.program("second");
    multiply(&mut plan, second, x, other, out2);
    assert_eq!(copies(&plan, second), [0, 2], "another program may run after anything");
    assert_eq!(plan.images().len(), 3, "the images are shared");
    let words: u64 = plan.buffers.iter().map(|buffer| buffer.len).sum();
    let images: u64 = plan.images().iter().map(|image| image.bytes()).sum();
    assert_eq!(plan.bytes(), 4 * words + images, "images are part of a plan's memory");
}

/// Images of very different sizes, so that the large tensors go where there is room: the right factor must not go
/// where the left one has just been copied to, and two large tensors need no third large image.
#[test]
fn large_tensors_share_images_and_no_product_overwrites_its_own() {
    let mut plan = Plan::new();
    let program = plan.program("images");
    let mut product = |rows: u32, inputs: u32, outputs: u32| {
        let x = plan.tensor("x", &[rows, inputs]);
        let weight = plan.tensor("weight", &[outputs, inputs]);
        let out = plan.tensor("out", &[rows, outputs]);
        let variant = Variant::direct([64, 1], 1).fetching(true);
        let product = Linear { rows, inputs, outputs, planes: 1 };
        let op = Gemm { product, variant, splits: 1, epilogue: Epilogue::None };
        plan.dispatch(program, "multiply", op, &[x, weight, x.slice(0, 4), out]);
        let mut all: Vec<u32> = plan.images().iter().map(|image| image.rows).collect();
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
    assert_eq!(product(4, wide, 16), [8, 4096, 4096, 4096], "one wide image is enough");
    assert_eq!(product(16, wide, 32), [8, 4096, 4096, 4096, 8192], "but for two such factors");
    for item in &plan.get(program).items {
        if let Item::Dispatch(dispatch) = item {
            let [left, right] = [0, 1].map(|at| dispatch.images[at].expect("read as an image"));
            assert_ne!(left, right, "one image for both factors");
        }
    }
}

/// A factor too long for the narrowest rows, beside one that is not: each is looked up by its own width.
#[test]
fn long_tensors_lie_in_wider_rows() {
    let Some(adapter) = common::adapter() else { return };
    if !adapter.target().images {
        return println!("SKIPPED: {} has no images", adapter.describe());
    }
    let outputs = (1 << 20) + 8;
    let record = || {
        let mut plan = Plan::new();
        let program = plan.program("images");
        let tensors =
            [&[EDGE, EDGE], &[outputs, EDGE], &[EDGE, outputs]].map(|dims| plan.tensor("any", dims));
        let [x, weight, out] = tensors;
        let product = Linear { rows: EDGE, inputs: EDGE, outputs, planes: 1 };
        let variant = Variant::direct([64, 1], 1).fetching(true);
        let op = Gemm { product, variant, splits: 1, epilogue: Epilogue::None };
        plan.dispatch(program, "multiply", op, &[x, weight, x.slice(0, 4), out]);
        (plan, program, tensors)
    };
    let (plan, program, tensors) = record();
    let widths: Vec<u32> = plan.images().iter().map(|image| image.width).collect();
    assert_eq!(widths, [256, 1024]);
    let want = run(&mut TwinRunner::new(plan), program, &tensors);
    let (plan, program, tensors) = record();
    let got = run(&mut GpuRunner::new(&adapter, plan).expect("runner"), program, &tensors);
    let differ = got[2].iter().zip(&want[2]).filter(|(got, want)| got != want).count();
    assert_eq!(differ, 0, "of {} whole numbers", want[2].len());
}

/// Small whole numbers into all tensors, different ones in each, a run, and what is in them then.
fn run(runner: &mut dyn Runner, program: ProgramId, tensors: &[Tensor]) -> Vec<Vec<f32>> {
    for (tensor, shift) in tensors.iter().zip(1..) {
        let values: Vec<f32> = (0..tensor.len()).map(|i| ((i * shift + shift) % 7) as f32 - 3.0).collect();
        runner.write_f32(tensor, &values);
    }
    runner.run(&[program]).expect("run");
    tensors.iter().map(|tensor| runner.read(tensor).expect("read")).collect()
}

/// The second product overwrites the left factor of the first, which the third reads again; with it, more tensors
/// are read than there are images.
#[test]
fn what_has_been_written_is_read_anew() {
    let Some(adapter) = common::adapter() else { return };
    if !adapter.target().images {
        return println!("SKIPPED: {} has no images", adapter.describe());
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
    let want = run(&mut TwinRunner::new(plan), program, &tensors);
    let (plan, program, tensors) = record();
    let got = run(&mut GpuRunner::new(&adapter, plan).expect("runner"), program, &tensors);
    // whole numbers below 2^24: exact in any order
    for (name, (got, want)) in names.iter().zip(got.iter().zip(&want)) {
        assert_eq!(got, want, "{name}");
    }
}
