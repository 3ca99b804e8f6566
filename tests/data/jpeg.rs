//! JPEG compared with libjpeg-turbo: all kinds of files made by tools/make_jpeg_fixtures.py, and a grid of options if
//! its programs are installed; truncated, damaged and unsupported files.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use wgvae::data::{Resize, decode, load, resize_rgb};

use crate::common::{at_scale, report};
use crate::helpers::{encode, fixture, put, worst};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/jpeg")
}

fn jpeg(name: &str) -> Vec<u8> {
    fs::read(fixtures().join(format!("{name}.jpg"))).unwrap()
}

/// Decodes `bytes`.
fn read(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let folder = tempfile::tempdir().unwrap();
    decode(&put(folder.path().join("x.jpg"), bytes)).map(|picture| picture.rgb)
}

/// Identical to the bit: the decoder uses the same integer arithmetic.
#[test]
fn every_form_has_the_pixels_of_libjpeg_turbo() {
    let mut forms = 0;
    for entry in fs::read_dir(fixtures()).unwrap() {
        let path = entry.unwrap().path();
        let wanted = path.with_extension("png");
        if path.extension().is_none_or(|extension| extension != "jpg") || !wanted.exists() {
            continue;
        }
        let picture = decode(&path).unwrap_or_else(|reason| panic!("{}: {reason}", path.display()));
        let wanted = image::open(&wanted).unwrap().into_rgb8();
        assert_eq!((picture.width, picture.height), wanted.dimensions(), "{}", path.display());
        let (difference, at) = worst(&picture.rgb, wanted.as_raw());
        assert_eq!(difference, 0, "{}: byte {at} of {}", path.display(), picture.rgb.len());
        forms += 1;
    }
    assert!(forms > 40, "{forms} forms");
    report::checked(forms, "forms of JPEG");
}

#[test]
fn forms_that_are_not_read_are_named() {
    for name in ["arithmetic", "arithmetic-progressive"] {
        let reason = read(&jpeg(name)).unwrap_err();
        assert!(reason.contains("arithmetic"), "{name}: {reason}");
    }
    // the frame's marker and the bits of a sample
    let frame = |marker: u8, bits: u8| {
        let mut bytes = jpeg("size-16x16");
        let at = bytes.windows(4).position(|head| head == [0xff, 0xc0, 0, 17]).unwrap();
        (bytes[at + 1], bytes[at + 4]) = (marker, bits);
        read(&bytes).unwrap_err()
    };
    for (marker, bits, word) in
        [(0xc3, 8, "lossless"), (0xf7, 8, "JPEG-LS"), (0xc5, 8, "hierarchical"), (0xc1, 12, "12 bits")]
    {
        let reason = frame(marker, bits);
        assert!(reason.contains(word), "{marker:x}: {reason}");
    }
}

/// Some cameras and recorders omit the end marker; the pictures are complete.
#[test]
fn a_file_is_whole_if_its_blocks_are_with_the_end_marker_or_without() {
    for name in ["sampled-2x2", "progressive", "separate-2x2", "restarts", "grey"] {
        let whole = jpeg(name);
        let wanted = read(&whole).unwrap();
        let bare = &whole[..whole.len() - 2];
        assert_eq!(read(bare).unwrap(), wanted, "{name} without its end marker");
        let padded = [bare, &[0; 2048]].concat();
        assert_eq!(read(&padded).unwrap(), wanted, "{name} with zeros in place of its end marker");
        for cut in [3, 5, 40, whole.len() / 2, whole.len() - 30] {
            let cut = &whole[..whole.len() - 2 - cut];
            let padded = [cut, &[0; 2048]].concat();
            let ended = [cut, &[0xff, 0xd9]].concat();
            for (how, bytes) in [("cut", cut), ("cut, then zeros", &padded), ("cut, then ended", &ended)] {
                let reason = read(bytes).unwrap_err();
                let told = reason.contains("cut off") || reason.contains("damaged");
                assert!(told, "{name} {how} to {} bytes: {reason}", cut.len());
            }
        }
    }
}

