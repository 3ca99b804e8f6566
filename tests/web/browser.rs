//! A headless Chromium with WebGPU on SwiftShader, driven over the DevTools protocol.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::common::{is_set, report};

/// Maximum waiting time of a test: a software adapter compiles for seconds, on a busy machine for many.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The browser that `WGVAE_CHROMIUM` names, or the first of the usual ones.
///
/// If there is none, the test fails, unless `WGVAE_ALLOW_NO_BROWSER=1`: then it reports that it was skipped.
pub(crate) fn chromium() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("WGVAE_CHROMIUM") {
        return Some(named.into());
    }
    let found = on_path(&["chromium", "chromium-browser", "google-chrome"]);
    if found.is_none() && is_set("WGVAE_ALLOW_NO_BROWSER") {
        report::left_out("the page in a browser: no chromium");
        return None;
    }
    Some(found.expect("no chromium: install it, or set WGVAE_ALLOW_NO_BROWSER=1 to skip the page's tests"))
}

/// The first program of these names on the PATH.
pub(crate) fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path);
    folders.flat_map(|folder| names.iter().map(move |name| folder.join(name))).find(|file| file.is_file())
}

/// A running browser.
pub(crate) struct Browser {
    child: Child,
    socket: WebSocket<TcpStream>,
    last: u64,
    /// events so far: console, network, exceptions
    pub(crate) events: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.send("Browser.close", json!({}), None);
        for _ in 0..100 {
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One tab, identified by its session.
#[derive(Clone)]
pub(crate) struct Tab(pub(crate) String);

/// Polls until `poll` returns something.
pub(crate) fn wait_for<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Browser {
    pub(crate) fn start(program: &Path) -> Self {
        let profile = tempfile::tempdir().expect("a profile");
        let mut command = Command::new(program);
        command.args(["--headless", "--no-sandbox", "--enable-unsafe-webgpu"]);
        command.args(["--use-webgpu-adapter=swiftshader", "--disable-quic", "--no-first-run"]);
        command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
        command.args(["--remote-debugging-port=0", "about:blank"]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.expect("chromium starts");
        let file = profile.path().join("DevToolsActivePort");
        let (port, path) = wait_for("the browser", || {
            let text = std::fs::read_to_string(&file).ok()?;
            let (port, path) = text.split_once('\n')?;
            path.trim().starts_with("/devtools").then(|| (port.trim().to_owned(), path.trim().to_owned()))
        });
        let stream = TcpStream::connect(format!("127.0.0.1:{port}")).expect("the browser listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let url = format!("ws://127.0.0.1:{port}{path}");
        let (socket, _) = tungstenite::client(url.as_str(), stream).expect("a web socket");
        Self { child, socket, last: 0, events: Vec::new(), _profile: profile }
    }

    /// Sends a command and returns its answer; events received meanwhile go to `events`.
    fn send(&mut self, method: &str, params: Value, tab: Option<&Tab>) -> Result<Value, String> {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method });
        message["params"] = params;
        if let Some(Tab(session)) = tab {
            message["sessionId"] = json!(session);
        }
        self.socket.send(Message::text(message.to_string())).map_err(|e| e.to_string())?;
        loop {
            let text = self.socket.read().map_err(|e| format!("{method}: {e}"))?;
            let Ok(text) = text.into_text() else { continue };
            let Ok(mut told) = serde_json::from_str::<Value>(&text) else { continue };
            if told["id"] != json!(self.last) {
                self.events.push(told);
                continue;
            }
            return if told["error"].is_null() {
                Ok(told["result"].take())
            } else {
                Err(told["error"].to_string())
            };
        }
    }

    pub(crate) fn call(&mut self, tab: &Tab, method: &str, params: Value) -> Value {
        self.send(method, params, Some(tab)).unwrap_or_else(|e| panic!("{method}: {e}"))
    }

    /// An empty tab of `width` pixels; `before` runs in every page before its own scripts.
    pub(crate) fn tab(&mut self, width: u32, before: &str) -> Tab {
        let target = self.send("Target.createTarget", json!({ "url": "about:blank" }), None).expect("a tab");
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.send("Target.attachToTarget", attach, None).expect("a session");
        let tab = Tab(attached["sessionId"].as_str().expect("a session").to_owned());
        for domain in ["Page", "Runtime", "Log", "Network", "DOM"] {
            self.call(&tab, &format!("{domain}.enable"), json!({}));
        }
        let shape = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.call(&tab, "Emulation.setDeviceMetricsOverride", shape);
        self.call(&tab, "Page.addScriptToEvaluateOnNewDocument", json!({ "source": before }));
        tab
    }

    /// Opens the page of a model and waits until it is ready or shows an error.
    pub(crate) fn open(&mut self, tab: &Tab, url: &str) {
        self.navigate(tab, url);
        self.eval(tab, "import('./app.js').then((page) => page.ready)");
    }

    /// Opens a page and waits until it is loaded.
    pub(crate) fn navigate(&mut self, tab: &Tab, url: &str) {
        self.call(tab, "Page.navigate", json!({ "url": "about:blank" }));
        self.call(tab, "Page.navigate", json!({ "url": url }));
        let there = json!(url.split('#').next());
        wait_for("the page", || {
            let at = self.eval(tab, "document.readyState === 'complete' && location.href.split('#')[0]");
            (at == there).then_some(())
        });
    }

    /// The value of an expression, or of its promise.
    pub(crate) fn eval(&mut self, tab: &Tab, expression: &str) -> Value {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call(tab, "Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub(crate) fn until(&mut self, tab: &Tab, condition: &str) {
        wait_for(condition, || (self.eval(tab, condition) == json!(true)).then_some(()));
    }

    pub(crate) fn key(&mut self, tab: &Tab, key: &str, code: u32) {
        for kind in ["rawKeyDown", "keyUp"] {
            let event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            self.call(tab, "Input.dispatchKeyEvent", event);
        }
    }

    /// Chooses a file like a visitor, in the file input matched by `selector`.
    pub(crate) fn choose(&mut self, tab: &Tab, selector: &str, file: &Path) {
        let root = self.call(tab, "DOM.getDocument", json!({}))["root"]["nodeId"].clone();
        let query = json!({ "nodeId": root, "selector": selector });
        let node = self.call(tab, "DOM.querySelector", query)["nodeId"].clone();
        self.call(tab, "DOM.setFileInputFiles", json!({ "nodeId": node, "files": [file] }));
    }

    /// Drops files onto the page like a visitor.
    pub(crate) fn drop_files(&mut self, tab: &Tab, files: &[&Path]) {
        for kind in ["dragEnter", "dragOver", "drop"] {
            let data = json!({ "items": [], "files": files, "dragOperationsMask": 1 });
            let event = json!({ "type": kind, "x": 100, "y": 100, "data": data });
            self.call(tab, "Input.dispatchDragEvent", event);
        }
    }

    /// Errors and warnings in the console, browser errors, and exceptions.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let is_one = |event: &&Value| match event["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => true,
            // reading canvases in these tests causes warnings
            "Log.entryAdded" => event["params"]["entry"]["level"] == "error",
            "Runtime.consoleAPICalled" => {
                ["error", "warning", "assert"].contains(&event["params"]["type"].as_str().unwrap_or(""))
            }
            _ => false,
        };
        self.events.iter().filter(is_one).map(|event| event["params"].to_string()).collect()
    }

    /// The addresses of all requests.
    pub(crate) fn requests(&self) -> Vec<String> {
        let sent = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        sent.filter_map(|event| Some(event["params"]["request"]["url"].as_str()?.to_owned())).collect()
    }

    /// A picture of the whole page, if `WGVAE_SCREENSHOTS` names a folder for it.
    pub(crate) fn screenshot(&mut self, tab: &Tab, name: &str) {
        let Some(folder) = std::env::var_os("WGVAE_SCREENSHOTS") else { return };
        let shot = self.call(tab, "Page.captureScreenshot", json!({ "captureBeyondViewport": true }));
        let bytes = self.eval(
            tab,
            &format!("[...atob('{}')].map((c) => c.charCodeAt(0))", shot["data"].as_str().expect("base64")),
        );
        let bytes: Vec<u8> = serde_json::from_value(bytes).expect("bytes");
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), bytes).expect("written");
    }
}
