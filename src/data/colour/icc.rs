//! Conversions of ICC profiles to sRGB, with relative colorimetric intent and without black point compensation.
//! Read this for which kinds of profile are converted, and by what.

use moxcms::{
    ColorProfile, DataColorSpace, Layout, ProfileText, RenderingIntent, TransferCharacteristics,
    TransformOptions,
};

use super::curve::Curve;
use super::shaper::{GreyShaper, Shaper};
use super::{Conversion, Lookup};
use crate::data::raster::Channels;

/// Most bytes of a profile; moxcms reads none of this size and more.
pub(in crate::data) const MAX_BYTES: usize = 10 << 20;

/// The parsed profile in `bytes`.
///
/// # Errors
/// A phrase, if it is damaged or too large.
fn parsed(bytes: &[u8]) -> Result<ColorProfile, String> {
    if bytes.len() >= MAX_BYTES {
        return Err(format!("it has {} MiB or more", MAX_BYTES >> 20));
    }
    ColorProfile::new_from_slice(bytes)
        .map_err(|error| format!("it is damaged or of an unknown kind: {error}"))
}

/// The name that the profile in `bytes` gives itself.
pub(super) fn name(bytes: &[u8]) -> Option<String> {
    let name = match parsed(bytes).ok()?.description? {
        ProfileText::PlainString(text) => text,
        ProfileText::Localizable(texts) => texts.into_iter().next()?.value,
        ProfileText::Description(text) => text.ascii_string,
    };
    let name: String = name.trim_matches(['\0', ' ']).chars().filter(|c| !c.is_control()).take(60).collect();
    (!name.is_empty()).then_some(name)
}

/// The conversion of samples of these channels by the profile in `bytes`.
///
/// # Errors
/// A phrase, if the profile cannot be read, is for HDR or is for other channels.
pub(super) fn conversion(bytes: &[u8], channels: Channels) -> Result<Conversion, String> {
    let profile = parsed(bytes)?;
    if let Some(cicp) = &profile.cicp {
        match cicp.transfer_characteristics {
            TransferCharacteristics::Smpte2084 => return Err(super::hdr("PQ")),
            TransferCharacteristics::Hlg => return Err(super::hdr("HLG")),
            _ => {}
        }
    }
    match (profile.color_space, channels) {
        // grey samples with an RGB profile are equal red, green and blue
        (DataColorSpace::Rgb, Channels::Rgb | Channels::Rgba | Channels::Grey | Channels::GreyAlpha) => {
            of_rgb(&profile)
        }
        (DataColorSpace::Gray, Channels::Grey | Channels::GreyAlpha) => {
            let curve = profile.gray_trc.as_ref().ok_or("it is for grey and has no curve")?;
            Ok(Conversion::Grey(GreyShaper::new(Curve::of(curve)?, profile.pcs == DataColorSpace::Lab)))
        }
        (DataColorSpace::Cmyk, Channels::Cmyk) => lookup(&profile, Layout::Rgba),
        (space, _) => Err(format!("it is for {}, and the picture is {}", space_name(space), channels.name())),
    }
}

fn space_name(space: DataColorSpace) -> &'static str {
    match space {
        DataColorSpace::Rgb => "RGB",
        DataColorSpace::Gray => "grey",
        DataColorSpace::Cmyk => "CMYK",
        DataColorSpace::Lab => "Lab",
        _ => "another colour space",
    }
}

/// By a table if the profile has one for this intent or the perceptual one, else by curves and a matrix.
fn of_rgb(profile: &ColorProfile) -> Result<Conversion, String> {
    let table = profile.lut_a_to_b_colorimetric.as_ref().or(profile.lut_a_to_b_perceptual.as_ref());
    if table.is_some() {
        return lookup(profile, Layout::Rgb);
    }
    let curves = [&profile.red_trc, &profile.green_trc, &profile.blue_trc];
    let [Some(red), Some(green), Some(blue)] = curves else {
        return Err("it has no curves for red, green and blue".into());
    };
    if profile.pcs != DataColorSpace::Xyz {
        return Err("it has a matrix to another space than XYZ".into());
    }
    let curves = [Curve::of(red)?, Curve::of(green)?, Curve::of(blue)?];
    let columns = [profile.red_colorant, profile.green_colorant, profile.blue_colorant];
    let matrix = [columns.map(|c| c.x), columns.map(|c| c.y), columns.map(|c| c.z)];
    Shaper::new(curves, &matrix)
        .map(|shaper| Conversion::Rgb(Box::new(shaper)))
        .ok_or("its matrix is out of range".into())
}

/// By the tables of the profile.
fn lookup(profile: &ColorProfile, from: Layout) -> Result<Conversion, String> {
    let options = TransformOptions {
        rendering_intent: RenderingIntent::RelativeColorimetric,
        allow_use_cicp_transfer: false,
        prefer_fixed_point: false,
        ..TransformOptions::default()
    };
    let srgb = ColorProfile::new_srgb();
    let refused = |error: moxcms::CmsError| format!("its tables cannot be used: {error}");
    let eight = profile.create_transform_8bit(from, &srgb, Layout::Rgb, options).map_err(refused)?;
    let sixteen = profile.create_transform_16bit(from, &srgb, Layout::Rgb, options).map_err(refused)?;
    Ok(Conversion::Table(Lookup { eight, sixteen, inks: from == Layout::Rgba }))
}
