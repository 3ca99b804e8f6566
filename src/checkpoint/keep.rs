//! Retention of checkpoints: how many of them are kept, and pruning of the others.
//! Read this for `--keep`.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{list, resolve_pointer};
use crate::config::TrainConfig;
use crate::error::{Error, Result};

/// Default number of end-of-epoch checkpoints kept.
const EPOCHS: u32 = 3;
/// Default number of mid-epoch checkpoints kept.
const WITHIN: u32 = 2;

/// Retention policy for checkpoints. The best and the newest one are always kept in addition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub enum Keep {
    /// the three newest end-of-epoch checkpoints and the two newest mid-epoch ones
    #[default]
    Few,
    /// this many of the newest, at least 1; `best` is another word for 1
    Newest(u32),
    /// all checkpoints
    All,
}

/// A number, or a word.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Text {
    Number(u32),
    Word(String),
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Few => f.write_str("few"),
            Self::Newest(count) => write!(f, "{count}"),
            Self::All => f.write_str("all"),
        }
    }
}

impl FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.to_lowercase().as_str() {
            "few" => Ok(Self::Few),
            "all" => Ok(Self::All),
            "best" => Ok(Self::Newest(1)),
            number => match number.parse() {
                Ok(0) | Err(_) => Err("must be a number from 1 on, best, few, or all".into()),
                Ok(count) => Ok(Self::Newest(count)),
            },
        }
    }
}

impl TryFrom<Text> for Keep {
    type Error = String;

    fn try_from(text: Text) -> std::result::Result<Self, String> {
        match text {
            Text::Number(number) => number.to_string().parse(),
            Text::Word(word) => word.parse(),
        }
    }
}

impl From<Keep> for Text {
    fn from(keep: Keep) -> Self {
        match keep {
            Keep::Newest(count) => Self::Number(count),
            word => Self::Word(word.to_string()),
        }
    }
}

impl Keep {
    /// Maximum number of checkpoints that a training of `epochs` epochs has at once: the retained ones, the best one,
    /// and the one that is being written. `within` says whether it also writes checkpoints within epochs.
    pub fn most(self, epochs: u32, within: bool) -> u64 {
        let ends = u64::from(epochs);
        let within = if within { u64::from(WITHIN) } else { 0 };
        let kept = match self {
            Self::Few => ends.min(u64::from(EPOCHS) + 1) + within,
            Self::Newest(count) if within > 0 => u64::from(count) + 1,
            Self::Newest(count) => ends.min(u64::from(count) + 1),
            Self::All => ends + within,
        };
        kept + 1
    }
}

/// Size in bytes of a checkpoint: the parameters, both moments, and the average if there is one.
pub fn bytes(config: &TrainConfig) -> u64 {
    let copies = if config.optimizer.ema.is_some() { 4 } else { 3 };
    4 * copies * crate::model::parameter_count(&config.model)
}

/// Removes the checkpoints of `folder` that `keep` does not retain.
///
/// # Errors
/// If the folder cannot be read or written.
pub fn prune(folder: &Path, keep: Keep) -> Result<()> {
    for path in surplus(folder, keep)? {
        fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
    }
    Ok(())
}

/// The checkpoints of `folder` that `keep` does not retain: never the newest one, nor the best one.
///
/// # Errors
/// If the folder cannot be read.
pub fn surplus(folder: &Path, keep: Keep) -> Result<Vec<PathBuf>> {
    let mut all = list(folder)?.whole;
    let best = resolve_pointer(folder, "best").and_then(|path| path.file_name().map(ToOwned::to_owned));
    all.reverse();
    let mut surplus = Vec::new();
    let (mut ends, mut within) = (0, 0);
    for (at, (path, state)) in (0u32..).zip(&all) {
        let (seen, stay) = if state.step_in_epoch > 0 { (&mut within, WITHIN) } else { (&mut ends, EPOCHS) };
        *seen += 1;
        let goes = match keep {
            Keep::Few => at > 0 && *seen > stay,
            Keep::Newest(count) => at >= count.max(1),
            Keep::All => at > 0 && state.step_in_epoch > 0 && *seen > WITHIN,
        };
        if goes && path.file_name().map(ToOwned::to_owned) != best {
            surplus.push(path.clone());
        }
    }
    Ok(surplus)
}

#[cfg(test)]
mod tests {
    use super::Keep;

    #[test]
    fn words_and_numbers_are_read_and_written() {
        for (text, keep) in
            [("few", Keep::Few), ("ALL", Keep::All), ("5", Keep::Newest(5)), ("best", Keep::Newest(1))]
        {
            assert_eq!(text.parse(), Ok(keep));
            let json = serde_json::to_string(&keep).expect("json");
            assert_eq!(serde_json::from_str::<Keep>(&json).expect("read"), keep);
        }
        for wrong in ["0", "-1", "some", ""] {
            assert!(wrong.parse::<Keep>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn at_most_so_many_are_there_at_once() {
        assert_eq!(Keep::Few.most(200, false), 5);
        assert_eq!(Keep::Few.most(200, true), 7);
        assert_eq!(Keep::Few.most(2, false), 3);
        assert_eq!(Keep::Newest(1).most(200, true), 3);
        assert_eq!(Keep::All.most(200, false), 201);
    }
}
