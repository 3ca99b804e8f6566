//! The procedural landscapes.

use wgvae::data::{Biome, landscape, synth};

const PINNED_SYNTH: u64 = 0x86ed_b8a7_1396_b5e2;

fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |d, &b| (d ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// Identical bytes on every platform; raise `synth::VERSION` when a change is intended.
#[test]
fn landscapes_are_pinned() {
    assert_eq!(synth::VERSION, 1);
    let all: Vec<u8> = (0..12).flat_map(|index| landscape(3, index, 16).0).collect();
    assert_eq!(digest(&all), PINNED_SYNTH, "{:#x}", digest(&all));
    assert_eq!(landscape(3, 4, 16), landscape(3, 4, 16));
    assert_ne!(landscape(3, 4, 16).0, landscape(4, 4, 16).0);
}

#[test]
fn landscapes_look_the_same_at_every_size() {
    for index in 0..10 {
        let (large, factors) = landscape(9, index, 256);
        let (small, same) = landscape(9, index, 64);
        assert_eq!(factors, same);
        // average over 4 x 4 pixels
        let mut reduced = vec![0u32; 64 * 64 * 3];
        for (at, &value) in large.iter().enumerate() {
            let (x, y, c) = (at / 3 % 256, at / 3 / 256, at % 3);
            reduced[(y / 4 * 64 + x / 4) * 3 + c] += u32::from(value);
        }
        let far: Vec<f64> = reduced
            .iter()
            .zip(&small)
            .map(|(&sum, &b)| (f64::from(sum) / 16.0 - f64::from(b)).abs())
            .collect();
        let mean = far.iter().sum::<f64>() / far.len() as f64;
        let strays = far.iter().filter(|&&d| d > 24.0).count() as f64 / far.len() as f64;
        println!("{index} {}: mean {mean:.2}, beyond 24: {:.2} %", factors.biome, strays * 100.0);
        assert!(mean < 2.0 && strays < 0.005, "landscape {index}: mean {mean}, strays {strays}");
    }
}

#[test]
fn factors_keep_their_ranges_and_every_biome_appears() {
    let mut seen = [0; 5];
    for index in 0..500 {
        let f = synth::factors(1, index);
        seen[f.biome as usize] += 1;
        assert!((0.1..=0.9).contains(&f.sun_x) && (0.0..=1.0).contains(&f.sun_height));
        assert!((0.5..=0.66).contains(&f.horizon) && (0.08..=0.42).contains(&f.ridge_height));
        assert!((2..=4).contains(&f.ridges) && (0.0..=1.0).contains(&f.haze));
    }
    assert!(seen.iter().all(|&count| count > 60), "{seen:?}");
    assert_eq!(Biome::ALL.map(|biome| biome as usize), [0, 1, 2, 3, 4]);
}
