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
use super::check::Tolerance;
use super::gemm::{Epilogue, Fused, Product, Size};
use super::variant::{Variant, is_false};
use super::winograd::{Side, Winograd, each_product};
use crate::error::{Error, Result};
use crate::gpu::kernel::{Constant, Value};
use crate::gpu::{Capabilities, Element, Plan, ProgramId, Shape, Tensor};

/// One way to compute an op.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Form {
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
    Sweep {
        /// invocations of a workgroup
        threads: u32,
        /// vec4s that each of them takes
        each: u32,
    },
    /// Sums of a matrix's columns.
    Columns {
        /// invocations of a workgroup
        threads: u32,
        /// parts of the rows, added in a second pass
        parts: u32,
        /// whether the matrix is read from an image of it
        #[serde(default, skip_serializing_if = "is_false")]
        images: bool,
    },
}

impl Form {
    /// How tables call it.
    pub fn name(self) -> String {
        match self {
            Self::Product { variant, splits: 1 } => variant.name(),
            Self::Product { variant, splits } => format!("{}, {splits} parts", variant.name()),
            Self::Winograd { variant, splits } => {
                format!("winograd, {}", Self::Product { variant, splits }.name())
            }
            Self::Sweep { threads, each } => format!("{threads} threads, {each} vec4 each"),
            Self::Columns { threads, parts, images } => {
                let parts = if parts == 1 { "one pass".into() } else { format!("{parts} parts") };
                format!("{threads} threads, {parts}{}", if images { ", image" } else { "" })
            }
        }
    }

    /// Whether `target` can run it.
    pub fn runs_on(self, target: &Capabilities) -> bool {
        match self {
            Self::Product { variant, splits } | Self::Winograd { variant, splits } => {
                variant.runs_on(target) && splits > 0
            }
            Self::Sweep { threads, each } => SWEEPS.contains(&[threads, each]),
            Self::Columns { threads, parts, images } => {
                Self::COLUMN_THREADS.contains(&threads) && parts > 0 && (!images || target.images)
            }
        }
    }

    /// Workgroups of sums of columns.
    pub const COLUMN_THREADS: [u32; 2] = [64, 256];
}

/// Workgroup and vec4s per invocation of the passes over memory, the plain one first.
pub const SWEEPS: [[u32; 2]; 6] = [[64, 1], [64, 4], [128, 2], [256, 1], [256, 4], [64, 16]];

