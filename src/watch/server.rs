//! The server of the page: its files, what is new, pictures, and the request to stop a training.
//! Read this for who may ask for what.
//!
//! Only requests of this machine are answered, by the name of the host, and only below a path that has a random token:
//! other users of the machine, and pages of other servers in the same browser, do not know it. A request to stop also has
//! to come from the page itself, by its `Origin`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oxhttp::model::header::{CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY};
use oxhttp::model::{Body, HeaderValue, Method, Request, Response, StatusCode};
use rand::TryRng;
use rand::rngs::SysRng;

use super::{PAGE, Watch, files};
use crate::error::{Error, Result};
use crate::web::{Serving, kind, listen, only, reads, respond, said};

/// Time that a request spends on reading new lines.
const BUDGET: Duration = Duration::from_millis(100);

/// A running server.
pub struct Watching {
    serving: Serving,
    token: String,
}

impl Watching {
    /// The address of the page, such as `http://127.0.0.1:8080/TOKEN/`.
    pub fn url(&self) -> String {
        format!("{}{}/", self.serving.url(), self.token)
    }

    /// Blocks for as long as the server runs.
    ///
    /// # Errors
    /// If the server fails.
    pub fn wait(self) -> Result<()> {
        self.serving.wait()
    }
}

/// Serves the page on 127.0.0.1 at `port`, or without one at 8080 or a free port.
///
/// # Errors
/// If the port is in use, or the system has no random numbers.
pub fn serve(watch: Watch, port: Option<u16>) -> Result<Watching> {
    let token = token()?;
    let watch = Arc::new(Mutex::new(watch));
    let (shared, prefix) = (watch.clone(), format!("/{token}/"));
    let serving = listen(port, move |request| answer(&shared, &prefix, request))?;
    // the files are read before the page asks for them
    let reads = move || {
        while locked(&watch).refresh(BUDGET) {
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    let _ = std::thread::Builder::new().name("first look at runs".into()).spawn(reads);
    Ok(Watching { serving, token })
}

/// 128 random bits.
fn token() -> Result<String> {
    let mut bytes = [0; 16];
    let random = SysRng.try_fill_bytes(&mut bytes);
    random.map_err(|error| Error::Usage(format!("the system has no random numbers: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn locked(watch: &Mutex<Watch>) -> MutexGuard<'_, Watch> {
    // a request that panicked has changed nothing that the next one needs
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(watch: &Mutex<Watch>, prefix: &str, request: &Request<Body>) -> Response<Body> {
    let Some(name) = request.uri().path().strip_prefix(prefix) else {
        return said(StatusCode::NOT_FOUND, "open the whole address that wgvae has printed\n");
    };
    let mut response = match (name, request.method()) {
        ("stop", &Method::POST) => stop(watch, request),
        ("stop", _) => only("POST"),
        _ if !reads(request) => only("GET, HEAD"),
        _ => page(watch, name, request.uri().query().unwrap_or_default()),
    };
    let headers = response.headers_mut();
    // the token is in the address, and no other page may frame the button
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("frame-ancestors 'none'"));
    response
}

/// The value of a parameter of a query. None needs to be decoded.
fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .filter_map(|part| part.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

fn page(watch: &Mutex<Watch>, name: &str, query: &str) -> Response<Body> {
    let run = parameter(query, "run").unwrap_or_default();
    match name {
        "data" => {
            let since = parameter(query, "since").and_then(|number| number.parse().ok()).unwrap_or(0);
            let mut watch = locked(watch);
            watch.refresh(BUDGET);
            respond(StatusCode::OK, "application/json", watch.answer(since))
        }
        "latents" => match locked(watch).latents(run) {
            Some(json) => respond(StatusCode::OK, "application/json", json),
            None => said(StatusCode::NOT_FOUND, "there is no such run\n"),
        },
        "picture" => {
            let epoch = parameter(query, "epoch").and_then(|number| number.parse().ok());
            let folder = locked(watch).run(run).map(|run| run.path.clone());
            let (Some(epoch), Some(folder)) = (epoch, folder) else {
                return said(StatusCode::NOT_FOUND, "there is no such picture\n");
            };
            match files::read_picture(&folder, parameter(query, "kind").unwrap_or_default(), epoch) {
                Ok(png) => respond(StatusCode::OK, "image/png", png),
                Err(reason) => said(StatusCode::NOT_FOUND, &format!("{reason}\n")),
            }
        }
        _ => {
            let name = if name.is_empty() { "index.html" } else { name };
            match PAGE.iter().find(|(known, _)| *known == name) {
                Some((_, text)) => respond(StatusCode::OK, kind(name), text.as_bytes().to_vec()),
                None => said(StatusCode::NOT_FOUND, "no such file\n"),
            }
        }
    }
}

/// Asks a training to stop, if the request comes from the page.
fn stop(watch: &Mutex<Watch>, request: &Request<Body>) -> Response<Body> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let own = header(HOST).map(|host| format!("http://{host}"));
    if own.is_none() || header(ORIGIN) != own.as_deref() {
        return said(StatusCode::FORBIDDEN, "a training is stopped by its page only\n");
    }
    let query = request.uri().query().unwrap_or_default();
    match locked(watch).run(parameter(query, "run").unwrap_or_default()).map(super::run::Run::stop) {
        Some(Ok(())) => {
            said(StatusCode::ACCEPTED, "the training finishes its step and writes a checkpoint\n")
        }
        Some(Err(reason)) => said(StatusCode::CONFLICT, &format!("{reason}\n")),
        None => said(StatusCode::NOT_FOUND, "there is no such run\n"),
    }
}
