//! Default kernel configurations for each kind of adapter, chosen without measuring on it.
//!
//! They apply to everything that no tuning table names. The measurements behind the constants are in
//! docs/lab-notebook/defaults.md.

use super::bias_grad::BiasGradShape;
use super::gemm::variant::Variant;
use super::gemm::{Product, Side, Size};
use super::tunable::KernelConfig;
use super::winograd_convolution::{WinogradConvolution, each_product};
use crate::gpu::{Capabilities, Vendor};

/// The minimum length of a part of a split sum.
const MIN_SPLIT: u32 = 256;
/// The maximum memory of the parts of one split sum in bytes.
const MAX_PARTS_BYTES: u64 = 64 << 20;

/// The ratio of direct multiplications to transformed elements above which the Winograd algorithm computes `side` by
/// default, measured on llvmpipe.
fn min_winograd_ratio(side: Side) -> u64 {
    match side {
        Side::Weights => 118,
        Side::Low | Side::High => 125,
    }
}

/// Default configurations on one adapter.
#[derive(Debug, Clone)]
pub(super) struct Defaults {
    /// for large products, the largest tile first
    large: Vec<Variant>,
    /// for large products with factors in textures, if the adapter gains by texture copies
    from_textures: Option<Vec<Variant>>,
    /// for products of few rows, with factors in textures, the fewest rows first
    small_m: Vec<Variant>,
    /// for products of at most 8 columns
    small_n: Variant,
    /// workgroups that keep the adapter busy
    min_workgroups: u64,
    /// workgroup size and vec4s per invocation of elementwise kernels
    launch: [u32; 2],
    target: Capabilities,
}

impl Defaults {
    pub(super) fn of(target: &Capabilities) -> Self {
        let gpu = Self {
            large: Self::tiles(target),
            from_textures: None,
            small_m: Vec::new(),
            small_n: Variant::direct([64, 1], 1),
            min_workgroups: 512,
            launch: [64, 1],
            target: target.clone(),
        };
        match (target.software, target.discrete) {
            // loads cost more than arithmetic, and there is one worker for each core
            (true, _) => Self { min_workgroups: 8, launch: [256, 1], ..gpu }.with_subgroups(),
            (false, true) => Self { launch: [256, 1], ..gpu },
            // few cores that share the host's memory
            (false, false) => Self { min_workgroups: 128, ..gpu },
        }
    }

    /// The tiles for large products, the largest first, as GPUs' compilers judge them (docs/gpu-compilers.md).
    fn tiles(target: &Capabilities) -> Vec<Variant> {
        match target.vendor {
            // more sums would be spilled
            Vendor::Apple | Vendor::Intel => vec![Variant::FEW_SUMS],
            Vendor::Qualcomm => vec![Variant::UNROLLED],
            Vendor::Other if !target.discrete => vec![Variant::PLAIN],
            Vendor::Amd | Vendor::Nvidia | Vendor::Other => vec![Variant::WIDE, Variant::UNROLLED],
        }
    }

