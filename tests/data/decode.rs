//! Resizing against Pillow; decoding of every kind of file, damaged ones included.

use std::fs;
use std::path::Path;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use wgvae::data::{Resize, ScanOptions, check, decode, load, resize_rgb};

use crate::common::containers::png_chunk as chunk;
use crate::helpers::{QUIET, encode, fixture, put, worst};
use crate::jpeg::turned;

/// Pillow's results, made by tools/make_resize_fixture.py. Both round to 8 bits between the passes, so they may differ
/// by one or two units.
#[test]
fn stretch_is_what_pillow_computes() {
    for (name, sizes) in [("lake", [64, 48]), ("coast", [64, 48]), ("city", [24, 96])] {
        let photo = fixture(&format!("{name}.png"));
        for size in sizes {
            let wanted = fixture(&format!("{name}_{size}.png"));
            let ours = resize_rgb(photo.as_raw(), photo.width(), photo.height(), size, Resize::Stretch);
            let (difference, at) = worst(&ours, wanted.as_raw());
            let (x, y, c) = (at / 3 % size as usize, at / 3 / size as usize, at % 3);
            println!("{name} to {size}: worst {difference} at x {x}, y {y}, channel {c}");
            assert!(difference <= 2, "{name} to {size}: {difference} at x {x}, y {y}, channel {c}");
        }
    }
}

#[test]
fn cover_takes_the_middle_square() {
    // a grey square between red borders that must not bleed in
    for (w, h) in [(40u32, 20u32), (20, 40)] {
        let (left, top) = ((w - 20) / 2, (h - 20) / 2);
        let inside = |x: u32, y: u32| (left..left + 20).contains(&x) && (top..top + 20).contains(&y);
        let photo =
            RgbImage::from_fn(w, h, |x, y| if inside(x, y) { Rgb([90; 3]) } else { Rgb([255, 0, 0]) });
        let square = resize_rgb(photo.as_raw(), w, h, 8, Resize::Cover);
        assert_eq!(square, vec![90; 8 * 8 * 3]);
        assert_ne!(resize_rgb(photo.as_raw(), w, h, 8, Resize::Stretch), square);
    }
}

#[test]
fn resize_has_names() {
    for how in [Resize::Stretch, Resize::Cover] {
        assert_eq!(how.to_string().parse::<Resize>(), Ok(how));
        assert_eq!(serde_json::to_string(&how).unwrap(), format!("\"{how}\""));
    }
    assert!("crop".parse::<Resize>().unwrap_err().contains("stretch or cover"));
}

const CORNERS: [[u8; 3]; 4] = [[220, 30, 30], [30, 200, 40], [40, 50, 210], [240, 240, 240]];

/// 32 x 16, a colour in each quarter.
pub(crate) fn quarters() -> RgbImage {
    RgbImage::from_fn(32, 16, |x, y| Rgb(CORNERS[(x / 16 + y / 8 * 2) as usize]))
}

#[test]
fn all_eight_exif_orientations_are_applied() {
    let folder = tempfile::tempdir().unwrap();
    // the stored corners that become top left, top right, bottom left, bottom right
    let wanted = [
        [0, 1, 2, 3],
        [1, 0, 3, 2],
        [3, 2, 1, 0],
        [2, 3, 0, 1],
        [0, 2, 1, 3],
        [2, 0, 3, 1],
        [3, 1, 2, 0],
        [1, 3, 0, 2],
    ];
    for (number, corners) in wanted.into_iter().enumerate() {
        let path = put(folder.path().join(format!("{number}.jpg")), turned(&quarters(), number as u8 + 1));
        let picture = decode(&path).unwrap();
        let (w, h) = (picture.width as usize, picture.height as usize);
        assert_eq!((w, h), if number < 4 { (32, 16) } else { (16, 32) }, "orientation {}", number + 1);
        for (place, corner) in [(3, 3), (w - 4, 3), (3, h - 4), (w - 4, h - 4)].into_iter().zip(corners) {
            let at = (place.1 * w + place.0) * 3;
            let (difference, _) = worst(&picture.rgb[at..at + 3], &CORNERS[corner]);
            assert!(difference < 25, "orientation {}: {place:?} is not corner {corner}", number + 1);
        }
    }
}

