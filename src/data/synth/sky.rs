//! The sky: gradient, sun, glow and clouds, and the light that it casts.
//! Part of the landscape generator; any change requires a new `VERSION`.

use super::Factors;
use super::noise::{Rgb, Stream, decay, fbm, lerp, mix, plus, scale, screen, smooth, times};
use super::scene::View;

pub(super) struct Sky {
    zenith: Rgb,
    middle: Rgb,
    horizon: Rgb,
    glow: Rgb,
    cloud_light: Rgb,
    cloud_shade: Rgb,
    sun: (f32, f32),
    key: u32,
    stretch: f32,
    drift: f32,
}

/// Zenith, middle, horizon, glow around the sun, lit side of clouds, shaded side.
type Palette = [Rgb; 6];

/// Palettes by height of the sun. A second set exists for low suns: some dusks are pink, some orange.
fn palettes(second: bool) -> [(f32, Palette); 4] {
    let s = screen;
    let dusk = if second {
        [s(38, 40, 92), s(134, 84, 138), s(250, 150, 128), s(255, 120, 90), s(248, 140, 140), s(92, 66, 112)]
    } else {
        [s(26, 44, 92), s(98, 92, 132), s(252, 164, 92), s(255, 130, 50), s(255, 156, 92), s(86, 66, 96)]
    };
    let low = if second {
        [
            s(62, 88, 150),
            s(158, 138, 176),
            s(255, 196, 160),
            s(255, 166, 110),
            s(255, 200, 178),
            s(142, 116, 146),
        ]
    } else {
        [
            s(56, 100, 160),
            s(140, 160, 184),
            s(255, 214, 148),
            s(255, 186, 96),
            s(255, 214, 160),
            s(146, 128, 140),
        ]
    };
    let afternoon = [
        s(52, 112, 186),
        s(112, 166, 214),
        s(222, 226, 218),
        s(255, 232, 180),
        s(255, 246, 228),
        s(160, 170, 186),
    ];
    let day = [
        s(36, 98, 184),
        s(92, 158, 222),
        s(196, 222, 240),
        s(255, 250, 232),
        s(255, 255, 255),
        s(168, 182, 202),
    ];
    [(0.0, dusk), (0.3, low), (0.62, afternoon), (1.0, day)]
}

fn palette(height: f32, second: bool) -> Palette {
    let all = palettes(second);
    let above = all.iter().position(|(at, _)| height <= *at).unwrap_or(all.len() - 1).max(1);
    let ((low, a), (high, b)) = (all[above - 1], all[above]);
    let t = ((height - low) / (high - low)).clamp(0.0, 1.0);
    [0, 1, 2, 3, 4, 5].map(|i| mix(a[i], b[i], t))
}

impl Sky {
    pub(super) fn new(factors: &Factors, stream: &mut Stream) -> Self {
        let second = stream.unit() < 0.45;
        let [zenith, middle, horizon, glow, cloud_light, cloud_shade] = palette(factors.sun_height, second);
        // an overcast sky is greyer
        let grey = 0.35 * smooth(0.65, 1.0, factors.cloudiness);
        let dull = |c: Rgb| mix(c, [(c[0] + c[1] + c[2]) / 3.0; 3], grey);
        Self {
            zenith: dull(zenith),
            middle: dull(middle),
            horizon: dull(horizon),
            glow,
            cloud_light,
            cloud_shade,
            sun: (factors.sun_x, lerp(factors.horizon - 0.02, -0.12, factors.sun_height)),
            key: stream.bits() as u32,
            stretch: stream.between(0.5, 1.0),
            drift: stream.between(0.0, 50.0),
        }
    }

    /// Direct light, light of the whole sky, and the colour of distant air.
    pub(super) fn light(&self) -> (Rgb, Rgb, Rgb) {
        let ambient = plus(scale(self.middle, 0.42), [0.05, 0.05, 0.06]);
        let direct = scale(mix(self.cloud_light, self.glow, 0.3), 0.95);
        (direct, ambient, mix(self.horizon, self.middle, 0.35))
    }

    pub(super) fn at(&self, view: &View, x: f32, y: f32, pixel: f32) -> Rgb {
        let horizon = view.factors.horizon;
        let up = ((horizon - y) / horizon).clamp(0.0, 1.0);
        let gradient = if up < 0.38 {
            mix(self.horizon, self.middle, smooth(-0.12, 0.38, up))
        } else {
            mix(self.middle, self.zenith, smooth(0.3, 1.05, up) / smooth(0.3, 1.05, 1.0))
        };
        let (dx, dy) = (x - self.sun.0, y - self.sun.1);
        let distance = (dx * dx + dy * dy).sqrt();
        let low = 1.0 - view.factors.sun_height;
        // the glow is flat along the horizon if the sun is low
        let flat = (dx * dx * 0.35 + dy * dy * (1.0 + 2.0 * low)).sqrt();
        let glow = 0.5 * decay(flat * 7.0) + 0.5 * decay(distance * 20.0) + 0.6 * decay(distance * 55.0);
        let sky = plus(mix(gradient, self.glow, (glow * 0.55).min(0.8)), scale(self.glow, glow * 0.35));
        let disc = smooth(0.027 + pixel, 0.021 - pixel, distance);
        let bright = plus(scale(self.glow, 0.8), [0.9, 0.8, 0.6]);
        let sky = mix(sky, bright, disc);
        self.clouds(view, x, y, sky, glow, pixel)
    }

    fn clouds(&self, view: &View, x: f32, y: f32, sky: Rgb, glow: f32, pixel: f32) -> Rgb {
        let cover = view.factors.cloudiness;
        if cover < 0.06 {
            return sky;
        }
        // a flat layer seen from below: it gets denser towards the horizon
        let up = (view.factors.horizon + 0.03 - y).max(0.02);
        let reach = 1.0 / (up + 0.16);
        let (u, v) = ((x - 0.5) * reach * 1.15 * self.stretch + self.drift, reach * 1.9);
        let pixel = pixel * reach * reach * 1.4;
        let warp = 0.5 * fbm(self.key ^ 0x51ed, u * 0.7, v * 0.7, 2, pixel);
        let shape = |du: f32, dv: f32, octaves: u32| {
            fbm(self.key, u * 1.3 + warp + du, v * 1.3 + warp + dv, octaves, pixel * 1.3)
        };
        let threshold = lerp(0.34, -0.30, cover);
        let density = shape(0.0, 0.0, 5) - threshold;
        let body = smooth(0.0, 0.30, density);
        if body <= 0.0 {
            return sky;
        }
        // lit on the sun's side: a place is lit if the layer is thinner towards the sun
        let side = (self.sun.0 - x).clamp(-1.0, 1.0);
        let towards = shape(0.22 * side, 0.16, 3) - threshold;
        let lit = (0.62 + 1.15 * (density - towards) - 0.5 * smooth(0.2, 0.8, density)).clamp(0.0, 1.0);
        let colour = mix(self.cloud_shade, self.cloud_light, lit);
        let edge = times(self.glow, scale(self.cloud_light, glow * 0.8 * (1.0 - 0.6 * body)));
        // distant clouds fade into the air
        let far = smooth(0.0, 0.13, up);
        mix(sky, plus(colour, edge), body * lerp(0.12, 0.9, far))
    }
}
