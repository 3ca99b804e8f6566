//! Tuning files: the chosen kernel configurations per op.
//! They are stored in the user's cache folder (one per adapter, driver and set of shaders), in a run's folder for
//! bit-exact replay, and anywhere with `--tuning FILE`.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::gpu::{Adapter, Capabilities};
use crate::ops::SHADERS;
use crate::ops::tunable::Table;

/// Format version; 2 has `batch` in keys, 1 had `images`.
const FORMAT: u32 = 2;

fn first() -> u32 {
    1
}

/// File name in a run's folder.
pub const NAME: &str = "tuning.json";

/// A table of configurations, and the environment it was measured in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuningFile {
    /// format version; files of version 1 do not contain it
    #[serde(default = "first")]
    pub format: u32,
    /// adapter name and back end
    pub adapter: String,
    /// driver and its version
    pub driver: String,
    /// digest of all shaders
    pub shaders: String,
    /// chosen configurations by kernel and sizes
    #[serde(alias = "forms")]
    pub configs: Table,
}

/// A digest of every file in `shaders/`.
pub fn shaders() -> String {
    // stable for one build of the standard library; another build only costs a new measurement
    let mut digest = DefaultHasher::new();
    for file in SHADERS {
        (file.name, file.text).hash(&mut digest);
    }
    format!("{:016x}", digest.finish())
}

impl TuningFile {
    /// The file for `configs` measured on `adapter`.
    pub fn new(adapter: &Adapter, configs: Table) -> Self {
        let info = &adapter.info;
        Self {
            format: FORMAT,
            adapter: format!("{} ({:?})", info.name, info.backend),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            shaders: shaders(),
            configs,
        }
    }

    /// Whether it was measured on this adapter, with this driver and these shaders.
    pub fn is_for(&self, adapter: &Adapter) -> bool {
        self.measured_on() == Self::new(adapter, Table::new()).measured_on()
    }

    /// The environment that the measurements depend on.
    fn measured_on(&self) -> [&str; 3] {
        [&self.adapter, &self.driver, &self.shaders]
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Usage`] if it is not a tuning file.
    pub fn read(path: &Path) -> Result<Self> {
        Self::of_text(&std::fs::read_to_string(path).map_err(Error::io("read", path))?, path)
    }

    /// Decodes the text of a file; `path` is only used in errors.
    ///
    /// # Errors
    /// [`Error::Usage`] if it is not a tuning file.
    pub fn of_text(text: &str, path: &Path) -> Result<Self> {
        let file: Self = serde_json::from_str(text).map_err(|e| {
            let shown = crate::data::printable(path);
            Error::Usage(format!("{shown}: not a table of forms as `wgvae tune` and runs write it: {e}"))
        })?;
        Ok(file.in_this_format())
    }

    fn in_this_format(mut self) -> Self {
        if self.format == 1 {
            let keys = self.configs.into_iter();
            self.configs = keys.map(|(key, config)| (key.replace(" images=", " batch="), config)).collect();
            self.format = FORMAT;
        }
        self
    }

    /// Writes the file, completely or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = self.to_text()?;
        crate::data::write_whole(path, |file| file.write_all(text.as_bytes()))
    }

    /// Encodes the file.
    ///
    /// # Errors
    /// [`Error::Model`] if it cannot be written as JSON.
    pub fn to_text(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self).map_err(|e| Error::model(NAME, e.to_string()))?;
        Ok(text + "\n")
    }

    /// Checks that `target` can run every configuration.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the first that cannot run.
    pub fn check(&self, target: &Capabilities, path: &Path) -> Result<()> {
        let bad = self.configs.iter().find(|(_, form)| !form.runs_on(target));
        bad.map_or(Ok(()), |(key, form)| {
            let (shown, form) = (crate::data::printable(path), form.name());
            let reason = format!("was made for {}", crate::error::printable_text(&self.adapter));
            Err(Error::Usage(format!(
                "{shown}: {} cannot run {form} for {key}; the file {reason}",
                target.name
            )))
        })
    }

    /// The path of the tuning file for `adapter` in the cache folder `folder`.
    pub fn cached_at(folder: &Path, adapter: &Adapter) -> PathBuf {
        let mut digest = DefaultHasher::new();
        Self::new(adapter, Table::new()).measured_on().hash(&mut digest);
        folder.join("tuning").join(format!("{:016x}.json", digest.finish()))
    }

    /// The cached configurations for `adapter`; empty if there is no file, or it is damaged or for another environment.
    pub fn cached(folder: &Path, adapter: &Adapter) -> Table {
        let file = Self::read(&Self::cached_at(folder, adapter)).ok();
        let whole =
            file.filter(|file| file.is_for(adapter) && file.check(&adapter.capabilities(), folder).is_ok());
        whole.map(|file| file.configs).unwrap_or_default()
    }

    /// Adds `configs` to the cached ones for `adapter`; returns the path.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be written.
    pub fn keep(folder: &Path, adapter: &Adapter, configs: Table) -> Result<PathBuf> {
        let path = Self::cached_at(folder, adapter);
        let mut all = Self::cached(folder, adapter);
        all.extend(configs);
        let parent = folder.join("tuning");
        std::fs::create_dir_all(&parent).map_err(Error::io("create", &parent))?;
        Self::new(adapter, all).write(&path)?;
        Ok(path)
    }
}
