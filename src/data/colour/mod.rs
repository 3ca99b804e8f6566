//! Colours of files as sRGB.
//! Read this for what a file may say about its colours, and for what is done with it.
//!
//! ```text
//! file -> Declared (declared.rs) -> Conversion (icc.rs, primaries.rs) -> Raster::into_rgb (../raster.rs)
//! ```
//!
//! Colours that a file declares nothing about, or that are those of sRGB to one unit, pass unchanged, bit for bit.

mod curve;
mod declared;
mod icc;
mod primaries;
mod rule;
mod shaper;

use std::sync::{Arc, Mutex, PoisonError};

use moxcms::{Transform8BitExecutor, Transform16BitExecutor};

use self::curve::Curve;
pub(super) use self::declared::of_file;
pub(super) use self::icc::MAX_BYTES as MAX_PROFILE;
pub(super) use self::primaries::Primaries;
pub use self::rule::{ColourRule, Reading};
use self::shaper::{GreyShaper, Shaper};
use super::raster::Channels;

/// Colours of samples, as a file declares them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Declared {
    /// Nothing, which means sRGB.
    #[default]
    Nothing,
    /// sRGB, by a flag of the format.
    Srgb,
    /// Any, by name; the decoder has converted them to sRGB.
    Converted(String),
    /// An ICC profile.
    Icc(Vec<u8>),
    /// Code points of ITU-T H.273.
    Cicp { primaries: u16, transfer: u16 },
    /// Chromaticities, and the exponent from samples to light.
    Gamma { primaries: Primaries, gamma: f64 },
}

/// A way from samples to sRGB, with its [`Conversion::bend`].
#[derive(Clone)]
pub(super) struct Known {
    pub(super) conversion: Arc<Conversion>,
    pub(super) bend: u8,
}

/// A way from samples to sRGB.
pub(super) enum Conversion {
    Rgb(Box<Shaper>),
    Grey(GreyShaper),
    Table(Lookup),
}

/// A conversion by tables of a profile.
pub(super) struct Lookup {
    pub(super) eight: Arc<Transform8BitExecutor>,
    pub(super) sixteen: Arc<Transform16BitExecutor>,
    /// whether it takes CMYK
    inks: bool,
}

/// Result of looking for a conversion; `None` if the samples are sRGB as they are.
type Found = Result<Option<Known>, String>;

/// The conversions used last: the pictures of a folder share few profiles.
static RECENT: Mutex<Vec<(Declared, Channels, Found)>> = Mutex::new(Vec::new());
/// Most conversions held; one of a press profile has some MiB.
const MAX_RECENT: usize = 8;

/// "HDR with PQ".
fn hdr(transfer: &str) -> String {
    format!("it is for HDR ({transfer})")
}

impl Declared {
    /// A name for reports; `None` if nothing is declared.
    pub(super) fn name(&self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Srgb => Some("sRGB".into()),
            Self::Converted(name) => Some(name.clone()),
            Self::Icc(bytes) => Some(icc::name(bytes).unwrap_or_else(|| "a profile without a name".into())),
            Self::Cicp { primaries, transfer } => {
                let gamut = Primaries::of_code(*primaries)
                    .map_or_else(|| format!("primaries {primaries}"), |(name, _)| name.into());
                Some(match (transfer, *primaries) {
                    (1 | 2 | 6 | 13 | 14 | 15, 1 | 2) => "sRGB".into(),
                    (16, _) => format!("{gamut}, PQ"),
                    (18, _) => format!("{gamut}, HLG"),
                    _ => gamut,
                })
            }
            Self::Gamma { gamma, .. } => Some(format!("chromaticities with gamma {gamma:.2}")),
        }
    }

    /// The conversion to sRGB of samples of these channels; `None` if they are sRGB to one unit of 255.
    ///
    /// # Errors
    /// A phrase about the picture, if its colours cannot be converted.
    pub(super) fn conversion(&self, channels: Channels) -> Found {
        if matches!(self, Self::Nothing | Self::Srgb | Self::Converted(_)) {
            return Ok(None);
        }
        let lock = || RECENT.lock().unwrap_or_else(PoisonError::into_inner);
        let is_this = |(declared, of, _): &(Self, Channels, Found)| declared == self && *of == channels;
        if let Some((_, _, found)) = lock().iter().find(|recent| is_this(recent)) {
            return found.clone();
        }
        // made without the lock, so that a slow one does not hold up others
        let found = self
            .make(channels)
            .map(|made| (!made.is_srgb()).then(|| Known { bend: made.bend(), conversion: Arc::new(made) }));
        let found = found.map_err(|reason| self.refusal(&reason));
        let mut recent = lock();
        if recent.len() == MAX_RECENT {
            drop(recent.remove(0));
        }
        recent.push((self.clone(), channels, found.clone()));
        found
    }

    fn refusal(&self, reason: &str) -> String {
        let name = self.name().unwrap_or_default().escape_debug().to_string();
        format!(
            "has colours by \"{name}\", which cannot be converted to sRGB: {reason}; --colour as-stored takes its \
             samples as they are"
        )
    }

    fn make(&self, channels: Channels) -> Result<Conversion, String> {
        let (primaries, curve) = match self {
            Self::Nothing | Self::Srgb | Self::Converted(_) => (Primaries::SRGB, Curve::srgb()),
            Self::Icc(bytes) => return icc::conversion(bytes, channels),
            Self::Gamma { primaries, gamma } => (*primaries, Curve::power(*gamma)),
            Self::Cicp { primaries, transfer } => {
                let (_, primaries) = Primaries::of_code(*primaries)
                    .ok_or_else(|| format!("its primaries have the unknown code {primaries}"))?;
                (primaries, of_transfer(*transfer)?)
            }
        };
        if channels == Channels::Cmyk {
            return Err("it is for RGB, and the picture is CMYK".into());
        }
        let matrix = primaries.to_connection().ok_or("its primaries span no colours")?;
        Shaper::new([curve.clone(), curve.clone(), curve], &matrix)
            .map(|shaper| Conversion::Rgb(Box::new(shaper)))
            .ok_or("its primaries are out of range".into())
    }
}

