//! The tensors of a flow's network. They are allocated once, so that its evaluation can be recorded in several programs.

use super::unet::UNet;
use crate::config::FlowConfig;
use crate::gpu::{Plan, Tensor};
use crate::ops::reparameterize::padded;
use crate::ops::time_features::TimeFeatures;

/// The values of a residual block.
pub(super) struct BlockTensors {
    /// `[N, H, W, C]`, the output of what is before it
    pub(super) x: Tensor,
    /// `[N, H, W, C]`
    pub(super) normed: Tensor,
    /// `[N, H, W, C]`
    pub(super) inner: Tensor,
    /// `[N, 2 C]`
    pub(super) scale_shift: Tensor,
    /// `[N, H, W, C]`
    pub(super) modulated: Tensor,
    /// `[N, H, W, C]`
    pub(super) y: Tensor,
}

/// The values at half the resolution.
pub(super) struct LowerTensors {
    pub(super) blocks: Vec<BlockTensors>,
    /// `[N, H, W, C]`: the output of `up` and the skip connection
    pub(super) sum: Tensor,
}

impl LowerTensors {
    pub(super) fn first(&self) -> Tensor {
        self.blocks[0].x
    }

    pub(super) fn last(&self) -> Tensor {
        self.blocks[self.blocks.len() - 1].y
    }
}

/// The values of a flow's network for N pictures.
pub(super) struct UNetTensors {
    /// `[N, g, g, C]`, the point whose velocity is computed
    pub(super) x: Tensor,
    /// `[N]`, indices of classes
    pub(super) labels: Tensor,
    /// `[N]`, times
    pub(super) t: Tensor,
    /// `[N, F]`
    pub(super) features: Tensor,
    /// `[N, T]`
    pub(super) embedded: Tensor,
    /// `[N, T]`
    pub(super) condition: Tensor,
    pub(super) before: Vec<BlockTensors>,
    pub(super) lower: Option<LowerTensors>,
    pub(super) after: Vec<BlockTensors>,
    /// `[N, g, g, W]`
    pub(super) normed: Tensor,
    /// `[N, g, g, C]`
    pub(super) velocity: Tensor,
}

impl UNetTensors {
    /// For `n` pictures.
    pub(super) fn new(plan: &mut Plan, config: &FlowConfig, n: u32) -> Self {
        let FlowConfig { edge, channels, width, blocks, classes } = *config;
        let place = |plan: &mut Plan, name: &str, x: Tensor, width: u32| -> Vec<BlockTensors> {
            let mut all: Vec<BlockTensors> = Vec::new();
            for i in 0..blocks {
                let x = all.last().map_or(x, |last| last.y);
                let mut like = |part: &str| plan.tensor(format!("flow {name}.{i} {part}"), x.shape.dims());
                let [normed, inner, modulated, y] = ["normed", "inner", "modulated", "y"].map(&mut like);
                let scale_shift = plan.tensor(format!("flow {name}.{i} scale and shift"), &[n, 2 * width]);
                all.push(BlockTensors { x, normed, inner, scale_shift, modulated, y });
            }
            all
        };
        let [latents, values] = [padded(channels), width].map(|c| [n, edge, edge, c]);
        let x = plan.tensor("flow x", &latents);
        let first = plan.tensor("flow input", &values);
        let before = place(plan, "before", first, width);
        let mut last = before[before.len() - 1].y;
        let lower = config.has_lower().then(|| {
            let down = plan.tensor("flow down", &[n, edge / 2, edge / 2, 2 * width]);
            let blocks = place(plan, "middle", down, 2 * width);
            last = plan.tensor("flow up", &values);
            LowerTensors { blocks, sum: last }
        });
        let after = place(plan, "after", last, width);
        let condition = [n, UNet::condition(config)];
        Self {
            x,
            labels: plan.tensor("flow labels", &[n]),
            t: plan.tensor("flow t", &[n]),
            features: plan.tensor("flow features", &[n, TimeFeatures::features(classes)]),
            embedded: plan.tensor("flow embedded", &condition),
            condition: plan.tensor("flow condition", &condition),
            before,
            lower,
            after,
            normed: plan.tensor("flow normed", &values),
            velocity: plan.tensor("flow velocity", &latents),
        }
    }

    /// The output of `input`.
    pub(super) fn first(&self) -> Tensor {
        self.before[0].x
    }

    /// The output of the blocks before the change of resolution.
    pub(super) fn before_last(&self) -> Tensor {
        self.before[self.before.len() - 1].y
    }

    /// The output of the last block.
    pub(super) fn last(&self) -> Tensor {
        self.after[self.after.len() - 1].y
    }
}
