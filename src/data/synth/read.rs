//! Reading the factors table of written landscapes.
//! Used by `evaluate` for data with known factors.

use std::collections::HashMap;
use std::path::Path;

use super::write::HEADER;
use super::{Biome, Factors};
use crate::error::{Error, Result};

/// File name of the table in the folder that [`super::write_synth`] makes.
pub(super) const NAME: &str = "factors.csv";

/// The factors of the landscapes in `folder`, by file path relative to it, parts joined by `/`; `None` if it holds no
/// such table, or one with other columns, which means pictures of other origin.
///
/// # Errors
/// [`Error::Io`] if the table cannot be read, [`Error::Data`] naming the invalid line.
pub fn read_factors(folder: &Path) -> Result<Option<HashMap<String, Factors>>> {
    let path = folder.join(NAME);
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines();
    if lines.next() != Some(HEADER.trim_end()) {
        return Ok(None);
    }
    let row = |(at, line): (usize, &str)| {
        let reason = || Error::data(&path, format!("line {}: not a row of factors: {line}", at + 2));
        row(line).ok_or_else(reason)
    };
    lines.enumerate().map(row).collect::<Result<_>>().map(Some)
}

fn row(line: &str) -> Option<(String, Factors)> {
    let fields: Vec<&str> = line.split(',').collect();
    let [file, _, biome, rest @ ..] = fields.as_slice() else { return None };
    let biome = *Biome::ALL.iter().find(|one| one.to_string() == *biome)?;
    let numbers: Vec<f32> = rest.iter().map(|number| number.parse().ok()).collect::<Option<_>>()?;
    let &[sun_x, sun_height, cloudiness, horizon, ridge_height, ridge_roughness, ridges, haze] =
        numbers.as_slice()
    else {
        return None;
    };
    let factors = Factors {
        biome,
        sun_x,
        sun_height,
        cloudiness,
        horizon,
        ridge_height,
        ridge_roughness,
        ridges: ridges as u32,
        haze,
    };
    factors.values().iter().all(|value| value.is_finite()).then(|| ((*file).to_owned(), factors))
}
