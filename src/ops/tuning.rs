//! Which form each op takes on one adapter: a table from measurements where there is one, else the defaults
//! for the kind of adapter.
//!
//! An op with forms is [`Tunable`]: it names its candidates and records any of them. Nothing here measures; the
//! autotuner does, and gives its table back. [`Tuning::used`] tells what a plan took, so that a run can keep it
//! and be replayed bit for bit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::bias_grad::BiasGradShape;
use super::gemm::variant::{Variant, is_false};
use super::gemm::{Epilogue, Fused, Product, Size};
use super::tolerance::Tolerance;
use super::winograd::{Side, Winograd, each_product};
use crate::error::{Error, Result};
use crate::gpu::kernel::{Constant, Value};
use crate::gpu::{Capabilities, Element, Plan, ProgramId, Shape, Tensor};

/// One way to compute an op.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum KernelConfig {
    /// A matrix product.
    Product {
        /// the core
        variant: Variant,
        /// parts of the sum, added in a second pass
        splits: u32,
    },
    /// A convolution by way of Winograd's points.
    Winograd {
        /// the core of the products of points
        variant: Variant,
        /// parts of their sums
        splits: u32,
    },
    /// A pass over memory.
    #[serde(alias = "sweep")]
    Elementwise {
        /// invocations of a workgroup
        threads: u32,
        /// vec4s that each of them takes
        #[serde(alias = "each")]
        vec4s_per_thread: u32,
    },
    /// Sums of a matrix's columns.
    #[serde(alias = "columns")]
    BiasGrad {
        /// invocations of a workgroup
        threads: u32,
        /// parts of the rows, added in a second pass
        parts: u32,
        /// whether the matrix is read from a texture of it
        #[serde(alias = "images", default, skip_serializing_if = "is_false")]
        textures: bool,
    },
}

impl KernelConfig {
    /// How tables call it.
    pub fn name(self) -> String {
        match self {
            Self::Product { variant, splits: 1 } => variant.name(),
            Self::Product { variant, splits } => format!("{}, {splits} parts", variant.name()),
            Self::Winograd { variant, splits } => {
                format!("winograd, {}", Self::Product { variant, splits }.name())
            }
            Self::Elementwise { threads, vec4s_per_thread } => {
                format!("{threads} threads, {vec4s_per_thread} vec4 each")
            }
            Self::BiasGrad { threads, parts, textures } => {
                let parts = if parts == 1 { "one pass".into() } else { format!("{parts} parts") };
                format!("{threads} threads, {parts}{}", if textures { ", texture" } else { "" })
            }
        }
    }

    /// Whether `target` can run it.
    pub fn runs_on(self, target: &Capabilities) -> bool {
        match self {
            Self::Product { variant, splits } | Self::Winograd { variant, splits } => {
                variant.runs_on(target) && splits > 0
            }
            Self::Elementwise { threads, vec4s_per_thread } => {
                ELEMENTWISE.contains(&[threads, vec4s_per_thread])
            }
            Self::BiasGrad { threads, parts, textures } => {
                Self::BIAS_GRAD_THREADS.contains(&threads) && parts > 0 && (!textures || target.textures)
            }
        }
    }

    /// Workgroups of sums of columns.
    pub const BIAS_GRAD_THREADS: [u32; 2] = [64, 256];
}

/// Workgroup and vec4s per invocation of the passes over memory, the plain one first.
pub const ELEMENTWISE: [[u32; 2]; 6] = [[64, 1], [64, 4], [128, 2], [256, 1], [256, 4], [64, 16]];

