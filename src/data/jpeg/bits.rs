//! The bits that codes and values are read from.

/// A code with its value has at most so many bits.
pub(super) const CODE_BITS: u32 = 32;

/// Bits, the highest of each byte first.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The byte that comes next into `word`.
    at: usize,
    end: usize,
    /// The next bits, from the left.
    word: u64,
    /// How many of them count.
    held: u32,
}

impl<'a> Bits<'a> {
    /// Those of the bytes from `begin` to `end`, behind which `bytes` has 8 more.
    pub(super) fn new(bytes: &'a [u8], begin: usize, end: usize) -> Self {
        Self { bytes, at: begin, end, word: 0, held: 0 }
    }

    /// Makes [`Bits::word`] hold 56 bits or more. Behind the end they are anything.
    #[inline(always)]
    pub(super) fn fill(&mut self) {
        let next = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk());
        self.word |= next.map_or(0, |next| u64::from_be_bytes(*next)) >> self.held;
        let bytes = (63 - self.held) / 8;
        self.at += bytes as usize;
        self.held += bytes * 8;
    }

    /// As [`Bits::fill`], if fewer than `least` are held: where that is rare it takes less time.
    #[inline(always)]
    pub(super) fn fill_up(&mut self, least: u32) {
        if self.held < least {
            self.fill();
        }
    }

    /// The next bits, from the left, as many as are held.
    #[inline(always)]
    pub(super) fn word(&self) -> u64 {
        self.word
    }

    /// Passes over at most 32 bits that are held.
    #[inline(always)]
    pub(super) fn skip(&mut self, count: u32) {
        self.word <<= count;
        self.held -= count;
    }

    /// The next `count` bits, at most 16, as a number.
    #[inline(always)]
    pub(super) fn take(&mut self, count: u32) -> u32 {
        self.fill_up(CODE_BITS);
        let bits = leading(self.word, count);
        self.skip(count);
        bits
    }

    /// Whether more was read than there is.
    #[inline(always)]
    pub(super) fn is_over(&self) -> bool {
        self.at * 8 > self.end * 8 + self.held as usize
    }
}

/// The `count` bits at the left of `word`, at most 16.
#[inline(always)]
fn leading(word: u64, count: u32) -> u32 {
    (word >> 1 >> (63 - count)) as u32
}

/// The coefficient of `size` bits at the left of `word`: half of the numbers stand for negative ones.
#[inline(always)]
pub(super) fn value(word: u64, size: u32) -> i32 {
    let negative = !((word as i64 >> 63) as i32);
    leading(word, size) as i32 + (negative & (1 - (1 << size)))
}
