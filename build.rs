//! Tells the program which commit it is built from, for checkpoints and bug reports; nothing where there is no git.

use std::process::Command;

fn main() {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_default();
    println!("cargo::rustc-env=WGVAE_COMMIT={commit}");
    // what HEAD names changes with every commit, without HEAD itself
    if let Some(folder) = git(&["rev-parse", "--git-common-dir"]) {
        println!("cargo::rerun-if-changed={folder}/logs/HEAD");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
