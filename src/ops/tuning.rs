//! The choice of kernel configurations on one adapter: a table of measurements, and the defaults for everything else.
//!
//! Plans record products and bias gradients through [`Tuning`]. It remembers what it chose ([`Tuning::used`]), so that a run
//! can store the table and be replayed bit for bit. Nothing here measures; that is the autotuner's part.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::bias_grad::BiasGradShape;
use super::fused::Fused;
use super::gemm::variant::Variant;
use super::gemm::{Epilogue, Operands, Product};
use super::heuristics::Defaults;
use super::tunable::{KernelConfig, Table, Tunable};
use super::winograd_convolution::each_product;
use crate::error::{Error, Result};
use crate::gpu::{Capabilities, Plan, ProgramId, Tensor};

/// The requests while plans were recorded.
#[derive(Default)]
struct Requested {
    /// the chosen configurations
    configs: Table,
    /// configurations of the table that their op does not allow
    rejected: Table,
    ops: BTreeMap<String, Arc<dyn Tunable>>,
}

/// Kernel configurations on one adapter.
pub struct Tuning {
    target: Capabilities,
    defaults: Defaults,
    table: Table,
    /// computes every product that the table does not name
    variant: Option<Variant>,
    requested: Mutex<Requested>,
}

impl Tuning {
    /// The defaults for `target`.
    pub fn of(target: &Capabilities) -> Self {
        Self::with(target, Table::new())
    }

    /// The configurations of `table`, and the defaults for everything that it does not name.
    pub fn with(target: &Capabilities, table: Table) -> Self {
        Self {
            target: target.clone(),
            defaults: Defaults::of(target),
            table,
            variant: None,
            requested: Mutex::default(),
        }
    }

    /// One variant for every product, for tests and experiments.
    pub fn with_variant(target: &Capabilities, variant: Variant) -> Self {
        Self { variant: Some(variant), ..Self::of(target) }
    }

    fn requested(&self) -> MutexGuard<'_, Requested> {
        self.requested.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records `product` with `epilogue` in the configuration chosen for it.
    pub fn record_product<P: Product>(
        &self,
        plan: &mut Plan,
        program: ProgramId,
        label: &str,
        (product, epilogue): (P, Epilogue),
        operands: &Operands,
    ) {
        let fused = Fused::of(product, epilogue, operands);
        fused.record_as(plan, program, label, self.product(fused), operands);
    }

    /// Records `out[C]` = column sums of `dy[.., C]`, or `+=`, in the configuration chosen for it.
    pub fn record_bias_grad(
        &self,
        plan: &mut Plan,
        program: ProgramId,
        label: &str,
        (dy, out): (Tensor, Tensor),
        epilogue: Epilogue,
    ) {
        let op = BiasGradShape::of((dy, out), epilogue);
        op.record_as(plan, program, label, self.bias_grad(op), (dy, out));
    }

    /// The configuration of a product.
    pub fn product<P: Product>(&self, op: Fused<P>) -> KernelConfig {
        let winograd = op.by_winograd();
        let default = match (self.variant, self.defaults.gemm(&op.product)) {
            (Some(variant), KernelConfig::Product { splits, .. }) => {
                KernelConfig::Product { variant, splits }
            }
            (Some(_), config) => config,
            (None, _) => self.defaults.product(&op.product, winograd.as_ref()),
        };
        let min_splits = self.target.min_splits(op.product.size().k);
        let k = winograd.map(|winograd| each_product!(winograd.product(), product => product.size().k));
        let min_splits_of_winograd = k.map_or(1, |k| self.target.min_splits(k));
        self.choose(op, default, |config| match config {
            KernelConfig::Product { splits, .. } => splits >= min_splits,
            KernelConfig::Winograd { splits, .. } => splits >= min_splits_of_winograd,
            KernelConfig::Elementwise { .. } | KernelConfig::BiasGrad { .. } => false,
        })
    }

    /// Workgroup size and vec4s per invocation of an elementwise kernel.
    pub fn elementwise_config(&self, op: impl Tunable + 'static) -> [u32; 2] {
        match self.choose(op, self.defaults.elementwise(), |_| true) {
            KernelConfig::Elementwise { threads, vec4s_per_thread } => [threads, vec4s_per_thread],
            config => unreachable!("{config:?} is not allowed for an elementwise kernel"),
        }
    }

    /// The configuration of a bias gradient.
    pub fn bias_grad(&self, op: BiasGradShape) -> KernelConfig {
        let min_parts = self.target.min_splits(op.rows);
        let fits = |config| matches!(config, KernelConfig::BiasGrad { parts, .. } if parts >= min_parts);
        self.choose(op, self.defaults.bias_grad(&op), fits)
    }

    /// The configuration of the table, if there is one that `op` allows and that `fits` the adapter, else the default.
    fn choose(
        &self,
        op: impl Tunable + 'static,
        default: KernelConfig,
        fits: impl Fn(KernelConfig) -> bool,
    ) -> KernelConfig {
        let key = op.key();
        let mut requested = self.requested();
        let config = match self.table.get(&key) {
            Some(config) if op.allows(*config) && fits(*config) => *config,
            Some(config) => {
                requested.rejected.insert(key.clone(), *config);
                default
            }
            None => default,
        };
        requested.configs.insert(key.clone(), config);
        requested.ops.entry(key).or_insert_with(|| Arc::new(op));
        config
    }

    /// Returns an error if the table has a configuration that its op does not allow.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the first.
    pub fn checked(&self) -> Result<()> {
        self.requested().rejected.first_key_value().map_or(Ok(()), |(key, config)| {
            Err(Error::Usage(format!(
                "the tuning table says {} for {key}, which cannot be computed in that configuration",
                config.name()
            )))
        })
    }

    /// The variants that products take without a table, and the plain one.
    pub fn usual(&self) -> Vec<Variant> {
        self.defaults.variants()
    }

    /// The configurations of all plans recorded so far.
    pub fn used(&self) -> Table {
        self.requested().configs.clone()
    }

    /// The tunable ops recorded so far, each once, with its configuration.
    pub fn ops(&self) -> Vec<(Arc<dyn Tunable>, KernelConfig)> {
        let requested = self.requested();
        requested.ops.iter().map(|(key, op)| (op.clone(), requested.configs[key])).collect()
    }
}