    /// Uses the subgroup core if a subgroup is a cluster. From buffers it takes the smallest tile, because larger ones
    /// are little faster and compile more slowly.
    fn with_subgroups(self) -> Self {
        let core = |blocks_m, blocks_n| Variant::subgroup(&self.target, blocks_m, blocks_n);
        let Some(small @ Variant::Subgroup { clusters: 1, .. }) = core(1, 1) else { return self };
        // more columns than rows: rows of the left factor, often a convolution's window, are the slowest to load
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

    /// The configuration of a product: by the Winograd algorithm if that is possible and saves more than it costs, else
    /// by the matrix product. Winograd needs a software adapter with textures; on others it has not been measured.
    pub(super) fn product<P: Product>(
        &self,
        product: &P,
        winograd: Option<&WinogradConvolution>,
    ) -> KernelConfig {
        let pays = |winograd: &&WinogradConvolution| {
            product.flops() / 2 > min_winograd_ratio(winograd.output()) * winograd.elements()
        };
        match winograd.filter(|_| self.from_textures.is_some()).filter(pays) {
            Some(winograd) => self.winograd(winograd),
            None => self.gemm(product),
        }
    }

    /// The configuration of a convolution by the Winograd algorithm: that of its products.
    pub(super) fn winograd(&self, winograd: &WinogradConvolution) -> KernelConfig {
        match each_product!(winograd.product(), product => self.gemm(&product)) {
            KernelConfig::Product { variant, splits } => KernelConfig::Winograd { variant, splits },
            config => config,
        }
    }

    /// The configuration of a product without the Winograd algorithm.
    pub(super) fn gemm<P: Product>(&self, product: &P) -> KernelConfig {
        let size = product.size();
        let from_buffers = || {
            if size.n <= 8 { self.small_n } else { self.largest_busy(&self.large, size) }
        };
        let variant = self.texture_variant(product).unwrap_or_else(from_buffers);
        let [_, _, out] = product.shapes();
        let wanted = self.min_workgroups.div_ceil(tiles(variant, size));
        let most = u64::from(max_splits(size, out.len()));
        KernelConfig::Product {
            variant,
            splits: (wanted.min(most) as u32).max(self.target.min_splits(size.k)),
        }
    }

    /// A variant that reads textures, if the reads from buffers that it saves are worth the copies and their memory.
    /// llvmpipe copies an element in about the time of one read from a buffer. Wide tiles gain less by K-major weights,
    /// so they need twice the reads.
    fn texture_variant<P: Product>(&self, product: &P) -> Option<Variant> {
        let large = self.from_textures.as_ref()?;
        let [_, right_k_major] = P::K_MAJOR;
        let size = product.size();
        let has_all_rows = |variant: &Variant| size.n > 8 && size.m <= variant.tile()[0];
        let small_m = self.small_m.iter().copied().find(has_all_rows);
        let others =
            || if size.n <= 8 { self.small_n.fetching(true) } else { self.largest_busy(large, size) };
        let variant = small_m.unwrap_or_else(others);
        let min_reads = if right_k_major && small_m.is_none() { 2 } else { 1 };
        let [rows, columns] = tiles_along(variant, size);
        let depth = u64::from(size.k) * u64::from(size.planes);
        let reads = (u64::from(size.m) * columns + u64::from(size.n) * rows) * depth;
        let [left, right, _] = product.shapes().map(|shape| u64::from(shape.len()));
        (reads > min_reads * (left + right) && product.fits_textures()).then_some(variant)
    }

    /// The first of `variants`, which are sorted by size, largest first, that keeps the adapter busy and has at most a
    /// quarter more elements in its tiles than the last one: elements outside the output are computed in vain. If there is
    /// none, the last one.
    fn largest_busy(&self, variants: &[Variant], size: Size) -> Variant {
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

    /// The configuration of elementwise kernels.
    pub(super) fn elementwise(&self) -> KernelConfig {
        let [threads, vec4s_per_thread] = self.launch;
        KernelConfig::Elementwise { threads, vec4s_per_thread }
    }

    /// The configuration of a bias gradient: enough parts to keep the adapter busy, and a texture if products read
    /// textures, because those after it read the same copy.
    pub(super) fn bias_grad(&self, op: &BiasGradShape) -> KernelConfig {
        let [threads, _] = self.launch;
        let parts = self.min_workgroups.div_ceil(op.column_blocks(threads).into()) as u32;
        let parts = parts.min(op.max_parts()).max(self.target.min_splits(op.rows));
        let textures = self.from_textures.is_some() && op.fits_texture();
        KernelConfig::BiasGrad { threads, parts, textures }
    }

    /// All variants that products may take by default, and the plain one.
    pub(super) fn variants(&self) -> Vec<Variant> {
        let Self { large, from_textures, small_m, small_n, .. } = self;
        let small_n_from_textures = from_textures.as_ref().map(|_| small_n.fetching(true));
        let from_textures = from_textures.iter().flatten().chain(small_m);
        let mut all = vec![Variant::PLAIN, *small_n];
        all.extend(small_n_from_textures.iter().chain(large).chain(from_textures));
        all.sort_unstable();
        all.dedup();
        all
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

/// The maximum number of parts of a sum with `out` results: no part is too short to be worth it, and all of them fit the
/// bound of memory. Adapters with a limit on the terms of a sum may need more.
pub(super) fn max_splits(size: Size, out: u32) -> u32 {
    let longest = u64::from(size.k / MIN_SPLIT).max(1);
    let largest = (MAX_PARTS_BYTES / (4 * u64::from(out))).max(1);
    longest.min(largest) as u32
}
