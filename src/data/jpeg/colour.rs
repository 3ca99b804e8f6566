//! What the components of a picture mean, and their way to RGB.

/// What the components are.
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
    /// By the components' ids, by whether there is a JFIF marker, and by the transform of an Adobe one, as libjpeg's
    /// `default_decompress_parms` has it: JFIF counts more than Adobe, and both count more than the ids.
    ///
    /// # Errors
    /// A phrase, for other numbers of components.
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
            (Self::YCbCr, &[y, cb, cr]) => {
                for (((to, &y), &cb), &cr) in pixels.iter_mut().zip(y).zip(cb).zip(cr) {
                    *to = rgb_of(y, cb, cr);
                }
            }
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
}

/// With 16 bits of fraction, rounded as in libjpeg's `jdcolor.c`.
#[inline(always)]
fn rgb_of(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let red = y + ((91_881 * cr + 32_768) >> 16);
    let green = y + ((32_768 - 22_554 * cb - 46_802 * cr) >> 16);
    let blue = y + ((116_130 * cb + 32_768) >> 16);
    [red, green, blue].map(|value| value.clamp(0, 255) as u8)
}

/// `light` that is left by an ink, under black that leaves `black`. Files have what is left, not the ink, as Adobe's
/// programs write it and all readers assume; no colour profile is asked.
#[inline(always)]
fn under(light: u8, black: u8) -> u8 {
    let lost = (255 - u32::from(light)) * u32::from(black) + 128;
    black - ((lost + (lost >> 8)) >> 8) as u8
}
