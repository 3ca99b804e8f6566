//! Schedules of the learning rate, beta, capacity and EMA decay, and early stopping.
//! Read this to add a schedule.

use crate::checkpoint::{Replanned, State};
use crate::config::{self, BetaSchedule, LrSchedule, TrainConfig};
use crate::model::{Loss, StepSettings};

/// Epochs without a lower validation loss after which the plateau schedule lowers the learning rate.
pub(super) const PLATEAU: u32 = 3;
/// Factor by which the plateau schedule lowers the learning rate.
const LR_DROP: f64 = 0.5;
/// Steps of a training below which `auto` lets beta grow, and the part of them during which it does.
const SHORT: (f64, f64) = (1500.0, 0.3);
/// Part of each cycle of the cyclical schedule during which beta grows.
const GROWING: f64 = 0.5;

/// The settings of the next step, for epochs of `steps` steps.
pub(super) fn settings(state: &State, steps: u64) -> StepSettings {
    let config = &state.config;
    let (objective, optimizer) = (&config.objective, &config.optimizer);
    let (beta, capacity) = beta_and_capacity(state, steps);
    StepSettings {
        seed: config.seed,
        step: state.step,
        lr: lr(state, steps),
        beta,
        capacity,
        free_bits: objective.free_bits,
        mmd: objective.mmd,
        weight_decay: optimizer.weight_decay,
        average: optimizer.ema.map_or(0.0, |decay| 1.0 - ema_decay(decay, state.step)),
    }
}

/// Decay of the running average after `step` steps: small at first, so that the initial parameters are soon forgotten.
/// Source: TensorFlow's `ExponentialMovingAverage` with `num_updates`.
pub(super) fn ema_decay(decay: f64, step: u64) -> f64 {
    let t = step as f64;
    decay.min((1.0 + t) / (10.0 + t))
}

/// Number of steps of this run before the next one. It may differ from Adam's step, which may include steps in another
/// program.
fn position(state: &State, steps: u64) -> f64 {
    (u64::from(state.epoch - 1) * steps + state.step_in_epoch) as f64
}

/// The position of the next step in the schedules, and the number of epochs that they were planned for. These equal
/// [`position`] and the run's epochs, unless the number of epochs was changed during the run.
fn planned_position(state: &State, steps: u64) -> (f64, f64) {
    let step = position(state, steps);
    let Some(Replanned { planned, place, done }) = state.replanned else {
        return (step, f64::from(state.config.epochs));
    };
    let (all, steps) = (f64::from(planned), steps as f64);
    let left = (f64::from(state.config.epochs) - done).max(f64::MIN_POSITIVE);
    let gone = ((step / steps - done) / left).clamp(0.0, 1.0);
    ((place + (all - place) * gone) * steps, all)
}

fn lr(state: &State, steps: u64) -> f64 {
    let TrainConfig { lr, optimizer, .. } = &state.config;
    let (step, warmup) = (position(state, steps), optimizer.warmup as f64);
    let warm = config::warmup(step, warmup);
    let course = match optimizer.lr_schedule {
        LrSchedule::Constant => 1.0,
        LrSchedule::Cosine => {
            let (step, epochs) = planned_position(state, steps);
            let all = (epochs * steps as f64 - warmup).max(1.0);
            config::cosine((step - warmup) / all)
        }
        LrSchedule::Plateau => {
            let drops = state.lr_drops.iter().filter(|&&epoch| epoch < state.epoch).count();
            LR_DROP.powi(drops as i32)
        }
    };
    lr * warm * course
}

