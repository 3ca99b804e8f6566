//! Samples of a flow, by the page and by the program.

use std::path::Path;

use image::RgbImage;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use wgvae::checkpoint;
use wgvae::config::{FlowConfig, FlowSize, ModelConfig};
use wgvae::generate::{FittedFlow, flow_file, prior_file};
use wgvae::gpu::Element;
use wgvae::model::flow::{self, FlowWeights};
use wgvae::model::{NamedTensor, StateDict};
use wgvae::ops::normal::normal;
use wgvae::web;

use crate::browser::{Browser, Tab};
use crate::common::program::refuses;
use crate::{CLOSE, Served, close, difference, parsed, pixels, said, shown};

/// Names that an address has to escape.
const CLASSES: [&str; 3] = ["coast", "dunes & sea", "g\u{fc}n+1"];

/// A flow of fixed numbers that are not a training's: every layer and every class changes its samples.
pub(crate) fn fitted(config: &ModelConfig, weights: &StateDict, classes: &[&str]) -> FittedFlow {
    let sizes = FlowConfig::new(config, FlowSize::Small, classes.len() as u32);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let tensor = |(name, shape): (String, Vec<usize>)| {
        let count: usize = shape.iter().product();
        let inputs = (count / shape[0]).max(1);
        // the condition is loud, so that no class is drawn like another
        let gain = if name.starts_with("time.") { 6.0 } else { 1.0 };
        let scale = gain / (inputs as f64).sqrt();
        NamedTensor { values: (0..count).map(|_| (scale * normal(&mut rng)) as f32).collect(), name, shape }
    };
    let tensors = flow::names(&sizes).into_iter().map(tensor).collect();
    let standard = [0.25, 1.5].map(|value| vec![value; sizes.latents() as usize]);
    FittedFlow {
        flow: FlowWeights { config: sizes, weights: StateDict { tensors }, standard },
        classes: classes.iter().map(|&name| name.to_owned()).collect(),
        held_out: 1.0,
        model: prior_file::digest(weights),
    }
}

/// The program's sample.
fn drawn(at: &Path, prior: &str, seed: &str, rest: &[&str]) -> RgbImage {
    let args = ["sample", "runs/grid", "--count", "1", "--separate", "-o", "flow", "--prior", prior];
    said(at, &[&args[..], &["--seed", seed], rest].concat());
    pixels(&at.join("flow/00000.png"))
}

/// Changes a menu like a visitor, and waits for the picture.
fn choose(browser: &mut Browser, tab: &Tab, menu: &str, value: &str, caption: &str) {
    let script = format!(
        "(() => {{ const m = document.getElementById('{menu}'); m.value = '{value}'; \
         m.dispatchEvent(new Event('change')); }})()"
    );
    browser.eval(tab, &script);
    let told = "document.getElementById('caption').textContent";
    browser.until(tab, &format!("{told}.startsWith('{caption}, ')"));
}

/// The spatial model that the tests of the page have trained, with a flow beside it.
pub(crate) fn in_the_browser(browser: &mut Browser, tab: &Tab, at: &Path) {
    let run = at.join("runs/grid");
    refuses(at, &["export-web", "runs/grid", "page", "--prior", "flow"], 2, &["no flow yet", "fit-prior"]);
    let model = checkpoint::open(&run).expect("the model");
    let flow = fitted(&model.config, &model.weights, &CLASSES);
    std::fs::write(flow_file::place(&run), flow.to_bytes(Element::F32).expect("a file")).expect("written");
    said(at, &["fit-prior", "runs/grid", "photos", "--components", "1"]);
    refuses(at, &["export-web", "runs/grid", "page", "--guidance", "inf"], 2, &["--guidance inf"]);

    let page = Served::start(at, &["runs/grid"]);
    browser.open(tab, &format!("{}#seed=3", page.1));
    let any = shown(browser, tab, "picture");
    close("sample of a flow", &any, &drawn(at, "flow", "3", &[]));
    let first = browser.eval(tab, "import('./app.js').then(({ app }) => app.firstPicture)");
    println!("    first picture {first} ms after the page was opened");
    let mut classes = Vec::new();
    for (label, class) in CLASSES.iter().enumerate() {
        choose(browser, tab, "label", &label.to_string(), &format!("Sample of {class}, seed 3"));
        let picture = shown(browser, tab, "picture");
        close(&format!("sample of class {class}"), &picture, &drawn(at, "flow", "3", &["--class", class]));
        for other in &classes {
            assert!(difference(&picture, other) > 10, "{class}: a class changes the picture");
        }
        classes.push(picture);
    }
    assert_eq!(any, classes[3 % CLASSES.len()], "without a choice, the classes take turns by seed");
    // its link, a temperature, and the sliders
    browser.until(tab, "location.hash.includes('class=g%C3%BCn%2B1')");
    let link = browser.eval(tab, "location.href").as_str().expect("an address").to_owned();
    browser.open(tab, &format!("{link}&t=0.5"));
    let cool = drawn(at, "flow", "3", &["--class", CLASSES[2], "--temperature", "0.5"]);
    close("sample of a class at a temperature", &shown(browser, tab, "picture"), &cool);
    browser.screenshot(tab, "flow-1280");
    assert!(browser.eval(tab, "document.getElementById('axes-title').textContent") == "Principal directions");
    browser.eval(
        tab,
        "(() => { const s = document.getElementById('axis-0'); s.value = 3; s.dispatchEvent(new Event('input')); })()",
    );
    browser.until(tab, "document.getElementById('caption').textContent.includes('moved along 1 slider')");
    assert!(difference(&shown(browser, tab, "picture"), &cool) > CLOSE, "a slider moves a flow's sample");
    browser.eval(tab, "document.getElementById('reset').click()");
    browser.until(tab, "!document.getElementById('caption').textContent.includes('moved')");
    close("the sample again", &shown(browser, tab, "picture"), &cool);

    // the other priors stay, and have no classes
    browser.open(tab, &format!("{}#seed=3", page.1));
    for prior in ["fitted", "normal"] {
        let before = shown(browser, tab, "picture");
        choose(browser, tab, "from", prior, "Sample of seed 3");
        browser.until(tab, &format!("location.hash.includes('from={prior}')"));
        let picture = shown(browser, tab, "picture");
        close(&format!("sample of {prior} on a page with a flow"), &picture, &drawn(at, prior, "3", &[]));
        assert!(difference(&picture, &before) > CLOSE);
        assert_eq!(browser.eval(tab, "document.getElementById('label-field').hidden"), json!(true));
    }
    browser.open(tab, &format!("{}#seed=3&from=flow&class=woods", page.1));
    let told = browser.eval(tab, "document.getElementById('problem').textContent");
    assert!(told.as_str().is_some_and(|told| told.contains("was left out")), "{told}");
    assert_eq!(any, shown(browser, tab, "picture"));
    rounded(browser, tab, at, &classes[0]);
    gaussians_of_classes(browser, tab, at);
}

