//! The settings of a training: defaults, checks, and the way from layers of settings to a configuration.
//!
//! A new setting is a field here or in one of the groups, with its default and its check, and an optional field of the same
//! name in the program's flags.

use serde::{Deserialize, Serialize};

use super::table::Value;
use super::{Architecture, Augmentation, LossKind, ModelConfig, Objective, Optimizer, Preset, Resize, Table};
use crate::data::{ColourRule, Reading};
use crate::element::Element;
use crate::error::{Error, Result};

/// Pictures per step, at most.
pub const MAX_BATCH: u32 = 65_536;

/// All settings that decide what a training computes. state.json has them in groups, with these names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainConfig {
    /// sizes of the model
    #[serde(flatten)]
    pub model: ModelConfig,
    /// pictures per step
    pub batch_size: u32,
    /// passes over the training pictures
    pub epochs: u32,
    /// learning rate
    pub lr: f64,
    /// weight of the KL divergence in the loss
    pub beta: f64,
    /// seed of the initial weights, the shuffling, the random draws and the split
    pub seed: u64,
    /// the way pictures are made square
    pub resize: Resize,
    /// the treatment of colour profiles; in runs that are older than this setting they had no effect
    #[serde(default = "ColourRule::of_old_runs")]
    pub colour: ColourRule,
    /// type of the activations and their gradients; f32 in runs that are older than this setting
    #[serde(default)]
    pub precision: Element,
    /// terms of the loss
    #[serde(default)]
    pub objective: Objective,
    /// optimizer and learning-rate schedule
    #[serde(default)]
    pub optimizer: Optimizer,
    /// random changes of the training pictures
    #[serde(default)]
    pub augmentation: Augmentation,
}

impl Default for TrainConfig {
    /// The reference implementation's training.
    fn default() -> Self {
        Self {
            model: ModelConfig::REFERENCE,
            batch_size: 64,
            epochs: 10,
            lr: 1e-3,
            beta: 0.2,
            seed: 0,
            resize: Resize::default(),
            colour: ColourRule::default(),
            precision: Element::default(),
            objective: Objective::default(),
            optimizer: Optimizer::default(),
            augmentation: Augmentation::default(),
        }
    }
}

/// Settings that only have an effect with a certain value of another one: key, condition, the condition in words.
type Condition = (&'static str, fn(&Objective) -> bool, &'static str);
const CONDITIONS: [Condition; 5] = [
    (
        "sigma",
        |o| !o.likelihood.sigma.is_fixed() || matches!(o.likelihood.kind, LossKind::Mse | LossKind::L1),
        "--loss mse or --loss l1",
    ),
    (
        "sigma",
        |o| o.likelihood.sigma.is_fixed() || o.likelihood.kind == LossKind::Gaussian,
        "--loss gaussian",
    ),
    ("beta-epochs", |o| o.beta_schedule.is_ramp(), "--beta-schedule linear, cyclical or capacity"),
    ("beta-cycles", |o| o.beta_schedule == super::BetaSchedule::Cyclical, "--beta-schedule cyclical"),
    ("capacity", |o| o.beta_schedule == super::BetaSchedule::Capacity, "--beta-schedule capacity"),
];

/// Groups of state.json whose settings are at the top level of a file of settings.
const GROUPS: [&str; 3] = ["objective", "optimizer", "augmentation"];
/// Names of the likelihood's kind in state.json, where it is in a group of its own, and in a file of settings.
const KIND: [&str; 2] = ["kind", "loss"];

impl TrainConfig {
    /// The way from the files of pictures to square pixels.
    pub fn reading(&self) -> Reading {
        Reading { resize: self.resize, colour: self.colour }
    }

    /// Merges `given` over `below` over a preset over the defaults, and reads the result. The preset is the one that the
    /// layers name, else `preset`.
    ///
    /// # Errors
    /// [`Error::Usage`] naming a setting that is out of its range, or that is in `given` and has no effect.
    pub fn read(given: &Table, below: &Table, preset: Preset) -> Result<Self> {
        let layers = given.over(below);
        let preset = layers.get("preset")?.unwrap_or(preset);
        // earlier versions had one kind of network, and named its three sizes only
        let sizes = ["size", "hidden", "latent"].iter().all(|key| layers.has(key));
        let implied = if sizes { Architecture::Reference } else { preset.architecture() };
        let architecture = layers.get("model")?.unwrap_or(implied);
        // a preset's grid is that of its own size
        let of_preset = preset.table(architecture)?.only(|key| key != "grid" || !layers.has("size"));
        let below_given = Table::of_setting("model", architecture)?
            .over(&of_preset)
            .over(&ModelConfig::training_defaults(architecture)?)
            .over(&Self::default().whole_table()?);
        let mut config = Self::of_table(&layers.over(&below_given))?;
        // a setting without effect was meant otherwise; below it may be left from another value of the condition
        for (key, has_effect, needed) in CONDITIONS {
            if given.has(key) && !has_effect(&config.objective) {
                return Err(Error::Usage(format!("--{key}: has no effect without {needed}")));
            }
        }
        config.objective.likelihood = config.objective.likelihood.consistent();
        config.model = config.model.with_likelihood(config.objective.likelihood);
        config.checked()
    }

