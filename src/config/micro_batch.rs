//! The setting `--micro-batch`: a number of pictures, or auto.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Pictures computed at once. `None`, written `auto`, is the largest number that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MicroBatch(pub Option<u32>);

impl fmt::Display for MicroBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pictures) => write!(f, "{pictures}"),
            None => f.write_str("auto"),
        }
    }
}

impl FromStr for MicroBatch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "auto" => Ok(Self(None)),
            Ok(pictures) if pictures > 0 => Ok(Self(Some(pictures))),
            _ => Err("must be a number from 1 on, or auto".into()),
        }
    }
}

impl TryFrom<String> for MicroBatch {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<MicroBatch> for String {
    fn from(micro_batch: MicroBatch) -> Self {
        micro_batch.to_string()
    }
}
