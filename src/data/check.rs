//! A report on a folder of pictures: what training would see, and what it would leave out.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::Progress;
use super::decode::{Decoded, decode};
use super::scan::{Dataset, Item, Layout, scan};
use super::text::{Skipped, counted, printable, printable_text};
use crate::error::Result;

/// Pictures that can be read, of one split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitCounts {
    /// `training`, `validation` or `test`.
    pub name: &'static str,
    /// One count for each of [`Report::classes`].
    pub per_class: Vec<usize>,
}

/// What [`check`] found; its `Display` is the report.
#[derive(Clone, Debug)]
pub struct Report {
    /// The folder, as [`Dataset::root`].
    pub root: PathBuf,
    /// How the pictures lie.
    pub layout: Layout,
    /// Whether validation pictures were drawn by the seed.
    pub split_made: bool,
    /// Class names, sorted.
    pub classes: Vec<String>,
    /// Training, validation, test.
    pub splits: Vec<SplitCounts>,
    /// Format name to the number of pictures.
    pub formats: BTreeMap<&'static str, usize>,
    /// Smallest, median and largest width in pixels (each by itself); `None` when nothing could be read.
    pub widths: Option<[u32; 3]>,
    /// The same of the heights.
    pub heights: Option<[u32; 3]>,
    /// Files that were left out, by the scan or by decoding.
    pub skipped: Vec<Skipped>,
    /// Files that are no pictures.
    pub other_files: usize,
    /// Pictures of 16 bits that use less than an eighth of their range, see [`Decoded::faint`].
    pub faint: usize,
    /// Pictures whose pixels equal those of an earlier one.
    pub duplicates: usize,
    /// Duplicates whose earlier copy lies in another split: they make validation look better than it is.
    pub across_splits: usize,
}

impl Report {
    /// The number of pictures that can be read.
    pub fn readable(&self) -> usize {
        self.splits.iter().flat_map(|split| &split.per_class).sum()
    }
}

struct Seen {
    split: usize,
    label: usize,
    format: &'static str,
    width: u32,
    height: u32,
    digest: u64,
    faint: bool,
}

/// Decodes every picture under `root` in full, in parallel, and reports.
///
/// `seed` draws the split where there is none, as in [`scan`]; `progress` hears of every file.
///
/// # Errors
/// As [`scan`]. Pictures that cannot be decoded are in the report, however many.
pub fn check(root: &Path, seed: u64, progress: Progress<'_>) -> Result<Report> {
    let Dataset { root, layout, train, validation, test, classes, mut skipped, other_files, split_made } =
        scan(root, seed)?;
    let lists = [("training", train), ("validation", validation), ("test", test)];
    let items: Vec<(usize, &Item)> = lists
        .iter()
        .enumerate()
        .flat_map(|(split, (_, items))| items.iter().map(move |i| (split, i)))
        .collect();
    let done = AtomicUsize::new(0);
    let decoded: Vec<Result<Seen, Skipped>> = items
        .par_iter()
        .map(|&(split, item)| {
            let seen = look(split, item);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, items.len());
            seen
        })
        .collect();
    let mut seen = Vec::with_capacity(decoded.len());
    for one in decoded {
        match one {
            Ok(one) => seen.push(one),
            Err(bad) => skipped.push(bad),
        }
    }
    let mut formats = BTreeMap::new();
    let mut splits = lists.map(|(name, _)| SplitCounts { name, per_class: vec![0; classes.len()] });
    for one in &seen {
        splits[one.split].per_class[one.label] += 1;
        *formats.entry(one.format).or_insert(0) += 1;
    }
    let (duplicates, across_splits) = duplicates(&seen);
    let widths = spread(seen.iter().map(|one| one.width).collect());
    let heights = spread(seen.iter().map(|one| one.height).collect());
    let splits = splits.to_vec();
    Ok(Report {
        root,
        layout,
        split_made,
        classes,
        splits,
        formats,
        widths,
        heights,
        skipped,
        other_files,
        faint: seen.iter().filter(|one| one.faint).count(),
        duplicates,
        across_splits,
    })
}

/// How many pictures repeat an earlier one, and how many of those one of another split.
fn duplicates(seen: &[Seen]) -> (usize, usize) {
    let mut first: HashMap<u64, usize> = HashMap::new();
    let (mut repeated, mut across) = (0, 0);
    for one in seen {
        match first.entry(one.digest) {
            Entry::Vacant(entry) => {
                entry.insert(one.split);
            }
            Entry::Occupied(entry) => {
                repeated += 1;
                across += usize::from(*entry.get() != one.split);
            }
        }
    }
    (repeated, across)
}

fn look(split: usize, item: &Item) -> Result<Seen, Skipped> {
    let picture = decode(&item.path).map_err(|reason| Skipped { path: item.path.clone(), reason })?;
    // eight bytes at a time: a digest to find equals with, not a defence
    let mut digest = u64::from(picture.width) << 32 | u64::from(picture.height);
    for chunk in picture.rgb.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        digest = (digest ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        digest ^= digest >> 29;
    }
    let Decoded { width, height, format, faint, .. } = picture;
    Ok(Seen { split, label: item.label as usize, format, width, height, digest, faint })
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
        let formats: Vec<String> =
            self.formats.iter().map(|(name, count)| format!("{count} {name}")).collect();
        writeln!(f, "formats     {}", if formats.is_empty() { "none".into() } else { formats.join(", ") })?;
        if let (Some(w), Some(h)) = (self.widths, self.heights) {
            let line = |s: [u32; 3]| format!("{} to {} (median {})", s[0], s[2], s[1]);
            writeln!(f, "dimensions  width {} px, height {} px", line(w), line(h))?;
        }
        if self.duplicates > 0 {
            write!(f, "duplicates  {} with the same pixels as another", counted(self.duplicates, "picture"))?;
            writeln!(f, "; {} of them across splits", self.across_splits)?;
        }
        if self.faint > 0 {
            let pictures = counted(self.faint, "picture");
            writeln!(
                f,
                "nearly black  {pictures} of 16 bits below an eighth of the range; scale the samples up"
            )?;
        }
        if self.other_files > 0 {
            writeln!(f, "other       {}", counted(self.other_files, "file"))?;
        }
        self.table(f)?;
        for one in &self.skipped {
            writeln!(f, "skipped     {one}")?;
        }
        f.write_str(&self.verdict())
    }
}

impl Report {
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

    /// One line: whether training would start, with how many pictures.
    pub fn verdict(&self) -> String {
        let (good, bad) = (self.readable(), self.skipped.len());
        let trained: usize = self.splits.first().map_or(0, |split| split.per_class.iter().sum());
        let left_out = if bad == 0 { String::new() } else { format!(", {bad} left out") };
        if trained == 0 {
            format!("cannot be trained on: no training picture can be read{left_out}")
        } else if bad > good {
            format!("cannot be trained on: more is left out ({bad}) than can be read ({good})")
        } else {
            format!("can be trained on: {}{left_out}", counted(good, "picture"))
        }
    }
}
