//! Huffman tables and decoding.
//! Read this for the lookup tables that make decoding and skipping fast.

use super::Broken;
use super::bits::{Bits, CODE_BITS, value};

/// Codes up to this length are found with one lookup.
const FAST_BITS: u32 = 10;
/// Index bits of the [`Passing`] lookup.
const PASSING_BITS: u32 = 13;

/// A Huffman table.
#[derive(Clone)]
pub(super) struct Table {
    /// By the next [`FAST_BITS`] bits: length and symbol of the code; length 0 if the code is longer.
    fast: Box<[[u8; 2]; 1 << FAST_BITS]>,
    /// By the next [`FAST_BITS`] bits: the code and its value.
    coded: Box<[Coded; 1 << FAST_BITS]>,
    /// For each length from 1: the end of its codes, left-aligned in 16 bits, and the offset from a code to the index
    /// of its symbol.
    lengths: [(u32, i32); 16],
    symbols: Vec<u8>,
}

/// A code with the value that follows it: their total length in bits (0 if it exceeds the lookup), the code's symbol,
/// and the value.
#[derive(Clone, Copy, Default)]
struct Coded {
    bits: u8,
    symbol: u8,
    value: i16,
}

impl Table {
    /// Builds the table from the number of codes of each length from 1 to 16, and their symbols; `None` if they are not
    /// a valid code.
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

    /// Decodes the code at the left of `word` with its value: total length in bits, symbol, value. The lower four bits
    /// of a symbol are the length of its value.
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

    /// Decodes the code at the left of `word`: length and symbol.
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

/// Lookup for skipping unwanted coefficients, several codes with their values at a time.
pub(super) struct Passing {
    /// By the next [`PASSING_BITS`] bits.
    steps: Box<[Step; 1 << PASSING_BITS]>,
}

/// A run of codes with values that is skipped at once. The lowest 4 bits are its length in bits, 0 if no code is
/// complete; then a bit that says whether the last code ends the block; then the number of coefficients. Steps are this
/// small so that the table stays in the L1 cache.
#[derive(Clone, Copy)]
struct Step(u16);

impl Step {
    /// Builds the step for the bits at the left of `bits`.
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

    /// Skips the coefficients of a block from the `k`th on.
    #[inline(always)]
    pub(super) fn pass(&self, bits: &mut Bits<'_>, ac: &Table, mut k: usize) -> Result<(), Broken> {
        while k < 64 {
            bits.fill_up(PASSING_BITS);
            let step = self.steps[(bits.word() >> (64 - PASSING_BITS)) as usize];
            // bits after the last coefficient belong to the next block
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

/// Skips the rest of a block code by code: for long codes, and close to the last coefficient.
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
