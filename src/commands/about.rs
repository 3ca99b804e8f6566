//! Facts about the program and the machine for bug reports.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wgvae::gpu::Adapter;
use wgvae::tune::file::shaders;

use super::terminal::shown;

/// Prefixes of environment variables of drivers, of the Vulkan loader and of wgpu.
const PREFIXES: [&str; 4] = ["WGPU_", "VK_", "MESA_", "__VK_LAYER_"];
/// Further environment variables that influence adapters.
const VARIABLES: [&str; 5] =
    ["NODEVICE_SELECT", "DRI_PRIME", "__NV_PRIME_RENDER_OFFLOAD", "LP_NUM_THREADS", "WGVAE_CACHE_DIR"];

/// The commit that this program was built from.
pub fn commit() -> &'static str {
    match env!("WGVAE_COMMIT") {
        "" => "unknown",
        commit => commit,
    }
}

/// Version, commit, digest of the shaders, operating system.
pub fn version() -> String {
    let (version, os, arch) = (env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH);
    format!("wgvae {version}, commit {}, shaders {}, {os} {arch}", commit(), shaders())
}

/// The driver of `adapter` and its version.
pub fn driver(adapter: &Adapter) -> String {
    format!("{} {}", adapter.info.driver, adapter.info.driver_info).trim().to_owned()
}

/// The environment variables in effect that influence adapters, in printable form. The user or the program
/// (`gpu::llvmpipe`) may have set them.
pub fn environment() -> BTreeMap<String, String> {
    let all = std::env::vars_os().map(|(name, value)| [name, value].map(|text| shown(text.as_ref())));
    let matters = |name: &str| VARIABLES.contains(&name) || PREFIXES.iter().any(|p| name.starts_with(p));
    all.filter(|[name, _]| matters(name)).map(|[name, value]| (name, value)).collect()
}

/// These facts as JSON.
pub fn json() -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"), "commit": commit(), "shaders": shaders(),
        "os": std::env::consts::OS, "arch": std::env::consts::ARCH, "environment": environment(),
    })
}
