//! Tree silhouettes, as heights above the ground.
//! Part of the landscape generator; any change requires a new `VERSION`.

use super::noise::{hash, noise1, unit};

/// A row of trees along the picture.
pub(super) struct Row {
    pub(super) key: u32,
    /// Width of the strip that holds one tree.
    pub(super) spacing: f32,
    /// Height of an average tree.
    pub(super) height: f32,
    /// Share of strips with a tree, 0 to 1.
    pub(super) filled: f32,
    /// Pixel width: finer branches are omitted.
    pub(super) pixel: f32,
}

impl Row {
    /// Height of the conifers' outline at `x`, 0 between trees.
    pub(super) fn conifers(&self, x: f32) -> f32 {
        self.tallest(x, |away, tall, number| {
            let half = tall * (0.17 + 0.07 * unit(self.key ^ 0x3c, number, 1));
            let t = away / half;
            if t >= 1.0 {
                return 0.0;
            }
            // tiers of branches: a saw-tooth along the side of the cone
            let cone = 1.0 - t;
            let tiers = 5.0 + (hash(self.key, number, 2) % 4) as f32;
            let saw = cone * tiers - (cone * tiers).floor();
            let fine = (tall / tiers / (self.pixel * 3.0)).clamp(0.0, 1.0);
            tall * (cone - fine * 0.75 * saw / tiers * (1.0 - cone)).max(0.0)
        })
    }

    /// Height of round crowns at `x`.
    pub(super) fn crowns(&self, x: f32) -> f32 {
        self.tallest(x, |away, tall, number| {
            let half = tall * (0.5 + 0.3 * unit(self.key ^ 0x3c, number, 1));
            let t = away / half;
            if t >= 1.0 {
                return 0.0;
            }
            // leaves make a lumpy edge; the crown is widest above the ground
            let lumps = 1.0
                + 0.16 * noise1(self.key ^ 0x2f, x * 5.0 / tall)
                + 0.08 * noise1(self.key, x * 13.0 / tall);
            let round = (1.0 - t * t).sqrt();
            tall * 0.85 * round * lumps * (0.75 + 0.25 * round)
        })
    }

    fn tallest(&self, x: f32, outline: impl Fn(f32, f32, i32) -> f32) -> f32 {
        let strip = (x / self.spacing).floor() as i32;
        let mut tallest = 0.0f32;
        for number in strip - 2..=strip + 2 {
            if unit(self.key, number, 3) >= self.filled {
                continue;
            }
            let middle = (number as f32 + 0.15 + 0.7 * unit(self.key, number, 4)) * self.spacing;
            let tall = self.height * (0.5 + 0.8 * unit(self.key, number, 5));
            tallest = tallest.max(outline((x - middle).abs(), tall, number));
        }
        tallest
    }
}
