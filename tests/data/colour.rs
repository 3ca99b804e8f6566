//! Colours that files declare: profiles of all kinds, in every container.

use std::path::Path;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use wgvae::data::{ColourRule, Reading, Resize, ScanOptions, check, decode, decode_by, load};

use crate::common::containers::{packed, png_chunk as chunk};
use crate::common::profiles::{
    ADOBE, P3, SRGB, curv, desc, matrix, para, profile, srgb_byte, srgb_curve, srgb_light, to_srgb,
};
use crate::helpers::{QUIET, encode, put, worst};

/// 8 x 8 patches of one colour each, in 64 x 64.
fn patches() -> RgbImage {
    let level = |at: u32| (at * 255 / 7) as u8;
    RgbImage::from_fn(64, 64, |x, y| Rgb([level(x / 8), level(y / 8), level((3 * x / 8 + 5 * y / 8) % 8)]))
}

/// A PNG of `picture` with these chunks before its pixels.
pub(crate) fn png_with(picture: &DynamicImage, chunks: &[u8]) -> Vec<u8> {
    let png = encode(picture, ImageFormat::Png);
    [&png[..33], chunks, &png[33..]].concat()
}

pub(crate) fn iccp(profile: &[u8]) -> Vec<u8> {
    chunk(b"iCCP", &[b"x\0\0", &packed(profile)[..]].concat())
}

fn read(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    decode(&put(folder.join(name), bytes)).unwrap().rgb
}

/// The colours of `patches` under another space.
fn wanted(of: &RgbImage, light: impl Fn(usize, f64) -> f64, colorants: [[f64; 3]; 3]) -> Vec<u8> {
    let pixel = |pixel: &Rgb<u8>| {
        to_srgb([0, 1, 2].map(|channel| light(channel, f64::from(pixel.0[channel]) / 255.0)), colorants)
    };
    of.pixels().flat_map(pixel).collect()
}

/// moxcms 0.9 reads all channels with red's curve where neighbours share one.
#[test]
fn two_equal_curves_do_not_become_three() {
    let folder = tempfile::tempdir().unwrap();
    let gamma = |g: f64| curv(&[(g * 256.0).round() as u16]);
    let steps = |g: f64| {
        let entry = |at: i32| (65535.0 * (f64::from(at) / 1023.0).powf(g)).round() as u16;
        curv(&(0..1024).map(entry).collect::<Vec<_>>())
    };
    let parametric = |g: f64| para(0, &[g]);
    let full = |g: f64| para(4, &[g, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    for (at, gammas) in
        [[2.2, 2.2, 1.8], [1.8, 2.2, 2.2], [2.2, 1.8, 2.2], [1.8, 1.8, 2.2]].iter().enumerate()
    {
        let ways = [
            ("one", gammas.map(gamma)),
            ("many", gammas.map(steps)),
            ("para", gammas.map(parametric)),
            ("full", gammas.map(full)),
        ];
        for (name, curves) in ways {
            let profile = matrix("Test", ADOBE, curves);
            let is =
                read(folder.path(), &format!("{name}{at}.png"), png_with(&patches().into(), &iccp(&profile)));
            let wanted = wanted(&patches(), |channel, x| x.powf(gammas[channel]), ADOBE);
            let (difference, byte) = worst(&is, &wanted);
            assert!(difference <= 1, "{name} {gammas:?}: {difference} at byte {byte}");
        }
    }
}

#[test]
fn every_container_may_carry_a_profile() {
    let folder = tempfile::tempdir().unwrap();
    let profile = matrix("Display P3", P3, [srgb_curve(), srgb_curve(), srgb_curve()]);
    let part = |kind: &[u8; 4], body: &[u8]| {
        [&kind[..], &(body.len() as u32).to_le_bytes(), body, &vec![0; body.len() % 2]].concat()
    };
    let webp = encode(&patches().into(), ImageFormat::WebP);
    let head = part(b"VP8X", &[0x20, 0, 0, 0, 63, 0, 0, 63, 0, 0]);
    let webp = part(b"RIFF", &[b"WEBP", &head[..], &part(b"ICCP", &profile), &webp[12..]].concat());
    // a JPEG has its profile in parts, here two in the wrong order
    let mut jpeg = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 100);
    patches().write_with_encoder(encoder).unwrap();
    let (first, second) = profile.split_at(100);
    let segment = |number: u8, part: &[u8]| {
        let body = [b"ICC_PROFILE\0", &[number, 2][..], part].concat();
        [&[0xff, 0xe2][..], &(body.len() as u16 + 2).to_be_bytes(), &body].concat()
    };
    let jpeg = [&jpeg[..2], &segment(2, second), &segment(1, first), &jpeg[2..]].concat();
    // a BMP of version 5 has it at its end
    let mut bmp = vec![0; 138];
    bmp[..2].copy_from_slice(b"BM");
    bmp[10] = 138;
    bmp[14] = 124;
    bmp[18] = 64;
    bmp[22..26].copy_from_slice(&(-64i32).to_le_bytes());
    bmp[26] = 1;
    bmp[28] = 24;
    bmp[70..74].copy_from_slice(b"DEBM");
    bmp[126..130].copy_from_slice(&(124u32 + 64 * 64 * 3).to_le_bytes());
    bmp[130..134].copy_from_slice(&(profile.len() as u32).to_le_bytes());
    bmp.extend(patches().pixels().flat_map(|p| [p.0[2], p.0[1], p.0[0]]));
    bmp.extend(&profile);
    let files = [
        ("a.png", png_with(&patches().into(), &iccp(&profile)), 0),
        ("a.webp", webp, 0),
        ("a.bmp", bmp, 0),
        ("a.jpg", jpeg, 8),
    ];
    for (name, bytes, most) in files {
        let path = put(folder.path().join(name), bytes);
        let picture = decode(&path).unwrap();
        assert_eq!(picture.profile.as_deref(), Some("Display P3"), "{name}");
        let stored = decode_by(&path, ColourRule::AsStored).unwrap().rgb;
        let samples = RgbImage::from_raw(64, 64, stored.clone()).unwrap();
        let (difference, byte) = worst(&picture.rgb, &wanted(&samples, |_, x| srgb_light(x), P3));
        assert!(difference <= 1, "{name}: {difference} at byte {byte}");
        let (difference, _) = worst(&stored, patches().as_raw());
        assert!(difference <= most, "{name} as stored: {difference}");
        let how = Reading { resize: Resize::Stretch, colour: ColourRule::AsStored };
        assert_eq!(load(&path, 64, how).unwrap(), stored, "{name}");
    }
    let report = check(folder.path(), &ScanOptions::default(), QUIET).unwrap().to_string();
    assert!(report.contains("colours     4 Display P3; read as sRGB"), "{report}");
}

#[test]
fn srgb_passes_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let entry = |at: i32| (65535.0 * srgb_light(f64::from(at) / 1023.0)).round() as u16;
    let table = curv(&(0..1024).map(entry).collect::<Vec<_>>());
    let curves = [
        ("table", [table.clone(), table.clone(), table]),
        ("para", [srgb_curve(), srgb_curve(), srgb_curve()]),
    ];
    for (name, curves) in curves {
        let profile = matrix("whatever", SRGB, curves);
        let is = read(folder.path(), &format!("{name}.png"), png_with(&patches().into(), &iccp(&profile)));
        assert_eq!(is, patches().into_raw(), "{name}");
    }
}

