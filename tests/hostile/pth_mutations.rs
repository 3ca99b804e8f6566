//! Damaged `.pth` files give an error or a load within bounds, never a panic.

use std::collections::BTreeMap;

use wgvae::checkpoint::pth;

use crate::common::pth::{Entry, fixture, flatten, golden, zip};
use crate::common::report;
use crate::memory::Memory;

/// Number of mutated small files, and of mutations of the golden model if there is one.
const SMALL: usize = 40_000;
const GOLDEN: usize = 2_000;
/// The names that the models in the small files have.
const NEEDED: [&str; 2] = ["0.weight", "0.bias"];
const LARGEST_GROWTH_MIB: u64 = 128;

/// A portable random generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// A plausible but wrong size or offset.
    fn field(&mut self, length: usize) -> u64 {
        let choices =
            [0, 1, 2, 0x7f, 0xff, 0x7fff_ffff, 0xffff_ffff, u64::MAX, 1 << 63, length as u64, self.next()];
        let chosen = choices[self.below(choices.len())];
        if self.below(4) == 0 { chosen.wrapping_sub(1) } else { chosen }
    }
}

/// Changes `bytes` from `from` on.
fn mutate(bytes: &mut Vec<u8>, from: usize, random: &mut Random) {
    for _ in 0..=random.below(3) {
        if bytes.len() <= from {
            return;
        }
        let length = bytes.len();
        let at = from + random.below(length - from);
        match random.below(8) {
            0 | 1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = random.next() as u8,
            3 => bytes.truncate(at),
            4 => {
                let (source, count) = (random.below(length), 1 + random.below(64));
                let copied: Vec<_> = bytes[source..].iter().copied().take(count).collect();
                let end = if random.below(2) == 0 { at } else { (at + copied.len()).min(length) };
                bytes.splice(at..end, copied);
            }
            5 => drop(bytes.splice(at..(at + 1 + random.below(16)).min(length), [])),
            kind => {
                let width = [2, 4, 8][random.below(3)];
                let field = random.field(length).to_le_bytes();
                let count = width.min(length - at);
                bytes[at..at + count].copy_from_slice(&field[..count]);
                // pickles also contain operations and one-byte numbers
                if kind == 7 {
                    bytes[at] = b"()0]}.abcehijqrstuNGJKMQRX\x80\x81\x85\x86\x87\x88\x8a\x8c\x93\x94"
                        [random.below(36)];
                }
            }
        }
    }
}

/// The entries of a file written by torch, and the file without checksums.
fn taken_apart(file: &[u8]) -> (Vec<Entry>, Vec<u8>, usize) {
    let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("4 bytes")) as usize;
    let short = |at: usize| number(at) & 0xffff;
    let directory = number(file.len() - 6);
    let (mut entries, mut unchecked, mut at) = (Vec::new(), file.to_vec(), directory);
    while file[at..].starts_with(b"PK\x01\x02") {
        let (length, names, local) = (number(at + 20), short(at + 28), number(at + 42));
        let name = std::str::from_utf8(&file[at + 46..at + 46 + names]).expect("a name");
        let start = local + 30 + short(local + 26) + short(local + 28);
        entries.push(Entry::new(name, &file[start..start + length]));
        unchecked[at + 16..at + 20].fill(0);
        at += 46 + names + short(at + 30) + short(at + 32);
    }
    (entries, unchecked, directory)
}

/// Reads `count` mutations of `files`; returns the outcomes per kind of mutation.
fn torture(files: &[Vec<u8>], count: usize, seed: u64) -> BTreeMap<&'static str, [usize; 3]> {
    let mut random = Random(seed);
    let parts: Vec<_> = files.iter().map(|file| taken_apart(file)).collect();
    let mut ends: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for _ in 0..count {
        let chosen = random.below(files.len());
        let (entries, unchecked, directory) = &parts[chosen];
        let (kind, bytes) = match random.below(5) {
            0 => {
                let mut bytes = files[chosen].clone();
                mutate(&mut bytes, 0, &mut random);
                ("anywhere", bytes)
            }
            1 => {
                let mut bytes = unchecked.clone();
                mutate(&mut bytes, 0, &mut random);
                ("anywhere, unchecked", bytes)
            }
            2 => {
                let mut bytes = unchecked.clone();
                mutate(&mut bytes, *directory, &mut random);
                ("directory", bytes)
            }
            3 => {
                let mut entries = entries.clone();
                let entry =
                    entries.iter_mut().find(|entry| entry.name.ends_with("data.pkl")).expect("a pickle");
                let mut pickle = std::mem::take(&mut entry.bytes);
                mutate(&mut pickle, 0, &mut random);
                *entry = Entry::new(&entry.name, &pickle);
                ("pickle", zip(&entries))
            }
            _ => {
                let mut entries = entries.clone();
                let index = random.below(entries.len());
                mutate(&mut entries[index].bytes, 0, &mut random);
                entries[index].crc = crc32fast::hash(&entries[index].bytes);
                ("an entry", zip(&entries))
            }
        };
        let end = ends.entry(kind).or_default();
        match pth::read(&bytes) {
            Err(reason) => {
                assert!(reason.len() < 2000 && !reason.contains(char::is_control), "{reason}");
                end[0] += 1;
            }
            Ok(value) => {
                let mut tensors = Vec::new();
                flatten(&value, "", &mut tensors);
                let mut numbers = 0;
                for (name, tensor) in tensors {
                    assert_eq!(tensor.shape.iter().product::<usize>(), tensor.values.len(), "{name}");
                    numbers += tensor.values.len();
                }
                assert!(numbers <= 4 * bytes.len() + (1 << 16), "{numbers} numbers of {} bytes", bytes.len());
                end[if pth::training(value, &NEEDED).is_ok() { 2 } else { 1 }] += 1;
            }
        }
    }
    ends
}

#[test]
fn no_mutation_panics() {
    let names = [
        "state_dict.pth",
        "adamw.pth",
        "plain.pth",
        "plain5.pth",
        "views.pth",
        "protocol4.pth",
        "untyped.pth",
        "objects.pth",
    ];
    let files: Vec<_> = names.into_iter().map(fixture).collect();
    let memory = Memory::watch();
    let mut rounds = vec![("small files", torture(&files, SMALL, 7))];
    if let Some(folder) = golden() {
        let model = std::fs::read(folder.join("tiny/model.pth")).expect("model.pth");
        rounds.push(("the golden model", torture(&[model], GOLDEN, 8)));
    }
    for (what, ends) in rounds {
        let mut sums = [0; 3];
        for (kind, end) in ends {
            println!(
                "{what}, {kind}: {} refused, {} read, {} of them training files",
                end[0],
                end[1] + end[2],
                end[2]
            );
            sums.iter_mut().zip(end).for_each(|(sum, end)| *sum += end);
        }
        report::checked(sums.iter().sum(), "damaged files");
        println!(
            "{what}: {} refused, {} read, {} of them training files",
            sums[0],
            sums[1] + sums[2],
            sums[2]
        );
        assert!(sums.iter().all(|&sum| sum > 0) || what != "small files", "the mutations reach everything");
    }
    let grown = memory.grown();
    println!("memory grown by {grown:?} MiB");
    assert!(grown.is_none_or(|grown| grown < LARGEST_GROWTH_MIB), "memory has grown by {grown:?} MiB");
}
