//! A report on a folder of pictures: what training would use and what it would skip.
//! Read this to add a check to `wgvae check`.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::Progress;
use super::colour::ColourRule;
use super::decode::{Decoded, decode_by};
use super::near_duplicates::{self, Signature};
use super::scan::{Item, Layout, ScanOptions, scan_with, too_many_damaged};
use super::text::{Skipped, counted, named, printable, printable_text};
use crate::error::Result;

/// Readable pictures of one split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitCounts {
    /// `training`, `validation` or `test`.
    pub name: &'static str,
    /// One count per class of [`Report::classes`].
    pub per_class: Vec<usize>,
}

/// The result of [`check`]; its `Display` is the report.
#[derive(Clone, Debug)]
pub struct Report {
    /// The folder, as [`super::FolderIndex::root`].
    pub root: PathBuf,
    /// Layout of the folder.
    pub layout: Layout,
    /// Whether the validation pictures were drawn with the seed.
    pub split_made: bool,
    /// Class names, sorted.
    pub classes: Vec<String>,
    /// Training, validation, test.
    pub splits: Vec<SplitCounts>,
    /// Number of pictures per format name.
    pub formats: BTreeMap<&'static str, usize>,
    /// Number of pictures per name of the colours that they declare; those that declare nothing are not among them.
    pub profiles: BTreeMap<String, usize>,
    /// The treatment of these colours.
    pub colour: ColourRule,
    /// Smallest, median and largest width in pixels, independent of the heights; `None` if no picture could be read.
    pub widths: Option<[u32; 3]>,
    /// Smallest, median and largest height in pixels.
    pub heights: Option<[u32; 3]>,
    /// Files skipped by the scan or by decoding.
    pub skipped: Vec<Skipped>,
    /// Number of damaged files among `skipped`.
    pub damaged: usize,
    /// Decisions of the scan, as in [`super::FolderIndex::notes`].
    pub notes: Vec<String>,
    /// Number of files that are not pictures.
    pub other_files: usize,
    /// Their number by extension.
    pub other_kinds: BTreeMap<String, usize>,
    /// 16-bit pictures that use less than an eighth of their range, see [`Decoded::faint`].
    pub faint: usize,
    /// Pictures whose pixels equal those of an earlier one.
    pub duplicates: usize,
    /// Duplicates whose earlier copy is in another split: they make validation look better than it is.
    pub across_splits: usize,
    /// Pictures that are nearly equal, but not equal, to an earlier one.
    pub near_duplicates: usize,
    /// Near-duplicates whose earlier copy is in another split.
    pub near_across_splits: usize,
}

impl Report {
    /// The number of readable pictures.
    pub fn readable(&self) -> usize {
        self.splits.iter().flat_map(|split| &split.per_class).sum()
    }
}

struct Seen {
    split: usize,
    format: &'static str,
    profile: Option<String>,
    width: u32,
    height: u32,
    faint: bool,
}

