//! Checkpoints: a folder with the model under PyTorch's names, Adam's moments and the state of the run.
//! Read this for the files on disk and for what a crash can leave behind.
//!
//! A checkpoint is written completely or not at all: into a temporary folder beside it, synced, then renamed. On file
//! systems that cannot rename folders, it is moved file by file. Its state.json holds a checksum of every file, itself
//! included, so that damage is reported and never loaded. A model can also be read from a single file, safetensors or
//! PyTorch's [`pth`].

mod file;
mod keep;
mod naming;
pub mod pth;
mod read;
mod state;
mod storage;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

pub use file::{decode_tensors, encode_tensors, metadata, metadata_of};
pub use keep::{Keep, bytes, prune, surplus};
pub use read::{Adam, Model, read_model};
pub use state::{Best, Digest, Replanned, State, VERSION};
pub use storage::renames_folders;

use crate::config::{Likelihood, ModelConfig};
use crate::error::{Error, Result};
use crate::gpu::Element;
use crate::model::{OptimizerState, StateDict};

/// File name of the model, which other programs can read.
pub const MODEL: &str = "model.safetensors";
/// Adam's moments.
pub const OPTIMIZER: &str = "optimizer.safetensors";
/// File name of the state of the run.
pub const STATE: &str = "state.json";

/// Content of a checkpoint.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// parameters of the model
    pub weights: StateDict,
    /// state of the optimizer
    pub optimizer: OptimizerState,
    /// running average of the parameters (EMA), if enabled: it is then the file's model, and the parameters are stored
    /// with the moments
    pub average: Option<StateDict>,
    /// state of the run
    pub state: State,
}

/// Writes `checkpoint` as `folder/name`, replacing one of that name, and points `last` to it.
///
/// # Errors
/// If the disk is full or the folder cannot be written; then the previous content stays.
pub fn save(folder: &Path, name: &str, checkpoint: &Checkpoint) -> Result<PathBuf> {
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let temporary = tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .tempdir_in(folder)
        .map_err(Error::io("write into", folder))?;
    let at = temporary.path();
    set_permissions(at)?;
    let Checkpoint { weights, average, .. } = checkpoint;
    let config = &checkpoint.state.config;
    let described = (config.model, config.objective.likelihood);
    let sets = [("", average.as_ref().unwrap_or(weights))];
    let model = file::encode(&folder.join(name).join(MODEL), (&sets, Element::F32), Some(described))?;
    let mut state =
        State { files: [(MODEL.to_owned(), Digest::of(&model))].into(), ..checkpoint.state.clone() };
    file::write_synced(&at.join(MODEL), &model)?;
    drop(model);
    let slots = &checkpoint.optimizer.slots;
    let prefixes: Vec<String> = slots.iter().map(|(name, _)| format!("{name}.")).collect();
    let mut sets: Vec<(&str, &StateDict)> =
        prefixes.iter().zip(slots).map(|(prefix, (_, values))| (prefix.as_str(), values)).collect();
    sets.extend(average.is_some().then_some((file::RAW_PREFIX, weights)));
    let optimizer = file::encode(&folder.join(name).join(OPTIMIZER), (&sets, Element::F32), None)?;
    state.files.insert(OPTIMIZER.to_owned(), Digest::of(&optimizer));
    file::write_synced(&at.join(OPTIMIZER), &optimizer)?;
    drop(optimizer);
    file::write_synced(&at.join(STATE), state.to_json().as_bytes())?;
    storage::sync_folder(at);
    let target = folder.join(name);
    storage::replace(at, &target)?;
    // renamed, so there is nothing left to remove
    let _ = temporary.keep();
    storage::sync_folder(folder);
    set_pointer(folder, "last", name)?;
    Ok(target)
}

/// Writes a model's safetensors file, completely or not at all, with its sizes and the likelihood that it was trained with.
///
/// # Errors
/// If it cannot be written; then the previous content stays.
pub fn write_model(path: &Path, weights: &StateDict, described: (ModelConfig, Likelihood)) -> Result<()> {
    let bytes = model_file(path, (weights, Element::F32), described)?;
    crate::data::write_whole(path, |file| file.write_all(&bytes))
}

/// Encodes the file of [`write_model`], with numbers of type `element`; `path` is only used in errors.
///
/// # Errors
/// [`Error::Model`] if the tensors are inconsistent, [`Error::Usage`] if `element` does not hold a number.
pub fn model_file(
    path: &Path,
    (weights, element): (&StateDict, Element),
    described: (ModelConfig, Likelihood),
) -> Result<Vec<u8>> {
    file::encode(path, (&[("", weights)], element), Some(described))
}

