#!/usr/bin/env bash
# indicatif 0.18.6 says that a bar which begins at a position is nearly done: its rate counts what was done before it existed.
#
# Expected: ProgressBar::new(1000).with_position(900) is a job that goes on at 900, so with 0.1 s a step some 9 s are left.
# Seen: after 10 steps the estimate is less than a tenth of a second and the rate thousands of steps a second, because the 900
# count as done in the first moment; it is still far off after 3 s. reset_eta behind with_position does not help.
# set_position does it too, and there reset_eta helps.
#
# Needs cargo. Fails if that changes.
set -euo pipefail
command -v cargo >/dev/null || { echo "needs cargo" >&2; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export CARGO_TARGET_DIR=$work/target

mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "resumed"
version = "0.1.0"
edition = "2021"
[dependencies]
indicatif = "=0.18.6"
TOML
cat >src/main.rs <<'RUST'
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget};

fn main() {
    let bar = || ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::hidden());
    let set = bar();
    set.set_position(900);
    let (reset, mended) = (bar().with_position(900), bar());
    reset.reset_eta();
    mended.set_position(900);
    mended.reset_eta();
    let bars = [
        ("with_position", bar().with_position(900), false),
        ("with_position and reset_eta", reset, false),
        ("set_position", set, false),
        ("set_position and reset_eta", mended, true),
    ];
    let mut changed = false;
    for step in 1..=30 {
        std::thread::sleep(Duration::from_millis(100));
        for (name, bar, right) in &bars {
            bar.inc(1);
            if step % 10 == 0 {
                let left = 0.1 * (1000 - bar.position()) as f64;
                println!("{name}, step {step}: {:.2} s left, {:.0} a second; at 0.1 s a step {left:.1} s", bar.eta().as_secs_f64(), bar.per_sec());
                changed |= (bar.eta().as_secs_f64() > left / 2.0) != *right;
            }
        }
    }
    std::process::exit(i32::from(changed));
}
RUST
cargo run --quiet || { echo "this has changed: see above" >&2; exit 1; }
