//! Flat tables of settings: `lr-schedule = "cosine"`, the common format of flags and configuration files.
//!
//! Defaults, a preset, a file and flags are tables, called layers. [`TrainConfig::read`](super::TrainConfig::read) merges them
//! and reads the result once.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Settings by their keys in kebab case. A setting that was not given has no entry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Table(pub(super) BTreeMap<String, Value>);

/// The value of a setting. Unlike `toml::Value` it holds every `u64`, such as a large seed; unlike `serde_json::Value` it
/// holds infinities and NaN, so that they reach the check that refuses them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// a switch
    Bool(bool),
    /// a number without a fraction
    Integer(u64),
    /// any other number
    Float(f64),
    /// a word, a path, a pattern
    Text(String),
    /// several values
    List(Vec<Self>),
    /// settings of one subject, as state.json has them
    Group(Table),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(value) => f.write_str(value),
            Self::List(values) => {
                let all: Vec<String> = values.iter().map(ToString::to_string).collect();
                f.write_str(&all.join(","))
            }
            Self::Group(group) => f.write_str(&group.flags()),
        }
    }
}

/// `value` as another type. TOML's text keeps every number: floats are written in their shortest form that reads back to
/// the same bits.
fn convert<A: Serialize, B: DeserializeOwned>(value: &A) -> Result<B> {
    let text = toml::to_string(value).map_err(|error| Error::Usage(error.to_string()))?;
    toml::from_str(&text).map_err(|error| Error::Usage(error.message().to_owned()))
}

impl Table {
    /// The fields of `settings`, without those that are `None`.
    ///
    /// # Errors
    /// If TOML cannot express a value, such as a path that is not UTF-8.
    pub fn of(settings: &impl Serialize) -> Result<Self> {
        convert(settings)
    }

    /// A table with one setting.
    ///
    /// # Errors
    /// As [`Table::of`].
    pub fn of_setting(key: &str, value: impl Serialize) -> Result<Self> {
        convert(&BTreeMap::from([(key, value)]))
    }

    /// The table as a struct that has its keys, or some of them.
    ///
    /// # Errors
    /// If a value is not of the field's type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        convert(self)
    }

    /// One setting, if it was given.
    ///
    /// # Errors
    /// If it is not of this type.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let found: BTreeMap<String, T> = convert(&self.only(|known| known == key))?;
        Ok(found.into_values().next())
    }

    /// Whether the setting was given.
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// The settings of both; where both have one, that of this table.
    #[must_use]
    pub fn over(&self, below: &Self) -> Self {
        let mut merged = below.0.clone();
        merged.extend(self.0.clone());
        Self(merged)
    }

    /// The settings whose keys `keep` accepts.
    #[must_use]
    pub fn only(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(
            self.0
                .iter()
                .filter(|(key, _)| keep(key))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        )
    }

    /// The settings that `other` has not, or has with another value.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Self {
        self.only(|key| self.0.get(key) != other.0.get(key))
    }

    /// Keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The value of a setting as text, or `nothing`.
    pub fn text(&self, key: &str) -> String {
        self.0.get(key).map_or("nothing".into(), ToString::to_string)
    }

    /// The settings as they are typed: `--size 64 --loss mse`.
    pub fn flags(&self) -> String {
        let flags: Vec<String> = self.iter().map(|(key, value)| format!("--{key} {value}")).collect();
        flags.join(" ")
    }

    /// The settings of all groups in one table, with keys in kebab case.
    pub(super) fn flat(self) -> Self {
        let mut flat = Self::default();
        for (key, value) in self.0 {
            match value {
                Value::Group(group) => flat.0.extend(group.flat().0),
                value => drop(flat.0.insert(key.replace('_', "-"), value)),
            }
        }
        flat
    }

    /// The table with the names of fields, in snake case, for keys.
    pub(super) fn fields(&self) -> Self {
        Self(self.0.iter().map(|(key, value)| (key.replace('-', "_"), value.clone())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    /// Numbers pass bit by bit, and those that a check must see pass too.
    #[test]
    fn numbers_pass_unchanged() {
        for value in [0.1, 1.0, -0.0, 1e-30, 1.0 / 3.0, f64::MAX, f64::MIN_POSITIVE, 5e-324, f64::INFINITY] {
            let table = Table::of_setting("lr", value).expect("a table");
            let back: f64 = table.get("lr").expect("a number").expect("an entry");
            assert_eq!(back.to_bits(), value.to_bits(), "{value:e}");
        }
        let nan = Table::of_setting("lr", f64::NAN).expect("a table");
        assert!(nan.get::<f64>("lr").expect("a number").is_some_and(f64::is_nan));
        let seed = Table::of_setting("seed", u64::MAX).expect("a table");
        assert_eq!(seed.get("seed").expect("a number"), Some(u64::MAX));
    }

    #[test]
    fn the_upper_layer_wins() {
        let above = Table::of_setting("size", 32).expect("a table");
        let below = Table::of_setting("size", 16)
            .expect("a table")
            .over(&Table::of_setting("seed", 1).expect("a table"));
        assert_eq!(above.over(&below).flags(), "--seed 1 --size 32");
        assert_eq!(above.differences(&below).flags(), "--size 32");
        assert_eq!(below.text("latent"), "nothing");
        let none = Table::of_setting("size", None::<u32>).expect("a table");
        assert_eq!(none.over(&below), below);
    }
}
