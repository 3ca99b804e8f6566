//! A scan: its header, and the iteration over its blocks in file order.
//! Read this for the order of blocks in interleaved scans.

use super::bits::Bits;
use super::frame::{Component, Frame};
use super::huffman::Table;
use super::segments::{ScanData, Segments};
use super::tables::Tables;
use super::{Broken, progressive, sequential};

/// The header of a scan.
pub(super) struct Header {
    /// For each component of the scan: its index in the frame, and the indices of its DC and AC tables.
    pub(super) parts: Vec<(usize, usize, usize)>,
    /// The first and the last coefficient, in zigzag order.
    pub(super) band: [usize; 2],
    /// Number of missing low bits before the scan; 0 if no bits were read yet.
    pub(super) high: u32,
    /// Number of missing low bits after the scan.
    pub(super) low: u32,
}

impl Header {
    fn parse(frame: &Frame, body: &[u8]) -> Option<Self> {
        let (&count, rest) = body.split_first()?;
        let (named, rest) = rest.split_at_checked(usize::from(count) * 2)?;
        let &[first, last, bits] = rest.first_chunk()?;
        let mut parts: Vec<(usize, usize, usize)> = Vec::with_capacity(4);
        for &[id, tables] in named.as_chunks().0 {
            let new = |number: &usize| parts.iter().all(|(taken, ..)| taken != number);
            let number = (0..frame.components.len()).filter(new).find(|&n| frame.components[n].id == id)?;
            parts.push((number, usize::from(tables >> 4), usize::from(tables & 15)));
        }
        let (high, low) = (u32::from(bits >> 4), u32::from(bits & 15));
        let band = if frame.progressive { [first.into(), last.into()] } else { [0, 63] };
        let sound = match band {
            _ if !frame.progressive => true,
            [0, last] => last == 0,
            [first, last] => first <= last && last < 64 && parts.len() == 1,
        };
        let sound =
            sound && !parts.is_empty() && low <= 13 && (high == 0 || high == low + 1 || !frame.progressive);
        let (high, low) = if frame.progressive { (high, low) } else { (0, 0) };
        sound.then_some(Self { parts, band, high, low })
    }
}

/// Reads a scan and its data.
///
/// # Errors
/// A phrase, if it is damaged or truncated.
pub(super) fn read(
    frame: &mut Frame,
    tables: &Tables,
    header: &[u8],
    segments: &mut Segments<'_>,
) -> Result<(), String> {
    let damaged = "is damaged: a scan header of the JPEG cannot be";
    let header = Header::parse(frame, header).ok_or(damaged)?;
    let data = segments.scan_data()?;
    for &(number, ..) in &header.parts {
        let component = &mut frame.components[number];
        if component.quantizer.is_none() {
            let quantizer =
                tables.quantizers[component.table].ok_or("is damaged: a table of the JPEG is missing")?;
            component.quantizer = Some(Box::new(quantizer));
        }
        component.missing[header.band[0]..=header.band[1]].fill(header.low as u8);
    }
    if frame.progressive {
        progressive::read(frame, tables, &header, &data)
    } else {
        sequential::read(frame, tables, &header, &data)
    }
}

/// State carried from block to block within a restart interval.
#[derive(Default)]
pub(super) struct Coder {
    /// DC coefficient of the previous block, per component.
    pub(super) previous: [i32; 4],
    /// Number of following blocks that are empty in this band.
    pub(super) empty_blocks: u32,
}

/// Memory strides of a component's blocks, horizontal and vertical.
pub(super) type Steps = [usize; 2];

/// A block of an MCU: its component in the scan, its offset in the first MCU, and the strides to the next MCU,
/// horizontal and vertical.
struct Slot {
    part: usize,
    first: usize,
    steps: Steps,
}

/// Calls `block` for each block of a scan, in file order, with its component's index in the scan and its memory offset,
/// given the component's `steps`.
#[inline(always)]
pub(super) fn each_block(
    frame: &Frame,
    header: &Header,
    restart: usize,
    data: &ScanData,
    steps: &[Steps],
    mut block: impl FnMut(&mut Bits<'_>, &mut Coder, usize, usize) -> Result<(), Broken>,
) -> Result<(), Broken> {
    let parts: Vec<&Component> = header.parts.iter().map(|&(number, ..)| &frame.components[number]).collect();
    // a non-interleaved scan has no MCUs: blocks beyond the picture are not stored
    let (units, shapes) = match parts[..] {
        [alone] => (alone.blocks, vec![[1, 1]]),
        _ => (frame.units, parts.iter().map(|part| part.sampling).collect()),
    };
    // one flat list of the blocks of an MCU: a single predictable loop
    let mut slots = Vec::new();
    for (part, (&[x, y], [across, down])) in steps.iter().zip(shapes).enumerate() {
        slots.extend((0..across * down).map(|at| Slot {
            part,
            first: at % across * x + at / across * y,
            steps: [across * x, down * y],
        }));
    }
    let mut intervals = data.intervals.iter();
    let (mut bits, mut coder, mut left) = (Bits::new(&data.bytes, 0, 0), Coder::default(), 0);
    for unit_y in 0..units[1] {
        for unit_x in 0..units[0] {
            if left == 0 {
                let interval = intervals.next().ok_or(Broken::CutOff)?;
                bits = Bits::new(&data.bytes, interval.start, interval.end);
                coder = Coder::default();
                left = if restart == 0 { usize::MAX } else { restart };
            }
            left -= 1;
            for &Slot { part, first, steps: [x, y] } in &slots {
                if let Err(broken) = block(&mut bits, &mut coder, part, first + unit_x * x + unit_y * y) {
                    return Err(if bits.is_over() { Broken::CutOff } else { broken });
                }
            }
            if bits.is_over() {
                return Err(Broken::CutOff);
            }
        }
    }
    Ok(())
}

/// The table with this index.
pub(super) fn table(tables: &[Option<Table>; 4], number: usize) -> Result<&Table, String> {
    let table = tables.get(number).and_then(Option::as_ref);
    table.ok_or_else(|| "is damaged: a table of the JPEG is missing".into())
}

/// Decodes the DC coefficient of the next block, stored as the difference from the previous block.
#[inline(always)]
pub(super) fn first_coefficient(bits: &mut Bits<'_>, dc: &Table, previous: &mut i32) -> Result<i32, Broken> {
    bits.fill();
    let (used, size, difference) = dc.decode_value(bits.word())?;
    if size > 15 {
        return Err(Broken::Code);
    }
    bits.skip(used);
    *previous = previous.wrapping_add(difference);
    Ok(*previous)
}