/// Gives a checkpoint folder ordinary permissions: temporary folders are readable by their owner alone.
fn set_permissions(folder: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder, mode).map_err(Error::io("write into", folder))?;
    }
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// Sets `folder/pointer` (a small text file) to the name of a checkpoint.
///
/// # Errors
/// If the folder cannot be written.
pub fn set_pointer(folder: &Path, pointer: &str, name: &str) -> Result<()> {
    crate::data::write_whole(&folder.join(pointer), |file| file.write_all(format!("{name}\n").as_bytes()))
}

/// The checkpoint that `pointer` of a `checkpoints` folder names.
pub fn resolve_pointer(folder: &Path, pointer: &str) -> Option<PathBuf> {
    let name = fs::read_to_string(folder.join(pointer)).ok()?;
    let path = folder.join(name.trim());
    path.join(MODEL).is_file().then_some(path)
}

/// Reads a complete checkpoint folder.
///
/// # Errors
/// [`Error::Model`] if a file is missing, damaged or from another model.
pub fn load(folder: &Path) -> Result<Checkpoint> {
    let state = State::read(&folder.join(STATE))?;
    let config = state.config.model;
    let whole = |name: &str| -> Result<(PathBuf, Vec<u8>)> {
        let path = folder.join(name);
        let bytes = file::read(&path)?;
        state.files.get(name).copied().unwrap_or_default().check(&path, &bytes)?;
        Ok((path, bytes))
    };
    let (path, bytes) = whole(MODEL)?;
    let model = file::decode_weights(&path, &bytes, &config)?;
    let (path, bytes) = whole(OPTIMIZER)?;
    let (optimizer, raw) = file::decode_optimizer(&path, &bytes, &config)?;
    let (weights, average) = match raw {
        Some(raw) => (raw, Some(model)),
        None => (model, None),
    };
    Ok(Checkpoint { weights, optimizer, average, state })
}

/// The checkpoints of a folder.
#[derive(Debug)]
pub struct Listing {
    /// folder and state of each, oldest first
    pub whole: Vec<(PathBuf, State)>,
    /// errors of the others
    pub broken: Vec<Error>,
}

/// Lists the checkpoints of a `checkpoints` folder; only their state.json is read.
///
/// # Errors
/// If the folder cannot be read.
pub fn list(folder: &Path) -> Result<Listing> {
    let mut listing = Listing { whole: Vec::new(), broken: Vec::new() };
    let entries = fs::read_dir(folder).map_err(Error::io("read", folder))?;
    for entry in entries.filter_map(std::result::Result::ok) {
        let path = entry.path();
        if path.is_dir() && !entry.file_name().to_string_lossy().starts_with('.') {
            match State::read(&path.join(STATE)) {
                Ok(state) => listing.whole.push((path, state)),
                Err(error) => listing.broken.push(error),
            }
        }
    }
    // a run stopped in the last step of an epoch and the end of that epoch have equal step numbers
    listing.whole.sort_by(|(a, s), (b, t)| (s.step, s.epoch, a).cmp(&(t.step, t.epoch, b)));
    Ok(listing)
}

/// Removes half-written checkpoints that a killed process left in a `checkpoints` folder. The caller must hold the lock
/// of the run.
pub fn remove_partial(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.filter_map(std::result::Result::ok) {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(".epoch_") || name.starts_with(".step_") {
            let _ = fs::remove_dir_all(entry.path()); // left for the next time
        }
    }
}

/// The model file for the argument MODEL: the file itself, or that of a checkpoint folder, or of a run folder's best
/// checkpoint, otherwise its last.
///
/// # Errors
/// [`Error::Model`] if there is no model.
pub fn find(model: &Path) -> Result<PathBuf> {
    if model.is_file() {
        // `best` and `last` of a run are pointers to a checkpoint
        let name =
            model.file_name().and_then(|name| name.to_str()).filter(|name| ["best", "last"].contains(name));
        let named = name.and_then(|name| resolve_pointer(model.parent()?, name));
        return Ok(named.map_or_else(|| model.to_path_buf(), |folder| folder.join(MODEL)));
    }
    if !model.exists() {
        return Err(Error::model(
            model,
            "no such file or folder; MODEL is a run, a checkpoint folder, a .safetensors or a .pth file",
        ));
    }
    let inside = model.join(MODEL);
    if inside.is_file() {
        return Ok(inside);
    }
    let checkpoints = model.join("checkpoints");
    let found = resolve_pointer(&checkpoints, "best").or_else(|| resolve_pointer(&checkpoints, "last"));
    found.map(|folder| folder.join(MODEL)).ok_or_else(|| {
        Error::model(model, "holds no model.safetensors and no checkpoints: not a run or checkpoint folder")
    })
}

/// Reads the model for the argument MODEL; its sizes are inferred from the tensor shapes.
///
/// # Errors
/// [`Error::Model`] naming the file and the reason.
pub fn open(model: &Path) -> Result<Model> {
    read_model(&find(model)?)
}
