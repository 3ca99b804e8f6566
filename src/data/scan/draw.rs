//! Drawing of validation and test pictures for a folder that has none.
//! Read this for the reproducible split and for near-duplicates in it.

use std::collections::{HashMap, HashSet};

use super::{FolderIndex, Item, Rules};
use crate::data::near_duplicates::{self, Signature};
use crate::data::shuffle::{SPLIT, shuffle};

/// One of `SHARE` pictures is for validation, and one for test.
const SHARE: usize = 20;

/// Number of pictures for validation and for test.
fn sizes(pictures: usize) -> [usize; 2] {
    [(pictures / SHARE).max(usize::from(pictures > 1)), pictures / SHARE]
}

/// Draws from `train`, in the order of paths, by names alone; draws `test` only if it is empty.
pub(super) fn by_names(train: &mut Vec<Item>, validation: &mut Vec<Item>, test: &mut Vec<Item>, seed: u64) {
    let [validations, mut tests] = sizes(train.len());
    if !test.is_empty() {
        tests = 0;
    }
    shuffle(train, seed, SPLIT, 0);
    *validation = train.split_off(train.len() - validations);
    test.extend(train.split_off(train.len() - tests));
    for list in [train, validation, test] {
        list.sort_by(|a, b| a.path.cmp(&b.path));
    }
}

impl FolderIndex {
    /// All pictures: validation, then training, then test.
    pub(crate) fn items(&self) -> impl Iterator<Item = &Item> {
        self.validation.iter().chain(&self.train).chain(&self.test)
    }

    /// The number of the first [`FolderIndex::items`] that a training has to decode: all if the split is drawn,
    /// otherwise all except the test pictures.
    pub(crate) fn decoded(&self) -> usize {
        if self.is_drawn() && self.test_made { self.len() } else { self.validation.len() + self.train.len() }
    }

    /// Whether the split is drawn among the readable pictures.
    pub(crate) fn is_drawn(&self) -> bool {
        self.split_made && self.options.rules != Rules::First
    }

    /// Whether the pictures are compared with each other to find near-duplicates.
    pub(crate) fn is_compared(&self) -> bool {
        self.options.rules != Rules::First
    }

    /// Adds a note about validation pictures of a given split that resemble training pictures; `signatures` as for
    /// [`FolderIndex::draw`].
    pub(crate) fn tell_repeated(&mut self, signatures: &[Option<Signature>]) {
        let held = self.validation.len();
        let (places, found): (Vec<usize>, Vec<&Signature>) = signatures
            .iter()
            .enumerate()
            .filter_map(|(at, signature)| Some((at, signature.as_ref()?)))
            .unzip();
        let groups = near_duplicates::groups(&found);
        let of = |validation: bool| {
            let both = places.iter().zip(&groups);
            both.filter(move |(at, _)| (**at < held) == validation).map(|(_, group)| *group)
        };
        let trained: HashSet<usize> = of(false).collect();
        let repeated = of(true).filter(|group| trained.contains(group)).count();
        if repeated > 0 {
            self.notes.push(format!(
                "{repeated} of the {held} validation pictures equal or nearly equal training pictures: validation \
                 signatures better than it is"
            ));
        }
    }

    /// Draws validation pictures from the training pictures if none of the given ones can be read; `readable` describes
    /// the first [`FolderIndex::items`].
    pub(crate) fn replace_validation(&mut self, readable: &[bool]) {
        let held = self.validation.len().min(readable.len());
        if !self.split_made && self.options.rules != Rules::First && !readable[..held].contains(&true) {
            let note =
                "none of the validation pictures can be read: others are drawn from those for training";
            self.notes.push(note.into());
            self.split_made = true;
        }
    }

    /// Draws the split among the readable pictures and keeps near-duplicates together. `signatures` describes the first
    /// [`FolderIndex::items`], `None` for unreadable ones.
    ///
    /// If there are no near-duplicates and no unreadable pictures, the result is the split drawn by names alone.
    pub(crate) fn draw(&mut self, signatures: &[Option<Signature>]) {
        let given: Vec<Item> = if self.test_made { Vec::new() } else { std::mem::take(&mut self.test) };
        let all = std::mem::take(&mut self.validation).into_iter();
        let all = all.chain(std::mem::take(&mut self.train)).chain(std::mem::take(&mut self.test));
        let mut pool: Vec<(Item, &Signature)> =
            all.zip(signatures).filter_map(|(item, signature)| Some((item, signature.as_ref()?))).collect();
        pool.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
        let found: Vec<&Signature> = pool.iter().map(|(_, signature)| *signature).collect();
        let groups = near_duplicates::groups(&found);
        let [validations, tests] = sizes(pool.len());
        let wanted = [validations, if self.test_made { tests } else { 0 }];
        let sides = sides(&groups, wanted, self.options.seed);
        for ((item, _), side) in pool.into_iter().zip(&sides) {
            match side {
                Side::Validation => self.validation.push(item),
                Side::Test => self.test.push(item),
                Side::Train => self.train.push(item),
            }
        }
        self.test.extend(given);
        self.tell(&groups, &sides);
    }

