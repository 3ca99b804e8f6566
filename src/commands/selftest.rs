//! `wgvae selftest`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use wgvae::ops::{cases, check};

use super::screen::Bar;
use crate::cli::SelftestArgs;

/// What is known of one kernel so far.
#[derive(Default)]
struct Row {
    cases: usize,
    wrong: usize,
    worst: f64,
    seconds: f64,
}

pub fn run(args: &SelftestArgs) -> Result<ExitCode> {
    let adapter = super::choose(&args.adapter)?;
    println!("wgvae {} on {}", env!("CARGO_PKG_VERSION"), adapter.describe());
    let mut rows: BTreeMap<&'static str, Row> = BTreeMap::new();
    let cases = cases::cases(&adapter.target(), args.large);
    println!("{} cases; the first run on a machine compiles every kernel\n", cases.len());
    let (bar, all) = (Bar::new("checking", false), cases.len());
    for (done, case) in cases.into_iter().enumerate() {
        bar.set(done, all);
        let began = Instant::now();
        let (label, kernel) = (case.label.clone(), case.op.kernel().name);
        let verdicts = match check::check(&adapter, case) {
            Ok(verdicts) => verdicts,
            Err(error) => {
                // the table goes on: a report should have all of it
                bar.say(&format!("REFUSED {label}: {error}"));
                rows.entry(kernel).or_default().wrong += 1;
                continue;
            }
        };
        let seconds = began.elapsed().as_secs_f64();
        for verdict in verdicts {
            let row = rows.entry(verdict.kernel).or_default();
            row.cases += 1;
            row.wrong += usize::from(!verdict.ok());
            row.worst = row.worst.max(verdict.share);
            row.seconds += seconds;
            if args.verbose || !verdict.ok() {
                let (index, got, want) = verdict.worst;
                let word = if verdict.ok() { "ok" } else { "WRONG" };
                let at = format!("element {index}: GPU {got}, twin {want}");
                bar.say(&format!(
                    "{word:6} {:60} {:8.3} of the tolerance, {at}",
                    verdict.label, verdict.share
                ));
            }
        }
    }
    bar.clear();
    println!("{:28} {:>6} {:>6} {:>22} {:>9}", "kernel", "cases", "wrong", "worst / tolerance", "seconds");
    for (kernel, row) in &rows {
        println!("{kernel:28} {:>6} {:>6} {:>22.3} {:>9.2}", row.cases, row.wrong, row.worst, row.seconds);
    }
    let wrong: usize = rows.values().map(|row| row.wrong).sum();
    if wrong > 0 {
        println!("\n{wrong} outputs are WRONG: please report this table; do not train on this adapter.");
        return Ok(ExitCode::FAILURE);
    }
    println!("\nevery kernel agrees with its CPU twin");
    Ok(ExitCode::SUCCESS)
}
