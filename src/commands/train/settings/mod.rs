//! The one path from settings to a training: defaults, a preset, files and flags are layers of tables, merged and read once.
//!
//! Read this to add a setting. It is an optional field in a group of [`crate::cli::TrainSettings`], with its help, and a field
//! of the same name with its default and check: in [`TrainConfig`] or one of its groups if it decides what is computed, else in
//! [`RunOptions`].

pub mod file;
mod options;

use std::path::Path;

use anyhow::Result;
pub use options::{PER_PROCESS, RunOptions};
use wgvae::config::{Preset, Table, TrainConfig};
use wgvae::error::Error;
use wgvae::model::ModelOptions;

use crate::cli::{ModelArgs, TrainSettings};

/// Settings that were given, before the defaults are filled in.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// by flags, and by the file of `--config`
    pub given: Table,
    /// by the run, checkpoint or model that a training begins from
    pub below: Table,
}

impl Layers {
    /// Flags over the file of `--config`.
    ///
    /// # Errors
    /// If the file is not valid, or a path is not UTF-8.
    pub fn new(flags: &TrainSettings, file: Option<&Path>) -> Result<Self> {
        let file = file.map(file::read).transpose()?.unwrap_or_default();
        Ok(Self { given: table(flags)?.over(&file), below: Table::default() })
    }

    /// These layers with `below` as the lowest one.
    pub fn above(self, below: &Table) -> Self {
        Self { below: self.below.over(below), ..self }
    }

    /// All settings in one table.
    pub fn merged(&self) -> Table {
        self.given.over(&self.below)
    }

    /// The options of the run.
    ///
    /// # Errors
    /// Naming an option that is out of its range.
    pub fn options(&self) -> Result<RunOptions> {
        self.merged().read::<RunOptions>()?.checked()
    }

    /// All settings, with the preset `demo` by default if there is no folder of pictures.
    ///
    /// # Errors
    /// Naming a setting that is out of its range, or has no effect.
    pub fn settings(&self) -> Result<Settings> {
        let options = self.options()?;
        let preset = if options.data.is_some() { Preset::Reference } else { Preset::Demo };
        Ok(Settings { config: TrainConfig::read(&self.given, &self.below, preset)?, options })
    }
}

/// `flags` as a table. Its paths must be UTF-8, because files of settings are text.
fn table(flags: &TrainSettings) -> Result<Table> {
    let (data, run) = (&flags.data, &flags.run);
    let paths =
        [("DATA", &data.data), ("--init", &run.init), ("--runs", &run.runs), ("--samples", &run.samples)];
    for (flag, path) in paths {
        if let Some(path) = path.as_ref().filter(|path| path.to_str().is_none()) {
            let reason =
                format!("the name of {flag} is not UTF-8; rename it, or make a link with a UTF-8 name");
            return Err(Error::data(path, reason).into());
        }
    }
    Ok(Table::of(flags)?)
}

/// All settings of a training.
#[derive(Debug, Clone)]
pub struct Settings {
    /// the settings that decide what is computed
    pub config: TrainConfig,
    /// all others
    pub options: RunOptions,
}

impl Settings {
    /// The model to build for them.
    pub fn model_options(&self) -> ModelOptions {
        ModelOptions { micro: self.options.micro_batch.0, ..ModelOptions::of(&self.config) }
    }

    /// The text of the run's configuration file, which repeats the training.
    ///
    /// # Errors
    /// If a path is not UTF-8.
    pub fn to_text(&self) -> Result<String> {
        let table = self.config.table()?.over(&Table::of(&self.options.resolved())?);
        // a run is where its folder is, under the folder's name
        let table = table.only(|key| key != "name" && key != "runs");
        // in the order of the flags
        Ok(toml::to_string(&table.read::<TrainSettings>()?)?)
    }
}

/// The model for the flags of `plan`, `tune`, `bench` and `profile`.
///
/// # Errors
/// Naming a setting that is out of its range.
pub fn model_options(flags: &ModelArgs) -> Result<ModelOptions> {
    let given = Table::of(flags)?;
    let config = TrainConfig::read(&given, &Table::default(), Preset::Reference)?;
    Ok(Settings { config, options: given.read()? }.model_options())
}

