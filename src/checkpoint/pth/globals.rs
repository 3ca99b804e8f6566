//! The only names of Python that a pickle may use. Each stands for something done here; none of
//! them is looked up anywhere.

use super::storage::Kind;
use super::{ADVICE, Result, shown};

/// A name that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    /// `collections.OrderedDict`
    OrderedDict,
    /// `torch._utils._rebuild_tensor_v2`
    Tensor,
    /// `torch._utils._rebuild_tensor_v3`: of a storage without a type
    TypedTensor,
    /// `torch._utils._rebuild_parameter`
    Parameter,
    /// `torch.Size`
    Size,
    /// `_codecs.encode`: how protocol 2 writes bytes
    Encode,
    /// `builtins.bytes`: how protocol 2 writes no bytes
    Bytes,
    /// `torch.FloatStorage` and so on
    Storage(Kind),
    /// `torch.storage.UntypedStorage`
    Untyped,
    /// `torch.float32` and so on
    Dtype(Kind),
}

impl Global {
    /// The global of that name, if it is known.
    pub(super) fn find(module: &str, name: &str) -> Result<Self> {
        Ok(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::Tensor,
            ("torch._utils", "_rebuild_tensor_v3") => Self::TypedTensor,
            ("torch._utils", "_rebuild_parameter") => Self::Parameter,
            ("torch", "Size") => Self::Size,
            ("_codecs", "encode") => Self::Encode,
            // the first is its name in Python 2, whose names protocol 2 uses
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

/// Why a file that asks for another name is not read.
pub(super) fn refused(module: &str, name: &str) -> String {
    let (module, name) = (shown(module), shown(name));
    format!("the file asks for {module}.{name}: only tensors of plain types are read; {ADVICE}")
}
