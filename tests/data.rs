//! Pictures: finding, decoding, resizing, caching, batching; the procedural landscapes; the report.
//!
//! No GPU and no files from outside, except that `WGVAE_PHOTOS=FOLDER` adds a test over real photographs.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use wgvae::data::{
    Batch, Biome, Item, Layout, Loader, Pictures, Resize, Source, check, decode, grid, landscape, load,
    order, printable, resize_rgb, save_png, scan, synth, write_synth,
};

const QUIET: &(dyn Fn(usize, usize) + Sync) = &|_, _| {};

// --- helpers ---------------------------------------------------------------------------------------------

fn fixture(name: &str) -> RgbImage {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    image::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).into_rgb8()
}

/// The largest difference of two pictures, and where: (difference, byte).
fn worst(a: &[u8], b: &[u8]) -> (u8, usize) {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).enumerate().map(|(at, (a, b))| (a.abs_diff(*b), at)).max().unwrap()
}

fn encode(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn put(path: PathBuf, bytes: impl AsRef<[u8]>) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

/// A 4 x 3 PNG of one colour.
fn plain(red: u8) -> Vec<u8> {
    encode(&RgbImage::from_pixel(4, 3, Rgb([red, 20, 30])).into(), ImageFormat::Png)
}

/// `count` PNGs in `folder`, picture `i` with red `i`.
fn fill(folder: &Path, count: u8) {
    for i in 0..count {
        put(folder.join(format!("{i:03}.png")), plain(i));
    }
}

fn folder_source(root: &Path) -> Source {
    let mut set = scan(root, 0).unwrap();
    let mut items: Vec<Item> = set.train.drain(..).chain(set.validation.drain(..)).chain(set.test).collect();
    items.sort_by(|a, b| a.path.cmp(&b.path));
    Source::Folder { root: set.root, items, resize: Resize::Stretch }
}

fn names(items: &[Item]) -> Vec<String> {
    items.iter().map(|item| item.path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

fn sides(path: &Path) -> (u32, u32) {
    let picture = decode(path).unwrap();
    (picture.width, picture.height)
}

// --- resizing --------------------------------------------------------------------------------------------

/// Pillow's own results, made by tools/make_resize_fixture.py; both round to 8 bits between the passes, so
/// they may differ by a unit or two, and by no more.
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
    // a grey square between red borders that must not shine in
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

// --- decoding --------------------------------------------------------------------------------------------

const CORNERS: [[u8; 3]; 4] = [[220, 30, 30], [30, 200, 40], [40, 50, 210], [240, 240, 240]];

/// 32 x 16, a colour in each quarter.
fn quarters() -> RgbImage {
    RgbImage::from_fn(32, 16, |x, y| Rgb(CORNERS[(x / 16 + y / 8 * 2) as usize]))
}

/// A JPEG with the EXIF orientation spliced in behind the start-of-image marker.
fn turned(orientation: u8) -> Vec<u8> {
    let jpeg = encode(&quarters().into(), ImageFormat::Jpeg);
    let tiff =
        [b'M', b'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0];
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xe1, 0, (tiff.len() + 8) as u8];
    bytes.extend(b"Exif\0\0");
    bytes.extend(tiff);
    bytes.extend(&jpeg[2..]);
    bytes
}

#[test]
fn all_eight_exif_orientations_are_applied() {
    let folder = tempfile::tempdir().unwrap();
    // which stored corner ends up top left, top right, bottom left, bottom right
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
        let path = put(folder.path().join(format!("{number}.jpg")), turned(number as u8 + 1));
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
    // half transparent black over white, and a hidden red that must not show
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

/// Flat patches of ink; Pillow wrote and read both pictures.
#[test]
fn cmyk_jpeg_is_what_pillow_reads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cmyk.jpg");
    let (ours, wanted) = (decode(&path).unwrap(), fixture("cmyk_rgb.png"));
    assert_eq!((ours.width, ours.height), wanted.dimensions());
    let (difference, at) = worst(&ours.rgb, wanted.as_raw());
    assert!(difference <= 3, "byte {at} differs by {difference}");
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
    for kept in [jpeg.len() * 2 / 3, jpeg.len() - 2, 300] {
        assert!(reason("cut.jpg", &jpeg[..kept]).contains("cut off"), "{kept} of {}", jpeg.len());
    }
    let mut zeros = jpeg[..jpeg.len() / 2].to_vec();
    zeros.resize(jpeg.len(), 0);
    assert!(reason("half_copied.jpg", &zeros).contains("cut off"));
    let png = encode(&photo, ImageFormat::Png);
    assert!(reason("cut.png", &png[..png.len() * 2 / 3]).contains("cannot be decoded"));
    assert!(reason("empty.jpg", b"").contains("empty"));
    assert!(reason("text.jpg", b"this is no picture").contains("not a picture"));
    assert!(reason("old.jpg", b"GIF89a          ").contains("GIF"));
    assert!(decode(&folder.path().join("gone.jpg")).unwrap_err().contains("cannot be read"));
    assert!(decode(folder.path()).unwrap_err().contains("not a file"));
}

/// A header is a claim: 60,000 x 60,000 pixels must be refused before memory is asked for.
#[test]
fn absurd_headers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut jpeg = encode(&quarters().into(), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
    let reason = decode(&put(folder.path().join("huge.jpg"), jpeg)).unwrap_err();
    assert!(reason.contains("too large"), "{reason}");
    // within the sides, beyond the bytes
    let mut bmp = encode(&quarters().into(), ImageFormat::Bmp);
    bmp[18..22].copy_from_slice(&30_000u32.to_le_bytes());
    bmp[22..26].copy_from_slice(&30_000u32.to_le_bytes());
    let reason = decode(&put(folder.path().join("huge.bmp"), bmp)).unwrap_err();
    assert!(reason.contains("too large"), "{reason}");
}

/// Every prefix and many one-byte changes: an error or a picture, never a panic that escapes.
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

// --- scanning --------------------------------------------------------------------------------------------

#[test]
fn the_reference_layout_and_plain_splits_are_found() {
    let cases = [
        (["Training Data", "Validation Data", "Testing Data"], Layout::Reference),
        (["training data", "VALIDATION DATA", "testing data"], Layout::Reference),
        (["train", "val", "test"], Layout::Splits),
        (["Train", "valid", "Test"], Layout::Splits),
        (["train", "Validation", "test"], Layout::Splits),
    ];
    for (folders, layout) in cases {
        let root = tempfile::tempdir().unwrap();
        fill(&root.path().join(folders[0]).join("Lake/deep/deeper"), 3);
        fill(&root.path().join(folders[0]).join("City"), 2);
        fill(&root.path().join(folders[1]).join("City"), 2);
        fill(&root.path().join(folders[2]).join("Lake"), 1);
        put(root.path().join("cover.png"), plain(1));
        let set = scan(root.path(), 1).unwrap();
        assert_eq!((set.layout, set.split_made), (layout, false));
        assert_eq!((set.train.len(), set.validation.len(), set.test.len()), (5, 2, 1));
        assert_eq!(set.classes, ["City", "Lake"]);
        assert_eq!(set.train.iter().map(|item| item.label).collect::<Vec<_>>(), [0, 0, 1, 1, 1]);
        assert!(set.skipped.len() == 1 && set.skipped[0].reason.contains("outside"), "{:?}", set.skipped);
    }
}

#[test]
fn a_folder_alone_in_an_archive_is_entered() {
    let root = tempfile::tempdir().unwrap();
    fill(&root.path().join("Landscapes/Landscapes/Training Data/Lake"), 3);
    let set = scan(root.path(), 1).unwrap();
    assert_eq!((set.layout, set.root), (Layout::Reference, root.path().join("Landscapes/Landscapes")));
}

#[test]
fn without_splits_a_seeded_one_is_made() {
    let root = tempfile::tempdir().unwrap();
    fill(&root.path().join("a"), 30);
    fill(&root.path().join("b"), 30);
    let set = scan(root.path(), 7).unwrap();
    assert_eq!((set.layout, set.split_made), (Layout::Classes, true));
    assert_eq!((set.train.len(), set.validation.len(), set.test.len()), (54, 3, 3));
    let again = scan(root.path(), 7).unwrap();
    assert_eq!((&set.train, &set.validation, &set.test), (&again.train, &again.validation, &again.test));
    assert_ne!(set.validation, scan(root.path(), 8).unwrap().validation);
    let mut all: Vec<_> = set.train.iter().chain(&set.validation).chain(&set.test).map(|i| &i.path).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 60);
}

#[test]
fn small_folders_and_missing_validation() {
    for (count, sizes) in [(1, (1, 0, 0)), (2, (1, 1, 0)), (19, (18, 1, 0)), (20, (18, 1, 1))] {
        let root = tempfile::tempdir().unwrap();
        fill(root.path(), count);
        let set = scan(root.path(), 0).unwrap();
        assert_eq!(set.layout, Layout::Plain);
        assert_eq!((set.train.len(), set.validation.len(), set.test.len()), sizes);
    }
    let root = tempfile::tempdir().unwrap();
    fill(&root.path().join("train/x"), 40);
    fill(&root.path().join("test/x"), 5);
    let set = scan(root.path(), 0).unwrap();
    assert_eq!((set.train.len(), set.validation.len(), set.test.len(), set.split_made), (38, 2, 5, true));
}

#[test]
fn files_are_judged_by_name_and_content() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    fill(root.path(), 9);
    put(at("misnamed.txt"), plain(1));
    put(at("no_extension"), plain(1));
    put(at("notes.txt"), "BMW is a car, and this is no bitmap");
    put(at("table.csv"), "a,b");
    put(at("empty.txt"), "");
    put(at(".hidden.png"), plain(1));
    put(at(".cache/inside.png"), plain(1));
    put(at("zero.jpg"), "");
    put(at("garbage.jpeg"), "these are not the bytes of a picture");
    put(at("moving.gif"), "GIF89a..............");
    put(at("phone.heic"), b"\0\0\0\x18ftypheic\0\0\0\0");
    put(at("scan.jpg"), b"II\x2a\0\x08\0\0\0");
    let set = scan(root.path(), 0).unwrap();
    let found = [set.train.as_slice(), &set.validation, &set.test].concat();
    assert_eq!(found.len(), 11);
    assert!(!names(&found).iter().any(|name| name.contains("hidden") || name.contains("inside")));
    assert_eq!(set.other_files, 3);
    let reasons: Vec<String> = set.skipped.iter().map(ToString::to_string).collect();
    for (name, word) in [
        ("zero", "empty"),
        ("garbage", "not a picture"),
        ("moving", "GIF"),
        ("phone", "HEIC"),
        ("scan", "TIFF"),
    ] {
        let line = reasons.iter().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{reasons:?}"));
        assert!(line.contains(word), "{line}");
    }
    assert!(reasons.iter().any(|line| line.contains("jpg, png, webp and bmp")));
}

#[test]
fn unusable_folders_are_refused_with_reasons() {
    let root = tempfile::tempdir().unwrap();
    let said = |path: &Path| scan(path, 0).unwrap_err().to_string();
    assert!(said(&root.path().join("missing")).contains("cannot read"));
    assert!(said(root.path()).contains("no pictures"));
    let file = put(root.path().join("a.png"), plain(1));
    assert!(said(&file).contains("is a file"));
    for i in 0..7 {
        put(root.path().join(format!("bad{i}.jpg")), "nothing");
    }
    let text = said(root.path());
    assert!(text.contains("7 of 8 pictures cannot be read") && text.contains("and 2 more"), "{text}");
}

#[cfg(unix)]
#[test]
fn links_in_circles_and_odd_names() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let root = tempfile::tempdir().unwrap();
    fill(&root.path().join("a"), 4);
    std::os::unix::fs::symlink(root.path(), root.path().join("a/back")).unwrap();
    std::os::unix::fs::symlink(root.path().join("nowhere"), root.path().join("broken.jpg")).unwrap();
    put(root.path().join("b").join(OsStr::from_bytes(b"caf\xe9\n\x1b[31m.png")), plain(9));
    let set = scan(root.path(), 0).unwrap();
    assert_eq!(set.len(), 5);
    assert!(set.skipped.iter().any(|one| one.reason.contains("leads back")), "{:?}", set.skipped);
    assert_eq!(set.skipped.len(), 2);
    let source = folder_source(root.path());
    let name = source.name(4);
    assert_eq!(name, "b/caf\\u{fffd}\\n\\u{1b}[31m.png");
    assert_eq!(source.load(4, 2).unwrap().len(), 12);
    assert_eq!(printable(Path::new("über\u{202e}gpj.txt")), "über\\u{202e}gpj.txt");
}

