//! Flags of `wgvae data`.

use std::path::PathBuf;

use clap::Subcommand;
use wgvae::data::{ColourRule, Resize, Splits};

use super::ForceArgs;

#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Decode all pictures of a folder, and report the pictures that a training would use
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
    },
    /// Write the built-in landscapes as PNG files, with their generative factors
    Synth {
        /// New or empty folder
        out: PathBuf,
        /// Number of landscapes
        #[arg(long, default_value_t = 1000)]
        count: usize,
        /// Width and height in pixels
        #[arg(long, default_value_t = 256)]
        size: u32,
        /// Seed of the landscapes
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
    /// Make a contact sheet of random pictures, resized as for the model
    Sheet {
        /// Folder of pictures [default: the built-in landscapes]
        folder: Option<PathBuf>,
        /// File of the sheet: .png, .jpg (quality 95) or .webp (lossless)
        /// [default: samples/sheet_FOLDER_seed_SEED.png]
        #[arg(long, short)]
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
