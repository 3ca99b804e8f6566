//! Near-duplicate detection: pictures that were saved again, scaled down, or taken in one burst.
//! Used to keep near-duplicates on one side of the train/validation split.
//!
//! A gradient hash (image_hasher) finds candidates. Small grey pictures confirm them, because all flat pictures have
//! equal hashes.

use std::collections::HashMap;

use image::GrayImage;
use image_hasher::{HashAlg, Hasher, HasherConfig};

use super::resize::{Resize, resize_grey, resize_rgb};

/// Side of the small grey picture, in pixels.
const SIDE: u32 = 16;
/// Maximum number of differing hash bits.
const MAX_BITS: u32 = 10;
/// Minimum correlation of two small grey pictures.
const MIN_CORRELATION: f64 = 0.95;
/// Standard deviation of the grey values, of 255, below which a picture counts as flat; flat pictures are not compared.
const MIN_CONTRAST: f32 = 6.0;

/// Features of a picture for comparison with others.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    /// digest of all pixels
    digest: u64,
    hash: u64,
    /// Small grey picture, standardized to its mean and deviation; empty for flat pictures.
    grey: Box<[i8]>,
}

thread_local! {
    static HASHER: Hasher<[u8; 8]> =
        HasherConfig::with_bytes_type::<[u8; 8]>().hash_size(8, 8).hash_alg(HashAlg::Gradient).to_hasher();
}

/// The gradient hash of a grey picture of `2 * SIDE` pixels a side.
fn hash(grey: &[u8]) -> u64 {
    // at these sides the hasher does not resize; its own resizing would dominate the time
    let (wide, high) = (9, 8);
    let small = resize_grey(grey, 2 * SIDE, 2 * SIDE, wide, high);
    let hash = GrayImage::from_raw(wide, high, small)
        .map(|picture| HASHER.with(|hasher| hasher.hash_image(&picture).as_bytes().try_into()));
    u64::from_le_bytes(hash.and_then(Result::ok).unwrap_or_default())
}

impl Signature {
    /// Features of RGB8 `[height, width, 3]`.
    pub(crate) fn of(rgb: &[u8], width: u32, height: u32) -> Self {
        let small = resize_rgb(rgb, width, height, 2 * SIDE, Resize::Stretch);
        let luma = |p: &[u8]| (299 * u32::from(p[0]) + 587 * u32::from(p[1]) + 114 * u32::from(p[2])) / 1000;
        let grey: Vec<u8> = small.chunks_exact(3).map(|p| luma(p) as u8).collect();
        let pixel = |x: u32, y: u32| f32::from(grey[(y * 2 * SIDE + x) as usize]);
        let mean =
            |x: u32, y: u32| (pixel(x, y) + pixel(x + 1, y) + pixel(x, y + 1) + pixel(x + 1, y + 1)) / 4.0;
        let halved: Vec<f32> = (0..SIDE * SIDE).map(|at| mean(2 * (at % SIDE), 2 * (at / SIDE))).collect();
        let digest = digest(rgb, width, height);
        Self { digest, hash: hash(&grey), grey: standard(&halved) }
    }

    /// Whether all pixels are equal.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        self.digest == other.digest
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    /// Whether the two are equal or near-duplicates.
    pub(crate) fn is_near(&self, other: &Self) -> bool {
        if self.equals(other) {
            return true;
        }
        let near = !self.grey.is_empty() && !other.grey.is_empty();
        near && (self.hash ^ other.hash).count_ones() <= MAX_BITS && {
            let product = |a: &[i8], b: &[i8]| -> f64 {
                f64::from(a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum::<i32>())
            };
            let (a, b) = (&self.grey, &other.grey);
            product(a, b) >= MIN_CORRELATION * (product(a, a) * product(b, b)).sqrt()
        }
    }
}

/// `values` minus their mean, in units of 1/31 standard deviation; empty if they hardly differ.
fn standard(values: &[f32]) -> Box<[i8]> {
    let count = values.len() as f32;
    let mean = values.iter().sum::<f32>() / count;
    let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / count).sqrt();
    if deviation < MIN_CONTRAST {
        return Box::default();
    }
    values.iter().map(|value| (31.0 * (value - mean) / deviation).clamp(-127.0, 127.0) as i8).collect()
}

/// Digest of the sides and pixels: for finding duplicates, not collision-resistant against attackers.
fn digest(rgb: &[u8], width: u32, height: u32) -> u64 {
    let mut digest = u64::from(width) << 32 | u64::from(height);
    // eight bytes at a time
    for chunk in rgb.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        digest = (digest ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        digest ^= digest >> 29;
    }
    digest
}

/// A group number per signature: connected components of the relation "is near".
pub(crate) fn groups(signatures: &[&Signature]) -> Vec<usize> {
    let mut parents: Vec<usize> = (0..signatures.len()).collect();
    let hashes: Vec<u64> = signatures.iter().map(|signature| signature.hash).collect();
    let mut buckets: HashMap<(u32, u64), Vec<usize>> = HashMap::new();
    for (at, signature) in signatures.iter().enumerate() {
        for key in bucket_keys(signature) {
            let bucket = buckets.entry(key).or_default();
            let mut stands_for = false;
            for &other in bucket.iter() {
                if (hashes[at] ^ hashes[other]).count_ones() > MAX_BITS {
                    continue;
                }
                let (a, b) = (find_root(&mut parents, at), find_root(&mut parents, other));
                if a != b && signature.is_near(signatures[other]) {
                    parents[a.max(b)] = a.min(b);
                }
                // one picture per hash is enough: otherwise a series of thousands would be compared pairwise
                stands_for |= hashes[at] == hashes[other]
                    && find_root(&mut parents, at) == find_root(&mut parents, other);
            }
            if !stands_for {
                bucket.push(at);
            }
        }
    }
    (0..signatures.len()).map(|at| find_root(&mut parents, at)).collect()
}

/// Bucket keys. Of `MAX_BITS + 1` parts of the hash at least one is equal for near signatures, so they share a key.
fn bucket_keys(signature: &Signature) -> Vec<(u32, u64)> {
    let parts = MAX_BITS + 1;
    let of_part = |part: u32| {
        let (low, high) = (64 * part / parts, 64 * (part + 1) / parts);
        (part, signature.hash >> low & ((1u64 << (high - low)) - 1))
    };
    let hashed = (0..parts).filter(|_| !signature.grey.is_empty()).map(of_part);
    hashed.chain(std::iter::once((parts, signature.digest))).collect()
}

fn find_root(parents: &mut [usize], at: usize) -> usize {
    let mut here = at;
    while parents[here] != here {
        parents[here] = parents[parents[here]];
        here = parents[here];
    }
    here
}
