//! A decoded AV1 frame, and its conversion to RGB.

use re_rav1d::{Decoder, Picture, PixelLayout, PlanarImageComponent, Settings};

use super::Numbers;

/// Planes of 16 bits, for all depths.
pub(super) struct Frame {
    pub(super) width: usize,
    pub(super) height: usize,
    depth: u32,
    /// shifts of the sides of chroma
    shift: [u32; 2],
    /// Y, and Cb and Cr unless it is grey
    planes: Vec<Vec<u16>>,
    /// code of the matrix, and whether all levels are used, as the stream says
    matrix: u16,
    full: bool,
}

impl Frame {
    /// Decodes the first frame of a stream, which must have this size.
    ///
    /// # Errors
    /// A phrase, if there is none.
    pub(super) fn decode(stream: Vec<u8>, (width, height): (u32, u32)) -> Result<Self, String> {
        let failed = |error: re_rav1d::Error| format!("cannot be decoded: {error}");
        if stream.is_empty() {
            return Err("is cut off: a part of the AVIF is missing".into());
        }
        let mut settings = Settings::new();
        // pictures are decoded in parallel, not their parts
        settings.set_n_threads(1);
        settings.set_max_frame_delay(1);
        // the stream may claim another size than the container, and would be decoded at that
        settings.set_frame_size_limit(width.saturating_mul(height));
        let mut decoder = Decoder::with_settings(&settings).map_err(failed)?;
        match decoder.send_data(stream, None, None, None) {
            Err(error) if !error.is_again() => return Err(failed(error)),
            _ => {}
        }
        let picture = decoder.get_picture().map_err(failed)?;
        if (picture.width(), picture.height()) != (width, height) {
            return Err(super::DAMAGED.into());
        }
        Ok(Self::of(&picture))
    }

    fn of(picture: &Picture) -> Self {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let shift = match picture.pixel_layout() {
            PixelLayout::I420 => [1, 1],
            PixelLayout::I422 => [1, 0],
            PixelLayout::I444 | PixelLayout::I400 => [0, 0],
        };
        let depth = picture.bit_depth() as u32;
        let grey = picture.pixel_layout() == PixelLayout::I400;
        let components = [PlanarImageComponent::Y, PlanarImageComponent::U, PlanarImageComponent::V];
        let planes =
            components.iter().take(if grey { 1 } else { 3 }).enumerate().map(|(index, &component)| {
                let [right, down] = if index == 0 { [0, 0] } else { shift };
                let (wide, high) = (width.div_ceil(1 << right), height.div_ceil(1 << down));
                let (plane, stride) = (picture.plane(component), picture.stride(component) as usize);
                let rows = plane.chunks(stride).take(high);
                if depth == 8 {
                    rows.flat_map(|row| row[..wide].iter().map(|&value| value.into())).collect()
                } else {
                    let values = |row: &[u8]| {
                        row.as_chunks().0[..wide]
                            .iter()
                            .map(|pair| u16::from_ne_bytes(*pair))
                            .collect::<Vec<_>>()
                    };
                    rows.flat_map(values).collect()
                }
            });
        let planes = planes.collect();
        let full = picture.color_range() == re_rav1d::pixel::YUVRange::Full;
        let matrix = picture.matrix_coefficients() as u16;
        Self { width, height, depth, shift, planes, matrix, full }
    }

    /// Bits of a sample.
    pub(super) fn is_deep(&self) -> bool {
        self.depth > 8
    }

    /// The luma plane as opacity from 0 to 65535.
    pub(super) fn opacity(&self) -> Vec<u16> {
        let levels = Levels::of(self.depth, self.full);
        self.planes[0].iter().map(|&value| to_wide(levels.luma(value))).collect()
    }

