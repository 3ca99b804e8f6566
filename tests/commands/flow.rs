//! Flows on the command line: fitted, found, drawn from by class, and refused.

use std::path::Path;

use wgvae::checkpoint::{self, Model};
use wgvae::config::{FlowConfig, FlowSize, ModelConfig};
use wgvae::generate::{FittedFlow, flow_file, prior_file};
use wgvae::gpu::Element;
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
    std::fs::write(path, file.to_bytes(Element::F32).expect("bytes")).expect("written");
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
    // without --class, the classes take turns
    draw("turns", &["--separate"]);
    draw("deserts", &["--class", "desert", "--separate"]);
    draw("snows", &["--class", "snow", "--separate"]);
    draw("path.png", &["--prior", flow.to_str().expect("a path")]);
    draw("snow.png", &["--class", "snow", "--steps", "3"]);
    draw("fitted.png", &["--prior", "fitted"]);
    let pixels = |name: &str| image::open(at.join(name)).expect("a picture").into_rgb8();
    assert!(pixels("auto.png") == pixels("path.png"), "the file by its path is another one");
    for (number, class) in ["deserts", "snows", "deserts", "snows"].into_iter().enumerate() {
        let picture = |folder: &str| pixels(&format!("{folder}/{number:05}.png"));
        assert!(picture("turns") == picture(class), "picture {number} is no {class}");
        assert!(picture("deserts") != picture("snows"), "the classes are alike");
    }
    for other in ["snow.png", "fitted.png"] {
        assert!(pixels("auto.png") != pixels(other), "the samples of {other} are those of the flow");
    }

    // a row for each class: the pictures of --class
    let said = draw("each.png", &["--each-class"]);
    assert!(said.contains("rows: desert, snow"), "{said}");
    assert_eq!(pixels("each.png").dimensions(), (4 * 34 + 2, 2 * 34 + 2));
    draw("each", &["--each-class", "--separate"]);
    draw("one", &["--class", "snow", "--separate"]);
    assert!(pixels("each/1_snow_00003.png") == pixels("one/00003.png"), "another picture of the class");
    assert!(pixels("each/0_desert_00003.png") != pixels("one/00003.png"), "one class for all rows");

    // a model to give away: with its priors, in half the bytes
    let said = run(at, &["convert", "runs/a", "half.safetensors", "--half"]);
    assert!(said.contains("rounded to 16 bits") && said.contains("its flow"), "{said}");
    let whole = std::fs::metadata(&flow).expect("a flow").len();
    let half = std::fs::metadata(at.join("half.flow.safetensors")).expect("a flow").len();
    assert!(half < whole * 6 / 10, "{half} bytes of {whole}");
    let said = run(at, &["sample", "half.safetensors", "--count", "4", "-o", "of_half.png"]);
    assert!(said.contains("prior: flow"), "{said}");
    let far = |a: &str, b: &str| {
        let (a, b) = (pixels(a), pixels(b));
        a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().expect("pixels")
    };
    assert!(far("auto.png", "of_half.png") <= 4, "samples are off by {}", far("auto.png", "of_half.png"));
    run(at, &["sample", "half.safetensors", "--prior", "fitted", "--count", "4", "-o", "fitted_half.png"]);
    assert!(far("fitted.png", "fitted_half.png") <= 4);

    let bad = |args: &[&str], parts: &[&str]| {
        let command = [&["sample", "runs/a", "-o", "bad.png"][..], args].concat();
        refuses(at, &command, 2, parts);
    };
    bad(&["--class", "forest"], &["--class forest", "the classes are desert, snow"]);
    bad(&["--class", "snow", "--prior", "fitted"], &["--class snow: this prior has no classes"]);
    bad(&["--each-class", "--prior", "normal"], &["--each-class: N(0, I) has no classes"]);
    bad(&["--each-class", "--class", "snow"], &["--class"]);
    bad(&["--class", "snow", "--guidance", "nan"], &["--guidance"]);
    bad(&["--guidance", "3", "--prior", "fitted"], &["--guidance: needs a flow with classes"]);
    let both = ["fit-prior", "runs/a", "pictures", "--classes", "--components", "2"];
    refuses(at, &both, 2, &["--classes", "--components"]);
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
    // left to choose, the command takes the model's own Gaussians
    let said = run(at, &["sample", "runs/b", "--count", "1", "-o", "own.png"]);
    assert!(said.contains("of another checkpoint") && said.contains("prior: fitted Gaussians"), "{said}");
    let mut bytes = std::fs::read(&flow).expect("read");
    let last = bytes.len() - 1;
    bytes[last - 200..=last].fill(0xff);
    std::fs::write(&flow, bytes).expect("written");
    let output = wgvae(at, &["sample", "runs/a"]);
    let error = text(&output.stderr);
    assert!(!output.status.success() && error.contains("not a valid flow"), "{error}");
}

