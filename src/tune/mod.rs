//! The autotuner: measures which form of each op is fastest on one adapter, and cannot be fooled.
//!
//! Every candidate is first compared with the plain form on random inputs; one that disagrees, or that the
//! driver refuses, is reported and never used. The others are timed in turns, so that a machine that slows down
//! slows all of them, and the default gives way only to a form that is clearly faster. Tables are kept in the
//! user's cache folder ([`mod@file`]). Knows nothing of networks: a list of [`Tunable`]s comes in, a [`Table`] goes
//! out.

pub mod file;
mod trial;

use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::gpu::Adapter;
use crate::ops::tunable::{KernelConfig, Table, Tunable};

/// How far a candidate is ahead of the default when it replaces it: less is noise.
const MIN_GAIN: f64 = 0.97;

/// Ops that are compiled and measured together: more would compile long without a sign of life.
const CHUNK: usize = 4;

/// What was found out about one candidate.
#[derive(Debug, Clone, PartialEq)]
pub enum CandidateResult {
    /// Agrees with the plain form; the median of its times, or of the only one where it was far behind.
    Right(Duration),
    /// Disagrees: its worst element is that many times out of tolerance.
    Wrong(f32),
    /// The driver refused it.
    Refused(String),
}

impl CandidateResult {
    /// The time of a candidate that may be used.
    pub fn time(&self) -> Option<Duration> {
        if let Self::Right(time) = self { Some(*time) } else { None }
    }
}

/// What was found out about one op.
#[derive(Debug, Clone)]
pub struct Measurement {
    /// kernel and sizes
    pub key: String,
    /// what would be taken without measuring
    pub default: KernelConfig,
    /// what is to be taken
    pub chosen: KernelConfig,
    /// every candidate, the plain form first
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
            // not even the plain form works: the run will say so
            (None, _) => default,
        };
        Self { key, default, chosen, candidates }
    }

    /// Time of the chosen form as a share of the default's.
    pub fn gain(&self) -> Option<f64> {
        let time = |form| self.candidates.iter().find(|(f, _)| *f == form)?.1.time();
        Some(time(self.chosen)?.as_secs_f64() / time(self.default)?.as_secs_f64())
    }

    /// The candidates that must never be used.
    pub fn bad(&self) -> impl Iterator<Item = &(KernelConfig, CandidateResult)> {
        self.candidates.iter().filter(|(_, verdict)| verdict.time().is_none())
    }
}

/// Measures `ops`, each with the form that it has by default; `progress` hears of every finding.
///
/// # Errors
/// If the adapter cannot be opened at all; what it refuses of single candidates is in the findings.
pub fn tune(
    adapter: &Adapter,
    ops: &[(Arc<dyn Tunable>, KernelConfig)],
    progress: &mut dyn FnMut(&Measurement, usize, usize),
) -> Result<Vec<Measurement>> {
    // candidates that are not taken need not be kept
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

/// A candidate that the driver refuses fails everything that is compiled with it, so what fails together is
/// tried again in smaller groups, down to the plain form and one candidate.
fn chunk_of(adapter: &Adapter, chunk: &[(Arc<dyn Tunable>, KernelConfig)]) -> Result<Vec<Measurement>> {
    let target = adapter.target();
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

/// Each candidate of one op with nothing but the plain form beside it.
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

/// The table of what was chosen.
pub fn table(findings: &[Measurement]) -> Table {
    findings.iter().map(|finding| (finding.key.clone(), finding.chosen)).collect()
}
