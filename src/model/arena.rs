//! Reading and writing an arena by PyTorch's names.

use super::params::Layout;
use super::state_dict::{NamedTensor, StateDict};
use crate::error::Result;
use crate::gpu::{BufferId, Runner};

/// Writes the parameters, or their gradients or moments, to `arena`.
pub(super) fn write(runner: &mut dyn Runner, layout: &Layout, arena: BufferId, weights: &StateDict) {
    for slot in layout.slices() {
        let values = layout.values(slot, weights);
        runner.write_f32(&slot.of(arena), &values);
    }
}

/// Reads them from `arena`.
///
/// # Errors
/// If the device is lost.
pub(super) fn read(runner: &mut dyn Runner, layout: &Layout, arena: BufferId) -> Result<StateDict> {
    let mut tensors = Vec::new();
    let mut last = None;
    for parameter in &layout.parameters {
        // mu and logvar share a slot
        let values = match last.take() {
            Some((slot, values)) if slot == parameter.slice => values,
            _ => runner.read(&parameter.slice.of(arena))?,
        };
        tensors.push(NamedTensor {
            name: parameter.name.clone(),
            shape: parameter.shape.clone(),
            values: parameter.gather(&values),
        });
        last = Some((parameter.slice, values));
    }
    Ok(StateDict { tensors })
}
