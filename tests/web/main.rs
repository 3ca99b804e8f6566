//! The web page in a browser, compared with the program: equal seeds, photographs and interpolations give equal
//! pictures. One small model, one headless Chromium. Also the page of trainings, and its server.

mod browser;
#[path = "../common/mod.rs"]
mod common;
mod files;
mod firefox;
mod flow;
mod plan;
mod served;
mod tint;
mod watched;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use image::{DynamicImage, RgbImage, Rgba};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wgvae::data;
use wgvae::web::{self, Files};

use crate::common::program::{CACHE, refuses, said};
use browser::{Browser, Tab};

/// Largest difference per channel between the page's pictures and the program's, of 255.
const CLOSE: u8 = 2;
/// Maximum size in bytes of a page without its parameters; 8,000 of them read the containers of picture files.
const LIGHT: usize = 158_000;

fn parsed(files: &Files, name: &str) -> Value {
    serde_json::from_slice(&files[name]).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn pixels(path: &Path) -> RgbImage {
    image::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).into_rgb8()
}

/// The expression for the content of a canvas.
fn canvas(id: &str) -> String {
    format!(
        "(() => {{ const c = document.getElementById('{id}'); \
         return [c.width, ...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]; }})()"
    )
}

/// The content of a canvas.
fn shown(browser: &mut Browser, tab: &Tab, id: &str) -> RgbImage {
    picture_of(browser.eval(tab, &canvas(id)))
}

/// The picture in the value of [`canvas`].
fn picture_of(value: Value) -> RgbImage {
    let values: Vec<u32> = serde_json::from_value(value).expect("numbers");
    let rgb = values[1..].chunks(4).flat_map(|pixel| pixel[..3].iter().map(|&byte| byte as u8)).collect();
    RgbImage::from_raw(values[0], values[0], rgb).expect("a square picture")
}

fn difference(a: &RgbImage, b: &RgbImage) -> u8 {
    assert_eq!(a.dimensions(), b.dimensions());
    a.iter().zip(b.iter()).map(|(a, b)| a.abs_diff(*b)).max().expect("pixels")
}

fn close(what: &str, page: &RgbImage, program: &RgbImage) {
    let largest = difference(page, program);
    println!("{what}: {largest}/255 from the program's at most");
    assert!(largest <= CLOSE, "{what}: {largest}/255");
    let range = program.iter().max().expect("pixels") - program.iter().min().expect("pixels");
    assert!(range > 20, "{what}: a picture of nothing shows nothing");
}

/// A running `wgvae web`, ended when dropped.
struct Served(Child, String);

