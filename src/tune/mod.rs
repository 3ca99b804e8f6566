//! The autotuner: measures which kernel configuration of each op is fastest on an adapter, and checks its results.
//! Read this for how candidates are compared and when the default is replaced.
//!
//! Every candidate is first compared with the plain configuration on random inputs; one that disagrees, or that the
//! driver refuses, is reported and never used. The others are timed in alternation, so that a machine that slows down
//! slows all of them, and the default is replaced only by a clearly faster one. Tables are stored in the user's cache
//! folder ([`mod@file`]). This module knows nothing of networks: a list of [`Tunable`]s comes in, a [`Table`] goes out.

pub mod file;
mod trial;

use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::gpu::Adapter;
use crate::ops::tunable::{KernelConfig, Table, Tunable};

/// Maximum relative time of a candidate that replaces the default: smaller differences are noise.
const MIN_GAIN: f64 = 0.97;

/// Number of ops compiled and measured together: more would compile for long without any progress message.
const CHUNK: usize = 4;

/// Result of a candidate.
#[derive(Debug, Clone, PartialEq)]
pub enum CandidateResult {
    /// Agrees with the plain configuration; the median of its times, or its first time if that was far behind.
    Right(Duration),
    /// Disagrees: the largest error relative to the tolerance.
    Wrong(f32),
    /// The driver refused it.
    Refused(String),
}

impl CandidateResult {
    /// The time of a usable candidate.
    pub fn time(&self) -> Option<Duration> {
        if let Self::Right(time) = self { Some(*time) } else { None }
    }
}

/// Results of an op.
#[derive(Debug, Clone)]
pub struct Measurement {
    /// kernel and sizes: the key in the table
    pub key: String,
    /// configuration used without measuring
    pub default: KernelConfig,
    /// fastest configuration
    pub chosen: KernelConfig,
    /// every candidate, the plain configuration first
    pub candidates: Vec<(KernelConfig, CandidateResult)>,
}

impl Measurement {
    fn new(key: String, default: KernelConfig, candidates: Vec<(KernelConfig, CandidateResult)>) -> Self {
        let time =
            |form: KernelConfig| candidates.iter().find(|(f, _)| *f == form).and_then(|(_, v)| v.time());
        let right = candidates.iter().filter_map(|(form, verdict)| Some((verdict.time()?, *form)));
        let chosen = match (right.min(), time(default)) {
            (Some((best, _)), Some(usual)) if best.as_secs_f64() >= MIN_GAIN * usual.as_secs_f64() => default,
            (Some((_, form)), _) => form,
            // not even the plain configuration works: the run will report it
            (None, _) => default,
        };
        Self { key, default, chosen, candidates }
    }

    /// Time of the chosen configuration relative to the default's.
    pub fn gain(&self) -> Option<f64> {
        let time = |form| self.candidates.iter().find(|(f, _)| *f == form)?.1.time();
        Some(time(self.chosen)?.as_secs_f64() / time(self.default)?.as_secs_f64())
    }

    /// The candidates that must not be used.
    pub fn bad(&self) -> impl Iterator<Item = &(KernelConfig, CandidateResult)> {
        self.candidates.iter().filter(|(_, verdict)| verdict.time().is_none())
    }
}

/// Measures `ops`, each given with its default configuration; `progress` is called for every measurement.
///
/// # Errors
/// If the adapter cannot be opened at all; refused candidates are part of the results.
pub fn tune(
    adapter: &Adapter,
    ops: &[(Arc<dyn Tunable>, KernelConfig)],
    progress: &mut dyn FnMut(&Measurement, usize, usize),
) -> Result<Vec<Measurement>> {
    // pipelines of rejected candidates need not be cached
    let adapter = &adapter.clone().keeping(None);
    let mut findings: Vec<Measurement> = Vec::new();
    for chunk in ops.chunks(CHUNK) {
        for finding in chunk_of(adapter, chunk)? {
            findings.push(finding);
            progress(&findings[findings.len() - 1], findings.len(), ops.len());
        }
    }
    Ok(findings)
}

/// Measures a chunk of ops. A refused candidate fails everything that is compiled with it, so a failing group is split
/// into smaller ones, down to the plain configuration and one candidate.
fn chunk_of(adapter: &Adapter, chunk: &[(Arc<dyn Tunable>, KernelConfig)]) -> Result<Vec<Measurement>> {
    let target = adapter.capabilities();
    let candidates = |op: &dyn Tunable, default| {
        let mut candidates = op.candidates(&target);
        if !candidates.contains(&default) {
            candidates.push(default);
        }
        candidates
    };
    let all: Vec<(&dyn Tunable, Vec<KernelConfig>)> =
        chunk.iter().map(|(op, default)| (op.as_ref(), candidates(op.as_ref(), *default))).collect();
    let verdicts = match trial::run(adapter, &all) {
        Ok(verdicts) => verdicts,
        Err(_) => all.iter().map(|(op, candidates)| alone(adapter, *op, candidates)).collect(),
    };
    let named = chunk.iter().zip(all.iter().zip(verdicts));
    Ok(named
        .map(|((op, default), ((_, candidates), verdicts))| {
            let candidates = candidates.iter().copied().zip(verdicts).collect();
            Measurement::new(op.key(), *default, candidates)
        })
        .collect())
}

/// Measures each candidate of one op together with only the plain configuration.
fn alone(adapter: &Adapter, op: &dyn Tunable, candidates: &[KernelConfig]) -> Vec<CandidateResult> {
    if let Ok(verdicts) = trial::run(adapter, &[(op, candidates.to_vec())]) {
        return verdicts.into_iter().flatten().collect();
    }
    let pair = |form: &KernelConfig| match trial::run(adapter, &[(op, vec![candidates[0], *form])]) {
        Ok(verdicts) => verdicts.into_iter().flatten().next_back(),
        Err(error) => Some(CandidateResult::Refused(error.to_string())),
    };
    candidates
        .iter()
        .map(|form| pair(form).unwrap_or(CandidateResult::Refused("no verdict".into())))
        .collect()
}

/// The table of the chosen configurations.
pub fn table(findings: &[Measurement]) -> Table {
    findings.iter().map(|finding| (finding.key.clone(), finding.chosen)).collect()
}