// --- order, cache, loader --------------------------------------------------------------------------------

/// These values are part of every checkpoint: a run resumed by a later version continues in the same order.
#[test]
fn the_order_never_changes() {
    assert_eq!(order(0, 0, 10), PINNED_00);
    assert_eq!(order(0, 1, 10), PINNED_01);
    assert_eq!(order(42, 7, 12), PINNED_42);
    assert_eq!(order(1, 1, 0), [0u32; 0]);
    let mut all = order(3, 3, 1000);
    all.sort_unstable();
    assert!(all.into_iter().eq(0..1000));
}

#[test]
fn the_budget_changes_nothing_but_memory() {
    let root = tempfile::tempdir().unwrap();
    fill(root.path(), 12);
    put(root.path().join("bad.png"), &plain(1)[..40]);
    let source = folder_source(root.path());
    let calls = AtomicUsize::new(0);
    let count = |_: usize, total: usize| {
        assert_eq!(total, 13);
        calls.fetch_add(1, Ordering::Relaxed);
    };
    let [none, some, all] = [0, 5 * 4 * 4 * 3, u64::MAX]
        .map(|budget| Pictures::prepare(source.clone(), 4, budget, &count).unwrap());
    assert_eq!(calls.into_inner(), 39);
    assert_eq!([none.cached(), some.cached(), all.cached()], [0, 5, 12]);
    assert_eq!(none.skipped(), all.skipped());
    assert!(all.skipped().len() == 1 && all.skipped()[0].path.ends_with("bad.png"));
    assert_eq!([none.len(), some.len(), all.len()], [12; 3]);
    for i in 0..12 {
        assert_eq!(none.get(i).unwrap(), all.get(i).unwrap());
        assert_eq!(some.get(i).unwrap()[..3], [i as u8, 20, 30]);
    }
    assert_eq!((none.fingerprint(), all.name(11)), (all.fingerprint(), "011.png".into()));
}

