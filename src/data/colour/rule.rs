//! The rule by which colours are read, and with it all that decides the pixels of a file.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::data::resize::Resize;

/// The treatment of colour profiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColourRule {
    /// Colours are converted to sRGB, as a viewer shows them. A picture whose colours cannot be converted is skipped.
    #[default]
    Srgb,
    /// Samples are read as they are stored, and profiles have no effect.
    AsStored,
}

impl ColourRule {
    /// The rule of runs that are older than this setting.
    pub fn of_old_runs() -> Self {
        Self::AsStored
    }
}

impl fmt::Display for ColourRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Srgb => "srgb",
            Self::AsStored => "as-stored",
        })
    }
}

impl FromStr for ColourRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "srgb" => Ok(Self::Srgb),
            "as-stored" => Ok(Self::AsStored),
            _ => {
                Err(format!("\"{}\" is not a rule for colours; use srgb or as-stored", text.escape_default()))
            }
        }
    }
}

/// The way from a file to square pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reading {
    /// the way pictures are made square
    pub resize: Resize,
    /// the treatment of colour profiles
    pub colour: ColourRule,
}

impl From<Resize> for Reading {
    /// With colours as a viewer shows them.
    fn from(resize: Resize) -> Self {
        Self { resize, colour: ColourRule::default() }
    }
}

impl fmt::Display for Reading {
    /// Names the rule for colours only if it is not the default.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.colour {
            ColourRule::Srgb => write!(f, "{}", self.resize),
            ColourRule::AsStored => write!(f, "{}, as-stored", self.resize),
        }
    }
}