    /// All settings that have an effect, as a flat table.
    ///
    /// # Errors
    /// Never: a table has values of all these types.
    pub fn table(&self) -> Result<Table> {
        let without: Vec<&str> = CONDITIONS
            .iter()
            .filter(|(_, has_effect, _)| !has_effect(&self.objective))
            .map(|c| c.0)
            .collect();
        Ok(self.whole_table()?.only(|key| !without.contains(&key)))
    }

    fn whole_table(&self) -> Result<Table> {
        let mut table = Table::of(self)?.flat();
        let kind = table.0.remove(KIND[0]);
        table.0.extend(kind.map(|kind| (KIND[1].to_owned(), kind)));
        table.0.remove("learned-sigma"); // the likelihood says it
        Ok(table)
    }

    /// The groups of state.json, filled from a flat table: each takes the fields that it knows.
    fn of_table(table: &Table) -> Result<Self> {
        let fields = table.fields();
        let mut likelihood = fields.clone();
        likelihood.0.extend(fields.0.get(KIND[1]).map(|kind| (KIND[0].to_owned(), kind.clone())));
        let mut nested = fields.clone();
        for group in GROUPS {
            let mut fields = fields.clone();
            if group == "objective" {
                fields.0.insert("likelihood".into(), Value::Group(likelihood.clone()));
            }
            nested.0.insert(group.into(), Value::Group(fields));
        }
        nested.read()
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the setting that is out of its range.
    pub fn checked(self) -> Result<Self> {
        self.model.checked()?;
        let usage = |message: String| Err(Error::Usage(message));
        checked_batch(self.batch_size)?;
        if self.epochs == 0 {
            return usage("--epochs 0: must be at least 1".into());
        }
        if !(self.lr.is_finite() && self.lr > 0.0) {
            return usage(format!("--lr {}: must be a positive number, for example 1e-3", self.lr));
        }
        if !(self.beta.is_finite() && self.beta >= 0.0) {
            return usage(format!(
                "--beta {}: must be zero or a positive number, for example 0.2",
                self.beta
            ));
        }
        self.objective.checked(self.batch_size)?;
        self.optimizer.checked()?;
        self.augmentation.checked()?;
        Ok(self)
    }
}

/// Checks a number of pictures per step.
///
/// # Errors
/// [`Error::Usage`] if it is not between 1 and [`MAX_BATCH`].
pub fn checked_batch(batch: u32) -> Result<u32> {
    if batch == 0 || batch > MAX_BATCH {
        return Err(Error::Usage(format!("--batch-size {batch}: must be between 1 and {MAX_BATCH}")));
    }
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::{Preset, Table, TrainConfig};
    use crate::config::{BetaSchedule, Likelihood, LossKind, LrSchedule, Sigma};

    fn table(text: &str) -> Table {
        toml::from_str(text).expect("a table")
    }

    #[test]
    fn the_grid_follows_the_size() {
        let grid = |given: &str| {
            let given = table(&format!("model = 'spatial'\n{given}"));
            TrainConfig::read(&given, &Table::default(), Preset::Reference)
                .expect("settings")
                .model
                .grid_edge()
        };
        assert_eq!([grid(""), grid("size = 64"), grid("size = 64\ngrid = 4")], [16, 8, 4]);
    }

    #[test]
    fn layers_are_read_once_in_their_order() {
        let file = table("preset = 'laptop'\nlatent = 12\nlr = 0.5\nloss = 'l1'\nema = 0.5\nname = 'a'");
        let flags =
            table("lr = 0.25\nsigma = 0.5\nlr-schedule = 'cosine'\nbeta-schedule = 'linear'\nflip = true");
        let config = TrainConfig::read(&flags, &file, Preset::Demo).expect("settings");
        assert_eq!((config.model.size, config.model.hidden, config.model.latent), (128, 32, 12));
        assert_eq!((config.batch_size, config.epochs, config.lr), (32, 10, 0.25));
        assert_eq!(
            (config.objective.likelihood.kind, config.objective.likelihood.sigma),
            (LossKind::L1, Sigma::Fixed(0.5))
        );
        assert_eq!(config.objective.beta_schedule, BetaSchedule::Linear);
        assert_eq!((config.optimizer.lr_schedule, config.optimizer.ema), (LrSchedule::Cosine, Some(0.5)));
        assert!(config.augmentation.flip);
        // and the other way round
        let again = TrainConfig::read(&config.table().expect("a table"), &Table::default(), Preset::Demo);
        assert_eq!(again.expect("settings"), config);
        let none = Table::default();
        let default = TrainConfig::read(&none, &none, Preset::Reference).expect("settings");
        assert_eq!(default, TrainConfig::default());
    }

    #[test]
    fn a_table_has_the_settings_with_effect() {
        let table = TrainConfig::default().table().expect("a table");
        assert!(
            table.has("loss") && table.has("lr-schedule") && table.has("batch-size") && table.has("crop")
        );
        for key in ["sigma", "capacity", "beta-cycles", "kind", "clip-norm", "lr_schedule"] {
            assert!(!table.has(key), "{key}");
        }
    }

    /// A width is the likelihood's own: one that is left from another likelihood below gives way to the default, one that is
    /// given is refused.
    #[test]
    fn a_likelihood_has_a_width_of_its_own_kind() {
        let none = Table::default();
        let read = |given: &str, below: &str| {
            TrainConfig::read(&table(given), &table(below), Preset::Demo).map(|c| c.objective.likelihood)
        };
        let [common, channel] = [Sigma::Common, Sigma::Channel];
        for (given, below, kind, sigma) in [
            ("loss = 'gaussian'", "", LossKind::Gaussian, common),
            ("loss = 'gaussian'\nsigma = 'channel'", "", LossKind::Gaussian, channel),
            ("", "loss = 'gaussian'\nsigma = 'channel'", LossKind::Gaussian, channel),
            ("model = 'spatial'\nsigma = 'learned'", "", LossKind::Gaussian, Sigma::Learned),
            ("loss = 'gaussian'", "loss = 'mse'\nsigma = 0.04", LossKind::Gaussian, common),
            ("loss = 'mse'", "loss = 'gaussian'\nsigma = 'channel'", LossKind::Mse, Sigma::Fixed(0.1)),
            ("loss = 'mse'\nsigma = 1", "", LossKind::Mse, Sigma::Fixed(1.0)),
            ("model = 'spatial'", "", LossKind::Gaussian, common),
            ("model = 'spatial'\nloss = 'mse'", "", LossKind::Mse, Sigma::Fixed(0.1)),
            ("model = 'spatial'\nsigma = 'channel'", "", LossKind::Gaussian, channel),
        ] {
            let found = read(given, below).unwrap_or_else(|e| panic!("{given} over {below}: {e}"));
            assert_eq!(found, Likelihood { kind, sigma }, "{given} over {below}");
            // and through the file of a run
            let config = TrainConfig::read(&table(given), &table(below), Preset::Demo).expect("settings");
            let again = TrainConfig::read(&config.table().expect("a table"), &none, Preset::Demo);
            let again = again.expect("settings");
            assert_eq!(again.objective.likelihood, found);
            assert_eq!([config.model.learned_sigma, again.model.learned_sigma], [found.learns_sigma(); 2]);
        }
        for (given, wanted) in [
            ("loss = 'gaussian'\nsigma = 0.1", "--sigma: has no effect without --loss mse or --loss l1"),
            ("loss = 'l1'\nsigma = 'common'", "--sigma: has no effect without --loss gaussian"),
            ("model = 'reference'\nsigma = 'channel'", "--sigma: has no effect without --loss gaussian"),
            ("loss = 'gaussian'\nsigma = 'wide'", "sigma must be a number, common, channel or learned"),
            ("loss = 'mse'\nsigma = 'learned'", "--sigma: has no effect without --loss gaussian"),
        ] {
            let error = read(given, "").expect_err(given).to_string();
            assert!(error.contains(wanted), "{given}: {error}");
        }
    }

    /// A run that was made with a schedule has its settings in its file; another schedule is not refused for them.
    #[test]
    fn only_given_settings_are_refused_for_having_no_effect() {
        let (capacity, linear) = (table("capacity = 20.0"), table("beta-schedule = 'linear'"));
        assert!(TrainConfig::read(&linear, &capacity, Preset::Demo).is_ok());
        let error = TrainConfig::read(&capacity, &linear, Preset::Demo).expect_err("no effect").to_string();
        assert!(error.contains("--capacity: has no effect without --beta-schedule capacity"), "{error}");
    }
}
