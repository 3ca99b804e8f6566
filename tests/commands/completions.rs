//! Completion scripts and manual pages: they have every command, and the flags of each.

use std::path::Path;

use crate::common::program::{said, text, wgvae};
use crate::common::report;

/// The commands that `--help` lists.
fn commands(at: &Path) -> Vec<String> {
    let help = said(at, &["--help"]);
    let list = help.split("Commands:").nth(1).and_then(|rest| rest.split("Options:").next()).expect("a list");
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<String> =
        names.map(|line| line.split_whitespace().next().expect("a name").to_owned()).collect();
    assert!(
        names.len() > 15 && names.contains(&"train".into()) && names.contains(&"man".into()),
        "{names:?}"
    );
    names
}

#[test]
fn every_command_is_completed_in_every_shell() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let commands = commands(at);
    let mut scripts = std::collections::BTreeSet::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = said(at, &["completions", shell]);
        let has =
            |word: &str| script.split(|c: char| !c.is_alphanumeric() && c != '-').any(|part| part == word);
        for command in &commands {
            assert!(has(command), "{shell}: {command} is missing");
        }
        for flag in ["batch-size", "landscapes", "html"] {
            assert!(script.contains(flag), "{shell}: --{flag} is missing");
        }
        assert!(scripts.insert(script), "{shell} has the script of another shell");
    }
    assert_eq!(wgvae(at, &["completions", "tcl"]).status.code(), Some(2));
}

/// Bash itself accepts its script. Left out if there is no bash.
#[cfg(unix)]
#[test]
fn bash_reads_its_script() {
    let folder = tempfile::tempdir().expect("folder");
    let script = said(folder.path(), &["completions", "bash"]);
    std::fs::write(folder.path().join("script"), script).expect("written");
    let test = "source ./script; COMP_WORDS=(wgvae eval); COMP_CWORD=1; _wgvae wgvae eval wgvae; echo ${COMPREPLY[@]}";
    let output = std::process::Command::new("bash").args(["-c", test]).current_dir(folder.path()).output();
    let Ok(output) = output else { return report::left_out("no bash") };
    assert_eq!(text(&output.stdout).trim(), "evaluate", "{}", text(&output.stderr));
}

#[test]
fn every_command_has_a_page() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let plain = |page: &str| page.replace("\\-", "-");
    let first = plain(&said(at, &["man"]));
    assert!(first.contains(".TH wgvae 1"), "{first}");
    said(at, &["man", "pages"]);
    for command in commands(at) {
        if command == "help" {
            continue;
        }
        assert!(first.contains(&format!("wgvae-{command}(1)")), "{command} is missing in {first}");
        let page = std::fs::read_to_string(at.join(format!("pages/wgvae-{command}.1"))).expect(&command);
        assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{command}: {page}");
    }
    let train = plain(&std::fs::read_to_string(at.join("pages/wgvae-train.1")).expect("a page"));
    for flag in ["--batch-size", "--resume", "--adapter"] {
        assert!(train.contains(flag), "{flag} is missing in {train}");
    }
    std::fs::write(at.join("file"), "").expect("written");
    assert_eq!(wgvae(at, &["man", "file"]).status.code(), Some(1), "a file is no folder");
}

/// Advice that names a flag which is not there helps nobody.
#[test]
fn the_coach_names_flags_that_train_has() {
    let folder = tempfile::tempdir().expect("folder");
    let help = said(folder.path(), &["train", "--help"]);
    let flag = |word: &str| word.trim_end_matches(|c: char| !c.is_alphanumeric()).to_owned();
    let there: Vec<String> = help.split(&[' ', '[', '='][..]).map(flag).collect();
    let coach = include_str!("../../src/train/diagnostics.rs");
    let words = coach.split(|c: char| !c.is_alphanumeric() && c != '-').map(flag);
    let named: std::collections::BTreeSet<String> = words.filter(|word| word.starts_with("--")).collect();
    assert!(named.len() > 5 && named.contains("--free-bits"), "{named:?}");
    let unknown: Vec<&String> = named.iter().filter(|name| !there.contains(name)).collect();
    assert!(unknown.is_empty(), "train has no {unknown:?}");
}
