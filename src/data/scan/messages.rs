//! Messages about a scanned folder: what was skipped, and why it cannot be used.
//! Read this to word a note or an error of the scan.

use std::collections::BTreeMap;
use std::path::Path;

use super::walk::Found;
use crate::data::formats::readable_formats;
use crate::data::text::{Skipped, counted, first_few, printable_text};
use crate::error::{Error, Result};

/// Notes about skipped files and placeholders, one line each.
pub(super) fn notes(found: &Found) -> Vec<String> {
    [passed_over(found), not_here(found), packed(found)]
        .into_iter()
        .flatten()
        .chain(found.hints.iter().cloned())
        .collect()
}

/// The number of skipped files by reason.
fn passed_over(found: &Found) -> Option<String> {
    let files = |count: &usize| counted(*count, "file");
    let mut passed: Vec<String> = found
        .passed
        .iter()
        .map(|(why, count)| match why.split_once(' ') {
            // a folder by its name, otherwise a phrase
            None => format!("{} in {}", files(count), printable_text(why)),
            Some(_) => format!("{} ({})", files(count), printable_text(why)),
        })
        .collect();
    let mut formats: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, name) in &found.foreign {
        *formats.entry(name).or_default() += 1;
    }
    passed.extend(formats.iter().map(|(name, count)| counted(*count, &format!("{name} file"))));
    (!passed.is_empty()).then(|| format!("passed over {}", passed.join(", ")))
}

/// Placeholders for files stored elsewhere, and how to download them.
fn not_here(found: &Found) -> Option<String> {
    let empty = (!found.empty.is_empty()).then(|| counted(found.empty.len(), "empty file"));
    let listed = found.placeholders.iter().map(|(what, count)| counted(*count, what));
    let listed: Vec<String> = listed.chain(empty).collect();
    let way = |what: &&str| match *what {
        what if what.starts_with("Git LFS") => Some("`git lfs pull` fetches the pictures"),
        what if what.starts_with("DVC") => Some("`dvc pull` fetches the pictures"),
        what if what.contains("placeholder") => {
            Some("make the folder available offline to have the pictures")
        }
        _ => None,
    };
    let way = found.placeholders.keys().find_map(way).map_or(String::new(), |way| format!("; {way}"));
    (!listed.is_empty()).then(|| format!("not here: {}{way}", listed.join(", ")))
}

/// Whether the number of damaged pictures makes the whole folder unusable.
pub(in crate::data) fn too_many_damaged(good: usize, bad: usize) -> bool {
    bad > good
}

/// # Errors
/// [`Error::Data`] if there is nothing to train on, or if most of it is damaged.
pub(super) fn refuse_unusable(root: &Path, found: &Found) -> Result<()> {
    let (good, bad) = (found.pictures.len(), found.unreadable.len());
    let foreign = found.foreign.iter().map(|(skipped, _)| skipped);
    let listed: Vec<&Skipped> =
        found.unreadable.iter().chain(&found.empty).chain(&found.closed).chain(foreign).collect();
    let listed = first_few(&listed);
    if good == 0 {
        let others = if found.other.is_empty() {
            String::new()
        } else {
            format!(" ({} of other kinds)", found.others())
        };
        let passed =
            passed_over(found).map(|note| format!("{note}; --include NAME takes what is passed over"));
        let hints: String =
            [packed(found), convert(found), not_here(found), passed.filter(|_| !found.passed.is_empty())]
                .into_iter()
                .flatten()
                .map(|hint| format!("\n  {hint}"))
                .collect();
        return Err(Error::data(
            root,
            format!(
                "no pictures here{others}; {} can be read, in this folder and at any depth below it{hints}{listed}",
                readable_formats()
            ),
        ));
    }
    if too_many_damaged(good, bad) {
        let reason = format!("{bad} of {} cannot be read:{listed}", counted(good + bad, "picture"));
        return Err(Error::data(root, reason));
    }
    Ok(())
}

/// Advice on pictures packed in archives.
fn packed(found: &Found) -> Option<String> {
    let (extension, _) = found.packed().max_by_key(|(_, count)| *count)?;
    let listed: Vec<String> =
        found.packed().map(|(extension, count)| counted(count, &format!(".{extension} file"))).collect();
    let way = match extension.as_str() {
        "zip" => "unpack them first: unzip FILE.zip -d FOLDER",
        "tar" | "tgz" | "gz" => "unpack them first: tar -xf FILE -C FOLDER",
        "7z" | "rar" => "unpack them first: 7z x FILE -oFOLDER",
        "parquet" | "arrow" => {
            "pictures come out of them by Python: for i, row in enumerate(datasets.load_dataset('parquet', \
             data_files='FILE')['train']): row['image'].save(f'{i}.png')"
        }
        "npz" | "npy" => {
            "pictures come out of them by Python: for i, a in enumerate(numpy.load('FILE')): \
             PIL.Image.fromarray(a).save(f'{i}.png')"
        }
        _ => "write the pictures in them as files first",
    };
    Some(format!("found {}: {way}", listed.join(", ")))
}

/// Advice on converting unsupported formats.
fn convert(found: &Found) -> Option<String> {
    let (_, name) = found.foreign.first()?;
    let way = match *name {
        "camera raw" => "a raw developer such as darktable-cli or RawTherapee writes JPEG",
        _ => "ImageMagick writes JPEG: magick mogrify -format jpg *",
    };
    Some(format!("to convert {name}: {way}"))
}
