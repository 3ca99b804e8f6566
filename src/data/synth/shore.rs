//! Water: a mirror broken by waves, with a path of light under the sun.
//! Part of the landscape generator; any change requires a new `VERSION`.

use super::ground::Behind;
use super::noise::{Rgb, Stream, fbm, lerp, mix, plus, scale, screen, smooth};
use super::scene::View;

/// Minimum sample width for water; finer pixels get no finer water.
const FINEST: f32 = 1.0 / 320.0;
/// Sample width of the reflection in a rough lake.
const MIRROR: f32 = 1.0 / 64.0;

pub(super) struct Water {
    key: u32,
    deep: Rgb,
    /// Roughness, 0 to 1.
    wind: f32,
}

impl Water {
    pub(super) fn new(stream: &mut Stream) -> Self {
        let key = stream.bits() as u32;
        let green = stream.unit();
        let deep = mix(screen(16, 50, 84), screen(18, 72, 78), green);
        Self { key, deep, wind: stream.unit() }
    }

    pub(super) fn at(&self, view: &View, x: f32, y: f32, behind: Behind<'_>) -> Rgb {
        let horizon = view.factors.horizon;
        let depth = (y - horizon).max(0.0);
        let span = 1.0 - horizon;
        // the plane of the water: rows get closer towards the horizon
        let reach = 0.2 / (depth + 0.02);
        // finer waves would change the averaging of the reflection, and the picture would depend on the size
        let pixel = view.pixel.max(FINEST) * reach;
        let (u, v) = ((x - 0.5) * reach * 3.2, reach * 11.0);
        let stretched = pixel * (3.2 + 50.0 * reach);
        let swell = fbm(self.key, u, v, 4, stretched);
        let chop = fbm(self.key ^ 0x88, u * 2.3 + 9.0, v * 2.6, 3, stretched * 2.4);
        let tilt = (swell + 0.5 * chop) * lerp(0.35, 1.0, self.wind);
        // tilted water reflects another point, more so when it is near
        let lift = depth / span;
        let mirror = horizon - depth * lerp(0.95, 1.12, self.wind) + tilt * (0.012 + 0.11 * lift);
        let aside = x + tilt * (0.006 + 0.03 * lift);
        let mirrored =
            behind(aside, mirror.min(horizon - 0.002), view.pixel.max((0.25 + self.wind) * MIRROR));
        let grazing = lerp(0.92, 0.46, smooth(0.0, 1.0, lift)) - 0.10 * tilt.abs();
        let body = view.lit(self.deep, 0.45);
        let mut light = mix(body, scale(mirrored, 0.92), grazing.clamp(0.1, 0.95));
        light = plus(light, self.glitter(view, x, lift, tilt));
        // a band of mist at the far shore
        mix(light, view.air, (0.15 + 0.4 * view.factors.haze) * smooth(0.05, 0.0, depth))
    }

    fn glitter(&self, view: &View, x: f32, lift: f32, tilt: f32) -> Rgb {
        let low = 1.0 - view.factors.sun_height;
        let width = lerp(0.025, 0.16, lift) * lerp(0.7, 1.4, self.wind);
        let off = (x - view.factors.sun_x) / width;
        let path = 1.0 / (1.0 + off * off * off * off);
        let spark = smooth(0.02, 0.42, tilt + 0.18 * path);
        let strength = lerp(0.25, 1.0, low) * (1.0 - 0.65 * view.factors.cloudiness);
        scale(view.sun, path * spark * strength * lerp(1.1, 0.6, lift))
    }
}
