//! From the stored samples of a TIFF to a raster: depths, number formats, planes, palettes and colour models.

use half::f16;

use super::ifd::{Directory, tag};
use crate::data::raster::{Channels, Raster, Samples};

/// Colour model, by PhotometricInterpretation (TIFF 6.0, section 8 and later ones).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Model {
    WhiteIsZero,
    Grey,
    Rgb,
    Palette,
    Cmyk,
    YCbCr,
}

/// Number format of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Unsigned,
    Float,
}

/// Meaning of the first sample behind the colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extra {
    None,
    Alpha,
    /// Colours are multiplied by it.
    Premultiplied,
}

/// The layout of a picture.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) width: u32,
    pub(super) height: u32,
    bits: u64,
    number: Number,
    model: Model,
    /// samples of a pixel, those that are not used included
    samples: usize,
    planar: bool,
    extra: Extra,
}

impl Layout {
    /// # Errors
    /// A phrase, for a layout that is not read.
    pub(super) fn of(directory: &Directory<'_>) -> Result<Self, String> {
        let missing = || "is damaged: the TIFF does not tell its size".to_owned();
        let side = |tag| directory.value(tag).and_then(|side| u32::try_from(side).ok()).ok_or_else(missing);
        let samples = directory.value(tag::SAMPLES).unwrap_or(1) as usize;
        let bits = directory.value(tag::BITS).unwrap_or(1);
        let number = match directory.value(tag::SAMPLE_FORMAT).unwrap_or(1) {
            // 4 is undefined, which programs take for unsigned
            1 | 4 => Number::Unsigned,
            3 => Number::Float,
            2 => return Err("is a TIFF of signed numbers; scale them to unsigned ones".into()),
            _ => return Err("is a TIFF of complex numbers".into()),
        };
        let model = match directory.value(tag::PHOTOMETRIC) {
            Some(0) => Model::WhiteIsZero,
            Some(1) => Model::Grey,
            Some(2) => Model::Rgb,
            Some(3) => Model::Palette,
            Some(5) if directory.value(tag::INK_SET).unwrap_or(1) == 1 => Model::Cmyk,
            Some(6) => Model::YCbCr,
            Some(8..=10) => return Err("is a TIFF in Lab; save it in RGB".into()),
            _ => return Err("is a TIFF of an unknown colour model; save it in RGB".into()),
        };
        let known = match number {
            Number::Unsigned => bits <= 8 || [16, 32, 64].contains(&bits),
            Number::Float => [16, 32, 64].contains(&bits),
        };
        if bits == 0 || !known || model == Model::Palette && bits > 8 || model == Model::YCbCr && bits != 8 {
            return Err(format!(
                "is a TIFF of {bits} bits a sample in this colour model; save it with 8 or 16"
            ));
        }
        if directory.values(tag::BITS).iter().any(|other| *other != bits) {
            return Err("is a TIFF with different depths in one pixel".into());
        }
        let subsampled = directory.values(tag::SUBSAMPLING) != [1, 1];
        if model == Model::YCbCr && subsampled && directory.value(tag::COMPRESSION) != Some(super::JPEG) {
            return Err("is a TIFF of subsampled YCbCr; save it in RGB".into());
        }
        let extra = match directory.value(tag::EXTRA_SAMPLES) {
            Some(1) => Extra::Premultiplied,
            Some(2) => Extra::Alpha,
            _ => Extra::None,
        };
        let planar = directory.value(tag::PLANAR) == Some(2) && samples > 1;
        let layout = Self {
            width: side(tag::WIDTH)?,
            height: side(tag::HEIGHT)?,
            bits,
            number,
            model,
            samples,
            planar,
            extra,
        };
        if samples < layout.colours() || samples > 64 {
            return Err(format!("is damaged: the TIFF has {samples} samples a pixel"));
        }
        Ok(layout)
    }

    /// Samples of a pixel that are colours.
    fn colours(&self) -> usize {
        match self.model {
            Model::WhiteIsZero | Model::Grey | Model::Palette => 1,
            Model::Rgb | Model::YCbCr => 3,
            Model::Cmyk => 4,
        }
    }

    fn has_alpha(&self) -> bool {
        self.extra != Extra::None && self.samples > self.colours() && self.model != Model::Cmyk
    }

