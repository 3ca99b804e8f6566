//! Detection of segmentation masks: pictures that label the pixels of others with the same names.
//! Read this if pictures are skipped as masks by mistake.
//!
//! Names or numbers alone do not identify them: a class may be called `with_mask`, and every class may number its
//! pictures from 1. So some of them are decoded: a mask has few colours in large areas.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::walk::{Found, Picture};
use super::words::{may_be_masks, words};
use crate::data::colour::ColourRule;
use crate::data::decode::{Decoded, decode_by};
use crate::data::formats::Format;
use crate::data::text::printable_text;

/// Parts that a mask's name has in addition to its picture's.
const ENDS: [&str; 16] = [
    "mask",
    "masks",
    "seg",
    "segmentation",
    "label",
    "labels",
    "labelids",
    "labeltrainids",
    "gt",
    "gtfine",
    "groundtruth",
    "annotation",
    "annot",
    "color",
    "instanceids",
    "l",
];
/// Number of pictures decoded per folder.
const SAMPLES: usize = 6;

/// Maximum number of sibling folders among which one may hold the masks of another without being named so.
const MAX_SIDE_BY_SIDE: usize = 4;

/// Skips masks; if only the appearance suggests masks, the pictures stay and a note is added.
pub(super) fn pass_over(found: &mut Found) {
    let (folders, hints) = folders(found);
    found.hints.extend(hints);
    found.pass_over(|picture| {
        let depth = (1..=picture.folders.len()).find(|&depth| folders.contains(&picture.folders[..depth]))?;
        Some(format!("masks in {}", printable_text(&picture.folders[..depth].join("/"))))
    });
    let beside = beside(found);
    found.pass_over(|picture| beside.contains(&picture.path).then(|| "masks beside their pictures".into()));
}

/// The topmost folders that hold masks, and notes about those that may.
fn folders(found: &Found) -> (HashSet<Vec<String>>, Vec<String>) {
    let mut groups: BTreeMap<&[String], Vec<&Picture>> = BTreeMap::new();
    for picture in &found.pictures {
        for depth in 1..=picture.folders.len() {
            groups.entry(&picture.folders[..depth]).or_default().push(picture);
        }
    }
    let mut side_by_side: HashMap<&[String], Vec<&[String]>> = HashMap::new();
    for folder in groups.keys() {
        side_by_side.entry(&folder[..folder.len() - 1]).or_default().push(folder);
    }
    let (mut masks, mut hints) = (HashSet::new(), Vec::new());
    // parents come before their children
    for (folder, pictures) in &groups {
        let (above, name) = (&folder[..folder.len() - 1], &folder[folder.len() - 1]);
        if (1..folder.len()).any(|depth| masks.contains(&folder[..depth])) {
            continue;
        }
        let siblings = &side_by_side[above];
        let named = may_be_masks(name) || is_target(name, siblings);
        // a mask folder without a telling name is only considered if it has no JPEGs: compression would blur the labels
        let likely = siblings.len() <= MAX_SIDE_BY_SIDE
            && pictures.iter().all(|picture| picture.format != Format::Jpeg);
        if !named && !likely {
            continue;
        }
        let others = siblings.iter().filter(|other| {
            let name = &other[folder.len() - 1];
            *other != folder && !may_be_masks(name) && !is_target(name, siblings)
        });
        let of: Vec<&Picture> = others.flat_map(|other| groups[other].iter().copied()).collect();
        if !label(named, pictures, &of) {
            continue;
        }
        if named {
            masks.insert(folder.to_vec());
        } else {
            let folder = printable_text(&folder.join("/"));
            hints.push(format!(
                "{folder}/ has pictures of few colours under the names of others: if they are masks, leave them out by \
                 --exclude {folder:?}"
            ));
        }
    }
    (masks, hints)
}

/// Whether a folder's name marks the target of another: `y_train` beside `X_train`.
fn is_target(name: &str, siblings: &[&[String]]) -> bool {
    let name = words(name);
    let [first, rest @ ..] = name.as_slice() else { return false };
    let is_input = |other: &&[String]| {
        let other = other.last().map(|other| words(other)).unwrap_or_default();
        other.split_first().is_some_and(|(first, others)| first == "x" && others == rest)
    };
    first == "y" && !rest.is_empty() && siblings.iter().any(is_input)
}

