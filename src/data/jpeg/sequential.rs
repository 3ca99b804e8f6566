//! Sequential scans: each block is complete, and becomes samples at once, at the requested size.
//! Read this for the fast path of ordinary photographs.

use std::mem;

use super::bits::{Bits, CODE_BITS};
use super::frame::Frame;
use super::huffman::{Passing, Table};
use super::scan::{Header, Steps, each_block, first_coefficient, table};
use super::segments::ScanData;
use super::tables::{NATURAL, Quantizer, Tables};
use super::{Broken, idct};

/// A component of a sequential scan.
struct Part<'a> {
    dc: &'a Table,
    ac: &'a Table,
    quantizer: &'a Quantizer,
    /// Last coefficient needed for the requested size, and the lookup that skips the others.
    last: usize,
    passing: Option<Passing>,
    side: usize,
    stride: usize,
}

/// # Errors
/// A phrase, if data or tables are missing or damaged.
pub(super) fn read(
    frame: &mut Frame,
    tables: &Tables,
    header: &Header,
    data: &ScanData,
) -> Result<(), String> {
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
            // zigzag index of the last of the 2x2 and of the 4x4 lowest frequencies
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

/// Reads the coefficients of a block; returns the zigzag index of the last one that is not 0.
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
