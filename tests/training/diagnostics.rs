//! The advisor's output for synthetic curves, and cases without output.

use wgvae::config::TrainConfig;
use wgvae::train::diagnostics::{Advisor, Curves, Setup};

const SETUP: Setup = Setup { latent: 32, batch: 64, micro: 16, pictures: 2000, decoded: 0 };

/// Epoch `epoch` of a healthy training.
fn healthy(epoch: u32) -> Curves {
    let fall = 1.0 / f64::from(epoch);
    Curves {
        epoch,
        step: 125 * u64::from(epoch),
        train_loss: 7000.0 + 500.0 * fall,
        train_kl: 40.0 - 20.0 * fall,
        validation_loss: Some(7050.0 + 500.0 * fall),
        lr: 1e-3,
        beta: 0.2,
        seconds: 20.0,
        waited: 0.5,
        kl: vec![1.25; 32],
    }
}

/// The advice over `epochs` epochs, each modified by `change`.
fn said(epochs: u32, change: impl Fn(&mut Curves)) -> Vec<(u32, String)> {
    let mut advisor = Advisor::new(SETUP);
    assert!(advisor.begins().is_empty());
    let of = |advisor: &mut Advisor, epoch| {
        let mut curves = healthy(epoch);
        change(&mut curves);
        advisor.epoch(curves).into_iter().map(move |line| (epoch, line)).collect::<Vec<_>>()
    };
    (1..=epochs).flat_map(|epoch| of(&mut advisor, epoch)).collect()
}

/// Checks that there is exactly one piece of advice, in this epoch, with all of these parts.
#[track_caller]
fn once(said: &[(u32, String)], epoch: u32, parts: &[&str]) {
    let [(of, line)] = said else { panic!("not one piece of advice: {said:?}") };
    assert_eq!(*of, epoch, "{line}");
    for part in parts {
        assert!(line.contains(part), "{part:?} is missing in {line}");
    }
}

#[test]
fn a_healthy_training_hears_nothing() {
    assert_eq!(said(30, |_| {}), []);
    // neither does one that is only beginning: its latents carry no information yet
    assert_eq!(
        said(1, |curves| {
            curves.train_kl = 0.001;
            curves.kl = vec![0.0; 32];
            curves.step = 10_000;
        }),
        []
    );
}

#[test]
fn unused_dimensions_are_counted() {
    let with = |unused: usize| move |curves: &mut Curves| curves.kl[..unused].fill(0.0099);
    once(&said(6, with(17)), 2, &["17 of 32 latent dimensions", "0.01 nats", "--free-bits", "it is 0.2"]);
    assert_eq!(said(6, with(16)), [], "half of them are used");
    assert_eq!(said(6, |curves| curves.kl.fill(0.01)), [], "as much as counts");
    // only after 200 steps, and from the second epoch on
    let early = |curves: &mut Curves| {
        curves.kl.fill(0.0);
        curves.step = 99 * u64::from(curves.epoch);
    };
    once(&said(4, early), 3, &["32 of 32"]);
    // reported again when the number of used dimensions has halved, and only then
    let worse = |curves: &mut Curves| {
        let unused = if curves.epoch < 4 {
            20
        } else if curves.epoch < 6 {
            22
        } else {
            27
        };
        curves.kl[..unused].fill(0.0);
    };
    let lines = said(9, worse);
    let when: Vec<u32> = lines.iter().map(|(epoch, _)| *epoch).collect();
    assert_eq!(when, [2, 6], "{lines:?}");
    assert!(lines[1].1.contains("27 of 32"), "{lines:?}");
    // a model without inspected latents
    assert_eq!(said(6, |curves| curves.kl.clear()), []);
}

#[test]
fn a_divergence_that_vanishes_or_explodes_is_named() {
    let kl = |kl: f64| move |curves: &mut Curves| curves.train_kl = kl;
    once(&said(6, kl(0.0999)), 2, &["KL is 0.100 nats per image", "--beta (it is 0.2)"]);
    assert_eq!(said(6, kl(0.1)), []);
    // all dimensions are unused then, which is not reported separately
    let both = |curves: &mut Curves| {
        curves.train_kl = 0.01;
        curves.kl.fill(0.0);
    };
    once(&said(6, both), 2, &["KL is 0.010 nats"]);
    once(&said(6, kl(641.0)), 1, &["KL is 641 nats per image, 20.0 for each of 32", "higher --beta"]);
    assert_eq!(said(6, kl(640.0)), []);
    assert_eq!(said(6, kl(f64::INFINITY)), [], "that ends the training with an error of its own");
    assert_eq!(said(6, kl(f64::NAN)), []);
}

#[test]
fn a_step_whose_divergence_jumps_is_named() {
    let jump = |before: u64, kl: f64| {
        let mut advisor = Advisor::new(SETUP);
        (0..before).for_each(|step| assert_eq!(advisor.step(step, 16.1), None));
        advisor.step(before, kl)
    };
    let line = jump(50, 323.0).expect("advice");
    assert!(line.contains("KL of step 50 is 323 nats per image, where 16.1 was usual"), "{line}");
    assert!(line.contains("--clip-norm"), "{line}");
    assert_eq!(jump(49, 323.0), None, "too early to tell what is usual");
    assert_eq!(jump(50, 321.0), None, "not twenty times as much");
    assert_eq!(jump(50, f64::NAN), None);
    let mut small = Advisor::new(SETUP);
    (0..100).for_each(|step| assert_eq!(small.step(step, 0.1), None));
    assert_eq!(small.step(100, 319.0), None, "ten nats a dimension are not far");
}