#[test]
fn grey_alpha_and_sixteen_bits_become_rgb8() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str, picture: DynamicImage, format| {
        decode(&put(folder.path().join(name), encode(&picture, format))).unwrap().rgb
    };
    let png = ImageFormat::Png;
    let grey = image::GrayImage::from_pixel(2, 2, image::Luma([77]));
    assert_eq!(read("grey.png", grey.clone().into(), png), vec![77; 12]);
    let (difference, _) = worst(&read("grey.jpg", grey.into(), ImageFormat::Jpeg), &[77; 12]);
    assert!(difference <= 2);
    // half transparent black over white, and a hidden red that must not be visible
    let grey_alpha = image::GrayAlphaImage::from_pixel(2, 1, image::LumaA([0, 128]));
    assert_eq!(read("la.png", grey_alpha.into(), png), vec![127; 6]);
    let hidden = image::RgbaImage::from_pixel(2, 1, image::Rgba([255, 0, 0, 0]));
    assert_eq!(read("rgba.png", hidden.clone().into(), png), vec![255; 6]);
    assert_eq!(read("rgba.webp", hidden.into(), ImageFormat::WebP), vec![255; 6]);
    let deep = |rgb: [u16; 3]| image::ImageBuffer::<Rgb<u16>, Vec<u16>>::from_pixel(1, 1, Rgb(rgb));
    assert_eq!(read("16.png", DynamicImage::ImageRgb16(deep([65535, 257 * 100, 0])), png), [255, 100, 0]);
    let deep = image::ImageBuffer::from_pixel(1, 1, image::Rgba([0u16, 65535, 257 * 10, 32768]));
    assert_eq!(read("16a.png", DynamicImage::ImageRgba16(deep), png), [127, 255, 132]);
    let bmp = RgbImage::from_pixel(3, 1, Rgb([1, 2, 3]));
    assert_eq!(read("x.bmp", bmp.into(), ImageFormat::Bmp), [1, 2, 3, 1, 2, 3, 1, 2, 3]);
}

/// 12-bit cameras may store unscaled samples in 16 bits: the picture is nearly black, and the report says so.
#[test]
fn sixteen_bits_that_are_hardly_used_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let grey = |most: u16| {
        image::ImageBuffer::<image::Luma<u16>, _>::from_fn(9, 9, |x, _| image::Luma([most / 8 * x as u16]))
    };
    for (most, faint) in [(4095, true), (8191, true), (9000, false), (65535, false), (0, false)] {
        let bytes = encode(&DynamicImage::ImageLuma16(grey(most)), ImageFormat::Png);
        let path = put(folder.path().join(format!("{most}.png")), bytes);
        assert_eq!(decode(&path).unwrap().faint, faint, "{most}");
    }
    // alpha does not count as brightness
    let clear = image::ImageBuffer::from_pixel(2, 2, image::LumaA([4095u16, 65535]));
    let path = put(folder.path().join("a.png"), encode(&DynamicImage::ImageLumaA16(clear), ImageFormat::Png));
    assert!(decode(&path).unwrap().faint);
    let dark = RgbImage::from_pixel(4, 4, Rgb([3, 3, 3]));
    assert!(
        !decode(&put(folder.path().join("8.png"), encode(&dark.into(), ImageFormat::Png))).unwrap().faint
    );
    let report = check(folder.path(), &ScanOptions::default(), QUIET).unwrap();
    assert_eq!(report.faint, 3);
    assert!(report.to_string().contains("nearly black  3 pictures of 16 bits"), "{report}");
}

/// Flat patches of ink; Pillow wrote and read both pictures.
#[test]
fn cmyk_jpeg_is_what_pillow_reads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cmyk.jpg");
    let (ours, wanted) = (decode(&path).unwrap(), fixture("cmyk_rgb.png"));
    assert_eq!((ours.width, ours.height), wanted.dimensions());
    let (difference, at) = worst(&ours.rgb, wanted.as_raw());
    assert_eq!(difference, 0, "byte {at}");
}

#[test]
fn the_content_decides_not_the_extension() {
    let folder = tempfile::tempdir().unwrap();
    let path = put(folder.path().join("really_a_jpeg.png"), encode(&quarters().into(), ImageFormat::Jpeg));
    assert_eq!(decode(&path).unwrap().format, "jpg");
    assert_eq!(load(&path, 8, Resize::Stretch).unwrap().len(), 8 * 8 * 3);
}

#[test]
fn damaged_files_are_errors_with_reasons() {
    let folder = tempfile::tempdir().unwrap();
    let reason = |name: &str, bytes: &[u8]| decode(&put(folder.path().join(name), bytes)).unwrap_err();
    let photo = DynamicImage::from(fixture("lake.png"));
    let jpeg = encode(&photo, ImageFormat::Jpeg);
    for kept in [jpeg.len() * 2 / 3, jpeg.len() - 20, 300] {
        assert!(reason("cut.jpg", &jpeg[..kept]).contains("cut off"), "{kept} of {}", jpeg.len());
    }
    let mut zeros = jpeg[..jpeg.len() / 2].to_vec();
    zeros.resize(jpeg.len(), 0);
    assert!(reason("half_copied.jpg", &zeros).contains("cut off"));
    let png = encode(&photo, ImageFormat::Png);
    assert!(reason("cut.png", &png[..png.len() * 2 / 3]).contains("cannot be decoded"));
    assert!(reason("empty.jpg", b"").contains("empty"));
    assert!(reason("text.jpg", b"this is no picture").contains("not a picture"));
    assert!(reason("old.jpg", b"GIF89a          ").contains("cannot be decoded"));
    assert!(decode(&folder.path().join("gone.jpg")).unwrap_err().contains("cannot be read"));
    assert!(decode(folder.path()).unwrap_err().contains("not a file"));
}

