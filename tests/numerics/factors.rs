//! MIG, SAP and DCI.

use wgvae::metrics::{Kind, Samples};

use crate::formulas::{normal, table, uniform};
use crate::{close, on_threads, panic_of};

const TWO: [Kind; 2] = [Kind::Continuous; 2];

/// A table with the rows returned by `row`.
fn rows<const N: usize>(count: usize, row: impl Fn(usize) -> [f64; N]) -> Vec<f64> {
    (0..count).flat_map(row).collect()
}

/// A grid of two continuous factors.
fn grid(i: usize) -> [f64; 2] {
    [(i % 40) as f64, (i / 40) as f64]
}

#[test]
fn a_latent_for_each_factor_scores_1() {
    let factors = rows(1600, grid);
    // scaled, shifted, swapped, and one constant latent
    let latents = rows(1600, |i| [0.3 - 0.1 * grid(i)[1], 1.0, 2.0 * grid(i)[0]]);
    let samples = Samples::new(&latents, 3, &factors, &TWO).unwrap();
    let (mig, sap, dci) = (samples.mig(), samples.sap(), samples.dci(1).unwrap());
    println!("separate: MIG {mig:?}, SAP {sap:?}, {dci:?}");
    close(mig.mean, 1.0, 1e-9);
    close(sap.mean, 1.0, 1e-9);
    close(dci.disentanglement, 1.0, 1e-6);
    close(dci.completeness.mean, 1.0, 1e-6);
    close(dci.error.mean, 0.0, 2e-3);
    assert!(dci.importance[1] > 0.99 && dci.importance[4] > 0.99 && dci.importance[2..4] == [0.0; 2]);
}

#[test]
fn a_rotation_entangles_by_its_angle() {
    let factors = rows(1600, grid);
    for (degrees, gap) in [(45.0, 0.0), (30.0, 0.5)] {
        let (sin, cos) = f64::to_radians(degrees).sin_cos();
        let latents = rows(1600, |i| {
            let [a, b] = grid(i);
            [cos * a + sin * b, cos * b - sin * a]
        });
        let samples = Samples::new(&latents, 2, &factors, &TWO).unwrap();
        let (mig, sap, dci) = (samples.mig(), samples.sap(), samples.dci(1).unwrap());
        println!(
            "rotated by {degrees}: MIG {:.4}, SAP {:.4}, DCI {:.4} {:.4} {:.4}",
            mig.mean, sap.mean, dci.disentanglement, dci.completeness.mean, dci.error.mean
        );
        // R^2 is cos^2 and sin^2, and the weights are proportional to cos and sin
        close(sap.mean, gap, 1e-9);
        let share = cos / (cos + sin);
        let known = 1.0 + share * share.log2() + (1.0 - share) * (1.0 - share).log2();
        close(dci.disentanglement, known, 2e-3);
        close(dci.completeness.mean, known, 2e-3);
        close(dci.error.mean, 0.0, 5e-3);
        match degrees {
            45.0 => close(mig.mean, 0.0, 0.02),
            _ => assert!((0.02..0.3).contains(&mig.mean)),
        }
    }
}

#[test]
fn noise_scores_0() {
    let factors = rows(4000, |i| [uniform(1, i), (4.0 * uniform(2, i)).floor()]);
    let latents = rows(4000, |i| [3, 4, 5, 6].map(|stream| normal(stream, i)));
    let samples = Samples::new(&latents, 4, &factors, &[Kind::Continuous, Kind::Discrete]).unwrap();
    let (mig, sap, dci) = (samples.mig(), samples.sap(), samples.dci(1).unwrap());
    println!(
        "noise: MIG {:.4}, SAP {:.4}, DCI {:.4} {:.4} {:.4}",
        mig.mean, sap.mean, dci.disentanglement, dci.completeness.mean, dci.error.mean
    );
    assert!(mig.mean < 0.01 && sap.mean < 0.01);
    // the error is that of no prediction, and the weights are small
    assert!((0.95..1.05).contains(&dci.error.mean), "{:?}", dci.error);
    assert!(dci.importance.iter().all(|&weight| weight < 0.05), "{:?}", dci.importance);
}

#[test]
fn a_noisy_copy_of_a_bit_has_a_known_gap() {
    // the second latent equals the bit except in one of ten rows: ln 2 - h(0.1) nats of it
    let factors = rows(1000, |i| [(i % 2) as f64]);
    let latents = rows(1000, |i| [(i % 2) as f64, ((i + usize::from(i / 2 % 10 == 0)) % 2) as f64]);
    let samples = Samples::new(&latents, 2, &factors, &[Kind::Discrete]).unwrap();
    let entropy = -(0.1f64.ln() * 0.1 + 0.9f64.ln() * 0.9);
    close(samples.mig().mean, entropy / 2f64.ln(), 1e-9);
    close(samples.sap().mean, 0.1, 1e-9); // balanced accuracies of 1 and 0.9
    // a single latent has no second best
    let alone = Samples::new(&rows(1000, |i| [(i % 2) as f64]), 1, &factors, &[Kind::Discrete]).unwrap();
    close(alone.mig().mean, 1.0, 1e-9);
    close(alone.sap().mean, 1.0, 1e-9);
    assert_eq!(alone.dci(0).unwrap().completeness.mean, 1.0);
    // a constant latent does not count as second best by guessing
    let idle = rows(1000, |i| [2.0, (i % 2) as f64]);
    close(Samples::new(&idle, 2, &factors, &[Kind::Discrete]).unwrap().sap().mean, 1.0, 1e-9);
}

