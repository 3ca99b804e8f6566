//! Gradient checks of the hand-written gradients on the CPU twins, without a GPU: linear ops by their adjoints,
//! everything else by central differences with sums in `f64`.

use std::collections::BTreeSet;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use wgvae::config::{Likelihood, LossKind, ModelConfig, Sigma};
use wgvae::gpu::{Capabilities, Op, Plan, ReferenceRunner, Runner};
use wgvae::model::{Device, ModelOptions, StateDict, StepSettings, TrainFeatures, Vae};
use wgvae::ops::conv2d::{Conv2d, Conv2dTranspose, Conv2dWeightGrad, Geometry, Window};
use wgvae::ops::fused::Fused;
use wgvae::ops::gemm::variant::Variant;
use wgvae::ops::gemm::{Epilogue, Product};
use wgvae::ops::likelihood::sigmoid;
use wgvae::ops::linear::{Linear, LinearInputGrad, LinearWeightGrad};
use wgvae::ops::mmd::Mmd;
use wgvae::ops::reconstruction::Reconstruction;
use wgvae::ops::reparameterize::{Reparameterize, ReparameterizeBackward};
use wgvae::ops::squared_error::{ErrorSums, SquaredError};
use wgvae::ops::step::Step;
use wgvae::ops::tolerance::Tolerance;
use wgvae::ops::totals::SQUARED_ERRORS;
use wgvae::ops::tunable::{KernelConfig, Tunable};

/// `len` numbers between -1 and 1.
fn random(len: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    (0..len).map(|_| rng.random::<f32>() * 2.0 - 1.0).collect()
}

fn dot(a: &[f64], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, &b)| a * f64::from(b)).sum()
}

/// Random values for the operands and the output of `product`.
fn operands(product: &impl Product, rng: &mut ChaCha8Rng) -> [Vec<f32>; 3] {
    product.shapes().map(|shape| random(shape.len() as usize, rng))
}

/// The output of `product`'s twin for two operands.
fn apply(product: &impl Product, left: &[f32], right: &[f32]) -> Vec<f64> {
    let mut out = vec![f64::NAN; product.shapes()[2].len() as usize];
    product.twin(left, right, &mut |at, sum| out[at] = sum);
    out
}

/// Checks that all numbers are equal. The sums are in `f64`, so only the last rounding to `f32` differs.
fn same(what: &str, sums: &[f64]) {
    for &sum in sums {
        let (_, share) = Tolerance::ELEMENTWISE.max_error(&[sum as f32], &[sums[0] as f32]);
        assert!(share <= 1.0 && sums[0].abs() > 1e-3, "{what}: {sums:?} should be equal and not vanish");
    }
}

const GEOMETRIES: [[u32; 5]; 4] = [[1, 1, 1, 4, 4], [2, 3, 5, 12, 8], [3, 4, 2, 8, 16], [1, 7, 1, 4, 12]];

fn geometry([batch, low_h, low_w, low_c, high_c]: [u32; 5]) -> Geometry {
    Geometry { batch, low_h, low_w, low_c, high_c }
}

/// Every geometry with every window.
fn convolutions() -> impl Iterator<Item = (Geometry, Window)> {
    GEOMETRIES.into_iter().map(geometry).flat_map(|g| Window::ALL.map(|window| (g, window)))
}

/// `<conv(x, w), dy> = <x, transpose(dy, w)> = <w, weight_grad(dy, x)>`
#[test]
fn convolution_has_its_adjoints() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for (g, window) in convolutions() {
        let [x, w, dy] = operands(&Conv2d::new(g, window), &mut rng);
        let forward = dot(&apply(&Conv2d::new(g, window), &x, &w), &dy);
        let input = dot(&apply(&Conv2dTranspose::new(g, window), &dy, &w), &x);
        let weight = dot(&apply(&Conv2dWeightGrad::new(g, window), &dy, &x), &w);
        same(&format!("conv2d {g:?} {window:?}"), &[forward, input, weight]);
    }
}

