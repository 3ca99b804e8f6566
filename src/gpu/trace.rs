//! Export of times in Chrome's trace event format, for chrome://tracing and Perfetto.
//!
//! Format: "Trace Event Format", Google, 2016; complete events (`X`), times in microseconds.

use serde_json::{Value, json};

use super::profile::Timings;

/// Tracks of the process.
const DEVICE: u32 = 1;
const HOST: u32 = 2;

fn microseconds(ns: u64) -> f64 {
    ns as f64 / 1e3
}

fn named(what: &str, track: u32, name: &str) -> Value {
    json!({ "ph": "M", "name": what, "pid": 1, "tid": track, "args": { "name": name } })
}

/// One track for the device, one event per dispatch or clear with `kernel`, `program`, `flops` and `bytes` among
/// its arguments, and one for the host. `title` names the process, `timings.clock` the device's track.
pub fn document(timings: &Timings, title: &str) -> Value {
    let mut events = vec![
        named("process_name", DEVICE, title),
        named("thread_name", DEVICE, &format!("device, by {}", timings.clock)),
        named("thread_name", HOST, "host"),
    ];
    events.extend(timings.device.iter().map(|t| {
        json!({
            "ph": "X", "name": t.label, "cat": t.kernel, "pid": 1, "tid": DEVICE,
            "ts": microseconds(t.begin_ns), "dur": microseconds(t.ns()),
            "args": { "kernel": t.kernel, "program": t.program, "flops": t.flops, "bytes": t.bytes },
        })
    }));
    events.extend(timings.host.iter().map(|span| {
        json!({
            "ph": "X", "name": span.what, "cat": "host", "pid": 1, "tid": HOST,
            "ts": microseconds(span.begin_ns), "dur": microseconds(span.end_ns - span.begin_ns),
        })
    }));
    json!({ "traceEvents": events, "displayTimeUnit": "ms" })
}