#[test]
fn scores_are_those_of_scikit_learn() {
    let (latents, factors) = table();
    let samples = Samples::new(&latents, 4, &factors, &[Kind::Continuous, Kind::Discrete]).unwrap();
    let (mig, sap) = (samples.mig(), samples.sap());
    for (got, want) in mig.factors.iter().zip([0.289298463110, 0.453361244501]) {
        close(*got, want, 1e-9);
    }
    for (got, want) in sap.factors.iter().zip([0.644155171511, 0.283141887714]) {
        close(*got, want, 1e-9);
    }
    close(mig.mean, (0.289298463110 + 0.453361244501) / 2.0, 1e-9);
}

#[test]
fn thresholds_are_as_good_as_they_can_be() {
    // the best threshold has one 7 wrong; if three latents are equal, it has at least one -1 wrong
    let score = |latents: &[f64], names: &[f64]| {
        Samples::new(latents, 1, names, &[Kind::Discrete]).unwrap().sap().mean
    };
    let names = [7.0, 7.0, 7.0, 7.0, -1.0, 7.0, -1.0, -1.0];
    let rising = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    close(score(&rising, &names), (4.0 / 5.0 + 1.0) / 2.0, 1e-12);
    close(score(&rising.map(|value| -value), &names), (4.0 / 5.0 + 1.0) / 2.0, 1e-12);
    let tied = [1.0, 2.0, 3.0, 5.0, 5.0, 5.0, 7.0, 8.0];
    close(score(&tied, &names), (1.0 + 2.0 / 3.0) / 2.0, 1e-12);
}

#[test]
fn error_is_what_the_latents_do_not_tell() {
    // half of the factor's variance is noise
    let latents = rows(4000, |i| [normal(1, i)]);
    let factors = rows(4000, |i| [normal(1, i) + normal(2, i)]);
    let dci = Samples::new(&latents, 1, &factors, &[Kind::Continuous]).unwrap().dci(1).unwrap();
    close(dci.error.mean, 0.5f64.sqrt(), 0.05);
    close(dci.importance[0], 0.5f64.sqrt(), 0.03);
}

#[test]
fn names_are_not_amounts() {
    // categories that no line predicts: the middle one of three has its own latent
    let name = |i: usize| (i % 3) as f64;
    let factors = rows(600, |i| [name(i)]);
    let latents = rows(600, |i| [f64::from(i % 3 == 1), uniform(1, i)]);
    let discrete = Samples::new(&latents, 2, &factors, &[Kind::Discrete]).unwrap().dci(2).unwrap();
    let amount = Samples::new(&latents, 2, &factors, &[Kind::Continuous]).unwrap().dci(2).unwrap();
    println!("as names {:?}, as an amount {:?}", discrete.error, amount.error);
    assert!(discrete.error.mean < 0.8 && amount.error.mean > 0.9);
    assert!(discrete.completeness.mean > 0.8);
}

#[test]
fn threads_do_not_change_the_scores() {
    let (latents, factors) = table();
    let samples = Samples::new(&latents, 4, &factors, &[Kind::Continuous, Kind::Discrete]).unwrap();
    let [one, three] = on_threads(|| (samples.mig(), samples.sap(), samples.dci(3).unwrap()));
    assert_eq!(one, three);
    assert_ne!(one.2.error, samples.dci(4).unwrap().error);
}

#[test]
fn shapes_and_values_are_checked() {
    let (latents, factors) = (rows(30, |i| [i as f64, 1.0]), rows(30, |i| [(i % 3) as f64]));
    let kinds = [Kind::Discrete];
    let text = panic_of(|| Samples::new(&latents, 2, &factors[..29], &kinds));
    assert!(text.contains("Samples::new: latents [30, 2] and factors [29, 1]"), "{text}");
    assert!(panic_of(|| Samples::new(&latents, 7, &factors, &kinds)).contains("60 values are not rows of 7"));
    assert!(panic_of(|| Samples::new(&[], 2, &factors, &kinds)).contains("Samples::new, latents: 0 values"));
    assert!(
        panic_of(|| Samples::new(&latents, 2, &factors, &[])).contains("Samples::new, factors: 30 values")
    );
    let mut wrong = latents.clone();
    wrong[9] = f64::NAN;
    let refusal =
        |latents: &[f64], factors: &[f64]| Samples::new(latents, 2, factors, &kinds).unwrap_err().to_string();
    assert_eq!(refusal(&wrong, &factors), "Samples::new: row 4 of latent 1 is NaN");
    assert_eq!(refusal(&latents, &[5.0; 30]), "Samples::new: factor 0 is 5 in all 30 rows");
    let few = Samples::new(&latents[..38], 2, &factors[..19], &kinds).unwrap();
    assert!(few.dci(0).unwrap_err().to_string().starts_with("dci: 19 rows are too few"));
    // the only row that differs is in the test part
    let mut rare = vec![0.0; 30];
    let learnt = (0..30).filter(|&row| {
        rare.fill(0.0);
        rare[row] = 1.0;
        Samples::new(&latents, 2, &rare, &[Kind::Continuous]).unwrap().dci(0).is_ok()
    });
    assert_eq!(learnt.count(), 24);
}
