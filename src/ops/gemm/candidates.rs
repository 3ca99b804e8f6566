//! The variants of the GEMM core that an adapter can run, and those that are worth a trial on it.

use super::variant::{Variant, tile};
use crate::gpu::{Capabilities, Element, Fragment, Vendor};

/// Tiles for workgroups of 64 to 256, all within WebGPU's default 16 KiB of workgroup memory.
const TILES: [Variant; 14] = [
    Variant::PLAIN,
    tile([8, 8], [2, 2], 16, 2),  // 64 x 64
    tile([8, 8], [2, 2], 8, 2),   // 64 x 64, half the memory: more workgroups at a time
    tile([16, 8], [2, 2], 8, 2),  // 128 x 64
    tile([8, 16], [2, 2], 8, 2),  // 64 x 128
    tile([16, 16], [2, 2], 8, 2), // 128 x 128
    tile([16, 8], [2, 1], 16, 1), // 128 x 32
    tile([8, 8], [1, 1], 16, 2),  // 32 x 32, for small products
    Variant::WIDE,
    Variant::UNROLLED,
    Variant::FEW_SUMS,
    tile([16, 8], [2, 1], 16, 1).unrolled(16), // 128 x 32
    Variant::NARROW,
    tile([64, 1], [2, 1], 4, 1), // 512 x 4, for pictures
];

const DIRECT: [Variant; 3] = [
    Variant::direct([8, 8], 2),  // 64 x 64
    Variant::direct([16, 4], 1), // 128 x 16
    Variant::direct([64, 1], 1), // 512 x 4
];

/// Blocks along M and N of the subgroup core.
const SUBGROUP: [[u32; 2]; 3] = [[2, 1], [1, 1], [2, 2]];

/// Variants that read textures: of both cores the fastest with them, for wide products, small products and pictures.
const SUBGROUP_TEXTURES: [[u32; 2]; 3] = [[2, 1], [1, 2], [1, 1]];
/// Parts along K of the subgroup core for products of few rows, which read textures as well.
const SMALL_M: [u32; 2] = [4, 2];
const DIRECT_TEXTURES: [Variant; 1] = [Variant::direct([64, 1], 1)];

/// Subgroups, and fragments of each, of the cooperative core: 64 x 64, 32 x 32, 128 x 64 and 64 x 128 with
/// fragments of 16, half that with fragments of 8.
const COOPERATIVE: [[[u32; 2]; 2]; 4] =
    [[[2, 2], [2, 2]], [[2, 2], [1, 1]], [[4, 2], [2, 2]], [[2, 4], [2, 2]]];

/// The maximum number of invocations in a workgroup by WebGPU's default limits.
const MAX_THREADS: u32 = 256;

/// Sums of an invocation that a vendor's compilers keep in registers; `None` if they have not been seen.
fn most_sums(vendor: Vendor) -> Option<u32> {
    match vendor {
        Vendor::Apple | Vendor::Intel => Some(32),
        Vendor::Amd | Vendor::Nvidia | Vendor::Qualcomm => Some(64),
        Vendor::Other => None,
    }
}

