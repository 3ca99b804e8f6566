//! `wgvae selftest`: every kernel against its CPU reference, on the adapter in use.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use rayon::prelude::*;
use serde_json::{Value, json};
use wgvae::error::Error;
use wgvae::gpu::Adapter;
use wgvae::ops::testing::cases::{self, Case};
use wgvae::ops::testing::check::{self, CaseResult, Comparison};

use super::terminal::Bar;
use super::{about, output};
use crate::cli::SelftestArgs;

/// Widths of the table's texts.
const KERNEL: usize = 26;
const CONFIGURATION: usize = 42;

/// Kernel, with "f16" if it reads or writes f16, and configuration.
type Key = (String, String);

/// Results of one configuration of a kernel.
#[derive(Default)]
struct Row {
    cases: usize,
    wrong: usize,
    refused: usize,
    worst: f64,
    device_ns: Option<u64>,
    wall_seconds: f64,
}

impl Row {
    fn verdict(&self) -> &'static str {
        match (self.wrong, self.refused) {
            (0, 0) => "ok",
            (0, _) => "REFUSED",
            _ => "WRONG",
        }
    }

    fn add(&mut self, verdicts: &[CaseResult], device_ns: Option<u64>) {
        self.wrong += usize::from(!verdicts.iter().all(CaseResult::ok));
        self.worst = verdicts.iter().map(|verdict| verdict.ratio).fold(self.worst, f64::max);
        self.device_ns = self.device_ns.or(Some(0)).zip(device_ns).map(|(a, b)| a + b);
    }
}

/// The result of a case.
struct Outcome {
    key: Key,
    label: String,
    /// with the compilation of its kernel
    seconds: f64,
    judged: wgvae::error::Result<Comparison>,
}

impl Outcome {
    fn of(adapter: &Adapter, case: Case) -> Self {
        let half = if case.is_half() { " f16" } else { "" };
        let key = (format!("{}{half}", case.op.kernel().name), case.config.clone());
        let (began, label) = (Instant::now(), case.label.clone());
        let judged = check::compare(adapter, case);
        Self { key, label, seconds: began.elapsed().as_secs_f64(), judged }
    }
}

#[derive(Default)]
struct Table {
    rows: BTreeMap<Key, Row>,
    /// one line for every case that failed
    problems: Vec<String>,
}

impl Table {
    /// Adds a case to its row. Returns a line for each output, and whether the output is right.
    fn add(&mut self, outcome: Outcome) -> Vec<(bool, String)> {
        let row = self.rows.entry(outcome.key).or_default();
        row.cases += 1;
        row.wall_seconds += outcome.seconds;
        let lines: Vec<(bool, String)> =
            match outcome.judged.and_then(|mut judged| Ok((judged.device_ns()?, judged.results))) {
                Ok((device_ns, verdicts)) => {
                    row.add(&verdicts, device_ns);
                    verdicts.iter().map(|verdict| (verdict.ok(), describe(verdict))).collect()
                }
                // the other cases still run: a report should be complete
                Err(error) => {
                    row.refused += 1;
                    vec![(false, format!("REFUSED {}: {error}", outcome.label))]
                }
            };
        self.problems.extend(lines.iter().filter(|(ok, _)| !ok).map(|(_, line)| line.clone()));
        lines
    }
}

