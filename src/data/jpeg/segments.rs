//! Marker segments, and the entropy-coded data between them.
//! Read this for markers, byte stuffing and truncated files.

use std::ops::Range;

use super::Broken;

/// Start of a scan.
pub(super) const SOS: u8 = 0xda;
/// End of the image.
pub(super) const EOI: u8 = 0xd9;

/// An iterator over the segments of a file.
pub(super) struct Segments<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// The next marker with its segment's body; `None` at the end of the file. Bytes that are not a marker are skipped,
    /// as in other readers.
    pub(super) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        loop {
            self.at += self.data.get(self.at..)?.iter().position(|&byte| byte == 0xff)?;
            // any number of ff may come before the marker's second byte
            self.at += self.data[self.at..].iter().position(|&byte| byte != 0xff)?;
            let marker = self.data[self.at];
            self.at += 1;
            match marker {
                // these have no length
                0x00 | 0x01 | 0xd0..=0xd8 => {}
                EOI => return Some((EOI, &[])),
                _ => {
                    let length = u16::from_be_bytes(*self.data.get(self.at..)?.first_chunk()?).into();
                    let body = self.data.get(self.at..)?.get(2..length)?;
                    self.at += length;
                    return Some((marker, body));
                }
            }
        }
    }

    /// The entropy-coded data after the header of a scan, up to the next marker.
    pub(super) fn scan_data(&mut self) -> Result<ScanData, Broken> {
        let mut scan = ScanData { bytes: Vec::new(), intervals: Vec::new() };
        let mut begin = 0;
        loop {
            let rest = self.data.get(self.at..).unwrap_or_default();
            let plain = before_ff(rest);
            scan.bytes.extend_from_slice(&rest[..plain]);
            self.at += plain;
            match rest.get(plain + 1) {
                Some(0x00) => {
                    scan.bytes.push(0xff);
                    self.at += 2;
                }
                Some(0xff) => self.at += 1,
                Some(restart @ 0xd0..=0xd7) => {
                    if usize::from(restart - 0xd0) != scan.intervals.len() % 8 {
                        return Err(Broken::Code);
                    }
                    scan.intervals.push(begin..scan.bytes.len());
                    begin = scan.bytes.len();
                    self.at += 2;
                }
                marker => {
                    if marker.is_none() {
                        // A partial copy, or a file on a block device, ends in zeros, which are valid codes.
                        // Real data do not: the last byte is padded with ones.
                        let zeros = scan.bytes[begin..].iter().rev().take_while(|&&byte| byte == 0).count();
                        scan.bytes.truncate(scan.bytes.len() - zeros);
                        self.at = self.data.len();
                    }
                    scan.intervals.push(begin..scan.bytes.len());
                    // bits are read eight bytes at a time
                    scan.bytes.extend([0; 8]);
                    return Ok(scan);
                }
            }
        }
    }
}

/// Number of bytes before the first ff.
fn before_ff(bytes: &[u8]) -> usize {
    let clear = |block: &[u8; 32]| !block.iter().fold(false, |found, &byte| found | (byte == 0xff));
    let (blocks, _) = bytes.as_chunks();
    let at = blocks.iter().take_while(|block| clear(block)).count() * 32;
    at + bytes[at..].iter().position(|&byte| byte == 0xff).unwrap_or(bytes.len() - at)
}

/// The data of a scan without the stuffed zeros after each ff, followed by 8 more bytes.
pub(super) struct ScanData {
    pub(super) bytes: Vec<u8>,
    /// Byte ranges between restart markers.
    pub(super) intervals: Vec<Range<usize>>,
}