/// A Gaussian for each of two classes, one of which the flow has too.
fn gaussians_of_classes(browser: &mut Browser, tab: &Tab, at: &Path) {
    let run = at.join("runs/grid");
    let weights = checkpoint::open(&run).expect("the model").weights;
    let mut fitted = prior_file::find(&run, None, &weights).expect("a prior");
    let mut other = fitted.mixture.components[0].clone();
    other.mean.iter_mut().for_each(|value| *value += 1.5);
    fitted.mixture.components.push(other);
    fitted.mixture.components.iter_mut().for_each(|component| component.weight = 0.5);
    fitted.classes = [CLASSES[1], "woods"].map(str::to_owned).to_vec();
    fitted.write(&prior_file::place(&run)).expect("written");

    let page = Served::start(at, &["runs/grid"]);
    browser.open(tab, &format!("{}#seed=3&from=fitted", page.1));
    close("sample of any Gaussian", &shown(browser, tab, "picture"), &drawn(at, "fitted", "3", &[]));
    let mut pictures = Vec::new();
    for (label, class) in fitted.classes.iter().enumerate() {
        choose(browser, tab, "label", &label.to_string(), &format!("Sample of {class}, seed 3"));
        let picture = shown(browser, tab, "picture");
        close(&format!("sample of {class}"), &picture, &drawn(at, "fitted", "3", &["--class", class]));
        pictures.push(picture);
    }
    assert!(difference(&pictures[0], &pictures[1]) > CLOSE, "a class changes the picture");
    browser.until(tab, "location.hash.endsWith('from=fitted&class=woods')");
    let link = browser.eval(tab, "location.href").as_str().expect("an address").to_owned();
    browser.open(tab, &link);
    assert_eq!(shown(browser, tab, "picture"), pictures[1]);
    // another prior keeps a class that it has too, and names its own
    choose(browser, tab, "from", "flow", "Sample of seed 3");
    choose(browser, tab, "from", "fitted", "Sample of seed 3");
    choose(browser, tab, "label", "0", &format!("Sample of {}, seed 3", CLASSES[1]));
    choose(browser, tab, "from", "flow", &format!("Sample of {}, seed 3", CLASSES[1]));
    let options = "[...document.getElementById('label').options].map((option) => option.text)";
    assert_eq!(browser.eval(tab, options), json!(["any", CLASSES[0], CLASSES[1], CLASSES[2]]));
}

/// In 16 bits; the error that the export states holds on another adapter.
fn rounded(browser: &mut Browser, tab: &Tab, at: &Path, whole: &RgbImage) {
    let out = ["export-web", "runs/grid", "page"];
    said(at, &[&out[..], &["--prior", "normal"]].concat());
    let plain = web::read(&at.join("page")).expect("a page");
    assert!(!plain.contains_key("flow.safetensors") && parsed(&plain, web::MANIFEST)["flow"].is_null());
    let told = said(at, &[&out[..], &["--half", "--steps", "4"]].concat());
    assert!(told.contains("rounded to 16 bits"), "{told}");
    let files = web::read(&at.join("page")).expect("a page");
    let manifest: Value = parsed(&files, web::MANIFEST);
    assert_eq!(manifest["flow"]["classes"], json!(CLASSES));
    assert_eq!([&manifest["flow"]["steps"], &manifest["flow"]["guidance"]], [&json!(4), &json!(2.0)]);
    let levels = manifest["rounding"]["samples"].as_f64().expect("a number");
    println!("flow in 16 bits: {}, {} bytes", manifest["rounding"], files["flow.safetensors"].len());
    let page = Served::start(at, &["page"]);
    browser.open(tab, &format!("{}#seed=3&from=flow&class=coast", page.1));
    let largest = difference(&shown(browser, tab, "picture"), whole);
    assert!(f64::from(largest) <= levels + f64::from(CLOSE), "{largest} of {levels}");
}