    /// Samples of a pixel that are used.
    fn used(&self) -> usize {
        self.colours() + usize::from(self.has_alpha())
    }

    pub(super) fn planes(&self) -> usize {
        if self.planar { self.samples } else { 1 }
    }

    fn is_deep(&self) -> bool {
        self.bits > 8
    }

    fn is_plain_deep(&self) -> bool {
        self.bits == 16 && self.number == Number::Unsigned
    }

    /// Bytes of the decoded samples.
    pub(super) fn bytes(&self) -> u64 {
        let pixels = u64::from(self.width) * u64::from(self.height);
        pixels.saturating_mul(self.samples as u64).saturating_mul(self.bits.div_ceil(8))
    }

    /// An empty picture.
    pub(super) fn canvas(&self) -> Canvas<'_> {
        let count = self.width as usize * self.height as usize * self.used();
        let samples =
            if self.is_deep() { Samples::Sixteen(vec![0; count]) } else { Samples::Eight(vec![0; count]) };
        Canvas { layout: self, samples, largest: 0.0 }
    }
}

/// A picture that is put together from its chunks.
pub(super) struct Canvas<'a> {
    layout: &'a Layout,
    samples: Samples,
    /// the largest of floating-point samples
    largest: f32,
}

impl Canvas<'_> {
    /// Puts a chunk of rows of `stride` bytes and `width` pixels at `corner`.
    ///
    /// # Errors
    /// A phrase, if its bytes are fewer than it needs.
    pub(super) fn put(
        &mut self,
        bytes: &[u8],
        stride: usize,
        width: usize,
        (left, top): (u32, u32),
        plane: usize,
    ) -> Result<(), String> {
        let layout = self.layout;
        let (used, stored) = (layout.used(), if layout.planar { 1 } else { layout.samples });
        if plane >= used {
            return Ok(());
        }
        let taken = if layout.planar { 1 } else { used };
        let row_bytes = (width * stored * layout.bits as usize).div_ceil(8);
        let whole = layout.width as usize;
        if stride < row_bytes || left as usize + width > whole {
            return Err("is damaged: the parts of the TIFF do not fit".into());
        }
        for (row, y) in bytes.chunks(stride).zip(top..layout.height) {
            let row = row.get(..row_bytes).ok_or("is damaged: a part of the TIFF is too short")?;
            let begin = (y as usize * whole + left as usize) * used + plane;
            let to = begin..begin + width * used;
            // the usual layouts are copied
            match &mut self.samples {
                Samples::Eight(samples) if layout.bits == 8 && stored == used => {
                    samples[to].copy_from_slice(row);
                    continue;
                }
                Samples::Sixteen(samples) if layout.is_plain_deep() && stored == used => {
                    let pairs = row.as_chunks().0.iter().map(|pair| u16::from_ne_bytes(*pair));
                    samples[to].iter_mut().zip(pairs).for_each(|(to, value)| *to = value);
                    continue;
                }
                _ => {}
            }
            for x in 0..width {
                for sample in 0..taken {
                    let at = begin + x * used + sample;
                    let from = x * stored + sample;
                    match &mut self.samples {
                        Samples::Eight(samples) => samples[at] = low(row, from, layout),
                        Samples::Sixteen(samples) => samples[at] = high(row, from, layout, &mut self.largest),
                    }
                }
            }
        }
        Ok(())
    }

    /// The picture, with its colours as those of a raster.
    ///
    /// # Errors
    /// A phrase, if floating-point samples are far above 1, or a palette is missing.
    pub(super) fn finish(self, directory: &Directory<'_>) -> Result<Raster, String> {
        let Layout { width, height, model, .. } = *self.layout;
        // sharpening and resampling overshoot a little
        if self.largest > 1.5 {
            let largest = self.largest;
            return Err(format!("is a TIFF of floating-point samples up to {largest}; scale them to 0 to 1"));
        }
        let alpha = self.layout.has_alpha();
        let channels = match model {
            Model::Cmyk => Channels::Cmyk,
            Model::Rgb | Model::YCbCr | Model::Palette if alpha => Channels::Rgba,
            Model::Rgb | Model::YCbCr | Model::Palette => Channels::Rgb,
            _ if alpha => Channels::GreyAlpha,
            _ => Channels::Grey,
        };
        let used = self.layout.used();
        let mut samples = self.samples;
        match (model, &mut samples) {
            (Model::WhiteIsZero, Samples::Eight(all)) => {
                all.iter_mut().step_by(used).for_each(|grey| *grey = 255 - *grey);
            }
            (Model::WhiteIsZero, Samples::Sixteen(all)) => {
                all.iter_mut().step_by(used).for_each(|grey| *grey = u16::MAX - *grey);
            }
            (Model::YCbCr, Samples::Eight(all)) => all.chunks_exact_mut(used).for_each(rgb_of),
            (Model::Palette, Samples::Eight(all)) => {
                samples = Samples::Eight(self.layout.colour(all, directory)?);
            }
            _ => {}
        }
        let mut raster = Raster { width, height, channels, samples };
        if self.layout.extra == Extra::Premultiplied && alpha {
            raster.divide_by_alpha();
        }
        Ok(raster)
    }
}

