//! Every format and layout against the pixels of its reference decoder; see tools/make_format_fixtures.py.

use std::fs;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use wgvae::data::{ColourRule, Resize, decode, decode_by, load, scan};

use crate::colour::{iccp, png_with};
use crate::common::profiles::{P3, desc, profile, srgb_light, to_srgb};
use crate::decode::quarters;
use crate::helpers::{encode, put, worst};
use crate::jpeg::turned;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats")
}

fn reference(name: &str) -> RgbImage {
    image::open(fixtures().join(format!("{name}.png"))).unwrap().into_rgb8()
}

/// Largest difference that rounding and other filters for chroma explain.
fn allowed(name: &str) -> u8 {
    match name {
        "avif-420" => 3,
        "avif" | "avif-limited" | "avif-alpha" | "avif-turned" | "avif-10" | "avif-grey" => 2,
        "heic" | "heic-alpha" | "heic-10" | "heic-p3" => 2,
        "jxl-lossy" => 2,
        "tiff-jpeg" | "tiff-ycbcr-jpeg" => 4,
        _ => 1,
    }
}

#[test]
fn every_format_is_what_its_reference_reads() {
    let mut names: Vec<PathBuf> =
        fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().unwrap() != "png");
    names.sort();
    let mut failed = Vec::new();
    for path in &names {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let wanted = reference(&name);
        match decode_by(path, ColourRule::AsStored) {
            Err(reason) => failed.push(format!("{name}: {reason}")),
            Ok(is) if (is.width, is.height) != wanted.dimensions() => {
                failed.push(format!("{name}: {} x {}, not {:?}", is.width, is.height, wanted.dimensions()));
            }
            Ok(is) => {
                let (difference, at) = worst(&is.rgb, wanted.as_raw());
                println!("{name} ({}): {difference}", is.format);
                if difference > allowed(&name) {
                    failed.push(format!("{name}: {difference} at byte {at}"));
                }
            }
        }
        assert_eq!(load(path, 16, Resize::Cover).map(|rgb| rgb.len()), Ok(16 * 16 * 3), "{name}");
    }
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(names.len() > 50, "{}", names.len());
}

#[test]
fn heic_has_its_profile_applied() {
    let path = fixtures().join("heic-p3.heic");
    let stored = RgbImage::from_raw(40, 32, decode_by(&path, ColourRule::AsStored).unwrap().rgb).unwrap();
    let is = decode(&path).unwrap();
    assert_eq!(is.profile.as_deref(), Some("Display P3"));
    let wanted: Vec<u8> =
        stored.pixels().flat_map(|p| to_srgb(p.0.map(|c| srgb_light(f64::from(c) / 255.0)), P3)).collect();
    assert!(worst(&is.rgb, &wanted).0 <= 1);
}

#[test]
fn the_page_on_training_lists_the_formats() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/training.md");
    let page = fs::read_to_string(page).unwrap().replace("\n  ", " ");
    assert!(page.contains(&wgvae::data::readable_formats()), "{}", wgvae::data::readable_formats());
}

