//! A decoded picture in the samples of its file, and its conversion to RGB8.
//! Read this for the order of colours, depth and transparency. All decoders but that of JPEG end here.

use image::DynamicImage;

use super::colour::Conversion;

/// Channels of a picture, interleaved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channels {
    Grey,
    GreyAlpha,
    Rgb,
    Rgba,
    /// Amounts of ink: 0 is none.
    Cmyk,
}

impl Channels {
    pub(super) fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::GreyAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }

    fn has_alpha(self) -> bool {
        matches!(self, Self::GreyAlpha | Self::Rgba)
    }

    /// A name for messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Grey | Self::GreyAlpha => "grey",
            Self::Rgb | Self::Rgba => "RGB",
            Self::Cmyk => "CMYK",
        }
    }
}

/// Samples of a picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Samples {
    Eight(Vec<u8>),
    Sixteen(Vec<u16>),
}

/// A decoded picture before its colours are converted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Raster {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) channels: Channels,
    pub(super) samples: Samples,
}

impl From<DynamicImage> for Raster {
    fn from(picture: DynamicImage) -> Self {
        use DynamicImage as From;
        let (width, height) = (picture.width(), picture.height());
        let (channels, samples) = match picture {
            From::ImageLuma8(p) => (Channels::Grey, Samples::Eight(p.into_raw())),
            From::ImageLumaA8(p) => (Channels::GreyAlpha, Samples::Eight(p.into_raw())),
            From::ImageRgb8(p) => (Channels::Rgb, Samples::Eight(p.into_raw())),
            From::ImageRgba8(p) => (Channels::Rgba, Samples::Eight(p.into_raw())),
            From::ImageLuma16(p) => (Channels::Grey, Samples::Sixteen(p.into_raw())),
            From::ImageLumaA16(p) => (Channels::GreyAlpha, Samples::Sixteen(p.into_raw())),
            From::ImageRgb16(p) => (Channels::Rgb, Samples::Sixteen(p.into_raw())),
            From::ImageRgba16(p) => (Channels::Rgba, Samples::Sixteen(p.into_raw())),
            other if other.color().has_alpha() => {
                (Channels::Rgba, Samples::Sixteen(other.into_rgba16().into_raw()))
            }
            other => (Channels::Rgb, Samples::Sixteen(other.into_rgb16().into_raw())),
        };
        Self { width, height, channels, samples }
    }
}

impl Raster {
    /// Whether the picture is faint, see [`super::Decoded::faint`]. Alpha and ink do not count as brightness, and an
    /// entirely black picture is not faint: it may be intended.
    pub(super) fn is_faint(&self) -> bool {
        let Samples::Sixteen(samples) = &self.samples else { return false };
        if self.channels == Channels::Cmyk {
            return false;
        }
        let (of, bright) = (self.channels.count(), self.colours());
        let brightest = samples.chunks_exact(of).flat_map(|pixel| &pixel[..bright]).copied().max();
        (1..u16::MAX / 8 + 1).contains(&brightest.unwrap_or(0))
    }

    /// Undoes the multiplication of colours by alpha.
    pub(super) fn divide_by_alpha(&mut self) {
        let count = self.channels.count();
        match &mut self.samples {
            Samples::Eight(samples) => samples.chunks_exact_mut(count).for_each(|pixel| {
                let alpha = u32::from(pixel[count - 1]);
                let divide = |c: u8| ((u32::from(c) * 255 + alpha / 2) / alpha.max(1)).min(255) as u8;
                pixel[..count - 1].iter_mut().for_each(|c| *c = divide(*c));
            }),
            Samples::Sixteen(samples) => samples.chunks_exact_mut(count).for_each(|pixel| {
                let (alpha, full) = (u64::from(pixel[count - 1]), u64::from(u16::MAX));
                let divide = |c: u16| ((u64::from(c) * full + alpha / 2) / alpha.max(1)).min(full) as u16;
                pixel[..count - 1].iter_mut().for_each(|c| *c = divide(*c));
            }),
        }
    }

