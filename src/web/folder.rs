//! The page as a folder: each file is written atomically, the manifest last.
//! Read this for overwriting and deleting files of an earlier export.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::{Files, MANIFEST, sha256};
use crate::data::write_whole;
use crate::error::{Error, Result};

/// The files of an earlier export in `folder`, with their digests; `None` if there is none.
fn exported(folder: &Path) -> Option<BTreeMap<String, Option<String>>> {
    let text = fs::read(folder.join(MANIFEST)).ok()?;
    let manifest: Json = serde_json::from_slice(&text).ok()?;
    manifest.get("generator")?.as_str().filter(|name| name.starts_with("wgvae "))?;
    let digest = |entry: &Json| Some(entry.get("sha256")?.as_str()?.to_owned());
    let files = manifest.get("files")?.as_object()?.iter();
    let files: BTreeMap<_, _> = files.map(|(name, entry)| (name.clone(), digest(entry))).collect();
    // the manifest is untrusted: only files inside the folder are touched
    files.keys().all(|name| is_inside(name)).then_some(files)
}

/// Whether a file was changed since it was exported.
fn is_changed(path: &Path, digest: Option<&String>) -> bool {
    let (Some(digest), Ok(bytes)) = (digest, fs::read(path)) else { return false };
    sha256(&bytes) != *digest
}

/// Whether a name is a plain path below a folder.
fn is_inside(name: &str) -> bool {
    let parts = Path::new(name).components();
    !name.is_empty() && parts.into_iter().all(|part| matches!(part, std::path::Component::Normal(_)))
}

/// Checks that `folder` is empty or holds an unchanged export, unless it may be overwritten with `force`.
///
/// # Errors
/// [`Error::Usage`], or if the folder cannot be read.
pub fn check(folder: &Path, force: bool) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    let mut entries = fs::read_dir(folder).map_err(Error::io("read", folder))?;
    if force || entries.next().is_none() {
        return Ok(());
    }
    let shown = crate::error::printable(folder);
    let Some(earlier) = exported(folder) else {
        return Err(Error::Usage(format!(
            "{shown} is not empty and no earlier export: name a new folder, or give --force to write into it"
        )));
    };
    match earlier.iter().find(|(name, digest)| is_changed(&folder.join(name), digest.as_ref())) {
        None => Ok(()),
        Some((name, _)) => Err(Error::Usage(format!(
            "{shown}: {name} was changed since it was exported: name a new folder, or give --force to write over it"
        ))),
    }
}

/// Writes the page, and removes files of an earlier export that are no longer part of it.
///
/// # Errors
/// As [`check`], or if the folder is not writable.
pub fn write(folder: &Path, files: &Files, force: bool) -> Result<()> {
    check(folder, force)?;
    let earlier = exported(folder).unwrap_or_default();
    let foreign =
        |name: &&String| *name != MANIFEST && !earlier.contains_key(*name) && folder.join(name).exists();
    if let (false, Some(name)) = (force, files.keys().find(foreign)) {
        let path = crate::error::printable(&folder.join(name));
        return Err(Error::Usage(format!(
            "{path} is not a file of the export: give --force to overwrite it"
        )));
    }
    for (name, bytes) in
        files.iter().filter(|(name, _)| *name != MANIFEST).chain(files.get_key_value(MANIFEST))
    {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        write_whole(&path, |file| file.write_all(bytes))?;
    }
    for (name, digest) in earlier.iter().filter(|(name, _)| !files.contains_key(*name)) {
        let path = folder.join(name);
        if !is_changed(&path, digest.as_ref()) {
            let _ = fs::remove_file(path); // a leftover that no manifest mentions
        }
    }
    Ok(())
}

/// Reads an exported page back.
///
/// # Errors
/// If the folder holds no export, or a file is missing.
pub fn read(folder: &Path) -> Result<Files> {
    let Some(exported) = exported(folder) else {
        return Err(Error::model(
            folder,
            "is not an exported page: make one with wgvae export-web MODEL -o FOLDER",
        ));
    };
    let names = exported.into_keys().chain([MANIFEST.into()]);
    let read_file = |name: String| {
        let path: PathBuf = folder.join(&name);
        let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
        Ok((name, bytes))
    };
    names.map(read_file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_earlier_export_is_written_over() {
        let folder = tempfile::tempdir().expect("folder");
        let out = folder.path().join("out");
        let manifest =
            |names: &str| format!("{{\"generator\": \"wgvae 0\", \"files\": {{{names}}}}}").into_bytes();
        let first = Files::from([
            (MANIFEST.into(), manifest("\"a.txt\": {}, \"b/c.txt\": {}")),
            ("a.txt".into(), b"a".to_vec()),
            ("b/c.txt".into(), b"c".to_vec()),
        ]);
        write(&out, &first, false).expect("a new folder");
        assert_eq!(read(&out).expect("a page"), first);
        let second =
            Files::from([(MANIFEST.into(), manifest("\"a.txt\": {}")), ("a.txt".into(), b"A".to_vec())]);
        fs::write(out.join("mine.txt"), "mine").expect("written");
        write(&out, &second, false).expect("an earlier export");
        assert!(!out.join("b/c.txt").exists() && out.join("mine.txt").exists());
        assert_eq!(read(&out).expect("a page"), second);

        let other = folder.path().join("other");
        fs::create_dir(&other).expect("folder");
        fs::write(other.join("mine.txt"), "mine").expect("written");
        for text in [None, Some("{"), Some("{\"generator\": \"wgvae 0\", \"files\": {\"../out/a.txt\": {}}}")]
        {
            if let Some(text) = text {
                fs::write(other.join(MANIFEST), text).expect("written");
            }
            let error = write(&other, &second, false).expect_err("not empty").to_string();
            assert!(error.contains("--force"), "{error}");
            assert!(read(&other).is_err());
        }
        write(&other, &second, true).expect("forced");
        assert!(out.join("a.txt").exists() && other.join("mine.txt").exists());
    }

    #[test]
    fn what_was_changed_or_added_since_stays() {
        let folder = tempfile::tempdir().expect("folder");
        let out = folder.path().join("out");
        let export = |files: &[(&str, &str)]| {
            let entry = |(name, text): &(&str, &str)| {
                format!("\"{name}\": {{\"sha256\": \"{}\"}}", sha256(text.as_bytes()))
            };
            let entries: Vec<String> = files.iter().map(entry).collect();
            let manifest = format!("{{\"generator\": \"wgvae 0\", \"files\": {{{}}}}}", entries.join(","));
            let texts = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
            texts.chain([(MANIFEST.to_owned(), manifest.into_bytes())]).collect::<Files>()
        };
        let (both, one) = (export(&[("a.txt", "a"), ("b.txt", "b")]), export(&[("a.txt", "A")]));
        write(&out, &both, false).expect("a new folder");
        write(&out, &both, false).expect("the same again");
        fs::write(out.join("b.txt"), "my own").expect("written");
        let error = write(&out, &one, false).expect_err("changed").to_string();
        assert!(error.contains("b.txt was changed") && error.contains("--force"), "{error}");
        assert_eq!(fs::read(out.join("a.txt")).expect("read"), b"a", "nothing was written");
        write(&out, &one, true).expect("forced");
        assert_eq!(
            fs::read(out.join("b.txt")).expect("read"),
            b"my own",
            "it is not a file of the export any more"
        );
        let error = write(&out, &both, false).expect_err("another's file").to_string();
        assert!(error.contains("b.txt") && error.contains("--force"), "{error}");
        assert_eq!(fs::read(out.join("b.txt")).expect("read"), b"my own");
    }
}
