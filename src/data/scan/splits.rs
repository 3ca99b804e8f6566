//! Detection of split folders, by their names and by the folders beside them.
//! Read this if a dataset's folders are divided wrongly.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::options::Globs;
use super::tree::Folder;
use super::words::{Split, Use, says_nothing, split_of_two_letters, use_of};
use crate::data::text::{counted, printable_text};
use crate::error::{Error, Result};

/// Path of a folder relative to the root.
type Below = Vec<String>;

/// The division of a folder into splits.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The folder that holds all splits, or all classes.
    pub(super) base: Below,
    /// The folders of the splits; empty if the folder is not divided.
    pub(super) splits: BTreeMap<Below, Split>,
    /// Number of folders that hold splits of their own.
    pub(super) sets: usize,
    /// Class named by a split folder, if such folders name several: `lake_train`, `coast_train`.
    pub(super) classes: BTreeMap<Below, String>,
    /// Decisions made, one line each.
    pub(super) notes: Vec<String>,
}

/// Finds the splits below `root`: a folder that holds one for training and another for something else, or only one for
/// training; and all such folders, provided they hold the larger part of the pictures.
pub(super) fn find(root: &Folder) -> Plan {
    let mut sets = Vec::new();
    search(root, &mut Vec::new(), &mut sets);
    let splits: BTreeMap<Below, Split> = sets.iter().flat_map(|(_, splits)| splits.clone()).collect();
    let inside = |(path, _): &(Below, _)| root.at(path).map_or(0, |folder| folder.all);
    let divided: usize = sets.iter().map(inside).sum();
    if sets.is_empty() || 2 * divided < root.all {
        let mut plan = Plan { base: entered(root), ..Plan::default() };
        let mut named = Vec::new();
        name_splits(root, &mut Vec::new(), &mut named);
        if !named.is_empty() {
            let alone = named
                .iter()
                .all(|path| root.at(&path[..path.len() - 1]).is_some_and(|above| above.below.len() == 1));
            plan.notes.push(undivided(&named, sets.is_empty(), alone));
        }
        return plan;
    }
    let base = sets.iter().map(|(at, _)| at.clone()).reduce(|a, b| common(&a, &b)).unwrap_or_default();
    let mut plan = Plan { base, sets: sets.len(), ..Plan::default() };
    plan.notes.push(divided_by(root, &splits, &plan.base));
    plan.classes = named_classes(&splits);
    plan.splits = splits;
    plan
}

/// The additional words in the names of split folders, if they differ.
fn named_classes(splits: &BTreeMap<Below, Split>) -> BTreeMap<Below, String> {
    let rest = |path: &Below| match use_of(path.last().map(String::as_str).unwrap_or_default()) {
        Use::Split(_, rest) if !rest.is_empty() => Some(rest.join("-")),
        _ => None,
    };
    let named: BTreeMap<Below, String> =
        splits.keys().filter_map(|path| Some((path.clone(), rest(path)?))).collect();
    let different = named.values().collect::<std::collections::BTreeSet<_>>().len() > 1;
    if different && named.len() == splits.len() { named } else { BTreeMap::new() }
}

/// The plan for the folders that the user assigned to splits.
///
/// # Errors
/// [`Error::Usage`] for an invalid pattern, and for a pattern that matches no folder of pictures.
pub(super) fn named(root: &Folder, lists: [&[String]; 3]) -> Result<Plan> {
    let mut globs = Vec::new();
    for (split, patterns) in [Split::Train, Split::Validation, Split::Test].into_iter().zip(lists) {
        for pattern in patterns {
            globs.push((split, pattern, Globs::new(std::slice::from_ref(pattern), "--splits")?));
        }
    }
    let mut splits = BTreeMap::new();
    let mut fitting = vec![false; globs.len()];
    let mut open = vec![(Below::new(), root)];
    while let Some((path, folder)) = open.pop() {
        for (name, below) in &folder.below {
            let path = [path.as_slice(), std::slice::from_ref(name)].concat();
            let as_path: PathBuf = path.iter().collect();
            match globs.iter().position(|(_, _, globs)| globs.matching(&as_path).is_some()) {
                Some(at) => {
                    fitting[at] = true;
                    splits.insert(path, globs[at].0);
                }
                None => open.push((path, below)),
            }
        }
    }
    if let Some(((_, pattern, _), _)) = globs.iter().zip(fitting).find(|(_, fits)| !fits) {
        let there = listed(root.below.keys().map(|name| shown(std::slice::from_ref(name))).collect());
        let reason = format!("--splits: no folder of pictures fits {pattern}; there are: {there}");
        return Err(Error::Usage(reason));
    }
    let notes = vec![divided_by(root, &splits, &[])];
    Ok(Plan { sets: 1, splits, notes, ..Plan::default() })
}

