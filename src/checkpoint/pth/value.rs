//! The content of a file as a tree of values, converted from the machine's items.
//! Read this for the public value type and the bounds on its size.
//!
//! Items may be shared and may even contain themselves. A tree repeats shared items, so the bounds on depth, on the
//! number of values and on the numbers in tensors are enforced here.

use std::borrow::Cow;
use std::collections::HashSet;

use super::globals::{Global, Opaque};
use super::items::{Item, Lazy, Made, Objects};
use super::machine::MAX_NAME;
use super::storage::View;
use super::{Result, shown};

/// Maximum nesting: an optimizer's moments are four levels deep. Small enough for recursion.
const MAX_DEPTH: usize = 64;
/// Maximum number of values, shared ones counted each time: room for a loss per step of a million steps.
const MAX_VALUES: usize = 1 << 20;
/// Maximum number of tensor dimensions; the weights of a 3D convolution have five.
const MAX_RANK: usize = 16;
/// Maximum bytes of all tensors, as a multiple of the file's size: a checkpoint may name one model several times, as the
/// last, the best and the averaged one, and has their parameters once. Expanded tensors (a stride of 0) have more elements
/// than their storage.
const MAX_SHOWN: usize = 4;
/// Bytes allowed in addition to that for any file.
const SHOWN_FREE: usize = 1 << 16;

/// A tensor with its elements converted to f32 (f64 and large integers are rounded).
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// the size of each dimension
    pub shape: Vec<usize>,
    /// elements in row-major order
    pub values: Vec<f32>,
}

/// A dictionary's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key<'a> {
    /// a name
    Text(&'a str),
    /// an integer, such as a parameter's number in an optimizer
    Int(i128),
    /// anything else, such as a tuple; several keys of a dictionary may be of this kind
    Other,
}

/// A value in a file. Texts are slices of the file's bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// a tensor or parameter
    Tensor(Tensor),
    /// a dictionary, plain or ordered, in its order; keys are unique
    Map(Vec<(Key<'a>, Value<'a>)>),
    /// a list or tuple
    List(Vec<Value<'a>>),
    /// an integer; seeds have up to 65 bits
    Int(i128),
    /// a floating-point number
    Float(f64),
    /// True or False
    Bool(bool),
    /// a text
    Text(&'a str),
    /// bytes
    Bytes(Cow<'a, [u8]>),
    /// None
    None,
    /// anything else, which was not made
    Opaque(Opaque<'a>),
}

impl Value<'_> {
    /// A description for messages.
    pub(super) fn kind(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Opaque(opaque) => return opaque.to_string().into(),
            Self::Tensor(_) => "a tensor",
            Self::Map(_) => "a dictionary",
            Self::List(_) => "a list",
            Self::Int(_) => "an int",
            Self::Float(_) => "a float",
            Self::Bool(_) => "a bool",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::None => "None",
        })
    }
}

impl Value<'_> {
    /// A number, or that of a tensor with one element.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            Self::Tensor(tensor) => match tensor.values.as_slice() {
                [number] => Some(f64::from(*number)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Converts the result of a pickle to a tree; `length` is the file's size in bytes.
pub(super) fn convert<'a>(made: &Made<'a>, length: usize) -> Result<Value<'a>> {
    let shown = length.saturating_mul(MAX_SHOWN).saturating_add(SHOWN_FREE);
    let mut tree = Tree { objects: &made.objects, values: MAX_VALUES, shown };
    tree.value(made.root, MAX_DEPTH)
}

/// The arena, and the remaining budgets.
struct Tree<'a, 'b> {
    objects: &'b Objects<'a>,
    values: usize,
    /// remaining bytes for tensors and encoded byte strings
    shown: usize,
}

