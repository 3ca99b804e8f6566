//! The stack machine that executes a pickle's opcodes.
//! Read this for the supported opcodes and the bounds on memory.
//!
//! Items are small and copied. Containers are stored in an arena and referred to by index, so a pickle that repeats a
//! list a million times costs a million indices. Nothing here recurses. Each opcode takes at least a byte, pushes at
//! most one item and makes at most one object, so the work is bounded by the pickle's length and the memory by the
//! constants below.

use std::collections::HashMap;

use super::archive::Archive;
use super::globals::Named;
use super::items::{Item, Made, Objects, broken};
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

/// The place of the bytes of storages.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source<'a, 'b> {
    /// entries of a zip file
    Archive(&'b Archive<'a>),
    /// behind the pickle, in an order that it does not tell
    Behind,
}

/// Runs the pickle at the beginning of `stream`.
pub(super) fn run<'a>(stream: &mut Stream<'a>, source: Source<'a, '_>) -> Result<Made<'a>> {
    let mut machine = Machine {
        source,
        objects: Objects::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        held: 0,
    };
    loop {
        let code = stream.byte()?;
        if code == b'.' {
            break;
        }
        machine.step(code, stream)?;
    }
    let root = machine.pop()?;
    if !machine.stack.is_empty() || !machine.marks.is_empty() {
        return Err(broken());
    }
    Ok(Made { objects: machine.objects, root })
}

pub(super) struct Machine<'a, 'b> {
    pub(super) source: Source<'a, 'b>,
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
            b'\x8a' => self.integer(stream.integer::<1>()?)?,
            b'\x8b' => self.integer(stream.integer::<4>()?)?,
            b'I' => written(stream.line()?)?,
            b'L' => written(stream.line()?.trim_end_matches('L'))?,
            b'G' => Item::Float(f64::from_be_bytes(stream.array()?)),
            b'\x8c' => self.text(stream.counted::<1>()?)?,
            b'X' => self.text(stream.counted::<4>()?)?,
            b'\x8d' => self.text(stream.counted::<8>()?)?,
            b'U' => text_or_bytes(stream.counted::<1>()?),
            b'T' => text_or_bytes(stream.counted::<4>()?),
            b'C' => Item::Bytes(stream.counted::<1>()?),
            b'B' => Item::Bytes(stream.counted::<4>()?),
            b'\x8e' | b'\x96' => Item::Bytes(stream.counted::<8>()?),
            b'c' => Item::Global(self.name(stream.line()?, stream.line()?)?),
            b'\x93' => self.stack_global()?,
            b'\x8f' => self.object("builtins", "set")?,
            b'\x90' => {
                let items = self.marked()?;
                return self.extend(items);
            }
            b'\x91' => {
                self.marked()?;
                self.object("builtins", "frozenset")?
            }
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
            b'R' | b'\x81' => self.reduce()?,
            b'\x92' => self.reduce_named()?,
            b'b' => return self.build(),
            b'i' => self.instance(stream.line()?, stream.line()?)?,
            b'o' => self.instance_of()?,
            b'0' => return self.drop_top(),
            b'1' => return self.marked().map(drop),
            b'2' => self.top().ok_or_else(broken)?,
            b'\x97' | b'\x98' => {
                return Err(format!("its pickle refers to buffers that are outside the file; {ADVICE}"));
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

    /// Drops the topmost item, or the mark above it.
    fn drop_top(&mut self) -> Result<()> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    pub(super) fn room(&self) -> Result<()> {
        if self.objects.count() >= MAX_OBJECTS {
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

    /// Enters a name into the table of names.
    pub(super) fn name(&mut self, module: &'a str, name: &'a str) -> Result<usize> {
        self.room()?;
        self.objects.named.push(Named::new(module, name));
        Ok(self.objects.named.len() - 1)
    }

    /// A value that is kept only by the name of its class.
    pub(super) fn object(&mut self, module: &'a str, name: &'a str) -> Result<Item<'a>> {
        self.name(module, name).map(Item::Object)
    }

    /// The states of some random generators are of more than 128 bits.
    fn integer(&mut self, number: Option<i128>) -> Result<Item<'a>> {
        number.map_or_else(|| self.object("builtins", "int"), |number| Ok(Item::Int(number)))
    }

    /// Python's texts may hold half of a pair of surrogates, such as in the name of a file that is not UTF-8.
    fn text(&mut self, bytes: &'a [u8]) -> Result<Item<'a>> {
        std::str::from_utf8(bytes)
            .map_or_else(|_| self.object("builtins", "str"), |text| Ok(Item::Text(text)))
    }
}

/// A number in decimal, or a bool, as protocol 1 writes them.
fn written<'a>(line: &str) -> Result<Item<'a>> {
    match line {
        "00" => Ok(Item::Bool(false)),
        "01" => Ok(Item::Bool(true)),
        _ => line.parse().map(Item::Int).map_err(|_| "its pickle has a number that is none".to_owned()),
    }
}

/// A text of Python 2, which may also be bytes.
fn text_or_bytes(bytes: &[u8]) -> Item<'_> {
    std::str::from_utf8(bytes).map_or(Item::Bytes(bytes), Item::Text)
}