pub fn run(args: &SelftestArgs) -> Result<ExitCode> {
    let adapter = super::choose(&args.adapter)?;
    let mut cases = cases::cases(&adapter.capabilities(), args.large);
    if let Some(only) = &args.only {
        cases.retain(|case| {
            [case.op.kernel().name, &case.config, &case.label].iter().any(|name| name.contains(only.as_str()))
        });
        if cases.is_empty() {
            let message = format!(
                "--only {only}: no kernel, configuration or case on this adapter has this text in its name"
            );
            return Err(Error::Usage(message).into());
        }
    }
    if !args.json.json {
        output::print(&format!("{}\n{}", about::version(), adapter.describe()));
        output::print(&format!("{} cases; the first run on a machine compiles every kernel\n", cases.len()));
    }
    let began = Instant::now();
    let table = check_all(&adapter, cases, args);
    let seconds = began.elapsed().as_secs_f64();
    if args.json.json {
        println!("{:#}", document(&adapter, &table, args, seconds));
    } else {
        print(&table, adapter.has_timestamps(), args.only.is_some(), seconds);
    }
    Ok(if table.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check_all(adapter: &Adapter, cases: Vec<Case>, args: &SelftestArgs) -> Table {
    let mut table = Table::default();
    let (bar, all) = (Bar::new("checking", false), cases.len());
    let (mut done, mut cases) = (0, cases.into_iter().peekable());
    while cases.peek().is_some() {
        bar.set(done, all);
        // most of the time is compilation, for which a driver uses one core
        let some: Vec<Case> = cases.by_ref().take(rayon::current_num_threads()).collect();
        done += some.len();
        let outcomes: Vec<Outcome> = some.into_par_iter().map(|case| Outcome::of(adapter, case)).collect();
        for outcome in outcomes {
            for (ok, line) in table.add(outcome) {
                if !args.json.json && (args.verbose || !ok) {
                    output::print(&line); // at once, because a driver may crash before the table is printed
                }
            }
        }
    }
    bar.clear();
    table
}

fn describe(verdict: &CaseResult) -> String {
    let (index, got, want) = verdict.element;
    let word = if verdict.ok() { "ok" } else { "WRONG" };
    let CaseResult { label, output, ratio, .. } = verdict;
    format!(
        "{word:6} {label:60} {ratio:8.3} of the tolerance, {output} {index}: GPU {got}, CPU reference {want}"
    )
}

/// `worst` with three digits.
fn share(worst: f64) -> String {
    if worst < 1000.0 { format!("{worst:.3}") } else { format!("{worst:.1e}") }
}

fn print(table: &Table, clock: bool, only: bool, seconds: f64) {
    let time = if clock { "GPU ms" } else { "wall ms" };
    let columns = output::columns();
    let print_row = |kernel: &str, form: &str, figures: &str| {
        println!("{}", output::row(&[(kernel, KERNEL), (form, CONFIGURATION)], figures, columns));
    };
    print_row("kernel", "configuration", &format!("{:>5} {:>7} {time:>8} verdict", "cases", "worst"));
    let mut last = "";
    for ((kernel, form), row) in &table.rows {
        let ms = row.device_ns.map_or(1e3 * row.wall_seconds, |ns| ns as f64 / 1e6);
        let (cases, worst, verdict) = (row.cases, share(row.worst), row.verdict());
        let name = if last == kernel { "" } else { kernel };
        print_row(name, form, &format!("{cases:5} {worst:>7} {ms:8.3} {verdict:7}"));
        last = kernel;
    }
    output::print("\nworst: the largest error, relative to the tolerance; above 1 is wrong");
    let (name, of) = match clock {
        true => ("GPU ms", "one run each, by the device's clock"),
        false => ("wall ms", "with compilation, because the adapter has no timestamps"),
    };
    output::print(&format!("{name}: sum over the cases, {of}; {seconds:.1} s in all"));
    match table.problems.len() {
        0 => output::print(&format!(
            "\nevery {}kernel agrees with its CPU reference",
            if only { "selected " } else { "" }
        )),
        some => output::print(&format!(
            "\n{some} outputs are WRONG or REFUSED: please report this whole output; do not train on this adapter."
        )),
    }
}

fn document(adapter: &Adapter, table: &Table, args: &SelftestArgs, seconds: f64) -> Value {
    let rows: Vec<Value> = (table.rows.iter())
        .map(|((kernel, form), row)| {
            json!({
                "kernel": kernel, "form": form, "cases": row.cases, "wrong": row.wrong, "refused": row.refused,
                "worst": row.worst, "gpu_ms": row.device_ns.map(|ns| ns as f64 / 1e6),
                "wall_seconds": row.wall_seconds, "verdict": row.verdict(),
            })
        })
        .collect();
    let mut document = about::json();
    document["adapter"] = adapter.describe().into();
    document["driver"] = about::driver(adapter).into();
    document["large"] = args.large.into();
    document["only"] = json!(args.only);
    document["seconds"] = seconds.into();
    document["rows"] = rows.into();
    document["problems"] = json!(table.problems);
    document["ok"] = table.problems.is_empty().into();
    document
}
