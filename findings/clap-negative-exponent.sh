#!/usr/bin/env bash
# clap 4.6.9 takes -0.01 and -1e3 as the value of an option that allows negative numbers, and refuses -1e-3 and -.5.
#
# Expected: `--bias -1e-3` is a number as much as `--bias -0.001`, since the option has `allow_negative_numbers` and is an f64.
# Seen: "unexpected argument '-1' found" for every exponent with a sign, for -.5 and for -inf. Scripts in Python write small
# numbers as -1e-07, so a sweep over such an option fails at some of its values. `--bias=-1e-3` works.
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
name = "numbers"
version = "0.1.0"
edition = "2021"
[dependencies]
clap = "=4.6.9"
clap_lex = "=1.1.2"
TOML
cat >src/main.rs <<'RUST'
use clap::{value_parser, Arg, Command};

fn main() {
    let read = |arguments: &[&str]| {
        let bias = Arg::new("bias").long("bias").allow_negative_numbers(true).value_parser(value_parser!(f64));
        let matches = Command::new("numbers").no_binary_name(true).arg(bias).try_get_matches_from(arguments);
        match matches {
            Ok(found) => Ok(*found.get_one::<f64>("bias").expect("it is given")),
            Err(error) => Err(error.to_string().lines().next().unwrap_or_default().to_owned()),
        }
    };
    let mut changed = false;
    for (number, taken) in [
        ("-1", true), ("-0.01", true), ("-1e3", true), ("-1.5E2", true),
        ("-1e-3", false), ("-1e-07", false), ("-1e+3", false), ("-.5", false), ("-inf", false),
    ] {
        let value: f64 = number.parse().expect("Rust's own parser takes it");
        let (apart, joined) = (read(&["--bias", number]), read(&[&format!("--bias={number}")]));
        println!("--bias {number}: {apart:?}, --bias={number}: {joined:?}");
        changed |= (apart == Ok(value)) != taken || joined != Ok(value);
    }
    std::process::exit(i32::from(changed));
}
RUST
cargo run --quiet || { echo "this has changed: see above" >&2; exit 1; }
