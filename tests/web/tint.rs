//! Every kernel of exported pages by Tint, the WGSL compiler of Chromium: a front end that is not naga.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use wgvae::config::{FlowConfig, FlowSize, Likelihood, LossKind, ModelConfig};
use wgvae::model::flow::FlowSampling;
use wgvae::web;

use crate::browser::{Browser, Tab};
use crate::common::report;

/// The kernels of pages of every kind of model, as a page composes them.
fn kernels() -> BTreeSet<String> {
    let models = [
        ModelConfig::REFERENCE,
        ModelConfig::reference(48, 3, 5),
        ModelConfig::spatial(64, 16, 8, 8),
        ModelConfig::spatial(16, 4, 4, 4),
    ];
    let mut all = BTreeSet::new();
    for config in models {
        for loss in [LossKind::Bce, LossKind::Mse, LossKind::ContinuousBernoulli] {
            for (size, guidance) in [(FlowSize::Small, Some(2.0)), (FlowSize::Wide, None)] {
                let flow = FlowConfig::new(&config, size, 3);
                let flow = FlowSampling { config: flow, steps: 2, guidance };
                let likelihood = Likelihood { kind: loss, ..Likelihood::default() };
                let recorded = web::record(&config, likelihood, Some(flow)).expect("recorded");
                let plan: Value = serde_json::to_value(&recorded.plan).expect("a document");
                let programs = plan["programs"].as_object().expect("programs").values();
                for step in programs.filter_map(Value::as_array).flatten() {
                    let Some(shader) = step["shader"].as_str() else { continue };
                    let header = step["header"].as_str().expect("a header");
                    all.insert(header.to_owned() + &recorded.shaders[shader]);
                }
            }
        }
    }
    all
}

/// The texts that Tint refuses, each with its message. `tab` shows a page, because WebGPU needs a secure context.
fn refused(browser: &mut Browser, tab: &Tab, texts: &[&str]) -> Vec<String> {
    let script = format!(
        "(async () => {{ \
           const adapter = await navigator.gpu.requestAdapter(); \
           const device = await adapter.requestDevice(); \
           const refused = []; \
           for (const code of {}) {{ \
             device.pushErrorScope('validation'); \
             const info = await device.createShaderModule({{ code }}).getCompilationInfo(); \
             const error = await device.popErrorScope(); \
             const said = info.messages.filter((message) => message.type === 'error'); \
             if (error || said.length > 0) refused.push(code.slice(-400) + (said[0]?.message ?? error.message)); \
           }} \
           device.destroy(); \
           return refused; }})()",
        json!(texts)
    );
    serde_json::from_value(browser.eval(tab, &script)).expect("texts")
}

pub(crate) fn takes_every_kernel(browser: &mut Browser, tab: &Tab) {
    let kernels = kernels();
    assert!(kernels.len() > 100, "{} kernels", kernels.len());
    let texts: Vec<&str> = kernels.iter().map(String::as_str).collect();
    assert_eq!(refused(browser, tab, &texts), Vec::<String>::new());
    // a text that naga takes is refused
    let planted = "@compute @workgroup_size(4) fn main(@builtin(subgroup_size) lanes: u32) { _ = lanes; }";
    assert_eq!(refused(browser, tab, &[planted]).len(), 1, "a builtin without its extension");
    report::checked(kernels.len(), "kernels by Tint");
}