#[test]
fn scans_that_are_missing_are_told() {
    for name in ["separate-2x2", "progressive", "progressive-bands"] {
        let whole = jpeg(name);
        let last = whole.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap();
        let reason = read(&[&whole[..last], &[0xff, 0xd9]].concat()).unwrap_err();
        assert!(reason.contains("scans of the JPEG are missing"), "{name}: {reason}");
    }
}

#[test]
fn restart_markers_out_of_order_are_damage() {
    let mut bytes = jpeg("restarts");
    let second = bytes.windows(2).position(|pair| pair == [0xff, 0xd1]).unwrap();
    bytes[second + 1] = 0xd2;
    let reason = read(&bytes).unwrap_err();
    assert!(reason.contains("damaged"), "{reason}");
}

/// One-byte changes and prefixes of every kind of file give a picture or an error.
#[test]
fn no_bytes_bring_any_form_down() {
    for name in ["separate-restarts", "progressive-bands", "dense-chroma-both", "cmyk-2", "no-huffman-tables"]
    {
        let whole = jpeg(name);
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x5b;
            for bytes in [&changed, &whole[..at]] {
                if let Err(reason) = read(bytes) {
                    assert!(!reason.contains("survive"), "{name}, byte {at}: {reason}");
                }
            }
        }
    }
}

/// Smooth colours and sharp edges, `width` x `height`.
fn photo(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let (u, v) = (x as f32 / width as f32, y as f32 / height as f32);
        let disc = |cx: f32, cy: f32, r: f32| (u - cx).hypot(v - cy) < r;
        match (disc(0.3, 0.3, 0.12), disc(0.7, 0.6, 0.2)) {
            (true, _) => Rgb([220, 30, 40]),
            (_, true) => Rgb([30, 200, 60]),
            _ => Rgb([u * 255.0, v * 255.0, 255.0 - (u + v) * 127.0].map(|value| value as u8)),
        }
    })
}

fn mean(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
}

/// A picture much larger than requested is decoded at a reduced size. The result differs from resampling the whole
/// picture by at most a unit in the mean; a picture shifted by half a pixel of the result, stretched by one pixel, or
/// turned differs by more, which the test verifies.
#[test]
fn reduced_decoding_is_close_to_resampling_the_whole_picture() {
    let folder = tempfile::tempdir().unwrap();
    for (width, height, size) in [(803, 611, 64), (401, 307, 64), (205, 300, 64), (333, 250, 16)] {
        let bytes = encode(&photo(width, height).into(), ImageFormat::Jpeg);
        let path = put(folder.path().join(format!("{width}.jpg")), bytes);
        let whole = decode(&path).unwrap();
        for how in [Resize::Stretch, Resize::Cover] {
            let resized = |rgb: &[u8], w| resize_rgb(rgb, w, height, size, how);
            let wanted = resized(&whole.rgb, width);
            let ours = load(&path, size, how).unwrap();
            let difference = mean(&ours, &wanted);
            // the whole picture without half a result pixel on its left
            let off = width / size / 2;
            let rows = whole.rgb.chunks_exact(width as usize * 3);
            let moved: Vec<u8> = rows.flat_map(|row| &row[off as usize * 3..]).copied().collect();
            let other = mean(&resized(&moved, width - off), &wanted);
            println!("{width} x {height} to {size}, {how}: {difference:.2}; moved: {other:.2}");
            assert!(difference < 1.0 && difference < other, "{difference} and {other}");
        }
    }
}

/// A JPEG with an EXIF orientation inserted after the start-of-image marker.
pub(crate) fn turned(picture: &RgbImage, orientation: u8) -> Vec<u8> {
    let jpeg = encode(&DynamicImage::from(picture.clone()), ImageFormat::Jpeg);
    let exif = [&b"Exif\0\0"[..], &crate::common::containers::exif(orientation)].concat();
    let head = [0xff, 0xd8, 0xff, 0xe1, 0, exif.len() as u8 + 2];
    [&head[..], &exif, &jpeg[2..]].concat()
}

