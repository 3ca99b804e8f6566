//! A landscape scene: sky, ridges and ground, from back to front.
//! Start here to follow the drawing of a pixel.

use super::Factors;
use super::ground::{Column, Ground};
use super::noise::{Rgb, Stream, mix};
use super::ridges::Ridges;
use super::sky::Sky;

/// Light and pixel size, for all layers.
pub(super) struct View {
    pub(super) factors: Factors,
    /// Width of a sample in units of the picture's width: half a pixel.
    pub(super) pixel: f32,
    /// Colour of direct light.
    pub(super) sun: Rgb,
    /// Colour of light from the whole sky.
    pub(super) ambient: Rgb,
    /// Colour of distant air.
    pub(super) air: Rgb,
}

impl View {
    /// The light reflected by a surface that receives `share` (0 to 1) of the sun's strength.
    pub(super) fn lit(&self, colour: Rgb, share: f32) -> Rgb {
        [0, 1, 2].map(|c| colour[c] * (self.ambient[c] + self.sun[c] * share))
    }

    /// The share of a pixel at height `y` that is below an edge at `edge` (both from the top).
    pub(super) fn below(&self, y: f32, edge: f32) -> f32 {
        ((y - edge) / (self.pixel * 1.6) + 0.5).clamp(0.0, 1.0)
    }
}

pub(super) struct Scene {
    view: View,
    sky: Sky,
    ridges: Ridges,
    ground: Ground,
}

impl Scene {
    pub(super) fn new(factors: Factors, stream: &mut Stream, size: u32) -> Self {
        let pixel = 0.5 / size as f32;
        let sky = Sky::new(&factors, stream);
        let (sun, ambient, air) = sky.light();
        let view = View { factors, pixel, sun, ambient, air };
        let ridges = Ridges::new(&view, stream);
        let ground = Ground::new(&view, stream);
        Self { view, sky, ridges, ground }
    }

    /// Precomputes everything that is constant along the vertical line at `x`, 0 to 1 from the left.
    pub(super) fn column(&self, x: f32) -> Column {
        self.ground.column(&self.view, x)
    }

    /// The light at a point of `column`, `y` from 0 to 1 from the top.
    pub(super) fn at(&self, column: &Column, y: f32) -> Rgb {
        let x = column.x;
        let cover = self.view.below(y, column.edge);
        if cover <= 0.0 {
            return self.behind(x, y, self.view.pixel);
        }
        let ground = self.ground.at(&self.view, column, y, &|x, y, pixel| self.behind(x, y, pixel));
        if cover >= 1.0 { ground } else { mix(self.behind(x, y, self.view.pixel), ground, cover) }
    }

    /// Sky and ridges through a sample of width `pixel`: wider in reflections.
    fn behind(&self, x: f32, y: f32, pixel: f32) -> Rgb {
        self.ridges.over(&self.view, x, y, &|| self.sky.at(&self.view, x, y, pixel))
    }
}
