//! The allow-list of Python names that a pickle may use.
//! Each name is mapped to an operation of this program; none is looked up or executed.

use super::storage::Kind;
use super::{ADVICE, Result, shown};

/// An allowed name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    /// `collections.OrderedDict`
    OrderedDict,
    /// `torch._utils._rebuild_tensor_v2`
    Tensor,
    /// `torch._utils._rebuild_tensor_v3`: a tensor of an untyped storage
    TypedTensor,
    /// `torch._utils._rebuild_parameter`
    Parameter,
    /// `torch.Size`
    Size,
    /// `_codecs.encode`: used by protocol 2 for bytes
    Encode,
    /// `builtins.bytes`: used by protocol 2 for empty bytes
    Bytes,
    /// `torch.FloatStorage` and so on
    Storage(Kind),
    /// `torch.storage.UntypedStorage`
    Untyped,
    /// `torch.float32` and so on
    Dtype(Kind),
}

impl Global {
    /// The global with this name, if it is allowed.
    pub(super) fn find(module: &str, name: &str) -> Result<Self> {
        Ok(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::Tensor,
            ("torch._utils", "_rebuild_tensor_v3") => Self::TypedTensor,
            ("torch._utils", "_rebuild_parameter") => Self::Parameter,
            ("torch", "Size") => Self::Size,
            ("_codecs", "encode") => Self::Encode,
            // the first is the Python 2 name, which protocol 2 uses
            ("__builtin__" | "builtins", "bytes") => Self::Bytes,
            ("torch.storage", "UntypedStorage") => Self::Untyped,
            ("torch", _) => {
                let storage = Kind::of_storage(name).map(Self::Storage);
                storage.or(Kind::of_dtype(name).map(Self::Dtype)).ok_or_else(|| refused(module, name))?
            }
            _ => return Err(refused(module, name)),
        })
    }
}

/// The error for a file that uses another name.
pub(super) fn refused(module: &str, name: &str) -> String {
    let (module, name) = (shown(module), shown(name));
    format!("the file asks for {module}.{name}: only tensors of plain types are read; {ADVICE}")
}
