//! Conversions between RGB bytes and the RGBA8 words that the kernels use.
//! Used at the border between files and the GPU.

/// `[S, S, 3]` bytes of RGBA words, red in the lowest byte.
pub fn rgb_of(picture: &[u32]) -> Vec<u8> {
    picture.iter().flat_map(|word| word.to_le_bytes().into_iter().take(3)).collect()
}

/// Opaque RGBA words, red in the lowest byte, of `[S, S, 3]` bytes.
pub fn rgba_of(picture: &[u8]) -> Vec<u32> {
    picture.chunks(3).map(|p| u32::from_le_bytes([p[0], p[1], p[2], 255])).collect()
}

/// Mirrors RGB bytes left to right; `row` are the bytes of a row.
pub fn mirror(rgb: &mut [u8], row: usize) {
    for row in rgb.chunks_mut(row) {
        let mirrored: Vec<u8> = row.chunks(3).rev().flatten().copied().collect();
        row.copy_from_slice(&mirrored);
    }
}
