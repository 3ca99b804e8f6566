//! The parameter files of the page: one tensor per slot of an arena, in the device layout.
//! Read this for the layout and the rounding of parameters.

use half::f16;
use safetensors::tensor::{Dtype, TensorView};
use serde::Serialize;

use super::plan::Recorded;
use crate::error::{Error, Result};
use crate::gpu::Shape;
use crate::model::StateDict;
use crate::model::flow::{FlowSampler, FlowWeights};
use crate::model::params::{Layout, ParamSlice};

/// Prefix of the names of a flow's parameters.
pub(super) const FLOW: &str = "flow.";
/// Name of mean and standard deviation of the latents, `[2, Z]` padded.
pub(super) const STANDARD: &str = "flow.standard";

/// Storage type of the page's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// unchanged
    F32,
    /// rounded to 16 bits; the page converts them back
    F16,
}

/// The slots of an arena with their names: two adjacent heads are one tensor, named after both.
pub(super) fn slots(layout: &Layout, prefix: &str) -> Vec<(String, ParamSlice)> {
    let name = |slot| format!("{prefix}{}", layout.names(slot).join("+"));
    layout.slices().into_iter().map(|slot| (name(slot), slot)).collect()
}

/// A tensor of a file.
struct Stored {
    name: String,
    shape: Shape,
    values: Vec<f32>,
    precision: Precision,
}

impl Stored {
    fn dtype(&self) -> Dtype {
        match self.precision {
            Precision::F32 => Dtype::F32,
            Precision::F16 => Dtype::F16,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self.precision {
            Precision::F32 => self.values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Precision::F16 => self.values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
        }
    }
}

/// The slots of an arena with the values of `weights`.
fn stored(layout: &Layout, prefix: &str, weights: &StateDict, precision: Precision) -> Vec<Stored> {
    let of = |(name, slot): (String, ParamSlice)| {
        let values = layout.values(slot, weights);
        Stored { name, shape: slot.shape, values, precision }
    };
    slots(layout, prefix).into_iter().map(of).collect()
}

/// Encodes the page's `model.safetensors`. Its tensors are arena slots.
pub(super) fn model_file(recorded: &Recorded, weights: &StateDict, precision: Precision) -> Result<Vec<u8>> {
    file("model.safetensors", &stored(&recorded.network.layout, "", weights, precision))
}

/// Encodes the page's `flow.safetensors`, for the sampler that the plan has. Mean and standard deviation of the latents
/// are few, and stay in 32 bits.
pub(super) fn flow_file(sampler: &FlowSampler, flow: &FlowWeights, precision: Precision) -> Result<Vec<u8>> {
    let mut tensors = stored(&sampler.layout, FLOW, &flow.weights, precision);
    let (name, shape, values) = (STANDARD.into(), sampler.standard.shape, flow.standard_rows());
    tensors.push(Stored { name, shape, values, precision: Precision::F32 });
    file("flow.safetensors", &tensors)
}

fn file(name: &str, tensors: &[Stored]) -> Result<Vec<u8>> {
    let bytes: Vec<Vec<u8>> = tensors.iter().map(Stored::bytes).collect();
    let wrong = |e: safetensors::SafeTensorError| Error::model(name, e.to_string());
    let views = tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
        let shape = tensor.shape.dims().iter().map(|&d| d as usize).collect();
        Ok((tensor.name.clone(), TensorView::new(tensor.dtype(), shape, bytes)?))
    });
    let views = views.collect::<std::result::Result<Vec<_>, _>>().map_err(wrong)?;
    // one entry only: the order of several would vary, and equal pages have equal bytes
    let about = "wgvae's device layout: convolutions [low, 4, 4, high], linear [out, in], channels last and padded to 4 \
                 with zeros; names are PyTorch's, and + joins parameters that are in one tensor";
    let about = [("format".to_owned(), about.to_owned())].into();
    safetensors::serialize(views, Some(about)).map_err(wrong)
}
