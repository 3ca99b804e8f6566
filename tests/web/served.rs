//! The server of `wgvae watch` without a browser: what it answers to whom, and what damaged and hostile folders do to it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wgvae::watch::{Watch, Watching, serve};

use crate::common::program::{refuses, said};

/// An answer of the server.
struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A server, and what a page knows of its runs.
struct Page {
    url: String,
    _watching: Watching,
    since: u64,
}

impl Page {
    fn of(folder: &Path) -> Self {
        let watching = serve(Watch::new(folder).expect("a folder"), Some(0)).expect("a port");
        Self { url: watching.url(), _watching: watching, since: 0 }
    }

    /// Host with port, and path.
    fn parts(&self) -> (&str, &str) {
        let rest = self.url.strip_prefix("http://").expect("an address");
        rest.split_at(rest.find('/').expect("a path"))
    }

    fn ask(&self, method: &str, name: &str, headers: &[(&str, &str)]) -> Answer {
        let (host, path) = self.parts();
        raw(host, method, &format!("{path}{name}"), headers)
    }

    /// The news, when everything has been read.
    fn news(&mut self) -> Value {
        let mut all = Value::Null;
        loop {
            let answer = self.ask("GET", &format!("data?since={}", self.since), &[]);
            assert_eq!(answer.status, 200, "{}", answer.text());
            let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
            self.since = told["refresh"].as_u64().expect("a number");
            let more = told["more"] == true;
            if all.is_null() || !told["runs"].as_array().expect("runs").is_empty() {
                all = told;
            }
            if !more {
                return all;
            }
        }
    }

