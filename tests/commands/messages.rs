//! Messages that quote words of others: keys of configuration files, names of files.

use crate::common;
use crate::common::program::{refuses, said, text, wgvae};
use crate::outputs::trained;

#[test]
fn a_wrong_key_is_named_with_its_line_and_the_key_that_was_meant() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let cases = [
        ("size = 32\n\nepochss = 3\n", "c.toml:3: unknown key `epochss`; did you mean `epochs`?"),
        ("batch_size = 3\n", "c.toml:1: unknown key `batch_size`; did you mean `batch-size`?"),
        ("# first\nzoom = 3\nalpha = 1\n", "c.toml:2: unknown key `zoom`; the keys are: "),
        ("seed = 1\n[train]\nepochs = 3\n", "c.toml:2: unknown key `train`"),
        ("\"\\u001b[31m\" = 1\n", "c.toml:1: unknown key `\\u{1b}[31m`"),
        ("seed = 1\nepochs = \"many\"\n", "c.toml:2: invalid type: string \"many\", expected u32"),
        ("preset = \"\\u001b[31m\"\n", "c.toml:1: unknown variant `\\u{1b}[31m`"),
        ("micro-batch = \"\\u001b[31m\"\n", "c.toml:1: must be a number from 1 on, or auto"),
        ("seed = 1\nseed = 2\n", "c.toml:2: duplicate key"),
        ("seed = \n", "c.toml:1: "),
    ];
    for (config, wanted) in cases {
        std::fs::write(at.join("c.toml"), config).expect("config");
        refuses(at, &["train", "--config", "c.toml"], 2, &[wanted]);
        let shown = text(&wgvae(at, &["train", "--config", "c.toml"]).stderr);
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }
    std::fs::write(at.join("c.toml"), vec![b' '; 2 << 20]).expect("config");
    refuses(at, &["train", "--config", "c.toml"], 2, &["c.toml: too long"]);
    std::fs::write(at.join("c.toml"), "seed = \"caf\u{e9}\"".replace('\u{e9}', "\0").as_bytes())
        .expect("config");
    refuses(at, &["train", "--config", "c.toml"], 2, &["c.toml:1: "]);
    refuses(at, &["train", "--config", "."], 1, &["cannot read ."]);
}

/// A name with a line break, an escape that colours the terminal, and a byte that is no UTF-8.
#[cfg(target_os = "linux")] // others refuse such names
#[test]
fn odd_names_are_printed_escaped_everywhere() {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let odd = |end: &[u8]| OsString::from(OsStr::from_bytes(&[b"a\n\x1b[31m\xe9", end].concat()));
    let says = |args: &[&OsStr], code: i32| {
        let output = wgvae(at, args);
        let shown = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {shown}");
        assert!(shown.contains("a\\n\\u{1b}[31m\\u{fffd}"), "{args:?}: {shown:?}");
        assert!(!shown.contains(['\u{1b}', '\u{fffd}']), "{args:?}: {shown:?}");
    };
    let word = OsStr::new;
    let set = odd(b"");
    says(
        &["data", "synth"]
            .map(word)
            .into_iter()
            .chain([&*set, word("--count"), word("4")])
            .collect::<Vec<_>>(),
        0,
    );
    let sheet = odd(b".png");
    says(
        &[
            word("data"),
            word("sheet"),
            &set,
            word("--count"),
            word("2"),
            word("--size"),
            word("8"),
            word("--out"),
            &sheet,
        ],
        0,
    );
    std::fs::write(at.join(&set).join("Training Data").join(odd(b".jpg")), b"no picture").expect("file");
    says(&[word("data"), word("check"), &set], 0);
    says(&[word("data"), word("synth"), &set], 2); // it is not empty
    says(&[word("sample"), &odd(b".safetensors")], 1);
    let config = odd(b".toml");
    std::fs::write(at.join(&config), "epochss = 1").expect("config");
    says(&[word("train"), word("--config"), &config], 2);
    if common::adapter().is_some() {
        says(&[word("train"), word("--tuning"), &config], 2);
        says(&[word("train"), &odd(b" gone")], 1);
    }
}

/// Output that nobody reads any more ends the program without a word.
#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_panic() {
    let folder = tempfile::tempdir().expect("folder");
    let program = env!("CARGO_BIN_EXE_wgvae");
    // the reader ends before the first line is written
    let script = format!("'{program}' plan --limits default | true; exit ${{PIPESTATUS[0]}}");
    let output = std::process::Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output();
    let output = output.expect("bash runs");
    assert_eq!(output.status.code(), Some(141), "the code of docs/commands.md");
    assert_eq!(text(&output.stderr), "", "a closed pipe is worth no message");
}

/// Latents have the digest of their model: those of another one of equal sizes decode to other pictures.
#[test]
fn latents_of_another_model_are_told() {
    if common::adapter().is_none() {
        return;
    }
    let folder = trained();
    let at = folder.path();
    said(at, &["encode", "runs/a", "photos", "-o", "l.safetensors"]);
    for (run, told) in [("runs/a", false), ("runs/b", true)] {
        let output = wgvae(at, &["decode", run, "l.safetensors", "-q"]);
        let error = text(&output.stderr);
        assert!(output.status.success(), "{error}");
        assert_eq!(error.contains("warning: l.safetensors has latents of another model"), told, "{error}");
    }
}

/// A model is better on the pictures that it was trained on.
#[test]
fn training_pictures_in_an_evaluation_are_told() {
    if common::adapter().is_none() {
        return;
    }
    let folder = trained();
    let at = folder.path();
    std::fs::create_dir(at.join("others")).expect("folder");
    std::fs::write(at.join("others/x.png"), std::fs::read(at.join("photos/0.png")).expect("read"))
        .expect("written");
    let evaluate = |data: &[&str]| {
        let few = ["--iwae", "1", "--samples", "4", "--no-features", "-o", "r.html"];
        let output = wgvae(at, &[&["evaluate", "runs/a"], data, &few].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        (
            text(&output.stderr),
            text(&output.stdout),
            std::fs::read_to_string(at.join("r.html")).expect("a page"),
        )
    };
    let (error, said, page) = evaluate(&["photos"]);
    assert!(error.contains("warning: 5 of 6 pictures are training pictures of the run"), "{error}");
    assert!(said.contains("measured on photos (5 of 6 pictures are training pictures"), "{said}");
    for fact in
        ["5 of 6 pictures are training", "epoch_0001 (best and last, epoch 1)", "--beta 0.2", "Z</td>"]
    {
        assert!(page.contains(fact), "{fact} is missing in the page");
    }
    for data in [&[][..], &["others"]] {
        let (error, said, _) = evaluate(data);
        assert!(
            !error.contains("warning") && !said.contains("training pictures of"),
            "{data:?}: {error}{said}"
        );
    }
}
