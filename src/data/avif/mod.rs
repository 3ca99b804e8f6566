//! AVIF files: containers are read here, AV1 is decoded by `re_rav1d`, a port of dav1d to Rust.
//! Read this for what a container may ask for.

mod boxes;
mod frame;

use image::metadata::Orientation;

use self::boxes::{Boxes, Item};
use self::frame::Frame;
use super::colour::{ColourRule, Declared};
use super::encoded::{Decoder, Encoded};
use super::formats::Format;
use super::raster::{Channels, Raster, Samples, to_byte};

/// Most tiles of a grid.
const MAX_TILES: usize = 1024;
/// Largest side of a tile of a smaller picture.
const MAX_BEYOND: usize = 2048;
const DAMAGED: &str = "is damaged: the boxes of the AVIF contradict each other";

/// Code points of a `colr` box.
#[derive(Clone, Copy)]
struct Numbers {
    primaries: u16,
    transfer: u16,
    matrix: u16,
    full: bool,
}

/// Reads an AVIF up to its pixels.
///
/// # Errors
/// A phrase, if its container is damaged or asks for what is not read.
pub(super) fn open(data: &[u8], rule: ColourRule) -> Result<Encoded<'_>, String> {
    let boxes = Boxes::parse(data).ok_or(DAMAGED)?;
    let item = boxes.item(boxes.primary).ok_or("is an AVIF without a picture")?;
    let (width, height) = item.size().ok_or(DAMAGED)?;
    if item.property(b"clap").is_some() {
        return Err("is an AVIF that asks to be cropped, which is not read; save it as PNG".into());
    }
    let (numbers, icc) = colours(item);
    let declared = match (icc, numbers) {
        (Some(profile), _) => Declared::Icc(profile.into()),
        (None, Some(Numbers { primaries, transfer, .. })) => Declared::Cicp { primaries, transfer },
        (None, None) => Declared::Nothing,
    };
    let orientation = orientation(item);
    let pixels = u64::from(width) * u64::from(height);
    Ok(Encoded {
        format: Format::Avif,
        width,
        height,
        bytes: pixels.saturating_mul(3),
        // the planes of the decoder and of the frame, and RGB with 16 bits
        working: pixels.saturating_mul(16),
        orientation,
        declared,
        rule,
        decoder: Decoder::Whole(Box::new(move || decode(&boxes, (width, height), numbers))),
    })
}

fn decode(
    boxes: &Boxes<'_>,
    (width, height): (u32, u32),
    numbers: Option<Numbers>,
) -> Result<Raster, String> {
    let item = boxes.item(boxes.primary).ok_or(DAMAGED)?;
    let mut deep = false;
    let rgb = assembled(boxes, item, (width, height), 3, &mut |frame| {
        deep |= frame.is_deep();
        frame.rgb(numbers)
    })?;
    let is_alpha = |item: &Item<'_>| {
        item.property(b"auxC").is_some_and(|kind| kind.windows(5).any(|part| part == b"alpha"))
    };
    let alpha = boxes
        .references
        .iter()
        .filter(|reference| reference.kind == *b"auxl" && reference.to.contains(&boxes.primary))
        .find_map(|reference| boxes.item(reference.from).filter(|item| is_alpha(item)));
    let (channels, wide) = match alpha {
        None => (Channels::Rgb, rgb),
        Some(alpha) => {
            let opacity = assembled(boxes, alpha, (width, height), 1, &mut |frame| Ok(frame.opacity()))?;
            let pixels = rgb.as_chunks::<3>().0.iter().zip(&opacity);
            (Channels::Rgba, pixels.flat_map(|([r, g, b], a)| [*r, *g, *b, *a]).collect())
        }
    };
    let samples =
        if deep { Samples::Sixteen(wide) } else { Samples::Eight(wide.into_iter().map(to_byte).collect()) };
    let mut raster = Raster { width, height, channels, samples };
    let premultiplied = |id: u64| {
        boxes.references.iter().any(|r| r.kind == *b"prem" && r.from == boxes.primary && r.to.contains(&id))
    };
    if alpha.is_some_and(|alpha| premultiplied(alpha.id)) {
        raster.divide_by_alpha();
    }
    Ok(raster)
}

