//! The foreground: water, or strips of land (dunes, forest, meadow, snow) from far to near.
//! Part of the landscape generator; any change requires a new `VERSION`.

use super::Biome;
use super::noise::{Rgb, Stream, fbm, lerp, mix, noise1, scale, screen, smooth, unit};
use super::scene::View;
use super::shore::Water;
use super::trees::Row;

/// Sky and ridges at a point, sampled with the width in the third argument.
pub(super) type Behind<'a> = &'a dyn Fn(f32, f32, f32) -> Rgb;

/// Maximum number of strips of a ground.
const STRIPS: usize = 5;

/// One strip along a vertical line.
#[derive(Clone, Copy, Default)]
pub(super) struct Outline {
    /// Top of the strip, trees included, from the top of the picture.
    edge: f32,
    /// Top of the strip without trees.
    soil: f32,
    /// Slope of the soil; positive if it falls to the right.
    slope: f32,
}

/// The ground along a vertical line.
pub(super) struct Column {
    /// Position from the left.
    pub(super) x: f32,
    /// Top of the ground, from the top of the picture.
    pub(super) edge: f32,
    strips: [Outline; STRIPS],
}

pub(super) enum Ground {
    Water(Water),
    Land(Vec<Strip>),
}

/// A stretch of land with its own skyline.
pub(super) struct Strip {
    key: u32,
    /// Skyline without trees: height from the top, amplitude and frequency.
    base: f32,
    swing: f32,
    frequency: f32,
    /// 0 far, 1 near.
    near: f32,
    trees: Option<Row>,
}

impl Ground {
    pub(super) fn new(view: &View, stream: &mut Stream) -> Self {
        let biome = view.factors.biome;
        if biome == Biome::Water {
            return Self::Water(Water::new(stream));
        }
        let count = match biome {
            Biome::Desert => 4,
            Biome::Forest => 5,
            _ => 3,
        };
        let strips = (0..count).map(|number| {
            let near = (number as f32 + stream.between(0.0, 0.5)) / count as f32;
            Strip::new(view, stream, near, number == count - 1)
        });
        Self::Land(strips.collect())
    }

    /// Measures the land at `x`.
    pub(super) fn column(&self, view: &View, x: f32) -> Column {
        let mut column = Column { x, edge: view.factors.horizon, strips: [Outline::default(); STRIPS] };
        if let Self::Land(strips) = self {
            column.edge = 1.0;
            for (outline, strip) in column.strips.iter_mut().zip(strips) {
                *outline = strip.outline(view, x);
                column.edge = column.edge.min(outline.edge);
            }
        }
        column
    }

    pub(super) fn at(&self, view: &View, column: &Column, y: f32, behind: Behind<'_>) -> Rgb {
        let strips = match self {
            Self::Water(water) => return water.at(view, column.x, y, behind),
            Self::Land(strips) => strips,
        };
        let layers = || strips.iter().zip(column.strips).map(|(strip, o)| (strip, o, view.below(y, o.edge)));
        // front to back: the first strip that covers the whole pixel ends the search
        let first =
            strips.len() - layers().rev().position(|(_, _, cover)| cover >= 1.0).unwrap_or(strips.len());
        let mut light = match first.checked_sub(1) {
            Some(first) => strips[first].colour(view, column.x, y, column.strips[first]),
            None => behind(column.x, y, view.pixel),
        };
        for (strip, outline, cover) in layers().skip(first) {
            if cover > 0.0 {
                light = mix(light, strip.colour(view, column.x, y, outline), cover);
            }
        }
        light
    }
}

