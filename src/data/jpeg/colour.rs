//! Colour spaces of JPEG components and their conversion to RGB.
//! Read this for how the colour space is determined; there is no field for it.

use crate::data::raster::under;

/// Colour space of the components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Grey,
    YCbCr,
    Rgb,
    Cmyk,
    /// CMY as YCbCr, and K.
    Ycck,
}

impl Colour {
    /// Determines the colour space by the component ids, the presence of a JFIF marker, and the transform of an Adobe
    /// marker, as libjpeg's `default_decompress_parms` does: JFIF takes precedence over Adobe, and both over the ids.
    ///
    /// # Errors
    /// A phrase, for unsupported numbers of components.
    pub(super) fn of(ids: &[u8], jfif: bool, adobe: Option<u8>) -> Result<Self, String> {
        match (ids.len(), adobe) {
            (1, _) => Ok(Self::Grey),
            (3, _) if jfif => Ok(Self::YCbCr),
            (3, Some(0)) => Ok(Self::Rgb),
            (3, None) if ids == b"RGB" => Ok(Self::Rgb),
            (3, _) => Ok(Self::YCbCr),
            (4, None | Some(0)) => Ok(Self::Cmyk),
            (4, _) => Ok(Self::Ycck),
            (count, _) => Err(format!("is a JPEG of {count} components; 1, 3 and 4 are read")),
        }
    }

    /// Writes a row of the components' samples to `out` as RGB.
    pub(super) fn convert(self, rows: &[&[u8]], out: &mut [u8]) {
        let (pixels, _) = out.as_chunks_mut::<3>();
        match (self, rows) {
            (Self::Grey, &[grey]) => pixels.iter_mut().zip(grey).for_each(|(to, &grey)| *to = [grey; 3]),
            (Self::YCbCr, &[y, cb, cr]) => convert_ycbcr(y, cb, cr, out),
            (Self::Rgb, &[r, g, b]) => {
                for (((to, &r), &g), &b) in pixels.iter_mut().zip(r).zip(g).zip(b) {
                    *to = [r, g, b];
                }
            }
            (Self::Cmyk, &[c, m, y, k]) => {
                for ((((to, &c), &m), &y), &k) in pixels.iter_mut().zip(c).zip(m).zip(y).zip(k) {
                    *to = [c, m, y].map(|light| under(light, k));
                }
            }
            (Self::Ycck, &[y, cb, cr, k]) => {
                for ((((to, &y), &cb), &cr), &k) in pixels.iter_mut().zip(y).zip(cb).zip(cr).zip(k) {
                    *to = rgb_of(y, cb, cr).map(|ink| under(255 - ink, k));
                }
            }
            _ => unreachable!("as many rows as the colour has components"),
        }
    }

    /// Writes a row of the samples of CMYK to `out` as amounts of ink: 0 is none. Files store the remaining light, which
    /// is Adobe's convention and assumed by all readers.
    pub(super) fn inks(self, rows: &[&[u8]], out: &mut [u8]) {
        let &[c, m, y, k] = rows else { unreachable!("CMYK has four components") };
        for ((((to, &c), &m), &y), &k) in out.as_chunks_mut::<4>().0.iter_mut().zip(c).zip(m).zip(y).zip(k) {
            let [c, m, y] = if self == Self::Ycck { rgb_of(c, m, y) } else { [255 - c, 255 - m, 255 - y] };
            *to = [c, m, y, 255 - k];
        }
    }
}

/// Pixels per SIMD block.
const LANES: usize = 16;

/// Converts a row of YCbCr to RGB, [`LANES`] pixels at a time.
fn convert_ycbcr(y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
    let lanes = y.as_chunks::<LANES>().0.iter().zip(cb.as_chunks::<LANES>().0).zip(cr.as_chunks::<LANES>().0);
    let mut done = 0;
    for (((y, cb), cr), out) in lanes.zip(out.as_chunks_mut::<{ LANES * 3 }>().0) {
        let mut words = [0u32; LANES];
        for at in 0..LANES {
            let [r, g, b] = rgb_of(y[at], cb[at], cr[at]);
            words[at] = u32::from(r) | u32::from(g) << 8 | u32::from(b) << 16;
        }
        // four bytes at a time; the next pixel overwrites the last of them
        let (last, words) = (words[LANES - 1].to_le_bytes(), &words[..LANES - 1]);
        for (at, word) in words.iter().enumerate() {
            out[at * 3..at * 3 + 4].copy_from_slice(&word.to_le_bytes());
        }
        out[LANES * 3 - 3..].copy_from_slice(&last[..3]);
        done += LANES;
    }
    let pixels = out.as_chunks_mut::<3>().0;
    for (((to, &y), &cb), &cr) in pixels.iter_mut().zip(y).zip(cb).zip(cr).skip(done) {
        *to = rgb_of(y, cb, cr);
    }
}

/// YCbCr to RGB with 16 fraction bits, rounded as in libjpeg's `jdcolor.c`. The factors 1.402, 1.772 and -0.714 are
/// split into an integer and a rest of 16 bits, because 16-bit multiplications are faster.
#[inline(always)]
fn rgb_of(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let (y, cb, cr) = (i16::from(y), i16::from(cb) - 128, i16::from(cr) - 128);
    let times = |value: i16, factor: i16| i32::from(value) * i32::from(factor);
    let rounded = |sum: i32| ((sum + 32_768) >> 16) as i16;
    let red = y + cr + rounded(times(cr, 26_345));
    let green = y - cr + rounded(times(cb, -22_554) + times(cr, 18_734));
    let blue = y + 2 * cb + rounded(times(cb, -14_942));
    [red.clamp(0, 255) as u8, green.clamp(0, 255) as u8, blue.clamp(0, 255) as u8]
}
