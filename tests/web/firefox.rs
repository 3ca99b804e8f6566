//! The page in Firefox, with and without its protection against fingerprinting, driven over WebDriver BiDi.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use image::RgbImage;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::browser::{PATIENCE, on_path, wait_for};
use crate::common::program::said;
use crate::common::report;
use crate::{canvas, close, picture_of, pixels};

/// A running browser with one tab.
pub(crate) struct Firefox {
    child: Child,
    socket: WebSocket<TcpStream>,
    last: u64,
    tab: Value,
    _profile: tempfile::TempDir,
}

impl Drop for Firefox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Firefox {
    pub(crate) fn start(program: &Path, preferences: &str) -> Self {
        let profile = tempfile::tempdir().expect("a profile");
        let quiet = "user_pref('app.update.enabled', false);\nuser_pref('dom.webgpu.enabled', true);\n\
                     user_pref('gfx.webgpu.ignore-blocklist', true);\n\
                     user_pref('browser.shell.checkDefaultBrowser', false);\n\
                     user_pref('datareporting.policy.dataSubmissionEnabled', false);\n";
        std::fs::write(profile.path().join("user.js"), format!("{quiet}{preferences}")).expect("written");
        let mut command = Command::new(program);
        command.args(["--headless", "--no-remote", "--remote-debugging-port", "0", "--profile"]);
        command.arg(profile.path()).arg("about:blank").env("HOME", profile.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.expect("firefox starts");
        let file = profile.path().join("WebDriverBiDiServer.json");
        let port = wait_for("the browser", || {
            let text = std::fs::read_to_string(&file).ok()?;
            serde_json::from_str::<Value>(&text).ok()?["ws_port"].as_u64()
        });
        let stream = TcpStream::connect(format!("127.0.0.1:{port}")).expect("the browser listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let url = format!("ws://127.0.0.1:{port}/session");
        let (socket, _) = tungstenite::client(url.as_str(), stream).expect("a web socket");
        let mut firefox = Self { child, socket, last: 0, tab: Value::Null, _profile: profile };
        firefox.call("session.new", &json!({ "capabilities": {} }));
        let tree = firefox.call("browsingContext.getTree", &json!({}));
        firefox.tab = tree["contexts"][0]["context"].clone();
        firefox
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.last += 1;
        let message = json!({ "id": self.last, "method": method, "params": params });
        self.socket.send(Message::text(message.to_string())).expect("sent");
        loop {
            let text = self.socket.read().unwrap_or_else(|e| panic!("{method}: {e}"));
            let Ok(text) = text.into_text() else { continue };
            let Ok(mut told) = serde_json::from_str::<Value>(&text) else { continue };
            if told["id"] != json!(self.last) {
                continue;
            }
            assert_eq!(told["type"], "success", "{method}: {told}");
            return told["result"].take();
        }
    }

    /// The value of an expression, or of its promise, as JSON.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let expression =
            format!("Promise.resolve({expression}).then((value) => JSON.stringify(value ?? null))");
        let target = json!({ "context": self.tab });
        let params = json!({ "expression": expression, "target": target, "awaitPromise": true });
        let answer = self.call("script.evaluate", &params);
        let text = answer["result"]["value"].as_str().unwrap_or_else(|| panic!("{expression}: {answer}"));
        serde_json::from_str(text).expect("JSON")
    }

    pub(crate) fn navigate(&mut self, url: &str) {
        let params = json!({ "context": self.tab, "url": url, "wait": "complete" });
        self.call("browsingContext.navigate", &params);
    }

    fn open(&mut self, url: &str) {
        self.navigate(url);
        self.eval("import('./app.js').then((page) => page.ready)");
    }

    /// Drops a file onto the page.
    fn drop_file(&mut self, path: &Path) {
        let bytes = std::fs::read(path).expect("a file");
        let drop = format!(
            "(() => {{ const data = new DataTransfer(); \
             data.items.add(new File([new Uint8Array({bytes:?})], 'photograph.png')); \
             document.dispatchEvent(new DragEvent('drop', {{ dataTransfer: data, bubbles: true }})); }})()"
        );
        self.eval(&drop);
    }

    /// The picture that is shown.
    fn picture(&mut self) -> RgbImage {
        picture_of(self.eval(&canvas("picture")))
    }

    fn text(&mut self, id: &str) -> String {
        let text = self.eval(&format!("document.getElementById('{id}').textContent"));
        text.as_str().expect("a text").to_owned()
    }
}

/// Whether the browser finds an adapter; if not, the page's words are the expected ones.
fn has_adapter(firefox: &mut Firefox) -> bool {
    let problem = firefox.text("problem");
    if problem.is_empty() {
        return true;
    }
    assert!(problem.contains("no WebGPU") || problem.contains("no graphics adapter"), "{problem}");
    report::left_out(&format!("the page's pictures in Firefox: {problem}"));
    false
}

/// The page of the model `runs/a` at `url`, and a photograph of it.
pub(crate) fn in_firefox(at: &Path, url: &str) {
    let Some(program) = on_path(&["firefox", "firefox-esr"]) else {
        report::left_out("the page in Firefox: it is not installed");
        return;
    };
    let photo = at.join("photos/00.png");
    let mut firefox = Firefox::start(&program, "");
    firefox.open(&format!("{url}#seed=3&from=normal"));
    if has_adapter(&mut firefox) {
        let args = ["sample", "runs/a", "--count", "1", "--separate", "-o", "ff", "--prior", "normal"];
        said(at, &[&args[..], &["--seed", "3"]].concat());
        close("sample in Firefox", &firefox.picture(), &pixels(&at.join("ff/00000.png")));
        said(at, &["reconstruct", "runs/a", "photos/00.png", "--separate", "-o", "ffr"]);
        firefox.drop_file(&photo);
        wait_for("a reconstruction", || firefox.text("caption").starts_with("Reconstruction").then_some(()));
        let program = pixels(&at.join("ffr/000000_00.png"));
        close("reconstruction in Firefox", &firefox.picture(), &program);
    }
    drop(firefox);

    let mut firefox = Firefox::start(&program, "user_pref('privacy.resistFingerprinting', true);\n");
    firefox.open(&format!("{url}#seed=3&from=normal"));
    if has_adapter(&mut firefox) {
        firefox.drop_file(&photo);
        wait_for("a word on the pixels", || firefox.text("problem").contains("fingerprinting").then_some(()));
        assert!(firefox.text("caption").starts_with("Sample of seed 3"), "the picture has changed");
    }
}
