//! The pictures and tables of tools/make_metrics.py.

/// Number `index` of a stream, in 0..1, from the hash "lowbias32".
pub(crate) fn uniform(stream: u32, index: usize) -> f64 {
    let mut x = (index as u32).wrapping_add(stream.wrapping_mul(0x9e37_79b9));
    x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    f64::from(x ^ (x >> 16)) / 2f64.powi(32)
}

/// Approximate standard normals: the sum of twelve uniform numbers minus its mean.
pub(crate) fn normal(stream: u32, index: usize) -> f64 {
    (0..12).map(|i| uniform(stream, 12 * index + i)).sum::<f64>() - 6.0
}

/// A picture of waves and noise.
pub(crate) fn picture(size: usize, seed: u32) -> Vec<f32> {
    let value = |i: usize| {
        let (y, x, c) = ((i / 3 / size) as f64, (i / 3 % size) as f64, (i % 3) as f64);
        let waves =
            0.25 * (0.37 * x + 0.9 * c + f64::from(seed)).sin() + 0.2 * (0.23 * y - 0.11 * x + c).cos();
        (0.5 + waves + 0.1 * (uniform(seed, i) - 0.5)).clamp(0.0, 1.0) as f32
    };
    (0..size * size * 3).map(value).collect()
}

/// The other picture of a pair.
pub(crate) fn second(first: &[f32], how: &str) -> Vec<f32> {
    let other = |(i, &value): (usize, &f32)| {
        let (value, noise) = (f64::from(value), uniform(77, i));
        let other = match how {
            "noisy" => value + 0.3 * (noise - 0.5),
            "faded" => 0.7 * value + 0.1 + 0.05 * noise,
            "negative" => 1.0 - value,
            _ => unreachable!("no such pair: {how}"),
        };
        other.clamp(0.0, 1.0) as f32
    };
    first.iter().enumerate().map(other).collect()
}

/// Latents `[400, 4]`, and factors `[400, 2]`: a continuous one, and a category of three.
pub(crate) fn table() -> (Vec<f64>, Vec<f64>) {
    let factors = |i: usize| [uniform(1, i), (3.0 * uniform(2, i)).floor()];
    let latents = |i: usize| {
        let ([amount, name], noise) = (factors(i), [3, 4, 5].map(|stream| uniform(stream, i)));
        [
            amount + 0.2 * noise[0],
            0.5 * name - amount + 0.4 * noise[1],
            noise[2] - 0.5,
            name * name + noise[0],
        ]
    };
    ((0..400).flat_map(latents).collect(), (0..400).flat_map(factors).collect())
}

pub(crate) fn slices(set: &[Vec<f32>]) -> Vec<&[f32]> {
    set.iter().map(Vec::as_slice).collect()
}