impl Variant {
    /// The variants that `target` can run for factors of `precision`, the plain one first.
    pub fn all(target: &Capabilities, precision: Element) -> Vec<Self> {
        let subgroup = |blocks: &'static [[u32; 2]]| {
            blocks.iter().filter_map(|&[blocks_m, blocks_n]| Self::subgroup(target, blocks_m, blocks_n))
        };
        let textures =
            DIRECT_TEXTURES.into_iter().chain(subgroup(&SUBGROUP_TEXTURES)).map(|v| v.fetching(true));
        let textures = textures.chain(Self::small_m(target)).filter(|_| target.textures);
        let cooperative = target.fragments.iter().flat_map(|fragment| Self::cooperative(*fragment));
        let all =
            TILES.into_iter().chain(DIRECT).chain(subgroup(&SUBGROUP)).chain(textures).chain(cooperative);
        all.filter(|variant| variant.serves(precision)).collect()
    }

    /// Whether it is worth a trial on `target`.
    ///
    /// On a software adapter a trial costs seconds, most of them for compilation. Workgroup memory is no faster than other
    /// memory there, and lanes that exchange rows are faster than lanes that load their own, except for pictures. From
    /// buffers, large tiles are hardly faster than small ones and compile slowly (docs/lab-notebook/defaults.md). GPUs read
    /// buffers as fast as textures, which need a copy.
    ///
    /// A GPU whose compiler has been seen tries the forms that keep their sums in registers, with their rows written out,
    /// small tiles, and the direct core for few columns: the others have fewer multiply-adds among their instructions, or
    /// spill by hundreds and compile for minutes (docs/gpu-compilers.md).
    pub fn is_promising(self, target: &Capabilities) -> bool {
        if !target.software {
            return !self.textures() && most_sums(target.vendor).is_none_or(|most| self.has_few_sums(most));
        }
        match self {
            Self::Tile { .. } | Self::Cooperative { .. } => false,
            Self::Direct { threads: [_, n], .. } => n == 1 || target.subgroups.is_none(),
            Self::Subgroup { blocks_m, blocks_n, textures, .. } => textures || blocks_m * blocks_n == 1,
        }
    }

    /// Whether an invocation has at most `most` sums. Loops over the rows of larger tiles have twins with rows written out.
    fn has_few_sums(self, most: u32) -> bool {
        match self {
            Self::Tile { thread_tile: [m, n], unroll: 1, .. } => m * n == 1,
            Self::Tile { thread_tile: [m, n], .. } => 16 * m * n <= most,
            Self::Direct { blocks_n, .. } => blocks_n == 1,
            Self::Subgroup { .. } => false,
            Self::Cooperative { .. } => true,
        }
    }

    /// Whether `target` can run it. A variant read from a file may be of another adapter.
    pub fn runs_on(self, target: &Capabilities) -> bool {
        Self::all(target, Element::F16).contains(&self)
    }

    /// The cooperative core with `fragment`, in every size that fits a workgroup, as deep as possible.
    fn cooperative(fragment: Fragment) -> impl Iterator<Item = Self> {
        let Fragment { size: edge, element: cell, lanes } = fragment;
        COOPERATIVE.into_iter().filter_map(move |[subgroups, blocks]| {
            let deep = move |depth| Self::Cooperative { edge, cell, subgroups, blocks, depth, lanes };
            [32, 16].map(deep).into_iter().find(|variant| variant.fits())
        })
    }

    /// Whether a workgroup of the cooperative core keeps to the default limits, and no invocation has to load more than two
    /// blocks of each tile.
    fn fits(self) -> bool {
        let Self::Cooperative { edge, cell, subgroups: [s, t], depth, lanes: [_, most], .. } = self else {
            return true;
        };
        let [m, n, _] = self.tile();
        let threads = s * t * most;
        // gemm_store_fragments.wgsl pads each row of A and column of B by 8 cells
        let bytes = u64::from((depth + 8) * (m + n)) * cell.bytes() + 4 * u64::from(s * t * edge * edge);
        threads <= MAX_THREADS && bytes <= 16 << 10 && m.max(n) * depth <= 2 * 16 * threads
    }

    /// The subgroup core for the target's subgroup size, if it has subgroups of at least 4 lanes.
    ///
    /// If the size is exactly 4 or 8, a subgroup is one cluster. The same holds for 16 on software adapters, which keep the
    /// sums of a 64 x 64 tile in memory; a GPU would run out of registers. Larger or varying subgroups are divided into
    /// clusters, and a workgroup is then a whole number of subgroups for every size that the driver may choose.
    pub fn subgroup(target: &Capabilities, blocks_m: u32, blocks_n: u32) -> Option<Self> {
        Self::subgroup_of(target, 1, blocks_m, blocks_n)
    }

    /// The variants for products of few rows, the fewest rows first.
    pub fn small_m(target: &Capabilities) -> impl Iterator<Item = Self> {
        let widest =
            |k_parts| [2, 1].into_iter().find_map(|blocks_n| Self::subgroup_of(target, k_parts, 1, blocks_n));
        SMALL_M.iter().filter_map(move |&k_parts| Some(widest(k_parts)?.fetching(true)))
    }

    fn subgroup_of(target: &Capabilities, k_parts: u32, blocks_m: u32, blocks_n: u32) -> Option<Self> {
        let [least, most] = target.subgroups?;
        let lanes = match [least, most] {
            [16, 16] if target.software => 16,
            _ if least >= 8 => 8,
            _ => 4,
        };
        let clusters = if least == most && least == lanes { 1 } else { most.max(64) / lanes };
        // a loop of 16 lanes with more sums does not fit the instruction cache
        let fits = lanes < 16 || blocks_m * blocks_n == 1;
        (least >= 4 && most <= 128 && fits).then_some(Self::Subgroup {
            lanes,
            k_parts,
            clusters,
            blocks_m,
            blocks_n,
            textures: false,
        })
    }
}