#[test]
fn fingerprints_follow_the_files_not_the_place() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(a.path(), 5);
    fill(b.path(), 5);
    let print = |path: &Path| folder_source(path).fingerprint();
    assert_eq!(print(a.path()), print(b.path()));
    put(b.path().join("004.png"), [plain(4), vec![0]].concat());
    assert_ne!(print(a.path()), print(b.path()));
    let synthetic = |seed| Source::Synthetic { seed, first: 0, count: 3 };
    assert_ne!(synthetic(1).fingerprint(), synthetic(2).fingerprint());
}

#[test]
fn too_many_unreadable_pictures_end_the_preparation() {
    let root = tempfile::tempdir().unwrap();
    fill(root.path(), 2);
    for i in 0..3 {
        put(root.path().join(format!("cut{i}.png")), &plain(1)[..40]);
    }
    let error = Pictures::prepare(folder_source(root.path()), 4, 0, QUIET).unwrap_err().to_string();
    assert!(error.contains("3 of 5 pictures") && error.contains("cut1.png"), "{error}");
}

fn synthetic(count: usize) -> Arc<Pictures> {
    let source = Source::Synthetic { seed: 5, first: 100, count };
    Arc::new(Pictures::prepare(source, 8, u64::MAX, QUIET).unwrap())
}