fn numbers(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

/// A PNG may have several chunks with colours, of which one counts.
#[test]
fn a_png_declares_colours_by_numbers_too() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str, chunks: &[Vec<u8>]| {
        read(folder.path(), &format!("{name}.png"), png_with(&patches().into(), &chunks.concat()))
    };
    let plain = patches().into_raw();
    let p3 = wanted(&patches(), |_, x| srgb_light(x), P3);
    let adobe = wanted(&patches(), |_, x| x.powf(2.2), ADOBE);
    let cicp = |primaries, transfer| chunk(b"cICP", &[primaries, transfer, 0, 1]);
    let gama = chunk(b"gAMA", &numbers(&[45455]));
    let srgb_chrm = chunk(b"cHRM", &numbers(&[31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000]));
    let adobe_chrm = chunk(b"cHRM", &numbers(&[31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000]));
    let profile = iccp(&matrix("Adobe", ADOBE, [curv(&[563]), curv(&[563]), curv(&[563])]));
    let srgb = chunk(b"sRGB", &[0]);
    let close = |name: &str, is: &[u8], wanted: &[u8]| {
        let (difference, byte) = worst(is, wanted);
        assert!(difference <= 1, "{name}: {difference} at byte {byte}");
    };
    close("cICP", &read("cicp", &[cicp(12, 13)]), &p3);
    close("cICP first", &read("first", &[profile.clone(), cicp(12, 13), srgb.clone()]), &p3);
    close("iCCP before sRGB", &read("icc", &[srgb.clone(), profile]), &adobe);
    close("numbers", &read("numbers", &[gama.clone(), adobe_chrm.clone()]), &adobe);
    assert_eq!(read("srgb", &[srgb, gama.clone(), adobe_chrm]), plain);
    assert_eq!(read("srgb numbers", &[gama, srgb_chrm]), plain);
    assert_eq!(read("gamma alone", &[chunk(b"gAMA", &numbers(&[100_000]))]), plain);
    assert_eq!(read("709", &[cicp(1, 1)]), plain);
    assert_eq!(read("unspecified", &[cicp(2, 2)]), plain);
}

