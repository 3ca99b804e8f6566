//! Hashing, noise and small curves for procedural pictures.
//! Read this for the rules that keep the pictures identical on every platform.
//!
//! Only `+ - * /`, `sqrt` and `floor` are used, which IEEE 754 rounds identically everywhere: the pictures have the
//! same bytes on every platform. No function of a mathematics library and no fused multiplication is used.

/// Red, green, blue, in linear light; 1 is white.
pub(super) type Rgb = [f32; 3];

/// A pseudorandom hash of a key and a lattice point.
pub(super) fn hash(key: u32, x: i32, y: i32) -> u32 {
    let mut h = key ^ (x as u32).wrapping_mul(0x9e37_79b1);
    h ^= (y as u32).wrapping_mul(0x85eb_ca77).rotate_left(15);
    h = (h ^ (h >> 16)).wrapping_mul(0x7feb_352d);
    h = (h ^ (h >> 15)).wrapping_mul(0x846c_a68b);
    h ^ (h >> 16)
}

/// The hash as a number in `0..1`.
pub(super) fn unit(key: u32, x: i32, y: i32) -> f32 {
    (hash(key, x, y) >> 8) as f32 / 16_777_216.0
}

/// The SplitMix64 generator, for the few numbers that define a scene.
pub(super) struct Stream(u64);

impl Stream {
    pub(super) fn new(seed: u64, index: u64) -> Self {
        let mut stream = Self(seed);
        let mixed = stream.bits();
        Self(mixed ^ index.wrapping_mul(0xd134_2543_de82_ef95))
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `0..1`.
    pub(super) fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / 16_777_216.0
    }

    /// Uniform in `low..high`.
    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }
}

pub(super) fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

pub(super) fn mix(a: Rgb, b: Rgb, t: f32) -> Rgb {
    [lerp(a[0], b[0], t), lerp(a[1], b[1], t), lerp(a[2], b[2], t)]
}

pub(super) fn scale(a: Rgb, by: f32) -> Rgb {
    [a[0] * by, a[1] * by, a[2] * by]
}

pub(super) fn times(a: Rgb, b: Rgb) -> Rgb {
    [a[0] * b[0], a[1] * b[1], a[2] * b[2]]
}

pub(super) fn plus(a: Rgb, b: Rgb) -> Rgb {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// A display colour, 0 to 255, in linear light (gamma 2, whose inverse is `sqrt`).
pub(super) fn screen(r: u8, g: u8, b: u8) -> Rgb {
    [r, g, b].map(|c| {
        let c = f32::from(c) / 255.0;
        c * c
    })
}

/// Smoothstep: 0 below `a`, 1 above `b`.
pub(super) fn smooth(a: f32, b: f32, x: f32) -> f32 {
    let t = ((x - a) / (b - a)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Approximation of `exp(-x)` for `x >= 0`.
pub(super) fn decay(x: f32) -> f32 {
    1.0 / (1.0 + x * (1.0 + x * (0.48 + x * 0.235)))
}

fn fade(t: f32) -> f32 {
    t * t * t * (t * (t * 6.0 - 15.0) + 10.0)
}

/// 1D gradient noise, about -1 to 1.
pub(super) fn noise1(key: u32, x: f32) -> f32 {
    let cell = x.floor();
    let (i, t) = (cell as i32, x - cell);
    let slope = |at: i32| unit(key, at, 0) * 2.0 - 1.0;
    2.2 * lerp(slope(i) * t, slope(i + 1) * (t - 1.0), fade(t))
}

/// 2D gradient noise, about -1 to 1.
pub(super) fn noise2(key: u32, x: f32, y: f32) -> f32 {
    let (fx, fy) = (x.floor(), y.floor());
    let (i, j) = (fx as i32, fy as i32);
    let (u, v) = (x - fx, y - fy);
    let corner = |di: i32, dj: i32| {
        let h = hash(key, i + di, j + dj);
        let gx = (h & 0xffff) as f32 / 32_768.0 - 1.0;
        let gy = (h >> 16) as f32 / 32_768.0 - 1.0;
        gx * (u - di as f32) + gy * (v - dj as f32)
    };
    let s = fade(u);
    1.5 * lerp(lerp(corner(0, 0), corner(1, 0), s), lerp(corner(0, 1), corner(1, 1), s), fade(v))
}

/// The share of a wave of `frequency` (per unit) that survives pixels of width `pixel`. Fine detail is removed instead
/// of aliased, so that a scene looks the same at every size.
pub(super) fn seen(frequency: f32, pixel: f32) -> f32 {
    (2.0 - 3.0 * frequency * pixel).clamp(0.0, 1.0)
}

/// Octaves of [`noise2`] summed, about -1 to 1; `pixel` is the width of a pixel in units of `x` and `y`.
pub(super) fn fbm(key: u32, x: f32, y: f32, octaves: u32, pixel: f32) -> f32 {
    let (mut sum, mut weight, mut frequency) = (0.0, 0.5, 1.0);
    for octave in 0..octaves {
        let share = seen(frequency, pixel);
        if share <= 0.0 {
            break;
        }
        // a different offset per octave: no lattice lines through the origin
        let shift = 17.3 * octave as f32;
        sum +=
            weight * share * noise2(key.wrapping_add(octave), x * frequency + shift, y * frequency - shift);
        weight *= 0.5;
        frequency *= 2.03;
    }
    sum
}
