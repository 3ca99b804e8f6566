//! Environment variables for Mesa's drivers, set before the adapters are listed.

#[cfg(target_os = "linux")]
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The variable with llvmpipe's number of threads.
#[cfg(target_os = "linux")]
const THREADS: &str = "LP_NUM_THREADS";

/// Gives llvmpipe two threads per core, unless the user has set their number.
///
/// llvmpipe divides every dispatch into one part per thread, by default one per core, and waits for the last part. If two
/// parts share a core for a while, the other cores idle. Twice the number of smaller parts let the operating system's scheduler
/// balance the cores. Call it before the process starts a second thread; after that it changes nothing.
#[cfg(target_os = "linux")]
pub fn set_thread_count() {
    /// The number of cores from which two threads each exceed llvmpipe's maximum of 16.
    const TOO_MANY: usize = 9;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if (2..TOO_MANY).contains(&cores) && std::env::var_os(THREADS).is_none() {
        set(THREADS, &(2 * cores).to_string());
    }
}

/// Does nothing on systems without llvmpipe.
#[cfg(not(target_os = "linux"))]
pub fn set_thread_count() {}

/// Silences two messages of Mesa before the program's own output: that of the device selection layer without a desktop,
/// which is not needed because the adapter is chosen here, and the warning of non-conformant drivers, which the user has
/// enabled explicitly. Call it as early as [`set_thread_count`].
#[cfg(target_os = "linux")]
pub fn silence_mesa() {
    const LAYER_OFF: &str = "NODEVICE_SELECT";
    const NO_WARNING: &str = "MESA_VK_IGNORE_CONFORMANCE_WARNING";
    // libwayland takes an absolute path only
    let desktop = std::env::var_os("XDG_RUNTIME_DIR").is_some_and(|folder| Path::new(&folder).is_absolute());
    if !desktop && std::env::var_os(LAYER_OFF).is_none() {
        set(LAYER_OFF, "1");
    }
    if std::env::var_os(NO_WARNING).is_none() {
        set(NO_WARNING, "true");
    }
}

/// Does nothing on systems without Mesa.
#[cfg(not(target_os = "linux"))]
pub fn silence_mesa() {}

/// The variables that the program has set.
static SET: Mutex<Vec<&str>> = Mutex::new(Vec::new());

#[cfg(target_os = "linux")]
fn set(name: &'static str, value: &str) {
    super::unsafe_calls::set_variable(name, value);
    SET.lock().unwrap_or_else(PoisonError::into_inner).push(name);
}

/// Whether the program, not the user, has set this variable.
pub fn has_set(name: &str) -> bool {
    SET.lock().unwrap_or_else(PoisonError::into_inner).contains(&name)
}
