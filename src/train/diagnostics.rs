//! Training diagnostics: problems seen in the curves, in plain words, each with one thing to try.
//! Read this to add a rule.
//!
//! The rules know only curves and which flags are set. A rule speaks once, and again only if its value has become twice
//! as bad. No rule speaks before there is enough data, because every training begins with latents that carry no
//! information.

use std::collections::HashMap;

use crate::config::TrainConfig;

/// KL divergence in nats below which a dimension carries almost no information.
pub const UNUSED: f64 = 0.01;
/// Number of steps before a KL divergence near zero means something.
const SETTLED: u64 = 200;
/// KL divergence in nats per picture below which the latents as a whole carry no information.
const VANISHED: f64 = 0.1;
/// Mean KL divergence of a dimension, in nats, above which the posterior has moved away from the prior.
const MAX_KL_PER_DIMENSION: f64 = 20.0;
/// Factor by which a step's KL divergence exceeds the running mean when it jumps.
const JUMP: f64 = 20.0;
/// Epochs without a lower validation loss, and relative excess over the lowest, that count as rising: less is noise.
const RISING: (u32, f64) = (3, 1e-3);
/// Number of epochs that are compared, and relative change of their loss below which it counts as flat.
const FLAT: (usize, f64) = (4, 2e-4);
/// Share and seconds of an epoch spent waiting for pictures that count as slow loading.
const WAITING: (f64, f64) = (0.3, 2.0);
/// Micro-batch size, and ratio of batch to micro-batch, that leave a GPU idle.
const SMALL_MICRO_BATCH: (u32, u32) = (4, 8);

/// Problems that are detected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Rule {
    Collapse,
    Vanished,
    Far,
    Jump,
    Rising,
    Flat,
    Waiting,
    Tiny,
}

/// Properties that are constant during a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// latent dimensions
    pub latent: u32,
    /// pictures per step
    pub batch: u32,
    /// pictures computed at once
    pub micro: u32,
    /// training pictures
    pub pictures: usize,
    /// training pictures that are decoded again in every epoch
    pub decoded: usize,
}

/// Curve values of an epoch; losses and KL divergences in nats per picture.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curves {
    /// number of the epoch, from 1
    pub epoch: u32,
    /// finished steps of the run
    pub step: u64,
    /// mean training loss over the epoch
    pub train_loss: f64,
    /// mean KL divergence over the epoch, not weighted
    pub train_kl: f64,
    /// validation loss after the epoch; `None` without held-out pictures
    pub validation_loss: Option<f64>,
    /// learning rate of the epoch's last step
    pub lr: f64,
    /// beta of the epoch's last step
    pub beta: f64,
    /// duration of the epoch in seconds
    pub seconds: f64,
    /// seconds of it spent waiting for pictures
    pub waited: f64,
    /// KL divergence of each latent dimension; may be empty
    pub kl: Vec<f64>,
}

/// Watches the curves of a training.
#[derive(Debug)]
pub struct Advisor {
    setup: Setup,
    /// flags already in use, which are not advised
    in_use: Vec<&'static str>,
    /// severity of each problem when it was reported
    reported: HashMap<Rule, f64>,
    epochs: Vec<Curves>,
    /// running mean of the steps' KL divergences, and number of steps in it
    mean_kl: (f64, u64),
}

impl Advisor {
    /// An advisor for a new or a resumed training.
    pub fn new(setup: Setup) -> Self {
        Self { setup, in_use: Vec::new(), reported: HashMap::new(), epochs: Vec::new(), mean_kl: (0.0, 0) }
    }

    /// An advisor that does not advise flags which `config` already uses.
    pub fn with_config(setup: Setup, config: &TrainConfig) -> Self {
        let (varied, optimizer) = (&config.augmentation, &config.optimizer);
        let flags = [
            ("--flip", varied.flip),
            ("--crop", varied.crop > 0.0),
            ("--weight-decay", optimizer.weight_decay > 0.0),
            ("--patience", optimizer.patience.is_some()),
        ];
        let in_use = flags.into_iter().filter_map(|(flag, used)| used.then_some(flag)).collect();
        Self { in_use, ..Self::new(setup) }
    }

    /// Advice before the first step.
    pub fn begins(&mut self) -> Vec<String> {
        let Setup { batch, micro, .. } = self.setup;
        let tiny = micro < SMALL_MICRO_BATCH.0
            && u64::from(micro) * u64::from(SMALL_MICRO_BATCH.1) <= u64::from(batch);
        let advice = format!(
            "a batch of {batch} is computed {micro} at a time, which leaves most of a GPU idle; try a smaller --size or \
             --hidden, or --precision f16"
        );
        self.advise(tiny, Rule::Tiny, 1.0, || advice).into_iter().collect()
    }

    /// Advice after a step with the KL divergence `kl`, in nats per picture.
    pub fn step(&mut self, step: u64, kl: f64) -> Option<String> {
        let (mean_kl, seen) = self.mean_kl;
        let far = MAX_KL_PER_DIMENSION / 2.0 * f64::from(self.setup.latent);
        let jumps = seen >= 50 && kl > JUMP * mean_kl && kl > far;
        if kl.is_finite() {
            let share = 1.0 / (seen + 1).min(50) as f64;
            self.mean_kl = (mean_kl + share * (kl - mean_kl), seen + 1);
        }
        self.advise(jumps, Rule::Jump, kl, || {
            format!(
                "KL of step {step} is {} nats per image, where {} was usual; try --clip-norm 1000, a longer --warmup or \
                 a lower --lr",
                significant(kl),
                significant(mean_kl)
            )
        })
    }

