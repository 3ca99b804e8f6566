//! `wgvae data`: check a folder, write the built-in landscapes, make a contact sheet.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use image::RgbImage;
use serde_json::{Map, Value, json};
use wgvae::data::{self, ColourRule, Reading, Report, Resize, ScanOptions, Source};
use wgvae::error::{Error, printable_text};

use super::destination::{self, Destination, Writer, usage};
use super::terminal::{Bar, shown};
use super::{load_model, names, output};
use crate::cli::DataCommand;

pub fn run(command: DataCommand) -> Result<ExitCode> {
    match command {
        DataCommand::Check { folder, seed, splits, exclude, include, colour, json } => {
            let options = ScanOptions { seed, splits, exclude, include, colour, ..ScanOptions::default() };
            let bar = Bar::new("looking for pictures", false);
            let report = data::check(&folder, &options, &|done, all| bar.step("decoding", done, all));
            bar.clear();
            let report = report?;
            if json.json {
                println!("{:#}", document(&report));
            } else {
                output::print(&report.to_string());
            }
            if report.obstacle().is_some() {
                return Ok(ExitCode::FAILURE);
            }
        }
        DataCommand::Synth { out, to, count, size, seed, force } => {
            let Some(out) = out.or(to) else { return usage("name the folder with -o".into()) };
            destination::new_folder(&out)?;
            let is_full = std::fs::read_dir(&out).is_ok_and(|mut files| files.next().is_some());
            if is_full && !force {
                return usage(format!(
                    "{} is not empty, and other pictures would mix in: choose another folder, or --force",
                    shown(&out)
                ));
            }
            let bar = Bar::new("drawing", false);
            data::write_synth(&out, count, size, seed, &|done, all| bar.set(done, all))?;
            bar.clear();
            let landscapes = data::counted(count, "landscape");
            output::say(&format!("wrote {} ({landscapes} of {size} x {size} px)", shown(&out)));
        }
        DataCommand::Sheet { folder, out, count, size, resize, colour, seed, force } => {
            let asked = Sheet { folder, count, size, resize, colour, seed };
            let writer = Writer::new("sheet", force.force, &asked).reads(&asked.folder);
            let of = asked.folder.as_deref().map_or("landscapes".into(), names::plain);
            let parts = ["sheet".into(), of, format!("seed_{seed}")];
            let out = load_model::picture(&writer, out.as_deref(), || names::picture(&parts))?;
            out.save(&asked.draw(&out)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The report as JSON.
fn document(report: &Report) -> Value {
    let splits = report.splits.iter().map(|split| {
        let counts = report.classes.iter().map(|name| printable_text(name)).zip(&split.per_class);
        (split.name.to_owned(), json!(counts.collect::<BTreeMap<_, _>>()))
    });
    let spread = |[least, median, most]: [u32; 3]| json!({ "least": least, "median": median, "most": most });
    let skipped: Vec<Value> = (report.skipped.iter())
        .map(|one| json!({ "file": shown(&one.path), "reason": printable_text(&one.reason) }))
        .collect();
    json!({
        "folder": shown(&report.root), "layout": report.layout, "validation_drawn": report.split_made,
        "notes": report.notes, "pictures": report.readable(), "splits": splits.collect::<Map<_, _>>(),
        "formats": report.formats, "colours": report.profiles, "width": report.widths.map(spread),
        "height": report.heights.map(spread), "duplicates": report.duplicates,
        "duplicates_across_splits": report.across_splits, "near_duplicates": report.near_duplicates,
        "near_duplicates_across_splits": report.near_across_splits, "nearly_black": report.faint,
        "other_files": report.other_files, "other_kinds": report.other_kinds, "damaged": report.damaged, "skipped": skipped,
        "obstacle": report.obstacle(),
    })
}

/// A contact sheet to make.
#[derive(Debug)]
struct Sheet {
    folder: Option<PathBuf>,
    count: usize,
    size: u32,
    resize: Resize,
    colour: ColourRule,
    seed: u64,
}

impl Sheet {
    fn draw(&self, out: &Destination) -> Result<RgbImage> {
        let Self { count, size, resize, colour, seed, .. } = *self;
        if count == 0 || size == 0 || count > 10_000 || size > 4096 {
            return usage(format!(
                "--count {count} --size {size}: must be from 1 to 10000 pictures, and from 1 to 4096 px"
            ));
        }
        let columns = (count as f64).sqrt().ceil() as u32;
        load_model::sheet_fits([columns, columns], size, out, "take a smaller --count or --size")?;
        let source = match &self.folder {
            None => Source::Synthetic { seed, first: 0, count },
            Some(folder) => {
                let dataset = data::scan(folder, seed)?;
                let items = dataset.train.into_iter().chain(dataset.validation).chain(dataset.test).collect();
                Source::Folder { root: dataset.root, items, how: Reading { resize, colour } }
            }
        };
        let chosen: Vec<u32> = data::order(seed, 0, source.len()).into_iter().take(count).collect();
        let bar = Bar::new("decoding", false);
        let (mut pictures, mut skipped) = (Vec::new(), Vec::new());
        for (done, index) in chosen.iter().enumerate() {
            match source.load(*index as usize, size) {
                Ok(picture) => pictures.push(picture),
                Err(error) => skipped.push(error),
            }
            bar.set(done + 1, chosen.len());
        }
        bar.clear();
        skipped.iter().for_each(|error| output::remark(&format!("skipped {error}")));
        if pictures.is_empty() {
            let folder = self.folder.as_deref().unwrap_or(Path::new("."));
            return Err(Error::data(folder, "no picture could be read").into());
        }
        let columns = (pictures.len() as f64).sqrt().ceil() as u32;
        Ok(data::grid(&pictures, size, columns, data::GAP))
    }
}
