//! Flags of `wgvae data`.

use std::path::PathBuf;

use clap::Subcommand;
use wgvae::data::{ColourRule, Resize, Splits};

use super::{ForceArgs, JsonArgs, examples};

#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Decode all pictures of a folder, and report the pictures that a training would use
    #[command(after_help = examples::DATA_CHECK)]
    Check {
        /// Folder of pictures
        folder: PathBuf,
        /// Seed of the train/validation/test split, if the folder has none
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Split: auto, draw, or train=FOLDER,validation=FOLDER,test=FOLDER; see `wgvae train`
        #[arg(long, default_value_t, value_name = "FOLDERS")]
        splits: Splits,
        /// Leave out files and folders of this name or pattern; can be repeated
        #[arg(long, value_name = "GLOB")]
        exclude: Vec<String>,
        /// Use files and folders of this name or pattern that are left out by default; can be repeated
        #[arg(long, value_name = "GLOB")]
        include: Vec<String>,
        /// Colours: srgb (converted to sRGB by the profiles of the files) or as-stored
        #[arg(long, default_value_t = ColourRule::Srgb)]
        colour: ColourRule,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Write the built-in landscapes as PNG files, with their generative factors
    #[command(after_help = examples::DATA_SYNTH, override_usage = "wgvae data synth [OPTIONS] --output <FOLDER>")]
    Synth {
        /// New or empty folder
        #[arg(
            long = "output",
            alias = "out",
            short = 'o',
            value_name = "FOLDER",
            required_unless_present = "to"
        )]
        out: Option<PathBuf>,
        /// The folder, as earlier versions took it
        #[arg(hide = true, conflicts_with = "out")]
        to: Option<PathBuf>,
        /// Number of landscapes
        #[arg(long, default_value_t = 1000)]
        count: usize,
        /// Width and height in pixels
        #[arg(long, default_value_t = 256)]
        size: u32,
        /// Seed of the landscapes
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Write into a folder that has other files
        #[arg(long)]
        force: bool,
    },
    /// Make a contact sheet of random pictures, resized as for the model
    #[command(after_help = examples::DATA_SHEET)]
    Sheet {
        /// Folder of pictures [default: the built-in landscapes]
        folder: Option<PathBuf>,
        /// File of the sheet: .png, .jpg (quality 95) or .webp (lossless)
        /// [default: samples/sheet_FOLDER_seed_SEED.png]
        #[arg(long = "output", alias = "out", short = 'o', value_name = "FILE")]
        out: Option<PathBuf>,
        /// Number of pictures
        #[arg(long, default_value_t = 36)]
        count: usize,
        /// Width and height of each picture in pixels
        #[arg(long, default_value_t = 128)]
        size: u32,
        /// Fit to a square: stretch (change the aspect ratio) or cover (crop the centre)
        #[arg(long, default_value_t = Resize::Stretch)]
        resize: Resize,
        /// Colours: srgb (converted to sRGB by the profiles of the files) or as-stored
        #[arg(long, default_value_t = ColourRule::Srgb)]
        colour: ColourRule,
        /// Seed of the choice of pictures, and of the landscapes
        #[arg(long, default_value_t = 0)]
        seed: u64,
        #[command(flatten)]
        force: ForceArgs,
    },
}
