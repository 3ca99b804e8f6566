//! Whether a JPEG is all there.
//!
//! The decoder fills what is missing with grey and says nothing, and a training set would keep such a picture
//! for ever; so the end-of-image marker is looked for first, as other readers do.

/// Whether the image data of the first picture in `data` ends in an end-of-image marker.
pub(super) fn is_complete(data: &[u8]) -> bool {
    let mut at = 2;
    while let Some((marker, after)) = next_marker(data, at) {
        at = match marker {
            0xd9 => return true,
            // without a length: fill, restart markers, a second start of image
            0x00 | 0x01 | 0xd0..=0xd8 => after,
            // entropy-coded data follows the header of a scan; `next_marker` then passes over it
            _ => match data.get(after..after + 2) {
                Some(length) => after + usize::from(u16::from_be_bytes([length[0], length[1]])).max(2),
                None => return false,
            },
        };
    }
    false
}

/// The next marker at or behind `at`, and where its segment begins. Inside a scan, `ff 00` is data.
fn next_marker(data: &[u8], at: usize) -> Option<(u8, usize)> {
    let mut at = at;
    loop {
        at += data.get(at..)?.iter().position(|&byte| byte == 0xff)?;
        // any number of ff may come before the marker's second byte
        at += data[at..].iter().position(|&byte| byte != 0xff)?;
        if data[at] != 0 {
            return Some((data[at], at + 1));
        }
    }
}
