//! The program under launchers of MPI programs: losses and bits, resumption, stops, a rank that dies, ranks that differ.
//!
//! With the cargo feature `mpi` and the launcher of the MPI library that it is built with; otherwise only what the
//! program says without it: `cargo test --features mpi --test mpi`. `WGVAE_MPIRUN` names another launcher.

#![cfg(unix)]

#[path = "../common/mod.rs"]
mod common;

use std::path::Path;
use std::process::{Command, Output};

use crate::common::program::text;

/// Settings of a small training.
const SMALL: [&str; 14] = [
    "--size",
    "16",
    "--hidden",
    "4",
    "--latent",
    "4",
    "--batch-size",
    "8",
    "--seed",
    "3",
    "--no-tune",
    "--landscapes",
    "64",
    "--ranks-per-adapter=4",
];

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgvae"));
    command.env("WGVAE_CACHE_DIR", folder.join("cache")).current_dir(folder);
    command
}

/// A process that a launcher has started as `rank` of two, as far as its variables tell.
fn of_two(folder: &Path, size: &str, rank: (&str, &str)) -> Output {
    let mut command = program(folder);
    command.args(["train", "--name", "a"]).args(SMALL).env(size, "2").env(rank.0, rank.1);
    command.output().expect("wgvae runs")
}

/// Without MPI, or with a launcher of another library, several processes would train one model each.
#[test]
fn several_processes_do_not_train_each_for_itself() {
    let folder = tempfile::tempdir().expect("folder");
    // a launcher that no library of Debian knows
    let output = of_two(folder.path(), "MV2_COMM_WORLD_SIZE", ("MV2_COMM_WORLD_RANK", "0"));
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    let reason =
        if cfg!(feature = "mpi") { "the MPI library of this binary sees 1" } else { "is built without MPI" };
    assert!(said.contains(reason) && said.contains("docs/scale.md"), "{said}");
    // it is said once
    let output = of_two(folder.path(), "MV2_COMM_WORLD_SIZE", ("MV2_COMM_WORLD_RANK", "1"));
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(2), ""));
    assert!(!folder.path().join("runs").exists());
}

#[cfg(feature = "mpi")]
mod launched {
    use std::process::{Child, Stdio};
    use std::time::{Duration, Instant};

    use wgvae::distributed::Mpi;

    use super::*;
    use crate::common::report;

    /// Maximum waiting time: the first step compiles the kernels.
    const PATIENCE: Duration = Duration::from_secs(120);
    /// A rank that dies ends all within this time.
    const SECONDS: Duration = Duration::from_secs(20);

    /// The launcher of the library that the program is built with, `None` if there is none.
    fn launcher() -> Option<Vec<String>> {
        let open_mpi = Mpi::library().contains("Open MPI");
        let named = std::env::var("WGVAE_MPIRUN").ok();
        let (names, own): (&[&str], &str) = if open_mpi {
            (&["mpirun.openmpi", "mpirun"], "Open MPI")
        } else {
            (&["mpiexec.mpich", "mpiexec.hydra", "mpiexec"], "HYDRA")
        };
        let is_own = |name: &&str| {
            let version = Command::new(name).arg("--version").output();
            version.is_ok_and(|output| text(&output.stdout).contains(own))
        };
        let name = named.or_else(|| names.iter().find(|name| is_own(name)).map(|name| (*name).to_owned()));
        let Some(name) = name else {
            report::left_out(&format!("processes over MPI: no launcher of {}", Mpi::library()));
            return None;
        };
        let more: &[&str] = if open_mpi { &["--oversubscribe"] } else { &[] };
        Some([vec![name], more.iter().map(|flag| (*flag).to_owned()).collect()].concat())
    }

    /// The program with `args` as `ranks` processes.
    fn start(folder: &Path, launcher: &[String], ranks: &[&[&str]]) -> Child {
        let ranks: Vec<Vec<&str>> = ranks.iter().map(|args| [&["train"], *args].concat()).collect();
        let ranks: Vec<_> = ranks.iter().map(|args| (env!("CARGO_BIN_EXE_wgvae"), args.as_slice())).collect();
        start_programs(folder, launcher, &ranks)
    }

