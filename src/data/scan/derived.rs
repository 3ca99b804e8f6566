//! Detection of derived pictures: previews, copies and backups of others in the same tree.
//! Read this if pictures are skipped as previews or copies by mistake.
//!
//! A name alone is not enough: the original must be there too.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::walk::{Found, Picture};
use super::words::{has_word, words};
use crate::data::colour::ColourRule;
use crate::data::decode::{Decoded, decode_by};
use crate::data::near_duplicates::Signature;

/// Words in the names of preview folders. A folder whose whole name is in `SURELY` may have its own file names.
const PREVIEWS: [&str; 6] = ["thumbnails", "thumbnail", "thumbs", "thumb", "previews", "preview"];
const SURELY: [&str; 4] = ["thumbnails", "thumbnail", "thumbs", "thumb"];
/// Words in the names of folders that hold downscaled copies; some of their pictures are compared with the originals.
const SMALLER: [&str; 13] = [
    "small",
    "smaller",
    "tiny",
    "mini",
    "medium",
    "web",
    "low",
    "lowres",
    "lr",
    "resized",
    "scaled",
    "compressed",
    "px",
];
/// Number of pictures per such folder that are compared.
const SAMPLES: usize = 4;
/// Words in the names of folders of copies.
const COPIES: [&str; 15] = [
    "backup",
    "backups",
    "bak",
    "bkp",
    "copy",
    "copies",
    "kopie",
    "copie",
    "copia",
    "duplicates",
    "dupes",
    "old",
    "archive",
    "archived",
    "orig",
];
/// Parts that a preview's name has in addition to its original's.
const PREVIEW_ENDS: [&str; 14] = [
    "thumb",
    "thumbs",
    "thumbnail",
    "preview",
    "small",
    "medium",
    "lowres",
    "low",
    "tn",
    "mini",
    "web",
    "scaled",
    "resized",
    "compressed",
];
const PREVIEW_STARTS: [&str; 5] = ["thumb", "thumbnail", "preview", "tn", "small"];

/// Skips previews and copies whose originals are there.
pub(super) fn pass_over(found: &mut Found) {
    let (previews, copies) = (folders_of_previews(found), folders_of_copies(found));
    let within = |folders: &[String], some: &HashSet<Vec<String>>| {
        (1..=folders.len())
            .find(|&depth| some.contains(&folders[..depth]))
            .map(|depth| folders[depth - 1].clone())
    };
    found.pass_over(|picture| {
        let preview = within(&picture.folders, &previews).map(|name| format!("previews in {name}"));
        preview.or_else(|| within(&picture.folders, &copies).map(|name| format!("copies in {name}")))
    });
    let beside = beside(found);
    found.pass_over(|picture| beside.get(&picture.path).map(|&why| why.into()));
}

/// Every topmost folder for whose name `is` holds, with the pictures in it.
fn groups(found: &Found, is: impl Fn(&str) -> bool) -> HashMap<Vec<String>, Vec<&Picture>> {
    let mut groups: HashMap<Vec<String>, Vec<&Picture>> = HashMap::new();
    let mut known: HashMap<&str, bool> = HashMap::new();
    for picture in &found.pictures {
        let mut folders = picture.folders.iter();
        let first = folders.position(|name| *known.entry(name.as_str()).or_insert_with(|| is(name)));
        if let Some(at) = first {
            groups.entry(picture.folders[..=at].to_vec()).or_default().push(picture);
        }
    }
    groups
}

fn folders_of_previews(found: &Found) -> HashSet<Vec<String>> {
    let smaller = |name: &str| has_word(name, &SMALLER) || names_a_size(name);
    let groups = groups(found, |name| has_word(name, &PREVIEWS) || smaller(name));
    let inside: HashSet<&Path> = groups.values().flatten().map(|picture| picture.path.as_path()).collect();
    let mut by_stem: HashMap<String, Vec<&Picture>> = HashMap::new();
    let outside: Vec<&Picture> =
        found.pictures.iter().filter(|picture| !inside.contains(picture.path.as_path())).collect();
    let count = outside.len();
    if groups.is_empty() || count == 0 {
        return HashSet::new();
    }
    outside.iter().for_each(|picture| by_stem.entry(stem(picture)).or_default().push(*picture));
    let originals = |picture: &Picture| {
        let stem = stem(picture);
        let base = || base_of_preview(&stem).and_then(|base| by_stem.get(base));
        by_stem.get(&stem).or_else(base)
    };
    let is_preview = |folder: &[String], pictures: &[&Picture]| {
        let name = folder.last().map(String::as_str).unwrap_or_default();
        let matched: Vec<(&Picture, &Vec<&Picture>)> =
            pictures.iter().filter_map(|picture| Some((*picture, originals(picture)?))).collect();
        if has_word(name, &PREVIEWS) {
            let paired = 2 * matched.len() >= pictures.len();
            if !SURELY.contains(&name.to_lowercase().as_str()) {
                return paired;
            }
            // a class of hand signs may be called thumb, and number its pictures as the other classes do
            return paired && look_alike(&matched, |original, small| original >= small)
                || 20 * count >= pictures.len() && are_smaller(pictures, &outside);
        }
        10 * matched.len() >= 9 * pictures.len() && look_alike(&matched, |original, small| original > small)
    };
    let found = groups.iter().filter(|(folder, pictures)| is_preview(folder, pictures));
    found.map(|(folder, _)| folder.clone()).collect()
}