impl Layout {
    /// The colours of a palette's numbers.
    fn colour(&self, numbers: &[u8], directory: &Directory<'_>) -> Result<Vec<u8>, String> {
        let map = directory.values(tag::COLOUR_MAP);
        let entries = 1 << self.bits;
        if map.len() < 3 * entries {
            return Err("is damaged: the palette of the TIFF is incomplete".into());
        }
        // some programs write bytes
        let narrow = map.iter().all(|value| *value < 256);
        let byte = |value: u64| if narrow { value as u8 } else { crate::data::raster::to_byte(value as u16) };
        let palette: Vec<[u8; 3]> =
            (0..entries).map(|at| [0, 1, 2].map(|channel| byte(map[channel * entries + at]))).collect();
        let colour = |pixel: &[u8]| {
            let [r, g, b] = palette[usize::from(pixel[0])];
            [r, g, b].into_iter().chain(pixel.get(1).copied())
        };
        Ok(numbers.chunks_exact(self.used()).flat_map(colour).collect())
    }
}

/// Sample `at` of a row with up to 8 bits, as 8 bits; the numbers of a palette as they are.
fn low(row: &[u8], at: usize, layout: &Layout) -> u8 {
    let bits = layout.bits as usize;
    if bits == 8 {
        return row[at];
    }
    let bit = at * bits;
    let pair = u16::from_be_bytes([row[bit / 8], row.get(bit / 8 + 1).copied().unwrap_or(0)]);
    let most = (1u16 << bits) - 1;
    let value = pair >> (16 - bits - bit % 8) & most;
    if layout.model == Model::Palette { value as u8 } else { ((value * 255 + most / 2) / most) as u8 }
}

/// Sample `at` of a row with 16 bits or more, as 16 bits. The crate has put bytes into this machine's order.
fn high(row: &[u8], at: usize, layout: &Layout, largest: &mut f32) -> u16 {
    fn taken<const N: usize>(row: &[u8], at: usize) -> [u8; N] {
        row.as_chunks().0[at]
    }
    let float = match (layout.number, layout.bits) {
        (Number::Unsigned, 16) => return u16::from_ne_bytes(taken(row, at)),
        (Number::Unsigned, 32) => return (u32::from_ne_bytes(taken(row, at)) >> 16) as u16,
        (Number::Unsigned, _) => return (u64::from_ne_bytes(taken(row, at)) >> 48) as u16,
        (Number::Float, 16) => f16::from_ne_bytes(taken(row, at)).to_f32(),
        (Number::Float, 32) => f32::from_ne_bytes(taken(row, at)),
        (Number::Float, _) => f64::from_ne_bytes(taken(row, at)) as f32,
    };
    *largest = largest.max(float);
    // NaN becomes 0
    (float.clamp(0.0, 1.0) * f32::from(u16::MAX) + 0.5) as u16
}

/// RGB of YCbCr with all 256 levels, as JPEG has it (ITU-T T.871).
fn rgb_of(pixel: &mut [u8]) {
    let [y, cb, cr] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
    let (cb, cr) = (cb - 128.0, cr - 128.0);
    let rgb = [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb];
    for (to, value) in pixel.iter_mut().zip(rgb) {
        *to = value.round().clamp(0.0, 255.0) as u8;
    }
}
