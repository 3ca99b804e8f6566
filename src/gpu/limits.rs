//! Check of a plan against the limits of an adapter.

use super::capabilities::Capabilities;
use super::kernel::Access;
use super::plan::{Plan, Usage};
use crate::error::{Error, Result};

impl Plan {
    /// Checks that every buffer and every storage binding fits the limits of an adapter.
    ///
    /// # Errors
    /// [`Error::Limit`] naming the first that does not.
    pub fn check_limits(&self, capabilities: &Capabilities) -> Result<()> {
        let check = |what: &dyn Fn() -> String, usage: Usage, needed, limit, name| {
            if needed <= limit {
                return Ok(());
            }
            let lower = match usage {
                Usage::Activation => "--micro-batch, --size or --hidden",
                Usage::State | Usage::Uniform => "--latent, --size or --hidden",
            };
            let hint = format!("lower {lower}, or take another adapter");
            Err(Error::Limit { what: what(), needed, adapter: capabilities.name.clone(), limit, name, hint })
        };
        for dispatch in self.programs.iter().flat_map(|program| program.dispatches()) {
            for (tensor, (name, access)) in dispatch.bindings.iter().zip(&dispatch.reflection.bindings) {
                if matches!(access, Access::Texture(_)) {
                    continue;
                }
                let what = || format!("{} ({name} {})", dispatch.label, tensor.shape);
                let usage = self.buffers[tensor.buffer.index()].usage;
                let limit = capabilities.binding_bytes;
                check(&what, usage, tensor.bytes(), limit, "maxStorageBufferBindingSize")?;
            }
        }
        for buffer in &self.buffers {
            let what = || buffer.label.clone();
            check(&what, buffer.usage, 4 * buffer.len, capabilities.buffer_bytes, "maxBufferSize")?;
        }
        Ok(())
    }
}
