//! Random damage to bytes: bit flips, truncation, splices, and fields overwritten with edge cases.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Edge cases of sizes and offsets.
const EDGES: [u64; 14] = [
    0,
    1,
    2,
    0x7f,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    1 << 53,
    i64::MAX as u64,
    u64::MAX,
];

/// One of [`EDGES`].
pub(crate) fn edge(rng: &mut ChaCha8Rng) -> u64 {
    EDGES[rng.random_range(0..EDGES.len())]
}

/// A position in `bytes`, three times out of four within the first `head`.
fn place(rng: &mut ChaCha8Rng, len: usize, head: usize) -> usize {
    let end = if rng.random_range(0..4) > 0 { head.min(len) } else { len };
    rng.random_range(0..end.max(1))
}

/// Damages `bytes` one to three times; splices are taken from `other`.
pub(crate) fn mutate(rng: &mut ChaCha8Rng, bytes: &mut Vec<u8>, other: &[u8], head: usize) {
    for _ in 0..rng.random_range(1..=3) {
        let len = bytes.len();
        let at = place(rng, len, head).min(len);
        let some = rng.random_range(1..=64usize);
        match rng.random_range(0..6) {
            0 => {
                for _ in 0..rng.random_range(1..=8) {
                    let at = place(rng, len, head);
                    let bit = rng.random_range(0..8);
                    bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << bit);
                }
            }
            1 if rng.random_range(0..4) == 0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..(at + some).min(len))),
            2 => {
                let from = rng.random_range(0..other.len());
                let piece = other[from..(from + some).min(other.len())].to_vec();
                let until = if rng.random() { (at + piece.len()).min(len) } else { at };
                bytes.splice(at..until, piece);
            }
            3 => {
                let again = bytes[at..(at + some).min(len)].to_vec();
                bytes.splice(at..at, again);
            }
            _ => overwrite(rng, bytes, at),
        }
    }
}

/// Overwrites a field of 1 to 8 bytes, in either byte order.
fn overwrite(rng: &mut ChaCha8Rng, bytes: &mut [u8], at: usize) {
    let width = 1 << rng.random_range(0..4);
    let mut field = edge(rng).to_le_bytes()[..width].to_vec();
    if rng.random() {
        field.reverse();
    }
    if let Some(there) = bytes.get_mut(at..at + width) {
        there.copy_from_slice(&field);
    }
}
