//! HEIC files by `heic-decoder`, which applies the turning, mirroring and cropping that the container asks for. EXIF's
//! orientation says the same again there, so it is not applied.

use std::sync::LazyLock;

use heic_decoder::{ColorInfo, DecodedImage, HeifError, RgbOptions};
use image::metadata::Orientation;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::colour::{ColourRule, Declared};
use super::encoded::{Decoder, Encoded};
use super::formats::Format;
use super::raster::{Channels, Raster, Samples};

/// Threads for the decoder, which uses all of the pool that it is called from. While it waits for them a thread of the
/// usual pool would begin another picture, whose memory may have to wait for this one: for ever.
static POOL: LazyLock<Result<ThreadPool, String>> =
    LazyLock::new(|| ThreadPoolBuilder::new().build().map_err(|error| format!("cannot be decoded: {error}")));

/// Reads a HEIC up to its pixels.
///
/// # Errors
/// A phrase, if its container is damaged or not of a supported kind.
pub(super) fn open(data: &[u8], rule: ColourRule) -> Result<Encoded<'_>, String> {
    let info = heic_decoder::probe(data).map_err(failed)?;
    let metadata = heic_decoder::read_metadata(data).map_err(failed)?;
    let declared = match (metadata.icc_profile, metadata.color_info) {
        (Some(profile), _) => Declared::Icc(profile),
        (None, Some(info)) => {
            Declared::Cicp { primaries: info.color_primaries, transfer: info.transfer_characteristics }
        }
        (None, None) => Declared::Nothing,
    };
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    let (width, height) = (side(info.width), side(info.height));
    let pixels = u64::from(side(info.coded_width)) * u64::from(side(info.coded_height));
    let deep = info.bit_depth_luma > 8;
    Ok(Encoded {
        format: Format::Heic,
        width,
        height,
        bytes: pixels.saturating_mul(if deep { 6 } else { 3 }),
        // planes of 32 bits, of tiles and of the whole
        working: pixels.saturating_mul(16),
        orientation: Orientation::NoTransforms,
        declared,
        rule,
        decoder: Decoder::Whole(Box::new(move || decode(data, deep))),
    })
}

fn decode(data: &[u8], deep: bool) -> Result<Raster, String> {
    let pool = POOL.as_ref().map_err(String::clone)?;
    let decoded = || raster(&heic_decoder::decode(data).map_err(failed)?, deep);
    // a thread outside all pools waits without taking up other work
    std::thread::scope(|scope| scope.spawn(|| pool.install(decoded)).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn raster(image: &DecodedImage, deep: bool) -> Result<Raster, String> {
    // unlabelled YCbCr is read as libheif does: BT.601 with limited range
    let unlabelled = image.color_info.is_none_or(|info| info.matrix_coefficients == 2);
    let assumed = ColorInfo {
        color_primaries: 2,
        transfer_characteristics: 2,
        matrix_coefficients: 6,
        full_range: false,
    };
    let options = RgbOptions { color: unlabelled.then_some(assumed), ..RgbOptions::default() };
    let alpha = image.alpha.as_ref();
    let samples = match (deep, alpha.is_some()) {
        (false, false) => Samples::Eight(image.to_rgb8_with_options(&options).map_err(failed)?.data),
        (false, true) => Samples::Eight(image.to_rgba8_with_options(&options).map_err(failed)?.data),
        (true, false) => Samples::Sixteen(image.to_rgb16_with_options(&options).map_err(failed)?.data),
        (true, true) => Samples::Sixteen(image.to_rgba16_with_options(&options).map_err(failed)?.data),
    };
    let channels = if alpha.is_some() { Channels::Rgba } else { Channels::Rgb };
    let (width, height) = (image.width as u32, image.height as u32);
    let mut raster = Raster { width, height, channels, samples };
    if alpha.is_some_and(|alpha| alpha.premultiplied) {
        raster.divide_by_alpha();
    }
    Ok(raster)
}

/// The reason, with advice for what the crate does not read.
#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: HeifError) -> String {
    let what = error.to_string().escape_debug().to_string();
    match error {
        HeifError::LimitExceeded(_) => super::encoded::too_large(),
        HeifError::Unsupported(_) => {
            format!("is a HEIC of a kind that is not read ({what}); {}", super::formats::CONVERT_HEIC)
        }
        _ => format!("cannot be decoded: {what}"),
    }
}