impl Strip {
    fn new(view: &View, stream: &mut Stream, near: f32, last: bool) -> Self {
        let key = stream.bits() as u32;
        let depth = 1.0 - view.factors.horizon;
        let (fall, swing, frequency) = match view.factors.biome {
            Biome::Desert => (0.80, lerp(0.02, 0.10, near), lerp(2.6, 1.0, near)),
            Biome::Forest => (0.86, lerp(0.012, 0.05, near), lerp(2.4, 1.3, near)),
            _ => (0.66, lerp(0.012, 0.06, near), lerp(2.2, 1.0, near)),
        };
        let base = view.factors.horizon + depth * fall * near * lerp(near, 1.0, 0.45);
        let pixel = view.pixel;
        let row = |height: f32, apart: f32, filled: f32| Row {
            key,
            spacing: height * apart,
            height,
            filled,
            pixel,
        };
        let trees = match view.factors.biome {
            Biome::Forest => Some(row(lerp(0.035, 0.26, near * near), 0.30, if last { 0.55 } else { 0.92 })),
            Biome::Meadow if !last => Some(row(lerp(0.022, 0.07, near), 1.0, 0.42)),
            Biome::Snow if !last => Some(row(lerp(0.035, 0.13, near), 0.42, 0.45)),
            _ => None,
        };
        Self { key, base, swing, frequency, near, trees }
    }

    fn soil(&self, x: f32) -> f32 {
        let n = noise1(self.key, x * self.frequency + 3.7)
            + 0.35 * noise1(self.key ^ 5, x * self.frequency * 2.3);
        self.base - self.swing * n
    }

    fn outline(&self, view: &View, x: f32) -> Outline {
        let standing = self.trees.as_ref().map_or(0.0, |row| match view.factors.biome {
            Biome::Meadow => row.crowns(x),
            _ => row.conifers(x),
        });
        let soil = self.soil(x);
        let slope = (self.soil(x + 0.01) - self.soil(x - 0.01)) * 50.0;
        Outline { edge: soil - standing, soil, slope }
    }

    fn colour(&self, view: &View, x: f32, y: f32, outline: Outline) -> Rgb {
        let Outline { soil, slope, .. } = outline;
        let wood = if self.trees.is_some() { 1.0 - view.below(y, soil) } else { 0.0 };
        if wood >= 1.0 {
            return self.through_air(view, self.wood(view, x, y), y, soil);
        }
        let land = match view.factors.biome {
            Biome::Desert => self.sand(view, x, y, y - soil, slope),
            Biome::Forest => self.wood(view, x, y),
            Biome::Meadow => self.grass(view, x, y, slope),
            _ => self.snow(view, x, y, y - soil, slope),
        };
        let light = if wood > 0.0 { mix(land, self.wood(view, x, y), wood) } else { land };
        self.through_air(view, light, y, soil)
    }

    /// Light through the air in front of the strip, which is thickest at its foot.
    fn through_air(&self, view: &View, light: Rgb, y: f32, soil: f32) -> Rgb {
        let foot = smooth(soil - 0.02, soil + 0.13, y);
        let air = (1.0 - self.near) * lerp(0.08, 0.5, view.factors.haze);
        let mist = if view.factors.biome == Biome::Forest { (1.0 - self.near) * 0.5 * foot } else { 0.0 };
        mix(light, view.air, (air + mist).min(0.85))
    }

    /// Exposure to the sun, 0 to 1, of a surface that falls by `slope` to the right.
    fn facing(&self, view: &View, x: f32, slope: f32) -> f32 {
        let side = (view.factors.sun_x - x).clamp(-0.5, 0.5) * 2.0;
        (0.5 + 0.62 * view.factors.sun_height * (1.0 - side.abs()) * 0.5 - side * slope * 0.9)
            .clamp(0.04, 1.0)
    }

    fn sand(&self, view: &View, x: f32, y: f32, down: f32, slope: f32) -> Rgb {
        // a crest winds down from the skyline and separates the lit side from the shaded one
        let winding = 0.10 * fbm(self.key ^ 0x31, y * 5.0, 0.5, 2, view.pixel * 5.0);
        let across = noise1(self.key ^ 0x42, (x + winding + down * 0.8) * lerp(4.5, 2.2, self.near)) * 1.6;
        let form = across * smooth(0.0, 0.03, down) + slope * smooth(0.12, 0.0, down);
        let facing = self.facing(view, x, form);
        let depth = (y - view.factors.horizon).max(0.02);
        let (u, v) = (x * 5.0 + winding * 14.0, 1.6 / depth);
        let waves = fbm(self.key ^ 0x9, u, v * 9.0, 2, view.pixel * 16.0 / (depth * depth));
        let colour = mix(screen(226, 160, 96), screen(206, 124, 70), smooth(0.3, 1.0, down * 4.0));
        view.lit(colour, (facing * 1.05 + 0.16 * waves * smooth(0.02, 0.2, depth)).clamp(0.0, 1.1))
    }