/// The convolution by its definition: `out[n, i, j, o] = sum of x[n, s i - p + ky, s j - p + kx, c] w[o, ky, kx, c]`.
#[test]
fn convolution_is_what_pytorch_defines() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    for (g, window) in convolutions() {
        let op = Conv2d::new(g, window);
        let [x, w, _] = operands(&op, &mut rng);
        let [k, s, p] = [window.kernel, window.stride, window.padding].map(|n| n as i64);
        let [batch, h, width, low, high] = [g.batch, g.low_h, g.low_w, g.low_c, g.high_c].map(i64::from);
        let of_x = |n: i64, y: i64, at: i64, c: i64| {
            let inside = (0..s * h).contains(&y) && (0..s * width).contains(&at);
            if inside { f64::from(x[(((n * s * h + y) * s * width + at) * high + c) as usize]) } else { 0.0 }
        };
        let mut want = Vec::new();
        for at in 0..batch * h * width * low {
            let (o, j, i, n) = (at % low, at / low % width, at / low / width % h, at / low / width / h);
            let taps = (0..k * k * high).map(|tap| {
                let (c, kx, ky) = (tap % high, tap / high % k, tap / high / k);
                of_x(n, s * i - p + ky, s * j - p + kx, c) * f64::from(w[(o * k * k * high + tap) as usize])
            });
            want.push(taps.sum::<f64>());
        }
        let got = apply(&op, &x, &w);
        assert_eq!(got.len(), want.len());
        let error = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(error < 1e-9, "{g:?} {window:?}: off by {error}");
    }
}

/// `<transpose(x, w), dy> = <x, conv(dy, w)> = <w, weight_grad(x, dy)>`
#[test]
fn transposed_convolution_has_its_adjoints() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for (g, window) in convolutions() {
        let [x, w, dy] = operands(&Conv2dTranspose::new(g, window), &mut rng);
        let forward = dot(&apply(&Conv2dTranspose::new(g, window), &x, &w), &dy);
        let input = dot(&apply(&Conv2d::new(g, window), &dy, &w), &x);
        let weight = dot(&apply(&Conv2dWeightGrad::new(g, window), &x, &dy), &w);
        same(&format!("conv2d_transpose {g:?} {window:?}"), &[forward, input, weight]);
    }
}

/// `<x wt, dy> = <x, dy w> = <w, dyt x>`
#[test]
fn the_linear_layer_has_its_adjoints() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for [rows, inputs, outputs] in [[1, 4, 4], [3, 20, 12], [5, 8, 36]] {
        let op = Linear { rows, inputs, outputs, planes: 1 };
        let [x, w, dy] = operands(&op, &mut rng);
        let forward = dot(&apply(&op, &x, &w), &dy);
        let input = dot(&apply(&LinearInputGrad { rows, inputs, outputs, planes: 1 }, &dy, &w), &x);
        let weight = dot(&apply(&LinearWeightGrad { rows, inputs, outputs, planes: 1 }, &dy, &x), &w);
        same(&format!("linear {rows}x{inputs}x{outputs}"), &[forward, input, weight]);
    }
}

/// The output of the twins of Winograd's kernels for two factors, for an output that held `before`.
fn by_winograd<P: Product>(product: P, epilogue: Epilogue, before: f32, factors: [&[f32]; 2]) -> Vec<f32> {
    let fused = Fused::plain(product, epilogue);
    let mut plan = Plan::of(&Capabilities::twins());
    let program = plan.program("points");
    let operands: Vec<_> =
        fused.operands().iter().map(|(name, shape)| plan.tensor(*name, shape.dims())).collect();
    let form = KernelConfig::Winograd { variant: Variant::PLAIN, splits: 1 };
    assert!(fused.allows(form));
    fused.record(&mut plan, program, form, &operands);
    let mut runner = ReferenceRunner::new(plan);
    runner.write_f32(&operands[0], factors[0]);
    runner.write_f32(&operands[1], factors[1]);
    runner.write_f32(&operands[3], &vec![before; operands[3].len() as usize]);
    runner.run(&[program]).expect("a run");
    runner.read(&operands[3]).expect("a result")
}

