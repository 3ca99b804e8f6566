//! A bit reader for entropy-coded data.
//! Read this for the guarantees on how many bits are available at once.

/// Maximum bits of a Huffman code together with its value.
pub(super) const CODE_BITS: u32 = 32;

/// A bit reader, most significant bit of each byte first.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Index of the next byte to enter `word`.
    at: usize,
    end: usize,
    /// The next bits, left-aligned.
    word: u64,
    /// Number of valid bits in `word`.
    held: u32,
}

impl<'a> Bits<'a> {
    /// Reads the bytes from `begin` to `end`; `bytes` must have 8 more after `end`.
    pub(super) fn new(bytes: &'a [u8], begin: usize, end: usize) -> Self {
        Self { bytes, at: begin, end, word: 0, held: 0 }
    }

    /// Fills [`Bits::word`] to 56 bits or more. Bits after the end are arbitrary.
    #[inline(always)]
    pub(super) fn fill(&mut self) {
        let next = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk());
        self.word |= next.map_or(0, |next| u64::from_be_bytes(*next)) >> self.held;
        let bytes = (63 - self.held) / 8;
        self.at += bytes as usize;
        self.held += bytes * 8;
    }

    /// As [`Bits::fill`], but only if fewer than `least` bits are held: faster if that is rare.
    #[inline(always)]
    pub(super) fn fill_up(&mut self, least: u32) {
        if self.held < least {
            self.fill();
        }
    }

    /// The next bits, left-aligned; the rest of the word is not valid.
    #[inline(always)]
    pub(super) fn word(&self) -> u64 {
        self.word
    }

    /// Skips at most 32 bits, which must be held.
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

    /// Whether more bits were read than there are.
    #[inline(always)]
    pub(super) fn is_over(&self) -> bool {
        self.at * 8 > self.end * 8 + self.held as usize
    }
}

/// The leftmost `count` bits of `word`, at most 16.
#[inline(always)]
fn leading(word: u64, count: u32) -> u32 {
    (word >> 1 >> (63 - count)) as u32
}

/// The coefficient coded in the leftmost `size` bits of `word`: the lower half of the codes is negative.
#[inline(always)]
pub(super) fn value(word: u64, size: u32) -> i32 {
    let negative = !((word as i64 >> 63) as i32);
    leading(word, size) as i32 + (negative & (1 - (1 << size)))
}