#[test]
fn reduced_pictures_are_turned_as_whole_ones_are() {
    let folder = tempfile::tempdir().unwrap();
    let picture = photo(803, 611);
    for orientation in 1..=8 {
        let path = put(folder.path().join(format!("{orientation}.jpg")), turned(&picture, orientation));
        let whole = decode(&path).unwrap();
        for how in [Resize::Stretch, Resize::Cover] {
            let wanted = resize_rgb(&whole.rgb, whole.width, whole.height, 64, how);
            let difference = mean(&load(&path, 64, how).unwrap(), &wanted);
            assert!(difference < 1.0, "orientation {orientation}, {how}: {difference}");
        }
    }
}

/// Runs one of libjpeg-turbo's programs; `None` if it fails.
fn run(program: &str, options: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    command.args(options).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().unwrap()
    });
    output.status.success().then_some(output.stdout)
}

/// Combinations of sampling factors, scans, restarts, sizes and qualities equal `djpeg`'s output to the bit.
#[test]
fn a_grid_of_forms_has_the_pixels_of_djpeg() {
    let there = |program| Command::new(program).arg("-version").stderr(Stdio::null()).status().is_ok();
    if !there("cjpeg") || !there("djpeg") {
        return report::left_out("the grid of JPEGs: no cjpeg and djpeg (libjpeg-turbo-progs)");
    }
    let folder = tempfile::tempdir().unwrap();
    let script = |name: &str, text| put(folder.path().join(name), text).to_str().unwrap().to_owned();
    let (separate, two) = (script("separate", "0;\n1;\n2;\n"), script("two", "1 2;\n0;\n"));
    let scans: [&[&str]; 4] = [&[], &["-progressive"], &["-scans", &separate], &["-scans", &two]];
    let samplings = [
        "1x1",
        "2x1",
        "1x2",
        "2x2",
        "4x1",
        "1x4",
        "4x2",
        "3x1",
        "1x3",
        "1x1,2x2,2x2",
        "1x1,2x1,2x1",
        "2x1,1x2,1x1",
        "2x2,1x1,2x2",
        "4x1,2x1,1x1",
        "1x1,1x1,2x2",
    ];
    let restarts: [&[&str]; 3] = [&[], &["-restart", "1"], &["-restart", "3B"]];
    let sizes = [(1, 1), (2, 5), (3, 2), (9, 17), (16, 16), (33, 31), (70, 53)];
    let (mut number, mut compared) = (0, 0);
    for sampling in samplings {
        for scans in scans {
            for restarts in restarts {
                for (width, height) in sizes {
                    number += 1;
                    // every 11th, so that the usual run covers every value on each axis of the grid
                    if number % at_scale(11, 1) != 0 {
                        continue;
                    }
                    let quality = ["95", "75", "40"][number % 3];
                    let options = [&["-quality", quality, "-sample", sampling], scans, restarts].concat();
                    let header = format!("P6 {width} {height} 255\n");
                    let ppm = [header.as_bytes(), photo(width, height).as_raw()].concat();
                    let Some(file) = run("cjpeg", &options, &ppm) else { continue };
                    let wanted = run("djpeg", &["-ppm"], &file).unwrap();
                    let ours = read(&file).unwrap_or_else(|reason| panic!("{options:?}: {reason}"));
                    assert_eq!(ours.len() as u32, width * height * 3, "{options:?}");
                    let (difference, at) = worst(&ours, &wanted[wanted.len() - ours.len()..]);
                    assert_eq!(difference, 0, "{width} x {height} {options:?}: byte {at}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > number / at_scale(22, 2), "{compared} of {number}");
    report::checked(compared, "JPEGs by cjpeg");
}

/// The reference photograph of the other tests, written by a different encoder.
#[test]
fn a_photograph_of_another_encoder_is_what_it_was() {
    let photo = fixture("lake.png");
    let read = read(&encode(&DynamicImage::from(photo.clone()), ImageFormat::Jpeg)).unwrap();
    let difference = mean(&read, photo.as_raw());
    assert!(difference < 6.0, "{difference} in the mean");
}