/// The weight of KL, and its target capacity.
fn beta_and_capacity(state: &State, steps: u64) -> (f64, f64) {
    let config = &state.config;
    let objective = &config.objective;
    // the ramp's length in epochs does not depend on the length of the run
    let (step, ramp) = match objective.beta_epochs {
        Some(epochs) => (position(state, steps), epochs),
        None => {
            let (step, epochs) = planned_position(state, steps);
            let part = match objective.beta_schedule {
                BetaSchedule::Cyclical => 1.0,
                BetaSchedule::Auto if epochs * steps as f64 >= SHORT.0 => 0.0,
                BetaSchedule::Auto => SHORT.1,
                _ => 0.5,
            };
            (step, part * epochs)
        }
    };
    let done = if ramp > 0.0 { step / (ramp * steps as f64).max(1.0) } else { 1.0 };
    match objective.beta_schedule {
        BetaSchedule::Constant => (config.beta, 0.0),
        BetaSchedule::Linear | BetaSchedule::Auto => (config.beta * done.min(1.0), 0.0),
        BetaSchedule::Cyclical if done >= 1.0 => (config.beta, 0.0),
        BetaSchedule::Cyclical => {
            let within = (done * f64::from(objective.beta_cycles)).fract();
            (config.beta * (within / GROWING).min(1.0), 0.0)
        }
        BetaSchedule::Capacity => (config.beta, objective.capacity * done.min(1.0)),
    }
}

impl TrainConfig {
    /// The final capacity: validation losses of all epochs are computed with it.
    pub(super) fn capacity(&self) -> f64 {
        match self.objective.beta_schedule {
            BetaSchedule::Capacity => self.objective.capacity,
            _ => 0.0,
        }
    }

    /// The loss by which epochs are compared: with the full beta and the final capacity, without the other terms of the
    /// objective.
    pub(super) fn selection_loss(&self, loss: Loss) -> f64 {
        match self.objective.beta_schedule {
            BetaSchedule::Capacity => loss.nll + self.beta * loss.kl_penalty,
            _ => loss.total(self.beta),
        }
    }
}

impl State {
    /// This state with other settings. If these change the selection loss, best checkpoint and patience are reset.
    pub(super) fn with_config(self, config: TrainConfig) -> Self {
        let key = |config: &TrainConfig| (config.beta.to_bits(), config.capacity().to_bits());
        let same = key(&self.config) == key(&config);
        let (best, bad_epochs) = if same { (self.best, self.bad_epochs) } else { (None, 0) };
        Self { config, best, bad_epochs, ..self }
    }

    /// Plans the schedules for `epochs` epochs of `steps` steps. They continue from their current position; with
    /// `from_start` they are recomputed from the start of the run, which may make them jump.
    pub fn replan(&mut self, epochs: u32, steps: u64, from_start: bool) {
        if from_start {
            self.replanned = None;
        } else if epochs != self.config.epochs {
            let (place, all) = planned_position(self, steps);
            let epochs_of = |step: f64| step / steps as f64;
            self.replanned = Some(Replanned {
                planned: all as u32,
                place: epochs_of(place),
                done: epochs_of(position(self, steps)),
            });
        }
        self.config.epochs = epochs;
    }

    /// The learning rate and beta of the next step, for epochs of `steps` steps.
    pub fn rates(&self, steps: u64) -> (f64, f64) {
        (lr(self, steps), beta_and_capacity(self, steps).0)
    }

    /// Records whether an epoch's validation loss was the best so far, and whether the plateau schedule lowers the
    /// learning rate.
    pub(super) fn record_validation(&mut self, better: bool) {
        self.bad_epochs = if better { 0 } else { self.bad_epochs + 1 };
        if self.config.optimizer.lr_schedule == LrSchedule::Plateau
            && self.bad_epochs > 0
            && self.bad_epochs.is_multiple_of(PLATEAU)
        {
            self.lr_drops.push(self.epoch);
        }
    }

    /// Whether the patience of early stopping is used up.
    pub fn out_of_patience(&self) -> bool {
        self.config.optimizer.patience.is_some_and(|patience| self.bad_epochs >= patience)
    }
}

#[cfg(test)]
mod tests {
    use super::{beta_and_capacity, lr, settings};
    use crate::checkpoint::{Best, State};
    use crate::config::{BetaSchedule, LrSchedule, ModelConfig, TrainConfig};
    use crate::model::Loss;

    /// 10 epochs of 8 steps.
    fn state() -> State {
        State::new(TrainConfig {
            model: ModelConfig::DEMO,
            batch_size: 4,
            epochs: 10,
            lr: 0.1,
            beta: 2.0,
            ..TrainConfig::default()
        })
    }

    fn at<T>(state: &mut State, steps: &[u64], of: impl Fn(&State, u64) -> T) -> Vec<T> {
        let at_step = |&step: &u64| {
            // as if another program had done a thousand steps before
            (state.step, state.epoch, state.step_in_epoch) = (1000 + step, (step / 8 + 1) as u32, step % 8);
            of(state, 8)
        };
        steps.iter().map(at_step).collect()
    }

