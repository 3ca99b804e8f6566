//! Variants of the GEMM core, as data: four cores, and the sizes with which each can be compiled.
//!
//! The fastest variant depends on the adapter and on the product. All of them give the same result up to rounding.
//! [`Variant::PLAIN`] runs everywhere, and the others are compared with it.

use serde::{Deserialize, Serialize};

use super::operand_source;
use crate::gpu::Element;
use crate::gpu::kernel::{Alias, Constant, Source};
use crate::wgsl;

/// A core of the matrix product and its constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Variant {
    /// `gemm_tile.wgsl`: tiles in workgroup memory; the next tile is loaded while this one is multiplied.
    Tile {
        /// invocations along M and N
        threads: [u32; 2],
        /// 4 x 4 blocks of C per invocation along M and N, 1 or 2 each
        #[serde(alias = "blocks")]
        thread_tile: [u32; 2],
        /// depth of a tile, a multiple of 4
        depth: u32,
        /// tiles in workgroup memory at a time: 1, or 2 to wait at one barrier instead of two
        buffers: u32,
        /// rows of a tile that are written out instead of a loop over them: a power of 2 to 32, at most the depth
        #[serde(default = "one", skip_serializing_if = "is_one")]
        unroll: u32,
    },
    /// `gemm_direct.wgsl`: every invocation loads its operands from global memory.
    Direct {
        /// invocations along M and N
        threads: [u32; 2],
        /// 4 x 4 blocks of C per invocation along N, 1 or 2; along M there are 2
        #[serde(alias = "columns")]
        blocks_n: u32,
        /// whether the factors are read from texture copies
        #[serde(alias = "images", default, skip_serializing_if = "is_false")]
        textures: bool,
    },
    /// `gemm_subgroup.wgsl`: lanes exchange rows of A by subgroup operations.
    Subgroup {
        /// lanes that share a tile: 4, 8 or 16
        lanes: u32,
        /// parts along K among which the lanes' blocks of A are divided: 1, 2 or 4
        #[serde(alias = "parts", default = "one", skip_serializing_if = "is_one")]
        k_parts: u32,
        /// clusters of `lanes` in a workgroup; 1 means that a subgroup is exactly one cluster
        clusters: u32,
        /// blocks of A per lane at a time: 1 or 2
        #[serde(alias = "turns")]
        blocks_m: u32,
        /// 4 x 4 blocks of C per lane and row along N: 1 or 2
        #[serde(alias = "columns")]
        blocks_n: u32,
        /// whether the factors are read from texture copies
        #[serde(alias = "images", default, skip_serializing_if = "is_false")]
        textures: bool,
    },
    /// `gemm_cooperative.wgsl`: subgroups multiply fragments of 8 x 8 or 16 x 16.
    Cooperative {
        /// rows and columns of a fragment
        edge: u32,
        /// element type to which both factors are rounded
        cell: Element,
        /// subgroups along M and N
        subgroups: [u32; 2],
        /// fragments of C per subgroup along M and N: 1 x 1, 2 x 1 or 2 x 2
        blocks: [u32; 2],
        /// depth of a tile, a multiple of `edge`
        depth: u32,
        /// minimum and maximum lanes of a subgroup
        lanes: [u32; 2],
    },
}

pub(in crate::ops) fn is_false(value: &bool) -> bool {
    !value
}

fn one() -> u32 {
    1
}

fn is_one(value: &u32) -> bool {
    *value == one()
}

pub(in crate::ops) const fn tile(
    threads: [u32; 2],
    thread_tile: [u32; 2],
    depth: u32,
    buffers: u32,
) -> Variant {
    Variant::Tile { threads, thread_tile, depth, buffers, unroll: 1 }
}

impl Variant {
    /// With `unroll` rows of a tile written out; other cores stay as they are.
    pub(in crate::ops) const fn unrolled(self, unroll: u32) -> Self {
        match self {
            Self::Tile { threads, thread_tile, depth, buffers, .. } => {
                Self::Tile { threads, thread_tile, depth, buffers, unroll }
            }
            other => other,
        }
    }

    /// The 64 x 64 tile that every adapter can run.
    pub const PLAIN: Self = tile([8, 8], [2, 2], 16, 1);
    /// The plain tile with its rows written out.
    pub const UNROLLED: Self = Self::PLAIN.unrolled(16);
    /// 128 x 64, with its rows written out.
    pub const WIDE: Self = tile([16, 8], [2, 2], 16, 1).unrolled(16);
    /// 64 x 64 by twice the invocations with half the sums, for GPUs that run out of registers.
    pub const FEW_SUMS: Self = tile([16, 8], [1, 2], 16, 1).unrolled(16);
    /// For products with only a few columns: 512 x 8.
    pub const NARROW: Self = tile([64, 1], [2, 2], 4, 1);

    /// Rows, columns and depth of a workgroup's tile.
    pub fn tile(self) -> [u32; 3] {
        match self {
            Self::Tile { threads: [m, n], thread_tile, depth, .. } => {
                [4 * thread_tile[0] * m, 4 * thread_tile[1] * n, depth]
            }
            Self::Direct { threads: [m, n], blocks_n, .. } => [8 * m, 4 * blocks_n * n, 4],
            Self::Subgroup { lanes, k_parts, clusters, blocks_m, blocks_n, .. } => {
                [4 * lanes / k_parts * blocks_m * clusters, 4 * lanes * blocks_n, 4 * k_parts]
            }
            Self::Cooperative { edge, subgroups: [m, n], blocks, depth, .. } => {
                [edge * blocks[0] * m, edge * blocks[1] * n, depth]
            }
        }
    }

    /// The direct core of `threads` along M and N with `blocks_n` blocks each; it reads buffers.
    pub const fn direct(threads: [u32; 2], blocks_n: u32) -> Self {
        Self::Direct { threads, blocks_n, textures: false }
    }