/// Whether `pictures` are the masks of the pictures `of`.
fn label(named: bool, pictures: &[&Picture], of: &[&Picture]) -> bool {
    let stems: HashSet<String> = of.iter().map(|picture| base(&picture.path)).collect();
    let paired = pictures.iter().filter(|picture| stems.contains(&base(&picture.path))).count();
    let enough = if named { 2 * paired >= pictures.len() } else { 10 * paired >= 9 * pictures.len() };
    if !enough || of.is_empty() {
        return false;
    }
    let kinds = Kinds::of(pictures);
    // without a telling name, the others must not be masks
    kinds.few_colours && (named || pictures.len() > 3 && !Kinds::of(of).few_colours)
        || named && kinds.grey && !Kinds::of(of).grey
}

/// Masks in the folder of their pictures: `1.jpg` and `1_mask.png`.
fn beside(found: &Found) -> HashSet<PathBuf> {
    let mut stems: HashMap<Option<&Path>, HashSet<String>> = HashMap::new();
    for picture in &found.pictures {
        stems.entry(picture.path.parent()).or_default().insert(stem(&picture.path));
    }
    let is = |picture: &&Picture| {
        let (stem, base) = (stem(&picture.path), base(&picture.path));
        base != stem && stems.get(&picture.path.parent()).is_some_and(|stems| stems.contains(&base))
    };
    let candidates: Vec<&Picture> = found.pictures.iter().filter(is).collect();
    if candidates.is_empty() || !Kinds::of(&candidates).few_colours {
        return HashSet::new();
    }
    candidates.into_iter().map(|picture| picture.path.clone()).collect()
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// The stem of the picture that a mask belongs to.
fn base(path: &Path) -> String {
    let mut stem = stem(path);
    while let Some((front, end)) = stem.rsplit_once(['_', '-', '.', ' ']) {
        if front.is_empty() || !(ENDS.contains(&end) || end == "leftimg8bit") {
            break;
        }
        stem.truncate(front.len());
    }
    stem
}

/// Properties that most of some pictures share.
struct Kinds {
    /// few colours in large areas
    few_colours: bool,
    grey: bool,
}

impl Kinds {
    fn of(pictures: &[&Picture]) -> Self {
        let step = pictures.len().div_ceil(SAMPLES).max(1);
        let of_one = |picture: &&Picture| {
            let decoded = decode_by(&picture.path, ColourRule::AsStored).ok()?;
            let grey = decoded.rgb.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]);
            Some((has_few_colours(&decoded, picture.format), grey))
        };
        let samples: Vec<(bool, bool)> = pictures.iter().step_by(step).filter_map(of_one).collect();
        let most = |is: fn(&(bool, bool)) -> bool| {
            2 * samples.iter().filter(|sample| is(sample)).count() > samples.len()
        };
        Self { few_colours: most(|(few, _)| *few), grey: most(|(_, grey)| *grey) }
    }
}

fn has_few_colours(picture: &Decoded, format: Format) -> bool {
    let pixels = || picture.rgb.chunks_exact(3);
    let colours: HashSet<[u8; 3]> = pixels().map(|p| [p[0], p[1], p[2]]).collect();
    if format != Format::Jpeg && colours.len() <= 32 {
        return true;
    }
    let near = |a: &[u8], b: &[u8]| a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) <= 2);
    let rows = picture.rgb.chunks_exact(picture.width as usize * 3);
    let (mut alike, mut pairs) = (0usize, 0usize);
    for row in rows {
        for (a, b) in row.chunks_exact(3).zip(row.chunks_exact(3).skip(1)) {
            alike += usize::from(near(a, b));
            pairs += 1;
        }
    }
    // compression and resizing give the edges between areas additional colours
    let coarse: HashSet<[u8; 3]> = colours.iter().map(|c| c.map(|channel| channel >> 5)).collect();
    coarse.len() <= 64 && 100 * alike >= 90 * pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_masks_lead_to_their_pictures() {
        for name in
            ["a_1.jpg", "a_1_mask.png", "a_1-label.png", "a_1_gtFine_labelIds.png", "A_1_leftImg8bit.png"]
        {
            assert_eq!(base(Path::new(name)), "a_1", "{name}");
        }
        assert_eq!(base(Path::new("mask.png")), "mask");
    }
}
