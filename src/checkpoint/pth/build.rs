//! Operations of the [`Machine`] for containers, attributes and the memo.
//! Read this to support another opcode that fills a value.
//!
//! Items put into a value of an unknown class are dropped.

use super::items::{Item, broken};
use super::machine::{MAX_MEMO, Machine};
use super::{ADVICE, Result};

impl<'a> Machine<'a, '_> {
    pub(super) fn append(&mut self) -> Result<()> {
        let item = self.pop()?;
        self.extend(vec![item])
    }

    /// Adds `items` to the list on the stack.
    pub(super) fn extend(&mut self, items: Vec<Item<'a>>) -> Result<()> {
        let index = match self.top() {
            Some(Item::List(index)) => index,
            Some(Item::Object(_)) => return Ok(()),
            _ => return Err(broken()),
        };
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
        let index = match self.top() {
            Some(Item::Dict(index) | Item::Ordered(index)) => index,
            Some(Item::Object(_)) => return Ok(()),
            _ => return Err(broken()),
        };
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
    pub(super) fn top(&mut self) -> Option<Item<'a>> {
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
            (Item::Text(name), Item::Text(module)) => self.name(module, name).map(Item::Global),
            _ => Err(broken()),
        }
    }

    /// Sets the attributes of an object. They are dropped: a state_dict has its versions there.
    pub(super) fn build(&mut self) -> Result<()> {
        let state = self.pop()?;
        match self.top() {
            Some(Item::Ordered(_) | Item::Object(_)) => Ok(()),
            Some(Item::Numpy(index)) => self.order(index, state),
            Some(item) => Err(format!("its pickle sets attributes of {}; {ADVICE}", item.kind())),
            None => Err(broken()),
        }
    }
}
