//! Checkpoints: a folder with the model under PyTorch's names, Adam's moments and the state of the run.
//!
//! A checkpoint is written whole or not at all: into a temporary folder beside it, synced, then renamed.

mod file;
mod state;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

pub use file::{read_model, read_weights, write_weights};
pub use state::{Best, State, VERSION};

use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::model::Weights;

/// The model, for anybody.
pub const MODEL: &str = "model.safetensors";
/// Adam's moments.
pub const OPTIMIZER: &str = "optimizer.safetensors";
/// Where the run stands.
pub const STATE: &str = "state.json";

/// What a checkpoint holds.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// the parameters
    pub weights: Weights,
    /// Adam's first and second moments
    pub moments: [Weights; 2],
    /// where the run stands
    pub state: State,
}

/// Writes `checkpoint` as `folder/name`, replacing one of that name, and points `last` to it.
///
/// # Errors
/// If the disk is full or the folder cannot be written; what was there before stays.
pub fn save(folder: &Path, name: &str, checkpoint: &Checkpoint) -> Result<PathBuf> {
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let temporary = tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .tempdir_in(folder)
        .map_err(Error::io("write into", folder))?;
    let at = temporary.path();
    readable(at)?;
    write_weights(&at.join(MODEL), &[("", &checkpoint.weights)])?;
    let [first, second] = &checkpoint.moments;
    write_weights(&at.join(OPTIMIZER), &[("adam.m.", first), ("adam.v.", second)])?;
    file::write_synced(&at.join(STATE), checkpoint.state.to_json().as_bytes())?;
    let target = folder.join(name);
    replace(at, &target)?;
    // it has another name now, so there is nothing left to remove
    let _ = temporary.keep();
    sync_folder(folder);
    point(folder, "last", name)?;
    Ok(target)
}

/// Temporary folders are their owner's alone; a checkpoint is an ordinary folder.
fn readable(folder: &Path) -> Result<()> {
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

/// Renames `from` to `to`, moving aside a folder that is there already.
fn replace(from: &Path, to: &Path) -> Result<()> {
    let aside = to.with_extension("old");
    if to.exists() {
        let _ = fs::remove_dir_all(&aside); // left by an interrupted replacement, if at all
        fs::rename(to, &aside).map_err(Error::io("replace", to))?;
    }
    if let Err(error) = fs::rename(from, to) {
        let _ = fs::rename(&aside, to); // what was there before comes back
        return Err(Error::io("write", to)(error));
    }
    let _ = fs::remove_dir_all(&aside); // usually not there
    Ok(())
}

/// Makes the rename itself durable, where the system can do that.
fn sync_folder(folder: &Path) {
    if let Ok(handle) = fs::File::open(folder) {
        let _ = handle.sync_all(); // not on Windows
    }
}

/// Lets `folder/pointer` (a small text file) name a checkpoint.
///
/// # Errors
/// If the folder cannot be written.
pub fn point(folder: &Path, pointer: &str, name: &str) -> Result<()> {
    crate::data::write_whole(&folder.join(pointer), |file| file.write_all(format!("{name}\n").as_bytes()))
}

/// The checkpoint that `pointer` of a `checkpoints` folder names.
pub fn follow(folder: &Path, pointer: &str) -> Option<PathBuf> {
    let name = fs::read_to_string(folder.join(pointer)).ok()?;
    let path = folder.join(name.trim());
    path.join(MODEL).is_file().then_some(path)
}

/// Reads a whole checkpoint folder.
///
/// # Errors
/// [`Error::Model`] if a file is missing, damaged or of another model.
pub fn load(folder: &Path) -> Result<Checkpoint> {
    let state = State::read(&folder.join(STATE))?;
    let config = state.config.model;
    let weights = read_weights(&folder.join(MODEL), "", &config)?;
    let optimizer = folder.join(OPTIMIZER);
    let moments =
        [read_weights(&optimizer, "adam.m.", &config)?, read_weights(&optimizer, "adam.v.", &config)?];
    Ok(Checkpoint { weights, moments, state })
}

/// The model file that the user means by MODEL: the file itself, a checkpoint folder, or a run folder (its best
/// checkpoint, or its last).
///
/// # Errors
/// [`Error::Model`] if there is none.
pub fn find(model: &Path) -> Result<PathBuf> {
    if model.is_file() {
        return Ok(model.to_path_buf());
    }
    if !model.exists() {
        return Err(Error::model(
            model,
            "no such file or folder; MODEL is a run, a checkpoint folder or a .safetensors file",
        ));
    }
    let inside = model.join(MODEL);
    if inside.is_file() {
        return Ok(inside);
    }
    let checkpoints = model.join("checkpoints");
    let found = follow(&checkpoints, "best").or_else(|| follow(&checkpoints, "last"));
    found.map(|folder| folder.join(MODEL)).ok_or_else(|| {
        Error::model(model, "holds no model.safetensors and no checkpoints: not a run or checkpoint folder")
    })
}

/// Reads the model that the user means by MODEL; its sizes follow from the tensors' shapes.
///
/// # Errors
/// [`Error::Model`] naming the file and what is wrong with it.
pub fn open(model: &Path) -> Result<(ModelConfig, Weights)> {
    read_model(&find(model)?)
}