/// Samples of an item of this size with `channels` per pixel: of its one frame, or of the frames of its grid.
fn assembled(
    boxes: &Boxes<'_>,
    item: &Item<'_>,
    size: (u32, u32),
    channels: usize,
    of: &mut dyn FnMut(&Frame) -> Result<Vec<u16>, String>,
) -> Result<Vec<u16>, String> {
    let (width, height) = (size.0 as usize, size.1 as usize);
    let bytes = |item: &Item<'_>| boxes.bytes(item).ok_or("is cut off: the end of the AVIF is missing");
    match &item.kind {
        b"av01" => of(&Frame::decode(bytes(item)?, size)?),
        b"grid" => {
            let head = bytes(item)?;
            let &[_, flags, rows, columns, ref sides @ ..] = &head[..] else { return Err(DAMAGED.into()) };
            let (rows, columns) = (usize::from(rows) + 1, usize::from(columns) + 1);
            let side = |at: usize| {
                let wide = if flags & 1 == 1 { 4 } else { 2 };
                let bytes = sides.get(at * wide..(at + 1) * wide)?;
                Some(bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
            };
            if (side(0), side(1)) != (Some(width), Some(height)) {
                return Err(DAMAGED.into());
            }
            let tiles = boxes.references.iter().find(|r| r.kind == *b"dimg" && r.from == item.id);
            let tiles = tiles.map_or(&[][..], |reference| &reference.to);
            if tiles.len() != rows * columns || tiles.len() > MAX_TILES {
                return Err(DAMAGED.into());
            }
            let mut canvas = vec![0; width * height * channels];
            for (number, tile) in tiles.iter().enumerate() {
                let tile = boxes.item(*tile).filter(|tile| &tile.kind == b"av01").ok_or(DAMAGED)?;
                let (wide, high) = tile.size().ok_or(DAMAGED)?;
                // the last ones reach beyond the picture, but not by far
                if wide as usize > MAX_BEYOND.max(2 * width) || high as usize > MAX_BEYOND.max(2 * height) {
                    return Err(DAMAGED.into());
                }
                let frame = Frame::decode(bytes(tile)?, (wide, high))?;
                let (left, top) = (number % columns * frame.width, number / columns * frame.height);
                // all tiles have one size, and together they cover the picture
                if left >= width
                    || top >= height
                    || frame.width * columns < width
                    || frame.height * rows < height
                {
                    return Err(DAMAGED.into());
                }
                let (samples, wide) = (of(&frame)?, frame.width.min(width - left) * channels);
                for (row, y) in samples.chunks_exact(frame.width * channels).zip(top..height) {
                    let at = (y * width + left) * channels;
                    canvas[at..at + wide].copy_from_slice(&row[..wide]);
                }
            }
            Ok(canvas)
        }
        _ => Err(format!("is an AVIF of a kind that is not read; {}", super::formats::CONVERT_AVIF)),
    }
}

/// The code points and the ICC profile of an item.
fn colours<'a>(item: &Item<'a>) -> (Option<Numbers>, Option<&'a [u8]>) {
    let (mut numbers, mut icc) = (None, None);
    for (name, body) in &item.properties {
        if *name != b"colr" {
            continue;
        }
        match body.split_at_checked(4) {
            Some((b"nclx", &[p, q, t, u, m, n, range, ..])) => {
                numbers = Some(Numbers {
                    primaries: u16::from_be_bytes([p, q]),
                    transfer: u16::from_be_bytes([t, u]),
                    matrix: u16::from_be_bytes([m, n]),
                    full: range & 0x80 != 0,
                });
            }
            Some((b"prof" | b"rICC", profile)) => icc = Some(profile),
            _ => {}
        }
    }
    (numbers, icc)
}

/// Turning and mirroring, in the order of the properties.
fn orientation(item: &Item<'_>) -> Orientation {
    let (mut turns, mut mirror, mut mirrored_first) = (0, None, false);
    for (name, body) in &item.properties {
        match (*name, body) {
            (b"irot", [angle, ..]) => turns = angle & 3,
            (b"imir", [axis, ..]) => (mirror, mirrored_first) = (Some(axis & 1), turns == 0),
            _ => {}
        }
    }
    // quarter turns against the clock, before the mirroring
    if mirror.is_some() && mirrored_first {
        turns = (4 - turns) % 4;
    }
    // exchanging top and bottom is exchanging left and right after half a turn
    let turns = if mirror == Some(0) { (turns + 2) % 4 } else { turns };
    match (turns, mirror.is_some()) {
        (0, false) => Orientation::NoTransforms,
        (1, false) => Orientation::Rotate270,
        (2, false) => Orientation::Rotate180,
        (_, false) => Orientation::Rotate90,
        (0, true) => Orientation::FlipHorizontal,
        (1, true) => Orientation::Rotate270FlipH,
        (2, true) => Orientation::FlipVertical,
        (_, true) => Orientation::Rotate90FlipH,
    }
}
