//! Damaged pictures, loaded as in training.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, RgbaImage};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use wgvae::data::{Resize, load};

use crate::common::report;
use crate::memory::Memory;
use crate::mutate::mutate;

/// Number of damaged pictures.
const PICTURES: usize = 10_000;
/// Side that they are resized to.
const SIZE: u32 = 16;
/// Allowed growth of memory in MiB. The loader accepts headers that claim up to 1024 MiB of pixels, but a file of a few
/// hundred bytes touches only a small part of it, because decoders stop at the end of their input.
const MAX_MIB: u64 = 128;

fn encode(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).expect("a picture in memory");
    bytes.into_inner()
}

/// Small pictures of every supported format, with varying pixels, so that no format compresses them away.
fn seeds() -> Vec<Vec<u8>> {
    let at = |x: u32, y: u32| [(x * 7 + y * 3) as u8, (x * y) as u8, (x ^ (y * 5)) as u8];
    let rgb = DynamicImage::from(RgbImage::from_fn(24, 20, |x, y| Rgb(at(x, y))));
    let rgba = DynamicImage::from(RgbaImage::from_fn(24, 20, |x, y| {
        let [r, g, b] = at(x, y);
        image::Rgba([r, g, b, (x * 10) as u8])
    }));
    let [jpg, png, webp, bmp] = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp];
    let fixture = |name: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        std::fs::read(path).expect(name)
    };
    vec![
        encode(&rgb, jpg),
        encode(&DynamicImage::from(rgb.to_luma8()), jpg),
        fixture("cmyk.jpg"),
        encode(&rgb, png),
        encode(&rgba, png),
        encode(&DynamicImage::from(rgba.to_rgba16()), png),
        encode(&rgb, webp),
        encode(&rgba, webp),
        encode(&rgb, bmp),
        encode(&rgba, bmp),
    ]
    .into_iter()
    .chain(FORMATS.map(|name| fixture(&format!("formats/{name}"))))
    .collect()
}

/// Fixtures of the other formats and of the layouts of TIFF that take different ways.
const FORMATS: [&str; 20] = [
    "heic.heic",
    "heic-alpha.heic",
    "heic-p3.heic",
    "avif.avif",
    "avif-420.avif",
    "avif-alpha.avif",
    "avif-10.avif",
    "jxl.jxl",
    "jxl-lossy.jxl",
    "jxl-alpha.jxl",
    "gif.gif",
    "pnm-grey.pgm",
    "qoi.qoi",
    "ico.ico",
    "tiff-lzw.tiff",
    "tiff-planar-tiles.tiff",
    "tiff-palette.tiff",
    "tiff-float.tiff",
    "tiff-ycbcr-jpeg.tiff",
    "tiff-2-bits-2.tiff",
];

/// Repairs the checksums of a PNG's chunks: a decoder stops at a wrong one.
fn mend_png(bytes: &mut [u8]) {
    let mut at = 8;
    while let Some(head) = bytes.get(at..at + 8) {
        let len = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some(body) = bytes.get(at + 4..at + 8 + len) else { return };
        let sum = crc32fast::hash(body).to_be_bytes();
        let Some(stored) = bytes.get_mut(at + 8 + len..at + 12 + len) else { return };
        stored.copy_from_slice(&sum);
        at += 12 + len;
    }
}

#[test]
fn damaged_pictures_are_read_or_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("x");
    let seeds = seeds();
    for seed in &seeds {
        std::fs::write(&path, seed).expect("file");
        assert_eq!(load(&path, SIZE, Resize::Stretch).map(|pixels| pixels.len()), Ok(16 * 16 * 3));
    }
    let (memory, began) = (Memory::watch(), Instant::now());
    let (mut read, mut refused, mut survived) = (0, 0, 0);
    for number in 0..PICTURES {
        let rng = &mut ChaCha8Rng::seed_from_u64(number as u64);
        let mut bytes = seeds[number % seeds.len()].clone();
        let other = &seeds[rng.random_range(0..seeds.len())];
        // the first 200 bytes contain the headers of all formats
        mutate(rng, &mut bytes, other, 200);
        if rng.random() && bytes.starts_with(b"\x89PNG") {
            mend_png(&mut bytes);
        }
        std::fs::write(&path, &bytes).expect("file");
        let resize = if rng.random() { Resize::Stretch } else { Resize::Cover };
        match catch_unwind(AssertUnwindSafe(|| load(&path, SIZE, resize))) {
            Ok(Ok(pixels)) => {
                assert_eq!(pixels.len(), (SIZE * SIZE * 3) as usize, "picture {number}");
                read += 1;
            }
            Ok(Err(reason)) => {
                assert!(
                    !reason.is_empty() && !reason.contains(['\n', '\u{1b}']),
                    "picture {number}: {reason:?}"
                );
                survived += usize::from(reason.contains("does not survive"));
                refused += 1;
            }
            Err(_) => panic!("picture {number} brings the loader down"),
        }
    }
    let (seconds, grown) = (began.elapsed().as_secs_f64(), memory.grown());
    println!(
        "{PICTURES} damaged pictures: {refused} refused ({survived} by a panic that was caught), {read} read, \
         {seconds:.1} s, memory grown by {grown:?} MiB"
    );
    report::checked(PICTURES, "damaged files");
    assert!(read > PICTURES / 20 && refused > PICTURES / 20, "the damage is too strong or too weak");
    assert!(grown.is_none_or(|grown| grown <= MAX_MIB), "memory has grown by {grown:?} MiB");
}
