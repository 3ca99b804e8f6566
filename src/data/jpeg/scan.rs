//! One scan: the coefficients that it brings, block by block.

use std::mem;

use super::frame::{Component, Frame};
use super::huffman::{Bits, CODE_BITS, Passing, Table};
use super::segments::{ScanData, Segments};
use super::tables::{NATURAL, Quantizer, Tables};
use super::{Broken, idct};

/// The header of a scan.
struct Header {
    /// For each component of the scan: its number in the frame, and those of its tables.
    parts: Vec<(usize, usize, usize)>,
    /// The first and the last coefficient, in the file's order.
    band: [usize; 2],
    /// Bits of the coefficients that were still missing before the scan; 0 if all were.
    high: u32,
    /// Bits that are still missing behind it.
    low: u32,
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
        progressive(frame, tables, &header, &data)
    } else {
        sequential(frame, tables, &header, &data)
    }
}

/// What the blocks of an interval hand on.
#[derive(Default)]
struct Coder {
    /// The first coefficient of the block before, of each component.
    previous: [i32; 4],
    /// Blocks to come that have nothing in the band.
    empty_blocks: u32,
}

/// How the blocks of a component lie in memory: from one to the next across, and from a row of blocks to the next.
type Steps = [usize; 2];

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
fn each_block(
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

/// A component of a sequential scan.
struct Part<'a> {
    dc: &'a Table,
    ac: &'a Table,
    quantizer: &'a Quantizer,
    /// The last coefficient that the size asks for, and what passes over the others.
    last: usize,
    passing: Option<Passing>,
    side: usize,
    stride: usize,
}

/// The scan of a file whose blocks come whole: they become samples at once.
fn sequential(frame: &mut Frame, tables: &Tables, header: &Header, data: &ScanData) -> Result<(), String> {
    let mut planes: Vec<Vec<u8>> = Vec::with_capacity(4);
    for &(number, ..) in &header.parts {
        let component = &mut frame.components[number];
        if component.samples.is_empty() {
            component.samples = vec![0; component.held[0] * component.held[1] * component.side.pow(2)];
        }
        planes.push(mem::take(&mut component.samples));
    }
    let mut parts = Vec::with_capacity(4);
    for &(number, dc, ac) in &header.parts {
        let component = &frame.components[number];
        let ac = table(&tables.ac, ac)?;
        let last = match component.side {
            1 => 0,
            // where the lowest frequencies of 2 and of 4 a side end, in the file's order
            2 => 4,
            4 => 24,
            _ => 63,
        };
        parts.push(Part {
            dc: table(&tables.dc, dc)?,
            ac,
            quantizer: component.quantizer.as_ref().ok_or(Broken::Code)?,
            last,
            passing: (last < 63).then(|| Passing::new(ac)),
            side: component.side,
            stride: component.stride(),
        });
    }
    let steps: Vec<Steps> = parts.iter().map(|part| [part.side, part.side * part.stride]).collect();
    let mut block = [0; 64];
    each_block(frame, header, tables.restart, data, &steps, |bits, coder, number, at| {
        let part = &parts[number];
        if let (1, Some(passing)) = (part.side, &part.passing) {
            let first = first_coefficient(bits, part.dc, &mut coder.previous[number])?;
            planes[number][at] = idct::level(first as i16, part.quantizer);
            return passing.pass(bits, part.ac, 1);
        }
        let highest = whole_block(bits, part, &mut coder.previous[number], &mut block)?;
        idct::put(&block, part.quantizer, highest, part.side, &mut planes[number][at..], part.stride);
        if highest > 0 {
            block = [0; 64];
        }
        Ok(())
    })?;
    for (&(number, ..), plane) in header.parts.iter().zip(planes) {
        frame.components[number].samples = plane;
    }
    Ok(())
}

fn table(tables: &[Option<Table>; 4], number: usize) -> Result<&Table, String> {
    let table = tables.get(number).and_then(Option::as_ref);
    table.ok_or_else(|| "is damaged: a table of the JPEG is missing".into())
}

/// The coefficients of a block, and which is the last one that is not 0.
#[inline(always)]
fn whole_block(
    bits: &mut Bits<'_>,
    part: &Part<'_>,
    previous: &mut i32,
    block: &mut [i16; 64],
) -> Result<usize, Broken> {
    block[0] = first_coefficient(bits, part.dc, previous)? as i16;
    let (mut k, mut highest) = (1, 0);
    while k <= part.last {
        bits.fill_up(CODE_BITS);
        let (used, symbol, value) = part.ac.decode_value(bits.word())?;
        bits.skip(used);
        let run = usize::from(symbol >> 4);
        k += run;
        if symbol & 15 != 0 {
            let place = NATURAL.get(k).ok_or(Broken::Code)?;
            block[usize::from(*place)] = value as i16;
            highest = k;
        } else if run != 15 {
            return Ok(highest);
        }
        k += 1;
    }
    match &part.passing {
        Some(passing) => passing.pass(bits, part.ac, k)?,
        None if k > 64 => return Err(Broken::Code),
        None => {}
    }
    Ok(highest)
}

#[inline(always)]
fn first_coefficient(bits: &mut Bits<'_>, dc: &Table, previous: &mut i32) -> Result<i32, Broken> {
    bits.fill();
    let (used, size, difference) = dc.decode_value(bits.word())?;
    if size > 15 {
        return Err(Broken::Code);
    }
    bits.skip(used);
    *previous = previous.wrapping_add(difference);
    Ok(*previous)
}

