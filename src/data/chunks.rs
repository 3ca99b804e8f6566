//! Chunks of PNG and WebP files, which hold what the picture decoders do not report.

/// Name and body of each chunk of a PNG. Checksums are not verified here: the decoder verifies those that matter.
pub(super) fn of_png(data: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    let mut rest = data.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, tail) = rest.split_first_chunk()?;
        let (kind, tail) = tail.split_first_chunk()?;
        let (body, tail) = tail.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        rest = tail.get(4..)?;
        Some((kind, body))
    })
}

/// Name and body of each chunk of a WebP.
pub(super) fn of_webp(data: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    let mut rest = data.get(12..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (kind, tail) = rest.split_first_chunk()?;
        let (length, tail) = tail.split_first_chunk()?;
        let length = u32::from_le_bytes(*length) as usize;
        let body = tail.get(..length)?;
        // the padding may be missing behind the last chunk
        rest = tail.get(length + length % 2..).unwrap_or_default();
        Some((kind, body))
    })
}
