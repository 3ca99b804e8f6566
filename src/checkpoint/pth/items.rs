//! Results of a pickle's operations: small items, and the arena of the objects that they refer to.
//! Read this to add a kind of value.

use super::Result;
use super::globals::{Global, Named, Opaque};
use super::storage::Kind;

/// An item on the stack, in the memo or in an object.
#[derive(Debug, Clone, Copy)]
pub(super) enum Item<'a> {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// bytes, each written as the character of its value
    Encoded(&'a str),
    /// indices into [`Objects`]
    Tuple(usize),
    List(usize),
    Dict(usize),
    /// a dictionary of a class, which may have attributes
    Ordered(usize),
    Storage(usize),
    Tensor(usize),
    /// numpy's description of the type of a number
    Numpy(usize),
    /// a class or function
    Global(usize),
    /// a value of an unknown class or function
    Object(usize),
}

impl Item<'_> {
    /// A description for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a bool",
            Self::Int(_) => "an int",
            Self::Float(_) => "a float",
            Self::Text(_) => "a text",
            Self::Bytes(_) | Self::Encoded(_) => "bytes",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) | Self::Ordered(_) => "a dictionary",
            Self::Storage(_) => "a storage",
            Self::Tensor(_) => "a tensor",
            Self::Numpy(_) => "a type of numpy",
            Self::Global(_) => "a function or class",
            Self::Object(_) => "an object of a class",
        }
    }
}

/// A storage, with its type if it has one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Storage<'a> {
    pub(super) key: &'a str,
    pub(super) kind: Option<Kind>,
    /// number of elements; of bytes, if it has no type
    pub(super) count: usize,
    /// all its bytes; a legacy file has them behind its pickles
    pub(super) bytes: &'a [u8],
}

impl Storage<'_> {
    /// The size in bytes.
    pub(super) fn size(&self) -> Option<usize> {
        self.count.checked_mul(self.kind.map_or(1, Kind::size))
    }
}

/// A requested tensor, not validated yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lazy<'a> {
    /// index of its storage
    pub(super) storage: usize,
    pub(super) kind: Kind,
    pub(super) start: Item<'a>,
    pub(super) shape: Item<'a>,
    pub(super) strides: Item<'a>,
}

/// The arena of objects. Sequences are tuples and lists.
#[derive(Debug, Default)]
pub(super) struct Objects<'a> {
    pub(super) sequences: Vec<Vec<Item<'a>>>,
    pub(super) dictionaries: Vec<Vec<(Item<'a>, Item<'a>)>>,
    pub(super) storages: Vec<Storage<'a>>,
    pub(super) tensors: Vec<Lazy<'a>>,
    pub(super) named: Vec<Named<'a>>,
    /// types of numbers of numpy; `None` for one that is not read
    pub(super) numpy: Vec<Option<Kind>>,
}

impl<'a> Objects<'a> {
    pub(super) fn count(&self) -> usize {
        let Self { sequences, dictionaries, storages, tensors, named, numpy } = self;
        let containers = sequences.len() + dictionaries.len();
        containers + storages.len() + tensors.len() + named.len() + numpy.len()
    }

    /// The items of a tuple or list.
    pub(super) fn items(&self, item: Item<'a>) -> Option<&[Item<'a>]> {
        let (Item::Tuple(index) | Item::List(index)) = item else { return None };
        self.sequences.get(index).map(Vec::as_slice)
    }

    /// The meaning of a class or function, if it is known.
    pub(super) fn known(&self, item: Item<'a>) -> Option<Global> {
        let Item::Global(index) = item else { return None };
        self.named.get(index)?.known
    }

    /// The name of a class, of a function, or of the class of an object.
    pub(super) fn opaque(&self, index: usize, called: bool) -> Result<Opaque<'a>> {
        self.named.get(index).map(|named| named.opaque(called)).ok_or_else(broken)
    }
}

/// Result of a pickle: the arena and the top-level item.
#[derive(Debug)]
pub(super) struct Made<'a> {
    pub(super) objects: Objects<'a>,
    pub(super) root: Item<'a>,
}

pub(super) fn broken() -> String {
    "its pickle is damaged: an operation lacks what it works on".to_owned()
}
