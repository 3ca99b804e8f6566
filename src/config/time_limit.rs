//! The setting `--max-time`: a time as people write it, such as 90m or 1h30m.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The time after which a training ends with a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeLimit(pub Duration);

impl fmt::Display for TimeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // in one word, as it is typed
        f.write_str(&humantime::format_duration(self.0).to_string().replace(' ', ""))
    }
}

impl FromStr for TimeLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match humantime::parse_duration(text) {
            Ok(time) if time > Duration::ZERO => Ok(Self(time)),
            _ => Err("must be a time with units, such as 90m, 8h or 1h30m".into()),
        }
    }
}

impl TryFrom<String> for TimeLimit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<TimeLimit> for String {
    fn from(limit: TimeLimit) -> Self {
        limit.to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::TimeLimit;

    #[test]
    fn times_are_read_and_written() {
        for (text, seconds, written) in [
            ("90m", 5400, "1h30m"),
            ("8h", 28_800, "8h"),
            ("1h30m", 5400, "1h30m"),
            ("1h 30m", 5400, "1h30m"),
            ("20s", 20, "20s"),
            ("2d", 172_800, "2days"),
        ] {
            let limit: TimeLimit = text.parse().expect(text);
            assert_eq!((limit.0, limit.to_string().as_str()), (Duration::from_secs(seconds), written));
            assert_eq!(written.parse(), Ok(limit));
        }
        for wrong in ["", "8", "0s", "-1h", "long", "8 hours and more", "99999999999999999999h"] {
            assert!(wrong.parse::<TimeLimit>().is_err(), "{wrong}");
        }
    }
}
