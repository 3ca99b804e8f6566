//! Sliced Wasserstein distances, of vectors and of patches, and their noise floor.

use wgvae::metrics::{
    Slicing, laplacian_pyramid, level_sides, noise_floor, patch_distances, sliced_wasserstein,
};

use crate::formulas::{normal, picture, second, slices, uniform};
use crate::{close, on_threads, panic_of};

const MANY: Slicing = Slicing { projections: 4096, seed: 5 };

/// Normals of standard deviation 1 around `mean`.
fn gaussian(count: usize, stream: u32, mean: &[f64]) -> Vec<Vec<f32>> {
    let value = |i: usize, (k, mean): (usize, &f64)| (mean + normal(stream, i * 8 + k)) as f32;
    let vector = |i: usize| mean.iter().enumerate().map(|mean| value(i, mean)).collect();
    (0..count).map(vector).collect()
}

fn pictures(count: u32, first: u32) -> Vec<Vec<f32>> {
    (first..first + count).map(|seed| picture(32, seed)).collect()
}

#[test]
fn shifted_gaussians_are_as_far_apart_as_the_closed_form_says() {
    // E|direction . shift| = |shift| gamma(d/2) / (sqrt(pi) gamma((d+1)/2)): 1/2 in 3 dimensions, 1 in one
    let shift = [2.0, -1.0, 2.0];
    let (a, b) = (gaussian(4000, 1, &[0.0; 3]), gaussian(4000, 2, &shift));
    let got = sliced_wasserstein(&slices(&a), &slices(&b), MANY).unwrap();
    println!("independent samples: {got:.4}, closed form 1.5");
    close(got, 1.5, 0.03);
    // a shifted copy of a sample has no sampling error; the error of the mean over directions, with a standard
    // deviation of |cos| of 1/sqrt(12), is 3 / sqrt(12 * 4096) = 0.014
    let moved: Vec<Vec<f32>> =
        a.iter().map(|a| a.iter().zip(shift).map(|(a, s)| a + s as f32).collect()).collect();
    let got = sliced_wasserstein(&slices(&a), &slices(&moved), MANY).unwrap();
    println!("the same sample moved: {got:.4}, closed form 1.5");
    close(got, 1.5, 0.03);
    // sqrt(2) gamma(2) / (sqrt(pi) gamma(5/2)), for either sign of the shift
    for sign in [1.0, -1.0] {
        let got = sliced_wasserstein(&[&[0.0; 4]], &[&[0.0, 1.0, 0.0, sign]], MANY).unwrap();
        close(got, 2f64.sqrt() * 4.0 / (3.0 * std::f64::consts::PI), 0.02);
    }
    let (a, b) = (gaussian(4000, 1, &[0.0]), gaussian(4000, 2, &[-3.0]));
    close(sliced_wasserstein(&slices(&a), &slices(&b), MANY).unwrap(), 3.0, 0.05);
}

#[test]
fn one_dimension_is_the_integral_between_quantiles() {
    let set = |values: &[f32]| -> Vec<Vec<f32>> { values.iter().map(|&value| vec![value]).collect() };
    for (a, b, want) in [
        (&[3.0, 0.0, 1.0][..], &[1.0, 1.0, 4.0][..], 2.0 / 3.0),
        // thirds against halves: |0 - 1| / 3 + |6 - 1| / 6 + |6 - 3| / 6 + |9 - 3| / 3
        (&[0.0, 6.0, 9.0], &[3.0, 1.0], 1.0 / 3.0 + 5.0 / 6.0 + 3.0 / 6.0 + 2.0),
        (&[2.0], &[0.0, 1.0, 2.0, 7.0], 2.0),
    ] {
        for slicing in [Slicing { projections: 1, seed: 0 }, Slicing { projections: 33, seed: 9 }] {
            close(sliced_wasserstein(&slices(&set(a)), &slices(&set(b)), slicing).unwrap(), want, 1e-6);
            close(sliced_wasserstein(&slices(&set(b)), &slices(&set(a)), slicing).unwrap(), want, 1e-6);
        }
    }
}

#[test]
fn long_vectors_are_summed_to_the_end() {
    // only the last coordinate differs, by 1000: 1000 E|direction| = 1000 sqrt(2 / (pi d)), nearly
    let a = vec![0.0f32; 1000];
    let mut b = a.clone();
    b[999] = 1000.0;
    let got = sliced_wasserstein(&[&a], &[&b], MANY).unwrap();
    close(got, 1000.0 * (2.0 / (std::f64::consts::PI * 1000.0)).sqrt(), 0.8);
}

