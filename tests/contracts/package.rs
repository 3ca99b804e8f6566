//! The package that `cargo package` makes: it has every file that the program contains, and nothing large beside them.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use crate::uses::rust_files;

/// Largest size of all files together in bytes. Registries take 10 MB, compressed.
const MAX_BYTES: u64 = 14 << 20;

/// The texts in quotes up to the parenthesis that closes the macro's call.
fn texts(call: &str) -> Vec<String> {
    let (mut depth, mut texts) = (0, Vec::new());
    let mut rest = call.split('"');
    while let Some(plain) = rest.next() {
        for c in plain.chars() {
            depth += match c {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            if depth == 0 {
                return texts;
            }
        }
        texts.extend(rest.next().map(str::to_owned));
    }
    texts
}

/// The files that the source text of `file` includes, from the project's root.
fn includes(file: &Path, text: &str) -> Vec<PathBuf> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let calls = ["include_str!", "include_bytes!"]
        .map(|name| code.match_indices(name).map(|(at, _)| &code[at + name.len()..]).collect::<Vec<_>>());
    let mut all = Vec::new();
    for texts in calls.concat().into_iter().map(texts) {
        match &texts[..] {
            // a macro's parameter follows: the folder of the shaders, which is compared whole
            [_, folder] if folder == "/shaders/" => {}
            [path] => all.push(file.parent().unwrap_or(Path::new("")).join(path)),
            [root, path] if root == "CARGO_MANIFEST_DIR" => all.push(path.trim_start_matches('/').into()),
            _ => panic!("{}: {texts:?}", file.display()),
        }
    }
    all
}

/// `path` without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            part => plain.push(part),
        }
    }
    plain
}

#[test]
fn the_package_has_every_file_that_is_compiled_in() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let list = ["package", "--list", "--allow-dirty", "--offline"];
    let output = Command::new(cargo).args(list).current_dir(root).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let listed: BTreeSet<PathBuf> = listed.lines().map(PathBuf::from).collect();

    let mut files = Vec::new();
    rust_files(&root.join("src"), &mut files);
    let mut needed: Vec<PathBuf> =
        files.iter().map(|file| file.strip_prefix(root).expect("below").into()).collect();
    let mut included = 0;
    for file in &files {
        let text = std::fs::read_to_string(file).expect("a text file");
        let all = includes(file.strip_prefix(root).expect("below"), &text);
        included += all.len();
        needed.extend(all.iter().map(|path| plain(path)));
    }
    for family in std::fs::read_dir(root.join("shaders")).expect("shaders") {
        for shader in std::fs::read_dir(family.expect("an entry").path()).expect("a folder of shaders") {
            needed.push(shader.expect("an entry").path().strip_prefix(root).expect("below").into());
        }
    }
    needed
        .extend(["build.rs", "Cargo.lock", "README.md", "LICENSE-MIT", "LICENSE-APACHE"].map(PathBuf::from));
    assert!(included > 10, "only {included} files are included");
    let missing: Vec<_> = needed.iter().filter(|path| !listed.contains(*path)).collect();
    assert!(missing.is_empty(), "the package has not: {missing:?}");
    let size = |path: &PathBuf| std::fs::metadata(root.join(path)).map_or(0, |file| file.len());
    let bytes: u64 = listed.iter().map(size).sum();
    assert!(bytes < MAX_BYTES, "the package has {bytes} bytes; `exclude` in Cargo.toml leaves files out");
}

#[test]
fn includes_are_found() {
    let text = "const A: &str = include_str!(\"../a.txt\");\n// include_str!(\"no\")\n\
                const B: &[u8] = include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/b/c.bin\"));";
    let found: Vec<PathBuf> =
        includes(Path::new("src/x/y.rs"), text).iter().map(|path| plain(path)).collect();
    assert_eq!(found, [PathBuf::from("src/a.txt"), PathBuf::from("b/c.bin")]);
}