impl<'a> Tree<'a, '_> {
    fn value(&mut self, item: Item<'a>, depth: usize) -> Result<Value<'a>> {
        let most = || format!("holds more than {MAX_VALUES} values");
        self.values = self.values.checked_sub(1).ok_or_else(most)?;
        let inner = depth.checked_sub(1).ok_or_else(|| format!("is nested deeper than {MAX_DEPTH}"));
        let gone = || "its pickle is damaged".to_owned();
        Ok(match item {
            Item::None => Value::None,
            Item::Bool(value) => Value::Bool(value),
            Item::Int(value) => Value::Int(value),
            Item::Float(value) => Value::Float(value),
            Item::Text(text) => Value::Text(text),
            Item::Bytes(bytes) => Value::Bytes(Cow::Borrowed(bytes)),
            Item::Encoded(text) => Value::Bytes(self.encoded(text)?),
            Item::Tuple(index) | Item::List(index) => {
                let items = self.objects.sequences.get(index).ok_or_else(gone)?;
                let inner = inner?;
                Value::List(items.iter().map(|&item| self.value(item, inner)).collect::<Result<_>>()?)
            }
            Item::Dict(index) | Item::Ordered(index) => {
                Value::Map(self.map(self.objects.dictionaries.get(index).ok_or_else(gone)?, inner?)?)
            }
            Item::Tensor(index) => {
                Value::Tensor(self.tensor(self.objects.tensors.get(index).ok_or_else(gone)?)?)
            }
            Item::Global(index) => match self.objects.known(item) {
                // a checkpoint may record the type that it was trained with
                Some(Global::Dtype(kind)) => Value::Text(kind.name()),
                _ => Value::Opaque(self.objects.opaque(index, false)?),
            },
            Item::Object(index) => Value::Opaque(self.objects.opaque(index, true)?),
            Item::Storage(_) => Value::Opaque(Opaque { module: "torch", name: "Storage", called: true }),
            Item::Numpy(_) => Value::Opaque(Opaque { module: "numpy", name: "dtype", called: true }),
        })
    }

    fn map(&mut self, pairs: &[(Item<'a>, Item<'a>)], depth: usize) -> Result<Vec<(Key<'a>, Value<'a>)>> {
        let mut keys = HashSet::new();
        let mut map = Vec::with_capacity(pairs.len());
        for &(key, item) in pairs {
            let key = match key {
                Item::Text(name) if name.len() <= MAX_NAME => Key::Text(name),
                Item::Int(number) => Key::Int(number),
                Item::Text(name) => return Err(format!("holds a name of {} bytes", name.len())),
                _ => Key::Other,
            };
            if key != Key::Other && !keys.insert(key) {
                return Err(format!("holds {} twice", name(key)));
            }
            let value = self.value(item, depth);
            map.push((key, value.map_err(|reason| placed(key, item, reason))?));
        }
        Ok(map)
    }

    /// Decodes bytes that protocol 2 wrote as a text of the characters with these code points.
    fn encoded(&mut self, text: &'a str) -> Result<Cow<'a, [u8]>> {
        if text.is_ascii() {
            return Ok(Cow::Borrowed(text.as_bytes()));
        }
        self.show(text.len())?;
        let bytes = text.chars().map(|c| u8::try_from(c).map_err(|_| "holds invalid bytes".to_owned()));
        Ok(Cow::Owned(bytes.collect::<Result<_>>()?))
    }

    fn show(&mut self, bytes: usize) -> Result<()> {
        let most = || "shows far more numbers than the file holds".to_owned();
        self.shown = self.shown.checked_sub(bytes).ok_or_else(most)?;
        Ok(())
    }

    fn tensor(&mut self, lazy: &Lazy<'a>) -> Result<Tensor> {
        let start = index(lazy.start)?;
        let (shape, strides) = (self.sizes(lazy.shape)?, self.sizes(lazy.strides)?);
        if shape.len() != strides.len() {
            return Err(format!("its shape {shape:?} and its strides {strides:?} differ in length"));
        }
        let storage = self.objects.storages.get(lazy.storage).ok_or("its pickle is damaged")?;
        let view = View { bytes: storage.bytes, kind: lazy.kind, start, shape, strides };
        self.show(view.count()?.saturating_mul(lazy.kind.size()))?;
        Ok(Tensor { values: view.values(), shape: view.shape })
    }

    fn sizes(&self, item: Item<'a>) -> Result<Vec<usize>> {
        let Item::Tuple(at) = item else { return Err(format!("its shape is {}", item.kind())) };
        let items = self.objects.sequences.get(at).map(Vec::as_slice).unwrap_or_default();
        if items.len() > MAX_RANK {
            return Err(format!("it has {} dimensions, more than {MAX_RANK}", items.len()));
        }
        items.iter().map(|&item| index(item)).collect()
    }
}

/// A size or position in memory.
fn index(item: Item<'_>) -> Result<usize> {
    let number = match item {
        Item::Int(number) => usize::try_from(number).ok(),
        _ => None,
    };
    number.ok_or_else(|| "it has an impossible size".to_owned())
}

/// A key for a message.
pub(super) fn name(key: Key<'_>) -> String {
    match key {
        Key::Text(text) => shown(text),
        Key::Int(number) => number.to_string(),
        Key::Other => "a key that is neither a text nor an int".to_owned(),
    }
}

/// The reason prefixed with the tensor's name. Other reasons stay unchanged, because deep nesting would make the
/// message long.
fn placed(key: Key<'_>, item: Item<'_>, reason: String) -> String {
    if matches!(item, Item::Tensor(_)) { format!("{}: {reason}", name(key)) } else { reason }
}
