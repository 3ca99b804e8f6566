//! `wgvae reconstruct`: pictures beside their reconstructions.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use wgvae::data;
use wgvae::generate::{self, Input};

use super::destination::{Writer, usage};
use super::load_model::{self, Pictures};
use super::names;
use super::terminal::Bar;
use crate::cli::{ForceArgs, ReconstructArgs, TrainedArgs};

/// Pictures per row of the sheet.
const COLUMNS: u32 = 8;

pub fn run(args: &ReconstructArgs) -> Result<ExitCode> {
    let model = names::model_file(&args.trained.model)?;
    let parts = [names::model(&args.trained.model)?, "reconstruct".into(), names::plain(&args.images[0])];
    let settings = ReconstructArgs {
        trained: TrainedArgs { model: model.clone(), ..args.trained.clone() },
        images: names::settled_all(&args.images),
        out: None,
        force: ForceArgs::default(),
        ..args.clone()
    };
    let writer = Writer::new("reconstruct", args.force.force, &settings).reads([&model]).reads(&args.images);
    let inputs = load_model::gather(&args.images)?;
    let files: Vec<String> = inputs.iter().enumerate().map(file).collect();
    let mut out = Pictures::new(&writer, args.out.as_deref(), &parts, (args.separate, &files))?;
    let mut vae = load_model::open(&args.trained.model, &args.trained.adapter)?;
    let how = load_model::reading(&args.trained)?;
    let size = vae.config().size;
    let scale = args.scale.scale;
    out.check_size([COLUMNS, 2 * (inputs.len() as u32).div_ceil(COLUMNS)], size * scale)?;
    let bar = Bar::new("reconstructing", false);
    let (mut originals, mut recons, mut done) = (Vec::new(), Vec::new(), 0);
    let skipped = generate::stream(&mut vae, &inputs, how, |vae, chunk| {
        let rgba: Vec<u32> = chunk.rgb.iter().flat_map(|rgb| data::rgba_of(rgb)).collect();
        let recon = vae.reconstruct(&rgba, chunk.rgb.len() as u32)?;
        for ((number, original), recon) in chunk.numbers.into_iter().zip(chunk.rgb).zip(recon) {
            let recon = data::rgb_of(&recon);
            if let Pictures::Separate(folder) = &mut out {
                let picture = load_model::scaled(data::grid(&[recon], size, 1, 0), scale);
                folder.save(&files[number], &picture)?;
            } else {
                originals.push(original);
                recons.push(recon);
            }
            done += 1;
        }
        bar.set(done, inputs.len());
        Ok(())
    });
    bar.clear();
    let skipped = skipped?;
    load_model::name(&skipped);
    if done == 0 {
        return usage("none of the pictures could be read".into());
    }
    let sheet = match out {
        Pictures::Sheet(sheet) => sheet,
        Pictures::Separate(folder) => {
            folder.finish();
            return Ok(ExitCode::SUCCESS);
        }
    };
    let columns = COLUMNS.min(done as u32);
    let rows = originals.chunks(columns as usize).zip(recons.chunks(columns as usize));
    // originals above their reconstructions; a short last row is filled, so that both rows stay aligned
    let blank = vec![255; (size * size * 3) as usize];
    let filled = |row: &[Vec<u8>]| {
        let mut row = row.to_vec();
        row.resize(columns as usize, blank.clone());
        row
    };
    let rows: Vec<Vec<u8>> = rows.flat_map(|(a, b)| [filled(a), filled(b)].concat()).collect();
    load_model::save(&rows, [size, scale], columns, &sheet)?;
    Ok(ExitCode::SUCCESS)
}

/// The name of a separate reconstruction's file.
fn file((index, input): (usize, &Input)) -> String {
    format!("{index:06}_{}.png", names::plain(Path::new(&input.name)))
}