/// A prior beside `m.model` has the name of one beside `m.safetensors`, and stays as it is.
#[test]
fn a_converted_file_keeps_its_prior() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    run(at, &["data", "synth", "pictures", "--count", "30", "--size", "16"]);
    let train = ["train", "pictures", "--size", "16", "--hidden", "2", "--latent", "3", "--epochs", "1"];
    run(at, &[&train[..], &["--no-tune", "--name", "a"]].concat());
    let model = checkpoint::find(&at.join("runs/a")).expect("a model");
    std::fs::copy(model, at.join("m.model")).expect("copied");
    run(at, &["fit-prior", "m.model", "pictures", "--components", "1"]);
    let before = std::fs::read(at.join("m.prior.safetensors")).expect("a prior");
    run(at, &["convert", "m.model", "m.safetensors"]);
    assert_eq!(std::fs::read(at.join("m.prior.safetensors")).expect("a prior"), before);
    let said = run(at, &["sample", "m.safetensors", "--count", "1", "-o", "one.png"]);
    assert!(said.contains("prior: fitted Gaussians"), "{said}");
    let half = ["convert", "m.model", "m.safetensors", "--half", "--force"];
    refuses(at, &half, 2, &["m.prior.safetensors", "input"]);
    refuses(at, &["fit-prior", "builtin", "pictures", "--flow"], 2, &["builtin", "-o"]);
}

/// Classes have Gaussians, which are drawn from by name, compared with the flow, and judged by a probe.
#[test]
fn classes_have_gaussians() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    // red above blue, and the reverse, each a little different
    let picture = |red: bool, index: u32| {
        image::RgbImage::from_fn(32, 32, |x, y| {
            let shade = (100 + 5 * index + 3 * ((x + index) % 7)) as u8;
            let grain = ((7 * x + 3 * y + index) % 11) as u8;
            image::Rgb(if (y < 16 + index % 3) == red {
                [shade, 20 + grain, 10]
            } else {
                [10, 30 - grain, shade]
            })
        })
    };
    for index in 0..24 {
        for (class, red) in [("rose", true), ("sea", false)] {
            let folder = at.join("pictures").join(class);
            std::fs::create_dir_all(&folder).expect("a folder");
            picture(red, index).save(folder.join(format!("{index}.png"))).expect("written");
        }
    }
    let train = ["train", "pictures", "--model", "spatial", "--size", "32", "--hidden", "4", "--latent", "4"];
    let more = [
        "--epochs",
        "40",
        "--warmup",
        "10",
        "--batch-size",
        "4",
        "--no-tune",
        "--name",
        "a",
        "--flow-steps",
        "4",
    ];
    let said = run(at, &[&train[..], &more].concat());
    assert!(said.contains("a Gaussian for each of 2 classes"), "{said}");
    let said = run(at, &["fit-prior", "runs/a", "pictures", "--classes", "--force"]);
    assert!(said.contains("a Gaussian for each of 2 classes"), "{said}");
    let _ = std::fs::remove_file(flow_file::place(&at.join("runs/a")));
    let said = run(at, &["sample", "runs/a", "--each-class", "--count", "6", "-o", "each.png"]);
    assert!(said.contains("prior: fitted Gaussians") && said.contains("rows: rose, sea"), "{said}");
    let each = image::open(at.join("each.png")).expect("a picture").into_rgb8();
    // the mean of red minus blue over the upper half of each sample
    let upper = |row: u32, column: u32| {
        let pixels = (0..12).flat_map(|y| (0..32).map(move |x| (x, y)));
        let values = pixels.map(|(x, y)| {
            let image::Rgb([red, _, blue]) = *each.get_pixel(2 + 34 * column + x, 2 + 34 * row + y);
            i64::from(red) - i64::from(blue)
        });
        values.sum::<i64>() / 384
    };
    let [rose, sea] = [0, 1].map(|row| (0..6).map(|column| upper(row, column)).sum::<i64>() / 6);
    assert!(rose > sea + 60, "roses are red by {rose}, the sea by {sea}");
    run(at, &["sample", "runs/a", "--class", "sea", "--count", "6", "-o", "sea.png"]);

    let found =
        common::program::said(at, &["evaluate", "runs/a", "pictures", "--json", "--feature-steps", "60"]);
    let found: serde_json::Value = serde_json::from_str(&found).expect("a document");
    let share =
        |name: &str| found["agreement"][name].as_f64().unwrap_or_else(|| panic!("no {name}: {found}"));
    assert!(share("real") > 0.9 && share("fitted") > 0.7, "{}", found["agreement"]);
    assert!(found["agreement"]["flow"].is_null());

    // a flow of two steps has learned nothing, and a class of few pictures has no Gaussian
    let said =
        run(at, &["fit-prior", "runs/a", "pictures", "--flow", "--flow-steps", "2", "--classes", "--force"]);
    assert!(said.contains("flow of") && !flow_file::place(&at.join("runs/a")).exists(), "{said}");
    // one that has learned something is compared with the Gaussians, and is kept if it wins
    let said = run(
        at,
        &["fit-prior", "runs/a", "pictures", "--flow", "--flow-steps", "400", "--classes", "--force"],
    );
    let line =
        said.lines().find(|line| line.starts_with("Frechet distance")).unwrap_or_else(|| panic!("{said}"));
    let kept = flow_file::place(&at.join("runs/a")).exists();
    assert!(line.contains("of the 2 classes") && line.ends_with("from the flow") == kept, "{said}");
    for index in 8..24 {
        std::fs::remove_file(at.join(format!("pictures/sea/{index}.png"))).expect("removed");
    }
    let few = ["fit-prior", "runs/a", "pictures", "--classes", "--force"];
    refuses(at, &few, 2, &["no Gaussian for each class", "sea has 8 pictures"]);
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
