//! Transforms of the Winograd algorithm F(2 x 2, 2 x 2), and their inverses.
//!
//! A transformed tensor has nine elements for each 2 x 2 tile of the low side, plane after plane: `high`
//! [9, tiles, 2, 2, C_high], `low` [9, tiles, C_low], `weights` [9, C_low, 2, 2, C_high]. The product of two of them is the
//! transform of the third. The mathematics is in `winograd.wgsl` and docs/kernels.md.
//!
//! All coefficients are 0, 1 and -1, so the rounding error is small. It shows if terms cancel: the gradient of a tap that
//! has met only zeros is not exactly zero, but tiny against its neighbours'.

use super::conv2d::Geometry;
use super::gemm::{Epilogue, Side, operand_source};
use crate::gpu::kernel::{Constant, Kernel, Source};
use crate::gpu::{Op, Params, Shape};
use crate::{params, wgsl};

/// Transformed elements per tile.
pub(super) const PLANES: u32 = 9;

params! {
    /// Sizes of `winograd.wgsl`.
    pub struct WinogradParams {
        /// N
        batch: u32,
        /// H
        low_h: u32,
        /// W
        low_w: u32,
        /// channels of the low side, a multiple of 4
        low_c: u32,
        /// channels of the high side, a multiple of 4
        high_c: u32,
    }
}

impl From<Geometry> for WinogradParams {
    fn from(g: Geometry) -> Self {
        let Geometry { batch, low_h, low_w, low_c, high_c } = g;
        Self { batch, low_h, low_w, low_c, high_c }
    }
}

impl Geometry {
    /// Tiles of 2 x 2 pixels of the low side.
    pub(super) fn tiles(&self) -> u32 {
        self.batch * self.low_h.div_ceil(2) * self.low_w.div_ceil(2)
    }

    /// The shape of a side.
    pub(super) fn side(&self, side: Side) -> Shape {
        match side {
            Side::High => self.high(),
            Side::Low => self.low(),
            Side::Weights => self.weight(),
        }
    }

    /// Elements of one plane of a transformed side.
    pub(super) fn plane(&self, side: Side) -> u32 {
        match side {
            Side::High => self.tiles() * 4 * self.high_c,
            Side::Low => self.tiles() * self.low_c,
            Side::Weights => self.low_c * 4 * self.high_c,
        }
    }

    /// The shape of a transformed side.
    pub(super) fn transformed(&self, side: Side) -> Shape {
        Shape::new(&[PLANES, self.plane(side)])
    }

    /// Calls `f(element of the plane, a, b, element of the side)` for each element that a tile's transform reads, 3 x 3 of
    /// the high side and 2 x 2 of the others, except for those outside the tensor.
    fn tiles_of(&self, side: Side, mut f: impl FnMut(usize, usize, usize, usize)) {
        let (channels, edge) = match side {
            Side::High => (self.high_c, 3),
            Side::Low => (self.low_c, 2),
            Side::Weights => (self.high_c, 2),
        };
        let parities = if side == Side::Low { 1 } else { 4 };
        let [ty, tx] = [self.low_h.div_ceil(2), self.low_w.div_ceil(2)];
        for at in 0..self.plane(side) {
            let (c, of) = (at % channels, at / channels);
            let (parity, tile) = (of % parities, of / parities);
            let (py, px) = (parity / 2, parity % 2);
            let (picture, row, col) = (tile / (ty * tx), tile / tx % ty, tile % tx);
            for (a, b) in (0..edge).flat_map(|a| (0..edge).map(move |b| (a, b))) {
                // its position, and the extent of the side
                let ([y, x], [h, w], outer) = match side {
                    Side::Low => ([2 * row + a, 2 * col + b], [self.low_h, self.low_w], picture),
                    Side::Weights => ([2 * a + 1 - py, 2 * b + 1 - px], [4, 4], tile),
                    Side::High => {
                        let ahead = [2 * (2 * row + a), 2 * (2 * col + b)];
                        if ahead[0] < py || ahead[1] < px {
                            continue;
                        }
                        ([ahead[0] - py, ahead[1] - px], [2 * self.low_h, 2 * self.low_w], picture)
                    }
                };
                if y < h && x < w {
                    let element = ((outer * h + y) * w + x) * channels + c;
                    f(at as usize, a as usize, b as usize, element as usize);
                }
            }
        }
    }
}

/// The coefficients of the 3 or 2 elements of a line in each of its 3 transformed elements.
fn coefficients(side: Side) -> &'static [[f64; 3]; 3] {
    match side {
        Side::High => &[[1.0, -1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, -1.0]],
        Side::Low => &[[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, -1.0, 0.0]],
        Side::Weights => &[[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0]],
    }
}

/// The transform of one side, or its inverse, the adjoint, with an epilogue.
#[derive(Debug, Clone, Copy)]
pub struct Transform {
    geometry: Geometry,
    side: Side,
    /// the epilogue of the inverse
    inverse: Option<Epilogue>,
    textures: bool,
}