    /// Advice after an epoch.
    pub fn epoch(&mut self, curves: Curves) -> Vec<String> {
        let advice = [self.latents(&curves), self.waiting(&curves)];
        self.epochs.push(curves);
        advice.into_iter().chain([self.rising(), self.flat()]).flatten().collect()
    }

    /// Checks whether the latents are used, and still close to the prior.
    fn latents(&mut self, now: &Curves) -> Option<String> {
        let latent = f64::from(self.setup.latent);
        let settled = now.epoch >= 2 && now.step >= SETTLED;
        let (kl, beta) = (now.train_kl, now.beta);
        if kl / latent > MAX_KL_PER_DIMENSION {
            return self.advise(kl.is_finite(), Rule::Far, kl / latent, || {
                format!(
                    "KL is {} nats per image, {} for each of {latent} latent dimensions: too far from N(0, I) for \
                     samples to be like pictures; try a higher --beta (it is {beta})",
                    significant(kl),
                    significant(kl / latent)
                )
            });
        }
        if kl < VANISHED {
            return self.advise(settled, Rule::Vanished, 1.0, || {
                format!(
                    "KL is {} nats per image: the latents say nothing of the pictures, whose reconstructions will all be \
                     alike; try a lower --beta (it is {beta})",
                    significant(kl)
                )
            });
        }
        let unused = now.kl.iter().filter(|kl| **kl < UNUSED).count();
        let used = now.kl.len() - unused;
        let collapse = settled && unused > used;
        self.advise(collapse, Rule::Collapse, latent / (used as f64 + 0.5), || {
            format!(
                "{unused} of {latent} latent dimensions carry less than {UNUSED} nats (KL is {} nats per image in all); \
                 if reconstructions are too plain, try --free-bits 0.1 or a lower --beta (it is {beta}), else a smaller \
                 --latent does as well",
                significant(kl)
            )
        })
    }

    /// Checks whether the GPU waits for pictures.
    fn waiting(&mut self, now: &Curves) -> Option<String> {
        let share = now.waited / now.seconds;
        let Setup { pictures, decoded, .. } = self.setup;
        let waits = share > WAITING.0 && now.waited > WAITING.1;
        self.advise(waits, Rule::Waiting, share, || {
            let remedy = if decoded > 0 {
                format!(
                    "{decoded} of {pictures} pictures are decoded again in every epoch; give them more memory with --cache"
                )
            } else {
                "keep them on the GPU with --resident yes".to_owned()
            };
            format!(
                "the GPU waited for pictures during {:.0}% of the epoch ({:.1} of {:.1} s); {remedy}",
                100.0 * share,
                now.waited,
                now.seconds
            )
        })
    }

    /// Checks for overfitting.
    fn rising(&mut self) -> Option<String> {
        let held = || self.epochs.iter().filter_map(|epoch| Some((epoch, epoch.validation_loss?)));
        let (best, lowest) = held().min_by(|a, b| a.1.total_cmp(&b.1))?;
        let (now, last) = held().next_back()?;
        let (epoch, since) = (best.epoch, now.epoch - best.epoch);
        // with another weight of KL it is a different loss
        let falls = now.train_loss < best.train_loss && best.beta.to_bits() == now.beta.to_bits();
        let trained = (best.train_loss, now.train_loss);
        let rises = since >= RISING.0 && last - lowest > RISING.1 * lowest.abs();
        let is_free = |flag: &&str| !self.in_use.contains(&flag.split(' ').next().unwrap_or_default());
        let remedies: Vec<&str> =
            ["--flip", "--crop", "--weight-decay 0.01"].into_iter().filter(is_free).collect();
        let remedies = if remedies.is_empty() { String::new() } else { remedies.join(", ") + " or " };
        let end = format!(", or let --patience {} end such runs", RISING.0);
        let end = if is_free(&"--patience") { end } else { String::new() };
        self.advise(rises && falls, Rule::Rising, last - lowest, || {
            format!(
                "validation loss has not fallen for {since} epochs ({lowest:.1} in epoch {epoch}, {last:.1} now) while the \
                 training loss has ({:.1} to {:.1}): the best checkpoint stays; try {remedies}more pictures{end}",
                trained.0, trained.1
            )
        })
    }

    /// Checks whether the loss has stopped moving although the learning rate was not lowered.
    fn flat(&mut self) -> Option<String> {
        let last = &self.epochs[self.epochs.len().checked_sub(FLAT.0)?..];
        let losses = || last.iter().map(|epoch| epoch.train_loss);
        let (low, high) =
            (losses().fold(f64::INFINITY, f64::min), losses().fold(f64::NEG_INFINITY, f64::max));
        let highest = self.epochs.iter().map(|epoch| epoch.lr).fold(0.0, f64::max);
        let lr = last[FLAT.0 - 1].lr;
        let share = (high - low) / high.abs();
        self.advise(share < FLAT.1 && lr > 0.5 * highest, Rule::Flat, 1.0, || {
            format!(
                "the training loss has moved by {:.3}% in {} epochs ({low:.1} to {high:.1}); if it is as low as it \
                 should be, --lr-schedule plateau gains the rest and --patience ends such runs; if not, try another \
                 --lr (it is {lr})",
                100.0 * share,
                FLAT.0
            )
        })
    }

    /// Returns the advice if the condition `so` holds, unless it was given before and `bad` is not twice as large now.
    fn advise(&mut self, so: bool, rule: Rule, bad: f64, words: impl FnOnce() -> String) -> Option<String> {
        let new = so && self.reported.get(&rule).is_none_or(|before| bad >= 2.0 * before);
        new.then(|| {
            self.reported.insert(rule, bad);
            words()
        })
    }
}

/// Formats with the digits that are significant.
fn significant(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}
