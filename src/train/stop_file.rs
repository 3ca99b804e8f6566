//! Requests to stop a training by a file in the run's folder: what `wgvae watch` writes when its button is pressed.
//! Read this for who makes the file, who looks for it, and who removes it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// File name of the request.
pub const STOP: &str = "stop";
/// Time between two looks.
const EVERY: Duration = Duration::from_millis(500);

/// Looks for the file until it is dropped; then the file is removed.
#[derive(Debug)]
pub struct StopFile {
    /// dropping it ends the thread
    end: Option<Sender<()>>,
    looks: Option<JoinHandle<()>>,
}

impl StopFile {
    /// Removes a request that an earlier training left, and from then on sets `stop` and calls `told` when the file is
    /// there.
    pub fn follow(run: &Path, stop: &Arc<AtomicBool>, told: impl Fn() + Send + 'static) -> Self {
        let (path, stop) = (run.join(STOP), stop.clone());
        let _ = std::fs::remove_file(&path);
        let (end, ended) = channel();
        let look = move || {
            let mut asked = false;
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                if !asked && path.symlink_metadata().is_ok() {
                    asked = true;
                    told();
                    stop.store(true, Ordering::SeqCst);
                }
            }
            let _ = std::fs::remove_file(&path);
        };
        // without the thread a training still stops by signals
        let looks = std::thread::Builder::new().name("stop file".into()).spawn(look).ok();
        Self { end: Some(end), looks }
    }
}

impl Drop for StopFile {
    fn drop(&mut self) {
        self.end = None;
        if let Some(looks) = self.looks.take() {
            let _ = looks.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stops_and_an_old_one_does_not() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join(STOP);
        std::fs::write(&file, "").expect("written");
        let (stop, (told, heard)) = (Arc::new(AtomicBool::new(false)), channel());
        let follows = StopFile::follow(folder.path(), &stop, move || told.send(()).expect("heard"));
        assert!(!file.exists() && !stop.load(Ordering::SeqCst), "a request to an earlier training");
        std::fs::write(&file, "").expect("written");
        heard.recv_timeout(Duration::from_secs(60)).expect("a word");
        while !stop.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        assert!(file.exists(), "until the training has ended");
        drop(follows);
        assert!(!file.exists());
    }
}
