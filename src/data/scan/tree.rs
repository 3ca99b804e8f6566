//! The folders that hold pictures, as a tree.
//! The input of the split detection.

use std::collections::BTreeMap;

use super::walk::Picture;

/// A folder, with those below it that hold pictures.
#[derive(Debug, Default)]
pub(super) struct Folder {
    /// pictures directly in it
    pub(super) own: usize,
    /// pictures in it and below
    pub(super) all: usize,
    pub(super) below: BTreeMap<String, Folder>,
}

impl Folder {
    pub(super) fn of(pictures: &[Picture]) -> Self {
        let mut root = Self::default();
        for picture in pictures {
            let mut here = &mut root;
            here.all += 1;
            for name in &picture.folders {
                here = here.below.entry(name.clone()).or_default();
                here.all += 1;
            }
            here.own += 1;
        }
        root
    }

    /// The folder at `path` below this one.
    pub(super) fn at(&self, path: &[String]) -> Option<&Self> {
        path.iter().try_fold(self, |folder, name| folder.below.get(name))
    }

    /// The only folder in this one, if it holds nothing else.
    pub(super) fn only(&self) -> Option<(&String, &Self)> {
        let mut below = self.below.iter();
        let first = below.next().filter(|_| self.own == 0)?;
        below.next().is_none().then_some(first)
    }
}
