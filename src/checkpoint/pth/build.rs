//! Operations of the [`Machine`] for containers, the memo and calls.
//! Read this to support another opcode that builds a value.

use super::globals::Global;
use super::machine::{Item, Lazy, MAX_MEMO, MAX_NAME, Machine, Storage, broken};
use super::{ADVICE, Result, shown};

impl<'a> Machine<'a, '_> {
    pub(super) fn append(&mut self) -> Result<()> {
        let item = self.pop()?;
        self.extend(vec![item])
    }

    /// Adds `items` to the list on the stack.
    pub(super) fn extend(&mut self, items: Vec<Item<'a>>) -> Result<()> {
        let Some(Item::List(index)) = self.top() else { return Err(broken()) };
        self.hold(items.len())?;
        self.objects.sequences.get_mut(index).ok_or_else(broken)?.extend(items);
        Ok(())
    }

    pub(super) fn set(&mut self) -> Result<()> {
        let (value, key) = (self.pop()?, self.pop()?);
        self.update(&[key, value])
    }

    /// Adds alternating keys and values to the dictionary on the stack.
    pub(super) fn update(&mut self, items: &[Item<'a>]) -> Result<()> {
        let Some(Item::Dict(index) | Item::Ordered(index)) = self.top() else { return Err(broken()) };
        self.hold(items.len())?;
        let dictionary = self.objects.dictionaries.get_mut(index).ok_or_else(broken)?;
        let (pairs, rest) = items.as_chunks();
        if !rest.is_empty() {
            return Err(broken());
        }
        dictionary.extend(pairs.iter().map(|&[key, value]| (key, value)));
        Ok(())
    }

    /// The topmost item above the last mark.
    fn top(&mut self) -> Option<Item<'a>> {
        let item = self.pop().ok()?;
        self.stack.push(item);
        Some(item)
    }

    pub(super) fn remember(&mut self, index: u32) -> Result<()> {
        let item = self.top().ok_or_else(broken)?;
        if self.memo.len() >= MAX_MEMO {
            return Err(format!("its pickle remembers more than {MAX_MEMO} items"));
        }
        self.memo.insert(index, item);
        Ok(())
    }

    pub(super) fn remember_next(&mut self) -> Result<()> {
        self.remember(u32::try_from(self.memo.len()).unwrap_or(u32::MAX))
    }

    pub(super) fn recall(&self, index: u32) -> Result<Item<'a>> {
        self.memo.get(&index).copied().ok_or_else(broken)
    }

    pub(super) fn stack_global(&mut self) -> Result<Item<'a>> {
        match (self.pop()?, self.pop()?) {
            (Item::Text(name), Item::Text(module)) => Global::find(module, name).map(Item::Global),
            _ => Err(broken()),
        }
    }

    /// Resolves a persistent id: ("storage", type, entry, location, number of elements).
    pub(super) fn storage(&mut self) -> Result<Item<'a>> {
        let identity = self.pop()?;
        let Some(
            &[Item::Text("storage"), Item::Global(class), Item::Text(key), Item::Text(_), Item::Int(count)],
        ) = self.items(identity)
        else {
            return Err("its pickle refers to something that is not a storage".to_owned());
        };
        let kind = match class {
            Global::Storage(kind) => Some(kind),
            Global::Untyped => None,
            _ => return Err("its pickle has a storage of no known type".to_owned()),
        };
        let bytes = if key.len() <= MAX_NAME { self.archive.bytes(&format!("data/{key}")) } else { None };
        let bytes = bytes.ok_or_else(|| format!("has no entry data/{} for a tensor", shown(key)))?;
        let claimed = count.checked_mul(kind.map_or(1, |kind| kind.size() as i128));
        if claimed != i128::try_from(bytes.len()).ok() {
            return Err(format!(
                "its entry data/{} has {} bytes, which are not {count} numbers",
                shown(key),
                bytes.len()
            ));
        }
        self.room()?;
        self.objects.storages.push(Storage { bytes, kind });
        Ok(Item::Storage(self.objects.storages.len() - 1))
    }

    /// Performs the call of a known function or class.
    pub(super) fn reduce(&mut self) -> Result<Item<'a>> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let Item::Global(function) = function else {
            return Err(format!("its pickle calls {}; {ADVICE}", function.kind()));
        };
        let Item::Tuple(_) = arguments else { return Err(broken()) };
        let item = match (function, self.items(arguments).unwrap_or_default()) {
            (Global::OrderedDict, []) => return self.dictionary().map(Item::Ordered),
            (Global::Bytes, []) => Item::Bytes(&[]),
            (Global::Size, &[sizes @ Item::Tuple(_)]) => sizes,
            (Global::Encode, &[Item::Text(text), Item::Text("latin1" | "latin-1")]) => Item::Encoded(text),
            (Global::Parameter, &[tensor @ Item::Tensor(_), _, _]) => tensor,
            (Global::Tensor, &[storage, start, shape, strides, _, _, ref more @ ..]) => {
                self.unmarked(more)?;
                return self.tensor(storage, None, [start, shape, strides]);
            }
            (Global::TypedTensor, &[storage, start, shape, strides, _, _, kind, ref more @ ..]) => {
                self.unmarked(more)?;
                return self.tensor(storage, Some(kind), [start, shape, strides]);
            }
            _ => return Err(format!("its pickle calls {function:?} with other arguments than torch does")),
        };
        Ok(item)
    }

    /// Refuses tensors marked as conjugated or negated by an additional argument.
    fn unmarked(&self, more: &[Item<'a>]) -> Result<()> {
        let empty = match *more {
            [] | [Item::None] => true,
            [Item::Dict(index)] => self.objects.dictionaries.get(index).is_some_and(Vec::is_empty),
            _ => false,
        };
        if empty {
            Ok(())
        } else {
            Err(format!("has a tensor with a pending conjugation or negation; {ADVICE}"))
        }
    }

    fn tensor(
        &mut self,
        storage: Item<'a>,
        dtype: Option<Item<'a>>,
        view: [Item<'a>; 3],
    ) -> Result<Item<'a>> {
        let storage = match storage {
            Item::Storage(index) => self.objects.storages.get(index).copied(),
            _ => None,
        };
        let storage = storage.ok_or_else(broken)?;
        let kind = match dtype {
            None => storage.kind,
            Some(Item::Global(Global::Dtype(kind))) => Some(kind),
            Some(_) => None,
        };
        let kind = kind.ok_or("has a tensor of no known type")?;
        self.room()?;
        let [start, shape, strides] = view;
        self.objects.tensors.push(Lazy { bytes: storage.bytes, kind, start, shape, strides });
        Ok(Item::Tensor(self.objects.tensors.len() - 1))
    }

    /// Sets the attributes of an object. Only a state_dict has attributes that can be ignored: its versions.
    pub(super) fn build(&mut self) -> Result<()> {
        let state = self.pop()?;
        match (self.top(), state) {
            (Some(Item::Ordered(_)), Item::Dict(_)) => Ok(()),
            (Some(item), _) => Err(format!("its pickle sets attributes of {}; {ADVICE}", item.kind())),
            (None, _) => Err(broken()),
        }
    }

    /// The items of a tuple.
    fn items(&self, item: Item<'a>) -> Option<&[Item<'a>]> {
        let Item::Tuple(index) = item else { return None };
        self.objects.sequences.get(index).map(Vec::as_slice)
    }
}