/// Winograd gives the result of each convolution, its transpose and its weight gradient.
#[test]
fn points_multiply_to_convolutions() {
    fn hold(product: impl Product, rng: &mut ChaCha8Rng, g: Geometry) {
        let [left, right, _] = operands(&product, rng);
        let direct: Vec<f32> = apply(&product, &left, &right).iter().map(|sum| *sum as f32).collect();
        let allowed = Tolerance::reduction(product.size().k.into());
        let made = by_winograd(product, Epilogue::NONE, f32::NAN, [&left, &right]);
        let added = by_winograd(product, Epilogue::ACCUMULATE, 1.0, [&left, &right]);
        let added: Vec<f32> = added.iter().map(|sum| sum - 1.0).collect();
        for (how, got) in [("made", made), ("added", added)] {
            let (at, share) = allowed.max_error(&got, &direct);
            assert!(share <= 1.0, "{g:?}, {how}: element {at} is off by {share} of what is allowed");
        }
    }
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for g in GEOMETRIES.map(geometry) {
        hold(Conv2d::from(g), &mut rng, g);
        hold(Conv2dTranspose::from(g), &mut rng, g);
        hold(Conv2dWeightGrad::from(g), &mut rng, g);
    }
    // the transforms of 33 pictures exceed one chunk: there are three chunks of eleven
    let g = Geometry { batch: 33, low_h: 64, low_w: 64, low_c: 4, high_c: 8 };
    hold(Conv2d::from(g), &mut rng, g);
    hold(Conv2dTranspose::from(g), &mut rng, g);
    hold(Conv2dWeightGrad::from(g), &mut rng, g);
}

/// Central differences of `f` with respect to every element of `at`.
fn numeric(at: &[f32], f: impl Fn(&[f32]) -> f64) -> Vec<f32> {
    let one = |i: usize| {
        let moved = |by: f32| {
            let mut x = at.to_vec();
            x[i] += by;
            (f(&x), f64::from(x[i]))
        };
        let ((above, x1), (below, x0)) = (moved(1e-2), moved(-1e-2));
        ((above - below) / (x1 - x0)) as f32
    };
    (0..at.len()).map(one).collect()
}

fn hold(what: &str, analytic: &[f32], numeric: &[f32]) {
    let (worst, share) = Tolerance::GRADIENT.max_error(analytic, numeric);
    let [a, n] = [analytic[worst], numeric[worst]];
    println!("{what}: worst element {worst}, analytic {a}, numeric {n}, {share:.3} of what is allowed");
    assert!(share <= 1.0, "{what}: element {worst} is {a}, differences say {n}");
}

/// Runs a twin on `inputs` followed by `N` outputs filled with NaN, and returns the outputs.
fn run<const N: usize>(op: &impl Op, inputs: &[&[f32]]) -> [Vec<f32>; N] {
    let operands = op.operands();
    assert_eq!(operands.len(), inputs.len() + N, "{}", op.kernel().name);
    let mut buffers: Vec<Vec<f32>> = inputs.iter().map(|input| input.to_vec()).collect();
    for ((name, shape), input) in operands.iter().zip(inputs) {
        assert_eq!(shape.len() as usize, input.len(), "{}'s {name}", op.kernel().name);
    }
    buffers.extend(operands[inputs.len()..].iter().map(|(_, shape)| vec![f32::NAN; shape.len() as usize]));
    op.twin(&mut buffers);
    buffers.split_off(inputs.len()).try_into().expect("N outputs")
}

/// Three pictures, two of them valid.
fn step(of: Step) -> Vec<f32> {
    bytemuck::cast_slice(&[Step { valid: 2, batch: 2, ..of }]).to_vec()
}

/// Plain, with free bits, and with a capacity between the two pictures' KL divergences and above both.
#[test]
fn draws_and_divergence_have_their_gradient() {
    let beta = 0.7;
    divergence(Step { beta, ..Step::default() });
    divergence(Step { beta, free_bits: 0.1, ..Step::default() });
    divergence(Step { beta, capacity: 0.67, ..Step::default() });
    divergence(Step { beta, capacity: 5.0, free_bits: 0.1, ..Step::default() });
}

