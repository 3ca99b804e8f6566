//! Options of the scan: named splits, include and exclude patterns, version of the rules.
//! Read this for the syntax of `--splits`, `--include` and `--exclude`.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use glob::{MatchOptions, Pattern};
use serde::{Deserialize, Serialize};

use crate::data::colour::ColourRule;
use crate::error::{Error, Result};

/// The assignment of pictures to training, validation and test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Splits {
    /// By folder names; without telling names the seed draws.
    #[default]
    Auto,
    /// The seed draws among all pictures, regardless of folder names.
    Draw,
    /// These folders (or patterns); everything else is skipped.
    Named {
        /// Folders of training pictures, never empty.
        train: Vec<String>,
        /// Folders of validation pictures; if empty, the seed draws.
        validation: Vec<String>,
        /// Folders of test pictures.
        test: Vec<String>,
    },
}

impl fmt::Display for Splits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Draw => f.write_str("draw"),
            Self::Named { train, validation, test } => {
                let all = [("train", train), ("validation", validation), ("test", test)];
                let parts: Vec<String> = all
                    .iter()
                    .flat_map(|(name, folders)| folders.iter().map(move |folder| format!("{name}={folder}")))
                    .collect();
                f.write_str(&parts.join(","))
            }
        }
    }
}

impl FromStr for Splits {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "auto" => return Ok(Self::Auto),
            "draw" => return Ok(Self::Draw),
            _ => {}
        }
        let shown = text.escape_default();
        let (mut train, mut validation, mut test) = (Vec::new(), Vec::new(), Vec::new());
        for part in text.split(',') {
            let wrong = || {
                format!(
                    "\"{shown}\": use auto, draw, or train=FOLDER,validation=FOLDER,test=FOLDER (the last two if you \
                     like)"
                )
            };
            let (name, folder) = part.split_once('=').ok_or_else(wrong)?;
            let list = match name.trim().to_ascii_lowercase().as_str() {
                "train" | "training" => &mut train,
                "val" | "valid" | "validation" => &mut validation,
                "test" | "testing" => &mut test,
                _ => return Err(wrong()),
            };
            let folder = folder.trim().trim_end_matches('/');
            if folder.is_empty() {
                return Err(wrong());
            }
            list.push(folder.to_owned());
        }
        if train.is_empty() {
            return Err(format!("\"{shown}\": names no folder for training (train=FOLDER)"));
        }
        Ok(Self::Named { train, validation, test })
    }
}

impl TryFrom<String> for Splits {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.parse()
    }
}

impl From<Splits> for String {
    fn from(splits: Splits) -> Self {
        splits.to_string()
    }
}

/// Options of [`super::scan_with`].
#[derive(Clone, Debug, Default)]
pub struct ScanOptions {
    /// seed of the split, if the folder has none
    pub seed: u64,
    /// the assignment of folders to splits
    pub splits: Splits,
    /// patterns of files and folders to skip, with `*` and `?`: with a slash they match the path from the root, without
    /// one any single name on it; case-insensitive
    pub exclude: Vec<String>,
    /// patterns of files and folders that are always data, in the syntax of `exclude`
    pub include: Vec<String>,
    /// the treatment of colours in [`super::super::check()`]
    pub colour: ColourRule,
    /// version of the rules by which splits are found and drawn
    pub rules: Rules,
}

/// Versions of the rules by which the pictures of a folder are found and divided. A run keeps the version that it began
/// with: with another it would train on other pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub enum Rules {
    /// Four names of split folders, only hidden files skipped, the split drawn by the names alone.
    First,
    /// The current rules.
    #[default]
    Second,
}

impl TryFrom<u32> for Rules {
    type Error = String;

    fn try_from(number: u32) -> std::result::Result<Self, String> {
        match number {
            1 => Ok(Self::First),
            2 => Ok(Self::Second),
            _ => Err(format!("rules {number} are those of a later version; update wgvae")),
        }
    }
}

impl From<Rules> for u32 {
    fn from(rules: Rules) -> Self {
        match rules {
            Rules::First => 1,
            Rules::Second => 2,
        }
    }
}

/// Glob patterns of files and folders.
pub(super) struct Globs(Vec<Pattern>);

impl Globs {
    /// # Errors
    /// [`Error::Usage`] naming the `flag` and the invalid pattern.
    pub(super) fn new(patterns: &[String], flag: &str) -> Result<Self> {
        let parse = |text: &String| {
            let plain = text.trim_start_matches("./").trim_matches('/');
            Pattern::new(plain).map_err(|error| Error::Usage(format!("{flag} {text}: {error}")))
        };
        patterns.iter().map(parse).collect::<Result<_>>().map(Self)
    }

    /// The pattern that matches the file or folder `below`, a path relative to the root.
    pub(super) fn matching(&self, below: &Path) -> Option<&str> {
        let options =
            MatchOptions { case_sensitive: false, require_literal_separator: true, ..MatchOptions::new() };
        let name = below.file_name()?.to_string_lossy();
        let path = below.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        let matches = |pattern: &&Pattern| {
            let whole = pattern.as_str().contains('/');
            pattern.matches_with(if whole { &path } else { &name }, options)
        };
        self.0.iter().find(matches).map(Pattern::as_str)
    }

    /// Whether the file or folder `below`, or a folder above it, matches.
    pub(super) fn covers(&self, below: &Path) -> bool {
        !self.0.is_empty()
            && below
                .ancestors()
                .filter(|path| !path.as_os_str().is_empty())
                .any(|path| self.matching(path).is_some())
    }
}
