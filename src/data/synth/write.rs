//! Writing the procedural dataset as files, in the layout of the reference data.
//! Used by `wgvae data synth`.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::{Factors, landscape};
use crate::data::Progress;
use crate::data::{grid, save_png, write_whole};
use crate::error::{Error, Result};

/// Writes the landscapes `0..count` of `seed` at `size` x `size` as PNGs to `Training Data/<biome>/`, `Validation
/// Data/` and `Testing Data/` (90/5/5, at least one for validation if there are two), and `factors.csv` with one row
/// each: file, split, then the fields of [`Factors`].
///
/// # Errors
/// [`Error::Usage`] for a count or size of 0, [`Error::Io`] if a file cannot be written.
pub fn write_synth(out: &Path, count: usize, size: u32, seed: u64, progress: Progress<'_>) -> Result<()> {
    if count == 0 || size == 0 {
        return Err(Error::Usage(format!("{count} pictures of {size} x {size}: both must be at least 1")));
    }
    std::fs::create_dir_all(out).map_err(Error::io("create", out))?;
    let done = AtomicUsize::new(0);
    let rows: Result<Vec<String>> = (0..count)
        .into_par_iter()
        .map(|index| {
            let (rgb, factors) = landscape(seed, index as u64, size);
            let split = split(index, count);
            let file = format!("{split}/{}/landscape_{index:06}.png", factors.biome);
            save_png(&grid(&[rgb], size, 1, 0), &out.join(&file))?;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, count);
            Ok(row(&file, split, &factors))
        })
        .collect();
    let mut table = HEADER.to_string();
    table.extend(rows?);
    write_whole(&out.join(super::read::NAME), |file| file.write_all(table.as_bytes()))
}

pub(super) const HEADER: &str =
    "file,split,biome,sun_x,sun_height,cloudiness,horizon,ridge_height,ridge_roughness,ridges,haze\n";

fn row(file: &str, split: &str, factors: &Factors) -> String {
    let Factors {
        biome,
        sun_x,
        sun_height,
        cloudiness,
        horizon,
        ridge_height,
        ridge_roughness,
        ridges,
        haze,
    } = factors;
    format!(
        "{file},{split},{biome},{sun_x},{sun_height},{cloudiness},{horizon},{ridge_height},{ridge_roughness},{ridges},{haze}\n"
    )
}

/// The landscapes are independent of each other, so their order is not shuffled.
fn split(index: usize, count: usize) -> &'static str {
    let tests = count / 20;
    let validations = (count / 20).max(usize::from(count > 1));
    if index < count - tests - validations {
        "Training Data"
    } else if index < count - tests {
        "Validation Data"
    } else {
        "Testing Data"
    }
}