fn divergence(of: Step) {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let (rows, latent, vec4s, beta) = (3, 5, 2, of.beta);
    let (step, scaling) = (step(of), [0.0; 4]); // no factor
    let z = (rows * 4 * vec4s) as usize;
    let [mut heads, eps, mut dz] = [2 * z, z, z].map(|len| random(len, &mut rng));
    // padding is zero, as in the network
    let padding = |at: usize| at % (4 * vec4s as usize) >= latent as usize;
    heads.iter_mut().enumerate().filter(|(at, _)| padding(*at)).for_each(|(_, v)| *v = 0.0);
    dz.iter_mut().enumerate().filter(|(at, _)| padding(*at)).for_each(|(_, v)| *v = 0.0);
    let forward = Reparameterize { rows, latent, vec4s, cell: vec4s };
    let loss = |heads: &[f32]| {
        let [drawn, kl] = run(&forward, &[&step, heads, &eps]);
        let kl_penalty: f64 = kl.chunks(2).map(|kl| f64::from(kl[1].abs())).sum();
        let through_z: f64 = drawn.iter().zip(&dz).map(|(&z, &d)| f64::from(z) * f64::from(d)).sum();
        through_z + f64::from(beta) * kl_penalty
    };
    let [_, kl] = run(&forward, &[&step, &heads, &eps]);
    let backward = ReparameterizeBackward::new(rows, latent, 1, None);
    let [dheads] = run(&backward, &[&step, &heads, &eps, &dz, &scaling, &kl, &[0.0; 4]]);
    let mut numeric = numeric(&heads, loss);
    // a perturbed padding would change the divergence; in the network it stays zero
    numeric.iter_mut().enumerate().filter(|(at, _)| padding(*at)).for_each(|(_, v)| *v = 0.0);
    hold(&format!("reparameterize with KL, counted {:?}, {of:?}", [kl[1], kl[3]]), &dheads, &numeric);
}

/// Three latents: two in the batch, then all three.
#[test]
fn the_discrepancy_has_its_gradient() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let op = Mmd::new(3, 5);
    let [z, p] = [24, 24].map(|len| random(len, &mut rng).iter().map(|v| 2.0 * v).collect::<Vec<f32>>());
    for total in [2, 3] {
        let step: Vec<f32> = bytemuck::cast_slice(&[Step { batch: total, ..Step::default() }]).to_vec();
        let [dz, shares] = run(&op, &[&step, &z, &p]);
        let all = |z: &[f32]| {
            let [_, shares] = run(&op, &[&step, z, &p]);
            shares.iter().map(|&v| f64::from(v)).sum()
        };
        hold(&format!("mmd of {total}"), &dz, &numeric(&z, all));
        // the estimate as in the paper
        let n = total as usize;
        let row = |of: &[f32], i: usize| of[8 * i..8 * i + 5].to_vec();
        let k = |a: Vec<f32>, b: Vec<f32>| {
            let distance: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
            10.0 / (10.0 + distance)
        };
        let pairs = || (0..n).flat_map(|i| (0..n).map(move |j| (i, j)));
        let within = |of: &[f32]| -> f64 {
            pairs().filter(|(i, j)| i != j).map(|(i, j)| k(row(of, i), row(of, j))).sum()
        };
        let across: f64 = pairs().map(|(i, j)| k(row(&z, i), row(&p, j))).sum();
        let count = n as f64;
        let mmd = (within(&z) + within(&p)) / (count * (count - 1.0)) - 2.0 * across / (count * count);
        same("n MMD", &[count * mmd, shares.iter().map(|&v| f64::from(v)).sum()]);
    }
}

#[test]
fn likelihoods_have_their_gradient_and_sum_it() {
    for &kind in LossKind::ALL {
        likelihood(Likelihood { kind, sigma: Sigma::Fixed(0.4) }.consistent());
    }
    for sigma in [Sigma::Channel, Sigma::Learned] {
        likelihood(Likelihood { kind: LossKind::Gaussian, sigma });
    }
}