/// An op that can be computed in several forms.
pub trait Tunable: Send + Sync {
    /// Kernel, sizes and epilogue: what a form is chosen for.
    fn key(&self) -> String;
    /// Forms worth trying on `target`; the first is the plain one, which the others are checked against.
    fn candidates(&self, target: &Capabilities) -> Vec<KernelConfig>;
    /// Whether it can be computed in `form`: a table may come from a file.
    fn allows(&self, form: KernelConfig) -> bool;
    /// Name and shape of each operand; the last one is the output.
    fn operands(&self) -> Vec<(&'static str, Shape)>;
    /// What each operand is made of; what is not listed is f32.
    fn elements(&self) -> Vec<Element> {
        Vec::new()
    }
    /// The operand that a second product of a step reads as well: what a form makes of it serves both.
    fn shared(&self) -> Option<usize> {
        None
    }
    /// How far `form` may lie from the plain one on operands that are drawn from the normal distribution.
    fn tolerance(&self, form: KernelConfig) -> Tolerance;
    /// Records it in `form`.
    fn record(&self, plan: &mut Plan, program: ProgramId, form: KernelConfig, operands: &[Tensor]);
}

/// A kernel and its sizes in one line: `linear rows=16 inputs=128 outputs=256`.
pub fn key(kernel: &str, sizes: &[Constant]) -> String {
    let sizes = sizes.iter().map(|(name, value)| match value {
        Value::U32(value) => format!(" {name}={value}"),
        other => format!(" {name}={other}"),
    });
    format!("{kernel}{}", sizes.collect::<String>())
}

/// Chosen forms by key.
pub type Table = BTreeMap<String, KernelConfig>;

/// What was asked for while plans were recorded.
#[derive(Default)]
struct Asked {
    candidates: Table,
    /// forms of the table that the op cannot take
    misfits: Table,
    ops: BTreeMap<String, Arc<dyn Tunable>>,
}

/// How ops are computed on one adapter.
pub struct Tuning {
    defaults: Defaults,
    table: Table,
    forced: Option<Variant>,
    asked: Mutex<Asked>,
}

/// What is known of a kind of adapter without measuring.
#[derive(Debug, Clone)]
struct Defaults {
    /// for large products, the first that suits
    large: Vec<Variant>,
    /// the same for factors that are read from textures, where that is worth a copy
    from_textures: Option<Vec<Variant>>,
    /// the same for products of few rows, the fewest first
    small_m: Vec<Variant>,
    /// for products of at most 8 columns
    small_n: Variant,
    /// workgroups that keep the adapter min_workgroups
    min_workgroups: u64,
    launch: [u32; 2],
    target: Capabilities,
}

/// Least length of a part of a split sum.
const MIN_SPLIT: u32 = 256;
/// Multiplications of a direct convolution for each element of points, from which on points are taken to make `side`. What
/// was seen on llvmpipe, from textures: weights faster by a twelfth to a third from 122 on, but for one case; the others,
/// where products with the same weights do not share their points, low as fast at 131 to 145 and faster by a fifth from
/// 150 on, high, since points are stored by words, as fast at 131 and faster by a tenth to a third from 138 on. Where they
/// share them, both together faster by an eighth at 127.
fn least_multiplications(side: Side) -> u64 {
    match side {
        Side::Weights => 118,
        Side::Low | Side::High => 125,
    }
}

/// Most bytes of the parts of one split sum.
const MAX_PARTS_BYTES: u64 = 64 << 20;

impl Defaults {
    fn of(target: &Capabilities) -> Self {
        let large = Variant::Tile { threads: [16, 8], blocks: [2, 2], depth: 8, buffers: 2 };
        let gpu = Self {
            large: vec![Variant::PLAIN],
            from_textures: None,
            small_m: Vec::new(),
            small_n: Variant::NARROW,
            min_workgroups: 512,
            launch: [64, 1],
            target: target.clone(),
        };
        match (target.software, target.discrete) {
            // loads cost more than arithmetic, and there are as many workers as cores
            (true, _) => Self { min_workgroups: 8, launch: [256, 1], ..gpu }.by_subgroups(),
            (false, true) => Self { large: vec![large, Variant::PLAIN], launch: [256, 1], ..gpu },
            // few cores that share the host's memory
            (false, false) => Self { min_workgroups: 128, ..gpu },
        }
    }

    /// By the subgroup core where a subgroup is a cluster. From buffers the smallest tile, because larger ones are
    /// little faster and compile three times as long.
    fn by_subgroups(self) -> Self {
        let core = |turns, columns| Variant::shared(&self.target, turns, columns);
        let Some(small @ Variant::Subgroup { clusters: 1, .. }) = core(1, 1) else { return self };
        // 32 x 64: rows of the left factor, often a window's, take the longest to find
        let large = [core(1, 2), Some(small)].into_iter().flatten();
        let large = large.map(|variant| variant.fetching(true)).collect();
        Self {
            large: vec![small],
            from_textures: self.target.textures.then_some(large),
            small_m: Variant::small_m(&self.target).collect(),
            small_n: Variant::direct([64, 1], 1),
            ..self
        }
    }

