//! A trained model as a static web page: its dispatches and WGSL, for a browser to replay.
//! Read this for the files of an export.
//!
//! A [`Plan`](crate::gpu::Plan) is data, so exporting it means serializing it: buffers, lists of dispatches, the source
//! of every kernel, and the parameters in the layout of the buffers. The page's JavaScript (`web/` beside `src/`) fills
//! the buffers and replays the lists; it knows nothing of layers.
//!
//! ```text
//! OUT/  index.html style.css icon.svg *.js   the page
//!       manifest.json                        what the page shows, and size and SHA-256 of every other file
//!       plan.json                            buffers, programs, tensors that the page reads and writes
//!       shaders/KERNEL-HASH.wgsl             the files of every kernel, laid end to end
//!       model.safetensors                    parameters
//!       prior.safetensors, flow.safetensors  the fitted prior and the flow, if there is one
//! ```

mod folder;
mod plan;
mod serve;
mod weights;
mod written;

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

pub use folder::{check, read, write};
pub use plan::{Recorded, record};
pub use serve::{Serving, serve};
pub(crate) use serve::{kind, listen, only, reads, respond, said};
pub use weights::Precision;
pub use written::Written;

use crate::config::{Likelihood, ModelConfig};
use crate::data::{ColourRule, Reading, Resize};
use crate::error::Result;
use crate::generate::{Axes, Fitted, FittedFlow};
use crate::model::StateDict;
use crate::model::flow::{self, FlowSampling};

/// Format version, raised whenever older pages could not read new files.
pub const FORMAT: u32 = 1;
/// File name of the manifest.
pub const MANIFEST: &str = "manifest.json";

/// Maximum number of sliders on a page.
const MAX_SLIDERS: usize = 12;

/// The files of the page itself, identical for every model.
pub const PAGE: &[(&str, &str)] = &[
    ("index.html", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/index.html"))),
    ("base.css", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/base.css"))),
    ("style.css", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/style.css"))),
    ("icon.svg", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/icon.svg"))),
    ("app.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/app.js"))),
    ("container.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/container.js"))),
    ("controls.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/controls.js"))),
    ("files.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/files.js"))),
    ("latents.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/latents.js"))),
    ("link.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/link.js"))),
    ("photograph.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/photograph.js"))),
    ("prior.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/prior.js"))),
    ("replay.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/replay.js"))),
    ("samples.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/samples.js"))),
];

/// The files of a page by name: everything but the manifest.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Contents of a page.
pub struct Page<'a> {
    /// title of the model
    pub title: String,
    /// architecture
    pub config: ModelConfig,
    /// likelihood of pixels: determines how logits become a picture
    pub likelihood: Likelihood,
    /// reading of pictures, as in the run
    pub reading: Reading,
    /// parameters, already rounded if requested
    pub weights: &'a StateDict,
    /// storage type of the parameters
    pub precision: Precision,
    /// effect of the rounding, if the parameters were rounded
    pub rounding: Option<Rounding>,
    /// fitted prior, if there is one
    pub prior: Option<&'a Fitted>,
    /// flow, if there is one: samples come from it
    pub flow: Option<PageFlow<'a>>,
    /// mean KL divergence of each dimension over pictures, in nats, if measured, \[Z\]
    pub kl: Option<Vec<f64>>,
}

/// The flow of a page.
#[derive(Debug, Clone, Copy)]
pub struct PageFlow<'a> {
    /// parameters, already rounded if requested, and the names of the classes
    pub fitted: &'a FittedFlow,
    /// steps of a sample
    pub steps: u32,
    /// weight of the class; `None` without classes, or for the velocity of the class alone
    pub guidance: Option<f32>,
}

impl PageFlow<'_> {
    /// Settings of the plan's sampler.
    pub fn sampling(&self) -> FlowSampling {
        self.fitted.sampling(self.steps, self.guidance)
    }
}

/// Error of parameters rounded to 16 bits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rounding {
    /// largest difference of a parameter
    pub weights: f64,
    /// largest difference of a channel of the samples, in units of 1/255
    pub samples: f64,
    /// seeds of the compared samples, which are draws of the prior that the page starts with
    pub seeds: Vec<u64>,
    /// adapter that computed the samples
    pub adapter: String,
}