#[cfg(test)]
mod tests {
    use wgvae::config::{ModelConfig, Sigma, Table, TrainConfig};

    use super::RunOptions;

    /// The keys of a struct's fields, with those of its groups.
    fn keys(value: &serde_json::Value) -> Vec<String> {
        let fields = value.as_object().into_iter().flatten();
        fields.flat_map(|(key, value)| [vec![key.replace('_', "-")], keys(value)].concat()).collect()
    }

    /// A flag that no configuration has would be accepted and do nothing.
    #[test]
    fn every_setting_is_read() {
        // with the settings that only this architecture has
        let model = ModelConfig::spatial(64, 16, 8, 8);
        let config = TrainConfig { model, ..TrainConfig::default() };
        let config = serde_json::to_value(config).expect("JSON");
        let options = serde_json::to_value(RunOptions::default()).expect("JSON");
        let read = [keys(&config), keys(&options), vec!["preset".into(), "loss".into()]].concat();
        for key in super::file::keys() {
            assert!(read.contains(&key), "{key} is in TrainSettings, and in no configuration");
        }
    }

    /// A run's file repeats the settings that it was made with.
    #[test]
    fn a_written_file_gives_the_same_settings_again() {
        let text = "size = 32\nlr = 0.1\nloss = 'l1'\nsigma = 0.3\nema = 0.9\nkeep = 3\nexclude = ['a', 'b*']\n\
                    micro-batch = '2'\nseed = 18446744073709551615\nresident = 'no'\ncheckpoint-every = 7\n";
        let given: Table = toml::from_str(text).expect("a table");
        let layers = super::Layers { given, ..super::Layers::default() };
        let settings = layers.settings().expect("settings");
        let written = settings.to_text().expect("text");
        let given = toml::from_str(&written).expect("a table");
        let again = super::Layers { given, ..super::Layers::default() }.settings().expect("settings");
        assert_eq!(again.config, settings.config);
        assert_eq!(again.options, settings.options.resolved());
        // in the order of the flags
        let lines = [
            "exclude = [\"a\", \"b*\"]",
            "micro-batch = \"2\"",
            "lr = 0.1",
            "seed = 18446744073709551615",
            "keep = 3",
        ];
        let found: Vec<&str> = written.lines().filter(|line| lines.contains(line)).collect();
        assert_eq!(found, lines, "{written}");
    }

    /// As version 0.1.0 wrote it at commit f61d399.
    #[test]
    fn files_of_earlier_versions_are_read() {
        let text = "size = 16\nhidden = 4\nlatent = 4\nbatch-size = 4\nepochs = 2\nlr = 0.001\nbeta = 0.2\nseed = 3\n\
                    resize = \"stretch\"\nprecision = \"f32\"\nloss = \"l1\"\nsigma = 0.25\nbeta-schedule = \"linear\"\n\
                    free-bits = 0.5\nmmd = 10.0\nlr-schedule = \"cosine\"\nwarmup = 5\nclip-norm = 1.0\n\
                    weight-decay = 0.01\nema = 0.9\nflip = true\ncrop = 0.1\njitter = 0.1\ncheckpoint-every = 5\n\
                    keep = 3\nsamples = \"samples\"\ncache = 2048\nresident = \"auto\"\nlandscapes = 16\n\
                    adapter = \"software\"\nbackend = \"vulkan\"\nmicro-batch = \"2\"\n";
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).expect("written");
        let below = super::file::read(&path).expect("settings");
        let settings = super::Layers::default().above(&below).settings().expect("settings");
        let config = settings.config;
        assert_eq!(
            (config.model.size, config.objective.likelihood.sigma, config.objective.mmd),
            (16, Sigma::Fixed(0.25), 10.0)
        );
        assert_eq!((config.optimizer.clip_norm, config.augmentation.flip), (Some(1.0), true));
        assert_eq!(settings.options.adapter.adapter.as_deref(), Some("software"));
        assert_eq!((settings.options.cache, settings.options.micro_batch.0), (Some(2048), Some(2)));
    }
}
