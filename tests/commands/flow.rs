//! Flows on the command line: fitted, found, drawn from by class, and refused.

use std::path::Path;

use wgvae::checkpoint::{self, Model};
use wgvae::config::{FlowConfig, FlowSize, ModelConfig};
use wgvae::generate::{FittedFlow, flow_file, prior_file};
use wgvae::model::Device;
use wgvae::model::flow::Flow;

use crate::common;
use crate::common::program::{all_said as run, refuses, text, wgvae};

/// A flow with initial values, as a fit would write it.
fn write_flow(model: &Path, path: &Path, classes: &[&str]) {
    let Model { config, weights, .. } = checkpoint::open(model).expect("a model");
    let sizes = FlowConfig::new(&config, FlowSize::Small, classes.len() as u32);
    let z = sizes.latents() as usize;
    let mut flow = Flow::new(Device::Twins, (sizes, 1), [vec![0.0; z], vec![1.0; z]], 1).expect("a flow");
    // the initial velocity is zero: then the flow would draw what N(0, I) does
    let mut moved = flow.weights().expect("weights");
    let values = moved.tensors.iter_mut().flat_map(|tensor| &mut tensor.values);
    values.enumerate().for_each(|(at, value)| *value += 0.3 * (0.7 * at as f32).sin());
    flow.load(&moved);
    let flow = flow.average();
    let classes = classes.iter().map(|&name| name.to_owned()).collect();
    let model = prior_file::digest(&weights);
    let file = FittedFlow { flow: flow.expect("weights"), classes, held_out: 1.0, model };
    std::fs::write(path, file.to_bytes().expect("bytes")).expect("written");
    assert_eq!(FittedFlow::read(path, (&config, &weights)).expect("read"), file);
}

#[test]
fn a_flow_is_fitted_found_and_drawn_from() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    run(at, &["data", "synth", "pictures", "--count", "40", "--size", "32"]);
    let sizes = ["--model", "spatial", "--size", "32", "--hidden", "4", "--latent", "4", "--epochs", "1"];
    let train = |name: &str, more: &[&str]| {
        let own = ["train", "pictures", "--no-tune", "--batch-size", "8", "--name", name];
        run(at, &[&own[..], &sizes, more].concat())
    };
    // a spatial model gets a flow by default, and its Gaussian whether or not the flow is kept
    let said = train("a", &["--flow-steps", "8"]);
    assert!(said.contains("flow of") && said.contains("the best flow to one Gaussian"), "{said}");
    assert!(at.join("runs/a/prior.safetensors").is_file());
    assert!(at.join("samples/a_prior_epoch_0001.png").is_file(), "{said}");
    let said = train("b", &["--prior", "normal", "--seed", "7"]);
    assert!(!said.contains("Gaussian") && !at.join("runs/b/prior.safetensors").exists(), "{said}");
    let said = run(at, &["fit-prior", "runs/b", "pictures", "--flow", "--flow-steps", "8", "--classes"]);
    assert!(said.contains("flow of") && at.join("runs/b/prior.safetensors").is_file(), "{said}");

    // the best prior that there is: the flow, then the Gaussian, then N(0, I)
    let flow = flow_file::place(&at.join("runs/a"));
    write_flow(&at.join("runs/a"), &flow, &["desert", "snow"]);
    let draw = |out: &str, more: &[&str]| {
        run(at, &[&["sample", "runs/a", "--count", "4", "-o", out][..], more].concat())
    };
    let said = draw("auto.png", &[]);
    assert!(said.contains("prior: flow"), "{said}");
    draw("path.png", &["--prior", flow.to_str().expect("a path")]);
    draw("snow.png", &["--class", "snow", "--steps", "3"]);
    draw("fitted.png", &["--prior", "fitted"]);
    let pixels = |name: &str| image::open(at.join(name)).expect("a picture").into_rgb8();
    assert!(pixels("auto.png") == pixels("path.png"), "the file by its path is another one");
    for other in ["snow.png", "fitted.png"] {
        assert!(pixels("auto.png") != pixels(other), "the samples of {other} are those of the flow");
    }

    let bad = |args: &[&str], parts: &[&str]| {
        let command = [&["sample", "runs/a", "-o", "bad.png"][..], args].concat();
        refuses(at, &command, 2, parts);
    };
    bad(&["--class", "forest"], &["--class forest", "the classes are desert, snow"]);
    bad(&["--class", "snow", "--prior", "fitted"], &["--class: needs a flow"]);
    bad(&["--class", "snow", "--guidance", "nan"], &["--guidance"]);
    refuses(at, &["fit-prior", "runs/a", "pictures", "--classes"], 2, &["--flow"]);
    run(at, &["data", "synth", "few", "--count", "12", "--size", "32"]);
    let few = ["fit-prior", "runs/a", "few", "--flow", "-o", "few.safetensors"];
    refuses(at, &few, 2, &["a flow needs at least 20 pictures"]);
    let train = ["train", "pictures", "--prior", "gaussian", "--flow-steps", "3"];
    refuses(at, &train, 2, &["--flow-steps", "--prior flow"]);

    // a flow of another model, and a damaged one
    std::fs::copy(&flow, flow_file::place(&at.join("runs/b"))).expect("copied");
    let other = ["sample", "runs/b", "--prior", "flow"];
    let output = wgvae(at, &other);
    assert!(!output.status.success() && text(&output.stderr).contains("another model's latents"));
    let mut bytes = std::fs::read(&flow).expect("read");
    let last = bytes.len() - 1;
    bytes[last - 200..=last].fill(0xff);
    std::fs::write(&flow, bytes).expect("written");
    let output = wgvae(at, &["sample", "runs/a"]);
    let error = text(&output.stderr);
    assert!(!output.status.success() && error.contains("not a valid flow"), "{error}");
}

#[test]
fn sizes_of_flows_follow_the_model() {
    let spatial = ModelConfig::spatial(64, 16, 8, 8);
    let small = FlowConfig::new(&spatial, FlowSize::Small, 0);
    assert_eq!((small.edge, small.channels, small.latents()), (8, 8, 512));
    assert!(small.fits(&spatial) && !small.fits(&ModelConfig::spatial(64, 16, 4, 8)));
    assert!(
        small.has_lower()
            && !FlowConfig::new(&ModelConfig::reference(64, 16, 32), FlowSize::Wide, 0).has_lower()
    );
    for wrong in [
        FlowConfig { width: 6, ..small },
        FlowConfig { channels: 6, ..small },
        FlowConfig { edge: 0, ..small },
        FlowConfig { blocks: 0, ..small },
        FlowConfig { classes: 5000, ..small },
    ] {
        assert!(wrong.checked().is_err(), "{wrong:?}");
    }
}