#[test]
fn colours_that_cannot_be_converted_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let adobe = matrix("Some Press", ADOBE, [curv(&[563]), curv(&[563]), curv(&[563])]);
    let mut hdr =
        profile(b"RGB ", b"XYZ ", &[desc("HDR"), (*b"cicp", b"cicp\0\0\0\0\x09\x10\0\x01".to_vec())]);
    hdr[8] = 4;
    let grey = DynamicImage::from(image::GrayImage::from_pixel(9, 9, image::Luma([50])));
    let cicp = |transfer| chunk(b"cICP", &[9, transfer, 0, 1]);
    let cases: [(&str, DynamicImage, Vec<u8>, &[&str]); 7] = [
        ("pq", patches().into(), cicp(16), &["Rec. 2020, PQ", "is for HDR (PQ)"]),
        ("hlg", patches().into(), cicp(18), &["Rec. 2020, HLG", "is for HDR (HLG)"]),
        ("icc pq", patches().into(), iccp(&hdr), &["is for HDR (PQ)"]),
        ("code", patches().into(), cicp(99), &["unknown code 99"]),
        ("damaged", patches().into(), iccp(&adobe[..200]), &["without a name", "damaged"]),
        ("empty", patches().into(), chunk(b"iCCP", b"x\0\0abc"), &["damaged"]),
        ("cmyk", grey, iccp(&profile(b"CMYK", b"Lab ", &[desc("Inks")])), &["Inks", "it is for CMYK"]),
    ];
    for (name, picture, chunks, parts) in cases {
        let path = put(folder.path().join(format!("{name}.png")), png_with(&picture, &chunks));
        let reason = decode(&path).unwrap_err();
        for part in parts.iter().chain(&["--colour as-stored"]) {
            assert!(reason.contains(part), "{name}: {part} in {reason}");
        }
        assert_eq!(
            decode_by(&path, ColourRule::AsStored).unwrap().rgb,
            picture.to_rgb8().into_raw(),
            "{name}"
        );
    }
}

#[test]
fn greys_and_deep_samples_are_converted() {
    let folder = tempfile::tempdir().unwrap();
    let ramp = image::GrayImage::from_fn(256, 1, |x, _| image::Luma([x as u8]));
    let light = profile(b"GRAY", b"XYZ ", &[desc("light"), (*b"kTRC", curv(&[]))]);
    let is = read(folder.path(), "light.png", png_with(&ramp.clone().into(), &iccp(&light)));
    let wanted_light: Vec<u8> = (0..256).flat_map(|x| [srgb_byte(f64::from(x) / 255.0); 3]).collect();
    assert!(worst(&is, &wanted_light).0 <= 1);
    // the curve gives lightness
    let lab = profile(b"GRAY", b"Lab ", &[desc("lightness"), (*b"kTRC", curv(&[]))]);
    let is = read(folder.path(), "lab.png", png_with(&ramp.clone().into(), &iccp(&lab)));
    let of_lightness = |l: f64| if l > 8.0 { ((l + 16.0) / 116.0).powi(3) } else { l / 903.2963 };
    let wanted_lab: Vec<u8> =
        (0..256).flat_map(|x| [srgb_byte(of_lightness(100.0 * f64::from(x) / 255.0)); 3]).collect();
    assert!(worst(&is, &wanted_lab).0 <= 1);
    // grey samples under an RGB profile are equal red, green and blue
    let rgb = matrix("linear", SRGB, [curv(&[]), curv(&[]), curv(&[])]);
    let is = read(folder.path(), "rgb.png", png_with(&ramp.into(), &iccp(&rgb)));
    assert!(worst(&is, &wanted_light).0 <= 1);
    // 16 bits keep what 8 bits of a linear space lose
    let deep = image::ImageBuffer::<Rgb<u16>, Vec<u16>>::from_fn(256, 1, |x, _| Rgb([x as u16 * 16; 3]));
    let is = read(folder.path(), "deep.png", png_with(&DynamicImage::ImageRgb16(deep), &iccp(&rgb)));
    let wanted: Vec<u8> = (0..256).flat_map(|x| [srgb_byte(f64::from(x * 16) / 65535.0); 3]).collect();
    assert!(worst(&is, &wanted).0 <= 1);
    // transparency is blended after the conversion
    let clear = image::RgbaImage::from_pixel(2, 1, image::Rgba([55, 55, 55, 128]));
    let is = read(folder.path(), "clear.png", png_with(&clear.into(), &iccp(&rgb)));
    let shown = f64::from(srgb_byte(55.0 / 255.0)) * 128.0 / 255.0 + 127.0;
    assert!((f64::from(is[0]) - shown).abs() <= 1.0, "{} {shown}", is[0]);
}