/// Decodes every picture under `root` in full, in parallel, and reports.
///
/// A folder without a split gets one, as in [`super::prepare_folder`]; `progress` is called for every file.
///
/// # Errors
/// As [`scan_with`]. Pictures that cannot be decoded are listed in the report, even if they are the majority.
pub fn check(root: &Path, options: &ScanOptions, progress: Progress<'_>) -> Result<Report> {
    let mut found = scan_with(root, options)?;
    let items: Vec<Item> = found.items().cloned().collect();
    let done = AtomicUsize::new(0);
    let decoded: Vec<Result<(Seen, Signature), Skipped>> = items
        .par_iter()
        .map(|item| {
            let seen = look(item, options.colour);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, items.len());
            seen
        })
        .collect();
    let (mut seen, mut signatures, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
    for picture in decoded {
        match picture {
            Ok((picture, signature)) => {
                seen.push(Some(picture));
                signatures.push(Some(signature));
            }
            Err(bad) => {
                unreadable.push(bad);
                seen.push(None);
                signatures.push(None);
            }
        }
    }
    found.replace_validation(&signatures.iter().map(Option::is_some).collect::<Vec<_>>());
    if found.is_drawn() {
        found.draw(&signatures);
    }
    let number: HashMap<&Path, usize> = items.iter().map(|item| item.path.as_path()).zip(0..).collect();
    let (mut formats, mut profiles) = (BTreeMap::new(), BTreeMap::new());
    let lists = [("training", &found.train), ("validation", &found.validation), ("test", &found.test)];
    let mut splits = lists.map(|(name, _)| SplitCounts { name, per_class: vec![0; found.classes.len()] });
    let mut ordered = Vec::with_capacity(seen.len());
    for (split, (_, list)) in lists.iter().enumerate() {
        for item in *list {
            let Some(&at) = number.get(item.path.as_path()) else { continue };
            let (Some(picture), Some(signature)) = (seen[at].take(), &signatures[at]) else { continue };
            splits[split].per_class[item.label as usize] += 1;
            *formats.entry(picture.format).or_insert(0) += 1;
            if let Some(profile) = &picture.profile {
                *profiles.entry(profile.clone()).or_insert(0) += 1;
            }
            ordered.push((Seen { split, ..picture }, signature));
        }
    }
    let [(duplicates, across_splits), (near, near_across)] = duplicates(&ordered);
    let widths = spread(ordered.iter().map(|(seen, _)| seen.width).collect());
    let heights = spread(ordered.iter().map(|(seen, _)| seen.height).collect());
    let damaged = found.damaged + unreadable.len();
    let faint = ordered.iter().filter(|(seen, _)| seen.faint).count();
    Ok(Report {
        root: found.root,
        layout: found.layout,
        split_made: found.split_made,
        classes: found.classes,
        splits: splits.to_vec(),
        formats,
        profiles,
        colour: options.colour,
        widths,
        heights,
        skipped: [found.skipped, unreadable].concat(),
        damaged,
        notes: found.notes,
        other_files: found.other_files,
        other_kinds: found.other_kinds,
        faint,
        duplicates,
        across_splits,
        near_duplicates: near,
        near_across_splits: near_across,
    })
}

/// Counts of exact and of near duplicates, each as (all, those with the earlier copy in another split).
fn duplicates(seen: &[(Seen, &Signature)]) -> [(usize, usize); 2] {
    let signatures: Vec<&Signature> = seen.iter().map(|(_, signature)| *signature).collect();
    let (mut first, mut first_of_group) = (HashMap::new(), HashMap::new());
    let mut counts = [(0, 0); 2];
    for ((picture, signature), group) in seen.iter().zip(near_duplicates::groups(&signatures)) {
        let near = first_of_group.get(&group).copied();
        first_of_group.entry(group).or_insert(picture.split);
        let count = match (first.entry(signature.digest()), near) {
            (Entry::Occupied(entry), _) => Some((0, *entry.get())),
            (Entry::Vacant(entry), near) => {
                entry.insert(picture.split);
                near.map(|split| (1, split))
            }
        };
        if let Some((kind, split)) = count {
            counts[kind].0 += 1;
            counts[kind].1 += usize::from(split != picture.split);
        }
    }
    counts
}

fn look(item: &Item, colour: ColourRule) -> Result<(Seen, Signature), Skipped> {
    let picture =
        decode_by(&item.path, colour).map_err(|reason| Skipped { path: item.path.clone(), reason })?;
    let Decoded { width, height, format, profile, rgb, faint } = picture;
    let seen = Seen { split: 0, format, profile, width, height, faint };
    Ok((seen, Signature::of(&rgb, width, height)))
}

