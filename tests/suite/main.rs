//! The test suite: runs the groups of tests and reports: `tools/run.sh test`, or `cargo test --test suite -- OPTIONS`.
//!
//! Read this before adding a group or an option: `groups.rs` has the table, `child.rs` runs one test program.

mod child;
mod groups;
mod programs;
#[path = "../common/report.rs"]
#[allow(dead_code, reason = "the tests say what the suite reads")]
mod report;
mod screen;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use clap::Parser;

use child::{End, Said};
use groups::{GROUPS, Group};
use programs::Programs;
use screen::Screen;

/// Set by Ctrl-C and other requests to end.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Run the tests in groups. Without options: the tests that every change must pass
#[derive(Parser)]
#[command(name = "tools/run.sh test", bin_name = "tools/run.sh test")]
struct Options {
    /// Run everything: every variant of every kernel, every fault, on both adapters
    #[arg(long)]
    all: bool,
    /// Run only the tests that --all adds to the usual run
    #[arg(long, conflicts_with = "all")]
    rest: bool,
    /// Test every N-th of the variants added by --all and --rest, beginning with the I-th
    #[arg(long, value_name = "I/N", value_parser = part)]
    part: Option<String>,
    /// Run only this group, see --list; may be given several times
    #[arg(long, value_name = "NAME")]
    group: Vec<String>,
    /// Test only kernels with this in their name, in every configuration
    #[arg(long, value_name = "NAME")]
    kernel: Option<String>,
    /// Test only configurations and variants with this in their name
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// Time limit per group in minutes [default: 20, with --all or --rest 120]
    #[arg(long, value_name = "MINUTES", value_parser = minutes)]
    limit: Option<f64>,
    /// List the groups
    #[arg(long)]
    list: bool,
    /// Run only tests with one of these in their name
    filter: Vec<String>,
}

/// `I/N` with I from 1 to N; the tests parse it again.
fn part(text: &str) -> Result<String, String> {
    let numbers = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse::<usize>().ok()?)));
    let part = numbers.filter(|(i, n)| (1..=*n).contains(i));
    part.map(|_| text.to_owned()).ok_or_else(|| "must be I/N, I from 1 to N, for example 1/4".to_owned())
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes = text.parse().ok().filter(|minutes| (0.0..1e6).contains(minutes));
    minutes.ok_or_else(|| "must be a number of minutes, for example 30".to_owned())
}

impl Options {
    /// The environment variables for the tests.
    fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = Vec::new();
        // a selected kernel or variant is tested completely
        if self.all || self.kernel.is_some() || self.variant.is_some() {
            variables.push(("WGVAE_TEST_SCALE", "all".to_owned()));
        } else if self.rest {
            variables.push(("WGVAE_TEST_SCALE", "rest".to_owned()));
        }
        let named = [
            ("WGVAE_TEST_PART", &self.part),
            ("WGVAE_TEST_KERNEL", &self.kernel),
            ("WGVAE_TEST_VARIANT", &self.variant),
        ];
        variables.extend(named.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        variables
    }

    /// The selected groups.
    fn groups(&self) -> Result<Vec<&'static Group>, String> {
        if let Some(name) = self.group.iter().find(|name| GROUPS.iter().all(|group| group.name != **name)) {
            let names: Vec<&str> = GROUPS.iter().map(|group| group.name).collect();
            return Err(format!("no group is called {name:?}; there are: {}", names.join(", ")));
        }
        let asked = |group: &&Group| {
            if !self.group.is_empty() {
                return self.group.iter().any(|name| name == group.name);
            }
            match (&self.kernel, &self.variant) {
                (Some(_), _) => group.name == "kernels",
                (None, Some(_)) => ["kernels", "golden"].contains(&group.name),
                (None, None) => !self.rest || !group.more.is_empty(),
            }
        };
        Ok(GROUPS.iter().filter(asked).collect())
    }

    /// Parts of the names of the tests of `group` to run; empty means all.
    fn filter(&self, group: &Group) -> Vec<String> {
        if !self.filter.is_empty() {
            return self.filter.clone();
        }
        let parts = match (self.all || self.kernel.is_some() || self.variant.is_some(), self.rest) {
            (true, _) => group.all,
            (_, true) => group.rest,
            _ => group.usual,
        };
        parts.iter().map(|part| (*part).to_owned()).collect()
    }

    fn limit(&self) -> Duration {
        let minutes = self.limit.unwrap_or(if self.all || self.rest { 120.0 } else { 20.0 });
        Duration::from_secs_f64(60.0 * minutes)
    }
}

/// Outcome of a group.
struct Outcome {
    group: &'static Group,
    /// each program with its outcome and output
    programs: Vec<(String, End, Said)>,
    seconds: f64,
}

impl Outcome {
    fn passed(&self) -> bool {
        self.programs.iter().all(|(_, end, _)| *end == End::Passed)
    }

    fn interrupted(&self) -> bool {
        self.programs.iter().any(|(_, end, _)| *end == End::Interrupted)
    }

    /// Number of finished tests, passed or failed.
    fn tests(&self) -> usize {
        self.programs.iter().map(|(_, _, said)| said.done()).sum()
    }

    /// One line: verdict, tests, comparisons, time.
    fn line(&self) -> String {
        let tests = self.tests();
        let mut counts = vec![format!("{tests} test{}", if tests == 1 { "" } else { "s" })];
        counts.extend(screen::checks(self.programs.iter().map(|(_, _, said)| said)));
        let verdict = match self.programs.iter().map(|(_, end, _)| end).find(|end| **end != End::Passed) {
            None => "ok",
            Some(End::Limit) => "NOT FINISHED",
            Some(End::Interrupted) => "interrupted",
            Some(_) => "FAILED",
        };
        format!("{:<12} {verdict:<6} {:>6.1} s  {}", self.group.name, self.seconds, counts.join(", "))
    }

