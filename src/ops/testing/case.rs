//! One test case: an op at one size, its element types and its configuration.

use crate::gpu::{Element, Op};
use crate::ops::loss_scale::LossScale;
use crate::ops::tunable::KernelConfig;

/// One op at one size.
pub struct Case {
    /// op, size and specialities
    pub label: String,
    /// [`KernelConfig::name`] of its configuration; empty if there is only one
    pub config: String,
    /// the op
    pub op: Box<dyn Op>,
    /// whether it depends on the previous content of its output
    pub reads_output: bool,
    /// element types of the operands; those beyond the end of the list are f32
    pub elements: Vec<Element>,
    /// content of an operand called `scaling`
    pub scaling: LossScale,
    /// value of the last element of the first operand, if it is not drawn as well
    pub flaw: Option<f32>,
    /// whether only a complete test runs it: a configuration that is neither the plain one nor a default of the target, or
    /// a size that takes a software adapter seconds
    pub rare: bool,
}

impl Case {
    pub(super) fn of(self, elements: &[Element]) -> Self {
        Self { elements: elements.to_vec(), ..self }
    }

    pub(super) fn with(self, scaling: LossScale) -> Self {
        Self { scaling, ..self }
    }

    pub(super) fn with_config(self, config: KernelConfig) -> Self {
        Self { config: config.name(), ..self }
    }

    /// Marks a case that only a complete test runs.
    pub(super) fn rarely(self, rare: bool) -> Self {
        Self { rare, ..self }
    }

    /// Whether an operand has element type f16.
    pub fn is_half(&self) -> bool {
        self.elements.contains(&Element::F16)
    }

    /// Element type of operand `at`.
    pub fn element(&self, at: usize) -> Element {
        self.elements.get(at).copied().unwrap_or_default()
    }
}

pub(super) fn case(label: impl Into<String>, op: impl Op) -> Case {
    let scaling = LossScale { exponent: 3, found_inf: 0, growth_tracker: 4, skipped: 2 };
    let (label, config, op) = (label.into(), String::new(), Box::new(op));
    Case {
        label,
        config,
        reads_output: op.reads_output(),
        op,
        elements: Vec::new(),
        scaling,
        flaw: None,
        rare: false,
    }
}

/// A case of an op that leaves some of its output unchanged.
pub(super) fn update(label: impl Into<String>, op: impl Op) -> Case {
    Case { reads_output: true, ..case(label, op) }
}
