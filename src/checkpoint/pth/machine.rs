//! The stack machine that executes a pickle's opcodes.
//! Read this for the supported opcodes and the bounds on memory.
//!
//! Items are small and copied. Containers are stored in an arena and referred to by index, so a pickle that repeats a
//! list a million times costs a million indices. Nothing here recurses. Each opcode takes at least a byte, pushes at
//! most one item and makes at most one object, so the work is bounded by the pickle's length and the memory by the
//! constants below.

use std::collections::HashMap;

use super::archive::Archive;
use super::globals::{Global, refused};
use super::storage::Kind;
use super::stream::Stream;
use super::{ADVICE, Result};

/// Maximum number of items on the stack: torch fills lists and dictionaries by the thousand; only tuples are longer.
const MAX_STACK: usize = 1 << 18;
/// Maximum number of objects: a tensor takes nine, so this is fourteen thousand parameters with their moments.
const MAX_OBJECTS: usize = 1 << 19;
/// Maximum number of items in all objects: a tensor takes about twenty, and some scripts store a loss per step.
const MAX_ITEMS: usize = 1 << 21;
/// Maximum number of memo entries: torch memoizes each object, text and global.
pub(super) const MAX_MEMO: usize = 1 << 20;
/// Maximum length of a storage's name or a dictionary's key: names may be repeated at two bytes each.
pub(super) const MAX_NAME: usize = 1024;

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
    Ordered(usize),
    Storage(usize),
    Tensor(usize),
    Global(Global),
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
            Self::Global(_) => "a function or class",
        }
    }
}

/// A storage, with its type if it has one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Storage<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) kind: Option<Kind>,
}

/// A requested tensor, not validated yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lazy<'a> {
    /// bytes of the whole storage
    pub(super) bytes: &'a [u8],
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
}

/// Result of a pickle: the arena and the top-level item.
#[derive(Debug)]
pub(super) struct Made<'a> {
    pub(super) objects: Objects<'a>,
    pub(super) root: Item<'a>,
}

/// Runs `pickle`; its storages are entries of `archive`.
pub(super) fn run<'a>(pickle: &'a [u8], archive: &Archive<'a>) -> Result<Made<'a>> {
    let mut machine = Machine {
        archive,
        objects: Objects::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        held: 0,
    };
    let mut stream = Stream::new(pickle);
    loop {
        let code = stream.byte()?;
        if code == b'.' {
            break;
        }
        machine.step(code, &mut stream)?;
    }
    let root = machine.pop()?;
    if !machine.stack.is_empty() || !machine.marks.is_empty() {
        return Err(broken());
    }
    Ok(Made { objects: machine.objects, root })
}

pub(super) fn broken() -> String {
    "its pickle is damaged: an operation lacks what it works on".to_owned()
}

pub(super) struct Machine<'a, 'b> {
    pub(super) archive: &'b Archive<'a>,
    pub(super) objects: Objects<'a>,
    pub(super) stack: Vec<Item<'a>>,
    /// stack height at each mark
    marks: Vec<usize>,
    pub(super) memo: HashMap<u32, Item<'a>>,
    /// total number of items in all objects
    held: usize,
}

