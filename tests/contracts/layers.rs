//! Layers of the source: a module of `src/`, and a file of a folder in [`FOLDERS`], uses only modules of lower levels.
//!
//! Read this before adding a module. The tests read the `crate::`, `super::` and `self::` paths of the sources.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::uses::{code, first_names, module_of, rust_files, used_paths};

/// The modules of `src/`, highest level first. A module uses lower levels only, so modules of one level do not know each
/// other. `checkpoint` knows models, so it is above `model`.
const ORDER: &[&[&str]] = &[
    &["main", "lib"],
    &["commands"],
    &["cli"],
    &["watch"],
    &["train", "evaluate", "web"],
    &["generate"],
    &["checkpoint"],
    &["model"],
    &["tune"],
    &["ops"],
    &["gpu"],
    &["config"],
    &["data", "distributed", "report"],
    &["error", "element", "prior", "metrics"],
    &["linalg"],
];

/// The files of some folders, highest level first, by the same rule. `mod` is the folder's own `mod.rs`; its `pub use` lines
/// do not count.
const FOLDERS: &[(&str, &[&[&str]])] = &[
    (
        "gpu",
        &[
            &["paced", "twin"],
            &["runner"],
            &["adapter", "limits", "trace"],
            &["hidden", "profile"],
            &["choice", "llvmpipe", "plan"],
            &["program"],
            &["op"],
            &["textures", "vec4s"],
            &["capabilities", "dead_branches", "derived", "kernel", "unsafe_calls"],
            &["tensor"],
            &["ids"],
        ],
    ),
    (
        "gpu/runner",
        &[
            &["compile_only", "gpu_runner"],
            &["mod", "memory", "timestamps"],
            &["device", "encode", "pipelines"],
            &["pace", "pipeline_cache", "readback"],
        ],
    ),
    (
        "ops",
        &[
            &["testing"],
            &["tuning"],
            &["fused"],
            &["heuristics"],
            &["adam", "bias_grad", "winograd_convolution"],
            &["winograd"],
            &["conv2d", "linear", "tunable"],
            &["gemm"],
            &[
                "augment",
                "ema",
                "flow_interpolate",
                "grad_clip",
                "mmd",
                "reconstruction",
                "rms_norm",
                "roofline",
            ],
            &["log_sigma", "time_features", "velocity_loss"],
            &["destandardize", "heun", "normal", "reparameterize", "silu", "squared_error"],
            &["elementwise", "likelihood", "logits_to_rgba", "loss_scale", "max_error"],
            &["rgba_to_float", "step", "tolerance", "totals"],
        ],
    ),
    ("ops/testing", &[&["cases", "check"], &["product_cases"], &["case"]]),
    (
        "ops/gemm",
        &[&["mod"], &["candidates", "split_k"], &["convolution", "epilogue", "variant"], &["operand_source"]],
    ),
];

/// Macros at the crate's root, and the module that they belong to.
const MACROS: &[(&str, &str)] = &[("wgsl", "gpu"), ("params", "gpu")];

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|row| row.contains(&module))
}

/// The modules of the crate that a file uses. A path through `super` counts if it names a module of the crate that is no
/// `sibling` in the file's own folder.
fn uses(text: &str, sibling: impl Fn(&str) -> bool) -> Vec<String> {
    let code = code(text);
    let after = |word: &str| code.match_indices(word).map(|(at, _)| at + word.len()).collect::<Vec<_>>();
    let mut names: Vec<String> =
        after("crate::").into_iter().flat_map(|at| first_names(&code[at..])).collect();
    let above = after("super::").into_iter().flat_map(|at| first_names(&code[at..]));
    names.extend(above.filter(|name| rank(name).is_some() && !sibling(name)));
    names
}

/// The uses in one file that point the wrong way, or to a module that the table does not have.
fn violations(module: &str, text: &str, sibling: impl Fn(&str) -> bool) -> Vec<String> {
    let Some(own) = rank(module) else {
        return vec![format!("module {module} is not in the table of layers")];
    };
    let mut wrong = Vec::new();
    for name in uses(text, sibling) {
        let target = MACROS.iter().find(|(m, _)| *m == name).map_or(name.as_str(), |(_, module)| *module);
        match rank(target) {
            None => {
                wrong.push(format!("{module} uses crate::{name}, which is not in the table of layers"));
            }
            Some(rank) if target != module && rank <= own => {
                wrong.push(format!("{module} uses crate::{name}"));
            }
            Some(_) => {}
        }
    }
    wrong
}

