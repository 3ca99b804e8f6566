#!/usr/bin/env bash
# toml 1.2.2 writes a u64 of 2^63 or more, and then refuses its own text as a `toml::Table`.
#
# Expected: toml::to_string refuses integers that are too large (TOML has 64 bits with a sign), or all ways to read a text
# with this crate take what it writes.
# Seen: to_string writes seed = 9223372036854775808, which from_str reads into a struct with a u64. As a toml::Table, as a
# toml::Value and through #[serde(flatten)] of one it is "u64 value was too large". Half of all random seeds of 64 bits are as
# large as that.
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
name = "seeds"
version = "0.1.0"
edition = "2021"
[dependencies]
serde = { version = "=1.0.229", features = ["derive"] }
toml = "=1.2.2"
TOML
cat >src/main.rs <<'RUST'
#[derive(serde::Serialize, serde::Deserialize)]
struct Settings {
    seed: u64,
}

#[derive(serde::Deserialize)]
struct Flattened {
    #[serde(flatten)]
    rest: toml::Table,
}

fn main() {
    let mut changed = false;
    for (seed, whole) in [((1 << 63) - 1, true), (1 << 63, false), (u64::MAX, false)] {
        let text = toml::to_string(&Settings { seed }).expect("it writes every seed");
        let read = toml::from_str::<Settings>(&text).map(|s| s.seed);
        let table = text.parse::<toml::Table>();
        let value = toml::Value::try_from(Settings { seed });
        let flattened = toml::from_str::<Flattened>(&text).map(|f| f.rest);
        let ways = [table.is_ok(), value.is_ok(), flattened.is_ok()];
        println!("{:28} as a struct {:?}; as a Table, as a Value, flattened: {ways:?}", text.trim(), read.as_ref().ok());
        changed |= read != Ok(seed) || ways != [whole; 3];
    }
    println!("{}", toml::to_string(&Settings { seed: u64::MAX }).expect("written").parse::<toml::Table>().expect_err("refused").message());
    std::process::exit(i32::from(changed));
}
RUST
cargo run --quiet || { echo "this has changed: see above" >&2; exit 1; }
