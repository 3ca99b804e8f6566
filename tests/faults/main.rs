//! Fault injection: disturbed runs end as undisturbed ones. Kills, interrupts, full disks, broken checkpoints.
//!
//! Every test trains in a child process, as a user would. All results except times are compared: the last checkpoint's
//! bits, the metrics, the pictures.

#![cfg(unix)]

#[path = "../common/mod.rs"]
mod common;
mod signals;
mod storage;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use wgvae::checkpoint::{self, Listing};

use common::events;
use common::report::{self, Progress};

/// Number of kills or interrupts per test: in the usual run, and in a full one.
const TIMES: [usize; 2] = [6, 30];
const EPOCHS: u32 = 12;

/// A training of 5 steps per epoch, with a checkpoint every second step in addition to those of the epochs.
fn command(folder: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgvae"));
    command.arg("train");
    let epochs = EPOCHS.to_string();
    let sizes = [("--hidden", "4"), ("--latent", "4"), ("--checkpoint-every", "2"), ("--landscapes", "40")];
    for (flag, value) in [("--epochs", epochs.as_str()), ("--name", "a")].into_iter().chain(sizes) {
        if !more.contains(&flag) {
            command.args([flag, value]);
        }
    }
    command
        .args(["--size", "16", "--seed", "3", "--batch-size", "8"])
        .args(more)
        .env("WGVAE_CACHE_DIR", folder.join("cache"))
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

fn run(folder: &Path, more: &[&str]) -> Output {
    command(folder, more).output().expect("wgvae runs")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn begun(folder: &Path) -> bool {
    folder.join("runs/a/config.toml").exists()
}

/// Starts the run, or resumes it.
fn go_on(folder: &Path) -> Command {
    let mut command = command(folder, if begun(folder) { &["--resume"] } else { &[] });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Results of a run, without times.
#[derive(Debug, PartialEq)]
struct Left {
    files: Vec<(PathBuf, Vec<u8>)>,
    metrics: Vec<String>,
    events: Vec<events::Value>,
}

fn left(folder: &Path) -> Left {
    let last = format!("runs/a/checkpoints/epoch_{EPOCHS:04}");
    let mut files: Vec<PathBuf> =
        [checkpoint::MODEL, checkpoint::OPTIMIZER].iter().map(|name| Path::new(&last).join(name)).collect();
    for kind in ["sample", "reconstruction"] {
        files.extend((1..=EPOCHS).map(|epoch| format!("samples/a_{kind}_epoch_{epoch:04}.png").into()));
    }
    let read = |path: PathBuf| {
        let bytes = fs::read(folder.join(&path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        (path, bytes)
    };
    let metrics = fs::read_to_string(folder.join("runs/a/metrics.jsonl")).expect("metrics.jsonl");
    let timeless = |line: &str| {
        let mut value: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        for time in ["images_per_second", "seconds", "memory_bytes"] {
            value.as_object_mut().expect("an object").remove(time);
        }
        value.to_string()
    };
    let mut events = events::values(&folder.join("runs/a"));
    let varies = ["/images_per_second", "/seconds", "/memory_bytes"];
    events.retain(|value| !varies.iter().any(|end| value.tag.ends_with(end)));
    // a process that is killed begins again, and may repeat its advice
    let of_processes = ["start", "advice", "end"].map(|kind| format!("{{\"kind\":\"{kind}\""));
    let lasting = |line: &&str| !of_processes.iter().any(|begin| line.starts_with(begin));
    let metrics = metrics.lines().filter(lasting).map(timeless).collect();
    Left { files: files.into_iter().map(read).collect(), metrics, events }
}

fn same(disturbed: &Left, straight: &Left) {
    assert_eq!(disturbed.metrics, straight.metrics, "the metrics differ");
    let steps =
        |left: &Left| left.events.iter().map(|value| (value.step, value.tag.clone())).collect::<Vec<_>>();
    assert_eq!(
        steps(disturbed),
        steps(straight),
        "what TensorBoard shows: something is missing, or there twice"
    );
    assert!(disturbed.events == straight.events, "TensorBoard shows other values");
    for ((path, a), (_, b)) in disturbed.files.iter().zip(&straight.files) {
        assert!(a == b, "{} differs from the undisturbed run's", path.display());
    }
}

/// The results of an undisturbed run, and its duration.
fn straight() -> (Left, Duration) {
    let folder = tempfile::tempdir().expect("folder");
    let warm = run(folder.path(), &["--name", "warm", "--epochs", "1"]); // compiles the kernels
    assert!(warm.status.success(), "{}", text(&warm));
    let began = Instant::now();
    let output = run(folder.path(), &[]);
    assert!(output.status.success(), "{}", text(&output));
    (left(folder.path()), began.elapsed())
}

/// Sends a signal to `child`, or with `group` to its process group.
fn signal(child: &Child, name: &str, group: bool) {
    // the shell's built-in kill, because not every system has a kill program
    let script = format!("kill -{name} {}{}", if group { "-" } else { "" }, child.id());
    assert!(Command::new("sh").args(["-c", &script]).status().expect("sh runs").success());
}

/// Sends the signals `names` to the training at random times, resuming after each, until enough of them have hit it. A
/// run that finishes is compared, and a new one is started.
fn disturb(names: &[&str], seed: u64, after: impl Fn(&Output)) {
    let (straight, whole) = straight();
    let times = common::at_scale(TIMES[0], TIMES[1]);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut hits, mut finished) = (0, 0);
    let mut folder = tempfile::tempdir().expect("folder");
    let progress = Progress::new(times, "hits");
    while hits < times || finished == 0 {
        let mut child = go_on(folder.path()).spawn().expect("wgvae runs");
        let instant = if hits < times { whole.mul_f64(rng.random()) } else { Duration::from_secs(600) };
        let began = Instant::now();
        while began.elapsed() < instant && child.try_wait().expect("a child").is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        let ended = child.try_wait().expect("a child").is_some();
        if !ended {
            signal(&child, names[hits % names.len()], false);
        }
        let output = child.wait_with_output().expect("a child");
        if !ended {
            hits += 1;
            progress.step();
        }
        if ended {
            assert!(output.status.success(), "{}", text(&output));
        } else {
            after(&output);
        }
        if output.status.success() {
            same(&left(folder.path()), &straight);
            finished += 1;
            folder = tempfile::tempdir().expect("folder");
        }
    }
    report::checked(hits, "kills and interruptions");
    println!("{names:?}: {hits} hits, {finished} runs brought to their end, each as the undisturbed one");
}

#[test]
fn a_training_killed_at_any_instant_goes_on_bit_for_bit() {
    if common::adapter().is_some() {
        disturb(&["KILL"], 1, |_| {});
    }
}

#[test]
fn an_interrupted_training_goes_on_bit_for_bit() {
    if common::adapter().is_some() {
        // signals of a terminal, of shells and of batch systems
        disturb(&["INT", "TERM", "HUP", "USR1", "USR2", "XCPU"], 2, |output| {
            // before the first step there is nothing to write, and after the last nothing to stop
            let code = output.status.code();
            assert!(matches!(code, Some(130 | 0) | None), "{code:?}: {}", text(output));
        });
    }
}

/// The last whole checkpoint's name.
fn newest(folder: &Path) -> String {
    let Listing { whole: all, broken } =
        checkpoint::list(&folder.join("runs/a/checkpoints")).expect("checkpoints");
    assert!(broken.is_empty(), "{broken:?}");
    let (path, _) = all.last().expect("a checkpoint");
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

/// The shell's file size limit simulates a full disk: a write fails in the middle.
#[test]
fn a_full_disk_costs_nothing_that_was_written() {
    if common::adapter().is_none() {
        return;
    }
    let (straight, _) = straight();
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    assert!(run(at, &["--epochs", "3"]).status.success());
    let before = newest(at);
    let inner = command(at, &["--resume"]);
    let mut full = Command::new("sh");
    full.arg("-c").arg("trap '' XFSZ; ulimit -f 40; exec \"$0\" \"$@\"").arg(inner.get_program());
    full.args(inner.get_args()).env("WGVAE_CACHE_DIR", at.join("cache")).current_dir(at);
    let output = full.output().expect("sh runs");
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write") && said.contains(".safetensors"), "{said}");
    assert_eq!(newest(at), before, "what was there stays, and nothing half-written is beside it");
    for entry in fs::read_dir(at.join("runs/a/checkpoints")).expect("checkpoints") {
        let name = entry.expect("entry").file_name().to_string_lossy().into_owned();
        assert!(!name.starts_with('.'), "{name} is left over");
    }
    let output = run(at, &["--resume"]);
    assert!(output.status.success(), "{}", text(&output));
    same(&left(at), &straight);
}

/// The event file exceeds the limit here; its events are written again when the run resumes.
#[test]
fn events_that_find_no_room_end_the_run_and_are_said_again() {
    if common::adapter().is_none() {
        return;
    }
    let small = ["--hidden", "1", "--latent", "1", "--checkpoint-every", "100"];
    let straight = tempfile::tempdir().expect("folder");
    assert!(run(straight.path(), &small).status.success());
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let inner = command(at, &small);
    let mut full = Command::new("bash");
    full.arg("-c").arg("trap '' XFSZ; ulimit -f 24; exec \"$0\" \"$@\"").arg(inner.get_program());
    full.args(inner.get_args()).env("WGVAE_CACHE_DIR", at.join("cache")).current_dir(at);
    full.env("MESA_SHADER_CACHE_DISABLE", "true"); // its own files are limited too
    let output = full.output().expect("bash runs");
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write") && said.contains("events.out.tfevents."), "{said}");
    let output = run(at, &[&small[..], &["--resume"]].concat());
    assert!(output.status.success(), "{}", text(&output));
    same(&left(at), &left(straight.path()));
}

#[test]
fn a_broken_checkpoint_is_named_and_passed_over() {
    if common::adapter().is_none() {
        return;
    }
    let (straight, _) = straight();
    for (file, flip) in [("model.safetensors", 4000), ("optimizer.safetensors", 100), ("state.json", 60)] {
        let folder = tempfile::tempdir().expect("folder");
        let at = folder.path();
        assert!(run(at, &["--epochs", "4"]).status.success());
        let path = at.join("runs/a/checkpoints").join(newest(at)).join(file);
        let mut bytes = fs::read(&path).expect("a file");
        bytes[flip] ^= 1;
        fs::write(&path, bytes).expect("written");
        let output = run(at, &["--resume"]);
        let said = text(&output);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("passed over") && said.contains(file) && said.contains("damaged"), "{said}");
        same(&left(at), &straight);
    }
}

#[test]
fn two_trainings_of_one_run_are_refused() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    assert!(run(at, &["--epochs", "1"]).status.success());
    let held = fs::File::options().write(true).open(at.join("runs/a/lock")).expect("the lock");
    held.lock().expect("locked");
    let output = run(at, &["--resume"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("another process is training"), "{}", text(&output));
    drop(held);
    assert!(run(at, &["--resume"]).status.success());
}

#[test]
fn old_checkpoints_go_and_the_best_one_stays() {
    if common::adapter().is_none() {
        return;
    }
    let names = |folder: &Path| -> Vec<String> {
        let all = checkpoint::list(&folder.join("runs/a/checkpoints")).expect("checkpoints").whole;
        all.iter().map(|(path, _)| path.file_name().expect("a name").to_string_lossy().into_owned()).collect()
    };
    let folder = tempfile::tempdir().expect("folder");
    assert!(run(folder.path(), &["--epochs", "3"]).status.success());
    let expected = ["epoch_0001", "epoch_0002", "step_00000012", "step_00000014", "epoch_0003"];
    assert_eq!(names(folder.path()), expected, "one per epoch, and the two newest within one");
    let folder = tempfile::tempdir().expect("folder");
    // a learning rate with which the first epoch stays the best
    assert!(run(folder.path(), &["--epochs", "3", "--keep", "2", "--lr", "0.1"]).status.success());
    let best = fs::read_to_string(folder.path().join("runs/a/checkpoints/best")).expect("best");
    let mut expected = vec![best.trim().to_owned(), "step_00000014".into(), "epoch_0003".into()];
    expected.dedup();
    assert_ne!(best.trim(), "epoch_0003", "the test wants a best one that is old");
    assert_eq!(names(folder.path()), expected);
}

#[test]
fn verification_finds_the_same_bits_and_names_what_was_altered() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    assert!(run(at, &["--epochs", "3"]).status.success());
    let verify = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wgvae"));
        command.args(["verify", "runs/a"]).args(more).current_dir(at);
        command.env("WGVAE_CACHE_DIR", at.join("cache")).output().expect("wgvae runs")
    };
    let output = verify(&[]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("recomputed 1 step(s): all"), "{}", text(&output));
    let output = verify(&["--steps", "15"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("recomputed 15 step(s): all"), "{}", text(&output));

    // an altered value with a matching checksum: only recomputation detects it
    let path = at.join("runs/a/checkpoints/epoch_0003");
    let mut whole = checkpoint::load(&path).expect("a checkpoint");
    whole.weights.tensors[3].values[0] += 1e-6;
    checkpoint::save(&at.join("runs/a/checkpoints"), "epoch_0003", &whole).expect("written");
    let output = verify(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(
        text(&output).contains("DIFFER") && text(&output).contains("encoder.2.bias: 1"),
        "{}",
        text(&output)
    );

    let model = path.join("model.safetensors");
    let mut bytes = fs::read(&model).expect("a file");
    let last = bytes.len() - 1;
    bytes[last] ^= 16;
    fs::write(&model, bytes).expect("written");
    let output = verify(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("epoch_0003/model.safetensors: damaged"), "{}", text(&output));
}

/// A kill between a run's last checkpoint and the work after it: too short a time to be hit at random.
#[test]
fn what_follows_the_last_checkpoint_is_made_up_for() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    assert!(run(at, &["--epochs", "2"]).status.success());
    let best = at.join("runs/a/checkpoints/best");
    let pictures = ["samples/a_sample_epoch_0002.png", "runs/a/samples/reconstruction_epoch_0002.png"];
    let whole: Vec<Vec<u8>> =
        pictures.iter().map(|path| fs::read(at.join(path)).expect("a picture")).collect();
    let named = fs::read(&best).expect("best");
    let shown = events::values(&at.join("runs/a"));
    fs::write(&best, "epoch_0000\n").expect("written");
    for path in pictures {
        assert!(run(at, &["--resume", "--epochs", "2"]).status.success());
        assert_eq!(fs::read(&best).expect("best"), named);
        fs::remove_file(at.join(path)).expect("removed");
    }
    assert!(run(at, &["--resume", "--epochs", "2"]).status.success());
    for (path, bytes) in pictures.iter().zip(&whole) {
        assert!(fs::read(at.join(path)).expect(path) == *bytes, "{path} is another picture");
    }
    // written again, but not twice
    assert!(events::values(&at.join("runs/a")) == shown, "TensorBoard shows something else than before");
}