/// A header is only a claim: 60,000 x 60,000 pixels must be refused before memory is allocated.
#[test]
fn absurd_headers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut jpeg = encode(&quarters().into(), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
    let reason = decode(&put(folder.path().join("huge.jpg"), jpeg)).unwrap_err();
    assert!(reason.contains("too large"), "{reason}");
    // sides within the limit, bytes beyond it
    let mut bmp = encode(&quarters().into(), ImageFormat::Bmp);
    bmp[18..22].copy_from_slice(&30_000u32.to_le_bytes());
    bmp[22..26].copy_from_slice(&30_000u32.to_le_bytes());
    let reason = decode(&put(folder.path().join("huge.bmp"), bmp)).unwrap_err();
    assert!(reason.contains("too large"), "{reason}");
}

#[test]
fn absurd_pngs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let png = encode(&quarters().into(), ImageFormat::Png);
    for (width, height) in [(u32::MAX, 1u32), (40_000, 40_000), (20_000, 30_000)] {
        let mut head = png[16..29].to_vec();
        head[..4].copy_from_slice(&width.to_be_bytes());
        head[4..8].copy_from_slice(&height.to_be_bytes());
        let huge = [&png[..8], &chunk(b"IHDR", &head), &png[33..]].concat();
        let reason = decode(&put(folder.path().join("huge.png"), huge)).unwrap_err();
        assert!(reason.contains("too large"), "{width} x {height}: {reason}");
    }
}

/// An animation gives its first frame.
#[test]
fn animated_pictures_are_their_first_frame() {
    let folder = tempfile::tempdir().unwrap();
    let (photo, plain) = (quarters(), RgbImage::from_pixel(32, 16, Rgb([9; 3])));
    let png = encode(&photo.clone().into(), ImageFormat::Png);
    let control = |number: u32| {
        let sizes = [number, 32, 16, 0, 0].map(u32::to_be_bytes).concat();
        chunk(b"fcTL", &[&sizes[..], &[0, 1, 0, 10, 0, 0]].concat())
    };
    let second = encode(&plain.clone().into(), ImageFormat::Png);
    let data = |png: &[u8]| {
        let at = png.windows(4).position(|name| name == b"IDAT").unwrap();
        let len = u32::from_be_bytes(png[at - 4..at].try_into().unwrap()) as usize;
        (at - 4, png[at + 4..at + 4 + len].to_vec(), at + 8 + len)
    };
    let (begin, _, end) = data(&png);
    let frame = chunk(b"fdAT", &[&2u32.to_be_bytes()[..], &data(&second).1].concat());
    let moving = [
        &png[..begin],
        &chunk(b"acTL", &[2u32, 0].map(u32::to_be_bytes).concat()),
        &control(0),
        &png[begin..end],
        &control(1),
        &frame,
        &png[end..],
    ]
    .concat();
    assert_eq!(decode(&put(folder.path().join("moving.png"), moving)).unwrap().rgb, *photo.as_raw());

    let part = |kind: &[u8; 4], body: &[u8]| {
        let padding = vec![0; body.len() % 2];
        [&kind[..], &(body.len() as u32).to_le_bytes(), body, &padding].concat()
    };
    let frame = |picture: &RgbImage| {
        let webp = encode(&picture.clone().into(), ImageFormat::WebP);
        // at 0, 0; one less than its sides; 100 ms
        part(b"ANMF", &[&[0, 0, 0, 0, 0, 0, 31, 0, 0, 15, 0, 0, 100, 0, 0, 0], &webp[12..]].concat())
    };
    let head = part(b"VP8X", &[2, 0, 0, 0, 31, 0, 0, 15, 0, 0]);
    let body = [head, part(b"ANIM", &[0; 6]), frame(&photo), frame(&plain)].concat();
    let moving = part(b"RIFF", &[&b"WEBP"[..], &body].concat());
    let read = decode(&put(folder.path().join("moving.webp"), moving)).unwrap().rgb;
    // the decoder composes the frame onto its canvas, and rounds down
    assert!(worst(&read, photo.as_raw()).0 <= 1, "not the first frame");
}

/// Every prefix and many one-byte changes give an error or a picture, never a panic.
#[test]
fn no_bytes_bring_the_decoder_down() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp] {
        let bytes = encode(&quarters().into(), format);
        for at in 0..bytes.len().min(400) {
            fs::write(&path, &bytes[..at]).unwrap();
            let _ = decode(&path);
            let mut changed = bytes.clone();
            changed[at] ^= 0x5b;
            fs::write(&path, &changed).unwrap();
            let _ = decode(&path);
        }
    }
}
