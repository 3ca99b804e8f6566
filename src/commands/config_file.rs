//! `--config FILE`, and the `config.toml` of a run: settings, or the file, the line and what is wrong there.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Result;
use toml::de::DeTable;
use wgvae::error::{Error, printable_text};

use super::terminal::shown;
use crate::cli::TrainSettings;

/// Bytes beyond which a file is not read as settings: it is another one, or has no end.
const MAX_BYTES: u64 = 1 << 20;
/// Likeness (Jaro-Winkler, from 0 to 1) from which a key is taken for another one misspelt.
const MIN_SIMILARITY: f64 = 0.8;

/// Reads settings from the file at `path`.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Usage`] naming file and line if it does not hold settings.
pub fn read(path: &Path) -> Result<TrainSettings> {
    let mut text = String::new();
    let file = File::open(path).map_err(Error::io("read", path))?;
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(Error::io("read", path))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(Error::Usage(format!("{}: too long for a file of settings", shown(path))).into());
    }
    Ok(parse(&text).map_err(|(at, reason)| {
        let line = text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
        Error::Usage(format!("{}:{line}: {reason}", shown(path)))
    })?)
}

/// The settings in `text`, or the byte where it is wrong and the reason.
fn parse(text: &str) -> Result<TrainSettings, (usize, String)> {
    // messages repeat what stands in the file, and that must not reach the terminal as it is
    let wrong = |e: toml::de::Error| {
        let message: Vec<String> = e.message().lines().map(printable_text).collect();
        (e.span().map_or(0, |span| span.start), message.join("\n"))
    };
    let keys = keys();
    let table = DeTable::parse(text).map_err(wrong)?;
    let unknown = table.get_ref().keys().filter(|key| !keys.iter().any(|known| known == key.get_ref()));
    if let Some(first) = unknown.min_by_key(|key| key.span().start) {
        return Err((first.span().start, unknown_key(first.get_ref(), &keys)));
    }
    toml::from_str(text).map_err(wrong)
}

/// Every key that a file may have.
fn keys() -> Vec<String> {
    match serde_json::to_value(TrainSettings::default()) {
        Ok(serde_json::Value::Object(fields)) => fields.into_iter().map(|(key, _)| key).collect(),
        other => unreachable!("settings are a struct: {other:?}"),
    }
}

fn unknown_key(key: &str, keys: &[String]) -> String {
    let plain = key.to_lowercase().replace('_', "-");
    let likeness = |known: &String| strsim::jaro_winkler(&plain, known);
    let nearest = keys.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let hint = match nearest.filter(|known| likeness(known) >= MIN_SIMILARITY) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("there are: {}", keys.join(", ")),
    };
    format!("unknown key `{}`; {hint}", printable_text(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_named() {
        let keys = keys();
        for (typed, meant) in [
            ("epochss", "epochs"),
            ("Epochs", "epochs"),
            ("batch_size", "batch-size"),
            ("batch", "batch-size"),
            ("hiden", "hidden"),
            ("latent-dim", "latent"),
            ("adaptor", "adapter"),
            ("nocache", "no-cache"),
        ] {
            let said = unknown_key(typed, &keys);
            assert!(said.ends_with(&format!("did you mean `{meant}`?")), "{said}");
        }
        let said = unknown_key("optimizer\u{1b}[2J", &keys);
        assert!(
            said.starts_with("unknown key `optimizer\\u{1b}[2J`; there are: ") && said.contains("beta, ")
        );
    }

    #[test]
    fn every_flag_of_a_training_is_a_key() {
        use clap::CommandFactory;
        let command = crate::cli::Cli::command();
        let train = command.find_subcommand("train").expect("train").clone();
        let of_the_command_alone =
            ["config", "resume", "new-data", "reschedule", "no-tune", "tuning", "quiet", "help", "version"];
        for flag in train.get_arguments().filter_map(|a| a.get_long()) {
            assert!(of_the_command_alone.contains(&flag) || keys().iter().any(|k| k == flag), "{flag}");
        }
    }
}