fn spread(mut sides: Vec<u32>) -> Option<[u32; 3]> {
    sides.sort_unstable();
    Some([*sides.first()?, sides[sides.len() / 2], *sides.last()?])
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let drawn = if self.split_made { ", validation drawn by the seed" } else { "" };
        writeln!(f, "{}", printable(&self.root))?;
        writeln!(f, "layout      {}{drawn}", self.layout)?;
        for note in &self.notes {
            writeln!(f, "folder      {note}")?;
        }
        let formats: Vec<String> =
            self.formats.iter().map(|(name, count)| format!("{count} {name}")).collect();
        writeln!(f, "formats     {}", if formats.is_empty() { "none".into() } else { formats.join(", ") })?;
        if !self.profiles.is_empty() {
            let counts: Vec<String> = self
                .profiles
                .iter()
                .map(|(name, count)| format!("{count} {}", printable_text(name)))
                .collect();
            let treated = match self.colour {
                ColourRule::Srgb => "read as sRGB",
                ColourRule::AsStored => "samples read as stored",
            };
            writeln!(f, "colours     {}; {treated}", counts.join(", "))?;
        }
        if let (Some(w), Some(h)) = (self.widths, self.heights) {
            let line = |s: [u32; 3]| format!("{} to {} (median {})", s[0], s[2], s[1]);
            writeln!(f, "dimensions  width {} px, height {} px", line(w), line(h))?;
        }
        if self.duplicates > 0 {
            write!(f, "duplicates  {} with the same pixels as another", counted(self.duplicates, "picture"))?;
            writeln!(f, "; {} of them across splits", self.across_splits)?;
        }
        if self.near_duplicates > 0 {
            write!(f, "alike       {} nearly equal to another", counted(self.near_duplicates, "picture"))?;
            writeln!(f, "; {} of them across splits", self.near_across_splits)?;
        }
        if self.faint > 0 {
            let pictures = counted(self.faint, "picture");
            writeln!(
                f,
                "nearly black  {pictures} of 16 bits below an eighth of the range; scale the samples up"
            )?;
        }
        if self.other_files > 0 {
            writeln!(f, "other       {}: {}", counted(self.other_files, "file"), self.kinds())?;
        }
        self.table(f)?;
        for line in named(&self.skipped) {
            writeln!(f, "skipped     {line}")?;
        }
        f.write_str(&self.verdict())
    }
}

/// Extensions of other files that are named.
const MAX_KINDS: usize = 5;

impl Report {
    /// The most frequent extensions of other files: "3 .txt, 1 without extension".
    fn kinds(&self) -> String {
        let mut kinds: Vec<(&String, &usize)> = self.other_kinds.iter().collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let more = if kinds.len() > MAX_KINDS { " and others" } else { "" };
        let named = kinds.into_iter().take(MAX_KINDS).map(|(extension, count)| match extension.as_str() {
            "" => format!("{count} without extension"),
            extension => format!("{count} .{}", printable_text(extension)),
        });
        named.collect::<Vec<_>>().join(", ") + more
    }

    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.classes.iter().map(|name| printable_text(name)).collect();
        let wide = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("class".len());
        write!(f, "\n{:wide$}", "class")?;
        for split in &self.splits {
            write!(f, "  {:>10}", split.name)?;
        }
        writeln!(f)?;
        for (label, name) in names.iter().enumerate() {
            write!(f, "{name:wide$}")?;
            for split in &self.splits {
                write!(f, "  {:>10}", split.per_class[label])?;
            }
            writeln!(f)?;
        }
        write!(f, "{:wide$}", "all")?;
        for split in &self.splits {
            write!(f, "  {:>10}", split.per_class.iter().sum::<usize>())?;
        }
        writeln!(f, "\n")
    }

    /// The reason why these pictures cannot be trained on, if there is one.
    pub fn obstacle(&self) -> Option<String> {
        let good = self.readable();
        let trained: usize = self.splits.first().map_or(0, |split| split.per_class.iter().sum());
        if trained == 0 {
            Some("no training picture can be read".into())
        } else if too_many_damaged(good, self.damaged) {
            Some(format!("more pictures are damaged ({}) than can be read ({good})", self.damaged))
        } else {
            None
        }
    }

    /// One line: whether training would start, and with how many pictures.
    pub fn verdict(&self) -> String {
        let bad = self.skipped.len();
        let left_out = if bad == 0 { String::new() } else { format!(", {bad} left out") };
        match self.obstacle() {
            Some(obstacle) => format!("cannot be trained on: {obstacle}{left_out}"),
            None => format!("can be trained on: {}{left_out}", counted(self.readable(), "picture")),
        }
    }
}