    /// The first of `variants`, largest tiles first, with enough workgroups and at most a quarter more elements in its
    /// tiles than in those of the last: a tile that juts out computes what nobody stores. Else the last.
    fn busy_with(&self, variants: &[Variant], size: Size) -> Variant {
        let last = variants.last().copied().unwrap_or(Variant::PLAIN);
        let elements = |variant: Variant| {
            let [m, n, _] = variant.tile();
            tiles(variant, size) * u64::from(m) * u64::from(n)
        };
        let suits = |variant: &Variant| {
            tiles(*variant, size) >= self.min_workgroups && 4 * elements(*variant) <= 5 * elements(last)
        };
        variants.iter().copied().find(suits).unwrap_or(last)
    }

    /// From textures, where that is worth the copies and their memory: copying a number takes llvmpipe about as long as
    /// reading it once from a buffer. Measured with a layer's weights, which are read once: no gain by the large tiles
    /// where they lie along K, half the time where they lie along N, and half the time by the tiles of few rows.
    fn from_textures<P: Product>(&self, op: &Fused<P>) -> Option<Variant> {
        let large = self.from_textures.as_ref()?;
        let [_, right_along_k] = P::K_MAJOR;
        let size = op.product.size();
        let holds = |variant: &Variant| size.n > 8 && size.m <= variant.tile()[0];
        let few = self.small_m.iter().copied().find(holds);
        let many = || if size.n <= 8 { self.small_n.fetching(true) } else { self.busy_with(large, size) };
        let variant = few.unwrap_or_else(many);
        let times = if right_along_k && few.is_none() { 2 } else { 1 };
        let [rows, columns] = tiles_along(variant, size);
        let depth = u64::from(size.k) * u64::from(size.planes);
        let read = (u64::from(size.m) * columns + u64::from(size.n) * rows) * depth;
        let [left, right, _] = op.product.shapes().map(|shape| u64::from(shape.len()));
        (read > times * (left + right) && op.fit_textures()).then_some(variant)
    }

    /// By points where that saves more than it costs, on software adapters with textures; it has not been measured on others.
    fn product<P: Product>(&self, op: &Fused<P>) -> KernelConfig {
        let pays = |winograd: &Winograd| {
            op.product.flops() / 2 > least_multiplications(winograd.made()) * winograd.elements()
        };
        match op.by_winograd().filter(|winograd| self.from_textures.is_some() && pays(winograd)) {
            Some(winograd) => self.winograd(&winograd),
            None => self.whole(op),
        }
    }

    /// By points, in their products' default form.
    fn winograd(&self, winograd: &Winograd) -> KernelConfig {
        let form =
            each_product!(winograd.product(), product => self.whole(&Fused::plain(product, Epilogue::None)));
        match form {
            KernelConfig::Product { variant, splits } => KernelConfig::Winograd { variant, splits },
            form => form,
        }
    }

    fn whole<P: Product>(&self, op: &Fused<P>) -> KernelConfig {
        let size = op.product.size();
        let from_buffers = || if size.n <= 8 { self.small_n } else { self.busy_with(&self.large, size) };
        let variant = self.from_textures(op).unwrap_or_else(from_buffers);
        let [_, _, out] = op.product.shapes();
        let wanted = self.min_workgroups.div_ceil(tiles(variant, size));
        let most = u64::from(max_splits(size, out.len()));
        KernelConfig::Product {
            variant,
            splits: (wanted.min(most) as u32).max(self.target.min_splits(size.k)),
        }
    }
}

/// Tiles along M and N.
fn tiles_along(variant: Variant, size: Size) -> [u64; 2] {
    let [tile_m, tile_n, _] = variant.tile();
    [size.m.div_ceil(tile_m), size.n.div_ceil(tile_n)].map(u64::from)
}

fn tiles(variant: Variant, size: Size) -> u64 {
    tiles_along(variant, size).iter().product::<u64>() * u64::from(size.planes)
}

/// Into how many parts a sum may be cut: none too short to be worth it, all of them within a bound of memory.
/// Adapters that cannot sum as much as that leaves in one part get more.
pub fn max_splits(size: Size, out: u32) -> u32 {
    let longest = u64::from(size.k / MIN_SPLIT).max(1);
    let largest = (MAX_PARTS_BYTES / (4 * u64::from(out))).max(1);
    longest.min(largest) as u32
}

impl Tuning {
    /// Good choices for `target` without measurements.
    pub fn of(target: &Capabilities) -> Self {
        Self::with(target, Table::new())
    }

    /// The choices of `table`, and the defaults for what it does not name.
    pub fn with(target: &Capabilities, table: Table) -> Self {
        Self { defaults: Defaults::of(target), table, forced: None, asked: Mutex::default() }
    }

