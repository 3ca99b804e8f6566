//! Operations of the [`Machine`] that call a class or function, or refer to a storage.
//! Read this to give a Python class or function a meaning.
//!
//! A known one that is called as PyTorch calls it gives a value; any other call gives an opaque one.

use super::globals::Global;
use super::items::{Item, Lazy, Storage, broken};
use super::machine::{MAX_NAME, Machine, Source};
use super::{ADVICE, Result, shown};

impl<'a> Machine<'a, '_> {
    /// Calls a class or function with a tuple of arguments.
    pub(super) fn reduce(&mut self) -> Result<Item<'a>> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        self.call(function, arguments)
    }

    /// Calls a class with a tuple and a dictionary of arguments; no known class is made so.
    pub(super) fn reduce_named(&mut self) -> Result<Item<'a>> {
        let (_, _, class) = (self.pop()?, self.pop()?, self.pop()?);
        object_of(class)
    }

    /// Calls a class of this name with the items since the last mark: no known class is made so.
    pub(super) fn instance(&mut self, module: &'a str, name: &'a str) -> Result<Item<'a>> {
        self.marked()?;
        self.object(module, name)
    }

    /// Calls the class that is the first item since the last mark: no known class is made so.
    pub(super) fn instance_of(&mut self) -> Result<Item<'a>> {
        self.marked()?.first().copied().ok_or_else(broken).and_then(object_of)
    }

    fn call(&mut self, function: Item<'a>, arguments: Item<'a>) -> Result<Item<'a>> {
        let made = match self.objects.known(function) {
            Some(Global::FromType) => match *self.arguments(arguments) {
                // never FromType again, so this does not recurse
                [inner, _, arguments, ..] => match self.objects.known(inner) {
                    Some(global @ (Global::Tensor | Global::TypedTensor | Global::Parameter)) => {
                        self.known_call(global, arguments)?
                    }
                    _ => None,
                },
                _ => None,
            },
            Some(global) => self.known_call(global, arguments)?,
            None => None,
        };
        made.map_or_else(|| object_of(function), Ok)
    }

    /// The value that a known function makes; `None` if it is called in another way than PyTorch calls it.
    fn known_call(&mut self, function: Global, arguments: Item<'a>) -> Result<Option<Item<'a>>> {
        Ok(Some(match (function, self.arguments(arguments)) {
            (Global::Dictionary | Global::DefaultDict, []) | (Global::DefaultDict, [_]) => {
                Item::Ordered(self.dictionary()?)
            }
            (Global::Dictionary, &[of]) | (Global::DefaultDict, &[_, of]) => return self.dictionary_of(of),
            (Global::Bytes, []) => Item::Bytes(&[]),
            (Global::Size, &[sizes @ Item::Tuple(_)]) => sizes,
            (Global::Encode, &[Item::Text(text), Item::Text("latin1" | "latin-1")]) => Item::Encoded(text),
            (Global::Parameter, &[tensor @ (Item::Tensor(_) | Item::Object(_)), ..]) => tensor,
            (Global::Tensor, &[storage, start, shape, strides, _, _, ref more @ ..]) => {
                let marked = self.is_marked(more);
                return self.tensor(storage, None, [start, shape, strides], marked);
            }
            (Global::TypedTensor, &[storage, start, shape, strides, _, _, kind, ref more @ ..]) => {
                let marked = self.is_marked(more);
                return self.tensor(storage, Some(kind), [start, shape, strides], marked);
            }
            (Global::NumpyDtype, &[Item::Text(code), ..]) => return self.numpy_type(code),
            (Global::NumpyScalar, &[Item::Numpy(index), bytes]) => return Ok(self.numpy_number(index, bytes)),
            _ => return Ok(None),
        }))
    }

    fn arguments(&self, item: Item<'a>) -> &[Item<'a>] {
        self.objects.items(item).unwrap_or_default()
    }

    /// A dictionary of another one, or of a list of pairs, as Python 2 writes ordered ones.
    fn dictionary_of(&mut self, of: Item<'a>) -> Result<Option<Item<'a>>> {
        if let Item::Dict(index) | Item::Ordered(index) = of {
            return Ok(Some(Item::Ordered(index)));
        }
        let Some(items) = self.objects.items(of) else { return Ok(None) };
        let pairs = items.iter().map(|&pair| match self.objects.items(pair) {
            Some(&[key, value]) => Some((key, value)),
            _ => None,
        });
        let Some(pairs) = pairs.collect::<Option<Vec<_>>>() else { return Ok(None) };
        self.hold(2 * pairs.len())?;
        let index = self.dictionary()?;
        *self.objects.dictionaries.get_mut(index).ok_or_else(broken)? = pairs;
        Ok(Some(Item::Ordered(index)))
    }

    /// Resolves a persistent id: ("storage", type, key, location, number of elements), and in legacy files the part of
    /// the storage; there also ("module", class, file, source).
    pub(super) fn storage(&mut self) -> Result<Item<'a>> {
        let identity = self.pop()?;
        let (class, key, count) = match *self.arguments(identity) {
            [Item::Text("storage"), class, Item::Text(key), Item::Text(_), Item::Int(count)]
            | [Item::Text("storage"), class, Item::Text(key), Item::Text(_), Item::Int(count), Item::None] => {
                (class, key, count)
            }
            [Item::Text("storage"), _, _, _, _, _] => {
                return Err(format!("has parts of storages (of PyTorch before 0.4); {ADVICE}"));
            }
            [Item::Text("module"), class, _, _] => return Ok(class),
            _ => return Err("its pickle refers to something that is not a storage".to_owned()),
        };
        let kind = match self.objects.known(class) {
            Some(Global::Storage(kind)) => Some(kind),
            Some(Global::Untyped) => None,
            // a type that this program does not have, such as complex numbers
            _ => return object_of(class),
        };
        if key.len() > MAX_NAME {
            return Err(format!("has a storage with a name of {} bytes", key.len()));
        }
        let claimed = usize::try_from(count).ok();
        let mut storage = Storage { key, kind, count: claimed.unwrap_or(0), bytes: &[] };
        let size = claimed.and_then(|_| storage.size());
        if let Source::Archive(archive) = self.source {
            let bytes = archive.bytes(&format!("data/{key}"));
            storage.bytes = bytes.ok_or_else(|| format!("has no entry data/{} for a tensor", shown(key)))?;
            let is = storage.bytes.len();
            if size != Some(is) {
                let key = shown(key);
                return Err(format!("its entry data/{key} has {is} bytes, which are not {count} numbers"));
            }
        }
        if size.is_none() {
            return Err(format!("has a storage {} of {count} numbers, which is impossible", shown(key)));
        }
        self.room()?;
        self.objects.storages.push(storage);
        Ok(Item::Storage(self.objects.storages.len() - 1))
    }

    /// Whether additional arguments mark a tensor as conjugated or negated.
    fn is_marked(&self, more: &[Item<'a>]) -> bool {
        match *more {
            [] | [Item::None] => false,
            [Item::Dict(index)] => {
                self.objects.dictionaries.get(index).is_some_and(|marks| !marks.is_empty())
            }
            _ => true,
        }
    }

    fn tensor(
        &mut self,
        storage: Item<'a>,
        dtype: Option<Item<'a>>,
        view: [Item<'a>; 3],
        marked: bool,
    ) -> Result<Option<Item<'a>>> {
        let index = match storage {
            Item::Storage(index) => index,
            Item::Object(_) => return Ok(Some(storage)),
            _ => return Ok(None),
        };
        if marked {
            return self.object("torch", "Tensor with a pending conjugation or negation").map(Some);
        }
        let kind = match dtype {
            None => self.objects.storages.get(index).and_then(|storage| storage.kind),
            Some(dtype) => match self.objects.known(dtype) {
                Some(Global::Dtype(kind)) => Some(kind),
                _ => return object_of(dtype).map(Some),
            },
        };
        let Some(kind) = kind else { return Ok(None) };
        self.room()?;
        let [start, shape, strides] = view;
        self.objects.tensors.push(Lazy { storage: index, kind, start, shape, strides });
        Ok(Some(Item::Tensor(self.objects.tensors.len() - 1)))
    }
}

/// A value of `class`, if only its name is known.
fn object_of(class: Item<'_>) -> Result<Item<'_>> {
    match class {
        Item::Global(index) | Item::Object(index) => Ok(Item::Object(index)),
        other => Err(format!("its pickle calls {}; {ADVICE}", other.kind())),
    }
}
