//! What every bug report has to say of this program and the machine under it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wgvae::gpu::Adapter;
use wgvae::tune::file::shaders;

use super::terminal::shown;

/// Begins the names of variables by which drivers, the Vulkan loader and wgpu are told what adapters there are.
const PREFIXES: [&str; 4] = ["WGPU_", "VK_", "MESA_", "__VK_LAYER_"];
/// Names of further ones.
const VARIABLES: [&str; 5] =
    ["NODEVICE_SELECT", "DRI_PRIME", "__NV_PRIME_RENDER_OFFLOAD", "LP_NUM_THREADS", "WGVAE_CACHE_DIR"];

/// The commit that this program was built from.
pub fn commit() -> &'static str {
    match env!("WGVAE_COMMIT") {
        "" => "unknown",
        commit => commit,
    }
}

/// Version, commit, shaders, system.
pub fn version() -> String {
    let (version, os, arch) = (env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH);
    format!("wgvae {version}, commit {}, shaders {}, {os} {arch}", commit(), shaders())
}

/// The driver of `adapter` and its version.
pub fn driver(adapter: &Adapter) -> String {
    format!("{} {}", adapter.info.driver, adapter.info.driver_info).trim().to_owned()
}

/// The variables that influence which adapters there are and how they compute, where they are set, by the user or (as
/// `gpu::llvmpipe` does) by the program, as they may be printed.
pub fn environment() -> BTreeMap<String, String> {
    let all = std::env::vars_os().map(|(name, value)| [name, value].map(|text| shown(text.as_ref())));
    let matters = |name: &str| VARIABLES.contains(&name) || PREFIXES.iter().any(|p| name.starts_with(p));
    all.filter(|[name, _]| matters(name)).map(|[name, value]| (name, value)).collect()
}

/// The same for programs to read.
pub fn json() -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"), "commit": commit(), "shaders": shaders(),
        "os": std::env::consts::OS, "arch": std::env::consts::ARCH, "environment": environment(),
    })
}
