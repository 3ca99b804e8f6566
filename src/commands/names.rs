//! Default names of results: the model, the command, and the settings.

use std::path::{Component, Path, PathBuf};

use anyhow::Result;
use wgvae::checkpoint;

/// Largest length in bytes of a part of a name, and of a name without its extension. File systems allow 255.
const MAX_BYTES: [usize; 2] = [80, 200];

/// The last part of a path without its extension, in characters that every file system allows.
pub(super) fn plain(name: &Path) -> String {
    let stem = name.file_stem().unwrap_or_default().to_string_lossy();
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    shortened(stem.chars().map(plain).collect(), MAX_BYTES[0])
}

/// `text`, cut to at most `bytes` bytes.
fn shortened(mut text: String, bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes));
    text
}

fn joined(parts: &[String]) -> String {
    shortened(parts.join("_"), MAX_BYTES[1])
}

/// The name of MODEL in default names: its run and checkpoint, or its file.
pub(super) fn model(model: &Path) -> Result<String> {
    let file = checkpoint::find(model)?;
    let file = file.canonicalize().unwrap_or(file);
    let above = |depth| file.ancestors().nth(depth).map(whole_name).unwrap_or_default();
    if file.file_name().is_some_and(|name| name == checkpoint::MODEL) && !above(1).is_empty() {
        let of_run = above(2) == "checkpoints" && !above(3).is_empty();
        return Ok(if of_run { format!("{}_{}", above(3), above(1)) } else { above(1) });
    }
    Ok(plain(&file))
}

/// The last part of a folder's path, which has no extension.
fn whole_name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    plain(Path::new(&format!("{name}.")))
}

/// The file of MODEL as a normalised path, for the comparison of settings.
pub(super) fn model_file(model: &Path) -> Result<PathBuf> {
    Ok(settled(&checkpoint::find(model)?))
}

/// A normalised path, for the comparison of settings: relative to the working folder if it is below.
pub(super) fn settled(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let path = path.strip_prefix(&here).unwrap_or(path);
    path.components().filter(|part| *part != Component::CurDir).collect()
}

/// `paths`, normalised.
pub(super) fn settled_all(paths: &[PathBuf]) -> Vec<PathBuf> {
    paths.iter().map(|path| settled(path)).collect()
}

/// `samples/NAME.png`, the name's parts joined.
pub(super) fn picture(parts: &[String]) -> PathBuf {
    Path::new("samples").join(format!("{}.png", joined(parts)))
}

/// `samples/NAME`.
pub(super) fn folder(parts: &[String]) -> PathBuf {
    Path::new("samples").join(joined(parts))
}

/// `NAME.safetensors`.
pub(super) fn tensors(parts: &[String]) -> PathBuf {
    PathBuf::from(format!("{}.safetensors", joined(parts)))
}