/// Whether `name` is a module in the file's folder, or in a folder above it, below `src/`.
fn is_sibling(root: &Path, file: &Path, name: &str) -> bool {
    let folders = file.ancestors().skip(1).take_while(|folder| *folder != root);
    folders.into_iter().any(|f| f.join(name).is_dir() || f.join(name).with_extension("rs").is_file())
}

#[test]
fn modules_use_only_lower_levels() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    assert!(files.len() > 10, "only {} files in src", files.len());
    let mut wrong = Vec::new();
    for file in &files {
        let inside = file.strip_prefix(&root).expect("below src");
        let first = inside.iter().next().map(Path::new).and_then(Path::file_stem).unwrap_or_default();
        let text = std::fs::read_to_string(file).expect("a text file");
        let found = violations(&first.to_string_lossy(), &text, |name| is_sibling(&root, file, name));
        wrong.extend(found.into_iter().map(|w| format!("src/{}: {w}", inside.display())));
    }
    println!("{} files", files.len());
    assert!(wrong.is_empty(), "uses of the same or a higher level:\n{}", wrong.join("\n"));
}

/// The uses in one file that point the wrong way inside `folder`, or to a name that its table does not have.
fn folder_violations(
    (folder, levels): (&str, &[&[&str]]),
    own: &[String],
    is_mod: bool,
    text: &str,
) -> Vec<String> {
    let folder: Vec<String> = folder.split('/').map(str::to_owned).collect();
    if !own.starts_with(&folder) {
        return Vec::new();
    }
    let level = |name: &str| levels.iter().position(|row| row.contains(&name));
    let node = |path: &[String]| path.get(folder.len()).map_or("mod", String::as_str).to_owned();
    let from = node(own);
    let mut wrong = Vec::new();
    for path in used_paths(own, is_mod, text).into_iter().filter(|path| path.starts_with(&folder)) {
        // a name that is no file is an item of `mod.rs`
        let to = Some(node(&path)).filter(|name| level(name).is_some()).unwrap_or_else(|| "mod".into());
        match (level(&from), level(&to)) {
            _ if from == to => {}
            (Some(high), Some(low)) if high < low => {}
            _ => wrong.push(format!("{from} uses {}", path.join("::"))),
        }
    }
    wrong
}

#[test]
fn files_of_a_folder_use_only_lower_levels() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for &(folder, levels) in FOLDERS {
        let mut files = Vec::new();
        rust_files(&root.join(folder), &mut files);
        files.retain(|file| !file.to_string_lossy().ends_with("_tests.rs"));
        let mut there = BTreeSet::new();
        for file in &files {
            let inside = file.strip_prefix(&root).expect("below src");
            let (own, is_mod) = module_of(inside);
            there.extend(own.get(folder.split('/').count()).cloned());
            let text = std::fs::read_to_string(file).expect("a text file");
            let found = folder_violations((folder, levels), &own, is_mod, &text);
            wrong.extend(found.into_iter().map(|w| format!("src/{}: {w}", inside.display())));
        }
        let listed = levels.iter().copied().flatten().filter(|name| **name != "mod");
        let listed: BTreeSet<String> = listed.map(|name| (*name).to_owned()).collect();
        assert_eq!(there, listed, "files of src/{folder} and its table");
    }
    assert!(wrong.is_empty(), "uses of the same or a higher level:\n{}", wrong.join("\n"));
}

