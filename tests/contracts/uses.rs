//! The paths by which a source file uses modules of its crate, read from its text.

use std::path::{Path, PathBuf};

/// The code without `//` comments: documentation may point anywhere.
pub(crate) fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn identifier(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())]
}

/// The first names of the paths after `crate::`: one, or each at the top level of a `{..}` list.
pub(crate) fn first_names(rest: &str) -> Vec<String> {
    let Some(list) = rest.strip_prefix('{') else { return vec![identifier(rest).to_owned()] };
    let names = entries(list).into_iter().map(|entry| identifier(entry).to_owned());
    names.filter(|name| !name.is_empty()).collect()
}

/// The entries of a list after its `{`.
fn entries(list: &str) -> Vec<&str> {
    let mut entries = Vec::new();
    let (mut depth, mut begin) = (0, 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                entries.push(list[begin..at].trim());
                begin = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    entries
}

/// All paths of what follows an anchor such as `crate::`: one, or those of a `{..}` list, whole.
fn paths(rest: &str) -> Vec<Vec<String>> {
    if let Some(list) = rest.strip_prefix('{') {
        return entries(list).into_iter().flat_map(paths).collect();
    }
    let name = identifier(rest);
    if name.is_empty() {
        return Vec::new(); // `*`, or the end of a list
    }
    let Some(rest) = rest[name.len()..].strip_prefix("::") else { return vec![vec![name.to_owned()]] };
    let mut below = paths(rest);
    below.iter_mut().for_each(|path| path.insert(0, name.to_owned()));
    if below.is_empty() { vec![vec![name.to_owned()]] } else { below }
}

/// The modules of the crate that the file of the module `own` uses, as paths from the root. Unit tests at the end of a file
/// do not count.
pub(crate) fn used_paths(own: &[String], is_mod: bool, text: &str) -> Vec<Vec<String>> {
    let code = code(text);
    let code = &code[..code.find("#[cfg(test)]").unwrap_or(code.len())];
    let parent = &own[..own.len().saturating_sub(1)];
    let mut used = Vec::new();
    for (anchor, base) in [("crate::", &[][..]), ("super::", parent), ("self::", own)] {
        for (at, _) in code.match_indices(anchor) {
            let inside_path = code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            let visibility = code[..at].ends_with("in "); // `pub(in crate::ops)`
            if !inside_path && !visibility {
                used.extend(paths(&code[at + anchor.len()..]).into_iter().map(|path| [base, &path].concat()));
            }
        }
    }
    // `super::super::` and so on
    for path in &mut used {
        while let Some(at) = path.iter().position(|name| name == "super") {
            path.drain(at.saturating_sub(1)..=at);
        }
    }
    if is_mod {
        let lines = code.lines().filter_map(|line| line.strip_prefix("use "));
        let children = lines.flat_map(paths).filter(|path| path[0] != "crate" && path[0] != "super");
        used.extend(children.map(|path| [own, &path].concat()));
    }
    used
}

/// The module of a file of `src/`, as a path from the root, and whether the file is a `mod.rs`.
pub(crate) fn module_of(inside: &Path) -> (Vec<String>, bool) {
    let mut own: Vec<String> =
        inside.with_extension("").iter().map(|name| name.to_string_lossy().into_owned()).collect();
    let is_mod = own.last().is_some_and(|name| name == "mod");
    if is_mod {
        own.pop();
    }
    (own, is_mod)
}

/// Adds the Rust files below `folder` to `all`.
pub(crate) fn rust_files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of src") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, all);
        } else if path.extension().is_some_and(|e| e == "rs") {
            all.push(path);
        }
    }
}