    fn wood(&self, view: &View, x: f32, y: f32) -> Rgb {
        let grain = fbm(self.key ^ 0x55, x * 60.0, y * 44.0, 3, view.pixel * 60.0);
        let near = match view.factors.biome {
            Biome::Meadow => screen(70, 108, 40),
            Biome::Snow => screen(40, 56, 58),
            _ => screen(24, 44, 34),
        };
        let colour = mix(screen(52, 84, 70), near, self.near);
        view.lit(scale(colour, (1.0 + 0.9 * grain).max(0.2)), (0.45 + 0.9 * grain).clamp(0.0, 1.0))
    }

    fn grass(&self, view: &View, x: f32, y: f32, slope: f32) -> Rgb {
        let depth = (y - view.factors.horizon).max(0.015);
        let reach = 0.35 / depth;
        let pixel = view.pixel * reach;
        let patches = fbm(self.key ^ 0x21, (x - 0.5) * reach * 3.0, reach * 4.0, 4, pixel * 12.0 * reach);
        let blades = fbm(self.key ^ 0x22, (x - 0.5) * reach * 34.0, reach * 14.0, 2, pixel * 34.0);
        let colour = mix(screen(112, 150, 58), screen(78, 122, 48), self.near);
        let dry = screen(172, 164, 84);
        let colour = mix(colour, dry, (0.25 + 0.9 * patches).clamp(0.0, 0.75));
        let light = view.lit(scale(colour, 1.0 + 0.45 * blades), self.facing(view, x, slope + 0.4 * patches));
        self.flowers(view, x, depth, light)
    }

    /// Dots of colour that grow towards the viewer.
    fn flowers(&self, view: &View, x: f32, depth: f32, grass: Rgb) -> Rgb {
        let reach = 0.35 / depth;
        let (u, v) = ((x - 0.5) * reach * 26.0, reach * 30.0);
        let (i, j) = (u.floor() as i32, v.floor() as i32);
        let patch = noise1(self.key ^ 0x61, u * 0.11) + noise1(self.key ^ 0x62, v * 0.13);
        if unit(self.key ^ 0x71, i, j) > 0.16 + 0.5 * patch {
            return grass;
        }
        let (right, down) = (unit(self.key ^ 0x72, i, j), unit(self.key ^ 0x73, i, j));
        let (du, dv) = (u - i as f32 - 0.25 - 0.5 * right, v - j as f32 - 0.3 - 0.4 * down);
        let seen = (0.35 - view.pixel * reach * 26.0).clamp(0.0, 0.3) / 0.3;
        let dot = smooth(0.26, 0.12, (du * du + 2.2 * dv * dv).sqrt()) * seen;
        let tint = match (self.key >> 8) % 3 {
            0 => screen(244, 214, 70),
            1 => screen(226, 96, 120),
            _ => screen(236, 232, 240),
        };
        mix(grass, view.lit(tint, 0.7), dot * 0.85)
    }

    fn snow(&self, view: &View, x: f32, y: f32, down: f32, slope: f32) -> Rgb {
        let depth = (y - view.factors.horizon).max(0.03);
        let reach = 0.3 / (depth + 0.05);
        let (u, v) = ((x - 0.5) * reach * 1.6 + slope, reach * 4.0 + down);
        let drift = fbm(self.key ^ 0x15, u, v, 4, view.pixel * reach * reach * 18.0);
        let facing = self.facing(view, x, 0.8 * slope + 0.55 * drift);
        let shaded = screen(186, 204, 232);
        let colour = mix(shaded, [0.93, 0.94, 0.97], smooth(0.1, 0.7, facing));
        view.lit(colour, facing * 0.95)
    }
}