#[test]
fn batches_hold_the_pictures_in_order_and_the_last_is_short() {
    let pictures = synthetic(10);
    let order = order(1, 0, 10);
    let batches: Vec<Batch> = Loader::start(pictures.clone(), order.clone(), 4, 0, 2).collect();
    assert_eq!(batches.iter().map(|b| (b.step, b.count)).collect::<Vec<_>>(), [(0, 4), (1, 4), (2, 2)]);
    assert_eq!(batches.iter().flat_map(|b| b.indices.clone()).collect::<Vec<_>>(), order);
    for batch in &batches {
        assert_eq!(batch.rgba.len(), 4 * 8 * 8 * 4);
        for (row, pixels) in batch.rgba.chunks(8 * 8 * 4).enumerate() {
            let wanted = batch.indices.get(row).map(|&index| pictures.get(index as usize).unwrap());
            for (at, pixel) in pixels.chunks(4).enumerate() {
                let rgb = wanted.as_ref().map_or([0; 3], |w| [w[at * 3], w[at * 3 + 1], w[at * 3 + 2]]);
                assert_eq!((&pixel[..3], pixel[3]), (&rgb[..], 0));
            }
        }
    }
}

#[test]
fn resuming_gives_the_tail_of_the_whole() {
    let pictures = synthetic(11);
    let order = order(2, 5, 11);
    let whole: Vec<Batch> = Loader::start(pictures.clone(), order.clone(), 3, 0, 1).collect();
    for first in 0..5 {
        let tail: Vec<Batch> = Loader::start(pictures.clone(), order.clone(), 3, first, 0).collect();
        assert_eq!(tail, whole[first.min(whole.len())..]);
    }
}

