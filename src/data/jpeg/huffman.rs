//! Huffman codes.

use super::Broken;
use super::bits::{Bits, CODE_BITS, value};

/// Codes of up to as many bits are found at once.
const FAST_BITS: u32 = 10;
/// Bits that [`Passing`] looks at together.
const PASSING_BITS: u32 = 13;

/// A Huffman table.
#[derive(Clone)]
pub(super) struct Table {
    /// For the next [`FAST_BITS`]: a code's length and symbol; length 0 where the code is longer.
    fast: Box<[[u8; 2]; 1 << FAST_BITS]>,
    /// For the next [`FAST_BITS`]: what they begin with.
    coded: Box<[Coded; 1 << FAST_BITS]>,
    /// For each length from 1 on: where its codes end, as 16 bits from the left, and how far its first symbol is from
    /// its first code.
    lengths: [(u32, i32); 16],
    symbols: Vec<u8>,
}

/// A code with the value that follows it: their bits, 0 where they are more than are looked at; the code's symbol; and the
/// value.
#[derive(Clone, Copy, Default)]
struct Coded {
    bits: u8,
    symbol: u8,
    value: i16,
}

impl Table {
    /// From the number of codes of each length from 1 to 16, and their symbols; `None` where there is no such code.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut table = Self {
            fast: Box::new([[0; 2]; 1 << FAST_BITS]),
            coded: Box::new([Coded::default(); 1 << FAST_BITS]),
            lengths: [(0, 0); 16],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut index) = (0u32, 0usize);
        for (length, &count) in (1..).zip(counts) {
            let first = code;
            for &symbol in symbols.get(index..index + usize::from(count))? {
                if length <= FAST_BITS {
                    let step = 1usize << (FAST_BITS - length);
                    let from = code as usize * step;
                    table.fast.get_mut(from..from + step)?.fill([length as u8, symbol]);
                }
                code += 1;
            }
            if code > 1 << length {
                return None;
            }
            table.lengths[length as usize - 1] = (code << (16 - length), index as i32 - first as i32);
            index += usize::from(count);
            code <<= 1;
        }
        for (bits, (coded, &[length, symbol])) in (0..).zip(table.coded.iter_mut().zip(table.fast.iter())) {
            let size = symbol & 15;
            if length != 0 && u32::from(length + size) <= FAST_BITS {
                let value = value(bits << (64 - FAST_BITS) << length, size.into()) as i16;
                *coded = Coded { bits: length + size, symbol, value };
            }
        }
        Some(table)
    }

    /// The code at the left of `word`, with the value behind it: how many bits both have, the code's symbol, the value. The
    /// lower half of a symbol is how many bits its value has.
    #[inline(always)]
    pub(super) fn decode_value(&self, word: u64) -> Result<(u32, u8, i32), Broken> {
        let Coded { bits, symbol, value } = self.coded[(word >> (64 - FAST_BITS)) as usize];
        if bits != 0 { Ok((bits.into(), symbol, value.into())) } else { self.decode_long_value(word) }
    }

    #[inline(never)]
    fn decode_long_value(&self, word: u64) -> Result<(u32, u8, i32), Broken> {
        let (length, symbol) = self.decode(word)?;
        let size = u32::from(symbol & 15);
        Ok((length + size, symbol, value(word << length, size)))
    }

    /// Length and symbol of the code at the left of `word`.
    #[inline(always)]
    pub(super) fn decode(&self, word: u64) -> Result<(u32, u8), Broken> {
        let [length, symbol] = self.fast[(word >> (64 - FAST_BITS)) as usize];
        if length != 0 { Ok((length.into(), symbol)) } else { self.decode_long(word) }
    }

    #[cold]
    fn decode_long(&self, word: u64) -> Result<(u32, u8), Broken> {
        let bits = (word >> 48) as u32;
        for (length, &(end, offset)) in (1..).zip(&self.lengths).skip(FAST_BITS as usize) {
            if bits < end {
                let index = (bits >> (16 - length)) as i32 + offset;
                return self.symbols.get(index as usize).map(|&symbol| (length, symbol)).ok_or(Broken::Code);
            }
        }
        Err(Broken::Code)
    }
}

/// What the next bits pass over, of coefficients that are not wanted: several codes with their values at a time.
pub(super) struct Passing {
    /// For the next [`PASSING_BITS`].
    steps: Box<[Step; 1 << PASSING_BITS]>,
}

/// Codes with their values that are passed over together: their bits in the lowest 4 bits, 0 where not one code is whole;
/// then whether the last one ends the block; then how many coefficients they are. As small as this, the steps stay near
/// the core.
#[derive(Clone, Copy)]
struct Step(u16);

impl Step {
    /// From the left of `bits`.
    fn of(bits: u64, ac: &Table) -> Self {
        let (mut used, mut coefficients) = (0, 0);
        while let Ok((length, symbol)) = ac.decode(bits << used) {
            let (run, size) = (u16::from(symbol >> 4), u32::from(symbol & 15));
            if used + length + size > PASSING_BITS {
                break;
            }
            used += length + size;
            if size == 0 && run != 15 {
                return Self(used as u16 | 16 | coefficients << 5);
            }
            coefficients += run + 1;
        }
        Self(used as u16 | coefficients << 5)
    }

    #[inline(always)]
    fn bits(self) -> u32 {
        u32::from(self.0 & 15)
    }

    #[inline(always)]
    fn ends(self) -> bool {
        self.0 & 16 != 0
    }

    #[inline(always)]
    fn coefficients(self) -> usize {
        usize::from(self.0 >> 5)
    }
}

impl Passing {
    pub(super) fn new(ac: &Table) -> Self {
        let mut steps = Box::new([Step(0); 1 << PASSING_BITS]);
        for (bits, step) in (0..).zip(steps.iter_mut()) {
            *step = Step::of(bits << (64 - PASSING_BITS), ac);
        }
        Self { steps }
    }

    /// Passes over the coefficients of a block from the `k`th on.
    #[inline(always)]
    pub(super) fn pass(&self, bits: &mut Bits<'_>, ac: &Table, mut k: usize) -> Result<(), Broken> {
        while k < 64 {
            bits.fill_up(PASSING_BITS);
            let step = self.steps[(bits.word() >> (64 - PASSING_BITS)) as usize];
            // what follows the last coefficient belongs to the next block
            if step.bits() == 0 || k + step.coefficients() >= 64 {
                return pass_singly(bits, ac, k);
            }
            bits.skip(step.bits());
            if step.ends() {
                return Ok(());
            }
            k += step.coefficients();
        }
        Ok(())
    }
}

/// Passes over the rest of a block whose codes are long, or as many as there can be.
#[cold]
fn pass_singly(bits: &mut Bits<'_>, ac: &Table, mut k: usize) -> Result<(), Broken> {
    while k < 64 {
        bits.fill_up(CODE_BITS);
        let (length, symbol) = ac.decode(bits.word())?;
        let (run, size) = (symbol >> 4, u32::from(symbol & 15));
        bits.skip(length + size);
        if size == 0 && run != 15 {
            return Ok(());
        }
        k += usize::from(run) + 1;
    }
    if k > 64 { Err(Broken::Code) } else { Ok(()) }
}