/// Collects the splits of every topmost divided folder below `here`.
fn search(here: &Folder, path: &mut Below, sets: &mut Vec<(Below, BTreeMap<Below, Split>)>) {
    if let Some(found) = divided(here) {
        let mut splits = BTreeMap::new();
        for (name, split) in found {
            path.push(name.clone());
            settle(&here.below[name], path, split, &mut splits);
            path.pop();
        }
        sets.push((path.clone(), splits));
        return;
    }
    for (name, folder) in &here.below {
        path.push(name.clone());
        search(folder, path, sets);
        path.pop();
    }
}

/// Adds a split. A split of training pictures may itself be divided: `train/train`, `train/val` beside `test`.
fn settle(folder: &Folder, path: &mut Below, split: Split, splits: &mut BTreeMap<Below, Split>) {
    let within = if split == Split::Train { divided(folder) } else { None };
    match within.filter(|found| found.len() > 1 && folder.own == 0) {
        Some(found) => {
            for (name, split) in found {
                path.push(name.clone());
                splits.insert(path.clone(), split);
                path.pop();
            }
        }
        None => drop(splits.insert(path.clone(), split)),
    }
}

/// The splits among the folders directly in `here`, if the names say that it is divided.
fn divided(here: &Folder) -> Option<Vec<(&String, Split)>> {
    let short: Option<Vec<(&String, Split)>> =
        here.below.keys().map(|name| Some((name, split_of_two_letters(name)?))).collect();
    if let Some(short) = short.filter(|short| short.len() > 1 && here.own == 0)
        && short.iter().any(|(_, split)| *split == Split::Train)
    {
        return Some(short);
    }
    let uses: Vec<(&String, Use)> = here.below.keys().map(|name| (name, use_of(name))).collect();
    // additional words must occur with another split too: seg_train and seg_test, but not test tubes alone
    let shared = |split: Split, rest: &[String]| {
        uses.iter().any(|(_, other)| matches!(other, Use::Split(s, r) if *s != split && r == rest))
    };
    let mut splits: Vec<(&String, Split)> = uses
        .iter()
        .filter_map(|(name, other)| match other {
            Use::Split(split, rest) if rest.is_empty() || shared(*split, rest) => Some((*name, *split)),
            _ => None,
        })
        .collect();
    // train_256_standard beside val_256
    let all = uses.iter().filter(|(_, other)| *other != Use::Unused).count();
    if splits.len() + 1 == all && splits.iter().all(|(_, split)| *split != Split::Train) {
        let train = uses.iter().find(|(_, other)| matches!(other, Use::Split(Split::Train, _)));
        splits.extend(train.filter(|_| !splits.is_empty()).map(|(name, _)| (*name, Split::Train)));
    }
    let is = |split| splits.iter().any(|(_, s)| *s == split);
    let others = uses
        .iter()
        .filter(|(name, other)| *other != Use::Unused && !splits.iter().any(|(split, _)| split == name))
        .count();
    let inside: usize = splits.iter().map(|(name, _)| here.below[*name].all).sum();
    let likely = match (is(Split::Train), is(Split::Validation), is(Split::Test)) {
        (true, true, true) => true,
        // a class may be called train or test; but most folders of a divided dataset are splits
        (true, true, false) | (true, false, true) => others <= splits.len(),
        (true, false, false) => others == 0,
        (false, ..) => false,
    };
    (likely && here.own <= inside).then_some(splits)
}

/// Descends while there is only one folder, which holds folders.
fn entered(root: &Folder) -> Below {
    let (mut here, mut path) = (root, Below::new());
    while let Some((name, folder)) = here.only().filter(|(_, folder)| folder.own == 0) {
        path.push(name.clone());
        here = folder;
    }
    path
}

fn common(a: &[String], b: &[String]) -> Below {
    a.iter().zip(b).take_while(|(a, b)| a == b).map(|(a, _)| a.clone()).collect()
}

/// Collects the folders that are named like splits but are not.
fn name_splits(here: &Folder, path: &mut Below, named: &mut Vec<Below>) {
    for (name, folder) in &here.below {
        path.push(name.clone());
        match use_of(name) {
            Use::Split(..) => named.push(path.clone()),
            Use::Unused | Use::Other => name_splits(folder, path, named),
        }
        path.pop();
    }
}