#[test]
fn identical_sets_are_0_apart() {
    let set = pictures(10, 1);
    let mut turned = slices(&set);
    turned.rotate_left(3);
    assert_eq!(sliced_wasserstein(&slices(&set), &turned, Slicing::default()), Ok(0.0));
    assert_eq!(patch_distances(&slices(&set), &slices(&set), 32, 16, Slicing::default()), Ok(vec![0.0; 2]));
}

#[test]
fn pyramid_is_that_of_karras() {
    const LEVELS: [(usize, [f64; 5], f64); 3] = [
        (64, [0.045909100, -0.083073598, -0.120201751, 0.023947883, 0.023150373], 0.031138989),
        (32, [0.104418240, 0.038156346, -0.122466793, -0.079643617, -0.009668982], 0.067365369),
        (16, [0.593214176, 0.591820863, 0.855038616, 0.360559891, 0.256158450], 0.490554229),
    ];
    let levels = laplacian_pyramid(&picture(64, 3), 64);
    assert_eq!((levels.len(), level_sides(64)), (3, vec![64, 32, 16]));
    assert_eq!((level_sides(16), level_sides(48), level_sides(496).len()), (vec![16], vec![48, 24], 5));
    for (level, (side, want, size)) in levels.iter().zip(LEVELS) {
        let places = [(0, 0, 0), (1, side - 1, side - 1), (2, 5, side - 1), (1, side - 2, 0), (0, 7, 9)];
        for ((c, y, x), want) in places.into_iter().zip(want) {
            close(f64::from(level[(c * side + y) * side + x]), want, 1e-6);
        }
        let sum: f64 = level.iter().map(|&value| f64::from(value.abs())).sum();
        assert_eq!(level.len(), 3 * side * side);
        close(sum / level.len() as f64, size, 1e-6);
    }
}

#[test]
fn patches_see_what_brightness_hides() {
    let set = pictures(40, 1);
    let change = |f: &dyn Fn(usize, f32) -> f32| -> Vec<Vec<f32>> {
        set.iter().map(|a| a.iter().enumerate().map(|(i, &value)| f(i, value)).collect()).collect()
    };
    let slicing = Slicing { projections: 64, seed: 1 };
    let distances = |b: &[Vec<f32>]| patch_distances(&slices(&set), &slices(b), 32, 64, slicing).unwrap();
    // each set has its own normalization
    let faded = distances(&change(&|_, value| 0.5 * value + 0.2));
    assert!(faded.iter().all(|&distance| distance < 1e-5), "{faded:?}");
    // noise is in the finest level
    let noisy = distances(&change(&|i, value| value + 0.3 * (uniform(9, i) as f32 - 0.5)));
    println!("patches of faded pictures {faded:?}, of noisy ones {noisy:.4?}");
    assert!(noisy[0] > 0.1 && noisy[0] > 3.0 * noisy[1], "{noisy:?}");
    // at any position: in the lower half, or the right one
    for half in [|i: usize| i / 3 / 32 >= 16, |i: usize| i / 3 % 32 >= 16] {
        let noise = |i: usize| if half(i) { 0.3 * (uniform(9, i) as f32 - 0.5) } else { 0.0 };
        let noisy = distances(&change(&|i, value| value + noise(i)));
        assert!(noisy[0] > 0.03, "{noisy:?}");
    }
    // a channel replaced by another, in all levels
    let swapped: Vec<Vec<f32>> =
        set.iter().map(|a| a.chunks_exact(3).flat_map(|p| [p[0], p[0], p[2]]).collect()).collect();
    assert!(distances(&swapped).iter().all(|&distance| distance > 0.02));
}

#[test]
fn noise_floor_lies_below_the_distance_of_different_sets() {
    let real = pictures(40, 1);
    let other: Vec<Vec<f32>> = pictures(20, 100).iter().map(|a| second(a, "noisy")).collect();
    let (real, other) = (slices(&real), slices(&other));
    let slicing = Slicing { projections: 128, seed: 1 };
    let pixels = |a: &[&[f32]], b: &[&[f32]]| sliced_wasserstein(a, b, slicing).map(|d| vec![d]);
    let patches = |a: &[&[f32]], b: &[&[f32]]| patch_distances(a, b, 32, 64, slicing);
    let floor = noise_floor(&real, 4, 7, patches).unwrap();
    let apart = patches(&real[..20], &other).unwrap();
    println!("patches: floor {floor:.4?}, apart {apart:.4?}");
    assert!(floor.len() == 2 && floor[0] > 0.0 && apart[0] > 2.0 * floor[0], "{floor:?} {apart:?}");
    // half the brightness is a large distance in pixels
    let dark: Vec<Vec<f32>> = real.iter().map(|a| a.iter().map(|value| value / 2.0).collect()).collect();
    let (floor, apart) = (noise_floor(&real, 4, 7, pixels).unwrap(), pixels(&real, &slices(&dark)).unwrap());
    println!("pixels: floor {floor:.4?}, apart {apart:.4?}");
    assert!(floor[0] > 0.0 && apart[0] > 1.5 * floor[0], "{floor:?} {apart:?}");
}

