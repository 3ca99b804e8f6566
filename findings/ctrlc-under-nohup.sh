#!/usr/bin/env bash
# ctrlc 3.5.3 and tokio 1.54.1 take away what nohup gave: a program that handles signals by them hears SIGHUP.
#
# Expected: `nohup trainer &` goes on after the terminal is closed: a signal that was ignored at the start stays ignored, as
# POSIX shells have it.
# Seen: with ctrlc (feature "termination") set_handler runs on SIGHUP under nohup, and so the usual handler ends the night's
# work; try_set_handler gives MultipleHandlers there, though no handler is set, and with `?` the program does not start.
# tokio's hangup() hears SIGHUP too. Without a handler the program goes on.
#
# Needs cargo and nohup, on Linux. Fails if that changes.
set -euo pipefail
for tool in cargo nohup; do
    command -v "$tool" >/dev/null || { echo "needs $tool" >&2; exit 77; }
done
[[ -r /proc/self/status ]] || { echo "needs Linux" >&2; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export CARGO_TARGET_DIR=$work/target

mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "trainer"
version = "0.1.0"
edition = "2021"
[dependencies]
ctrlc = { version = "=3.5.3", features = ["termination"] }
tokio = { version = "=1.54.1", default-features = false, features = ["macros", "rt", "signal", "time"] }
TOML
cat >src/main.rs <<'RUST'
use std::time::Duration;

/// Tells the script that handlers are set, and waits for two seconds.
fn train() {
    println!("ready");
    std::thread::sleep(Duration::from_secs(2));
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("ctrlc") => ctrlc::set_handler(|| {
            println!("SIGHUP is heard");
            std::process::exit(3)
        })?,
        Some("ctrlc-try") => {
            if let Err(error) = ctrlc::try_set_handler(|| ()) {
                println!("ready\n{error:?}");
                std::process::exit(4)
            }
        }
        Some("tokio") => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            return runtime.block_on(async {
                let mut hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
                println!("ready");
                tokio::select! {
                    _ = hangup.recv() => { println!("SIGHUP is heard"); std::process::exit(3) }
                    () = tokio::time::sleep(Duration::from_secs(2)) => println!("done"),
                }
                Ok(())
            });
        }
        _ => {}
    }
    train();
    println!("done");
    Ok(())
}
RUST
cargo build --quiet

changed=
check() {
    local way=$1 wanted=$2 status=0 trainer
    nohup target/debug/trainer "$way" >"$way" 2>/dev/null &
    trainer=$!
    for _ in $(seq 100); do
        grep -q ready "$way" && break
        sleep 0.1
    done
    kill -HUP "$trainer" 2>/dev/null || true
    wait "$trainer" || status=$?
    echo "$way under nohup: status $status, $(tail -n 1 "$way")"
    [[ $status == "$wanted" ]] || changed=1
}
check none 0
check ctrlc 3
check ctrlc-try 4
check tokio 3
[[ -z $changed ]] || { echo "this has changed: see above" >&2; exit 1; }
