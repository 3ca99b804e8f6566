//! Resources of a machine for one of several processes: an adapter, and processors.

use anyhow::Result;
use wgvae::distributed::launched;
use wgvae::error::Error;
use wgvae::gpu::{Adapter, adapter};

use super::settings::RunOptions;
use crate::commands;

/// Advice if the launcher lets this process use fewer processors than there are for each of `here` processes on this machine:
/// decoding and software adapters compute on all that they get. Open MPI binds each of one or two processes to one core.
pub(super) fn bound_processors(here: usize) -> Option<String> {
    launched()?;
    let own = std::thread::available_parallelism().ok()?.get();
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_cpu_list(sysinfo::CpuRefreshKind::nothing());
    let all = system.cpus().len();
    (own * here.max(1) < all).then(|| {
        format!(
            "the launcher lets each process use {own} of {all} processors; Open MPI's gives them all with mpirun --bind-to none"
        )
    })
}

/// The adapter with number `place` of those that `options` name, with `ranks_per_adapter` places on each.
pub(super) fn nth_adapter(options: &RunOptions, place: usize) -> Result<Adapter> {
    let choice = commands::choice(&options.adapter)?;
    let backends = adapter::backends(options.adapter.backend.as_deref())?;
    let most = options.ranks_per_adapter as usize;
    match Adapter::choose_nth(&choice, backends, place / most)? {
        Ok(adapter) => Ok(commands::keeping(adapter)),
        Err(count) => {
            let asked = options.adapter.adapter.as_deref().unwrap_or("high-performance");
            let reason = format!(
                "--adapter {asked}: {} on this machine, and more processes; start fewer, or let several share one with \
                 --ranks-per-adapter {}",
                wgvae::data::counted(count, "such adapter"),
                (place + 1).div_ceil(count)
            );
            Err(Error::Usage(reason).into())
        }
    }
}

/// A text that tells adapters of one machine apart.
pub(super) fn identity(adapter: &Adapter) -> String {
    let info = &adapter.info;
    format!("{} {} {:?} {}", info.vendor, info.device, info.backend, info.device_pci_bus_id)
}