    /// A process of each of these programs with its arguments.
    fn start_programs(folder: &Path, launcher: &[String], ranks: &[(&str, &[&str])]) -> Child {
        let mut command = Command::new(&launcher[0]);
        command.args(&launcher[1..]);
        for (at, (program, args)) in ranks.iter().enumerate() {
            let between: &[&str] = if at > 0 { &[":"] } else { &[] };
            command.args(between).args(["-n", "1", program]).args(*args);
        }
        command.env("WGVAE_CACHE_DIR", folder.join("cache")).current_dir(folder);
        command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("a launcher")
    }

    fn train(folder: &Path, launcher: &[String], ranks: usize, more: &[&str]) -> Output {
        let args = [&SMALL[..], more].concat();
        start(folder, launcher, &vec![&args[..]; ranks]).wait_with_output().expect("an end")
    }

    #[track_caller]
    fn trains(folder: &Path, launcher: &[String], ranks: usize, more: &[&str]) -> String {
        let output = train(folder, launcher, ranks, more);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(output.status.success(), "{ranks} ranks, {more:?}: {said}");
        said
    }

    /// Losses of the steps of a run.
    fn losses(folder: &Path, name: &str) -> Vec<f64> {
        let text =
            std::fs::read_to_string(folder.join(format!("runs/{name}/metrics.jsonl"))).expect("metrics");
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("json"));
        lines
            .filter(|line| line["kind"] == "step")
            .map(|line| line["loss"].as_f64().expect("a loss"))
            .collect()
    }

    fn model(folder: &Path, name: &str) -> Vec<u8> {
        std::fs::read(folder.join(format!("runs/{name}/checkpoints/step_00000050/model.safetensors")))
            .expect("a model")
    }

    #[test]
    fn losses_are_those_of_one_process_and_bits_repeat() {
        let Some(launcher) = launcher() else { return };
        let folder = tempfile::tempdir().expect("folder");
        let at = folder.path();
        let fifty = ["--max-steps=50", "--epochs=20"];
        let output =
            program(at).args(["train", "--name", "alone"]).args(SMALL).args(fifty).output().expect("an end");
        assert!(output.status.success(), "{}", text(&output.stderr));
        let alone = losses(at, "alone");
        assert_eq!(alone.len(), 50);
        for ranks in 1..=4 {
            let name = format!("by-{ranks}");
            let said = trains(at, &launcher, ranks, &[&["--name", &name], &fifty[..]].concat());
            assert_eq!(ranks > 1, said.contains(&format!("processes  {ranks}: {ranks} on ")), "{said}");
            let found = losses(at, &name);
            assert_eq!(found.len(), 50);
            for (is, wanted) in found.iter().zip(&alone) {
                assert!((is - wanted).abs() <= 1e-5 * wanted.abs(), "{ranks} ranks: {is} and {wanted}");
            }
        }
        // one process under a launcher is one process
        assert!(model(at, "by-1") == model(at, "alone"));
        // in two parts, and the second one by another number of processes
        for (name, second) in [("parts", 3), ("fewer", 2)] {
            trains(at, &launcher, 3, &["--name", name, "--max-steps=23", "--epochs=20"]);
            trains(at, &launcher, second, &["--resume", "--name", name, "--max-steps=50"]);
            assert_eq!(model(at, name) == model(at, "by-3"), second == 3, "{second} processes go on");
        }
        report::checked(350, "losses of several processes");
    }

    /// Waits for the third step of a training that is long.
    fn long(folder: &Path, launcher: &[String], ranks: usize) -> Child {
        let args = [&SMALL[..], &["--name", "a", "--epochs=100000", "--checkpoint-every=5"]].concat();
        let child = start(folder, launcher, &vec![&args[..]; ranks]);
        let began = Instant::now();
        while !folder.join("runs/a/metrics.jsonl").exists() || losses_so_far(folder) < 12 {
            assert!(began.elapsed() < PATIENCE, "no step after {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
        child
    }

    fn losses_so_far(folder: &Path) -> usize {
        let text = std::fs::read_to_string(folder.join("runs/a/metrics.jsonl")).unwrap_or_default();
        text.matches("\"kind\":\"step\"").count()
    }

    fn signal(name: &str, pid: u32) {
        let status = Command::new("kill").args([name, &pid.to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill {name} {pid}");
    }

    /// Processes of the training in `folder`, with their parents.
    fn processes(folder: &Path) -> Vec<u32> {
        let all = std::fs::read_dir("/proc").expect("processes").filter_map(Result::ok);
        let pids = all.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
        let own = |pid: &u32| {
            let at = std::fs::read_link(format!("/proc/{pid}/cwd")).ok();
            let program = std::fs::read_link(format!("/proc/{pid}/exe")).ok();
            at.is_some_and(|at| at == folder)
                && program.is_some_and(|program| {
                    program.ends_with(Path::new(env!("CARGO_BIN_EXE_wgvae")).file_name().expect("a name"))
                })
        };
        pids.filter(own).collect()
    }

    /// Waits for the end of `child`, and for that of all its processes; returns the output and the seconds until then.
    fn end(child: Child, folder: &Path) -> (Output, Duration) {
        let began = Instant::now();
        let output = child.wait_with_output().expect("an end");
        while !processes(folder).is_empty() {
            assert!(began.elapsed() < PATIENCE, "processes are left: {:?}", processes(folder));
            std::thread::sleep(Duration::from_millis(50));
        }
        (output, began.elapsed())
    }

    fn newest(folder: &Path) -> u64 {
        let list = wgvae::checkpoint::list(&folder.join("runs/a/checkpoints")).expect("checkpoints");
        list.whole.last().map(|(_, state)| state.step).expect("a checkpoint")
    }

    #[test]
    fn a_file_or_a_signal_to_the_launcher_stops_all_with_a_checkpoint() {
        let Some(launcher) = launcher() else { return };
        for by in ["stop file", "SIGUSR1"] {
            let folder = tempfile::tempdir().expect("folder");
            let at = folder.path().canonicalize().expect("a path");
            let child = long(&at, &launcher, 3);
            match by {
                "SIGUSR1" => signal("-USR1", child.id()),
                _ => std::fs::write(at.join("runs/a/stop"), "").expect("written"),
            }
            let (output, _) = end(child, &at);
            let said = text(&output.stdout) + &text(&output.stderr);
            assert!(said.contains("stopped; wrote runs/a/checkpoints/step_"), "{by}: {said}");
            assert!(said.matches("stopped; wrote").count() == 1, "{by}: {said}");
            assert!(!output.status.success(), "{by}");
            // the last step has its checkpoint
            assert_eq!(newest(&at), losses_so_far(&at) as u64, "{by}");
            let more = (newest(&at) + 2).to_string();
            trains(&at, &launcher, 2, &["--resume", "--name", "a", "--max-steps", &more]);
        }
    }

    /// A rank that is killed ends all, and the last checkpoint counts.
    #[test]
    fn a_rank_that_dies_ends_all() {
        let Some(launcher) = launcher() else { return };
        let folder = tempfile::tempdir().expect("folder");
        let at = folder.path().canonicalize().expect("a path");
        let child = long(&at, &launcher, 3);
        let pids = processes(&at);
        assert_eq!(pids.len(), 3, "{pids:?}");
        signal("-KILL", *pids.iter().max().expect("a process"));
        let (output, took) = end(child, &at);
        assert!(!output.status.success());
        assert!(took < SECONDS, "after {took:?}: {}", text(&output.stderr));
        // MPICH's launcher leaves rank 0 no time for it
        let said = text(&output.stderr);
        assert!(
            Mpi::library().contains("MPICH") || said.contains("continue with: wgvae train --resume"),
            "{said}"
        );
        let step = newest(&at);
        let more = (step + 2).to_string();
        let said = trains(&at, &launcher, 3, &["--resume", "--name", "a", "--max-steps", &more]);
        assert!(said.contains(&format!("(step {step})")), "{said}");
    }

    /// A failure of one rank alone, here rank 0 whose files may not be long enough for a checkpoint, ends all.
    #[test]
    fn a_rank_that_fails_ends_all() {
        let Some(launcher) = launcher() else { return };
        let folder = tempfile::tempdir().expect("folder");
        let at = folder.path().canonicalize().expect("a path");
        let args = [&SMALL[..], &["--name", "a", "--epochs=3"]].concat();
        let limited =
            [&["-c", "ulimit -f 8; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_wgvae"), "train"], &args[..]]
                .concat();
        let plain = [&["train"], &args[..]].concat();
        let ranks = [("sh", &limited[..]), (env!("CARGO_BIN_EXE_wgvae"), &plain[..])];
        let (output, took) = end(start_programs(&at, &launcher, &ranks), &at);
        let said = text(&output.stderr);
        assert!(!output.status.success() && took < PATIENCE, "after {took:?}: {said}");
        assert!(said.contains("cannot write") && said.contains("There is no checkpoint yet."), "{said}");
    }

    /// Ranks that differ, and errors of one rank, are named before the first step; no process is left waiting.
    #[test]
    fn ranks_that_differ_are_refused_by_name() {
        let Some(launcher) = launcher() else { return };
        let folder = tempfile::tempdir().expect("folder");
        let at = folder.path().canonicalize().expect("a path");
        for (name, count) in [("one", 12), ("other", 11)] {
            let folder = at.join(name);
            let count = count.to_string();
            let args = ["data", "synth", "--count", &count, "--size", "16", "-o"];
            let output = program(&at).args(args).arg(folder).output().expect("an end");
            assert!(output.status.success(), "{}", text(&output.stderr));
        }
        let with = |more: &[&'static str]| [&SMALL[..], &["--name", "a", "--epochs=1"], more].concat();
        for (first, second, parts) in [
            (
                vec!["--lr", "0.001"],
                vec!["--lr", "0.002"],
                vec!["rank 1", "has --lr 0.002, and rank 0", "has --lr 0.001"],
            ),
            (vec![], vec!["--beta", "2"], vec!["rank 1", "has --beta 2", "has no --beta"]),
            (
                vec!["one"],
                vec!["other"],
                vec!["rank 1", "has other pictures (", "for training", "than rank 0"],
            ),
            (vec!["one"], vec!["nowhere"], vec!["rank 1", "cannot read nowhere"]),
            (
                vec!["--ranks-per-adapter=1"],
                vec!["--ranks-per-adapter=1"],
                vec!["rank 1", "1 such adapter", "--ranks-per-adapter 2"],
            ),
            (
                vec!["--sweep", "lr=0.1,0.2"],
                vec!["--sweep", "lr=0.1,0.2"],
                vec!["--sweep trains one model after the other"],
            ),
            (
                vec!["--lr=1e30", "--epochs=9"],
                vec!["--lr=1e30", "--epochs=9"],
                vec!["Training stops. Lower --lr"],
            ),
        ] {
            let (first, second) = (with(&first), with(&second));
            let (output, took) = end(start(&at, &launcher, &[&first, &second]), &at);
            let said = text(&output.stderr);
            assert!(!output.status.success() && took < PATIENCE, "{second:?}: {said}");
            for part in &parts {
                assert!(said.contains(part), "{second:?}: {part:?} is missing in: {said}");
            }
            assert_eq!(said.matches(parts[parts.len() - 1]).count(), 1, "{said}");
            let steps = losses_so_far(&at);
            assert!(steps == 0 || parts.len() == 1, "{second:?}: {steps} steps");
            let _ = std::fs::remove_dir_all(at.join("runs"));
        }
    }
}
