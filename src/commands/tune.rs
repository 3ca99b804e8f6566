//! `wgvae tune`, and the kernel configurations of the other commands.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};
use wgvae::config::cache_folder;
use wgvae::error::Error;
use wgvae::gpu::Adapter;
use wgvae::model::ModelOptions;
use wgvae::ops::Tuning;
use wgvae::ops::tunable::{KernelConfig, Table};
use wgvae::tune::file::TuningFile;
use wgvae::tune::{self, CandidateResult, Measurement};

use super::destination::{Destination, Writer, must_end_with};
use super::output;
use super::terminal::{Bar, shown};
use super::train::settings::model_options;
use crate::cli::{TuneArgs, TuningArgs};

pub fn run(args: &TuneArgs) -> Result<ExitCode> {
    let build = model_options(&args.model)?;
    let out = out(args)?;
    let adapter = super::choose(&args.adapter)?;
    let json = args.json.json;
    if !json {
        output::print(&adapter.describe());
    }
    let known = if args.again { Table::new() } else { from_cache(&adapter) };
    let began = Instant::now();
    let (table, findings) = complete(&adapter, &build, known, false)?;
    let (seconds, earlier) = (began.elapsed().as_secs_f64(), table.len() - findings.len());
    if json {
        let measured: Vec<Value> = findings.iter().map(document).collect();
        let document = json!({
            "adapter": adapter.describe(), "seconds": seconds, "measured": measured, "earlier_results": earlier,
        });
        println!("{document:#}");
    } else {
        for finding in &findings {
            print(finding, args.verbose);
        }
        let saved: Vec<f64> = findings.iter().filter_map(Measurement::gain).collect();
        output::print(&format!(
            "{} kernels measured in {seconds:.1} s, {earlier} have earlier results; {} are faster than the default",
            findings.len(),
            saved.iter().filter(|gain| **gain < 1.0).count()
        ));
    }
    if let Some(out) = out {
        out.write(TuningFile::new(&adapter, table).to_text()?.as_bytes())?;
        output::say(&format!("wrote {}", shown(&out.path)));
    }
    Ok(ExitCode::SUCCESS)
}

/// The file of --output.
fn out(args: &TuneArgs) -> Result<Option<Destination>> {
    let Some(path) = &args.out else { return Ok(None) };
    must_end_with(path, "json", "a table of kernel configurations")?;
    Writer::new("tune", args.force.force, &()).named(path).map(Some)
}

/// Prints the chosen configuration of a kernel, wrong and refused candidates, and with `verbose` all candidates.
fn print(finding: &Measurement, verbose: bool) {
    let gain = finding.gain().map_or_else(String::new, |gain| format!(", {gain:.2} of the default's time"));
    output::print(&format!("{}\n    {}{gain}", finding.key, finding.chosen.name()));
    let shown = finding.candidates.iter().filter(|(_, verdict)| verbose || verdict.time().is_none());
    for (config, verdict) in shown {
        let columns = output::columns();
        let config = format!("        {}", config.name());
        println!("{}", output::row(&[(&config, 54)], &describe(verdict), columns));
    }
}

/// The measurements of a kernel as JSON.
fn document(finding: &Measurement) -> Value {
    let candidate = |(config, result): &(KernelConfig, CandidateResult)| match result {
        CandidateResult::Right(time) => {
            json!({ "configuration": config.name(), "ms": 1e3 * time.as_secs_f64() })
        }
        CandidateResult::Wrong(share) => json!({ "configuration": config.name(), "wrong": share }),
        CandidateResult::Refused(reason) => json!({ "configuration": config.name(), "refused": reason }),
    };
    let candidates: Vec<Value> = finding.candidates.iter().map(candidate).collect();
    json!({
        "kernel": finding.key, "chosen": finding.chosen.name(), "default": finding.default.name(),
        "of_default": finding.gain(), "candidates": candidates,
    })
}

fn describe(verdict: &CandidateResult) -> String {
    match verdict {
        CandidateResult::Right(time) => format!("{:9.3} ms", 1e3 * time.as_secs_f64()),
        CandidateResult::Wrong(share) => format!("WRONG, never used: error {share:.1e} times the tolerance"),
        CandidateResult::Refused(reason) => format!("REFUSED, never used: {reason}"),
    }
}

/// The kernel configurations for `flags`, without measurements.
pub fn kept(adapter: &Adapter, flags: &TuningArgs) -> Result<Tuning> {
    match (&flags.tuning, flags.no_tune) {
        (Some(path), _) => replay(adapter, path),
        (None, true) => Ok(Tuning::of(&adapter.capabilities())),
        (None, false) => Ok(Tuning::with(&adapter.capabilities(), from_cache(adapter))),
    }
}

fn from_cache(adapter: &Adapter) -> Table {
    cache_folder().map(|folder| TuningFile::cached(&folder, adapter)).unwrap_or_default()
}

/// The kernel configurations for `flags`: those of a file, the defaults, or the tuning results. On a GPU missing results
/// are measured first; on a software adapter, where that takes minutes, only `wgvae tune` does so.
pub fn choose(adapter: &Adapter, build: &ModelOptions, flags: &TuningArgs, quiet: bool) -> Result<Tuning> {
    if flags.tuning.is_some() || flags.no_tune || adapter.is_software() {
        return kept(adapter, flags);
    }
    let began = Instant::now();
    let (table, findings) = complete(adapter, build, from_cache(adapter), quiet)?;
    if !quiet && !findings.is_empty() {
        let seconds = began.elapsed().as_secs_f64();
        let count = findings.len();
        output::say(&format!("tuned {count} kernels in {seconds:.1} s, once for this model and adapter"));
    }
    for (finding, (config, verdict)) in findings.iter().flat_map(|f| f.bad().map(move |bad| (f, bad))) {
        output::note(&format!("{}: {}: {}", finding.key, config.name(), describe(verdict)));
    }
    Ok(Tuning::with(&adapter.capabilities(), table))
}

/// The kernel configurations of a file.
pub fn replay(adapter: &Adapter, path: &Path) -> Result<Tuning> {
    let file = TuningFile::read(path)?;
    file.check(&adapter.capabilities(), path)?;
    if !file.is_for(adapter) {
        let path = shown(path);
        output::note(&format!(
            "{path} is from another adapter, driver or version: results may differ in their last bits"
        ));
    }
    Ok(Tuning::with(&adapter.capabilities(), file.configs))
}

/// `known` with measurements of the other kernels of `build`, which are kept on disk.
fn complete(
    adapter: &Adapter,
    build: &ModelOptions,
    known: Table,
    quiet: bool,
) -> Result<(Table, Vec<Measurement>)> {
    let defaults = Tuning::of(&adapter.capabilities());
    build.plan_with(&adapter.capabilities(), &defaults)?;
    let missing: Vec<_> =
        defaults.ops().into_iter().filter(|(op, _)| !known.contains_key(&op.key())).collect();
    if missing.is_empty() {
        return Ok((known, Vec::new()));
    }
    let bar = Bar::new("tuning kernels", quiet);
    let findings = tune::tune(adapter, &missing, &mut |_, done, all| bar.set(done, all))?;
    bar.clear();
    let measured = tune::table(&findings);
    if let Some(folder) = cache_folder() {
        let kept = TuningFile::keep(&folder, adapter, measured.clone());
        if let Err(error @ Error::Io { .. }) = kept {
            output::note(&format!("the tuning results could not be kept: {error}"));
        }
    }
    Ok((known.into_iter().chain(measured).collect(), findings))
}