/// Size and digest of a file in the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Entry {
    bytes: usize,
    sha256: String,
}

/// The flow in the manifest.
#[derive(Serialize)]
struct FlowEntry<'a> {
    parameters: u64,
    /// steps of a sample
    steps: u32,
    /// weight of the class
    guidance: Option<f32>,
    /// names of the classes, in the order of their labels
    classes: &'a [String],
}

impl<'a> From<&PageFlow<'a>> for FlowEntry<'a> {
    fn from(PageFlow { fitted, steps, guidance }: &PageFlow<'a>) -> Self {
        let parameters = flow::parameter_count(&fitted.flow.config);
        Self { parameters, steps: *steps, guidance: *guidance, classes: &fitted.classes }
    }
}

/// Content of `manifest.json`.
#[derive(Serialize)]
struct Manifest<'a> {
    format: u32,
    generator: String,
    title: &'a str,
    model: ModelConfig,
    parameters: u64,
    /// latent dimensions of a picture
    latents: u32,
    /// cells of the grid that they are on
    cells: u32,
    resize: Resize,
    /// treatment of colour profiles
    colour: ColourRule,
    precision: Precision,
    rounding: &'a Option<Rounding>,
    /// components of the fitted prior
    prior: Option<usize>,
    /// names of its classes, in the order of its components; none if they are no classes
    prior_classes: &'a [String],
    flow: Option<FlowEntry<'a>>,
    kl: &'a Option<Vec<f64>>,
    axes: Axes,
    files: BTreeMap<&'a str, Entry>,
}

impl Page<'_> {
    /// All files, the manifest as [`MANIFEST`].
    ///
    /// # Errors
    /// If the model exceeds the WebGPU default limits, or a parameter is not finite in 16 bits.
    pub fn files(&self) -> Result<Files> {
        let sampling = self.flow.map(|flow| flow.sampling());
        let recorded = record(&self.config, self.likelihood, sampling)?;
        let mut files: Files = PAGE.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
        files.extend(recorded.shaders.iter().map(|(name, text)| (name.clone(), text.as_bytes().into())));
        files.insert("plan.json".into(), json(&recorded.plan));
        files.insert(
            "model.safetensors".into(),
            weights::model_file(&recorded, self.weights, self.precision)?,
        );
        if let Some(prior) = self.prior {
            files.insert("prior.safetensors".into(), prior.to_page_bytes()?);
        }
        if let (Some(flow), Some(sampler)) = (&self.flow, &recorded.network.flow) {
            let bytes = weights::flow_file(sampler, &flow.fitted.flow, self.precision)?;
            files.insert("flow.safetensors".into(), bytes);
        }
        let entry = |bytes: &Vec<u8>| Entry { bytes: bytes.len(), sha256: sha256(bytes) };
        let manifest = Manifest {
            format: FORMAT,
            generator: format!("wgvae {}", env!("CARGO_PKG_VERSION")),
            title: &self.title,
            model: self.config,
            parameters: crate::model::parameter_count(&self.config),
            latents: self.config.latents(),
            cells: self.config.cells(),
            resize: self.reading.resize,
            colour: self.reading.colour,
            precision: self.precision,
            rounding: &self.rounding,
            prior: self.prior.map(|prior| prior.mixture.components.len()),
            prior_classes: self.prior.map_or(&[], |prior| prior.classes.as_slice()),
            flow: self.flow.as_ref().map(FlowEntry::from),
            kl: &self.kl,
            axes: Axes::new(self.config.latents(), MAX_SLIDERS, self.kl.as_deref(), self.prior)?,
            files: files.iter().map(|(name, bytes)| (name.as_str(), entry(bytes))).collect(),
        };
        let manifest = json(&manifest);
        files.insert(MANIFEST.into(), manifest);
        Ok(files)
    }
}

/// Serializes our own types, which cannot fail.
fn json(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec(value).expect("maps have text keys and numbers are finite");
    text.push(b'\n');
    text
}

/// SHA-256 of a file in hexadecimal, as computed by `crypto.subtle`.
fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