#[test]
fn halves_are_disjoint_equal_and_differ_by_split() {
    let set: Vec<Vec<f32>> = (0..7).map(|i| vec![i as f32]).collect();
    let seen = std::sync::Mutex::new(Vec::new());
    let mean = noise_floor(&slices(&set), 5, 3, |a, b| {
        let mut all: Vec<u32> = a.iter().chain(b).map(|vector| vector[0] as u32).collect();
        seen.lock().unwrap().push(all.clone());
        all.sort_unstable();
        all.dedup();
        assert_eq!((a.len(), b.len(), all.len()), (3, 3, 6));
        Ok(vec![seen.lock().unwrap().len() as f64, 2.0])
    });
    close(mean.as_ref().unwrap()[0], 3.0, 1e-12);
    close(mean.unwrap()[1], 2.0, 1e-12);
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 5);
    assert!(noise_floor(&slices(&set)[..1], 1, 0, |_, _| Ok(vec![])).is_err());
    assert!(
        panic_of(|| noise_floor(&slices(&set), 0, 0, |_, _| Ok(vec![])))
            .contains("noise_floor: no splits of 7")
    );
}

#[test]
fn threads_do_not_change_the_result_but_the_seed_does() {
    let (a, b) = (pictures(12, 1), pictures(9, 50));
    let distances = |seed: u64| {
        let (a, b, slicing) = (slices(&a), slices(&b), Slicing { projections: 40, seed });
        let mut found = patch_distances(&a, &b, 32, 8, slicing).unwrap();
        found.push(sliced_wasserstein(&a, &b, slicing).unwrap());
        found
    };
    let [one, three] = on_threads(|| distances(1));
    assert_eq!(one, three);
    assert!(one.iter().zip(distances(2)).all(|(one, other)| *one != other));
}

#[test]
fn shapes_and_values_are_checked() {
    let (a, b, slicing) = (vec![0.5f32; 12], vec![0.5f32; 9], Slicing::default());
    let text = panic_of(|| sliced_wasserstein(&[&a], &[&b, &b], slicing));
    assert!(text.starts_with("sliced_wasserstein: 1 vectors of 12 against 2 of 9"), "{text}");
    for (one, other) in
        [(&[][..], &[&a[..]][..]), (&[&a[..]], &[]), (&[&a[..], &b], &[&a[..]]), (&[&[][..]], &[&[]])]
    {
        assert!(panic_of(|| sliced_wasserstein(one, other, slicing)).starts_with("sliced_wasserstein: "));
    }
    let none = Slicing { projections: 0, seed: 0 };
    assert!(panic_of(|| sliced_wasserstein(&[&a], &[&a], none)).contains("no projections"));
    let mut wrong = a.clone();
    wrong[3] = f32::NAN;
    let text = sliced_wasserstein(&[&a], &[&a, &wrong], slicing).unwrap_err().to_string();
    assert_eq!(text, "sliced_wasserstein: vector 1 of the second set is not finite");
    let (real, mut flat) = (picture(32, 1), picture(32, 1));
    flat.iter_mut().skip(1).step_by(3).for_each(|value| *value = 0.25);
    let text = patch_distances(&[&real], &[&flat], 32, 4, slicing).unwrap_err().to_string();
    assert!(text.starts_with("patch_distances: level 32 of the second set is flat in channel 1"), "{text}");
    flat[0] = f32::NAN;
    // a NaN spreads at least into the coarser levels
    assert!(
        patch_distances(&[&flat], &[&real], 32, 400, slicing).unwrap_err().to_string().contains("first set")
    );
    assert!(
        panic_of(|| patch_distances(&[&real], &[&a], 32, 4, slicing))
            .contains("12 values are not a picture [32")
    );
    assert!(panic_of(|| patch_distances(&[&real], &[], 32, 4, slicing)).contains("of 1 pictures against 0"));
    assert!(panic_of(|| laplacian_pyramid(&a, 16)).contains("laplacian_pyramid: 12 values"));
}
