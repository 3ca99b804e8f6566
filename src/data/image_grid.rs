//! Image grids: several pictures in one.
//! Used for sample grids, contact sheets and interpolation strips.

use image::{Rgb, RgbImage};

/// Default white gap between pictures, in pixels.
pub const GAP: u32 = 2;

/// Arranges `pictures` (each RGB8 `[size, size, 3]`) row by row, `columns` per row, with `gap` white pixels around
/// each. Fewer pictures than columns make a narrower grid; the rest of a last row stays white.
///
/// # Panics
/// If a picture does not have `size * size * 3` bytes, or there are no pictures or columns.
pub fn grid(pictures: &[Vec<u8>], size: u32, columns: u32, gap: u32) -> RgbImage {
    assert!(!pictures.is_empty() && columns > 0, "grid: {} pictures in {columns} columns", pictures.len());
    let count = pictures.len() as u32;
    let columns = columns.min(count);
    let rows = count.div_ceil(columns);
    let step = size + gap;
    let mut sheet = RgbImage::from_pixel(columns * step + gap, rows * step + gap, Rgb([255; 3]));
    for (index, picture) in pictures.iter().enumerate() {
        assert_eq!(
            picture.len(),
            (size * size * 3) as usize,
            "grid: pixels of picture {index} at {size} x {size}"
        );
        let (left, top) = (gap + index as u32 % columns * step, gap + index as u32 / columns * step);
        for (y, row) in picture.chunks_exact(size as usize * 3).enumerate() {
            for (x, pixel) in row.chunks_exact(3).enumerate() {
                sheet.put_pixel(left + x as u32, top + y as u32, Rgb([pixel[0], pixel[1], pixel[2]]));
            }
        }
    }
    sheet
}
