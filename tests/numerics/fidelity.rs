//! MSE, PSNR, SSIM and MS-SSIM.

use wgvae::metrics::{compare, ms_ssim, mse, psnr, scales, ssim};

use crate::formulas::{picture, second, slices};
use crate::{close, on_threads, panic_of};

type Measure = fn(&[f32], &[f32], usize) -> wgvae::metrics::Result<f64>;
const MEASURES: [(&str, Measure); 4] = [("mse", mse), ("psnr", psnr), ("ssim", ssim), ("ms_ssim", ms_ssim)];

/// Side, second picture, and the values printed by tools/make_metrics.py.
const PAIRS: [(usize, &str, [f64; 4]); 7] = [
    (16, "noisy", [0.0072708801, 21.3841301952, 0.7431584233, 0.7431584233]),
    (48, "faded", [0.0053694498, 22.7007021074, 0.9172593073, 0.9392983938]),
    (64, "noisy", [0.0073476327, 21.3385256173, 0.7385402537, 0.9626927620]),
    (64, "negative", [0.2079452201, 6.8205105809, -0.6904004073, 0.0000000000]),
    (128, "faded", [0.0054855337, 22.6078111288, 0.9177775363, 0.9394771324]),
    (176, "noisy", [0.0073112430, 21.3600877992, 0.7415695403, 0.9756932800]),
    (192, "faded", [0.0055347559, 22.5690152511, 0.9178737101, 0.9406472038]),
];

#[test]
fn values_are_those_of_scikit_image() {
    let mut worst = [0.0f64; 4];
    for (size, how, want) in PAIRS {
        let a = picture(size, 1);
        let b = second(&a, how);
        let all = compare(&[&a], &[&b], size).unwrap()[0];
        let all = [all.mse, all.psnr, all.ssim, all.ms_ssim];
        for (i, (name, measure)) in MEASURES.iter().enumerate() {
            let got = measure(&a, &b, size).unwrap();
            assert_eq!(got.to_bits(), all[i].to_bits(), "{name} of {size} {how} is not what compare says");
            worst[i] = worst[i].max((got - want[i]).abs());
            assert!((got - want[i]).abs() < 1e-6, "{name} of {size} {how}: {got}, not {}", want[i]);
        }
    }
    println!("largest differences of MSE, PSNR, SSIM, MS-SSIM: {worst:?}");
}

#[test]
fn equal_pictures_are_equal() {
    for size in [16, 32, 512] {
        let a = picture(size, 2);
        assert_eq!(mse(&a, &a, size), Ok(0.0));
        assert_eq!(psnr(&a, &a, size), Ok(f64::INFINITY));
        close(ssim(&a, &a, size).unwrap(), 1.0, 1e-12);
        close(ms_ssim(&a, &a, size).unwrap(), 1.0, 1e-12);
    }
}

#[test]
fn scales_are_as_many_as_the_window_fits() {
    let sides = [16, 32, 48, 64, 80, 96, 128, 160, 176, 512];
    assert_eq!(sides.map(scales), [1, 2, 3, 3, 3, 4, 4, 4, 5, 5]);
}

#[test]
fn pairs_keep_their_order_on_any_number_of_threads() {
    let a: Vec<Vec<f32>> = (0..9).map(|seed| picture(32, seed)).collect();
    let b: Vec<Vec<f32>> = a.iter().map(|a| second(a, "noisy")).collect();
    let [one, three] = on_threads(|| compare(&slices(&a), &slices(&b), 32).unwrap());
    assert_eq!(one, three);
    for (i, found) in one.iter().enumerate() {
        assert_eq!(Ok(found.ssim), ssim(&a[i], &b[i], 32));
    }
}

#[test]
fn shapes_and_values_are_checked() {
    let (a, short) = (picture(32, 1), picture(16, 1));
    for (name, measure) in MEASURES {
        for (a, b, size) in [(&a, &short, 32), (&short, &a, 32), (&a, &a, 16), (&a, &vec![], 32)] {
            let text = panic_of(|| measure(a, b, size));
            let want = format!(
                "{name}: {} and {} values are not two pictures [{size}, {size}, 3]",
                a.len(),
                b.len()
            );
            assert!(text.starts_with(&want), "{text}");
        }
        let odd = vec![0.5; 24 * 24 * 3];
        assert!(panic_of(|| measure(&odd, &odd, 24)).contains("[24, 24, 3]"));
        for wrong in [f32::NAN, f32::INFINITY, 1.001, -0.001] {
            let mut b = a.clone();
            b[70] = wrong;
            let want = format!("{name}: value 70 of the second picture is {wrong}, not in 0..=1");
            assert_eq!(measure(&a, &b, 32).unwrap_err().to_string(), want);
            assert!(measure(&b, &a, 32).unwrap_err().to_string().contains("first"));
            assert!(compare(&[&a], &[&b], 32).is_err());
        }
    }
    assert!(panic_of(|| compare(&[&a], &[&a, &a], 32)).contains("compare: 1 pictures against 2"));
}