/// Whether most `pictures` have at most half the side of most `others`.
fn are_smaller(pictures: &[&Picture], others: &[&Picture]) -> bool {
    let side = |pictures: &[&Picture]| {
        let step = pictures.len().div_ceil(SAMPLES).max(1);
        let samples = pictures.iter().step_by(step);
        let size = |picture: &&Picture| image::image_dimensions(&picture.path).ok();
        let mut sides: Vec<u32> = samples.filter_map(size).map(|(width, height)| width.max(height)).collect();
        sides.sort_unstable();
        sides.get(sides.len() / 2).copied()
    };
    side(pictures).zip(side(others)).is_some_and(|(small, large)| 2 * small <= large)
}

/// Whether most pictures look like an original with their name elsewhere, with pixel counts of the two for which `fits`
/// holds.
fn look_alike(pairs: &[(&Picture, &Vec<&Picture>)], fits: fn(u64, u64) -> bool) -> bool {
    // pictures of several classes may have equal numbers
    const MAX_ORIGINALS: usize = 3;
    let look = |picture: &Picture| {
        let Decoded { width, height, rgb, .. } = decode_by(&picture.path, ColourRule::AsStored).ok()?;
        Some((Signature::of(&rgb, width, height), u64::from(width) * u64::from(height)))
    };
    let is_made_smaller = |(small, originals): &&(&Picture, &Vec<&Picture>)| {
        let Some((small, pixels)) = look(small) else { return false };
        let mut originals = originals.iter().take(MAX_ORIGINALS).filter_map(|original| look(original));
        originals.any(|(original, more)| fits(more, pixels) && original.is_near(&small))
    };
    let step = pairs.len().div_ceil(SAMPLES).max(1);
    let samples: Vec<_> = pairs.iter().step_by(step).collect();
    let alike = samples.iter().copied().filter(is_made_smaller).count();
    !samples.is_empty() && 4 * alike >= 3 * samples.len()
}

/// Whether a name gives a size in pixels, `640x480`, `images_256x256`, or a reduction factor: `X2`.
fn names_a_size(name: &str) -> bool {
    let words = words(name);
    let number = |word: &String| word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_digit());
    words.windows(3).any(|three| number(&three[0]) && three[1] == "x" && number(&three[2]))
        || words.windows(2).any(|two| two[0] == "x" && ["2", "3", "4", "8"].contains(&two[1].as_str()))
}

fn folders_of_copies(found: &Found) -> HashSet<Vec<String>> {
    let groups = groups(found, |name| has_word(name, &COPIES) || copied_name(name).is_some());
    let inside: HashSet<&Path> = groups.values().flatten().map(|picture| picture.path.as_path()).collect();
    let key = |picture: &Picture| (name(picture), picture.bytes);
    let outside: HashSet<(String, u64)> =
        found.pictures.iter().filter(|p| !inside.contains(p.path.as_path())).map(key).collect();
    let mostly = |pictures: &[&Picture]| {
        2 * pictures.iter().filter(|picture| outside.contains(&key(picture))).count() >= pictures.len()
    };
    groups.iter().filter(|(_, pictures)| mostly(pictures)).map(|(folder, _)| folder.clone()).collect()
}

