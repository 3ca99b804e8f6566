//! Single numbers of numpy, which training scripts store as losses, epochs and learning rates.
//! Arrays of numpy stay opaque.

use super::Result;
use super::items::{Item, broken};
use super::machine::Machine;
use super::storage::Kind;

impl<'a> Machine<'a, '_> {
    /// The type of numbers with numpy's `code`; `None` for others, such as texts.
    pub(super) fn numpy_type(&mut self, code: &str) -> Result<Option<Item<'a>>> {
        let Some(kind) = Kind::of_numpy(code) else { return Ok(None) };
        self.room()?;
        self.objects.numpy.push(Some(kind));
        Ok(Some(Item::Numpy(self.objects.numpy.len() - 1)))
    }

    /// Sets the byte order of a type of numpy: big-endian ones are not read.
    pub(super) fn order(&mut self, index: usize, state: Item<'a>) -> Result<()> {
        let little = matches!(self.objects.items(state), Some([_, Item::Text("<" | "|" | "="), ..]));
        if !little {
            *self.objects.numpy.get_mut(index).ok_or_else(broken)? = None;
        }
        Ok(())
    }

    /// The number of numpy in `bytes`, if they are one.
    pub(super) fn numpy_number(&self, index: usize, bytes: Item<'a>) -> Option<Item<'a>> {
        let kind = (*self.objects.numpy.get(index)?)?;
        let mut array = [0; 8];
        let length = match bytes {
            Item::Bytes(bytes) => fill(&mut array, bytes.iter().copied().map(Some)),
            // Python 2 has one type for both
            Item::Text(text) => fill(&mut array, text.bytes().map(Some)),
            Item::Encoded(text) => fill(&mut array, text.chars().map(|c| u8::try_from(c).ok())),
            _ => None,
        };
        if length? != kind.size() {
            return None;
        }
        let raw = u64::from_le_bytes(array);
        Some(match kind {
            Kind::F64 => Item::Float(f64::from_bits(raw)),
            Kind::F32 | Kind::F16 | Kind::Bf16 => Item::Float(kind.element(&array[..kind.size()]).into()),
            Kind::I64 => Item::Int((raw as i64).into()),
            Kind::I32 => Item::Int((raw as i32).into()),
            Kind::I16 => Item::Int((raw as i16).into()),
            Kind::I8 => Item::Int((raw as i8).into()),
            Kind::U64 | Kind::U32 | Kind::U16 | Kind::U8 => Item::Int(raw.into()),
            Kind::Bool => Item::Bool(raw != 0),
        })
    }
}

/// Copies the bytes into `array`; their number, if they fit.
fn fill(array: &mut [u8; 8], bytes: impl Iterator<Item = Option<u8>>) -> Option<usize> {
    let mut length = 0;
    for byte in bytes {
        *array.get_mut(length)? = byte?;
        length += 1;
    }
    Some(length)
}