    /// Averages squares of `side` pixels (a power of two), those at the edges as far as they go. Only RGB8 is averaged,
    /// else nothing changes and this is false.
    pub(super) fn average(&mut self, side: u32) -> bool {
        let Samples::Eight(samples) = &mut self.samples else { return false };
        if self.channels != Channels::Rgb || side == 1 {
            return false;
        }
        for _ in 0..side.ilog2() {
            *samples = halved(samples, self.width as usize);
            (self.width, self.height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        }
        true
    }

    /// The number of channels without alpha.
    fn colours(&self) -> usize {
        self.channels.count() - usize::from(self.channels.has_alpha())
    }

    /// RGB8 in sRGB. Colours are converted first, then transparency is blended over white, both before resizing, so
    /// that hidden colours do not bleed.
    pub(super) fn into_rgb(self, conversion: Option<&Conversion>) -> Vec<u8> {
        let (count, colours) = (self.channels.count(), self.colours());
        match self.samples {
            Samples::Eight(samples) => {
                let (colour, alpha) = split(samples, count, colours);
                let rgb = eight(colour, self.channels, conversion);
                blended(rgb, &alpha, |c, a| over_white(c, a.into(), 255))
            }
            Samples::Sixteen(samples) => {
                let (colour, alpha) = split(samples, count, colours);
                match (conversion, self.channels) {
                    (None, Channels::Cmyk) => {
                        let inks = colour.into_iter().map(to_byte).collect();
                        eight(inks, self.channels, None)
                    }
                    // transparency is blended with all 16 bits
                    (None, _) => {
                        let wide = if colours == 1 { tripled(&colour) } else { colour };
                        if alpha.is_empty() {
                            return wide.into_iter().map(to_byte).collect();
                        }
                        let blend = |(pixel, &a): (&[u16; 3], &u16)| pixel.map(|c| wide_over_white(c, a));
                        wide.as_chunks::<3>().0.iter().zip(&alpha).flat_map(blend).collect()
                    }
                    (Some(conversion), _) => {
                        let rgb = if conversion.is_grey() {
                            tripled(&conversion.rgb_wide(&colour))
                        } else if colours == 1 {
                            conversion.rgb_wide(&tripled(&colour))
                        } else {
                            conversion.rgb_wide(&colour)
                        };
                        blended(rgb, &alpha, |c, a| over_white(c, a.into(), u16::MAX.into()))
                    }
                }
            }
        }
    }
}

/// RGB8 of colours with 8 bits.
fn eight(colour: Vec<u8>, channels: Channels, conversion: Option<&Conversion>) -> Vec<u8> {
    let grey = matches!(channels, Channels::Grey | Channels::GreyAlpha);
    match conversion {
        None if grey => tripled(&colour),
        None if channels == Channels::Cmyk => {
            let light = |pixel: &[u8; 4]| {
                let [c, m, y, k] = *pixel;
                [c, m, y].map(|ink| under(255 - ink, 255 - k))
            };
            colour.as_chunks::<4>().0.iter().flat_map(light).collect()
        }
        None => colour,
        Some(conversion) if conversion.is_grey() => tripled(&conversion.rgb(colour)),
        Some(conversion) if grey => conversion.rgb(tripled(&colour)),
        Some(conversion) => conversion.rgb(colour),
    }
}

/// The `light` that an ink leaves, times that of `black`, each of 255: CMYK without a profile.
#[inline(always)]
pub(super) fn under(light: u8, black: u8) -> u8 {
    let lost = (255 - u32::from(light)) * u32::from(black) + 128;
    black - ((lost + (lost >> 8)) >> 8) as u8
}

/// RGB8 of half the sides, rounded up.
fn halved(rgb: &[u8], width: usize) -> Vec<u8> {
    let row_bytes = 3 * width;
    let mut half = vec![0; (rgb.len() / row_bytes).div_ceil(2) * width.div_ceil(2) * 3];
    for (rows, out) in rgb.chunks(2 * row_bytes).zip(half.chunks_exact_mut(width.div_ceil(2) * 3)) {
        let above = &rows[..row_bytes];
        // the last row and the last column may be alone
        let below = if rows.len() > row_bytes { &rows[row_bytes..] } else { above };
        let (out, _) = out.as_chunks_mut::<3>();
        let pairs = above.as_chunks::<6>().0.iter().zip(below.as_chunks::<6>().0);
        for (to, (a, b)) in out.iter_mut().zip(pairs) {
            for c in 0..3 {
                let sum = u16::from(a[c]) + u16::from(a[c + 3]) + u16::from(b[c]) + u16::from(b[c + 3]);
                to[c] = ((sum + 2) / 4) as u8;
            }
        }
        if let (1, Some(last)) = (width % 2, out.last_mut()) {
            let [above, below] = [above, below].map(|row| &row[row_bytes - 3..]);
            *last = [0, 1, 2].map(|c| (u16::from(above[c]) + u16::from(below[c])).div_ceil(2) as u8);
        }
    }
    half
}

fn tripled<T: Copy>(grey: &[T]) -> Vec<T> {
    grey.iter().flat_map(|&grey| [grey; 3]).collect()
}

/// Colours and alpha of interleaved samples.
fn split<T: Copy>(samples: Vec<T>, count: usize, colours: usize) -> (Vec<T>, Vec<T>) {
    if count == colours {
        return (samples, Vec::new());
    }
    let alpha = samples.chunks_exact(count).map(|pixel| pixel[colours]).collect();
    let colour = samples.chunks_exact(count).flat_map(|pixel| &pixel[..colours]).copied().collect();
    (colour, alpha)
}

fn blended<T: Copy>(mut rgb: Vec<u8>, alpha: &[T], blend: impl Fn(u8, T) -> u8) -> Vec<u8> {
    for (pixel, &alpha) in rgb.as_chunks_mut::<3>().0.iter_mut().zip(alpha) {
        *pixel = pixel.map(|c| blend(c, alpha));
    }
    rgb
}

/// A byte with an opacity of `a` of `full`, over white.
fn over_white(c: u8, a: u32, full: u32) -> u8 {
    ((u32::from(c) * a + 255 * (full - a) + full / 2) / full) as u8
}

/// 16 bits with an opacity of 16 bits, over white.
fn wide_over_white(c: u16, a: u16) -> u8 {
    let (full, a) = (u64::from(u16::MAX), u64::from(a));
    let wide = u64::from(c) * a + full * (full - a);
    // 65535 * 257 is the divisor to 8 bits; adding half of it rounds
    ((wide + full * 257 / 2) / (full * 257)) as u8
}

/// 16 bits rounded to 8.
pub(super) fn to_byte(wide: u16) -> u8 {
    ((u32::from(wide) + 128) / 257) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_are_averaged_as_far_as_they_go() {
        // 3 x 3, grey from 0 in steps of 10
        let samples = (0..9).flat_map(|at| [at * 10; 3]).collect();
        let mut raster =
            Raster { width: 3, height: 3, channels: Channels::Rgb, samples: Samples::Eight(samples) };
        assert!(raster.average(2));
        let wanted = [20, 35, 65, 80].iter().flat_map(|&grey| [grey; 3]).collect();
        assert_eq!((raster.width, raster.height, raster.samples), (2, 2, Samples::Eight(wanted)));
    }
}
