//! The linear layer and its two gradients, with weights `[O, I]` as in PyTorch.

use super::gemm::{Product, Size};
use crate::gpu::Shape;
use crate::gpu::kernel::Source;
use crate::{params, wgsl};

macro_rules! linear_op {
    ($(#[$meta:meta])* $name:ident, $file:literal, ($m:ident, $n:ident, $k:ident), [$l0:ident, $l1:ident], [$r0:ident, $r1:ident],
     $along_k:expr, |$s:ident, $l:ident, $r:ident, $i:ident, $j:ident, $q:ident| ($at_l:expr, $at_r:expr)) => {
        params! {
            $(#[$meta])*
            pub struct $name {
                /// N, the batch
                rows: u32,
                /// I, a multiple of 4
                inputs: u32,
                /// O, a multiple of 4
                outputs: u32,
                /// independent layers, stored one after the other in every operand
                planes: u32,
            }
        }

        impl Product for $name {
            const K_MAJOR: [bool; 2] = $along_k;

            fn source() -> Source {
                wgsl!($file)
            }

            fn shared() -> Source {
                wgsl!("gemm/linear_operands.wgsl")
            }

            fn size(&self) -> Size {
                Size { m: self.$m, n: self.$n, k: self.$k, planes: self.planes }
            }

            fn shapes(&self) -> [Shape; 3] {
                [
                    Shape::new(&[self.planes * self.$l0, self.$l1]),
                    Shape::new(&[self.planes * self.$r0, self.$r1]),
                    Shape::new(&[self.planes * self.$m, self.$n]),
                ]
            }

            fn flops(&self) -> u64 {
                2 * u64::from(self.planes) * u64::from(self.rows) * u64::from(self.inputs) * u64::from(self.outputs)
            }

            fn twin(&self, $l: &[f32], $r: &[f32], emit: &mut dyn FnMut(usize, f64)) {
                let $s = [self.$m as usize, self.$n as usize, self.$k as usize];
                for plane in 0..self.planes as usize {
                    let ($l, $r) = (&$l[plane * $s[0] * $s[2]..], &$r[plane * $s[1] * $s[2]..]);
                    for $i in 0..$s[0] {
                        for $j in 0..$s[1] {
                            let product = |$q: usize| f64::from($l[$at_l]) * f64::from($r[$at_r]);
                            emit((plane * $s[0] + $i) * $s[1] + $j, (0..$s[2]).map(product).sum());
                        }
                    }
                }
            }
        }
    };
}

linear_op! {
    /// `out[N, O] = x[N, I] weight[O, I]^T`.
    Linear, "gemm/linear.wgsl", (rows, outputs, inputs), [rows, inputs], [outputs, inputs],
    [true, true], |s, l, r, i, j, q| (i * s[2] + q, j * s[2] + q)
}

linear_op! {
    /// `out[N, I] = dy[N, O] weight[O, I]`, the input gradient.
    LinearInputGrad, "gemm/linear_input_grad.wgsl", (rows, inputs, outputs), [rows, outputs], [outputs, inputs],
    [true, false], |s, l, r, i, j, q| (i * s[2] + q, q * s[1] + j)
}

linear_op! {
    /// `out[O, I] = dy[N, O]^T x[N, I]`, the weight gradient.
    LinearWeightGrad, "gemm/linear_weight_grad.wgsl", (outputs, inputs, rows), [rows, outputs], [rows, inputs],
    [false, false], |s, l, r, i, j, q| (q * s[0] + i, q * s[1] + j)
}
