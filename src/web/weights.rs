//! The parameter file of the page: one tensor per slot of the arena, in the device layout.
//! Read this for the layout and the rounding of parameters.

use half::f16;
use safetensors::tensor::{Dtype, TensorView};
use serde::Serialize;

use super::plan::Recorded;
use crate::error::{Error, Result};
use crate::model::StateDict;

/// Storage type of the page's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// unchanged
    F32,
    /// rounded to 16 bits; the page converts them back
    F16,
}

/// Rounds the parameters to 16 bits; also returns the largest difference.
///
/// # Errors
/// [`Error::Usage`] naming a tensor with a value outside the range of 16-bit floats.
pub fn halved(weights: &StateDict) -> Result<(StateDict, f64)> {
    let (mut rounded, mut largest) = (weights.clone(), 0.0f64);
    for tensor in &mut rounded.tensors {
        for value in &mut tensor.values {
            let half = f16::from_f32(*value).to_f32();
            if !half.is_finite() {
                let message = format!("--half: {} has {value}, which 16 bits do not hold", tensor.name);
                return Err(Error::Usage(message));
            }
            largest = largest.max((f64::from(half) - f64::from(*value)).abs());
            *value = half;
        }
    }
    Ok((rounded, largest))
}

/// Conversion of numbers to bytes.
type Store = fn(&[f32]) -> Vec<u8>;

/// Encodes the page's `model.safetensors`. Its tensors are arena slots: two adjacent heads are one tensor, named after
/// both.
pub(super) fn file(recorded: &Recorded, weights: &StateDict, precision: Precision) -> Result<Vec<u8>> {
    let layout = &recorded.network.layout;
    let (dtype, bytes): (_, Store) = match precision {
        Precision::F32 => (Dtype::F32, |values| values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        Precision::F16 => {
            (Dtype::F16, |values| values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect())
        }
    };
    let slots = layout.slices().into_iter().map(|slot| {
        let shape: Vec<usize> = slot.shape.dims().iter().map(|&d| d as usize).collect();
        (layout.names(slot).join("+"), shape, bytes(&layout.values(slot, weights)))
    });
    let slots: Vec<_> = slots.collect();
    let wrong = |e: safetensors::SafeTensorError| Error::model("model.safetensors", e.to_string());
    let views = slots
        .iter()
        .map(|(name, shape, bytes)| Ok((name.clone(), TensorView::new(dtype, shape.clone(), bytes)?)))
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(wrong)?;
    let about = [
        ("format", "wgvae device layout"),
        ("names", "PyTorch's; + joins parameters that lie in one tensor"),
        (
            "layout",
            "convolutions [low, 4, 4, high], linear [out, in], channels last and padded to 4 with zeros",
        ),
    ];
    let about = about.map(|(key, text)| (key.to_owned(), text.to_owned())).into();
    safetensors::serialize(views, Some(about)).map_err(wrong)
}