fn likelihood(of: Likelihood) {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let (images, pixels) = (3, 7);
    let (name, step, scaling) = (format!("{} {}", of.kind, of.sigma), step(Step::default()), [0.0; 4]); // no factor
    let len = (images * pixels * 4) as usize;
    let logits: Vec<f32> = random(len, &mut rng).iter().map(|v| 6.0 * v).collect();
    let x: Vec<f32> = random(len, &mut rng).iter().map(|v| 0.5 + 0.5 * v).collect();
    // two of the pictures count; the most likely width of a gaussian moves with the logits
    let values = f64::from(2 * pixels);
    let errors = |logits: &[f32]| {
        let [parts] = run(&SquaredError::new(images, pixels), &[&step, logits, &x]);
        let sums = [0, 1, 2].map(|channel| parts.chunks(4).map(|part| f64::from(part[channel])).sum());
        ErrorSums { sums, values, per_channel: of.sigma == Sigma::Channel }
    };
    // the reconstruction's outputs are in front of the totals, from which a gaussian takes its width
    let reconstruct = |logits: &[f32], gradient: bool| {
        let op = Reconstruction::new(of, images, pixels, gradient);
        let mut buffers = vec![step.clone(), logits.to_vec(), x.clone(), scaling.to_vec()];
        buffers.extend(op.operands()[4..6].iter().map(|(_, shape)| vec![f32::NAN; shape.len() as usize]));
        if of.learns_sigma() {
            buffers.push(vec![-1.2; 4]);
        }
        if of.fits_sigma() {
            let mut totals = vec![0.0; 8];
            SQUARED_ERRORS.iter().zip(errors(logits).sums).for_each(|(&slot, sum)| totals[slot] = sum as f32);
            buffers.push(totals);
        }
        op.twin(&mut buffers);
        [4, 5].map(|at| buffers[at].clone())
    };
    let loss = |logits: &[f32]| {
        let [_, parts] = reconstruct(logits, false);
        let nats: f64 = parts.chunks(4).map(|part| f64::from(part[3])).sum();
        if of.fits_sigma() { nats + errors(logits).nats() } else { nats }
    };
    let [dlogits, parts] = reconstruct(&logits, true);
    hold(&name, &dlogits, &numeric(&logits, loss));
    // adding a constant to all logits of a channel changes the loss by the sum of their gradients
    for channel in 0..3 {
        let sum = parts.chunks(4).map(|part| part[channel]).sum::<f32>();
        let moved = numeric(&[0.0], |by| {
            let all = logits.iter().enumerate();
            loss(&all.map(|(i, l)| if i % 4 == channel { l + by[0] } else { *l }).collect::<Vec<_>>())
        });
        hold(&format!("{name} by channel {channel}"), &[sum], &moved);
    }
}

/// Likelihood, optional parts and settings of a step.
type Terms = (Likelihood, TrainFeatures, StepSettings);

/// A tiny model with odd sizes, and fixed pictures and draws.
struct Network {
    vae: Vae,
    pictures: Vec<f32>,
    eps: Vec<f32>,
    settings: StepSettings,
}

/// All optional terms of the objective, together.
fn every_term() -> (Likelihood, TrainFeatures, StepSettings) {
    let likelihood = Likelihood { kind: LossKind::ContinuousBernoulli, sigma: Sigma::Fixed(0.1) };
    let settings = StepSettings { beta: 0.7, capacity: 1.5, free_bits: 0.02, mmd: 3.0, ..Default::default() };
    (likelihood, TrainFeatures { mmd: true, ..TrainFeatures::default() }, settings)
}

impl Network {
    fn new(config: ModelConfig, (likelihood, extras, settings): Terms) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let pictures = random(2 * 16 * 16 * 3, &mut rng).iter().map(|v| 0.5 + 0.5 * v).collect();
        let eps = random(2 * config.latents() as usize, &mut rng);
        let build =
            ModelOptions { likelihood, extras, keep_gradients: true, ..ModelOptions::training(config, 2) };
        let vae = Vae::empty(Device::Twins, build).expect("twins have no limits");
        Self { vae, pictures, eps, settings }
    }

    /// The loss, from the network's logits and latents in `f64`, and the gradients.
    fn step(&mut self, weights: &StateDict) -> (f64, StateDict) {
        self.vae.load(weights).expect("load");
        let p = self.vae.probe(&self.pictures, &self.eps, &self.settings).expect("step");
        let likelihood = self.vae.pixel_likelihood().expect("a likelihood");
        let divergence = |(&mu, &logvar): (&f32, &f32)| {
            let (mu, logvar) = (f64::from(mu), f64::from(logvar));
            0.5 * (mu * mu + logvar.exp() - 1.0 - logvar)
        };
        let pixels = || p.logits.iter().zip(&self.pictures).map(|(&l, &x)| (f64::from(l), f64::from(x)));
        let nll = if likelihood.fits_sigma() {
            let mut sums = [0.0; 3];
            pixels().enumerate().for_each(|(i, (l, x))| sums[i % 3] += (sigmoid(l) - x).powi(2));
            let values = p.logits.len() as f64 / 3.0;
            ErrorSums { sums, values, per_channel: likelihood.sigma == Sigma::Channel }.nats()
        } else {
            pixels().map(|(l, x)| likelihood.nats(l, x)).sum::<f64>()
        };
        let heads: Vec<f64> = p.mu.iter().zip(&p.logvar).map(divergence).collect();
        let StepSettings { beta, capacity, free_bits, mmd, .. } = self.settings;
        let counted = |kl: &[f64]| (kl.iter().map(|kl| kl.max(free_bits)).sum::<f64>() - capacity).abs();
        let kl: f64 = heads.chunks(self.vae.config().latents() as usize).map(counted).sum();
        // MMD has its own test; its draws are those of the device
        (nll + beta * kl + mmd * p.loss.mmd, p.gradients)
    }

    /// The central difference for one parameter; `None` if a ReLU switches within the step, which makes the difference
    /// depend on the step size: nothing else in the network is that nonlinear.
    fn difference(&mut self, weights: &StateDict, tensor: usize, element: usize) -> Option<f32> {
        let mut moved = |by: f32| {
            let mut weights = weights.clone();
            let value = &mut weights.tensors[tensor].values[element];
            *value += by;
            let x = f64::from(*value);
            (self.step(&weights).0, x)
        };
        let mut slope = |h: f32| {
            let ((above, x1), (below, x0)) = (moved(h), moved(-h));
            ((above - below) / (x1 - x0)) as f32
        };
        let [near, far] = [slope(2e-4), slope(8e-4)];
        (Tolerance::GRADIENT.max_error(&[far], &[near]).1 <= 0.5).then_some(near)
    }
}