/// The scan of a file whose coefficients come in bands and bit by bit.
fn progressive(frame: &mut Frame, tables: &Tables, header: &Header, data: &ScanData) -> Result<(), String> {
    let (mut held, mut steps): (Vec<Vec<[i16; 64]>>, Vec<Steps>) = Default::default();
    for &(number, ..) in &header.parts {
        let component = &mut frame.components[number];
        if component.coefficients.is_empty() {
            component.coefficients = vec![[0; 64]; component.held[0] * component.held[1]];
        }
        held.push(mem::take(&mut component.coefficients));
        steps.push([1, component.held[0]]);
    }
    let (restart, low) = (tables.restart, header.low);
    match (header.band, header.high) {
        ([0, _], 0) => {
            let dc = header.parts.iter().map(|&(_, dc, _)| table(&tables.dc, dc));
            let dc = dc.collect::<Result<Vec<_>, _>>()?;
            each_block(frame, header, restart, data, &steps, |bits, coder, part, at| {
                let first = first_coefficient(bits, dc[part], &mut coder.previous[part])?;
                held[part][at][0] = (first << low) as i16;
                Ok(())
            })?;
        }
        ([0, _], _) => each_block(frame, header, restart, data, &steps, |bits, _, part, at| {
            held[part][at][0] |= (bits.take(1) << low) as i16;
            Ok(())
        })?,
        (band, high) => {
            let ac = table(&tables.ac, header.parts[0].2)?;
            each_block(frame, header, restart, data, &steps, |bits, coder, part, at| {
                let block = &mut held[part][at];
                if high == 0 {
                    first_of_band(bits, ac, coder, block, band, low)
                } else {
                    refine_band(bits, ac, coder, block, band, low)
                }
            })?;
        }
    }
    for (&(number, ..), blocks) in header.parts.iter().zip(held) {
        frame.components[number].coefficients = blocks;
    }
    Ok(())
}

/// The upper bits of a band's coefficients (ITU-T T.81, G.1.2.2).
fn first_of_band(
    bits: &mut Bits<'_>,
    ac: &Table,
    coder: &mut Coder,
    block: &mut [i16; 64],
    [first, last]: [usize; 2],
    low: u32,
) -> Result<(), Broken> {
    if coder.empty_blocks > 0 {
        coder.empty_blocks -= 1;
        return Ok(());
    }
    let mut k = first;
    while k <= last {
        bits.fill_up(CODE_BITS);
        let (used, symbol, value) = ac.decode_value(bits.word())?;
        bits.skip(used);
        let run = u32::from(symbol >> 4);
        if symbol & 15 == 0 && run != 15 {
            coder.empty_blocks = (1 << run) - 1 + bits.take(run);
            return Ok(());
        }
        k += run as usize;
        if symbol & 15 != 0 {
            let place = NATURAL.get(k).ok_or(Broken::Code)?;
            block[usize::from(*place)] = (value << low) as i16;
        }
        k += 1;
    }
    Ok(())
}

/// One bit more of a band's coefficients (ITU-T T.81, G.1.2.3).
fn refine_band(
    bits: &mut Bits<'_>,
    ac: &Table,
    coder: &mut Coder,
    block: &mut [i16; 64],
    [first, last]: [usize; 2],
    low: u32,
) -> Result<(), Broken> {
    let bit = 1i16 << low;
    let mut k = first;
    while k <= last && coder.empty_blocks == 0 {
        bits.fill_up(CODE_BITS);
        let (length, symbol) = ac.decode(bits.word())?;
        bits.skip(length);
        let (mut run, mut new) = (u32::from(symbol >> 4), 0);
        if symbol & 15 != 0 {
            new = if bits.take(1) == 1 { bit } else { -bit };
        } else if run != 15 {
            coder.empty_blocks = (1 << run) + bits.take(run);
            break;
        }
        // the run counts coefficients that were 0 so far; the others on its way are refined
        while k <= last {
            let coefficient = &mut block[usize::from(NATURAL[k])];
            if *coefficient != 0 {
                refine(bits, coefficient, bit);
            } else if run == 0 {
                break;
            } else {
                run -= 1;
            }
            k += 1;
        }
        if new != 0 {
            let place = NATURAL.get(k).ok_or(Broken::Code)?;
            block[usize::from(*place)] = new;
        }
        k += 1;
    }
    if coder.empty_blocks > 0 {
        for place in NATURAL.get(k..=last).unwrap_or_default() {
            let coefficient = &mut block[usize::from(*place)];
            if *coefficient != 0 {
                refine(bits, coefficient, bit);
            }
        }
        coder.empty_blocks -= 1;
    }
    Ok(())
}

#[inline]
fn refine(bits: &mut Bits<'_>, coefficient: &mut i16, bit: i16) {
    if bits.take(1) == 1 && *coefficient & bit == 0 {
        *coefficient = coefficient.wrapping_add(if *coefficient >= 0 { bit } else { -bit });
    }
}

/// Makes samples of the coefficients of all components, where they were collected.
pub(super) fn finish(frame: &mut Frame) {
    for component in &mut frame.components {
        let blocks = mem::take(&mut component.coefficients);
        let Some(quantizer) = component.quantizer.take() else { continue };
        if blocks.is_empty() {
            continue;
        }
        let (side, stride) = (component.side, component.stride());
        component.samples = vec![0; blocks.len() * side * side];
        for (at, block) in blocks.iter().enumerate() {
            let (x, y) = (at % component.held[0], at / component.held[0]);
            let out = &mut component.samples[(y * stride + x) * side..];
            let highest = NATURAL.iter().rposition(|&place| block[usize::from(place)] != 0).unwrap_or(0);
            idct::put(block, &quantizer, highest, side, out, stride);
        }
    }
}
