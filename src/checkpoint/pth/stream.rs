//! A byte stream over a pickle.
//! Texts and byte strings are slices of it, so a claimed length causes no allocation.

use super::Result;

/// The remaining bytes.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    rest: &'a [u8],
}

impl<'a> Stream<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or("its pickle ends too early")?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Reads a length of `N` bytes, and then that number of bytes.
    pub(super) fn counted<const N: usize>(&mut self) -> Result<&'a [u8]> {
        let field: [u8; N] = self.array()?;
        let length = field.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// Number of bytes that are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Reads a length of `N` bytes, and then a signed number of that many bytes; `None` if it has more than 128 bits.
    pub(super) fn integer<const N: usize>(&mut self) -> Result<Option<i128>> {
        let bytes = self.counted::<N>()?;
        if bytes.len() > 16 {
            return Ok(None);
        }
        let negative = bytes.last().is_some_and(|&byte| byte & 0x80 != 0);
        let mut array = if negative { [0xff; 16] } else { [0; 16] };
        for (to, &from) in array.iter_mut().zip(bytes) {
            *to = from;
        }
        Ok(Some(i128::from_le_bytes(array)))
    }

    /// Reads up to the end of the line.
    pub(super) fn line(&mut self) -> Result<&'a str> {
        let length = self.rest.iter().position(|&byte| byte == b'\n').ok_or("its pickle ends too early")?;
        let line = std::str::from_utf8(self.take(length)?);
        self.take(1)?;
        line.map_err(|_| "its pickle has a name that is not UTF-8".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_python_writes_them() {
        let read = |bytes: &[u8]| Stream::new(bytes).integer::<1>();
        assert_eq!(read(b"\x00"), Ok(Some(0)));
        assert_eq!(read(b"\x01\xff"), Ok(Some(-1)));
        assert_eq!(read(b"\x02\xff\x00"), Ok(Some(255)));
        assert_eq!(read(b"\x09\x05\x00\x00\x00\x00\x00\x00\x80\x00"), Ok(Some((1 << 63) + 5)));
        assert_eq!(read(b"\x11aaaaaaaaaaaaaaaaa"), Ok(None));
        assert!(read(b"\x02a").is_err());
    }

    #[test]
    fn claimed_lengths_are_only_compared() {
        assert!(Stream::new(&[0xff; 9]).counted::<8>().is_err());
        assert_eq!(Stream::new(b"\x01\0\0\0ab").counted::<4>(), Ok(&b"a"[..]));
        assert!(Stream::new(b"no end").line().is_err());
    }
}
