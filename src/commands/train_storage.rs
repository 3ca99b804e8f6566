//! What a training will take of the disk, what there is, and what its file system cannot do.

use anyhow::Result;
use wgvae::checkpoint;
use wgvae::config::TrainConfig;
use wgvae::train::RunFolder;

use super::output;
use super::terminal::{Screen, bytes, shown};
use crate::cli::TrainSettings;

/// Says what the checkpoints will take beside what is free, and how they are written where folders cannot be renamed.
///
/// # Errors
/// If the run's folder cannot be written.
pub(super) fn report_storage(
    screen: &Screen,
    run: &RunFolder,
    asked: &TrainSettings,
    config: &TrainConfig,
) -> Result<()> {
    let one = checkpoint::bytes(config);
    let count = |keep: checkpoint::Keep| keep.most(config.epochs, asked.checkpoint_every.is_some());
    let keep = asked.keep.unwrap_or_default();
    let all = one.saturating_mul(count(keep));
    let free = fs4::available_space(&run.path).ok();
    let beside = free.map_or(String::new(), |free| format!(", {} are free", bytes(free)));
    screen.report("disk", &format!("{} at most for checkpoints (--keep {keep}){beside}", bytes(all)));
    let there = one.saturating_mul(checkpoint::list(&run.checkpoints())?.whole.len() as u64);
    if free.is_some_and(|free| free.saturating_add(there) < all) {
        let least = bytes(one.saturating_mul(count(checkpoint::Keep::Newest(1))));
        output::note(&format!(
            "warning: the checkpoints will not fit on the disk of {}: --keep 1 takes {least}, and --runs chooses another place",
            shown(&run.path)
        ));
    }
    if let Err(reason) = checkpoint::renames_folders(&run.checkpoints())? {
        output::note(&format!(
            "folders cannot be renamed in {} ({reason}): checkpoints are written file by file; one that is cut off is passed \
             over by --resume",
            shown(&run.checkpoints())
        ));
    }
    Ok(())
}