#[test]
fn validation_that_rises_while_training_falls_is_named() {
    // the lowest is in epoch 4
    let rises = |nats: f64| {
        move |curves: &mut Curves| {
            curves.validation_loss = Some(7100.0 + nats * f64::from(curves.epoch.abs_diff(4)));
        }
    };
    let overfits = rises(4.0);
    once(
        &said(8, overfits),
        7,
        &[
            "has not fallen for 3 epochs (7100.0 in epoch 4, 7112.0 now)",
            "7125.0 to 7071.4",
            "--patience 3",
            "--flip",
        ],
    );
    let lines = said(11, overfits);
    assert_eq!(lines.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>(), [7, 10], "again when twice as bad");
    assert_eq!(said(6, overfits), [], "two epochs are no trend");
    once(&said(8, rises(2.0)), 8, &["for 4 epochs", "7108.0 now"]);
    assert_eq!(said(7, rises(2.3)), [], "less than a thousandth is noise");
    let both_rise = |curves: &mut Curves| {
        overfits(curves);
        curves.train_loss = 7000.0 + 10.0 * f64::from(curves.epoch.abs_diff(4));
    };
    assert_eq!(said(9, both_rise), [], "that is not learning by heart");
    let anneals = |curves: &mut Curves| {
        overfits(curves);
        curves.beta = 0.1 * f64::from(curves.epoch);
    };
    assert_eq!(said(9, anneals), [], "under another beta it is another loss");
    assert_eq!(said(9, |curves| curves.validation_loss = None), []);
}

#[test]
fn a_loss_that_does_not_move_is_named() {
    let within = |share: f64| {
        move |curves: &mut Curves| {
            curves.train_loss = 7000.0 * (1.0 - share * f64::from(curves.epoch % 2));
        }
    };
    once(
        &said(9, within(1.9e-4)),
        4,
        &["moved by 0.019% in 4 epochs", "--lr-schedule plateau", "it is 0.001"],
    );
    assert_eq!(said(9, within(2.1e-4)), []);
    assert_eq!(said(3, within(0.0)), [], "three epochs are too few");
    let cosine = |curves: &mut Curves| {
        within(0.0)(curves);
        curves.lr = 1e-3 * 0.5f64.powi(curves.epoch as i32);
    };
    assert_eq!(said(9, cosine), [], "a learning rate that is lowered is meant to end so");
}

#[test]
fn a_gpu_that_waits_for_pictures_is_named() {
    let waits = |seconds: f64, waited: f64| {
        move |curves: &mut Curves| (curves.seconds, curves.waited) = (seconds, waited)
    };
    once(&said(5, waits(10.0, 3.1)), 1, &["31% of the epoch (3.1 of 10.0 s)", "--resident yes"]);
    assert_eq!(said(5, waits(10.0, 3.0)), []);
    assert_eq!(said(5, waits(2.5, 2.0)), [], "two seconds are nothing");
    assert_eq!(said(5, waits(0.0, 0.0)), []);
    let mut advisor = Advisor::new(Setup { decoded: 700, ..SETUP });
    let mut curves = healthy(1);
    waits(10.0, 9.0)(&mut curves);
    let lines = advisor.epoch(curves);
    assert!(
        lines.len() == 1 && lines[0].contains("700 of 2000 pictures") && lines[0].contains("--cache"),
        "{lines:?}"
    );
}

#[test]
fn a_tiny_micro_batch_is_named_before_the_first_step() {
    let begins = |batch, micro| Advisor::new(Setup { batch, micro, ..SETUP }).begins();
    let lines = begins(24, 3);
    assert!(lines.len() == 1 && lines[0].contains("a batch of 24 is computed 3 at a time"), "{lines:?}");
    assert!(begins(23, 3).is_empty() && begins(64, 4).is_empty() && begins(1, 1).is_empty());
    let mut advisor = Advisor::new(Setup { batch: 64, micro: 1, ..SETUP });
    assert_eq!((advisor.begins().len(), advisor.begins().len()), (1, 0), "it is said once");
}

#[test]
fn what_is_in_use_is_not_advised() {
    let mut config = TrainConfig::default();
    let advice = |config: &TrainConfig| {
        let mut advisor = Advisor::with_config(SETUP, config);
        let overfits = |epoch: u32| Curves {
            validation_loss: Some(7100.0 + 4.0 * f64::from(epoch.abs_diff(4))),
            ..healthy(epoch)
        };
        (1..=8).flat_map(|epoch| advisor.epoch(overfits(epoch))).collect::<Vec<_>>().join("\n")
    };
    let all = advice(&config);
    assert!(
        all.contains("try --flip, --crop, --weight-decay 0.01 or more pictures, or let --patience 3 end"),
        "{all}"
    );
    config.augmentation.flip = true;
    config.optimizer.patience = Some(9);
    let some = advice(&config);
    assert!(some.ends_with("try --crop, --weight-decay 0.01 or more pictures"), "{some}");
    config.augmentation.crop = 0.1;
    config.optimizer.weight_decay = 0.01;
    let none = advice(&config);
    assert!(none.ends_with("try more pictures"), "{none}");
}
