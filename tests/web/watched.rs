//! The page of `wgvae watch` in a headless Chromium and in Firefox: a training is followed, stopped and resumed, runs are
//! compared, and an exported page opens as a file.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::browser::{self, Browser, Tab, on_path, wait_for};
use crate::common::program::{CACHE, refuses, said};
use crate::common::{self, report};
use crate::firefox::Firefox;

const SMALL: [&str; 13] = [
    "train",
    "--size",
    "16",
    "--hidden",
    "4",
    "--latent",
    "6",
    "--batch-size",
    "4",
    "--landscapes",
    "24",
    "--seed",
    "1",
];

/// A program that serves the page, ended when dropped.
struct Serves {
    child: Child,
    url: String,
}

impl Serves {
    fn start(folder: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wgvae"));
        command.args(args).args(["--port", "0"]).current_dir(folder);
        command.env("WGVAE_CACHE_DIR", folder.join(CACHE)).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("wgvae runs");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("http://")).expect("an address");
        // the training goes on writing
        std::thread::spawn(move || lines.count());
        let url =
            line.split("  (").next().and_then(|line| line.split_whitespace().last()).expect("an address");
        Self { child, url: url.to_owned() }
    }
}

impl Drop for Serves {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Expression for the first run that the page knows.
const RUN: &str = "import('./store.js').then(({ store }) => [...store.runs.values()][0])";
/// Charts that have a canvas with something on it.
const DRAWN: &str = "[...document.querySelectorAll('.plot canvas')].filter((c) => c.width > 0 && \
    c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v > 0)).length";

fn open(browser: &mut Browser, tab: &Tab, url: &str) {
    browser.navigate(tab, url);
    browser.eval(tab, "import('./watch.js').then((page) => page.ready)");
}

fn text(browser: &mut Browser, tab: &Tab, id: &str) -> String {
    let text = browser.eval(tab, &format!("document.getElementById('{id}').innerText"));
    text.as_str().expect("a text").to_owned()
}

fn epoch(browser: &mut Browser, tab: &Tab) -> u64 {
    browser.eval(tab, &format!("{RUN}.then((run) => run?.last.epoch ?? 0)")).as_u64().expect("a number")
}

#[test]
fn a_training_is_followed_stopped_and_compared() {
    let Some(program) = browser::chromium() else { return };
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    refuses(
        at,
        &[&SMALL[..], &["--watch", "--port", &port]].concat(),
        2,
        &["cannot listen on 127.0.0.1:", &port],
    );
    assert!(!at.join("runs").exists(), "nothing was begun");
    // a request from before
    std::fs::create_dir_all(at.join("runs/a")).expect("folder");
    std::fs::write(at.join("runs/a/stop"), "").expect("written");
    let endless = ["--name", "a", "--epochs", "100000", "--clip-norm", "1e9", "--mmd", "1", "--watch"];
    let mut training = Serves::start(at, &[&SMALL[..], &endless].concat());
    let mut browser = Browser::start(&program);
    let tab = browser.tab(1280, "");
    open(&mut browser, &tab, &training.url);
    followed(&mut browser, &tab);
    stopped(&mut browser, &tab, at, &mut training);

    // resumed with a few epochs more, beside a second run
    let last_line = || {
        let metrics = std::fs::read_to_string(at.join("runs/a/metrics.jsonl")).expect("metrics");
        serde_json::from_str::<Value>(metrics.lines().last().expect("a line")).expect("JSON")
    };
    let more = (last_line()["epoch"].as_u64().expect("a number") + 2).to_string();
    let told = said(at, &["train", "--resume", "a", "--epochs", &more]);
    assert!(told.contains("resuming a from"), "{told}");
    assert_eq!(last_line()["outcome"], "finished");
    let second = [
        "--name", "b", "--epochs", "3", "--lr", "0.01", "--model", "spatial", "--prior", "normal", "--quiet",
    ];
    let sizes = [
        "train",
        "--size",
        "16",
        "--hidden",
        "4",
        "--latent",
        "4",
        "--landscapes",
        "24",
        "--batch-size",
        "4",
    ];
    said(at, &[&sizes[..], &second].concat());
    let watch = Serves::start(at, &["watch"]);
    compared(&mut browser, &tab, &watch.url);
    deleted(&mut browser, &tab, &watch.url, at);
    small_and_dark(&mut browser, &watch.url);
    let complaints: Vec<String> = browser.complaints();
    // the training has ended while its page was open
    let complaints: Vec<&String> =
        complaints.iter().filter(|text| !text.contains("ERR_CONNECTION_REFUSED")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    let own = [training.url.as_str(), watch.url.as_str(), "about:"];
    let foreign: Vec<String> =
        browser.requests().into_iter().filter(|url| !own.iter().any(|own| url.starts_with(own))).collect();
    assert!(foreign.is_empty() && browser.requests().len() > 20, "{foreign:#?}");

    let told = said(at, &["watch", "--export", "report.html"]);
    assert!(told.contains("2 runs"), "{told}");
    exported(&mut browser, &at.join("report.html"));
    drop(browser);
    in_firefox(&watch.url, &at.join("report.html"));
}

/// Epochs appear by themselves, with curves, pictures and latents.
fn followed(browser: &mut Browser, tab: &Tab) {
    browser.until(tab, &format!("{RUN}.then((run) => run?.last.epoch >= 3)"));
    let before = epoch(browser, tab);
    browser.until(tab, &format!("{RUN}.then((run) => run.last.epoch > {before})"));
    browser.until(tab, &format!("{DRAWN} >= 4"));
    browser.until(tab, "document.querySelector('#figure-reconstruction img')?.naturalWidth > 0");
    browser.until(tab, "document.querySelector('#kl canvas') !== null");
    let live = text(browser, tab, "live");
    for part in ["a", "of 100000", "left", "images/s", "on the device", "Stop with a checkpoint"] {
        assert!(live.contains(part), "{part:?} is missing in {live}");
    }
    for (id, part) in [
        ("facts", "training"),
        ("facts", "of the process"),
        ("facts", "checkpoint"),
        ("values", "Gradient norm"),
    ] {
        browser.eval(tab, "document.getElementById('values-box').open = true");
        let text = text(browser, tab, id);
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
    browser.screenshot(tab, "watch-live-1280");
}

/// The button stops the training with a checkpoint.
fn stopped(browser: &mut Browser, tab: &Tab, at: &Path, training: &mut Serves) {
    browser.eval(tab, "document.querySelector('.stop').click()");
    assert_eq!(
        browser.eval(tab, "document.activeElement.textContent"),
        json!("Go on"),
        "the safe answer is the first"
    );
    browser.eval(tab, "document.querySelector('.sure').click()");
    let code = wait_for("the training's end", || training.child.try_wait().expect("a child"));
    assert_eq!(code.code(), Some(130));
    let mut errors = String::new();
    std::io::Read::read_to_string(training.child.stderr.as_mut().expect("a pipe"), &mut errors)
        .expect("text");
    assert!(errors.contains("asked to stop by the page"), "{errors}");
    let checkpoints = std::fs::read_dir(at.join("runs/a/checkpoints")).expect("checkpoints");
    let names = checkpoints.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    assert!(names.into_iter().any(|name| name.starts_with("step_") || name.starts_with("epoch_")));
    assert!(!at.join("runs/a/stop").exists(), "the request is removed");
    let metrics = std::fs::read_to_string(at.join("runs/a/metrics.jsonl")).expect("metrics");
    assert!(
        metrics.trim_end().ends_with("\"outcome\":\"stopped\"}"),
        "{}",
        metrics.lines().last().expect("a line")
    );
    browser.until(tab, "document.getElementById('problem').textContent.includes('has ended')");
}

/// Two runs: differences of their settings, choices by keyboard, and a link that keeps them.
fn compared(browser: &mut Browser, tab: &Tab, url: &str) {
    open(browser, tab, url);
    browser.until(tab, "import('./store.js').then(({ store }) => store.runs.size === 2 && !store.more)");
    browser.until(tab, &format!("{DRAWN} >= 4"));
    let settings = text(browser, tab, "settings");
    assert!(
        settings.contains("lr") && settings.contains("0.01") && !settings.contains("batch-size"),
        "{settings}"
    );
    browser.eval(tab, "document.getElementById('differing').click()");
    assert!(text(browser, tab, "settings").contains("batch-size"));
    let runs = text(browser, tab, "runs");
    assert!(runs.contains("finished") && runs.contains("best "), "{runs}");
    browser.screenshot(tab, "watch-1280");
    // the Tab key leads to the runs, and the space bar hides one
    for _ in 0..12 {
        if browser.eval(tab, "document.activeElement.type") == json!("checkbox") {
            break;
        }
        browser.key(tab, "Tab", 9);
    }
    let hidden = "import('./watch.js').then(({ state }) => [...state.hidden].length)";
    assert_eq!(browser.eval(tab, hidden), json!(0));
    browser.call(
        tab,
        "Input.dispatchKeyEvent",
        json!({"type": "keyDown", "key": " ", "code": "Space", "text": " ", "windowsVirtualKeyCode": 32}),
    );
    browser.call(
        tab,
        "Input.dispatchKeyEvent",
        json!({"type": "keyUp", "key": " ", "code": "Space", "windowsVirtualKeyCode": 32}),
    );
    assert_eq!(browser.eval(tab, hidden), json!(1));
    assert!(text(browser, tab, "settings-help").contains("Show more runs"));
    // the latents of a grid, and earlier epochs by the arrow keys
    browser.eval(tab, "document.querySelector('#runs li:nth-child(2) .look').click()");
    browser.until(tab, "document.querySelectorAll('#kl canvas').length === 2");
    browser.until(tab, "document.querySelector('#figure-sample img').src.includes('epoch=3')");
    browser.eval(tab, "document.getElementById('epoch').focus()");
    browser.key(tab, "ArrowLeft", 37);
    browser.until(tab, "document.querySelector('#figure-sample img').src.includes('epoch=2')");
    browser.until(tab, "document.querySelector('#figure-sample img').alt.endsWith('after epoch 2')");
    browser.until(tab, "document.getElementById('kl').textContent.includes('Epoch 2:')");
    // the address keeps the choice
    browser.eval(tab, "(() => { const axis = document.getElementById('axis'); axis.value = 'epochs'; axis.dispatchEvent(new Event('change')); })()");
    let link = browser.eval(tab, "location.href");
    let other = browser.tab(1280, "");
    open(browser, &other, link.as_str().expect("an address"));
    assert_eq!(browser.eval(&other, hidden), json!(1));
    assert_eq!(
        browser.eval(
            &other,
            "[document.getElementById('axis').value, document.getElementById('run').selectedIndex]"
        ),
        json!(["epochs", 1])
    );
    browser.call(&other, "Page.close", json!({}));
}

/// A run that is deleted while it is watched leaves the page, with a word.
fn deleted(browser: &mut Browser, tab: &Tab, url: &str, at: &Path) {
    let run = at.join("runs/c");
    std::fs::create_dir(&run).expect("folder");
    std::fs::write(run.join("metrics.jsonl"), "{\"kind\":\"step\",\"step\":1,\"loss\":1}\n")
        .expect("written");
    open(browser, tab, url);
    browser.until(tab, "document.querySelectorAll('#runs li').length === 3");
    std::fs::remove_dir_all(&run).expect("removed");
    browser.until(tab, "document.querySelectorAll('#runs li').length === 2");
    assert!(text(browser, tab, "notes").contains("c was deleted"));
}

/// At 360 pixels, and every control has a name.
fn small_and_dark(browser: &mut Browser, url: &str) {
    let tab = browser.tab(360, "");
    let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    browser.call(&tab, "Emulation.setEmulatedMedia", dark.clone());
    open(browser, &tab, url);
    browser.until(&tab, "document.querySelectorAll('.plot canvas').length > 0");
    assert_eq!(browser.eval(&tab, "document.documentElement.scrollWidth"), json!(360), "nothing sticks out");
    let ground = browser.eval(&tab, "getComputedStyle(document.body).backgroundColor");
    assert_eq!(ground, json!("rgb(21, 25, 27)"), "dark where the visitor wants it dark");
    let nameless = "[...document.querySelectorAll('input, select, button, img, canvas[role], [role=img]')].filter((e) => \
         !e.labels?.length && !e.textContent.trim() && !e.ariaLabel && !e.alt && !e.closest('[hidden]')).map((e) => e.outerHTML)";
    assert_eq!(browser.eval(&tab, nameless), json!([]));
    browser.screenshot(&tab, "watch-360-dark");
    browser.call(&tab, "Page.close", json!({}));
    let tab = browser.tab(1280, "");
    browser.call(&tab, "Emulation.setEmulatedMedia", dark);
    open(browser, &tab, url);
    browser.until(&tab, &format!("{DRAWN} >= 4"));
    browser.screenshot(&tab, "watch-1280-dark");
    browser.call(&tab, "Page.close", json!({}));
}

/// Expression for the contents of an exported page.
const SHOWS: &str = "[document.querySelectorAll('.plot canvas').length >= 4, \
    document.querySelector('#figure-sample img')?.naturalWidth > 0, document.querySelector('#kl canvas') !== null, \
    document.querySelectorAll('#runs li').length, document.getElementById('live').hidden, \
    document.getElementById('problem').hidden]";

/// The exported page, opened as a file.
fn exported(browser: &mut Browser, file: &Path) {
    let before = browser.complaints().len();
    let tab = browser.tab(1280, "");
    browser.navigate(&tab, &format!("file://{}", file.display()));
    let expected = json!([true, true, true, 2, true, true]);
    wait_for("the exported page", || (browser.eval(&tab, SHOWS) == expected).then_some(()));
    browser.screenshot(&tab, "watch-export-1280");
    let complaints = browser.complaints().split_off(before);
    assert!(complaints.is_empty(), "{complaints:#?}");
    // something that is not in the policy does not run
    let added = "(() => { try { const s = document.createElement('script'); s.text = 'window.ran = true'; \
         document.body.append(s); } catch {} return window.ran ?? false; })()";
    assert_eq!(browser.eval(&tab, added), json!(false));
    browser.call(&tab, "Page.close", json!({}));
}

fn in_firefox(url: &str, file: &Path) {
    let Some(program) = on_path(&["firefox", "firefox-esr"]) else {
        report::left_out("the page of trainings in Firefox: it is not installed");
        return;
    };
    let mut firefox = Firefox::start(&program, "");
    firefox.navigate(url);
    firefox.eval("import('./watch.js').then((page) => page.ready)");
    let until = |firefox: &mut Firefox, what: &str, expected: &Value| {
        wait_for(what, || (firefox.eval(what) == *expected).then_some(()));
    };
    until(&mut firefox, "import('./store.js').then(({ store }) => store.runs.size)", &json!(2));
    until(&mut firefox, &format!("{DRAWN} >= 2"), &json!(true));
    until(&mut firefox, "document.querySelector('#figure-sample img').naturalWidth > 0", &json!(true));
    assert_eq!(firefox.eval("document.getElementById('problem').hidden"), json!(true));
    firefox.navigate(&format!("file://{}", file.display()));
    let shows = SHOWS.replace(">= 4", ">= 2");
    until(&mut firefox, &shows, &json!([true, true, true, 2, true, true]));
}

/// Names with markup are text in the page.
#[test]
fn markup_in_names_is_text() {
    let Some(program) = browser::chromium() else { return };
    let folder = tempfile::tempdir().expect("folder");
    let name = "<img src=x onerror=document.title='hit'>";
    let run = folder.path().join(name);
    std::fs::create_dir(&run).expect("folder");
    let advice = json!({"kind": "advice", "step": 1, "epoch": 1, "text": "</script><script>document.title='hit'</script>"});
    let step = json!({"kind": "step", "step": 1, "epoch": 1, "loss": 1.0});
    std::fs::write(run.join("metrics.jsonl"), format!("{step}\n{advice}\n")).expect("written");
    std::fs::write(run.join("config.toml"), "\"<b>\" = \"</script><img src=x onerror=alert(1)>\"\n")
        .expect("written");
    let at = folder.path().to_str().expect("text");
    let work = tempfile::tempdir().expect("folder");
    said(work.path(), &["watch", at, "--export", "report.html"]);
    let watch = Serves::start(folder.path(), &["watch", "."]);
    let mut browser = Browser::start(&program);
    let tab = browser.tab(1280, "");
    for url in [watch.url.clone(), format!("file://{}/report.html", work.path().display())] {
        browser.navigate(&tab, &url);
        browser.until(&tab, "document.querySelectorAll('#runs li').length === 1");
        browser.until(&tab, "document.querySelectorAll('#settings td').length === 1");
        for (id, part) in [("runs", name), ("advice", "</script><script>"), ("settings", "</script><img")] {
            let text = text(&mut browser, &tab, id);
            assert!(text.contains(part), "{part:?} is missing in {text}");
        }
        assert_eq!(browser.eval(&tab, "document.querySelectorAll('img[src=x], td b').length"), json!(0));
        assert!(
            browser.eval(&tab, "document.title").as_str().is_some_and(|title| title.starts_with("wgvae"))
        );
    }
    assert!(browser.complaints().is_empty(), "{:#?}", browser.complaints());
}
