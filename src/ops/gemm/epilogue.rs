//! The epilogue of a matrix product: what happens to a finished sum on its way to the output.

use std::fmt;

use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Source, Value};
use crate::wgsl;

/// Independent switches, applied in the order of the fields: `out = [out +] mask(relu(sum + bias) + addend)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Epilogue {
    /// adds the bias of the column
    pub bias: bool,
    /// ReLU
    pub relu: bool,
    /// adds a tensor shaped as the output: a skip connection
    pub add: bool,
    /// zero if the mask, the output of a ReLU, is not positive: ReLU's derivative
    pub mask: bool,
    /// adds to what the output has
    pub accumulate: bool,
}

impl Epilogue {
    /// The sum as it is.
    pub const NONE: Self = Self { bias: false, relu: false, add: false, mask: false, accumulate: false };
    /// Plus the bias.
    pub const BIAS: Self = Self { bias: true, ..Self::NONE };
    /// ReLU of the sum plus the bias.
    pub const BIAS_RELU: Self = Self { relu: true, ..Self::BIAS };
    /// Masked by the output of a ReLU.
    pub const MASK: Self = Self { mask: true, ..Self::NONE };
    /// Added to the output.
    pub const ACCUMULATE: Self = Self { accumulate: true, ..Self::NONE };

    /// Plus a tensor shaped as the output.
    pub const fn add(self) -> Self {
        Self { add: true, ..self }
    }

    /// Added to what the output has.
    pub const fn accumulate(self) -> Self {
        Self { accumulate: true, ..self }
    }

    /// The file of the epilogue, and the one that binds what it adds.
    pub(in crate::ops) fn files(self) -> [Source; 2] {
        let addend = if self.add { wgsl!("gemm/addend.wgsl") } else { wgsl!("gemm/no_addend.wgsl") };
        [wgsl!("gemm/epilogue.wgsl"), addend]
    }

    /// The switches of `epilogue.wgsl`, and the binding of what it adds, the one behind `out`.
    pub(in crate::ops) fn constants(self, out: u32) -> Vec<Constant> {
        let mut all = vec![
            ("BIAS", Value::Bool(self.bias)),
            ("RELU", Value::Bool(self.relu)),
            ("ADD", Value::Bool(self.add)),
            ("MASK", Value::Bool(self.mask)),
            ("ACCUMULATE", Value::Bool(self.accumulate)),
        ];
        if self.add {
            all.push(("ADDEND", (out + 1).into()));
        }
        all
    }

    /// The shape of `aux`: the bias of `channels`, the mask shaped as `out`, or any one vec4.
    ///
    /// # Panics
    /// If it has both: there is one binding for bias and mask.
    pub fn aux(self, out: Shape, channels: u32) -> Shape {
        assert!(!(self.bias && self.mask), "an epilogue has a bias or a mask: {self:?}");
        match self {
            Self { bias: true, .. } => Shape::new(&[channels]),
            Self { mask: true, .. } => out,
            _ => Shape::new(&[4]),
        }
    }

    /// The operand behind `out`, if it adds one.
    pub(in crate::ops) fn operands(self, out: Shape) -> impl Iterator<Item = (&'static str, Shape)> {
        self.add.then_some(("addend", out)).into_iter()
    }

    /// The twin of `epilogue.wgsl`: finishes element `at` of `out`, whose rows have `channels` elements.
    pub fn finish(self, out: &mut [f32], at: usize, sum: f64, [aux, addend]: [&[f32]; 2], channels: u32) {
        let mut value = sum;
        if self.bias {
            value += f64::from(aux[at % channels as usize]);
        }
        if self.relu {
            value = value.max(0.0);
        }
        if self.add {
            value += f64::from(addend[at]);
        }
        if self.mask && aux[at] <= 0.0 {
            value = 0.0;
        }
        if self.accumulate {
            value += f64::from(out[at]);
        }
        out[at] = value as f32;
    }
}

/// The name in the keys of tuning tables: the switches that are on, such as `BiasRelu`, or `None`.
impl fmt::Debug for Epilogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bias, relu, add, mask, accumulate } = *self;
        let names =
            [(bias, "Bias"), (relu, "Relu"), (add, "Add"), (mask, "Mask"), (accumulate, "Accumulate")];
        let on: String = names.into_iter().filter(|(on, _)| *on).map(|(_, name)| name).collect();
        f.write_str(if on.is_empty() { "None" } else { &on })
    }
}
