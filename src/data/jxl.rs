//! JPEG XL files by `jxl-oxide`, which applies their orientation.
//! Read this for which of the crate's conversions of colours is used, and when.

use image::metadata::Orientation;
use jxl_oxide::color::ColourEncoding;
use jxl_oxide::{
    AllocTracker, EnumColourEncoding, ExtraChannelType, HdrType, JxlImage, JxlThreadPool, RenderingIntent,
};

use super::colour::{ColourRule, Declared};
use super::encoded::{Decoder, Encoded, MAX_WORKING, too_large};
use super::formats::Format;
use super::raster::{Channels, Raster, Samples};

/// Reads a JPEG XL up to its pixels.
///
/// # Errors
/// A phrase, if its headers are damaged.
pub(super) fn open(data: &[u8], rule: ColourRule) -> Result<Encoded<'_>, String> {
    let mut image = JxlImage::builder()
        // pictures are decoded in parallel, not their parts
        .pool(JxlThreadPool::none())
        .alloc_tracker(AllocTracker::with_limit(MAX_WORKING as usize))
        .read(data)
        .map_err(|error| failed(&*error))?;
    let metadata = &image.image_header().metadata;
    let deep = metadata.bit_depth.bits_per_sample() > 8;
    let by_numbers = matches!(metadata.colour_encoding, ColourEncoding::Enum(_));
    // a lossy picture is stored in the colours of XYB, which nobody can mean
    let converts = metadata.xyb_encoded || by_numbers && rule == ColourRule::Srgb;
    let declared = match (&metadata.colour_encoding, image.hdr_type()) {
        (_, Some(HdrType::Pq)) => Declared::Cicp { primaries: 9, transfer: 16 },
        (_, Some(HdrType::Hlg)) => Declared::Cicp { primaries: 9, transfer: 18 },
        (ColourEncoding::Enum(space), None) => Declared::Converted(name(space)),
        (_, None) => match image.original_icc() {
            Some(icc) if !converts => Declared::Icc(icc.into()),
            Some(icc) => Declared::Converted(Declared::Icc(icc.into()).name().unwrap_or_default()),
            None => Declared::Nothing,
        },
    };
    if converts {
        // the default rendering of a lossy picture squeezes wide colours into sRGB and calls them wide
        image.request_color_encoding(EnumColourEncoding::srgb(RenderingIntent::Relative));
    }
    let (width, height) = (image.width(), image.height());
    let pixels = u64::from(width) * u64::from(height);
    Ok(Encoded {
        format: Format::Jxl,
        width,
        height,
        bytes: pixels.saturating_mul(3),
        working: pixels.saturating_mul(24),
        orientation: Orientation::NoTransforms,
        declared,
        rule,
        decoder: Decoder::Whole(Box::new(move || decode(&image, deep))),
    })
}

fn decode(image: &JxlImage, deep: bool) -> Result<Raster, String> {
    if image.num_loaded_keyframes() == 0 || !image.is_loading_done() {
        return Err("is cut off: the end of the JPEG XL is missing".into());
    }
    let render = image.render_frame(0).map_err(|error| failed(&*error))?;
    let mut stream = render.stream();
    let (width, height) = (stream.width(), stream.height());
    let channels = match (stream.channels(), image.pixel_format().has_black()) {
        (1, _) => Channels::Grey,
        (2, _) => Channels::GreyAlpha,
        (3, _) => Channels::Rgb,
        (4, false) => Channels::Rgba,
        (4, true) => Channels::Cmyk,
        (count, _) => return Err(format!("is a JPEG XL of {count} channels; save it in RGB")),
    };
    let count = width as usize * height as usize * channels.count();
    let mut samples = if deep {
        let mut samples = vec![0u16; count];
        stream.write_to_buffer(&mut samples);
        Samples::Sixteen(samples)
    } else {
        let mut samples = vec![0u8; count];
        stream.write_to_buffer(&mut samples);
        Samples::Eight(samples)
    };
    if channels == Channels::Cmyk {
        // stored as the light that is left
        match &mut samples {
            Samples::Eight(samples) => samples.iter_mut().for_each(|ink| *ink = 255 - *ink),
            Samples::Sixteen(samples) => samples.iter_mut().for_each(|ink| *ink = u16::MAX - *ink),
        }
    }
    let mut raster = Raster { width, height, channels, samples };
    let premultiplied =
        |kind: &ExtraChannelType| matches!(kind, ExtraChannelType::Alpha { alpha_associated: true });
    let extras = &image.image_header().metadata.ec_info;
    if extras.iter().find(|extra| extra.is_alpha()).is_some_and(|extra| premultiplied(&extra.ty)) {
        raster.divide_by_alpha();
    }
    Ok(raster)
}

fn name(space: &EnumColourEncoding) -> String {
    use jxl_oxide::color::{ColourSpace, Primaries};
    let name = match (space.colour_space, &space.primaries) {
        (ColourSpace::Grey, _) => "grey",
        (_, Primaries::Srgb) => "sRGB",
        (_, Primaries::P3) => "P3",
        (_, Primaries::Bt2100) => "Rec. 2020",
        _ => "RGB by numbers",
    };
    name.into()
}

fn failed(error: &(dyn std::error::Error + 'static)) -> String {
    let text = error.to_string();
    if text.contains("out of memory") || text.contains("limit") {
        return too_large();
    }
    format!("cannot be decoded: {}", text.escape_debug())
}
