//! An equivalent VAE in [burn](https://burn.dev) on wgpu, for speed comparisons.
//!
//! ```sh
//! cd benches/peers/burn
//! cargo run --release -- --size 64 --hidden 64 --latent 128 --batch 16 --steps 4
//! ```
//!
//! Prints one line of JSON, as `pytorch_vae.py --bench` does. The pictures are noise, resident on the device. The first
//! `--warmup` steps (3) are not counted: in them burn compiles kernels and autotunes (`setup_seconds`), which takes
//! minutes on a software adapter. One step is too few: the second one still tunes.
//! `--rounds 5` prints a line when ready, and times the steps five times, each after a line on standard input, so that
//! other programs can run in between.
//! `CUBECL_WGPU_DEFAULT_DEVICE=Cpu` or `DiscreteGpu(0)` selects the adapter.

use std::error::Error;
use std::time::Instant;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Tensor};

const BETA: f64 = 0.2;
const LEARNING_RATE: f64 = 1e-3;

/// Four strided convolutions, two heads, a linear layer, and four transposed convolutions.
#[derive(Module, Debug)]
struct Vae {
    encoder: Vec<Conv2d>,
    fc_mu: Linear,
    fc_logvar: Linear,
    decoder_input: Linear,
    decoder: Vec<ConvTranspose2d>,
}

impl Vae {
    fn new(size: usize, hidden: usize, latent: usize, device: &Device) -> Self {
        let widths = [3, hidden, 2 * hidden, 4 * hidden, 8 * hidden];
        let flat = widths[4] * (size / 16).pow(2);
        let linear = |from, to| LinearConfig::new(from, to).init(device);
        let conv = |pair: &[usize]| {
            let config = Conv2dConfig::new([pair[0], pair[1]], [4, 4]).with_stride([2, 2]);
            config.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).init(device)
        };
        let conv_transpose = |pair: &[usize]| {
            let config = ConvTranspose2dConfig::new([pair[1], pair[0]], [4, 4]).with_stride([2, 2]);
            config.with_padding([1, 1]).init(device)
        };
        Self {
            encoder: widths.windows(2).map(conv).collect(),
            fc_mu: linear(flat, latent),
            fc_logvar: linear(flat, latent),
            decoder_input: linear(latent, flat),
            decoder: widths.windows(2).rev().map(conv_transpose).collect(),
        }
    }

    /// BCE plus beta times KL of a batch, summed, in nats.
    fn loss(&self, pictures: Tensor<4>) -> Tensor<1> {
        let code = self.encoder.iter().fold(pictures.clone(), |x, layer| relu(layer.forward(x)));
        let [batch, channels, height, width] = code.dims();
        let code = code.flatten::<2>(1, 3);
        let (mu, logvar) = (self.fc_mu.forward(code.clone()), self.fc_logvar.forward(code));
        let noise = mu.random_like(Distribution::Normal(0.0, 1.0));
        let z = mu.clone() + noise * (logvar.clone() * 0.5).exp();

        let grid = self.decoder_input.forward(z).reshape([batch, channels, height, width]);
        let (last, inner) = self.decoder.split_last().expect("the decoder has four layers");
        let logits = last.forward(inner.iter().fold(grid, |x, layer| relu(layer.forward(x))));

        // the BCE of a sigmoid from its logits: max(x, 0) - x y + log(1 + exp(-|x|)) does not overflow
        let bce = relu(logits.clone()) - logits.clone() * pictures + logits.abs().neg().exp().log1p();
        let kl = (logvar.clone() + 1.0 - mu.square() - logvar.exp()).sum() * -0.5;
        bce.sum() + kl * BETA
    }
}

/// One step of training; returns the model and the loss without waiting for the device.
fn step(model: Vae, optimizer: &mut ModuleOptimizer, pictures: &Tensor<4>) -> (Vae, Tensor<1>) {
    let loss = model.loss(pictures.clone());
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    (optimizer.step(LEARNING_RATE, model, gradients), loss.detach())
}

/// Values of `--name NUMBER` in this order, with their defaults.
const OPTIONS: [(&str, usize); 7] = [
    ("--size", 64),
    ("--hidden", 64),
    ("--latent", 128),
    ("--batch", 16),
    ("--steps", 4),
    ("--warmup", 3),
    ("--rounds", 0),
];

fn options() -> Result<[usize; OPTIONS.len()], Box<dyn Error>> {
    let mut values = OPTIONS.map(|(_, default)| default);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let place = OPTIONS.iter().position(|option| option.0 == name);
        let place = place.ok_or_else(|| format!("{name}: the options are {OPTIONS:?}"))?;
        let value = arguments.next().unwrap_or_default();
        values[place] = value.parse().map_err(|error| format!("{name} {value}: {error}"))?;
    }
    Ok(values)
}

/// Peak memory of this process, if the system reports it.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(kib.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn main() -> Result<(), Box<dyn Error>> {
    let [size, hidden, latent, batch, steps, warmup, rounds] = options()?;

    let began = Instant::now();
    let (device, setup) = Device::wgpu_options().init_with_setup()?;
    let device = device.autodiff();
    device.seed(0);
    let mut model = Vae::new(size, hidden, latent, &device);
    let mut optimizer = AdamConfig::new().with_epsilon(1e-8).init();
    let pools = [(); 4].map(|()| Tensor::random([batch, 3, size, size], Distribution::Default, &device));
    let mut loss = Tensor::zeros([1], &device);
    for pictures in pools.iter().cycle().take(warmup) {
        (model, loss) = step(model, &mut optimizer, pictures);
    }
    device.sync()?;
    let setup_seconds = began.elapsed().as_secs_f64();

    if rounds > 0 {
        println!("{}", serde_json::json!({ "setup_seconds": setup_seconds }));
    }
    for _ in 0..rounds.max(1) {
        if rounds > 0 && std::io::stdin().read_line(&mut String::new())? == 0 {
            break;
        }
        let begin = Instant::now();
        for pictures in pools.iter().cycle().take(steps) {
            (model, loss) = step(model, &mut optimizer, pictures);
        }
        device.sync()?;
        let seconds = begin.elapsed().as_secs_f64();

        let line = serde_json::json!({
            "images_per_s": (batch * steps) as f64 / seconds, "seconds": seconds, "steps": steps, "batch": batch,
            "size": size, "hidden": hidden, "latent": latent, "burn": "0.22.1",
            "device": setup.adapter.get_info().name, "setup_seconds": setup_seconds,
            "peak_memory_bytes": peak_memory(), "loss_per_image": loss.clone().into_scalar::<f32>() / batch as f32,
        });
        println!("{line}");
    }
    Ok(())
}