    fn tell(&mut self, groups: &[usize], sides: &[Side]) {
        let mut members: HashMap<usize, Vec<Side>> = HashMap::new();
        for (group, side) in groups.iter().zip(sides) {
            members.entry(*group).or_default().push(*side);
        }
        let alike = members.values().filter(|sides| sides.len() > 1);
        let count: usize = alike.clone().map(Vec::len).sum();
        if count == 0 || self.validation.is_empty() {
            return;
        }
        let parted = alike.filter(|sides| sides.iter().any(|side| *side != sides[0])).count();
        self.notes.push(if parted == 0 {
            format!("{count} pictures are equal or nearly equal to another: each stays on one side of the drawn split")
        } else {
            format!(
                "{count} pictures are equal or nearly equal to another, too many for one side of the drawn split: \
                 validation has some that are much like those for training"
            )
        });
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Train,
    Validation,
    Test,
}

/// The side of each picture, given its group: each group is entirely on one side, with about the wanted numbers of
/// validation and test pictures.
fn sides(groups: &[usize], [validations, tests]: [usize; 2], seed: u64) -> Vec<Side> {
    let mut members: HashMap<usize, Vec<usize>> = HashMap::new();
    for (at, group) in groups.iter().enumerate() {
        members.entry(*group).or_default().push(at);
    }
    let mut order: Vec<usize> = (0..groups.len()).collect();
    shuffle(&mut order, seed, SPLIT, 0);
    let mut sides = vec![None; groups.len()];
    let mut from_end = order.iter().rev();
    for (side, wanted) in [(Side::Validation, validations), (Side::Test, tests)] {
        let mut left = wanted;
        while left > 0
            && let Some(&at) = from_end.next()
        {
            let together = &members[&groups[at]];
            if sides[at].is_some() {
                continue;
            }
            // a group that does not fit goes to training
            let fits = together.len() <= left;
            left -= if fits { together.len() } else { 0 };
            let side = if fits { side } else { Side::Train };
            together.iter().for_each(|&one| sides[one] = Some(side));
        }
    }
    let mut sides: Vec<Side> = sides.into_iter().map(|side| side.unwrap_or(Side::Train)).collect();
    if validations > 0 && !sides.contains(&Side::Validation) {
        let smallest = members.values().min_by_key(|together| (together.len(), together[0]));
        match smallest.filter(|together| 2 * together.len() <= groups.len()) {
            Some(together) => together.iter().for_each(|&one| sides[one] = Side::Validation),
            // nearly all pictures are alike: the end of the series is held out
            None => sides.iter_mut().rev().take(validations).for_each(|side| *side = Side::Validation),
        }
    }
    sides
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(sides: &[Side], side: Side) -> usize {
        sides.iter().filter(|one| **one == side).count()
    }

    #[test]
    fn groups_stay_together() {
        // 100 pictures in 50 pairs, 100 alone
        let groups: Vec<usize> = (0..200).map(|at| if at < 100 { at / 2 } else { at }).collect();
        for seed in 0..20 {
            let sides = sides(&groups, [10, 10], seed);
            assert!((0..100).step_by(2).all(|at| sides[at] == sides[at + 1]));
            assert_eq!((count(&sides, Side::Validation), count(&sides, Side::Test)), (10, 10), "seed {seed}");
        }
        let alone: Vec<usize> = (0..60).collect();
        assert_eq!(count(&sides(&alone, [3, 3], 1), Side::Validation), 3);
    }

    #[test]
    fn one_series_is_cut_at_its_end() {
        let sides = sides(&[7; 40], [2, 2], 3);
        assert_eq!(sides[38..], [Side::Validation; 2]);
        assert_eq!(count(&sides, Side::Train), 38);
        // two groups larger than a twentieth: the smaller one is held out entirely
        let groups: Vec<usize> = (0..40).map(|at| usize::from(at >= 30)).collect();
        let sides = super::sides(&groups, [2, 2], 3);
        assert_eq!(count(&sides, Side::Validation), 10);
    }
}
