//! Disk space for the checkpoints of a training, and limits of its file system.

use anyhow::Result;
use wgvae::checkpoint;
use wgvae::train::RunFolder;

use super::settings::Settings;
use crate::commands::output;
use crate::commands::terminal::{Screen, bytes, shown};

/// Reports the space that the checkpoints need and the free space, and a file system that cannot rename folders.
///
/// # Errors
/// If the run's folder cannot be written.
pub(super) fn report_storage(
    screen: &Screen,
    run: &RunFolder,
    Settings { config, options }: &Settings,
) -> Result<()> {
    let one = checkpoint::bytes(config);
    let count = |keep: checkpoint::Keep| keep.most(config.epochs, options.checkpoint_every.is_some());
    let keep = options.keep;
    let all = one.saturating_mul(count(keep));
    let free = fs4::available_space(&run.path).ok();
    let beside = free.map_or(String::new(), |free| format!(", {} are free", bytes(free)));
    screen.report("disk", &format!("{} at most for checkpoints (--keep {keep}){beside}", bytes(all)));
    let there = one.saturating_mul(checkpoint::list(&run.checkpoints())?.whole.len() as u64);
    if free.is_some_and(|free| free.saturating_add(there) < all) {
        let least = bytes(one.saturating_mul(count(checkpoint::Keep::Newest(1))));
        output::note(&format!(
            "warning: the checkpoints do not fit on the disk of {}: --keep 1 needs {least}, and --runs selects another folder",
            shown(&run.path)
        ));
    }
    if let Err(reason) = checkpoint::renames_folders(&run.checkpoints())? {
        output::note(&format!(
            "folders cannot be renamed in {} ({reason}): checkpoints are written file by file, and --resume passes over an \
             incomplete one",
            shown(&run.checkpoints())
        ));
    }
    Ok(())
}
