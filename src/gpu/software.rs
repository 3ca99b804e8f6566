//! What software adapters are told before they are looked for.

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
        super::trusted::set_variable(THREADS, &(2 * cores).to_string());
    }
}

/// Nothing where llvmpipe is not what people have.
#[cfg(not(target_os = "linux"))]
pub fn cut_work_finer() {}

/// Leaves out Mesa's layer that asks the desktop which GPU it uses, where there is no desktop to ask: it would complain in
/// front of everything that the program says. Which adapter is taken is decided here anyway. To be called as early as
/// [`cut_work_finer`].
#[cfg(target_os = "linux")]
pub fn ask_no_desktop() {
    const LAYER_OFF: &str = "NODEVICE_SELECT";
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() && std::env::var_os(LAYER_OFF).is_none() {
        super::trusted::set_variable(LAYER_OFF, "1");
    }
}

/// Nothing where Mesa has no such layer.
#[cfg(not(target_os = "linux"))]
pub fn ask_no_desktop() {}
