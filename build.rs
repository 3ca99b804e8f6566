//! Tells the program which commit it is built from, for checkpoints and bug reports; nothing where there is no git.

use std::process::Command;

fn main() {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
    };
    // a package that is unpacked in the folder of another project is not of that project's commit
    let own = std::env::var("CARGO_MANIFEST_DIR").ok().and_then(|folder| std::fs::canonicalize(folder).ok());
    let top = git(&["rev-parse", "--show-toplevel"]).and_then(|folder| std::fs::canonicalize(folder).ok());
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).filter(|_| own.is_some() && own == top);
    let commit = commit.unwrap_or_default();
    println!("cargo::rustc-env=WGVAE_COMMIT={commit}");
    // what HEAD names changes with every commit, without HEAD itself
    if let Some(folder) = git(&["rev-parse", "--git-common-dir"]) {
        println!("cargo::rerun-if-changed={folder}/logs/HEAD");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
