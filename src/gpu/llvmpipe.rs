//! What drivers are told before they are looked for.

#[cfg(target_os = "linux")]
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Tells llvmpipe how many threads it has.
#[cfg(target_os = "linux")]
const THREADS: &str = "LP_NUM_THREADS";

/// Gives llvmpipe two threads for each core, unless the user has said how many. It cuts every dispatch into as many parts as
/// it has threads, one for each core by itself, and waits for the last: where two parts meet on one core for a while, the
/// others idle. With parts half as long, the kernel that spreads threads over cores evens that out. To be called before
/// anything else has started a thread: then it is too late, and nothing is changed.
#[cfg(target_os = "linux")]
pub fn cut_work_finer() {
    /// Cores from which on it would be given more than the 16 threads that it takes at most.
    const MANY: usize = 9;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if (2..MANY).contains(&cores) && std::env::var_os(THREADS).is_none() {
        set(THREADS, &(2 * cores).to_string());
    }
}

/// Nothing where llvmpipe is not what people have.
#[cfg(not(target_os = "linux"))]
pub fn cut_work_finer() {}

/// Keeps Mesa's drivers from complaining in front of everything that the program says: leaves out the layer that asks the
/// desktop which GPU it uses, where there is no desktop to ask (which adapter is taken is decided here anyway), and the
/// line of drivers that have not passed Khronos' tests, which the user has been asked about. To be called as early as
/// [`cut_work_finer`].
#[cfg(target_os = "linux")]
pub fn ask_no_desktop() {
    const LAYER_OFF: &str = "NODEVICE_SELECT";
    const NO_WARNING: &str = "MESA_VK_IGNORE_CONFORMANCE_WARNING";
    // what libwayland takes for a folder
    let desktop = std::env::var_os("XDG_RUNTIME_DIR").is_some_and(|folder| Path::new(&folder).is_absolute());
    if !desktop && std::env::var_os(LAYER_OFF).is_none() {
        set(LAYER_OFF, "1");
    }
    if std::env::var_os(NO_WARNING).is_none() {
        set(NO_WARNING, "true");
    }
}

/// Nothing where Mesa has no such layer.
#[cfg(not(target_os = "linux"))]
pub fn ask_no_desktop() {}

/// The variables that were set here, and not by the user.
static SET: Mutex<Vec<&str>> = Mutex::new(Vec::new());

#[cfg(target_os = "linux")]
fn set(name: &'static str, value: &str) {
    super::unsafe_calls::set_variable(name, value);
    SET.lock().unwrap_or_else(PoisonError::into_inner).push(name);
}

/// Whether the program has set this variable of its environment by itself.
pub fn has_set(name: &str) -> bool {
    SET.lock().unwrap_or_else(PoisonError::into_inner).contains(&name)
}
