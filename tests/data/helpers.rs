//! Fixtures and small files.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use wgvae::data::{Item, Resize, Source, decode, scan};

pub(crate) const QUIET: &(dyn Fn(usize, usize) + Sync) = &|_, _| {};

pub(crate) fn fixture(name: &str) -> RgbImage {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    image::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).into_rgb8()
}

/// The largest difference of two pictures, and its position: (difference, byte).
pub(crate) fn worst(a: &[u8], b: &[u8]) -> (u8, usize) {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).enumerate().map(|(at, (a, b))| (a.abs_diff(*b), at)).max().unwrap()
}

pub(crate) fn encode(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub(crate) fn put(path: PathBuf, bytes: impl AsRef<[u8]>) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

/// A 4 x 3 PNG of one colour.
pub(crate) fn plain(red: u8) -> Vec<u8> {
    encode(&RgbImage::from_pixel(4, 3, Rgb([red, 20, 30])).into(), ImageFormat::Png)
}

/// `count` PNGs in `folder`, picture `i` with red `i`.
pub(crate) fn fill(folder: &Path, count: u8) {
    for i in 0..count {
        put(folder.join(format!("{i:03}.png")), plain(i));
    }
}

pub(crate) fn folder_source(root: &Path) -> Source {
    let mut set = scan(root, 0).unwrap();
    let mut items: Vec<Item> = set.train.drain(..).chain(set.validation.drain(..)).chain(set.test).collect();
    items.sort_by(|a, b| a.path.cmp(&b.path));
    Source::Folder { root: set.root, items, how: Resize::Stretch.into() }
}

pub(crate) fn names(items: &[Item]) -> Vec<String> {
    items.iter().map(|item| item.path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

pub(crate) fn sides(path: &Path) -> (u32, u32) {
    let picture = decode(path).unwrap();
    (picture.width, picture.height)
}