/// The reason why none of the folders `named` is a split; `alone` says that none of them has a sibling.
fn undivided(named: &[Below], no_sets: bool, alone: bool) -> String {
    let listed = listed(named.iter().map(|path| shown(path)).collect());
    let (are, why) = match (named.len(), no_sets) {
        (1, true) if alone => ("is", "there is no other split beside it"),
        (_, true) if alone => ("are", "there is no other split beside them"),
        (1, true) => ("is", "the folders beside it contradict that"),
        (_, true) => ("are", "the folders beside them contradict that"),
        (1, false) => ("is", "most pictures are elsewhere"),
        (_, false) => ("are", "most pictures are elsewhere"),
    };
    format!(
        "no splits: {listed} {are} named like a split, but {why}; name the splits with --splits train=FOLDER"
    )
}

/// "training: train2017 (30 pictures); validation: val2017 (3 pictures); left out: other (5 pictures)".
fn divided_by(root: &Folder, splits: &BTreeMap<Below, Split>, base: &[String]) -> String {
    let mut parts = Vec::new();
    for split in [Split::Train, Split::Validation, Split::Test] {
        let folders: Vec<&Below> =
            splits.iter().filter(|(_, s)| **s == split).map(|(path, _)| path).collect();
        if folders.is_empty() {
            continue;
        }
        let count: usize = folders.iter().map(|path| root.at(path).map_or(0, |folder| folder.all)).sum();
        let names = listed(folders.iter().map(|path| shown(&path[base.len().min(path.len())..])).collect());
        parts.push(format!("{} {names} ({})", split.name(), counted(count, "picture")));
    }
    let mut outside = Vec::new();
    left_out(root, &mut Vec::new(), splits, &mut outside);
    if !outside.is_empty() {
        let count: usize = outside.iter().map(|(_, count)| count).sum();
        let names = listed(outside.iter().map(|(path, _)| shown(path)).collect());
        parts.push(format!("left out {names} ({})", counted(count, "picture")));
    }
    parts.join("; ")
}

/// The topmost folders that hold no split, and pictures beside splits.
fn left_out(
    here: &Folder,
    path: &mut Below,
    splits: &BTreeMap<Below, Split>,
    outside: &mut Vec<(Below, usize)>,
) {
    if splits.contains_key(path) {
        return;
    }
    if !splits.keys().any(|split| split.starts_with(path)) {
        outside.push((path.clone(), here.all));
        return;
    }
    if here.own > 0 {
        outside.push((path.clone(), here.own));
    }
    for (name, folder) in &here.below {
        path.push(name.clone());
        left_out(folder, path, splits, outside);
        path.pop();
    }
}

/// The first few of `names`, and the number of the others.
fn listed(names: Vec<String>) -> String {
    const MAX_NAMES: usize = 6;
    let more = names.len().saturating_sub(MAX_NAMES);
    let text = names.into_iter().take(MAX_NAMES).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{text} and {more} more") } else { text }
}

fn shown(path: &[String]) -> String {
    if path.is_empty() { ".".into() } else { printable_text(&format!("{}/", path.join("/"))) }
}

impl Plan {
    /// The split of a picture in `folders`, and its class: the first folder whose name describes the content. The split
    /// is `None` if the folder is divided and the picture is in no split.
    pub(super) fn place(&self, root: &Folder, folders: &[String]) -> (Option<Split>, Option<String>) {
        let split = (1..=folders.len()).find_map(|depth| Some((depth, *self.splits.get(&folders[..depth])?)));
        let Some((depth, split)) = split else {
            let class = folders.get(self.base.len()).cloned();
            return (self.splits.is_empty().then_some(Split::Train), class);
        };
        if self.sets > 1 {
            // splits within classes
            return (Some(split), folders.get(self.base.len()).cloned());
        }
        let class = self.classes.get(&folders[..depth]);
        let mut depth = depth;
        let mut here = root.at(&folders[..depth]);
        // seg_train/seg_train, train/images
        while let Some((name, folder)) = here.and_then(Folder::only) {
            let repeats = matches!(use_of(name), Use::Split(s, _) if s == split);
            if !repeats && !says_nothing(name) {
                break;
            }
            depth += 1;
            here = Some(folder);
        }
        (Some(split), folders.get(depth).cloned().or_else(|| class.cloned()))
    }
}