    #[test]
    fn the_learning_rate_warms_up_and_follows_its_course() {
        let mut state = state();
        assert_eq!(at(&mut state, &[0, 40, 79], lr), [0.1, 0.1, 0.1]);
        state.config.optimizer.warmup = 4;
        assert_eq!(at(&mut state, &[0, 1, 3, 4, 79], lr), [0.025, 0.05, 0.1, 0.1, 0.1]);
        state.config.optimizer.warmup = 0;
        state.config.optimizer.lr_schedule = LrSchedule::Cosine;
        let course = at(&mut state, &[0, 40, 80, 200], lr);
        assert!((course[0] - 0.1).abs() < 1e-15 && (course[1] - 0.05).abs() < 1e-15, "{course:?}");
        assert!(course[2] == 0.0 && course[3] == 0.0, "{course:?}");
    }

    #[test]
    fn auto_lets_beta_grow_in_short_trainings_only() {
        let mut state = state();
        state.config.objective.beta_schedule = BetaSchedule::Auto;
        let beta = |state: &State, steps| beta_and_capacity(state, steps).0;
        // 80 steps: a ramp of 24
        assert_eq!(at(&mut state, &[0, 6, 12, 24, 79], beta), [0.0, 0.5, 1.0, 2.0, 2.0]);
        state.config.epochs = 187;
        assert_eq!(at(&mut state, &[0], beta), [0.0], "1496 steps");
        state.config.epochs = 188;
        assert_eq!(at(&mut state, &[0, 6], beta), [2.0, 2.0], "1504 steps");
    }

    /// Four epochs of a cosine, then forty more: there is no jump, and the cosine ends with the last epoch.
    #[test]
    fn schedules_go_on_where_they_are_after_a_change_of_epochs() {
        let mut state = state();
        state.config.optimizer.lr_schedule = LrSchedule::Cosine;
        state.config.objective.beta_schedule = BetaSchedule::Linear;
        (state.epoch, state.step_in_epoch) = (5, 0);
        let before = state.rates(8);
        state.replan(40, 8, false);
        let after = state.rates(8);
        assert!(
            (before.0 - after.0).abs() < 1e-15 && (before.1 - after.1).abs() < 1e-15,
            "{before:?} {after:?}"
        );
        let course = at(&mut state, &[32, 33, 100, 200, 320], |state, steps| state.rates(steps));
        assert!(course.is_sorted_by(|a, b| a.0 > b.0 && a.1 <= b.1), "{course:?}");
        assert_eq!(course[4], (0.0, 2.0));
        // another change, in the middle of an epoch
        (state.epoch, state.step_in_epoch) = (13, 4);
        let before = state.rates(8);
        state.replan(20, 8, false);
        let after = state.rates(8);
        assert!(
            (before.0 - after.0).abs() < 1e-15 && (before.1 - after.1).abs() < 1e-15,
            "{before:?} {after:?}"
        );
        assert_eq!(at(&mut state, &[160], lr), [0.0]);
        // from the start: as if forty had been planned from the start
        (state.epoch, state.step_in_epoch) = (5, 0);
        state.replan(40, 8, true);
        let cosine = 0.05 * (1.0 + (std::f64::consts::PI * 0.1).cos());
        assert!((state.rates(8).0 - cosine).abs() < 1e-15 && state.rates(8).1 == 0.4, "{:?}", state.rates(8));
    }

    #[test]
    fn a_schedule_that_has_ended_stays_at_its_end() {
        let mut state = state();
        state.config.optimizer.lr_schedule = LrSchedule::Cosine;
        (state.epoch, state.step_in_epoch) = (11, 0);
        state.replan(40, 8, false);
        assert_eq!(at(&mut state, &[80, 200, 320], lr), [0.0; 3]);
        // a ramp given in epochs does not change with the number of epochs
        state.config.objective.beta_schedule = BetaSchedule::Linear;
        state.config.objective.beta_epochs = Some(20.0);
        assert_eq!(at(&mut state, &[80, 160], |state, steps| state.rates(steps).1), [1.0, 2.0]);
    }

