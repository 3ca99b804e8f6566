//! Folders that never contain data: created by operating systems, servers and programs beside pictures.
//! Add an entry here for another program's folders.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Folder names in lower case, as made by operating systems, NAS servers and notebooks.
const NAMES: [&str; 24] = [
    "__macosx",
    "@eadir",
    "@__thumb",
    "@recycle",
    "@recently-snapshot",
    "@sharebin",
    "@tmp",
    "#recycle",
    "#snapshot",
    "~snapshot",
    ".snapshot",
    "files_trashbin",
    "files_versions",
    "lost+found",
    "$recycle.bin",
    "recycler",
    "recycled",
    "system volume information",
    "network trash folder",
    "temporary items",
    "ipod photo cache",
    "__pycache__",
    "node_modules",
    "lost.dir",
];
/// Suffixes of folders in which programs keep previews and indices.
const ENDINGS: [&str; 5] = [".lrdata", ".lrcat-data", ".cocatalogdb", ".cocatalog", ".dtrash"];
/// Suffixes of Apple's photo libraries, and the folders in them that hold the photographs.
const LIBRARIES: [&str; 5] =
    [".photoslibrary", ".photolibrary", ".aplibrary", ".migratedphotolibrary", ".migratedaplibrary"];
const ORIGINALS: [&str; 3] = ["originals", "masters", "original"];
/// Prefix of the folder in which Nextcloud keeps previews.
const NEXTCLOUD: &str = "appdata_";
/// First bytes of a run's settings file.
const RUN: &[u8] = b"# wgvae ";

/// A description of a folder that never contains data, for "40 files in @eaDir"; `None` if it may.
pub(super) fn reason(folder: &Path) -> Option<String> {
    let name = lower(folder.file_name());
    let own = || folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if NAMES.contains(&name.as_str())
        || is_chkdsk(&name)
        || name == ".ipynb_checkpoints"
        || name.starts_with(NEXTCLOUD)
    {
        return Some(own());
    }
    if let Some(ending) = ENDINGS.iter().find(|ending| name.ends_with(*ending)) {
        return Some(format!("*{ending}"));
    }
    let above = lower(folder.parent().and_then(Path::file_name));
    if LIBRARIES.iter().any(|ending| above.ends_with(ending)) && !ORIGINALS.contains(&name.as_str()) {
        return Some("previews and indices of a photo library".into());
    }
    is_run(folder).then(|| "runs of wgvae".into())
}

/// Whether `folder` is a run of this program: other programs have a config.toml too, but not with this first line.
pub fn is_run(folder: &Path) -> bool {
    let mut head = Vec::with_capacity(RUN.len());
    let file = File::open(folder.join("config.toml"));
    file.is_ok_and(|file| file.take(RUN.len() as u64).read_to_end(&mut head).is_ok()) && head == RUN
}

/// Whether a file is a sample grid of a training: `NAME_sample_epoch_0001.png`.
pub(super) fn is_grid(path: &Path) -> bool {
    let name = lower(path.file_name());
    let numbered = |what: &str| {
        let digits = name.rsplit_once(what).and_then(|(_, rest)| rest.strip_suffix(".png"));
        digits.is_some_and(|digits| digits.len() >= 4 && digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    numbered("sample_epoch_") || numbered("reconstruction_epoch_")
}

/// Windows' `found.000`, which holds the fragments found by chkdsk.
fn is_chkdsk(name: &str) -> bool {
    name.strip_prefix("found.").is_some_and(|n| n.len() == 3 && n.bytes().all(|byte| byte.is_ascii_digit()))
}

fn lower(name: Option<&OsStr>) -> String {
    name.unwrap_or_default().to_string_lossy().to_lowercase()
}
