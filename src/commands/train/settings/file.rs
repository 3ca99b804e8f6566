//! Files of settings: `--config FILE`, and the `config.toml` of a run. An error names the file, the line and the reason.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Result;
use toml::de::{DeTable, DeValue};
use wgvae::config::Table;
use wgvae::data::ColourRule;
use wgvae::error::{Error, printable_text};

use crate::cli::TrainSettings;
use crate::commands::terminal::shown;

/// Largest size of a file of settings in bytes. A larger one is another file, or has no end.
const MAX_BYTES: u64 = 1 << 20;
/// Similarity (Jaro-Winkler, 0 to 1) from which an unknown key is taken for a misspelt known one.
const MIN_SIMILARITY: f64 = 0.8;

/// Reads settings from the file at `path`.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Usage`] with the line of a setting that is not valid.
pub fn read(path: &Path) -> Result<Table> {
    let mut text = String::new();
    let file = File::open(path).map_err(Error::io("read", path))?;
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(Error::io("read", path))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(Error::Usage(format!("{}: too long for a file of settings", shown(path))).into());
    }
    let settings = parse(&text).map_err(|(at, reason)| {
        let line = text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
        Error::Usage(format!("{}:{line}: {reason}", shown(path)))
    })?;
    Ok(Table::of(&settings)?)
}

/// Reads the settings of a run. A setting that is newer than the run gets the value that repeats the run.
///
/// # Errors
/// As [`read`].
pub fn of_run(path: &Path) -> Result<Table> {
    Ok(read(path)?.over(&Table::of_setting("colour", ColourRule::of_old_runs())?))
}

/// One setting from its key and its value, as they are typed behind a flag.
///
/// # Errors
/// [`Error::Usage`] if there is no such setting, or the value is not one of it.
pub fn setting(key: &str, value: &str) -> Result<Table> {
    let usage = |reason: String| Error::Usage(format!("{key}={}: {reason}", printable_text(value)));
    if value.contains(char::is_control) {
        return Err(usage("holds a control character".into()).into());
    }
    if !keys().iter().any(|known| known == key) {
        return Err(Error::Usage(unknown_key(key, &keys())).into());
    }
    let word = toml::Value::String(value.to_owned());
    let settings = parse(&format!("{key} = {value}"))
        .or_else(|_| parse(&format!("{key} = {word}")))
        .map_err(|(_, reason)| usage(reason))?;
    Ok(Table::of(&settings)?)
}

/// The settings in `text`, or the byte position of the first error and its reason.
fn parse(text: &str) -> Result<TrainSettings, (usize, String)> {
    // messages quote the file, whose bytes must not reach the terminal unescaped
    let printable =
        |e: &toml::de::Error| e.message().lines().map(printable_text).collect::<Vec<_>>().join("\n");
    let at = |e: &toml::de::Error| e.span().map_or(0, |span| span.start);
    let keys = keys();
    let table = DeTable::parse(text).map_err(|e| (at(&e), printable(&e)))?;
    let mut settings: Vec<_> = table.get_ref().iter().collect();
    settings.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in settings {
        if !keys.iter().any(|known| known == key.get_ref()) {
            return Err((key.span().start, unknown_key(key.get_ref(), &keys)));
        }
        if matches!(value.get_ref(), DeValue::Table(_) | DeValue::Datetime(_)) {
            return Err((key.span().start, format!("{}: must be a number, a word or a list", key.get_ref())));
        }
        // one by one, because serde loses the positions of flattened fields
        let alone = format!("{} = {}", key.get_ref(), &text[value.span()]);
        toml::from_str::<TrainSettings>(&alone).map_err(|e| (value.span().start, printable(&e)))?;
    }
    toml::from_str(text).map_err(|e| (at(&e), printable(&e)))
}

/// All keys of a file of settings.
pub fn keys() -> Vec<String> {
    match serde_json::to_value(TrainSettings::default()) {
        Ok(serde_json::Value::Object(fields)) => fields.into_iter().map(|(key, _)| key).collect(),
        other => unreachable!("settings are a struct: {other:?}"),
    }
}

fn unknown_key(key: &str, keys: &[String]) -> String {
    let plain = key.to_lowercase().replace('_', "-");
    let similarity = |known: &String| strsim::jaro_winkler(&plain, known);
    let nearest = keys.iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    let hint = match nearest.filter(|known| similarity(known) >= MIN_SIMILARITY) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("the keys are: {}", keys.join(", ")),
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
            said.starts_with("unknown key `optimizer\\u{1b}[2J`; the keys are: ") && said.contains("beta, ")
        );
    }

    #[test]
    fn an_error_has_the_position_of_its_value() {
        for (text, at, reason) in [
            ("seed = 1\n[size]\nx = 1\n", 10, "size: must be a number, a word or a list"),
            ("seed = 1\nsize = 1979-05-27\n", 9, "size: must be a number, a word or a list"),
            ("seed = 1\nepochs = -1\n", 18, "invalid value: integer `-1`, expected u32"),
            ("exclude = [\n  'a',\n  1,\n]\n", 10, "invalid type: integer `1`, expected a string"),
            ("lr = 'fast'\n", 5, "invalid type: string \"fast\", expected f64"),
            ("keep = 0\n", 7, "must be a number from 1 on, best, few, or all"),
        ] {
            let (found, said) = parse(text).expect_err("not valid");
            assert_eq!(found, at, "{text:?}: {said}");
            assert!(said.contains(reason), "{text:?}: {said}");
        }
        let settings = parse("lr = 1\nexclude = [\n  'a',\n]\nkeep = 'all'\n").expect("settings");
        assert_eq!(settings.optimizer.lr, Some(1.0));
    }

    #[test]
    fn every_flag_of_a_training_is_a_key() {
        use clap::CommandFactory;
        let command = crate::cli::Cli::command();
        let train = command.find_subcommand("train").expect("train").clone();
        let of_the_command_alone = [
            "config",
            "resume",
            "new-data",
            "reschedule",
            "no-tune",
            "tuning",
            "sweep",
            "dry-run",
            "watch",
            "port",
            "quiet",
            "help",
            "version",
        ];
        for flag in train.get_arguments().filter_map(|a| a.get_long()) {
            assert!(of_the_command_alone.contains(&flag) || keys().iter().any(|k| k == flag), "{flag}");
        }
    }
}