#[test]
fn dropping_a_loader_early_stops_it() {
    let pictures = synthetic(40);
    for prefetch in [0, 1, 3] {
        let mut loader = Loader::start(pictures.clone(), order(0, 0, 40), 2, 0, prefetch);
        assert_eq!(loader.next().unwrap().step, 0);
        drop(loader);
        drop(Loader::start(pictures.clone(), order(0, 0, 40), 2, 0, prefetch));
    }
    // the threads are gone: nobody else holds the pictures
    assert_eq!(Arc::strong_count(&pictures), 1);
}

#[test]
fn a_file_that_breaks_later_leaves_its_batch() {
    let root = tempfile::tempdir().unwrap();
    fill(root.path(), 6);
    let pictures = Arc::new(Pictures::prepare(folder_source(root.path()), 4, 0, QUIET).unwrap());
    put(root.path().join("001.png"), "garbage");
    fs::remove_file(root.path().join("005.png")).unwrap();
    let error = pictures.get(1).unwrap_err().to_string();
    assert!(error.contains("001.png") && error.contains("not a picture"), "{error}");
    let batches: Vec<Batch> = Loader::start(pictures, (0..6).collect(), 3, 0, 1).collect();
    assert_eq!((batches[0].count, batches[0].indices.as_slice()), (2, &[0, 2][..]));
    assert_eq!(batches[0].rgba[4 * 4 * 4], 2, "the second row holds picture 2");
    assert!(batches[0].rgba[2 * 4 * 4 * 4..].iter().all(|&byte| byte == 0));
    assert!(batches[0].problems[0].path.ends_with("001.png"));
    assert_eq!((batches[1].count, batches[1].problems.len()), (2, 1));
}

// --- landscapes ------------------------------------------------------------------------------------------

fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |d, &b| (d ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The same bytes on every platform; raise `synth::VERSION` when they are meant to change.
#[test]
fn landscapes_are_pinned() {
    assert_eq!(synth::VERSION, 1);
    let all: Vec<u8> = (0..12).flat_map(|index| landscape(3, index, 16).0).collect();
    assert_eq!(digest(&all), PINNED_SYNTH, "{:#x}", digest(&all));
    assert_eq!(landscape(3, 4, 16), landscape(3, 4, 16));
    assert_ne!(landscape(3, 4, 16).0, landscape(4, 4, 16).0);
}

#[test]
fn landscapes_look_the_same_at_every_size() {
    for index in 0..10 {
        let (large, factors) = landscape(9, index, 256);
        let (small, same) = landscape(9, index, 64);
        assert_eq!(factors, same);
        // the mean of 4 x 4 pixels
        let mut reduced = vec![0u32; 64 * 64 * 3];
        for (at, &value) in large.iter().enumerate() {
            let (x, y, c) = (at / 3 % 256, at / 3 / 256, at % 3);
            reduced[(y / 4 * 64 + x / 4) * 3 + c] += u32::from(value);
        }
        let far: Vec<f64> = reduced
            .iter()
            .zip(&small)
            .map(|(&sum, &b)| (f64::from(sum) / 16.0 - f64::from(b)).abs())
            .collect();
        let mean = far.iter().sum::<f64>() / far.len() as f64;
        let strays = far.iter().filter(|&&d| d > 24.0).count() as f64 / far.len() as f64;
        println!("{index} {}: mean {mean:.2}, beyond 24: {:.2} %", factors.biome, strays * 100.0);
        assert!(mean < 2.0 && strays < 0.005, "landscape {index}: mean {mean}, strays {strays}");
    }
}

#[test]
fn factors_keep_their_ranges_and_every_biome_appears() {
    let mut seen = [0; 5];
    for index in 0..500 {
        let f = synth::factors(1, index);
        seen[f.biome as usize] += 1;
        assert!((0.1..=0.9).contains(&f.sun_x) && (0.0..=1.0).contains(&f.sun_height));
        assert!((0.5..=0.66).contains(&f.horizon) && (0.08..=0.42).contains(&f.ridge_height));
        assert!((2..=4).contains(&f.ridges) && (0.0..=1.0).contains(&f.haze));
    }
    assert!(seen.iter().all(|&count| count > 60), "{seen:?}");
    assert_eq!(Biome::ALL.map(|biome| biome as usize), [0, 1, 2, 3, 4]);
}

// --- sheets, report, writing -----------------------------------------------------------------------------

#[test]
fn sheets_have_white_gaps_and_are_written_whole() {
    let pictures: Vec<Vec<u8>> = (0..5u8).map(|i| vec![i * 10; 4 * 4 * 3]).collect();
    let sheet = grid(&pictures, 4, 3, 2);
    assert_eq!(sheet.dimensions(), (3 * 6 + 2, 2 * 6 + 2));
    assert_eq!(sheet.get_pixel(1, 1).0, [255; 3]);
    assert_eq!((sheet.get_pixel(2, 2).0, sheet.get_pixel(8, 8).0), ([0; 3], [40; 3]));
    assert_eq!(sheet.get_pixel(14, 8).0, [255; 3], "no sixth picture");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/sheet.png");
    save_png(&sheet, &path).unwrap();
    assert_eq!(image::open(&path).unwrap().into_rgb8(), sheet);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file stays");
    // a file where a folder should be
    let error = save_png(&sheet, &path.join("below.png")).unwrap_err().to_string();
    assert!(error.contains("cannot create"), "{error}");
}

#[test]
fn the_report_counts_what_training_would_see() {
    let root = tempfile::tempdir().unwrap();
    fill(&root.path().join("train/Lake\u{1b}[31m"), 4);
    fill(&root.path().join("train/City"), 3);
    put(root.path().join("val/City/wide.bmp"), encode(&quarters().into(), ImageFormat::Bmp));
    put(root.path().join("test/City/cut.png"), &plain(3)[..40]);
    put(root.path().join("train/notes.txt"), "hello");
    let report = check(root.path(), 0, QUIET).unwrap();
    assert_eq!(report.readable(), 8);
    assert_eq!(report.splits[0].per_class, [3, 4]);
    assert_eq!((report.formats["png"], report.formats["bmp"]), (7, 1));
    assert_eq!((report.widths, report.heights), (Some([4, 4, 32]), Some([3, 3, 16])));
    assert_eq!((report.duplicates, report.across_splits, report.other_files), (3, 0, 1));
    let text = report.to_string();
    println!("{text}");
    assert!(!text.contains('\u{1b}') && text.contains("cut.png: cannot be decoded"), "{text}");
    assert!(text.ends_with("can be trained on: 8 pictures, 1 left out"), "{text}");
}

#[test]
fn written_landscapes_are_a_reference_data_set() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("set");
    write_synth(&out, 40, 16, 3, QUIET).unwrap();
    let set = scan(&out, 0).unwrap();
    assert_eq!((set.layout, set.split_made), (Layout::Reference, false));
    assert_eq!((set.train.len(), set.validation.len(), set.test.len(), set.other_files), (36, 2, 2, 1));
    let table = fs::read_to_string(out.join("factors.csv")).unwrap();
    let (last, columns) = (table.lines().last().unwrap(), table.lines().next().unwrap().split(',').count());
    assert_eq!((table.lines().count(), last.split(',').count()), (41, columns));
    let file = out.join(last.split(',').next().unwrap());
    assert_eq!(sides(&file), (16, 16));
    assert_eq!(decode(&file).unwrap().rgb, landscape(3, 39, 16).0);
    assert!(write_synth(&out, 4, 16, 3, QUIET).unwrap_err().to_string().contains("not empty"));
}

#[test]
fn real_photographs_all_load() {
    let Some(folder) = std::env::var_os("WGVAE_PHOTOS") else {
        println!("skipped: WGVAE_PHOTOS is not set");
        return;
    };
    let set = scan(Path::new(&folder), 0).unwrap();
    for item in set.train.iter().chain(&set.validation).chain(&set.test) {
        let pixels =
            load(&item.path, 64, Resize::Stretch).unwrap_or_else(|e| panic!("{}: {e}", item.path.display()));
        assert_eq!(pixels.len(), 64 * 64 * 3);
    }
    println!("{} photographs, {} skipped", set.len(), set.skipped.len());
}

const PINNED_00: [u32; 10] = [6, 4, 5, 0, 9, 1, 2, 8, 3, 7];
const PINNED_01: [u32; 10] = [4, 9, 2, 0, 3, 7, 1, 8, 5, 6];
const PINNED_42: [u32; 12] = [5, 6, 11, 3, 10, 4, 7, 2, 1, 8, 0, 9];
const PINNED_SYNTH: u64 = 0x86ed_b8a7_1396_b5e2;