/// Previews and copies in the folder of their original.
fn beside(found: &Found) -> HashMap<std::path::PathBuf, &'static str> {
    let mut by_folder: HashMap<Option<&Path>, HashMap<String, Vec<&Picture>>> = HashMap::new();
    for picture in &found.pictures {
        let stems = by_folder.entry(picture.path.parent()).or_default();
        stems.entry(stem(picture)).or_default().push(picture);
    }
    let mut derived = HashMap::new();
    for picture in &found.pictures {
        let stems = by_folder.get(&picture.path.parent());
        let of = |base: &str| stems.and_then(|stems| stems.get(base)).map_or(&[][..], Vec::as_slice);
        let stem = stem(picture);
        let larger = |original: &&Picture| original.bytes > picture.bytes;
        if base_of_preview(&stem).is_some_and(|base| of(base).iter().any(larger)) {
            derived.insert(picture.path.clone(), "previews beside their pictures");
        } else if copied_name(&stem).is_some_and(|base| of(base).iter().any(|one| same_bytes(one, picture))) {
            derived.insert(picture.path.clone(), "copies beside their pictures");
        }
    }
    derived
}

fn name(picture: &Picture) -> String {
    picture.path.file_name().unwrap_or_default().to_string_lossy().to_lowercase()
}

fn stem(picture: &Picture) -> String {
    picture.path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// The original's name for a preview: `lake` for `lake_thumb`, `thumb-lake`, `lake-150x150`, `lakex2`.
fn base_of_preview(stem: &str) -> Option<&str> {
    const BETWEEN: [char; 4] = ['_', '-', '.', ' '];
    let ends = |(base, end): &(&str, &str)| {
        let (w, h) = end.split_once('x').unwrap_or_default();
        let number =
            |text: &str| (2..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        !base.is_empty() && (PREVIEW_ENDS.contains(end) || number(w) && number(h))
    };
    let behind = stem.rsplit_once(BETWEEN).filter(ends).map(|(base, _)| base);
    let before = || stem.split_once(BETWEEN).filter(|(start, _)| PREVIEW_STARTS.contains(start));
    // reduction factors
    let times = || ["x2", "x3", "x4", "x8"].iter().find_map(|times| stem.strip_suffix(times));
    let base = behind.or_else(|| before().map(|(_, base)| base)).or_else(times);
    base.filter(|base| !base.is_empty()).map(|base| base.trim_end_matches(BETWEEN))
}

/// The original's name for a copy: `lake` for `lake (1)`, `lake copy 2`, `lake - Copy`, `Copy of lake`.
fn copied_name(name: &str) -> Option<&str> {
    let trimmed = name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end();
    let numbered = || {
        let open = name.strip_suffix(')')?.rsplit_once('(')?;
        open.1.bytes().all(|byte| byte.is_ascii_digit()).then(|| open.0.trim_end())
    };
    let lower = trimmed.to_lowercase();
    let after = |word: &str| {
        let base = lower.strip_suffix(word).map(|base| trimmed.get(..base.len()));
        base.flatten().map(|base| base.trim_end_matches([' ', '-', '_']))
    };
    let before = || if words(name).first()? == "copy" { name.get(8..) } else { None };
    let base = numbered()
        .or_else(|| {
            [" copy", "-copy", "_copy", " kopie", " copie", " copia"].iter().find_map(|word| after(word))
        })
        .or_else(before);
    base.filter(|base| !base.is_empty() && *base != name)
}

fn same_bytes(a: &Picture, b: &Picture) -> bool {
    let open = |picture: &Picture| File::open(&picture.path).map(|file| BufReader::new(file).bytes());
    a.bytes == b.bytes
        && open(a).is_ok_and(|a| open(b).is_ok_and(|b| a.map(Result::ok).eq(b.map(Result::ok))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_previews_and_copies() {
        for stem in
            ["lake_thumb", "thumb-lake", "lake-150x150", "tn_lake", "lake_small", "lake.preview", "lakex2"]
        {
            assert_eq!(base_of_preview(stem), Some("lake"), "{stem}");
        }
        for stem in ["lake", "lake-2", "thumb", "lake-1x1", "small", "lake_smaller"] {
            assert_eq!(base_of_preview(stem), None, "{stem}");
        }
        for stem in ["lake (1)", "lake copy", "lake copy 2", "lake - copy", "copy of lake", "lake_copy"] {
            assert_eq!(copied_name(stem), Some("lake"), "{stem}");
        }
        for stem in ["lake", "lake 2", "copy", "photocopy", "lake (a)"] {
            assert_eq!(copied_name(stem), None, "{stem}");
        }
        assert_eq!(copied_name("Photos - Copy"), Some("Photos"));
        assert!(
            names_a_size("images128x128")
                && names_a_size("640x480")
                && !names_a_size("box 2")
                && names_a_size("LR_X4")
        );
    }
}