    /// RGB with 16 bits, in the primaries and the transfer of the file.
    ///
    /// # Errors
    /// A phrase, for matrices that are not read.
    pub(super) fn rgb(&self, numbers: Option<Numbers>) -> Result<Vec<u16>, String> {
        let (matrix, full) = numbers.map_or((self.matrix, self.full), |n| (n.matrix, n.full));
        let levels = Levels::of(self.depth, full);
        let [y, cb, cr] = match &self.planes[..] {
            [y] => return Ok(y.iter().flat_map(|&value| [to_wide(levels.luma(value)); 3]).collect()),
            [y, cb, cr] => [y, cb, cr],
            _ => unreachable!("one or three planes"),
        };
        let convert = Matrix::of(matrix)?;
        let mut rgb = Vec::with_capacity(self.width * self.height * 3);
        let mut chroma = [vec![0.0; self.width], vec![0.0; self.width]];
        for row in 0..self.height {
            for (plane, chroma) in [cb, cr].into_iter().zip(&mut chroma) {
                self.upsample(plane, row, chroma);
            }
            let luma = &y[row * self.width..(row + 1) * self.width];
            for ((&y, &cb), &cr) in luma.iter().zip(&chroma[0]).zip(&chroma[1]) {
                rgb.extend(convert.rgb(&levels, f32::from(y), cb, cr).map(to_wide));
            }
        }
        Ok(rgb)
    }

    /// A row of chroma at the resolution of luma: linear between samples, which are in the middle of the pixels they
    /// are for.
    fn upsample(&self, plane: &[u16], row: usize, out: &mut [f32]) {
        let [right, down] = self.shift;
        let (wide, high) = (self.width.div_ceil(1 << right), self.height.div_ceil(1 << down));
        let near = |at: usize, shift: u32, count: usize| {
            if shift == 0 {
                return (at, at);
            }
            let own = at / 2;
            let other = if at.is_multiple_of(2) { own.saturating_sub(1) } else { (own + 1).min(count - 1) };
            (own, other)
        };
        let (own, other) = near(row, down, high);
        let [own, other] = [own, other].map(|row| &plane[row * wide..(row + 1) * wide]);
        for (x, out) in out.iter_mut().enumerate() {
            let (a, b) = near(x, right, wide);
            let mixed = |at: usize| 0.75 * f32::from(own[at]) + 0.25 * f32::from(other[at]);
            *out = 0.75 * mixed(a) + 0.25 * mixed(b);
        }
    }
}

fn to_wide(value: f32) -> u16 {
    (value.clamp(0.0, 1.0) * f32::from(u16::MAX) + 0.5) as u16
}

/// Offsets and scales of samples (ITU-T H.273, section 8.3).
struct Levels {
    luma: [f32; 2],
    chroma: [f32; 2],
}

impl Levels {
    fn of(depth: u32, full: bool) -> Self {
        let unit = (1u32 << (depth - 8)) as f32;
        let most = ((1u32 << depth) - 1) as f32;
        if full {
            Self { luma: [0.0, most], chroma: [128.0 * unit, most] }
        } else {
            Self { luma: [16.0 * unit, 219.0 * unit], chroma: [128.0 * unit, 224.0 * unit] }
        }
    }

    fn luma(&self, value: u16) -> f32 {
        (f32::from(value) - self.luma[0]) / self.luma[1]
    }
}

/// The way from luma and chroma to RGB (ITU-T H.273, table 4).
enum Matrix {
    /// Planes are green, blue and red.
    Identity,
    YCgCo,
    /// By the shares of red and blue in luma.
    Shares(f32, f32),
}

impl Matrix {
    fn of(code: u16) -> Result<Self, String> {
        Ok(match code {
            0 => Self::Identity,
            1 => Self::Shares(0.2126, 0.0722),
            // unspecified ones are read as libavif does
            2 | 5 | 6 => Self::Shares(0.299, 0.114),
            4 => Self::Shares(0.3, 0.11),
            7 => Self::Shares(0.212, 0.087),
            8 => Self::YCgCo,
            9 => Self::Shares(0.2627, 0.0593),
            _ => return Err(format!("is an AVIF with matrix {code}, which is not read; save it as PNG")),
        })
    }

    fn rgb(&self, levels: &Levels, y: f32, cb: f32, cr: f32) -> [f32; 3] {
        let luma = |value: f32| (value - levels.luma[0]) / levels.luma[1];
        let chroma = |value: f32| (value - levels.chroma[0]) / levels.chroma[1];
        match *self {
            Self::Identity => [cr, y, cb].map(luma),
            Self::YCgCo => {
                let (y, cg, co) = (luma(y), chroma(cb), chroma(cr));
                [y - cg + co, y + cg, y - cg - co]
            }
            Self::Shares(red, blue) => {
                let (y, cb, cr) = (luma(y), chroma(cb), chroma(cr));
                let (r, b) = (y + 2.0 * (1.0 - red) * cr, y + 2.0 * (1.0 - blue) * cb);
                [r, (y - red * r - blue * b) / (1.0 - red - blue), b]
            }
        }
    }
}