/// A TIFF with one strip, of entries (tag, type, number of values, value).
fn tiff(entries: &[(u16, u16, u32, u32)], rest: &[u8]) -> Vec<u8> {
    let mut file = b"II\x2a\0\x08\0\0\0".to_vec();
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        file.extend(tag.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend(count.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend([0; 4]);
    file.extend(rest);
    file
}

/// Position of what follows the directory of `tiff`.
fn behind(entries: u32) -> u32 {
    8 + 2 + 12 * entries + 4
}

/// Entries of a picture with these sides, samples, bits and colour model.
fn head(width: u32, height: u32, samples: u32, bits: u32, model: u32) -> Vec<(u16, u16, u32, u32)> {
    vec![
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, bits),
        (259, 3, 1, 1),
        (262, 3, 1, model),
        (277, 3, 1, samples),
    ]
}

#[test]
fn inks_are_converted_by_their_profile() {
    let folder = tempfile::tempdir().unwrap();
    // a table whose lightness is what black leaves, and nothing else
    let identity: Vec<u8> = (0..=255).collect();
    let corner = |at: u8| [if at & 1 == 0 { 255 } else { 0 }, 128, 128];
    let table = [
        &b"mft1\0\0\0\0\x04\x03\x02\0"[..],
        &[0x10000u32, 0, 0, 0, 0x10000, 0, 0, 0, 0x10000].map(u32::to_be_bytes).concat(),
        &identity.repeat(4),
        &(0..16).flat_map(corner).collect::<Vec<_>>(),
        &identity.repeat(3),
    ]
    .concat();
    let profile = profile(b"CMYK", b"Lab ", &[desc("Black"), (*b"A2B0", table)]);
    let (width, entries) = (32u32, 10);
    let pixels: Vec<u8> = (0..width).flat_map(|x| [200, 10, 90, (x * 8) as u8]).collect();
    let start = behind(entries);
    let mut all = head(width, 1, 4, 8, 5);
    all.extend([(273, 4, 1, start), (278, 4, 1, 1), (279, 4, 1, width * 4)]);
    all.push((34675, 7, profile.len() as u32, start + width * 4));
    let bytes = tiff(&all, &[&pixels[..], &profile].concat());
    let is = decode(&put(folder.path().join("a.tif"), bytes)).unwrap();
    assert_eq!(is.profile.as_deref(), Some("Black"));
    let light = |l: f64| if l > 8.0 { ((l + 16.0) / 116.0).powi(3) } else { l / 903.2963 };
    let wanted: Vec<u8> = (0..width)
        .flat_map(|x| [crate::common::profiles::srgb_byte(light(100.0 * f64::from(255 - x * 8) / 255.0)); 3])
        .collect();
    let (difference, at) = worst(&is.rgb, &wanted);
    assert!(difference <= 2, "{difference} at byte {at}: {:?}", &is.rgb[at / 3 * 3..at / 3 * 3 + 3]);
}

#[test]
fn what_a_tiff_cannot_say_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let one = |entries: &[(u16, u16, u32, u32)], rest: &[u8]| {
        decode(&put(folder.path().join("x.tiff"), tiff(entries, rest))).unwrap_err()
    };
    let said = |samples, bits, model, more: &[(u16, u16, u32, u32)], part: &str| {
        let reason = one(&[head(4, 4, samples, bits, model), more.to_vec()].concat(), &[]);
        assert!(reason.contains(part), "{part} in {reason}");
    };
    said(3, 8, 8, &[], "Lab");
    said(1, 16, 1, &[(339, 3, 1, 2)], "signed");
    said(1, 12, 1, &[], "12 bits");
    said(3, 8, 6, &[(530, 3, 2, 0x2_0002)], "YCbCr");
    said(2, 8, 2, &[], "2 samples");
    said(1, 8, 1, &[], "cannot be decoded");
    // brighter than 1 by far
    let more = [(339, 3, 1, 3), (273, 4, 1, behind(9)), (278, 4, 1, 1), (279, 4, 1, 4)];
    let entries: Vec<_> = [head(1, 1, 1, 32, 1), more.to_vec()].concat();
    let entries: Vec<_> = entries.into_iter().filter(|entry| entry.0 != 277).collect();
    assert!(one(&entries, &200f32.to_le_bytes()).contains("up to 200"));
}

/// A camera's file: thumbnail first, then sensor data, and the camera's JPEG somewhere behind them.
fn raw(width: u32, height: u32) -> Vec<u8> {
    let picture = image::imageops::resize(&quarters(), width, height, image::imageops::FilterType::Nearest);
    let thumbnail = encode(&quarters().into(), ImageFormat::Jpeg);
    let large = encode(&picture.into(), ImageFormat::Jpeg);
    // orientation 6, and the colour filters of a sensor
    let entries = [(254, 4, 1, 0), (262, 3, 1, 32803), (274, 3, 1, 6)];
    tiff(&entries, &[&thumbnail[..], &[0xff, 0xd8, 0xff, 0x12, 7, 7, 7], &large, &[0; 100]].concat())
}

#[test]
fn raw_files_give_the_jpeg_of_the_camera() {
    let folder = tempfile::tempdir().unwrap();
    let path = put(folder.path().join("a.NEF"), raw(640, 320));
    let is = decode(&path).unwrap();
    assert_eq!((is.width, is.height, is.format), (320, 640, "raw"));
    // the content decides
    assert_eq!(decode(&put(folder.path().join("b.tif"), raw(640, 320))).unwrap().format, "raw");
    let reason = decode(&put(folder.path().join("small.dng"), raw(160, 80))).unwrap_err();
    assert!(reason.contains("only 160 x 80") && reason.contains("darktable-cli"), "{reason}");
    let reason = decode(&put(folder.path().join("none.cr2"), &raw(640, 320)[..60])).unwrap_err();
    assert!(reason.contains("without a JPEG"), "{reason}");
}