    #[test]
    fn the_plateau_halves_it_after_three_epochs_without_progress() {
        let mut state = state();
        state.config.optimizer.lr_schedule = LrSchedule::Plateau;
        let mut rates = Vec::new();
        for better in [true, false, false, true, false, false, false, false, false, false] {
            rates.push(lr(&state, 8));
            state.record_validation(better);
            state.epoch += 1;
        }
        rates.push(lr(&state, 8));
        assert_eq!(rates, [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025]);
        // a repeated step of an earlier epoch has that epoch's rate
        state.epoch = 7;
        assert_eq!(lr(&state, 8), 0.1);
    }

    #[test]
    fn losses_under_another_beta_are_not_compared() {
        let mut before = state();
        before.best = Some(Best { name: "epoch_0001".into(), loss: 1.0 });
        before.bad_epochs = 2;
        let config = TrainConfig { lr: 1.0, ..before.config.clone() };
        assert_eq!((before.clone().with_config(config).bad_epochs, before.best.is_some()), (2, true));
        let after = before.clone().with_config(TrainConfig { beta: 3.0, ..before.config.clone() });
        assert_eq!((after.bad_epochs, after.best), (0, None));
    }

    /// KL is 10 nats, 15 below the final capacity.
    #[test]
    fn epochs_compare_under_the_final_capacity() {
        let mut state = state();
        let loss = Loss { nll: 100.0, kl: 10.0, kl_penalty: 15.0, mmd: 7.0, errors: None };
        assert_eq!((state.config.capacity(), state.config.selection_loss(loss)), (0.0, 120.0));
        state.config.objective.beta_schedule = BetaSchedule::Capacity;
        assert_eq!((state.config.capacity(), state.config.selection_loss(loss)), (25.0, 130.0));
    }

    #[test]
    fn patience_ends_after_so_many_epochs_without_progress() {
        let mut state = state();
        state.config.optimizer.patience = Some(2);
        let ends: Vec<bool> = [false, true, false, false]
            .map(|better| {
                state.record_validation(better);
                state.out_of_patience()
            })
            .into();
        assert_eq!(ends, [false, false, false, true]);
        state.config.optimizer.patience = None;
        assert!(!state.out_of_patience());
    }

    #[test]
    fn beta_follows_its_schedule() {
        let mut state = state();
        let beta = |state: &State, steps: u64| beta_and_capacity(state, steps).0;
        assert_eq!(at(&mut state, &[0, 79], beta), [2.0, 2.0]);
        state.config.objective.beta_schedule = BetaSchedule::Linear;
        assert_eq!(at(&mut state, &[0, 10, 20, 40, 79], beta), [0.0, 0.5, 1.0, 2.0, 2.0]);
        state.config.objective.beta_epochs = Some(1.0);
        assert_eq!(at(&mut state, &[0, 4, 8, 9], beta), [0.0, 1.0, 2.0, 2.0]);
        // four cycles of 20 steps, the first 10 of each growing
        state.config.objective.beta_epochs = None;
        state.config.objective.beta_schedule = BetaSchedule::Cyclical;
        assert_eq!(
            at(&mut state, &[0, 5, 10, 19, 20, 25, 70, 80], beta),
            [0.0, 1.0, 2.0, 2.0, 0.0, 1.0, 2.0, 2.0]
        );
        state.config.objective.beta_schedule = BetaSchedule::Capacity;
        assert_eq!(
            at(&mut state, &[0, 20, 40, 79], beta_and_capacity),
            [(2.0, 0.0), (2.0, 12.5), (2.0, 25.0), (2.0, 25.0)]
        );
    }

    #[test]
    fn the_average_forgets_the_beginning_and_then_keeps_to_its_decay() {
        let mut state = state();
        let average = |state: &State, steps: u64| settings(state, steps).average;
        assert_eq!(at(&mut state, &[0, 5], average), [0.0, 0.0]);
        state.config.optimizer.ema = Some(0.9);
        let rates = [0, 10, 1000].map(|step| (state.step = step, average(&state, 8)).1);
        assert!((rates[0] - 0.9).abs() < 1e-12 && (rates[1] - 0.45).abs() < 1e-12, "{rates:?}");
        assert!((rates[2] - 0.1).abs() < 1e-12, "{rates:?}");
    }
}
