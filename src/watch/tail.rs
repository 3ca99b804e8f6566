//! New lines of a file that another program appends to, cuts, or replaces.
//! Read this for how a change is recognised, and for what bounds the work.

use std::fs::{File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Instant, SystemTime};

use super::inside;

/// Bytes that are read at once. Longer lines are passed over.
pub(super) const MAX_LINE: usize = 1 << 20;
/// Bytes at the begin and before the end of what was read, by which a rewritten file is recognised.
const SEEN: usize = 64;

/// Result of a look at the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// everything up to now has been read
    All,
    /// there is more, and the time was over
    More,
}

/// A place in a file.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// end of the last complete line
    offset: u64,
    /// end of the last look: size, and time of the change
    looked: Option<(u64, Option<SystemTime>)>,
    identity: Option<Identity>,
    head: Vec<u8>,
    tail: Vec<u8>,
    /// whether the line at `offset` is too long, and the rest of it is passed over
    skips: bool,
    /// lines that were too long
    pub(super) too_long: u64,
}

/// Device and inode, if the system has them.
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(of: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (of.dev(), of.ino())
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Identity {
    (0, 0)
}

impl Tail {
    /// Time of the last change that was seen.
    pub(super) fn changed(&self) -> Option<SystemTime> {
        self.looked?.1
    }

    /// Passes new lines to `line` until `deadline`. Calls `again` first if the file is not the one that was read before.
    ///
    /// # Errors
    /// The reason why the file cannot be read.
    pub(super) fn read(
        &mut self,
        (folder, name): (&Path, &str),
        deadline: Instant,
        again: &mut dyn FnMut(),
        line: &mut dyn FnMut(&[u8]),
    ) -> Result<Found, String> {
        let about = inside::metadata(folder, name)?;
        let now = (about.len(), about.modified().ok());
        let same = self.identity == Some(identity(&about));
        if same && self.looked == Some(now) {
            return Ok(Found::All);
        }
        let mut file = inside::open(folder, name)?;
        if self.identity.is_some() && !(same && self.continues(&mut file, now.0)) {
            *self = Self::default();
            again();
        }
        self.identity = Some(identity(&about));
        let cannot = |error: std::io::Error| format!("{name} cannot be read: {error}");
        file.seek(SeekFrom::Start(self.offset)).map_err(cannot)?;
        let (mut buffer, mut filled) = (vec![0; MAX_LINE.min(now.0 as usize + 1)], 0);
        loop {
            let count = file.read(&mut buffer[filled..]).map_err(cannot)?;
            filled += count;
            if count == 0 || self.offset + filled as u64 >= now.0 {
                self.take(&buffer[..filled], line);
                self.looked = Some(now);
                return Ok(Found::All);
            }
            if filled == buffer.len() {
                let rest = self.take(&buffer, line);
                buffer.copy_within(filled - rest.., 0);
                filled = rest;
                if filled == buffer.len() {
                    self.pass_over(&buffer);
                    filled = 0;
                }
                if Instant::now() > deadline {
                    return Ok(Found::More);
                }
            }
        }
    }

    /// Passes the complete lines of `bytes`, which begin at the offset, to `line`. Returns the length of the rest.
    fn take(&mut self, bytes: &[u8], line: &mut dyn FnMut(&[u8])) -> usize {
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { return bytes.len() };
        for text in bytes[..end].split(|byte| *byte == b'\n') {
            if !std::mem::take(&mut self.skips) {
                line(text);
            }
        }
        self.advance(&bytes[..=end]);
        bytes.len() - end - 1
    }

    /// Passes over a part of a line that is too long.
    fn pass_over(&mut self, bytes: &[u8]) {
        if !std::mem::replace(&mut self.skips, true) {
            self.too_long += 1;
        }
        self.advance(bytes);
    }

    fn advance(&mut self, bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        if self.head.len() < SEEN {
            self.head.extend(&bytes[..bytes.len().min(SEEN - self.head.len())]);
        }
        self.tail.extend(&bytes[bytes.len().saturating_sub(SEEN)..]);
        self.tail.drain(..self.tail.len().saturating_sub(SEEN));
    }

    /// Whether the file still has what was read of it, as far as its begin and the last bytes tell.
    fn continues(&self, file: &mut File, size: u64) -> bool {
        let mut is = |at: u64, bytes: &[u8]| {
            let mut found = vec![0; bytes.len()];
            file.seek(SeekFrom::Start(at)).is_ok() && file.read_exact(&mut found).is_ok() && found == bytes
        };
        size >= self.offset && is(0, &self.head) && is(self.offset - self.tail.len() as u64, &self.tail)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use super::*;

    /// A file, the place in it, and the lines since the last look; "again" is one of them.
    struct Look(tempfile::TempDir, Tail);

    impl Look {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("folder"), Tail::default())
        }

        fn write(&self, text: &str, append: bool) {
            let path = self.0.path().join("f");
            let mut options = std::fs::OpenOptions::new();
            let mut file =
                options.create(true).append(append).write(true).truncate(!append).open(path).expect("open");
            file.write_all(text.as_bytes()).expect("written");
        }

        fn look(&mut self) -> Vec<String> {
            let lines = std::cell::RefCell::new(Vec::new());
            let deadline = Instant::now() + Duration::from_secs(60);
            let found = self.1.read(
                (self.0.path(), "f"),
                deadline,
                &mut || lines.borrow_mut().push("again".to_owned()),
                &mut |line| lines.borrow_mut().push(String::from_utf8_lossy(line).into_owned()),
            );
            assert_eq!(found, Ok(Found::All));
            lines.into_inner()
        }
    }

    #[test]
    fn only_complete_and_new_lines_are_passed_on() {
        let mut file = Look::new();
        file.write("one\ntwo\nthr", false);
        assert_eq!(file.look(), ["one", "two"]);
        assert!(file.look().is_empty());
        file.write("ee\nfour\n", true);
        assert_eq!(file.look(), ["three", "four"]);
        assert!(file.look().is_empty());
    }

    #[test]
    fn a_file_that_was_cut_or_rewritten_is_read_again() {
        let mut file = Look::new();
        file.write("one\ntwo\n", false);
        assert_eq!(file.look(), ["one", "two"]);
        file.write("one\n", false);
        assert_eq!(file.look(), ["again", "one"]);
        file.write("ONE\ntwo\nthree\n", false);
        assert_eq!(file.look(), ["again", "ONE", "two", "three"]);
        // another file of this name, which begins as this one does
        let path = file.0.path().join("g");
        std::fs::write(&path, "ONE\ntwo\nthree\nfour\n").expect("written");
        std::fs::rename(path, file.0.path().join("f")).expect("renamed");
        let read = file.look();
        assert_eq!(read.last().map(String::as_str), Some("four"), "{read:?}");
        std::fs::remove_file(file.0.path().join("f")).expect("removed");
        let gone = file.1.read((file.0.path(), "f"), Instant::now(), &mut || (), &mut |_| ());
        assert!(gone.is_err_and(|reason| reason.contains("f cannot be read")));
    }

    #[test]
    fn long_lines_are_passed_over() {
        let mut file = Look::new();
        let long = "x".repeat(5 * MAX_LINE / 2);
        file.write(&format!("one\n{long}\ntwo\n{long}"), false);
        assert_eq!(file.look(), ["one", "two"]);
        assert_eq!(file.1.too_long, 2);
        file.write(&format!("{long}\nthree\n"), true);
        assert_eq!(file.look(), ["three"]);
        assert_eq!(file.1.too_long, 2, "it was counted");
    }

    #[test]
    fn a_long_file_is_read_in_parts() {
        let mut file = Look::new();
        let lines: String = (0..300_000).map(|n| format!("{n:09}\n")).collect();
        file.write(&lines, false);
        let (mut read, mut looks) = (Vec::new(), 0);
        loop {
            looks += 1;
            let mut line = |line: &[u8]| read.push(String::from_utf8_lossy(line).into_owned());
            let past = Instant::now();
            match file.1.read((file.0.path(), "f"), past, &mut || panic!("it is the same"), &mut line) {
                Ok(Found::More) => {}
                Ok(Found::All) => break,
                Err(reason) => panic!("{reason}"),
            }
        }
        assert!(looks > 2 && read.len() == 300_000 && read[299_999] == "000299999", "{looks} looks");
    }
}
