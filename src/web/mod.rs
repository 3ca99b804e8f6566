//! A trained model as a static page: the dispatches that compute it and their WGSL, for a browser to replay.
//!
//! A [`Plan`](crate::gpu::Plan) is data, so exporting one is writing it down: buffers, lists of dispatches, the text of
//! every kernel as it was composed, and the parameters in the layout of the buffers. The page's JavaScript
//! (`web/` beside `src/`) fills the buffers and replays the lists; it knows nothing of layers.
//!
//! ```text
//! OUT/  index.html style.css icon.svg *.js   the page
//!       manifest.json                        what the page shows, and size and SHA-256 of every other file
//!       plan.json                            buffers, programs, tensors that the page reads and writes
//!       shaders/KERNEL-HASH.wgsl             the files of every kernel, laid end to end
//!       model.safetensors, prior.safetensors parameters, and the fitted prior if there is one
//! ```

mod axes;
mod folder;
mod plan;
mod serve;
mod weights;

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

pub use axes::Axes;
pub use folder::{check, read, write};
pub use plan::{Recorded, record};
pub use serve::{Serving, serve};
pub use weights::{Precision, halved};

use crate::config::{Likelihood, ModelConfig};
use crate::data::Resize;
use crate::error::Result;
use crate::generate::Fitted;
use crate::model::StateDict;

/// Raised whenever a page of before could not read what is written now.
pub const FORMAT: u32 = 1;
/// What `manifest.json` is called.
pub const MANIFEST: &str = "manifest.json";

/// The page itself, the same for every model.
pub const PAGE: &[(&str, &str)] = &[
    ("index.html", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/index.html"))),
    ("style.css", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/style.css"))),
    ("icon.svg", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/icon.svg"))),
    ("app.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/app.js"))),
    ("controls.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/controls.js"))),
    ("files.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/files.js"))),
    ("latents.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/latents.js"))),
    ("link.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/link.js"))),
    ("photograph.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/photograph.js"))),
    ("prior.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/prior.js"))),
    ("replay.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/replay.js"))),
];

/// The files of a page by name: everything but the manifest.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What a page is made of.
pub struct Page<'a> {
    /// what the page calls the model
    pub title: String,
    /// the architecture
    pub config: ModelConfig,
    /// of pixels: what a picture shows of the decoder's logits
    pub likelihood: Likelihood,
    /// how the run made pictures square
    pub resize: Resize,
    /// the parameters, already rounded where they are to be
    pub weights: &'a StateDict,
    /// how they are stored
    pub precision: Precision,
    /// what rounding them did, if they were rounded
    pub rounding: Option<Rounding>,
    /// a density of the latents
    pub prior: Option<&'a Fitted>,
    /// \[Z\]: mean divergence of each dimension over pictures, in nats, if it was measured
    pub kl: Option<Vec<f64>>,
}

/// The error of parameters of 16 bits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rounding {
    /// largest difference of a parameter
    pub weights: f64,
    /// largest difference of a channel of the samples, in units of 1/255
    pub samples: f64,
    /// the seeds whose samples were compared
    pub seeds: Vec<u64>,
    /// the adapter that computed them
    pub adapter: String,
}

/// What a file is held to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Entry {
    bytes: usize,
    sha256: String,
}

/// `manifest.json`.
#[derive(Serialize)]
struct Manifest<'a> {
    format: u32,
    generator: String,
    title: &'a str,
    model: ModelConfig,
    parameters: u64,
    resize: Resize,
    precision: Precision,
    rounding: &'a Option<Rounding>,
    /// components of the fitted prior
    prior: Option<usize>,
    kl: &'a Option<Vec<f64>>,
    axes: Axes,
    files: BTreeMap<&'a str, Entry>,
}

impl Page<'_> {
    /// All files, the manifest under [`MANIFEST`].
    ///
    /// # Errors
    /// If the model's sizes do not fit any adapter, or a parameter has no finite value of 16 bits.
    pub fn files(&self) -> Result<Files> {
        let recorded = record(&self.config, self.likelihood)?;
        let mut files: Files = PAGE.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
        files.extend(recorded.shaders.iter().map(|(name, text)| (name.clone(), text.as_bytes().into())));
        files.insert("plan.json".into(), json(&recorded.plan));
        files.insert("model.safetensors".into(), weights::file(&recorded, self.weights, self.precision)?);
        if let Some(prior) = self.prior {
            files.insert("prior.safetensors".into(), prior.to_bytes()?);
        }
        let entry = |bytes: &Vec<u8>| Entry { bytes: bytes.len(), sha256: sha256(bytes) };
        let manifest = Manifest {
            format: FORMAT,
            generator: format!("wgvae {}", env!("CARGO_PKG_VERSION")),
            title: &self.title,
            model: self.config,
            parameters: self.config.parameters(),
            resize: self.resize,
            precision: self.precision,
            rounding: &self.rounding,
            prior: self.prior.map(|prior| prior.mixture.components.len()),
            kl: &self.kl,
            axes: Axes::new(self.config.latent, self.kl.as_deref(), self.prior)?,
            files: files.iter().map(|(name, bytes)| (name.as_str(), entry(bytes))).collect(),
        };
        let manifest = json(&manifest);
        files.insert(MANIFEST.into(), manifest);
        Ok(files)
    }
}

/// What we write ourselves always has a text.
fn json(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec(value).expect("maps have text keys and numbers are finite");
    text.push(b'\n');
    text
}

/// A file's digest in hexadecimal, as `crypto.subtle` gives it.
fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