impl Transform {
    /// `transformed = transform(side)`.
    pub fn forward(geometry: Geometry, side: Side) -> Self {
        Self { geometry, side, inverse: None, textures: false }
    }

    /// `side = epilogue(inverse(transformed))`.
    pub fn inverse(geometry: Geometry, side: Side, epilogue: Epilogue) -> Self {
        Self { geometry, side, inverse: Some(epilogue), textures: false }
    }

    /// Reads a texture copy of its source, or its buffer.
    pub fn fetching(self, textures: bool) -> Self {
        Self { textures, ..self }
    }

    fn channels(&self) -> u32 {
        if self.side == Side::Low { self.geometry.low_c } else { self.geometry.high_c }
    }

    fn file(&self) -> Source {
        match (self.side, self.inverse) {
            (Side::High, None) => wgsl!("winograd/winograd_high_transform.wgsl"),
            (Side::Low, None) => wgsl!("winograd/winograd_low_transform.wgsl"),
            (Side::Weights, None) => wgsl!("winograd/winograd_weights_transform.wgsl"),
            (Side::High, Some(_)) => wgsl!("winograd/winograd_high_inverse.wgsl"),
            (Side::Low, Some(_)) => wgsl!("winograd/winograd_low_inverse.wgsl"),
            (Side::Weights, Some(_)) => wgsl!("winograd/winograd_weights_inverse.wgsl"),
        }
    }
}

impl Op for Transform {
    fn kernel(&self) -> Kernel {
        let name = self.file().kernel_name();
        let mut files = vec![self.file(), wgsl!("winograd/winograd.wgsl")];
        files.extend(operand_source::source(self.textures));
        files.extend(match self.inverse {
            None => vec![wgsl!("winograd/winograd_transformed.wgsl")],
            Some(epilogue) => [&[wgsl!("winograd/winograd_inverse.wgsl")], &epilogue.files()[..]].concat(),
        });
        Kernel { name, files }
    }

    fn params(&self) -> Vec<Constant> {
        WinogradParams::from(self.geometry).values()
    }

    fn constants(&self) -> Vec<Constant> {
        self.inverse.map(|epilogue| epilogue.constants(2)).unwrap_or_default()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let (side, transformed) = (self.geometry.side(self.side), self.geometry.transformed(self.side));
        match self.inverse {
            None => vec![("source", side), ("transformed", transformed)],
            Some(epilogue) => {
                let aux = epilogue.aux(side, self.channels());
                let own = [("source", transformed), ("aux", aux), ("out", side)];
                own.into_iter().chain(epilogue.operands(side)).collect()
            }
        }
    }

    fn element_aliases(&self) -> &'static [Option<&'static str>] {
        if self.inverse.is_some() {
            &[Some("Source"), Some("Aux"), Some("Out"), Some("Out")]
        } else {
            &[Some("Source")]
        }
    }

    fn groups(&self) -> u64 {
        u64::from(self.geometry.plane(self.side) / 4).div_ceil(64)
    }

    fn reads_output(&self) -> bool {
        self.inverse.is_some_and(|epilogue| epilogue.accumulate)
    }

    /// Additions of each element of a plane.
    fn flops(&self) -> u64 {
        let additions = match (self.side, self.inverse) {
            (Side::High, None) => 12,
            (Side::Low | Side::Weights, None) => 5,
            (Side::High, Some(_)) => 18,
            (Side::Low | Side::Weights, Some(_)) => 10,
        };
        additions * u64::from(self.geometry.plane(self.side))
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let plane = self.geometry.plane(self.side) as usize;
        let of = coefficients(self.side);
        let all = || (0..3).flat_map(|i| (0..3).map(move |j| (i, j)));
        match (self.inverse, buffers) {
            (None, [side, transformed]) => {
                let mut sums = vec![0.0f64; transformed.len()];
                self.geometry.tiles_of(self.side, |at, a, b, element| {
                    for (i, j) in all() {
                        sums[(3 * i + j) * plane + at] += of[i][a] * of[j][b] * f64::from(side[element]);
                    }
                });
                transformed.iter_mut().zip(sums).for_each(|(value, sum)| *value = sum as f32);
            }
            (Some(epilogue), [transformed, aux, out, rest @ ..]) => {
                let addend: &[f32] = rest.first().map_or(&[], Vec::as_slice);
                let mut sums = vec![0.0f64; out.len()];
                self.geometry.tiles_of(self.side, |at, a, b, element| {
                    for (i, j) in all() {
                        sums[element] +=
                            of[i][a] * of[j][b] * f64::from(transformed[(3 * i + j) * plane + at]);
                    }
                });
                for (at, sum) in sums.into_iter().enumerate() {
                    epilogue.finish(out, at, sum, [aux, addend], self.channels());
                }
            }
            (_, other) => panic!("winograd: {} operands", other.len()),
        }
    }
}