#[test]
fn raw_files_beside_their_jpeg_count_once() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..5 {
        put(folder.path().join(format!("IMG_{i}.JPG")), turned(&quarters(), 1));
    }
    for i in 0..8 {
        put(folder.path().join(format!("img_{i}.nef")), raw(640, 320));
    }
    let set = scan(folder.path(), 0).unwrap();
    assert_eq!(set.len(), 8, "{:?}", set.notes);
    let note = "5 files (camera raw beside a picture of the same name)";
    assert!(set.notes.iter().any(|line| line.contains(note)), "{:?}", set.notes);
}

#[test]
fn sixteen_bits_of_a_tiff_that_are_hardly_used_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut entries = head(64, 1, 1, 16, 1);
    entries.extend([(273, 4, 1, behind(9)), (278, 4, 1, 1), (279, 4, 1, 128)]);
    let samples: Vec<u8> = (0..64u16).flat_map(|x| (x * 64).to_le_bytes()).collect();
    assert!(decode(&put(folder.path().join("a.tif"), tiff(&entries, &samples))).unwrap().faint);
}

/// Headers that claim too much, and structures that lead back to themselves.
#[test]
fn hostile_files_are_refused_with_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = |name: &str| fs::read(fixtures().join(name)).unwrap();
    let patched = |name: &str, from: &[u8], to: &[u8]| {
        let mut bytes = fixture(name);
        let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    };
    let size = |side: u32| [&b"ispe\0\0\0\0"[..], &side.to_be_bytes(), &side.to_be_bytes()].concat();
    let mut gif = fixture("gif.gif");
    gif[6..10].copy_from_slice(&[0xff; 4]);
    let mut circle = tiff(&[(330, 4, 1, 8)], &[]);
    circle[22..26].copy_from_slice(&8u32.to_le_bytes());
    let huge = |side: u32| {
        tiff(
            &[head(side, side, 3, 8, 2), vec![(273, 4, 1, 8), (278, 4, 1, side), (279, 4, 1, 9)]].concat(),
            &[],
        )
    };
    let bomb = iccp(&vec![0; 100 << 20]);
    let plain = DynamicImage::from(RgbImage::from_pixel(4, 4, Rgb([9; 3])));
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("gif.gif", gif, "too large"),
        ("circle.tif", circle, "unknown colour model"),
        ("huge.tif", huge(60_000), "too large"),
        ("wide.tif", huge(32_000), "too large"),
        ("huge.avif", patched("avif.avif", b"ispe", &size(60_000)), "too large"),
        ("other.avif", patched("avif.avif", b"ispe", &size(200)), "damaged"),
        ("itself.avif", patched("avif.avif", b"av01Color", b"gridColor"), ""),
        ("cut.avif", fixture("avif.avif")[..400].to_vec(), "cut off"),
        ("cut.heic", fixture("heic.heic")[..600].to_vec(), "cannot be decoded"),
        ("cut.jxl", fixture("jxl.jxl")[..100].to_vec(), "cut off"),
        ("header.jxl", vec![0xff, 0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], ""),
        ("pnm.ppm", b"P6 60000 60000 255\n".to_vec(), "too large"),
        (
            "qoi.qoi",
            [&b"qoif\0\0\xea\x60\0\0\xea\x60\x03\0"[..], &[0; 20]].concat(),
            "invalid image dimensions",
        ),
        ("profile.png", png_with(&plain, &bomb), "10 MiB or more"),
    ];
    for (name, bytes, part) in cases {
        let began = std::time::Instant::now();
        let reason = decode(&put(folder.path().join(name), bytes)).unwrap_err();
        assert!(reason.contains(part) && !reason.contains('\n'), "{name}: {reason}");
        assert!(!reason.contains("does not survive"), "{name}: {reason}");
        assert!(began.elapsed().as_secs() < 5, "{name} takes {:?}", began.elapsed());
    }
}