    /// Every product by one variant, for tests and experiments.
    pub fn forced(target: &Capabilities, variant: Variant) -> Self {
        Self { forced: Some(variant), ..Self::of(target) }
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The form of a product.
    pub fn product<P: Product>(&self, op: Fused<P>) -> KernelConfig {
        let default = self.defaults.product(&op);
        let default = match (self.forced, default) {
            (Some(variant), _) => match self.defaults.whole(&op) {
                KernelConfig::Product { splits, .. } => KernelConfig::Product { variant, splits },
                form => form,
            },
            _ => default,
        };
        let target = &self.defaults.target;
        let least = target.min_splits(op.product.size().k);
        let transformed =
            op.by_winograd().map(|winograd| each_product!(winograd.product(), product => product.size().k));
        let min_splits_of_winograd = transformed.map_or(1, |k| target.min_splits(k));
        self.form(op, default, |form| match form {
            KernelConfig::Product { splits, .. } => splits >= least,
            KernelConfig::Winograd { splits, .. } => splits >= min_splits_of_winograd,
            KernelConfig::Elementwise { .. } | KernelConfig::BiasGrad { .. } => false,
        })
    }

    /// A convolution by way of points, in their products' default form.
    pub(super) fn winograd_config(&self, winograd: &Winograd) -> KernelConfig {
        self.defaults.winograd(winograd)
    }

    /// Workgroup size and vec4s per invocation of a pass over memory.
    pub fn elementwise_config(&self, op: impl Tunable + 'static) -> [u32; 2] {
        let [threads, vec4s_per_thread] = self.defaults.launch;
        match self.form(op, KernelConfig::Elementwise { threads, vec4s_per_thread }, |_| true) {
            KernelConfig::Elementwise { threads, vec4s_per_thread } => [threads, vec4s_per_thread],
            form => unreachable!("{form:?} is not allowed for a pass over memory"),
        }
    }

    /// How columns are summed: by default in enough parts to keep the adapter min_workgroups, and from a texture where products
    /// are computed from textures, because those that come behind it read the same one.
    pub fn bias_grad(&self, op: BiasGradShape) -> KernelConfig {
        let [threads, _] = self.defaults.launch;
        let parts = self.defaults.min_workgroups.div_ceil(op.column_blocks(threads).into()) as u32;
        let least = self.defaults.target.min_splits(op.rows);
        let parts = parts.min(op.most_parts()).max(least);
        let fits = |form| matches!(form, KernelConfig::BiasGrad { parts, .. } if parts >= least);
        let textures = self.defaults.from_textures.is_some() && op.fits_texture();
        self.form(op, KernelConfig::BiasGrad { threads, parts, textures }, fits)
    }

    fn form(
        &self,
        op: impl Tunable + 'static,
        default: KernelConfig,
        fits: impl Fn(KernelConfig) -> bool,
    ) -> KernelConfig {
        let key = op.key();
        let mut asked = self.asked();
        let form = match self.table.get(&key) {
            Some(form) if op.allows(*form) && fits(*form) => *form,
            Some(form) => {
                asked.misfits.insert(key.clone(), *form);
                default
            }
            None => default,
        };
        asked.candidates.insert(key.clone(), form);
        asked.ops.entry(key).or_insert_with(|| Arc::new(op));
        form
    }

    /// An error if the table has a form that its op cannot take.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the first.
    pub fn checked(&self) -> Result<()> {
        let asked = self.asked();
        asked.misfits.first_key_value().map_or(Ok(()), |(key, form)| {
            Err(Error::Usage(format!(
                "the table of forms says {} for {key}, which is none of its forms",
                form.name()
            )))
        })
    }

    /// The variants that products take without a table, and the plain one.
    pub fn usual(&self) -> Vec<Variant> {
        let Defaults { large, from_textures, small_m, small_n, .. } = &self.defaults;
        let narrow_from_textures = from_textures.as_ref().map(|_| small_n.fetching(true));
        let from_textures = from_textures.iter().flatten().chain(small_m);
        let mut all = vec![Variant::PLAIN, *small_n];
        all.extend(narrow_from_textures.iter().chain(large).chain(from_textures));
        all.sort_unstable();
        all.dedup();
        all
    }

    /// What the plans recorded so far took.
    pub fn used(&self) -> Table {
        self.asked().candidates.clone()
    }

    /// The ops with forms that were recorded so far, each once, and the form that it took.
    pub fn ops(&self) -> Vec<(Arc<dyn Tunable>, KernelConfig)> {
        let asked = self.asked();
        asked.ops.iter().map(|(key, op)| (op.clone(), asked.candidates[key])).collect()
    }
}