/// The curve of a transfer code of ITU-T H.273, table 3. The camera curves of video are shown like sRGB, as browsers do.
fn of_transfer(code: u16) -> Result<Curve, String> {
    match code {
        1 | 2 | 6 | 13 | 14 | 15 => Ok(Curve::srgb()),
        4 => Ok(Curve::power(2.2)),
        5 => Ok(Curve::power(2.8)),
        8 => Ok(Curve::power(1.0)),
        17 => Ok(Curve::power(2.6)),
        16 => Err(hdr("PQ")),
        18 => Err(hdr("HLG")),
        _ => Err(format!("its transfer has the unknown code {code}")),
    }
}

impl Conversion {
    /// Whether it takes one channel of grey instead of RGB.
    pub(super) fn is_grey(&self) -> bool {
        matches!(self, Self::Grey(_))
    }

    /// The sRGB greys of the 256 greys.
    fn greys(&self) -> Vec<u8> {
        let mut rgb: Vec<u8> = (0..=255).flat_map(|grey| [grey; 3]).collect();
        match self {
            Self::Grey(shaper) => shaper.convert(&mut rgb),
            _ => rgb = self.rgb(rgb),
        }
        rgb.as_chunks::<3>().0.iter().map(|pixel| pixel[1]).collect()
    }

    /// Whether it changes no colour by more than one unit.
    fn is_srgb(&self) -> bool {
        let near = |is: &[u8], was: &[u8]| is.iter().zip(was).all(|(is, was)| is.abs_diff(*was) <= 1);
        let greys: Vec<u8> = (0..=255).collect();
        match self {
            Self::Table(Lookup { inks: true, .. }) => false,
            Self::Grey(_) => near(&self.greys(), &greys),
            _ => {
                let levels: Vec<u8> = (0..=255).step_by(17).collect();
                let mut cube = Vec::with_capacity(levels.len().pow(3) * 3);
                for &r in &levels {
                    for &g in &levels {
                        levels.iter().for_each(|&b| cube.extend([r, g, b]));
                    }
                }
                near(&self.greys(), &greys) && near(&self.rgb(cube.clone()), &cube)
            }
        }
    }

    /// The largest difference, of 255, between the conversion of the mean of two greys and the mean of their
    /// conversions: the error of averaging pixels before they are converted.
    fn bend(&self) -> u8 {
        if matches!(self, Self::Table(Lookup { inks: true, .. })) {
            return u8::MAX;
        }
        let greys = self.greys();
        let mut bend = 0;
        for (a, b) in (0..256).flat_map(|a| (a..256).step_by(2).map(move |b| (a, b))) {
            let mean = (u16::from(greys[a]) + u16::from(greys[b])) / 2;
            bend = bend.max((mean as u8).abs_diff(greys[a.midpoint(b)]));
        }
        bend
    }

    /// sRGB of RGB8, or of CMYK with 8 bits.
    pub(super) fn rgb(&self, mut samples: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Rgb(shaper) => shaper.convert(&mut samples),
            Self::Grey(shaper) => shaper.convert(&mut samples),
            Self::Table(table) => {
                let mut rgb = vec![0; samples.len() / table.channels() * 3];
                table.eight.transform(&samples, &mut rgb).expect("whole pixels");
                return rgb;
            }
        }
        samples
    }

    /// sRGB bytes of RGB or CMYK with 16 bits, or the sRGB greys of grey.
    pub(super) fn rgb_wide(&self, samples: &[u16]) -> Vec<u8> {
        match self {
            Self::Rgb(shaper) => shaper.convert_wide(samples),
            Self::Grey(shaper) => shaper.convert_wide(samples),
            Self::Table(table) => {
                let mut rgb = vec![0u16; samples.len() / table.channels() * 3];
                table.sixteen.transform(samples, &mut rgb).expect("whole pixels");
                rgb.into_iter().map(super::raster::to_byte).collect()
            }
        }
    }
}

impl Lookup {
    fn channels(&self) -> usize {
        if self.inks { 4 } else { 3 }
    }
}