    /// Prints all details about failures.
    fn complain(&self, limit: Duration) {
        for (program, end, said) in &self.programs {
            let unfinished = || {
                let names: Vec<&str> = said.expected.iter().map(String::as_str).collect();
                let more =
                    if said.progress.is_empty() { String::new() } else { format!(" ({})", said.progress) };
                format!("not finished: {}{more}", names.join(", "))
            };
            match end {
                End::Passed | End::Interrupted => continue,
                End::Failed => {
                    println!("\n{}: {program} FAILED: {}", self.group.name, said.failed.join(", "))
                }
                End::Limit => {
                    let seconds = limit.as_secs_f64();
                    println!(
                        "\n{}: {program} was ended after {seconds:.0} s; {}",
                        self.group.name,
                        unfinished()
                    );
                    println!("--limit MINUTES gives it longer");
                }
                End::Broken(how) => {
                    println!("\n{}: {program} {how}; {}", self.group.name, unfinished());
                }
            }
            let lines = if said.failures.is_empty() { &said.last } else { &said.failures };
            lines.iter().for_each(|line| println!("    {line}"));
            let full =
                |line: &String| line.contains("No space left on device") || line.contains("StorageFull");
            if lines.iter().any(full) {
                println!("The disk is full: tests write to {}.", std::env::temp_dir().display());
            }
        }
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.list {
        for group in GROUPS.iter() {
            println!("{:<12} {}", group.name, group.what);
            if !group.more.is_empty() {
                println!("             --all: {}", group.more);
            }
        }
        return ExitCode::SUCCESS;
    }
    match run(&options) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("test: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<ExitCode, String> {
    let groups = options.groups()?;
    // if no handler can be set, Ctrl-C ends this program and leaves the group running
    let _ = ctrlc::set_handler(|| INTERRUPTED.store(true, std::sync::atomic::Ordering::Relaxed));
    let programs = Programs::build(&groups)?;
    // temporary folder for everything that tests write
    let folder = tempfile::Builder::new().prefix("wgvae-tests-").tempdir();
    let folder =
        folder.map_err(|e| format!("no folder for the tests in {}: {e}", std::env::temp_dir().display()))?;
    let (began, mut outcomes, mut left_out) = (Instant::now(), Vec::new(), BTreeSet::new());
    for group in groups {
        let outcome = match programs.commands(group, folder.path()) {
            Ok(commands) => one(group, commands, options, folder.path()),
            Err(reason) => {
                println!("{:<12} LEFT OUT", group.name);
                left_out.insert((group.name, reason));
                continue;
            }
        };
        let idle = outcome.passed() && outcome.tests() == 0 && !options.filter.is_empty();
        if !idle {
            println!("{}", outcome.line());
        }
        let notes = outcome.programs.iter().flat_map(|(_, _, said)| &said.notes);
        notes.for_each(|note| println!("             {note}"));
        let said = outcome.programs.iter().flat_map(|(_, _, said)| &said.left_out);
        left_out.extend(said.map(|reason| (group.name, reason.clone())));
        let interrupted = outcome.interrupted();
        outcomes.push(outcome);
        if interrupted {
            break;
        }
    }
    outcomes.iter().for_each(|outcome| outcome.complain(options.limit()));
    if !left_out.is_empty() {
        println!("\nLEFT OUT:");
        left_out.iter().for_each(|(group, reason)| println!("    {group}: {reason}"));
    }
    let tests = |count: fn(&Said) -> usize| -> usize {
        outcomes.iter().flat_map(|o| &o.programs).map(|(_, _, said)| count(said)).sum()
    };
    let broken = outcomes.iter().flat_map(|o| &o.programs);
    let broken = broken.filter(|(_, end, _)| matches!(end, End::Limit | End::Broken(_))).count();
    let (passed, failed) = (tests(|said| said.passed), tests(|said| said.failed.len()) + broken);
    println!("\n{:.0} s in all", began.elapsed().as_secs_f64());
    println!("{passed} passed, {failed} failed");
    if outcomes.iter().any(Outcome::interrupted) {
        return Ok(ExitCode::from(130));
    }
    let nothing = passed + failed == 0 && left_out.is_empty();
    if nothing {
        println!("no test has that in its name");
    }
    Ok(if outcomes.iter().all(Outcome::passed) && !nothing { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the programs of a group in parallel.
fn one(group: &'static Group, commands: Vec<(String, Command)>, options: &Options, folder: &Path) -> Outcome {
    let began = Instant::now();
    let screen = Mutex::new(Screen::new(group.name, commands.len()));
    let run = |(index, (name, mut command)): (usize, (String, Command))| {
        let filter = options.filter(group);
        let expected = programs::tests_of(&command, &filter);
        command.args(&filter);
        command.envs(options.variables());
        for variable in ["TMPDIR", "TMP", "TEMP"] {
            command.env(variable, folder);
        }
        let watch = |said: &Said| {
            if let Ok(mut screen) = screen.lock() {
                screen.show(index, said);
            }
        };
        let (end, said) = child::run(command, expected, options.limit(), &INTERRUPTED, watch);
        (name, end, said)
    };
    let programs = std::thread::scope(|scope| {
        let threads: Vec<_> =
            commands.into_iter().enumerate().map(|each| scope.spawn(|| run(each))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a program's watch")).collect()
    });
    if let Ok(screen) = screen.into_inner() {
        screen.clear();
    }
    Outcome { group, programs, seconds: began.elapsed().as_secs_f64() }
}
