//! EXIF orientation at every position in a PNG or a WebP, compared with Pillow and libwebp.

use image::{DynamicImage, ImageFormat};
use wgvae::data::decode;

use crate::common::containers::{self, exif, packed, png_chunk as chunk, profile};
use crate::decode::quarters;
use crate::helpers::{encode, put};

/// Whether a picture of 32 x 16 pixels is rotated by 90 degrees clockwise when read.
fn is_turned(name: &str, bytes: Vec<u8>) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let read =
        decode(&put(folder.path().join(name), bytes)).unwrap_or_else(|reason| panic!("{name}: {reason}"));
    let turned = DynamicImage::from(quarters()).rotate90().into_rgb8();
    if read.width == 32 {
        assert_eq!(read.rgb, quarters().into_raw(), "{name}: neither turned nor as it was");
        return false;
    }
    assert_eq!((read.width, &read.rgb), (16, turned.as_raw()), "{name}: turned otherwise");
    true
}

/// A PNG with `chunks` before or after the pixels.
fn png(chunks: &[u8], behind: bool) -> Vec<u8> {
    containers::png(&encode(&quarters().into(), ImageFormat::Png), chunks, behind)
}

#[test]
fn a_png_is_turned_wherever_it_carries_its_orientation() {
    let plain = exif(6);
    let prefixed = [&b"Exif\0\0"[..], &plain].concat();
    let text = profile("exif", &prefixed);
    let xmp = b"<rdf:Description tiff:Orientation=\"6\"/>";
    let element = b"<tiff:Orientation>6</tiff:Orientation>";
    let ways = [
        ("eXIf", chunk(b"eXIf", &plain)),
        ("prefixed", chunk(b"eXIf", &prefixed)),
        ("tEXt", chunk(b"tEXt", &[b"Raw profile type exif\0", &text[..]].concat())),
        ("zTXt", chunk(b"zTXt", &[b"Raw profile type exif\0\0", &packed(&text)[..]].concat())),
        ("iTXt", chunk(b"iTXt", &[b"Raw profile type exif\0\0\0\0\0", &text[..]].concat())),
        (
            "packed iTXt",
            chunk(b"iTXt", &[b"Raw profile type exif\0\x01\0en\0\0", &packed(&text)[..]].concat()),
        ),
        (
            "APP1",
            chunk(
                b"zTXt",
                &[b"Raw profile type APP1\0\0", &packed(&profile("app1", &prefixed))[..]].concat(),
            ),
        ),
        ("XMP", chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", &xmp[..]].concat())),
        ("XMP element", chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", &element[..]].concat())),
    ];
    for (name, chunks) in ways {
        assert!(is_turned(&format!("{name}.png"), png(&chunks, false)), "{name} before the pixels");
        assert!(is_turned(&format!("{name} behind.png"), png(&chunks, true)), "{name} behind the pixels");
    }
    assert!(!is_turned("none.png", png(&[], false)));
    // eXIf takes precedence over a text chunk
    let both = [chunk(b"tEXt", &[b"Raw profile type exif\0", &text[..]].concat()), chunk(b"eXIf", &exif(1))]
        .concat();
    assert!(!is_turned("both.png", png(&both, true)));
    // invalid EXIF has no effect, and is no reason to refuse the pixels
    let broken: [(&str, Vec<u8>); 3] = [
        ("short", chunk(b"eXIf", &plain[..9])),
        ("no digits", chunk(b"tEXt", b"Raw profile type exif\0\nexif\n 4\nxyz!\n")),
        ("no zlib", chunk(b"zTXt", b"Raw profile type exif\0\0abc")),
    ];
    for (name, chunks) in broken {
        assert!(!is_turned(&format!("{name}.png"), png(&chunks, true)), "{name}");
    }
}

#[test]
fn a_webp_is_turned_if_its_header_announces_exif() {
    let simple = encode(&quarters().into(), ImageFormat::WebP);
    let webp = |flags, exif: &[u8]| containers::webp(&simple, [32, 16], flags, exif);
    assert!(is_turned("plain.webp", webp(Some(8), &exif(6))));
    assert!(is_turned("prefixed.webp", webp(Some(8), &[&b"Exif\0\0"[..], &exif(6)].concat())));
    // libwebp, and thus Pillow and browsers, ignore unannounced chunks
    assert!(!is_turned("unannounced.webp", webp(Some(0), &exif(6))));
    assert!(!is_turned("without a header.webp", webp(None, &exif(6))));
}
