//! Mountain ridges, one behind the other, paler with distance.
//! Part of the landscape generator; any change requires a new `VERSION`.

use super::Biome;
use super::noise::{Rgb, Stream, decay, fbm, lerp, mix, noise1, screen, smooth};
use super::scene::View;

/// Points of a skyline, from -0.25 to 1.25 of the width, because reflections reach beyond the picture.
const POINTS: usize = 768;

struct Ridge {
    key: u32,
    /// Edge of the ridge, from the top, at each point.
    skyline: Vec<f32>,
    /// Highest point and foot, from the top.
    top: f32,
    foot: f32,
    rock: Rgb,
    /// 0 far, 1 near.
    near: f32,
    /// Opacity of the air in front of it.
    air: f32,
    /// Height from the top above which there is snow, or 0.
    snow: f32,
}

pub(super) struct Ridges {
    ridges: Vec<Ridge>,
}

fn rock(biome: Biome, near: f32) -> Rgb {
    let s = screen;
    let (far, close) = match biome {
        Biome::Water => (s(96, 104, 120), s(52, 74, 62)),
        Biome::Desert => (s(158, 110, 92), s(176, 104, 62)),
        Biome::Forest => (s(84, 100, 112), s(38, 66, 52)),
        Biome::Meadow => (s(92, 108, 118), s(70, 104, 62)),
        Biome::Snow => (s(122, 132, 150), s(96, 106, 124)),
    };
    mix(far, close, near)
}

impl Ridges {
    pub(super) fn new(view: &View, stream: &mut Stream) -> Self {
        let count = view.factors.ridges;
        let peak = stream.between(0.15, 0.85);
        let snowy = view.factors.biome == Biome::Snow
            || (view.factors.biome != Biome::Desert
                && view.factors.ridge_height > 0.17
                && stream.unit() < 0.6);
        let ridges = (0..count)
            .map(|number| {
                let near = number as f32 / (count - 1) as f32;
                let shift = if number % 2 == 0 { 0.0 } else { 0.35 };
                Ridge::new(view, stream, near, (peak + shift + 0.15 * near) % 1.0, snowy)
            })
            .collect();
        Self { ridges }
    }

    /// The ridges in front of `sky`, which is only evaluated if it is visible.
    pub(super) fn over(&self, view: &View, x: f32, y: f32, sky: &dyn Fn() -> Rgb) -> Rgb {
        let mut behind: Option<Rgb> = None;
        // front to back: the first ridge that covers the whole pixel ends the search
        let first = self.ridges.iter().rposition(|ridge| view.below(y, ridge.edge(x)) >= 1.0);
        if let Some(first) = first {
            behind = Some(self.ridges[first].colour(view, x, y));
        }
        let mut light = behind.unwrap_or_else(sky);
        for ridge in &self.ridges[first.map_or(0, |first| first + 1)..] {
            let cover = view.below(y, ridge.edge(x));
            if cover > 0.0 {
                light = mix(light, ridge.colour(view, x, y), cover);
            }
        }
        light
    }
}

impl Ridge {
    fn new(view: &View, stream: &mut Stream, near: f32, peak: f32, snowy: bool) -> Self {
        let factors = &view.factors;
        let key = stream.bits() as u32;
        let height = factors.ridge_height * lerp(1.0, 0.30, near) * stream.between(0.8, 1.1);
        let foot = factors.horizon + 0.015;
        let frequency = stream.between(1.8, 3.4) * lerp(1.0, 1.25, near);
        // near foothills are rounder than far peaks
        let rough = factors.ridge_roughness * lerp(1.0, 0.7, near);
        let skyline: Vec<f32> = (0..POINTS)
            .map(|point| {
                let x = point as f32 / (POINTS - 1) as f32 * 1.5 - 0.25;
                let away = (x - peak) / 0.34;
                let bump = 1.0 / (1.0 + away * away);
                foot - height
                    * (0.16 + 0.26 * bump + (0.45 + 0.75 * bump) * profile(key, x * frequency, rough))
            })
            .collect();
        let top = skyline.iter().copied().fold(1.0, f32::min);
        let air = 1.0 - decay((1.0 - near) * lerp(0.35, 1.9, factors.haze) + lerp(0.04, 0.3, factors.haze));
        let line = if snowy && near < 0.7 { lerp(top, foot, lerp(0.58, 0.3, near)) } else { 0.0 };
        Self { key, skyline, top, foot, rock: rock(factors.biome, near), near, air, snow: line }
    }

    fn edge(&self, x: f32) -> f32 {
        let at = ((x + 0.25) / 1.5).clamp(0.0, 1.0) * (POINTS - 1) as f32;
        let left = (at as usize).min(POINTS - 2);
        lerp(self.skyline[left], self.skyline[left + 1], at - left as f32)
    }

    fn colour(&self, view: &View, x: f32, y: f32) -> Rgb {
        let down = (y - self.edge(x)).max(0.0);
        // gullies run down the slope: noise stretched along the fall line, bent by coarser noise
        let fine = lerp(9.0, 15.0, self.near);
        let bend = 0.5 * fbm(self.key ^ 0x77, x * 5.0, y * 5.0, 2, view.pixel * 5.0);
        let relief = |dx: f32, dy: f32| {
            let (u, v) = ((x + dx) * fine + bend + down * 4.0, (y + dy) * fine * 0.75 - bend);
            fbm(self.key ^ 0x1234, u, v, 4, view.pixel * fine)
        };
        let side = ((view.factors.sun_x - x) * 5.0).clamp(-1.0, 1.0);
        // brighter if the rock falls away towards the sun, which is also above
        let slope =
            (relief(0.0, 0.0) - relief(0.02 * side, -0.010)) * lerp(2.2, 4.2, view.factors.ridge_roughness);
        let share = (0.42 + slope).clamp(0.05, 1.0) * lerp(0.55, 1.0, view.factors.sun_height);
        let mut surface = self.rock;
        if self.snow > 0.0 {
            let patchy = 0.10 * fbm(self.key ^ 0x99, x * 12.0, y * 9.0, 3, view.pixel * 12.0) - 0.05 * slope;
            let white = smooth(self.snow + 0.012, self.snow - 0.012, y + patchy);
            surface = mix(surface, [0.86, 0.89, 0.95], white * 0.92);
        }
        let lit = view.lit(surface, share);
        // mist gathers at the foot
        let low = smooth(self.top, self.foot, y);
        let mist =
            (self.air + (0.12 + 0.5 * view.factors.haze) * low * low * (1.0 - 0.35 * self.near)).min(0.96);
        mix(lit, view.air, mist)
    }
}

/// A skyline, about 0 to 1: with sharp crests from octaves of `1 - |noise|`, rounder if `rough` is small.
fn profile(key: u32, x: f32, rough: f32) -> f32 {
    let (mut sum, mut total, mut weight, mut frequency) = (0.0, 0.0, 1.0, 1.0);
    for octave in 0..6u32 {
        let n = noise1(key.wrapping_add(octave * 7), x * frequency + 31.7 * octave as f32);
        let crest = (1.0 - n.abs() * 1.5).max(0.0);
        let round = 0.5 + 0.75 * n;
        sum += weight * lerp(round, crest * crest * 1.3, rough * if octave == 0 { 0.8 } else { 0.6 });
        total += weight;
        weight *= lerp(0.30, 0.54, rough);
        frequency *= 2.07;
    }
    (sum / total).clamp(0.0, 1.2)
}