#[test]
fn a_use_of_a_higher_level_is_seen() {
    let table = ("ops", &[&["tuning"][..], &["conv2d", "linear"], &["gemm"]][..]);
    let seen = |module: &str, text: &str| {
        let own: Vec<String> = module.split("::").map(str::to_owned).collect();
        !folder_violations(table, &own, own.len() == 1, text).is_empty()
    };
    assert!(seen("ops::gemm", "use super::tuning::Tuning;"));
    assert!(seen("ops::gemm::split_k", "use super::super::conv2d::Geometry;"));
    assert!(seen("ops::gemm::split_k", "use crate::{error::Error, ops::{gemm::Size, linear::Linear}};"));
    assert!(seen("ops::conv2d", "fn f() -> super::linear::Linear {}"));
    assert!(seen("ops::linear", "use crate::ops::Tuning;"), "an item of mod.rs, which is no level");
    assert!(seen("ops::novelty", "use super::gemm::Product;"));
    assert!(!seen("ops::tuning", "use super::{conv2d::Conv2d, gemm::{Product, Size}};"));
    assert!(!seen("ops::gemm::split_k", "use super::epilogue::Epilogue;\nuse super::Product;"));
    assert!(!seen("ops::gemm", "use crate::gpu::Plan; // like crate::ops::tuning::Tuning"));
    assert!(!seen("ops", "pub use tuning::Tuning;"));
    assert!(!seen("gpu::plan", "use crate::ops::tuning::Tuning;"), "not of this folder");
}

/// A file of `src/ops` with an op is named after a shader: `NAME.wgsl`, or several files `NAME_*.wgsl`.
#[test]
fn ops_are_named_after_their_shaders() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let families = std::fs::read_dir(root.join("shaders")).expect("shaders");
    let shaders = families.flat_map(|family| {
        let files = std::fs::read_dir(family.expect("an entry").path()).expect("a folder of shaders");
        files.map(|file| {
            file.expect("an entry").path().file_stem().expect("a name").to_string_lossy().into_owned()
        })
    });
    let shaders: Vec<String> = shaders.collect();
    let mut files = Vec::new();
    rust_files(&root.join("src/ops"), &mut files);
    let mut ops = 0;
    for file in &files {
        let text = std::fs::read_to_string(file).expect("a text file");
        if !code(&text).lines().any(|line| line.starts_with("impl") && line.contains(" Op for ")) {
            continue;
        }
        ops += 1;
        let (own, _) = module_of(file.strip_prefix(root).expect("below the root"));
        let name = own.last().expect("a name");
        let is_named = |shader: &String| shader == name || shader.starts_with(&format!("{name}_"));
        assert!(
            shaders.iter().any(is_named),
            "{} has no shader {name}.wgsl or {name}_*.wgsl",
            file.display()
        );
    }
    assert!(ops > 15, "only {ops} files with ops");
}

#[test]
fn a_use_of_a_higher_module_is_seen() {
    let seen = |module: &str, text: &str| !violations(module, text, |_| false).is_empty();
    assert!(seen("gpu", "use crate::ops::Step;"));
    assert!(seen("ops", "use crate::{\n    error::Result,\n    model::{Vae, Weights},\n};"));
    assert!(seen("model", "fn f() -> crate::train::Run {}"));
    assert!(seen("train", "use crate::evaluate::Table;"));
    assert!(seen("model", "use crate::checkpoint::Checkpoint;"));
    assert!(seen("data", "use super::super::gpu::Plan;"));
    assert!(seen("error", "use crate::config::ModelConfig;"));
    assert!(seen("gpu", "use crate::novelty::Thing;"));
    assert!(seen("novelty", ""));
    assert!(!seen("gpu", "use crate::error::{Error, Result}; // like crate::ops::Step"));
    assert!(!seen(
        "ops",
        "use crate::gpu::{kernel, ops};\nuse crate::{params, wgsl};\nuse super::step::Step;"
    ));
    assert!(!seen("config", "pub use crate::data::Resize;"));
}

/// The lint is denied and not forbidden, because wgpu marks calls as unsafe that the program needs. One file may allow it.
#[test]
fn one_file_may_be_unsafe() {
    let mut files = Vec::new();
    rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let says = |path: &&PathBuf| {
        let text = std::fs::read_to_string(path).expect("a text file");
        text.lines().map(code).any(|line| line.replace("unsafe_calls", "").contains("unsafe"))
    };
    let unsafe_files: Vec<&PathBuf> = files.iter().filter(says).collect();
    assert!(
        matches!(unsafe_files[..], [one] if one.ends_with("src/gpu/unsafe_calls.rs")),
        "unsafe: {unsafe_files:?}"
    );
}