/// An op that can be computed in several forms.
pub trait Tunable: Send + Sync {
    /// Kernel, sizes and epilogue: what a form is chosen for.
    fn key(&self) -> String;
    /// Forms worth trying on `target`; the first is the plain one, which the others are checked against.
    fn forms(&self, target: &Capabilities) -> Vec<Form>;
    /// Whether it can be computed in `form`: a table may come from a file.
    fn allows(&self, form: Form) -> bool;
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
    fn tolerance(&self, form: Form) -> Tolerance;
    /// Records it in `form`.
    fn record(&self, plan: &mut Plan, program: ProgramId, form: Form, operands: &[Tensor]);
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
pub type Table = BTreeMap<String, Form>;

/// What was asked for while plans were recorded.
#[derive(Default)]
struct Asked {
    forms: Table,
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
    wide: Vec<Variant>,
    /// the same for factors that are read from images, where that is worth a copy
    imaged: Option<Vec<Variant>>,
    /// the same for products of few rows, the fewest first
    few_rows: Vec<Variant>,
    /// for products of at most 8 columns
    narrow: Variant,
    /// workgroups that keep the adapter busy
    busy: u64,
    sweep: [u32; 2],
    target: Capabilities,
}

/// Least length of a part of a split sum.
const MIN_SPLIT: u32 = 256;
/// Multiplications of a direct convolution for each element of points, from which on points are taken to make `side`. What
/// was seen on llvmpipe, from images: weights faster by a twelfth to a third from 122 on, but for one case; the others,
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
            wide: vec![Variant::PLAIN],
            imaged: None,
            few_rows: Vec::new(),
            narrow: Variant::NARROW,
            busy: 512,
            sweep: [64, 1],
            target: target.clone(),
        };
        match (target.software, target.discrete) {
            // loads cost more than arithmetic, and there are as many workers as cores
            (true, _) => Self { busy: 8, sweep: [256, 1], ..gpu }.by_subgroups(),
            (false, true) => Self { wide: vec![large, Variant::PLAIN], sweep: [256, 1], ..gpu },
            // few cores that share the host's memory
            (false, false) => Self { busy: 128, ..gpu },
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
            wide: vec![small],
            imaged: self.target.images.then_some(large),
            few_rows: Variant::few_rows(&self.target).collect(),
            narrow: Variant::direct([64, 1], 1),
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
            tiles(*variant, size) >= self.busy && 4 * elements(*variant) <= 5 * elements(last)
        };
        variants.iter().copied().find(suits).unwrap_or(last)
    }

    /// From images, where that is worth the copies and their memory: copying a number takes llvmpipe about as long as
    /// reading it once from a buffer. Measured with a layer's weights, which are read once: no gain by the wide tiles
    /// where they lie along K, half the time where they lie along N, and half the time by the tiles of few rows.
    fn imaged<P: Product>(&self, op: &Fused<P>) -> Option<Variant> {
        let wide = self.imaged.as_ref()?;
        let [_, right_along_k] = P::ALONG_K;
        let size = op.product.size();
        let holds = |variant: &Variant| size.n > 8 && size.m <= variant.tile()[0];
        let few = self.few_rows.iter().copied().find(holds);
        let many = || if size.n <= 8 { self.narrow.fetching(true) } else { self.busy_with(wide, size) };
        let variant = few.unwrap_or_else(many);
        let times = if right_along_k && few.is_none() { 2 } else { 1 };
        let [rows, columns] = tiles_along(variant, size);
        let depth = u64::from(size.k) * u64::from(size.planes);
        let read = (u64::from(size.m) * columns + u64::from(size.n) * rows) * depth;
        let [left, right, _] = op.product.shapes().map(|shape| u64::from(shape.len()));
        (read > times * (left + right) && op.fits_images()).then_some(variant)
    }

    /// By points where that saves more than it costs, on software adapters with images; it has not been measured on others.
    fn product<P: Product>(&self, op: &Fused<P>) -> Form {
        let pays = |winograd: &Winograd| {
            op.product.flops() / 2 > least_multiplications(winograd.made()) * winograd.elements()
        };
        match op.by_points().filter(|winograd| self.imaged.is_some() && pays(winograd)) {
            Some(winograd) => self.points(&winograd),
            None => self.whole(op),
        }
    }

    /// By points, in their products' default form.
    fn points(&self, winograd: &Winograd) -> Form {
        let form =
            each_product!(winograd.points(), product => self.whole(&Fused::plain(product, Epilogue::None)));
        match form {
            Form::Product { variant, splits } => Form::Winograd { variant, splits },
            form => form,
        }
    }

    fn whole<P: Product>(&self, op: &Fused<P>) -> Form {
        let size = op.product.size();
        let from_buffers = || if size.n <= 8 { self.narrow } else { self.busy_with(&self.wide, size) };
        let variant = self.imaged(op).unwrap_or_else(from_buffers);
        let [_, _, out] = op.product.shapes();
        let wanted = self.busy.div_ceil(tiles(variant, size));
        let most = u64::from(most_splits(size, out.len()));
        Form::Product { variant, splits: (wanted.min(most) as u32).max(self.target.least_parts(size.k)) }
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
pub fn most_splits(size: Size, out: u32) -> u32 {
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
    pub fn product<P: Product>(&self, op: Fused<P>) -> Form {
        let default = self.defaults.product(&op);
        let default = match (self.forced, default) {
            (Some(variant), _) => match self.defaults.whole(&op) {
                Form::Product { splits, .. } => Form::Product { variant, splits },
                form => form,
            },
            _ => default,
        };
        let target = &self.defaults.target;
        let least = target.least_parts(op.product.size().k);
        let points =
            op.by_points().map(|winograd| each_product!(winograd.points(), product => product.size().k));
        let least_of_points = points.map_or(1, |k| target.least_parts(k));
        self.form(op, default, |form| match form {
            Form::Product { splits, .. } => splits >= least,
            Form::Winograd { splits, .. } => splits >= least_of_points,
            Form::Sweep { .. } | Form::Columns { .. } => false,
        })
    }

    /// A convolution by way of points, in their products' default form.
    pub(super) fn points_form(&self, winograd: &Winograd) -> Form {
        self.defaults.points(winograd)
    }

    /// Workgroup size and vec4s per invocation of a pass over memory.
    pub fn sweep(&self, op: impl Tunable + 'static) -> [u32; 2] {
        let [threads, each] = self.defaults.sweep;
        match self.form(op, Form::Sweep { threads, each }, |_| true) {
            Form::Sweep { threads, each } => [threads, each],
            form => unreachable!("{form:?} is not allowed for a pass over memory"),
        }
    }

    /// How columns are summed: by default in enough parts to keep the adapter busy, and from an image where products
    /// are computed from images, because those that come behind it read the same one.
    pub fn bias_grad(&self, op: BiasGradShape) -> Form {
        let [threads, _] = self.defaults.sweep;
        let parts = self.defaults.busy.div_ceil(op.column_blocks(threads).into()) as u32;
        let least = self.defaults.target.least_parts(op.rows);
        let parts = parts.min(op.most_parts()).max(least);
        let fits = |form| matches!(form, Form::Columns { parts, .. } if parts >= least);
        let images = self.defaults.imaged.is_some() && op.fits_image();
        self.form(op, Form::Columns { threads, parts, images }, fits)
    }

    fn form(&self, op: impl Tunable + 'static, default: Form, fits: impl Fn(Form) -> bool) -> Form {
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
        asked.forms.insert(key.clone(), form);
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
        let Defaults { wide, imaged, few_rows, narrow, .. } = &self.defaults;
        let narrow_imaged = imaged.as_ref().map(|_| narrow.fetching(true));
        let imaged = imaged.iter().flatten().chain(few_rows);
        let mut all = vec![Variant::PLAIN, *narrow];
        all.extend(narrow_imaged.iter().chain(wide).chain(imaged));
        all.sort_unstable();
        all.dedup();
        all
    }

    /// What the plans recorded so far took.
    pub fn used(&self) -> Table {
        self.asked().forms.clone()
    }

    /// The ops with forms that were recorded so far, each once, and the form that it took.
    pub fn ops(&self) -> Vec<(Arc<dyn Tunable>, Form)> {
        let asked = self.asked();
        asked.ops.iter().map(|(key, op)| (op.clone(), asked.forms[key])).collect()
    }
}