    /// Whether the factors are read from texture copies.
    pub fn textures(self) -> bool {
        matches!(self, Self::Direct { textures: true, .. } | Self::Subgroup { textures: true, .. })
    }

    /// Whether its tile has fewer rows and is deeper, for products of few rows.
    pub fn for_small_m(self) -> bool {
        matches!(self, Self::Subgroup { k_parts: 2.., .. })
    }

    /// Reads the factors from texture copies or from their buffers, if the core supports both.
    pub fn fetching(self, from_textures: bool) -> Self {
        let mut variant = self;
        if let Self::Direct { textures, .. } | Self::Subgroup { textures, .. } = &mut variant {
            *textures = from_textures;
        }
        variant
    }

    /// The core's files, and the file that loads the operands.
    pub fn files(self) -> Vec<Source> {
        let mut files = self.core();
        files.extend(operand_source::factors(self.textures()));
        files
    }

    fn core(self) -> Vec<Source> {
        match self {
            Self::Tile { .. } => {
                vec![
                    wgsl!("gemm/gemm_tile.wgsl"),
                    wgsl!("gemm/gemm_load_tile.wgsl"),
                    wgsl!("gemm/gemm_multiply_tile.wgsl"),
                    wgsl!("gemm/gemm_store_tile.wgsl"),
                ]
            }
            Self::Direct { .. } => vec![wgsl!("gemm/gemm_direct.wgsl")],
            Self::Subgroup { clusters: 1, .. } => {
                vec![wgsl!("gemm/gemm_subgroup.wgsl"), wgsl!("gemm/subgroup_broadcast.wgsl")]
            }
            Self::Subgroup { .. } => {
                vec![wgsl!("gemm/gemm_subgroup.wgsl"), wgsl!("gemm/subgroup_shuffle.wgsl")]
            }
            Self::Cooperative { edge, .. } => {
                let fragments = if edge == 8 {
                    wgsl!("gemm/cooperative_8.wgsl")
                } else {
                    wgsl!("gemm/cooperative_16.wgsl")
                };
                let core = wgsl!("gemm/gemm_cooperative.wgsl");
                vec![
                    core,
                    fragments,
                    wgsl!("gemm/gemm_load_tile.wgsl"),
                    wgsl!("gemm/gemm_store_fragments.wgsl"),
                ]
            }
        }
    }

    /// The constants that the core's files need.
    pub fn constants(self) -> Vec<Constant> {
        match self {
            Self::Tile { threads: [m, n], thread_tile, depth, buffers, unroll } => vec![
                ("THREADS_M", m.into()),
                ("THREADS_N", n.into()),
                ("BLOCKS_M", thread_tile[0].into()),
                ("BLOCKS_N", thread_tile[1].into()),
                ("TILE_K", depth.into()),
                ("BUFFERS", buffers.into()),
                ("UNROLL", unroll.into()),
            ],
            Self::Direct { threads: [m, n], blocks_n, .. } => {
                vec![("THREADS_M", m.into()), ("THREADS_N", n.into()), ("BLOCKS_N", blocks_n.into())]
            }
            Self::Subgroup { lanes, k_parts, clusters, blocks_m, blocks_n, .. } => vec![
                ("LANES", lanes.into()),
                ("K_PARTS", k_parts.into()),
                ("CLUSTERS", clusters.into()),
                ("BLOCKS_M", blocks_m.into()),
                ("BLOCKS_N", blocks_n.into()),
            ],
            Self::Cooperative { subgroups: [m, n], blocks, depth, lanes: [_, most], .. } => vec![
                ("SUBGROUPS_M", m.into()),
                ("SUBGROUPS_N", n.into()),
                ("BLOCKS_M", blocks[0].into()),
                ("BLOCKS_N", blocks[1].into()),
                ("TILE_K", depth.into()),
                ("THREADS", (m * n * most).into()),
            ],
        }
    }

    /// The type aliases that the core's files need: `Cell`, the element type of factors in registers.
    pub fn type_aliases(self) -> Vec<Alias> {
        vec![("Cell", self.factors())]
    }

    /// The element type to which both factors are rounded before they are multiplied. Sums are f32 in every core.
    pub fn factors(self) -> Element {
        if let Self::Cooperative { cell, .. } = self { cell } else { Element::F32 }
    }

    /// Whether it may multiply factors, the narrower of which has element type `precision`: an f32 factor is rounded only
    /// if the other one is f16 already.
    pub fn serves(self, precision: Element) -> bool {
        self.factors() == Element::F32 || precision == Element::F16
    }

    /// The name in `wgvae tune` and `wgvae plan`: core, tile and the remaining parameters.
    pub fn name(self) -> String {
        let textures = if self.textures() { ", textures" } else { "" };
        format!("{}{textures}", self.name_of_core())
    }

    fn name_of_core(self) -> String {
        let [m, n, k] = self.tile();
        match self {
            Self::Tile { threads, buffers, unroll, .. } => {
                let pair = if buffers > 1 { ", two buffers" } else { "" };
                let rows = if unroll > 1 { ", unrolled" } else { "" };
                format!("tile {m}x{n}x{k} of {} threads{pair}{rows}", threads[0] * threads[1])
            }
            Self::Direct { threads, .. } => format!("direct {m}x{n} of {} threads", threads[0] * threads[1]),
            Self::Subgroup { lanes, clusters, .. } => {
                format!("subgroup {m}x{n} of {} lanes", lanes * clusters)
            }
            Self::Cooperative { edge, cell, .. } => {
                format!("cooperative {m}x{n}x{k} by {edge}x{edge} of {}", cell.name())
            }
        }
    }
}
