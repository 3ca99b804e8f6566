//! The other files of a run: pictures of epochs, and what all of it takes on the disk.
//! Read this for what a folder full of files may cost.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::inside;

/// Largest number of files that are looked at in a run, of epochs with pictures, and of folders below each other.
const MAX_FILES: usize = 20_000;
const MAX_EPOCHS: usize = 5_000;
const MAX_DEPTH: usize = 4;
/// Largest picture in bytes, and its longest edge in pixels: a browser unpacks all of it.
const MAX_PICTURE: u64 = 24 << 20;
const MAX_EDGE: u32 = 8192;

/// The kinds of pictures of an epoch.
pub(super) const KINDS: [&str; 2] = ["sample", "reconstruction"];

/// Files of a run.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Files {
    /// epochs with a picture of each kind
    pictures: BTreeMap<&'static str, Vec<u32>>,
    /// bytes on the disk, and those of them in checkpoints
    bytes: u64,
    checkpoint_bytes: u64,
    /// number of checkpoints
    checkpoints: usize,
    /// whether there were too many files to look at
    cut: bool,
}

impl Files {
    pub(super) fn refresh(&mut self, run: &Path) {
        let mut found = Self::default();
        // links are not followed
        let all = walkdir::WalkDir::new(run).max_depth(MAX_DEPTH).into_iter().filter_map(Result::ok);
        for (number, entry) in all.enumerate() {
            if number == MAX_FILES {
                found.cut = true;
                break;
            }
            let inside = entry.path().strip_prefix(run).unwrap_or(entry.path());
            let parts: Vec<_> = inside.iter().collect();
            let in_checkpoints = parts.first().is_some_and(|part| *part == "checkpoints");
            let kind = entry.file_type();
            if kind.is_dir() && parts.len() == 2 && in_checkpoints {
                found.checkpoints += 1;
            }
            let size = if kind.is_file() { entry.metadata().map_or(0, |about| about.len()) } else { 0 };
            found.bytes += size;
            if in_checkpoints {
                found.checkpoint_bytes += size;
            }
            if let [folder, name] = parts[..]
                && folder == "samples"
                && let Some((kind, epoch)) = name.to_str().and_then(picture)
            {
                let epochs = found.pictures.entry(kind).or_default();
                if epochs.len() < MAX_EPOCHS {
                    epochs.push(epoch);
                }
            }
        }
        found.pictures.values_mut().for_each(|epochs| epochs.sort_unstable());
        *self = found;
    }

    /// Epochs with a picture of this kind.
    pub(super) fn epochs(&self, kind: &str) -> &[u32] {
        self.pictures.get(kind).map_or(&[], Vec::as_slice)
    }

    pub(super) fn notes(&self) -> Option<String> {
        self.cut.then(|| format!("the folder has more than {MAX_FILES} files: its size is larger than shown"))
    }
}

/// Kind and epoch of a picture by the name of its file.
fn picture(name: &str) -> Option<(&'static str, u32)> {
    let (kind, epoch) = name.strip_suffix(".png")?.split_once("_epoch_")?;
    let kind = KINDS.into_iter().find(|known| *known == kind)?;
    Some((kind, epoch.parse().ok().filter(|number| format!("{number:04}") == epoch)?))
}

/// The picture of an epoch of the run in `folder`.
///
/// # Errors
/// The reason why it is not shown.
pub(super) fn read_picture(folder: &Path, kind: &str, epoch: u32) -> Result<Vec<u8>, String> {
    let kind = KINDS.into_iter().find(|known| *known == kind).ok_or("there is no such kind of picture")?;
    let name = format!("samples/{kind}_epoch_{epoch:04}.png");
    let bytes = inside::read(folder, &name, MAX_PICTURE)?;
    match size(&bytes) {
        Some((width, height)) if width.max(height) <= MAX_EDGE => Ok(bytes),
        Some((width, height)) => Err(format!("{name} has {width} x {height} pixels: too large to be shown")),
        None => Err(format!("{name} is not a PNG")),
    }
}

/// Width and height of a PNG.
fn size(bytes: &[u8]) -> Option<(u32, u32)> {
    let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")?;
    let number = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    Some((number(0)?, number(4)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_known_by_their_names() {
        assert_eq!(picture("sample_epoch_0012.png"), Some(("sample", 12)));
        assert_eq!(picture("reconstruction_epoch_12345.png"), Some(("reconstruction", 12_345)));
        for other in
            ["sample_epoch_12.png", "sample_epoch_0012.jpg", "a_epoch_0001.png", "sample_epoch_-001.png"]
        {
            assert_eq!(picture(other), None, "{other}");
        }
    }

    #[test]
    fn only_pictures_of_a_bearable_size_are_read() {
        let folder = tempfile::tempdir().expect("folder");
        let run = folder.path().canonicalize().expect("a path");
        std::fs::create_dir(run.join("samples")).expect("folder");
        let png = |width: u32, height: u32| {
            let sizes = [width.to_be_bytes(), height.to_be_bytes()].concat();
            [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &sizes, b"rest"].concat()
        };
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(run.join("samples").join(name), bytes).expect("written");
        };
        write("sample_epoch_0001.png", &png(74, 20));
        write("sample_epoch_0002.png", &png(1_000_000, 20));
        write("sample_epoch_0003.png", b"<svg onload='alert(1)'>");
        let huge = std::fs::File::create(run.join("samples/sample_epoch_0004.png")).expect("created");
        huge.set_len(MAX_PICTURE + 1).expect("a sparse file");
        assert_eq!(read_picture(&run, "sample", 1), Ok(png(74, 20)));
        for (epoch, reason) in
            [(2, "1000000 x 20"), (3, "not a PNG"), (4, "larger than"), (5, "cannot be read")]
        {
            let error = read_picture(&run, "sample", epoch).expect_err("refused");
            assert!(error.contains(reason), "{error}");
        }
        assert!(read_picture(&run, "../../etc/passwd", 1).is_err());
        let mut files = Files::default();
        files.refresh(&run);
        assert_eq!((files.epochs("sample"), files.epochs("reconstruction")), (&[1, 2, 3, 4][..], &[][..]));
    }
}
