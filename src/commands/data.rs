//! `wgvae data`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use wgvae::data::{self, Resize, ScanOptions, Source};
use wgvae::error::Error;

use super::screen::{Bar, shown};
use crate::cli::DataCommand;

pub fn run(command: DataCommand) -> Result<ExitCode> {
    match command {
        DataCommand::Check { folder, seed, splits, exclude, include } => {
            let options = ScanOptions { seed, splits, exclude, include, ..ScanOptions::default() };
            let bar = Bar::new("decoding", false);
            let report = data::check(&folder, &options, &|done, all| bar.set(done, all));
            bar.clear();
            let report = report?;
            println!("{report}");
            if report.obstacle().is_some() {
                return Ok(ExitCode::FAILURE);
            }
        }
        DataCommand::Synth { out, count, size, seed } => {
            let bar = Bar::new("drawing", false);
            data::write_synth(&out, count, size, seed, &|done, all| bar.set(done, all))?;
            bar.clear();
            println!("{count} landscapes of {size} x {size} in {}", shown(&out));
        }
        DataCommand::Sheet { folder, out, count, size, resize, seed } => {
            sheet(folder.as_deref(), &out, count, (size, resize), seed)?;
            println!("{}", shown(&out));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn sheet(folder: Option<&Path>, out: &Path, count: usize, how: (u32, Resize), seed: u64) -> Result<()> {
    let (size, resize) = how;
    if count == 0 || size == 0 || count > 10_000 || size > 4096 {
        return Err(
            Error::Usage(format!("{count} pictures of {size} px: from 1 to 10000, and to 4096 px")).into()
        );
    }
    if (count as f64).sqrt().ceil() * f64::from(size) > 32_768.0 {
        return Err(
            Error::Usage(format!("{count} pictures of {size} px: a sheet is at most 32768 px wide")).into()
        );
    }
    let source = match folder {
        None => Source::Synthetic { seed, first: 0, count },
        Some(folder) => {
            let dataset = data::scan(folder, seed)?;
            let items = dataset.train.into_iter().chain(dataset.validation).chain(dataset.test).collect();
            Source::Folder { root: dataset.root, items, resize }
        }
    };
    let chosen = data::order(seed, 0, source.len()).into_iter().take(count);
    let mut pictures = Vec::new();
    for index in chosen {
        match source.load(index as usize, size) {
            Ok(picture) => pictures.push(picture),
            Err(error) => eprintln!("skipped: {error}"),
        }
    }
    if pictures.is_empty() {
        return Err(Error::data(folder.unwrap_or(Path::new(".")), "no picture could be read").into());
    }
    let columns = (pictures.len() as f64).sqrt().ceil() as u32;
    data::save_png(&data::grid(&pictures, size, columns, data::GAP), out)?;
    Ok(())
}