impl Served {
    fn start(folder: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wgvae"));
        command.arg("web").args(args).args(["--port", "0"]).current_dir(folder);
        command.env("WGVAE_CACHE_DIR", folder.join(CACHE)).stdout(Stdio::piped());
        let mut child = command.spawn().expect("wgvae web runs");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        let url = lines.into_iter().find_map(|line| Some(line.split_once("  (")?.0.to_owned()));
        Self(child, url.expect("an address"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Pictures that are not square: PNG, JPEG, PNG with transparency, PNG smaller than the model.
fn pictures(folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    let drawn = |index, w, h| {
        let square = DynamicImage::ImageRgb8(data::grid(&[data::landscape(8, index, 160).0], 160, 1, 0));
        square.crop_imm(0, 10, w, h)
    };
    for i in 0..24 {
        drawn(i, 150, 97).into_rgb8().save(folder.join(format!("{i:02}.png"))).expect("written");
    }
    drawn(30, 131, 149).into_rgb8().save(folder.join("30.jpg")).expect("written");
    let mut clear = drawn(31, 120, 75).into_rgba8();
    clear.enumerate_pixels_mut().for_each(|(x, _, Rgba(p))| p[3] = (x * 255 / 119) as u8);
    clear.save(folder.join("31.png")).expect("written");
    drawn(32, 21, 17).into_rgb8().save(folder.join("32.png")).expect("written");
}

/// A model of 32 px trained on these pictures, with a fitted prior.
fn trained() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    pictures(&at.join("photos"));
    let sizes = ["train", "photos", "--size", "32", "--hidden", "8", "--latent", "6", "--batch-size", "8"];
    // fast training: the samples must differ from picture to picture
    let course = ["--epochs", "100", "--lr", "4e-3", "--beta", "0.02", "--seed", "1"];
    let rest = ["--name", "a", "--quiet", "--keep", "1"];
    said(at, &[&sizes[..], &course, &rest].concat());
    said(at, &["fit-prior", "runs/a", "photos", "--components", "2"]);
    folder
}

#[test]
fn wrong_folders_are_refused() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    std::fs::create_dir(at.join("full")).expect("folder");
    std::fs::write(at.join("full/mine.txt"), "mine").expect("written");
    refuses(at, &["export-web", "gone", "full"], 2, &["full is not empty", "--force"]);
    refuses(at, &["export-web", "gone", "new"], 1, &["gone", "no such file"]);
    refuses(at, &["web", "full"], 1, &["full", "no checkpoints"]);
    assert!(!at.join("new").exists());
}

#[test]
fn the_page_computes_what_the_program_does() {
    let Some(program) = browser::chromium() else { return };
    if common::adapter().is_none() {
        return;
    }
    let folder = trained();
    let at = folder.path();
    let page = Served::start(at, &["runs/a"]);
    let mut browser = Browser::start(&program);
    let tab = browser.tab(1280, "");

    samples(&mut browser, &tab, at, &page.1);
    tint::takes_every_kernel(&mut browser, &tab);
    photographs(&mut browser, &tab, at, &page.1);
    files::are_read_alike(&mut browser, &tab, at);
    files::falsified_pixels_are_told(&mut browser, &page.1, &at.join("photos/00.png"));
    sliders_and_links(&mut browser, &tab, &page.1);
    a_lost_device_comes_back(&mut browser, &tab);
    small_and_dark(&mut browser, &page.1);
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
    // and with the middle cropped
    let cover = Served::start(at, &["runs/a", "--resize", "cover"]);
    reconstructed(&mut browser, &tab, at, ("runs/a", &cover.1, "cover"), "00.png");
    let own = [page.1.as_str(), cover.1.as_str(), "about:", "blob:"];
    let foreign: Vec<String> =
        browser.requests().into_iter().filter(|url| !own.iter().any(|own| url.starts_with(own))).collect();
    assert!(foreign.is_empty() && browser.requests().len() > 20, "{foreign:#?}");

    on_a_grid(&mut browser, &tab, at);
    flow::in_the_browser(&mut browser, &tab, at);
    half(&mut browser, &tab, at);
    failures(&mut browser, at);
    drop(browser);
    firefox::in_firefox(at, &page.1);
}

fn samples(browser: &mut Browser, tab: &Tab, at: &Path, url: &str) {
    for (prior, seed, temperature) in [
        ("normal", "0", "1"),
        ("normal", "9223372036854775813", "0.7"),
        ("fitted", "0", "1"),
        ("fitted", "12", "0.5"),
    ] {
        let args = ["sample", "runs/a", "--count", "1", "--separate", "-o", "drawn", "--prior", prior];
        said(at, &[&args[..], &["--seed", seed, "--temperature", temperature]].concat());
        browser.open(tab, &format!("{url}#seed={seed}&from={prior}&t={temperature}"));
        let what = format!("sample of {prior}, seed {seed}, temperature {temperature}");
        close(&what, &shown(browser, tab, "picture"), &pixels(&at.join("drawn/00000.png")));
        let first = browser.eval(tab, "import('./app.js').then(({ app }) => app.firstPicture)");
        println!("    first picture {first} ms after the page was opened");
    }
    browser.screenshot(tab, "sample-1280");
    // the saved file equals the canvas
    let saved = "(async () => { const make = URL.createObjectURL; \
         const blob = new Promise((give) => { URL.createObjectURL = (blob) => (give(blob), make.call(URL, blob)); }); \
         document.getElementById('save').click(); \
         return [...new Uint8Array(await (await blob).arrayBuffer())]; })()";
    let saved: Vec<u8> = serde_json::from_value(browser.eval(tab, saved)).expect("bytes");
    let saved = image::load_from_memory(&saved).expect("a PNG").into_rgb8();
    assert_eq!(saved, shown(browser, tab, "picture"));
    // the button draws a new seed, and writes it to its field and to the address
    browser.open(tab, &format!("{url}#seed=0&from=normal"));
    let before = shown(browser, tab, "picture");
    browser.eval(tab, "document.getElementById('new').click()");
    browser.until(tab, "document.getElementById('caption').textContent.includes(document.getElementById('seed').value + ',')");
    browser.until(tab, "location.hash.includes('seed=' + document.getElementById('seed').value + '&')");
    assert_ne!(before, shown(browser, tab, "picture"));
}

/// Drops a photograph; its reconstruction equals the program's.
fn reconstructed(
    browser: &mut Browser,
    tab: &Tab,
    at: &Path,
    (run, url, how): (&str, &str, &str),
    name: &str,
) {
    let photo = at.join("photos").join(name);
    let args = ["reconstruct", run, &format!("photos/{name}"), "--separate", "-o", "again", "--resize", how];
    said(at, &args);
    let (stem, _) = name.split_once('.').expect("a suffix");
    browser.open(tab, url);
    browser.drop_files(tab, &[&photo]);
    browser.until(tab, "document.getElementById('caption').textContent.startsWith('Reconstruction')");
    let original = shown(browser, tab, "original-a");
    let resized = data::load(&photo, 32, how.parse::<data::Resize>().expect("a way")).expect("decoded");
    let resized = RgbImage::from_raw(32, 32, resized).expect("a picture");
    println!("{name}, {how}: resized {}/255 from training's at most", difference(&original, &resized));
    let program = pixels(&at.join(format!("again/000000_{stem}.png")));
    close(&format!("reconstruction of {name}, {how}"), &shown(browser, tab, "picture"), &program);
    if stem != "30" {
        // PNG decoders are bit-exact; JPEG decoders may differ by a unit
        let unit = u8::from(stem == "31");
        assert!(difference(&original, &resized) <= unit, "{name}: the page resizes otherwise than training");
    }
    assert_eq!(browser.eval(tab, "document.getElementById('figure-a').hidden"), json!(false));
}

/// A spatial model: the page takes the means of all cells out of the encoder's output.
fn on_a_grid(browser: &mut Browser, tab: &Tab, at: &Path) {
    let sizes = ["train", "photos", "--model", "spatial", "--size", "32", "--hidden", "8", "--latent", "4"];
    let sizes = [&sizes[..], &["--prior", "normal"]].concat();
    let rest = ["--batch-size", "8", "--epochs", "30", "--name", "grid", "--quiet", "--keep", "1"];
    said(at, &[&sizes[..], &rest].concat());
    let page = Served::start(at, &["runs/grid"]);
    let args = ["sample", "runs/grid", "--count", "1", "--separate", "-o", "grid", "--prior", "normal"];
    said(at, &[&args[..], &["--seed", "3"]].concat());
    browser.open(tab, &format!("{}#seed=3&from=normal&t=1", page.1));
    let program = pixels(&at.join("grid/00000.png"));
    close("sample of a spatial model", &shown(browser, tab, "picture"), &program);
    reconstructed(browser, tab, at, ("runs/grid", &page.1, "stretch"), "02.png");
}

fn photographs(browser: &mut Browser, tab: &Tab, at: &Path, url: &str) {
    for name in ["00.png", "30.jpg", "31.png", "32.png"] {
        reconstructed(browser, tab, at, ("runs/a", url, "stretch"), name);
    }
    browser.screenshot(tab, "photograph-1280");
    // the sliders show its latents: reset keeps them, and a button returns to samples
    browser.eval(tab, "document.getElementById('remove').click()");
    browser.until(tab, "document.getElementById('caption').textContent.startsWith('Sample')");

    // two photographs in sequence: the middle of the interpolation equals the program's
    said(at, &["interpolate", "runs/a", "photos/01.png", "photos/02.png", "--steps", "3", "-o", "way.png"]);
    let (a, b) = (at.join("photos/01.png"), at.join("photos/02.png"));
    browser.choose(tab, "#photo-a", &a);
    browser.until(tab, "document.getElementById('caption').textContent.startsWith('Reconstruction')");
    browser.choose(tab, "#photo-b", &b);
    browser.until(tab, "document.getElementById('caption').textContent.startsWith('Morph at 50')");
    let strip = pixels(&at.join("way.png"));
    let at_middle = data::GAP + 2 * (32 + data::GAP); // after an original and its reconstruction
    let middle = image::imageops::crop_imm(&strip, at_middle, data::GAP, 32, 32).to_image();
    close("middle of a morph", &shown(browser, tab, "picture"), &middle);
    browser.screenshot(tab, "morph-1280");

    // a file that is not a picture is reported, and changes nothing
    let before = shown(browser, tab, "picture");
    std::fs::write(at.join("notes.txt"), "no picture").expect("written");
    browser.drop_files(tab, &[&at.join("notes.txt")]);
    browser.until(tab, "document.getElementById('problem').textContent.includes('notes.txt is no picture')");
    assert_eq!(browser.eval(tab, "document.getElementById('problem').hidden"), json!(false));
    assert_eq!(before, shown(browser, tab, "picture"));
}

fn sliders_and_links(browser: &mut Browser, tab: &Tab, url: &str) {
    browser.open(tab, &format!("{url}#seed=4&from=normal"));
    let start = shown(browser, tab, "picture");
    let tabs = "document.activeElement.id";
    for _ in 0..12 {
        if browser.eval(tab, tabs) == json!("axis-0") {
            break;
        }
        browser.key(tab, "Tab", 9);
    }
    assert_eq!(browser.eval(tab, tabs), json!("axis-0"), "the Tab key leads to the sliders");
    let value = "Number(document.getElementById('axis-0').value)";
    let at = browser.eval(tab, value).as_f64().expect("a number");
    browser.key(tab, "ArrowRight", 39);
    browser.until(tab, "document.getElementById('caption').textContent.includes('moved along 1 slider')");
    assert!(browser.eval(tab, value).as_f64().expect("a number") > at, "an arrow key moves a slider");
    browser.eval(
        tab,
        "(() => { for (const [at, value] of [[0, 2.5], [1, -2]]) { const s = document.getElementById(`axis-${at}`); \
         s.value = value; s.dispatchEvent(new Event('input')); } })()",
    );
    browser.until(tab, "document.getElementById('caption').textContent.includes('moved along 2 sliders')");
    browser.until(tab, "location.hash.includes('move=0:2.5,1:-2')");
    let moved = shown(browser, tab, "picture");
    println!("two sliders move a picture by {}/255", difference(&start, &moved));
    assert!(difference(&start, &moved) > 10, "the sliders move the picture");

    let link = browser.eval(tab, "location.href");
    let other = browser.tab(1280, "");
    browser.open(&other, link.as_str().expect("an address"));
    assert_eq!(moved, shown(browser, &other, "picture"), "a link reproduces a picture");
    browser.eval(tab, "document.getElementById('reset').click()");
    browser.until(tab, "document.getElementById('reset').disabled && !location.hash.includes('move')");
    assert_eq!(start, shown(browser, tab, "picture"));
    for (hash, part) in
        [("#seed=many", "was left out"), ("#a=AAAA", "was left out"), ("#move=99:1", "was left out")]
    {
        browser.open(&other, &format!("{url}{hash}"));
        let told = browser.eval(&other, "document.getElementById('problem').textContent");
        assert!(told.as_str().is_some_and(|told| told.contains(part)), "{hash}: {told}");
        assert_eq!(browser.eval(&other, "document.getElementById('save').disabled"), json!(false), "{hash}");
    }
    browser.call(&other, "Page.close", json!({}));
}

fn a_lost_device_comes_back(browser: &mut Browser, tab: &Tab) {
    let before = shown(browser, tab, "picture");
    browser.eval(tab, "import('./app.js').then(({ app }) => app.replay.device.destroy())");
    browser.until(tab, "document.getElementById('status').textContent.includes('is back')");
    assert_eq!(browser.eval(tab, "import('./app.js').then(({ app }) => app.losses)"), json!(1));
    assert_eq!(before, shown(browser, tab, "picture"));
    browser.eval(tab, "document.getElementById('new').click()");
    browser.until(tab, "document.getElementById('caption').textContent.includes(document.getElementById('seed').value + ',')");
    assert_ne!(before, shown(browser, tab, "picture"), "the new device draws");
}

/// At 360 pixels, and every control has a name.
fn small_and_dark(browser: &mut Browser, url: &str) {
    let tab = browser.tab(360, "");
    let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    browser.call(&tab, "Emulation.setEmulatedMedia", dark);
    browser.open(&tab, url);
    assert_eq!(browser.eval(&tab, "document.documentElement.scrollWidth"), json!(360), "nothing sticks out");
    let ground = browser.eval(&tab, "getComputedStyle(document.body).backgroundColor");
    assert_eq!(ground, json!("rgb(21, 25, 27)"), "dark where the visitor wants it dark");
    let nameless = "[...document.querySelectorAll('input, select, button, [role=img]')].filter((e) => \
         !e.labels?.length && !e.textContent.trim() && !e.ariaLabel).map((e) => e.id)";
    assert_eq!(browser.eval(&tab, nameless), json!([]));
    browser.screenshot(&tab, "sample-360");
    browser.call(&tab, "Page.close", json!({}));
}

/// 16-bit parameters: the error stated by the export holds on another adapter.
fn half(browser: &mut Browser, tab: &Tab, at: &Path) {
    let told = said(at, &["export-web", "runs/a", "out", "--half", "--prior", "normal"]);
    assert!(told.contains("rounded to 16 bits: parameters differ by at most "), "{told}");
    let files = web::read(&at.join("out")).expect("a page");
    let manifest = parsed(&files, web::MANIFEST);
    let levels = manifest["rounding"]["samples"].as_f64().expect("a number");
    assert!(manifest["prior"].is_null() && levels <= 2.0, "{manifest}");
    let heavy: usize =
        files.iter().filter(|(name, _)| name.ends_with(".safetensors")).map(|(_, b)| b.len()).sum();
    let light = files.values().map(Vec::len).sum::<usize>() - heavy;
    println!("the page takes {light} bytes, its parameters {heavy}; 16 bits: {}", manifest["rounding"]);
    assert!(light < LIGHT, "{light} bytes");
    let page = Served::start(at, &["out"]);
    let args = ["sample", "runs/a", "--count", "1", "--separate", "-o", "drawn", "--prior", "normal"];
    said(at, &[&args[..], &["--seed", "5"]].concat());
    browser.open(tab, &format!("{}#seed=5", page.1));
    let whole = pixels(&at.join("drawn/00000.png"));
    let largest = difference(&shown(browser, tab, "picture"), &whole);
    println!("16 bits: {largest}/255 from the program's at most");
    assert!(f64::from(largest) <= levels + f64::from(CLOSE));
}

/// If something is missing or wrong, the page says so.
fn failures(browser: &mut Browser, at: &Path) {
    let files = web::read(&at.join("out")).expect("a page");
    let told = |browser: &mut Browser, files: Files, before: &str, part: &str| {
        let server = web::serve(files, Some(0)).expect("a port");
        let tab = browser.tab(800, before);
        browser.open(&tab, &server.url());
        let text = browser.eval(&tab, "document.getElementById('problem').textContent");
        println!("{}", text.as_str().unwrap_or_default());
        assert!(text.as_str().is_some_and(|text| text.contains(part)), "{part:?} is missing in {text}");
        assert_eq!(browser.eval(&tab, "document.getElementById('problem').hidden"), json!(false));
        browser.call(&tab, "Page.close", json!({}));
    };
    let no_gpu = "Object.defineProperty(Navigator.prototype, 'gpu', { get: () => undefined })";
    told(browser, files.clone(), no_gpu, "no WebGPU");
    let no_adapter = "GPU.prototype.requestAdapter = async () => null";
    told(browser, files.clone(), no_adapter, "no graphics adapter");
    let small = "Object.defineProperty(GPUAdapter.prototype, 'limits', { get: () => ({ maxBufferSize: 1024, \
         maxStorageBufferBindingSize: 1024 }) })";
    told(browser, files.clone(), small, "too large for this graphics adapter");

    let with = |name: &str, bytes: Vec<u8>| {
        let mut files = files.clone();
        files.insert(name.into(), bytes);
        files
    };
    let mut later = parsed(&files, web::MANIFEST);
    later["format"] = json!(web::FORMAT + 1);
    told(browser, with(web::MANIFEST, later.to_string().into_bytes()), "", "different versions");
    // a graphics driver may draw NaN as if it were a number
    let mut sick = files["model.safetensors"].clone();
    let end = sick.len();
    sick[end - 2..].copy_from_slice(&half::f16::NAN.to_le_bytes());
    let mut listed = parsed(&files, web::MANIFEST);
    let digest: String = Sha256::digest(&sick).iter().map(|byte| format!("{byte:02x}")).collect();
    listed["files"]["model.safetensors"]["sha256"] = json!(digest);
    let mut diverged = with("model.safetensors", sick);
    diverged.insert(web::MANIFEST.into(), listed.to_string().into_bytes());
    told(browser, diverged, "", "the training has diverged");
    let shader = files.keys().find(|name| name.contains("conv2d_transpose")).expect("a shader").clone();
    for name in ["plan.json", "model.safetensors", &shader] {
        let mut bytes = files[name].clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        told(browser, with(name, bytes), "", &format!("{name} is not the file that the manifest names"));
    }
    let mut fewer = files.clone();
    fewer.remove("plan.json");
    told(browser, fewer, "", "plan.json could not be loaded");

    // opened as a file, whose scripts a browser does not load, it says only that nothing has started
    let tab = browser.tab(800, "");
    let url = format!("file://{}", at.join("out/index.html").display());
    browser.call(&tab, "Page.navigate", json!({ "url": url }));
    browser
        .until(&tab, "document.readyState === 'complete' && document.body.innerText.includes('Nothing has')");
    let text = browser.eval(&tab, "document.body.innerText").to_string();
    assert!(!text.contains("Starting") && !text.contains("Loading"), "{text}");
    browser.call(&tab, "Page.close", json!({}));
}
