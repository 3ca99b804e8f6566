//! The flow on the CPU twins: gradients of its network against central differences, and the Gaussian's error.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use wgvae::config::FlowConfig;
use wgvae::model::flow::{Flow, NO_CLASS};
use wgvae::model::{Device, StateDict, StepSettings};
use wgvae::ops::tolerance::Tolerance;
use wgvae::prior::{Component, Mixture};

use super::close;

fn random(len: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    (0..len).map(|_| rng.random::<f32>() * 2.0 - 1.0).collect()
}

/// A flow with points, targets and times; the third latent of the batch is padding.
struct Probed {
    flow: Flow,
    points: [Vec<f32>; 3],
}

impl Probed {
    fn new(config: FlowConfig, rng: &mut ChaCha8Rng) -> Self {
        let z = config.latents() as usize;
        let standard = [vec![0.0; z], vec![1.0; z]];
        let flow = Flow::new(Device::Twins, (config, 3), standard, 1).unwrap();
        let times = random(2, rng).iter().map(|t| 0.5 + 0.4 * t).collect();
        Self { flow, points: [random(2 * z, rng), random(2 * z, rng), times] }
    }

    fn at(&mut self, weights: &StateDict) -> (f64, StateDict) {
        self.flow.load(weights);
        let [x, target, t] = &self.points;
        let probe = self.flow.probe([x, target, t], &[1, NO_CLASS], &StepSettings::default()).unwrap();
        (probe.loss, probe.gradients)
    }
}

/// Every tensor: its largest gradient and five others.
fn hold(config: FlowConfig) {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut probed = Probed::new(config, &mut rng);
    let mut weights = probed.flow.weights().unwrap();
    // no layer starts at zero, so that every gradient shows
    for tensor in &mut weights.tensors {
        tensor.values.iter_mut().for_each(|value| *value += 0.3 * (rng.random::<f32>() * 2.0 - 1.0));
    }
    let (_, gradients) = probed.at(&weights);
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for (index, tensor) in gradients.tensors.iter().enumerate() {
        let len = tensor.values.len();
        let by_size = |a: &usize, b: &usize| tensor.values[*a].abs().total_cmp(&tensor.values[*b].abs());
        let largest = (0..len).max_by(by_size).unwrap();
        let mut strongest = 0.0f64;
        for element in (0..5).map(|k| k * len / 5).chain([largest]) {
            let mut moved = |by: f32| {
                let mut weights = weights.clone();
                weights.tensors[index].values[element] += by;
                (probed.at(&weights).0, f64::from(weights.tensors[index].values[element]))
            };
            let ((above, x1), (below, x0)) = (moved(4e-3), moved(-4e-3));
            let numeric = ((above - below) / (x1 - x0)) as f32;
            let analytic = tensor.values[element];
            checked += 1;
            strongest = strongest.max(f64::from(numeric).abs());
            if Tolerance::GRADIENT.max_error(&[analytic], &[numeric]).1 > 1.0 {
                wrong.push(format!("{}[{element}]: {analytic}, differences say {numeric}", tensor.name));
            }
        }
        if strongest < 2.0 * Tolerance::GRADIENT.abs {
            wrong.push(format!("{}: gradients up to {strongest} prove nothing", tensor.name));
        }
    }
    println!("{checked} parameters of {} tensors", gradients.tensors.len());
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_flow_of_a_grid_has_its_gradient() {
    hold(FlowConfig { edge: 4, channels: 4, width: 4, blocks: 1, classes: 2 });
}

#[test]
fn the_flow_of_a_vector_has_its_gradient() {
    hold(FlowConfig { edge: 1, channels: 5, width: 8, blocks: 2, classes: 2 });
}

/// Independent latents of variance v: the error at time t is v / ((1 - t)^2 + t^2 v), which for v = 1 is
/// 1 / (1 - 2 t (1 - t)); and latents that are all the same number have nothing left to learn.
#[test]
fn the_error_of_a_gaussian_is_known() {
    let gaussian = |factor: Vec<f64>, dims: usize| Mixture {
        dims,
        components: vec![Component { weight: 1.0, mean: vec![0.5; dims], factor }],
    };
    // by a sum over quantiles of the logistic-normal times
    let mut sum = 0.0;
    let n = 200_000;
    for i in 0..n {
        let u = -6.0 + 12.0 * (f64::from(i) + 0.5) / f64::from(n);
        let t = 1.0 / (1.0 + (-u).exp());
        let density = (-0.5 * u * u).exp() / std::f64::consts::TAU.sqrt();
        sum += 12.0 / f64::from(n) * density / (1.0 - 2.0 * t * (1.0 - t));
    }
    let independent = gaussian(vec![2.0, 0.0, 3.0], 2);
    close(independent.flow_error(&[2.0, 3.0]).unwrap(), sum, 1e-5);
    // both latents equal except for a millionth: one axis of variance 2, one of nearly nothing
    let equal = gaussian(vec![1.0, 1.0, 1e-6], 2);
    let one_axis = gaussian(vec![2f64.sqrt(), 0.0, 2f64.sqrt()], 2);
    let half = one_axis.flow_error(&[1.0, 1.0]).unwrap() / 2.0;
    close(equal.flow_error(&[1.0, 1.0]).unwrap(), half, 1e-5);
}
