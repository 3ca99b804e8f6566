//! One direction: a module of `src/` uses only what stands to its right in one list. Reads the `crate::` and
//! `super::` paths of the sources, so that an arrow the wrong way fails here and not in a review.

use std::path::{Path, PathBuf};

/// Left uses right, never the reverse; names of one row stand side by side and do not know each other.
/// Everything after `gpu` is a leaf; `checkpoint` speaks of models, so it stands before `model`.
const ORDER: &[&[&str]] = &[
    &["main", "lib"],
    &["commands"],
    &["cli"],
    &["train", "evaluate", "web"],
    &["generate"],
    &["checkpoint"],
    &["model"],
    &["tune"],
    &["ops"],
    &["gpu"],
    &["config"],
    &["data", "report"],
    &["error", "element", "prior", "metrics"],
];

/// Macros that stand at the crate's root, and the module that they belong to.
const MACROS: &[(&str, &str)] = &[("wgsl", "gpu"), ("params", "gpu")];

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|row| row.contains(&module))
}

/// The code without `//` comments: documentation may point anywhere.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn identifier(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())]
}

/// The first names of what follows `crate::`: one, or each at the top level of a `{..}` list.
fn first_names(rest: &str) -> Vec<String> {
    let Some(list) = rest.strip_prefix('{') else { return vec![identifier(rest).to_owned()] };
    let mut names = Vec::new();
    let (mut depth, mut begin) = (0, 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                names.push(identifier(list[begin..at].trim()).to_owned());
                begin = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// What a file of `module` uses of the crate. A path through `super` counts where it names a module of the
/// crate that is no `sibling` in the file's own folder.
fn uses(text: &str, sibling: impl Fn(&str) -> bool) -> Vec<String> {
    let code = code(text);
    let after = |word: &str| code.match_indices(word).map(|(at, _)| at + word.len()).collect::<Vec<_>>();
    let mut names: Vec<String> =
        after("crate::").into_iter().flat_map(|at| first_names(&code[at..])).collect();
    let above = after("super::").into_iter().flat_map(|at| first_names(&code[at..]));
    names.extend(above.filter(|name| rank(name).is_some() && !sibling(name)));
    names
}

/// The arrows of one file that point the wrong way, or to a module that the table does not know.
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

fn rust_files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of src") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, all);
        } else if path.extension().is_some_and(|e| e == "rs") {
            all.push(path);
        }
    }
}

/// Whether `name` is a module beside the file, or in a folder above it, below `src/`.
fn is_sibling(root: &Path, file: &Path, name: &str) -> bool {
    let folders = file.ancestors().skip(1).take_while(|folder| *folder != root);
    folders.into_iter().any(|f| f.join(name).is_dir() || f.join(name).with_extension("rs").is_file())
}

#[test]
fn modules_use_only_what_stands_to_their_right() {
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
    assert!(wrong.is_empty(), "arrows that point the wrong way:\n{}", wrong.join("\n"));
}

#[test]
fn an_arrow_the_wrong_way_is_seen() {
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

/// The lint is only denied, because wgpu marks calls as unsafe that the kernels need; one file may allow it.
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
