//! A local web server: for an exported page, and for other functions that answer requests of this machine.
//! Used by `wgvae web` and `wgvae watch`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use oxhttp::model::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, X_CONTENT_TYPE_OPTIONS};
use oxhttp::model::{Body, HeaderValue, Method, Request, Response, StatusCode};
use oxhttp::{ListeningServer, Server};

use super::Files;
use crate::error::{Error, Result};

/// Default port, tried first if none is given.
const USUAL: u16 = 8080;
/// Maximum number of connections; browsers open a handful.
const MAX_CONNECTIONS: usize = 64;

/// A running server.
pub struct Serving {
    /// address that it listens on
    pub address: SocketAddr,
    server: ListeningServer,
}

impl Serving {
    /// The URL, such as `http://127.0.0.1:8080/`.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Blocks for as long as the server runs.
    ///
    /// # Errors
    /// If the server fails.
    pub fn wait(self) -> Result<()> {
        self.server.join().map_err(|e| Error::Usage(format!("the server broke: {e}")))
    }
}

/// Serves `files` on 127.0.0.1 at `port`, or without one at 8080 or a free port.
///
/// # Errors
/// If the port is in use.
pub fn serve(files: Files, port: Option<u16>) -> Result<Serving> {
    listen(port, move |request| answer(&files, request))
}

/// Answers requests of this machine on 127.0.0.1 at `port`, or without one at 8080 or a free port.
///
/// # Errors
/// If the port is in use.
pub(crate) fn listen(
    port: Option<u16>,
    answer: impl Fn(&Request<Body>) -> Response<Body> + Send + Sync + 'static,
) -> Result<Serving> {
    let answer = Arc::new(answer);
    let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| Ok(l.local_addr()?.port()));
    // the server does not report the port chosen for 0, so a free one is found first
    let port_taken = |port: u16| move |e| Error::Usage(format!("cannot listen on 127.0.0.1:{port}: {e}"));
    let tries = match port {
        Some(0) => vec![free().map_err(port_taken(0))?],
        Some(port) => vec![port],
        None => vec![USUAL, free().map_err(port_taken(0))?],
    };
    let mut last = None;
    for port in tries {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let answer = answer.clone();
        let local = move |request: &mut Request<Body>| match is_local(request) {
            true => answer(request),
            false => said(StatusCode::FORBIDDEN, "this server is for this machine alone\n"),
        };
        let server = Server::new(local)
            .bind(address)
            .with_global_timeout(Duration::from_secs(60))
            .with_max_concurrent_connections(MAX_CONNECTIONS);
        match server.spawn() {
            Ok(server) => return Ok(Serving { address, server }),
            Err(error) => last = Some(port_taken(port)(error)),
        }
    }
    Err(last.unwrap_or_else(|| Error::Usage("no port to listen on".into())))
}

/// Answers only requests for local host names: a foreign page could lead a browser here under a name of its own (DNS
/// rebinding).
fn is_local(request: &Request<Body>) -> bool {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    ["127.0.0.1", "localhost"].contains(&name)
}

/// An answer of one line.
pub(crate) fn said(status: StatusCode, text: &str) -> Response<Body> {
    respond(status, "text/plain; charset=utf-8", text.as_bytes().to_vec())
}

/// The answer to a request that is not one of `methods`.
pub(crate) fn only(methods: &'static str) -> Response<Body> {
    let mut response = said(StatusCode::METHOD_NOT_ALLOWED, &format!("only {methods}\n"));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
}

/// Whether a request only reads.
pub(crate) fn reads(request: &Request<Body>) -> bool {
    [Method::GET, Method::HEAD].contains(request.method())
}

fn answer(files: &Files, request: &Request<Body>) -> Response<Body> {
    if !reads(request) {
        return only("GET, HEAD");
    }
    let name = match request.uri().path().trim_start_matches('/') {
        "" => "index.html",
        name => name,
    };
    match files.get(name) {
        Some(bytes) => respond(StatusCode::OK, kind(name), bytes.clone()),
        None => said(StatusCode::NOT_FOUND, "no such file\n"),
    }
}

/// An answer with these bytes.
pub(crate) fn respond(status: StatusCode, kind: &'static str, bytes: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // another model may be served at this address next
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The media type of a file by its name.
pub(crate) fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, suffix)| suffix) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("wgsl") => "text/wgsl; charset=utf-8",
        _ => "application/octet-stream",
    }
}