const REFERENCE: ModelConfig = ModelConfig::reference(16, 3, 5);

#[test]
fn the_whole_network_has_its_gradient() {
    let settings = StepSettings { beta: 0.7, ..Default::default() };
    whole(REFERENCE, (Likelihood::default(), TrainFeatures::default(), settings));
}

#[test]
fn the_spatial_network_has_its_gradient() {
    let settings = StepSettings { beta: 0.7, ..Default::default() };
    whole(ModelConfig::spatial(16, 3, 4, 4), (Likelihood::default(), TrainFeatures::default(), settings));
}

#[test]
fn the_spatial_network_has_its_gradient_under_every_other_term() {
    whole(ModelConfig::spatial(16, 2, 4, 8), every_term());
}

#[test]
fn the_whole_network_has_its_gradient_under_every_other_term() {
    whole(REFERENCE, every_term());
}

#[test]
fn the_whole_network_has_its_gradient_under_a_gaussian() {
    let spatial = ModelConfig::spatial(16, 2, 4, 8);
    for (config, sigma) in [
        (REFERENCE, Sigma::Common),
        (spatial, Sigma::Channel),
        (REFERENCE, Sigma::Learned),
        (spatial, Sigma::Learned),
    ] {
        let (_, extras, settings) = every_term();
        whole(config, (Likelihood { kind: LossKind::Gaussian, sigma }, extras, settings));
    }
}

fn whole(config: ModelConfig, terms: Terms) {
    let mut network = Network::new(config, terms);
    let mut weights = StateDict::initial(&network.vae.config(), 8);
    // larger than PyTorch's initialization, so that the gradients of the first layers do not vanish
    let of_layers = weights.tensors.iter_mut().filter(|t| t.name != "log_sigma");
    of_layers.flat_map(|t| &mut t.values).for_each(|v| *v *= 2.0);
    let (_, gradients) = network.step(&weights);
    let (mut wrong, mut worst, mut checked, mut bent) = (Vec::new(), 0.0f64, 0, 0);
    for (index, tensor) in gradients.tensors.iter().enumerate() {
        let len = tensor.values.len();
        let largest = (0..len).max_by(|&a, &b| tensor.values[a].abs().total_cmp(&tensor.values[b].abs()));
        let elements: BTreeSet<usize> = (0..6).map(|k| k * len / 6).chain(largest).collect();
        let mut strongest = 0.0f32;
        for element in elements {
            let Some(numeric) = network.difference(&weights, index, element) else {
                bent += 1;
                continue;
            };
            checked += 1;
            strongest = strongest.max(numeric.abs());
            let analytic = tensor.values[element];
            let share = Tolerance::GRADIENT.max_error(&[analytic], &[numeric]).1;
            worst = worst.max(share);
            if share > 1.0 {
                wrong.push(format!("{}[{element}]: {analytic}, differences say {numeric}", tensor.name));
            }
        }
        if f64::from(strongest) < 10.0 * Tolerance::GRADIENT.abs {
            wrong.push(format!("{}: gradients up to {strongest} prove nothing", tensor.name));
        }
    }
    let tensors = gradients.tensors.len();
    println!(
        "{checked} parameters of {tensors} tensors, {bent} more at a kink; worst {worst:.3} of what is allowed"
    );
    assert!(bent * 4 <= checked, "{bent} parameters at a kink against {checked}: take other weights");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