    /// Waits for news in which `is` finds something.
    fn until<T>(&mut self, what: &str, is: impl Fn(&Value) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = is(&self.news()) {
                return found;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "waited in vain for {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn raw(host: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut stream = TcpStream::connect(host).expect("it listens");
    let own = if headers.iter().any(|(name, _)| *name == "Host") {
        String::new()
    } else {
        format!("Host: {host}\r\n")
    };
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    write!(stream, "{method} {path} HTTP/1.1\r\n{own}{more}Content-Length: 0\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an answer");
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("headers");
    let headers = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = headers.split(' ').nth(1).expect("a status").parse().expect("a number");
    Answer { status, headers: headers.to_lowercase(), body: bytes[end + 4..].to_vec() }
}

fn step(step: u64, loss: f64) -> String {
    json!({"kind": "step", "step": step, "epoch": 1, "step_in_epoch": step, "loss": loss, "nll": loss, "kl": 0.5,
        "images_per_second": 9.0, "lr": 0.001, "beta": 0.2})
    .to_string()
        + "\n"
}

/// A run with these lines.
fn run(folder: &Path, name: &str, lines: &str) {
    let run = folder.join(name);
    fs::create_dir_all(run.join("samples")).expect("folder");
    fs::write(run.join("metrics.jsonl"), lines).expect("written");
    fs::write(
        run.join("config.toml"),
        "# wgvae 0.1.0: every setting of this run\nlr = 0.001\nbatch-size = 4\n",
    )
    .expect("written");
}

fn the_run(told: &Value) -> &Value {
    let runs = told["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 1, "{told}");
    &runs[0]
}

fn notes(run: &Value) -> String {
    run["notes"].to_string()
}

#[test]
fn only_the_page_may_ask() {
    let folder = tempfile::tempdir().expect("folder");
    run(folder.path(), "a", &step(1, 3.0));
    let mut page = Page::of(folder.path());
    let (host, path) = page.parts();
    let (host, path) = (host.to_owned(), path.to_owned());
    assert_eq!(path.len(), 34, "{path}");
    for name in ["", "watch.js", "uplot.css", "data", "data?since=x", "icon.svg"] {
        let answer = page.ask("GET", name, &[]);
        assert_eq!(answer.status, 200, "{name}");
        for header in ["referrer-policy: no-referrer", "frame-ancestors 'none'", "nosniff", "no-store"] {
            assert!(answer.headers.contains(header), "{name}: {header} is missing in {}", answer.headers);
        }
    }
    // without the token, with another name of the host, and with paths that lead elsewhere
    for (status, outside) in [(404, "/"), (404, "/data"), (404, "/00000000000000000000000000000000/data")] {
        assert_eq!(raw(&host, "GET", outside, &[]).status, status, "{outside}");
    }
    assert_eq!(page.ask("GET", "data", &[("Host", "evil.example")]).status, 403);
    for name in [
        "../data",
        "..%2f..%2fetc/passwd",
        "samples/x.png",
        "picture?run=../a&kind=sample&epoch=1",
        "latents?run=",
    ] {
        assert_eq!(page.ask("GET", name, &[]).status, 404, "{name}");
    }
    let id = the_run(&page.news())["id"].as_str().expect("an id").to_owned();
    for name in
        ["picture", "picture?epoch=1", "picture?kind=../../config&epoch=1", "picture?kind=sample&epoch=-1"]
    {
        assert_eq!(page.ask("GET", &format!("{name}&run={id}"), &[]).status, 404, "{name}");
    }
    // a training is stopped by a POST of the page itself
    let stop = format!("stop?run={id}");
    let file = folder.path().join("a/stop");
    let origin = format!("http://{host}");
    assert_eq!(page.ask("GET", &stop, &[("Origin", &origin)]).status, 405);
    for headers in [
        &[][..],
        &[("Origin", "http://evil.example")],
        &[("Origin", "null")],
        &[("Origin", "http://127.0.0.1")],
    ] {
        assert_eq!(page.ask("POST", &stop, headers).status, 403, "{headers:?}");
    }
    assert_eq!(raw(&host, "POST", "/stop", &[("Origin", &origin)]).status, 404);
    assert_eq!(page.ask("POST", "stop?run=x", &[("Origin", &origin)]).status, 404);
    assert_eq!(page.ask("POST", "data", &[("Origin", &origin)]).status, 405);
    assert!(!file.exists());
    assert_eq!(page.ask("POST", &stop, &[("Origin", &origin)]).status, 202);
    assert!(file.exists());
    assert_eq!(page.ask("POST", &stop, &[("Origin", &origin)]).status, 202, "again");
    page.until("a run that stops", |told| (told["runs"][0]["stopping"] == true).then_some(()));
    // one that has ended is not stopped
    fs::remove_file(&file).expect("removed");
    run(
        folder.path(),
        "a",
        &(step(1, 3.0) + "{\"kind\":\"end\",\"step\":1,\"epoch\":1,\"outcome\":\"finished\"}\n"),
    );
    page.until("its end", |told| (told["runs"][0]["ended"] == "finished").then_some(()));
    let answer = page.ask("POST", &stop, &[("Origin", &origin)]);
    assert!(
        answer.status == 409 && answer.text().contains("not training") && !file.exists(),
        "{}",
        answer.text()
    );
}

#[test]
fn metrics_are_followed_however_they_change() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let file = at.join("a/metrics.jsonl");
    run(at, "a", &(step(1, 3.0) + &step(2, 2.0)[..20]));
    let mut page = Page::of(at);
    // cut in the middle of a line
    let told = page.news();
    let one = the_run(&told);
    assert_eq!((&one["steps"]["loss"], &one["notes"]), (&json!([3.0]), &json!([])));
    assert_eq!(one["settings"], json!([["batch-size", "4"], ["lr", "0.001"]]));
    assert_eq!(page.news()["runs"], json!([]), "nothing is new");
    // the rest of it, and more: only that is sent
    let mut lines = fs::OpenOptions::new().append(true).open(&file).expect("open");
    lines.write_all((step(2, 2.0)[20..].to_owned() + &step(3, 1.0)).as_bytes()).expect("written");
    let new = page.until("new lines", |told| told["runs"][0]["steps"].as_object().cloned());
    assert_eq!((&new["from"], &new["loss"]), (&json!(1), &json!([2.0, 1.0])));
    // rewritten, as by a resumed training
    fs::write(&file, step(1, 3.0) + &step(2, 1.5)).expect("written");
    let new = page.until("other lines", |told| told["runs"][0]["steps"].as_object().cloned());
    assert_eq!((&new["from"], &new["loss"], &new["count"]), (&json!(0), &json!([3.0, 1.5]), &json!(2)));
    // emptied
    fs::write(&file, "").expect("written");
    let new = page.until("no lines", |told| told["runs"][0]["steps"].as_object().cloned());
    assert_eq!((new["from"].clone(), new["count"].clone()), (json!(0), json!(0)));
    // lines of the next version, with kinds and fields that nobody knows, and lines that are no lines
    let start = json!({"kind": "start", "step": 0, "epoch": 1, "format": 2, "version": "0.9.0", "epochs": 3, "novel": {"a": [1]}});
    let novel = "{\"kind\":\"hologram\",\"step\":4,\"rays\":[1,2,{\"x\":null}]}\n";
    let lines = format!(
        "{start}\n{}{novel}{{\"kind\":\"step\",\"st\nnull\n\n{}",
        step(1, 8.0),
        step(2, 9.0).replace("}", ",\"new\":{}}")
    );
    fs::write(&file, lines).expect("written");
    let new = page.until("lines again", |told| {
        let one = &told["runs"][0];
        (one["steps"]["count"] == 2).then(|| one.clone())
    });
    assert_eq!(new["steps"]["loss"], json!([8.0, 9.0]));
    let said = notes(&new);
    for part in ["newer wgvae (0.9.0, format 2", "2 lines of metrics.jsonl could not be understood"] {
        assert!(said.contains(part), "{part:?} is missing in {said}");
    }
    // a second watcher, and one that comes late, see what the first one sees
    let mut other = Page::of(at);
    assert_eq!(the_run(&other.news())["steps"]["loss"], json!([8.0, 9.0]));
    page.since = 0;
    assert_eq!(the_run(&page.news())["steps"]["loss"], json!([8.0, 9.0]));
    // a new run, and one that is deleted
    run(at, "b", &step(1, 1.0));
    page.until("a new run", |told| (told["runs"][0]["name"] == "b").then_some(()));
    fs::remove_dir_all(at.join("a")).expect("removed");
    let id = new["id"].clone();
    page.until("a run that is gone", |told| (told["gone"] == json!([id])).then_some(()));
    fs::remove_dir_all(at).expect("removed");
    let told = page.until("no runs", |told| (told["count"] == 0).then(|| told.clone()));
    assert!(told["notes"].to_string().contains("cannot be read"), "{told}");
}

/// Epochs, latents, advice and the best loss.
#[test]
fn lines_of_all_kinds_are_shown() {
    let folder = tempfile::tempdir().expect("folder");
    let epoch = |epoch: u64, loss: f64| {
        json!({"kind": "epoch", "step": 4 * epoch, "epoch": epoch, "train_loss": loss, "validation_loss": loss + 1.0,
            "seconds": 2.0, "memory_bytes": 1048576, "best": true})
    };
    let latents = |epoch: u64| json!({"kind": "latents", "step": 4 * epoch, "epoch": epoch, "unused": 1, "kl": [0.5, 0.001]});
    let advice = json!({"kind": "advice", "step": 8, "epoch": 2, "text": "try <b>a lower</b>\u{7} --beta"});
    let lines = [epoch(1, 7.0), latents(1), epoch(2, 5.0), latents(2), advice, epoch(3, 6.0)];
    run(folder.path(), "a", &lines.map(|line| format!("{line}\n")).concat());
    let mut page = Page::of(folder.path());
    let told = page.news();
    let one = the_run(&told);
    assert_eq!(one["epochs"]["validation_loss"], json!([8.0, 6.0, 7.0]));
    assert_eq!((&one["epochs"]["step"], &one["last"]["best"]), (&json!([4.0, 8.0, 12.0]), &json!([2, 6.0])));
    assert_eq!(one["advice"], json!([{"step": 8, "epoch": 2, "text": "try <b>a lower</b>\\u{7} --beta"}]));
    assert_eq!((&one["latents"], &one["last"]["figures"]["unused"]), (&json!(2), &json!(1.0)));
    let id = one["id"].as_str().expect("an id");
    let latents: Value =
        serde_json::from_slice(&page.ask("GET", &format!("latents?run={id}"), &[]).body).expect("JSON");
    assert_eq!(latents[1], json!({"epoch": 2, "kl": [0.5, 0.001], "cells": []}));
}

#[test]
fn a_hostile_folder_is_bounded_and_said() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path().join("runs");
    let name = "<img src=x onerror=alert(1)>\n\u{202e}";
    run(&at, name, "");
    // a line of 100 MB, and 10^6 lines after it
    let mut file = fs::File::create(at.join(name).join("metrics.jsonl")).expect("created");
    let chunk = vec![b'7'; 1 << 20];
    (0..100).for_each(|_| file.write_all(&chunk).expect("written"));
    let lines: String = (1..=1_000_000)
        .map(|step| format!("\n{{\"kind\":\"step\",\"step\":{step},\"loss\":{}}}", step % 977))
        .collect();
    file.write_all(lines.as_bytes()).expect("written");
    file.write_all(b"\n").expect("written");
    drop(file);
    fs::write(at.join(name).join("config.toml"), format!("\"<b>\" = \"{}\"\n", "<i>".repeat(9999)))
        .expect("written");
    fs::write(at.join(name).join("samples/sample_epoch_0001.png"), "<svg onload=alert(1)>").expect("written");
    let mut page = Page::of(&at);
    let mut all = page.news();
    all["runs"][0]["id"] = json!("id");
    let one = the_run(&all);
    assert_eq!(one["name"], json!("<img src=x onerror=alert(1)>\\n\\u{202e}"));
    assert!(notes(one).contains("1 line of metrics.jsonl too long to be read"), "{}", notes(one));
    assert_eq!(one["last"]["step"], json!(1_000_000));
    let settings = one["settings"].to_string();
    assert!(settings.len() < 800 && settings.contains("(cut)"), "{settings}");
    let size = all.to_string().len();
    page.since = 0;
    let told = page.news();
    let points = the_run(&told)["steps"]["loss"].as_array().map_or(0, Vec::len);
    println!("10^6 lines: {points} points, {size} bytes");
    assert!((512..=1024).contains(&points) && size < 100_000, "{points} points, {size} bytes");
    let id = the_run(&told)["id"].as_str().expect("an id");
    let answer = page.ask("GET", &format!("picture?run={id}&kind=sample&epoch=1"), &[]);
    assert!(answer.status == 404 && answer.text().contains("not a PNG"), "{}", answer.text());
}

#[cfg(unix)]
#[test]
fn links_lead_nowhere() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().expect("folder");
    let (at, secret) = (folder.path().join("runs"), folder.path().join("secret"));
    run(folder.path(), "elsewhere", &step(1, 3.0));
    fs::write(&secret, step(1, 4321.0)).expect("written");
    fs::create_dir_all(at.join("a/samples")).expect("folder");
    symlink(&secret, at.join("a/metrics.jsonl")).expect("a link");
    symlink(&secret, at.join("a/config.toml")).expect("a link");
    symlink(&secret, at.join("a/samples/sample_epoch_0001.png")).expect("a link");
    symlink(folder.path().join("elsewhere"), at.join("b")).expect("a link");
    symlink("/dev/zero", at.join("c")).expect("a link");
    symlink(&at, at.join("d")).expect("a link");
    let mut page = Page::of(&at);
    let told = page.news();
    assert!(told["notes"].to_string().contains("links out of the folder: b"), "{told}");
    let one = the_run(&told);
    assert!(one["steps"].is_null() && notes(one).contains("metrics.jsonl is a link out of"), "{one}");
    let id = one["id"].as_str().expect("an id");
    let answer = page.ask("GET", &format!("picture?run={id}&kind=sample&epoch=1"), &[]);
    assert!(answer.status == 404 && !answer.text().contains("4321"), "{}", answer.text());
    // a request to stop does not follow a link either
    symlink(folder.path().join("made"), at.join("a/stop")).expect("a link");
    let origin = format!("http://{}", page.parts().0);
    assert_eq!(page.ask("POST", &format!("stop?run={id}"), &[("Origin", &origin)]).status, 202);
    assert!(!folder.path().join("made").exists());
    // a pipe would never end
    let made =
        std::process::Command::new("mkfifo").arg(at.join("e")).status().is_ok_and(|status| status.success());
    if made {
        fs::create_dir(at.join("f")).expect("folder");
        fs::rename(at.join("e"), at.join("f/metrics.jsonl")).expect("moved");
        let said = page.until("a pipe", |told| {
            let runs = told["runs"].as_array()?;
            runs.iter().find(|run| run["name"] == "f").map(notes)
        });
        assert!(said.contains("metrics.jsonl is not a file"), "{said}");
    }
}

#[test]
fn the_command_answers_to_bad_input() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    refuses(at, &["watch"], 1, &["runs: there is no such folder"]);
    refuses(at, &["watch", "gone"], 1, &["gone: there is no such folder"]);
    fs::create_dir(at.join("runs")).expect("folder");
    run(&at.join("runs"), "a", &step(1, 3.0));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    refuses(at, &["watch", "--port", &port], 2, &["cannot listen on 127.0.0.1:", &port]);
    let export = ["watch", "--export", "report.html"];
    refuses(at, &["watch", "--export", "report.pdf"], 2, &["report.pdf", ".html"]);
    refuses(at, &["watch", "--export", "runs/a/config.html", "--port", "1"], 2, &["--port"]);
    fs::write(at.join("report.html"), "mine").expect("written");
    refuses(at, &export, 2, &["report.html exists", "--force"]);
    let told = said(at, &[&export[..], &["--force"]].concat());
    assert!(told.contains("wrote report.html (") && told.contains("1 run, 0 of 0 pictures"), "{told}");
    said(at, &export);
    refuses(at, &["train", "--port", "1"], 2, &["--watch"]);
}
