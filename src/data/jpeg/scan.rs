//! One scan: its header, and its blocks in the file's order.

use super::bits::Bits;
use super::frame::{Component, Frame};
use super::huffman::Table;
use super::segments::{ScanData, Segments};
use super::tables::Tables;
use super::{Broken, progressive, sequential};

/// The header of a scan.
pub(super) struct Header {
    /// For each component of the scan: its number in the frame, and those of its tables.
    pub(super) parts: Vec<(usize, usize, usize)>,
    /// The first and the last coefficient, in the file's order.
    pub(super) band: [usize; 2],
    /// Bits of the coefficients that were still missing before the scan; 0 if all were.
    pub(super) high: u32,
    /// Bits that are still missing behind it.
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

/// Reads a scan with its data.
///
/// # Errors
/// A phrase, where it is damaged or cut off.
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

/// What the blocks of an interval hand on.
#[derive(Default)]
pub(super) struct Coder {
    /// The first coefficient of the block before, of each component.
    pub(super) previous: [i32; 4],
    /// Blocks to come that have nothing in the band.
    pub(super) empty_blocks: u32,
}

/// How the blocks of a component lie in memory: from one to the next across, and from a row of blocks to the next.
pub(super) type Steps = [usize; 2];

/// A block of a unit: which component of the scan it is of, where it is in the first unit, and how far it is from there to
/// the next unit across and down.
struct Slot {
    part: usize,
    first: usize,
    steps: Steps,
}

/// Calls `block` for each block of a scan, in the file's order, with its component's place in the scan and where it lies,
/// by the component's `steps`.
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
    // a component alone is not laid in units: its blocks beyond the picture are not there
    let (units, shapes) = match parts[..] {
        [alone] => (alone.blocks, vec![[1, 1]]),
        _ => (frame.units, parts.iter().map(|part| part.sampling).collect()),
    };
    // in one list, so that the processor sees one loop and learns its length
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

/// The table of this number.
pub(super) fn table(tables: &[Option<Table>; 4], number: usize) -> Result<&Table, String> {
    let table = tables.get(number).and_then(Option::as_ref);
    table.ok_or_else(|| "is damaged: a table of the JPEG is missing".into())
}

/// The first coefficient of the next block: its difference from that of the block before.
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
