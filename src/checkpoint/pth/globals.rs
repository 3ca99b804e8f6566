//! The Python names that this program knows, and the table of all names that a pickle uses.
//!
//! Each known name is mapped to an operation of this program; none is looked up or executed. A value of a name
//! that is not known is kept as an [`Opaque`] one, and never made.

use super::shown;
use super::storage::Kind;

/// A known name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    /// `collections.OrderedDict` and `collections.Counter`: dictionaries made of at most another one
    Dictionary,
    /// `collections.defaultdict`: a dictionary made with a function for missing keys, which is left out
    DefaultDict,
    /// `torch._utils._rebuild_tensor_v2`
    Tensor,
    /// `torch._utils._rebuild_tensor_v3`: a tensor of an untyped storage
    TypedTensor,
    /// `torch._utils._rebuild_parameter`, and the one for a parameter with attributes, which are left out
    Parameter,
    /// `torch._tensor._rebuild_from_type_v2`: a tensor of a subclass or with attributes, which are left out
    FromType,
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
    /// `numpy.dtype`
    NumpyDtype,
    /// `numpy.core.multiarray.scalar`
    NumpyScalar,
}

impl Global {
    fn find(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict" | "Counter") => Self::Dictionary,
            ("collections", "defaultdict") => Self::DefaultDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::Tensor,
            ("torch._utils", "_rebuild_tensor_v3") => Self::TypedTensor,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Self::Parameter,
            ("torch._tensor", "_rebuild_from_type_v2") => Self::FromType,
            ("torch", "Size") => Self::Size,
            ("_codecs", "encode") => Self::Encode,
            // the first is the Python 2 name, which protocol 2 uses
            ("__builtin__" | "builtins", "bytes") => Self::Bytes,
            ("torch.storage", "UntypedStorage") | ("torch", "UntypedStorage") => Self::Untyped,
            ("torch", _) => {
                let storage = Kind::of_storage(name).map(Self::Storage);
                return storage.or(Kind::of_dtype(name).map(Self::Dtype));
            }
            ("numpy", "dtype") => Self::NumpyDtype,
            // the second is the name since numpy 2
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Self::NumpyScalar,
            _ => return None,
        })
    }
}

/// A name that a pickle uses, and its meaning if it is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    module: &'a str,
    name: &'a str,
    pub(super) known: Option<Global>,
}

impl<'a> Named<'a> {
    pub(super) fn new(module: &'a str, name: &'a str) -> Self {
        Self { module, name, known: Global::find(module, name) }
    }

    pub(super) fn opaque(self, called: bool) -> Opaque<'a> {
        Opaque { module: self.module, name: self.name, called }
    }
}

/// A value of a class or function that is not known. Only its name is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opaque<'a> {
    /// the Python module of the class or function
    pub module: &'a str,
    /// its name in the module
    pub name: &'a str,
    /// whether the value is what the class or function makes, and not itself
    pub called: bool,
}

impl std::fmt::Display for Opaque<'_> {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.called { "an object of" } else { "the class or function" };
        write!(to, "{what} {}.{}", shown(self.module), shown(self.name))
    }
}