impl<'a> Machine<'a, '_> {
    fn step(&mut self, code: u8, stream: &mut Stream<'a>) -> Result<()> {
        let item = match code {
            // the protocol version; operations of newer protocols are refused one by one
            b'\x80' => return stream.byte().map(drop),
            // a frame only gives the number of bytes that follow
            b'\x95' => return stream.take(8).map(drop),
            b'(' => return self.mark(),
            b'N' => Item::None,
            b'\x88' => Item::Bool(true),
            b'\x89' => Item::Bool(false),
            b'J' => Item::Int(i32::from_le_bytes(stream.array()?).into()),
            b'K' => Item::Int(stream.byte()?.into()),
            b'M' => Item::Int(u16::from_le_bytes(stream.array()?).into()),
            b'\x8a' => Item::Int(stream.integer::<1>()?),
            b'\x8b' => Item::Int(stream.integer::<4>()?),
            b'G' => Item::Float(f64::from_be_bytes(stream.array()?)),
            b'\x8c' => Item::Text(stream.text::<1>()?),
            b'X' => Item::Text(stream.text::<4>()?),
            b'\x8d' => Item::Text(stream.text::<8>()?),
            b'C' => Item::Bytes(stream.counted::<1>()?),
            b'B' => Item::Bytes(stream.counted::<4>()?),
            b'\x8e' | b'\x96' => Item::Bytes(stream.counted::<8>()?),
            b'c' => Item::Global(Global::find(stream.line()?, stream.line()?)?),
            b'\x93' => self.stack_global()?,
            b')' => self.tuple(Vec::new())?,
            b'\x85' => self.tuple_of(1)?,
            b'\x86' => self.tuple_of(2)?,
            b'\x87' => self.tuple_of(3)?,
            b't' => {
                let items = self.marked()?;
                self.tuple(items)?
            }
            b']' => Item::List(self.sequence(Vec::new())?),
            b'}' => Item::Dict(self.dictionary()?),
            b'a' => return self.append(),
            b'e' => {
                let items = self.marked()?;
                return self.extend(items);
            }
            b's' => return self.set(),
            b'u' => {
                let items = self.marked()?;
                return self.update(&items);
            }
            b'q' => return self.remember(stream.byte()?.into()),
            b'r' => return stream.u32().and_then(|index| self.remember(index)),
            b'\x94' => return self.remember_next(),
            b'h' => self.recall(stream.byte()?.into())?,
            b'j' => self.recall(stream.u32()?)?,
            b'Q' => self.storage()?,
            b'R' => self.reduce()?,
            b'b' => return self.build(),
            // these create an object of a class named in the pickle
            b'i' => return Err(refused(stream.line()?, stream.line()?)),
            b'\x81' | b'\x92' | b'o' => {
                return Err(format!(
                    "the file makes objects of classes: only tensors of plain types are read; {ADVICE}"
                ));
            }
            other => {
                return Err(format!(
                    "its pickle has the operation {other:#04x}, which torch.save never writes; {ADVICE}"
                ));
            }
        };
        self.push(item)
    }

    fn height(&self) -> Result<()> {
        if self.stack.len() + self.marks.len() >= MAX_STACK {
            return Err(format!("its pickle needs more than {MAX_STACK} items at once"));
        }
        Ok(())
    }

    fn push(&mut self, item: Item<'a>) -> Result<()> {
        self.height()?;
        self.stack.push(item);
        Ok(())
    }

    /// Pops an item above the last mark; items below it belong to the operation that set the mark.
    pub(super) fn pop(&mut self) -> Result<Item<'a>> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(broken());
        }
        self.stack.pop().ok_or_else(broken)
    }

    fn mark(&mut self) -> Result<()> {
        self.height()?;
        self.marks.push(self.stack.len());
        Ok(())
    }

    pub(super) fn marked(&mut self) -> Result<Vec<Item<'a>>> {
        let from = self.marks.pop().ok_or_else(broken)?;
        // pop never goes below a mark; drain, because split_off may keep the whole stack's capacity
        Ok(self.stack.drain(from.min(self.stack.len())..).collect())
    }

    fn last(&mut self, count: usize) -> Result<Vec<Item<'a>>> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let from = self.stack.len().checked_sub(count).filter(|&from| from >= floor).ok_or_else(broken)?;
        Ok(self.stack.drain(from..).collect())
    }

    pub(super) fn room(&self) -> Result<()> {
        let Objects { sequences, dictionaries, storages, tensors } = &self.objects;
        if sequences.len() + dictionaries.len() + storages.len() + tensors.len() >= MAX_OBJECTS {
            return Err(format!("its pickle makes more than {MAX_OBJECTS} objects"));
        }
        Ok(())
    }

    /// Accounts for `more` items of an object.
    pub(super) fn hold(&mut self, more: usize) -> Result<()> {
        self.held = self.held.saturating_add(more);
        if self.held > MAX_ITEMS {
            return Err(format!("its pickle has more than {MAX_ITEMS} items"));
        }
        Ok(())
    }

    fn sequence(&mut self, items: Vec<Item<'a>>) -> Result<usize> {
        self.room()?;
        self.hold(items.len())?;
        self.objects.sequences.push(items);
        Ok(self.objects.sequences.len() - 1)
    }

    fn tuple(&mut self, items: Vec<Item<'a>>) -> Result<Item<'a>> {
        self.sequence(items).map(Item::Tuple)
    }

    fn tuple_of(&mut self, count: usize) -> Result<Item<'a>> {
        let items = self.last(count)?;
        self.tuple(items)
    }

    pub(super) fn dictionary(&mut self) -> Result<usize> {
        self.room()?;
        self.objects.dictionaries.push(Vec::new());
        Ok(self.objects.dictionaries.len() - 1)
    }
}
