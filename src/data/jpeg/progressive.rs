//! Progressive scans: a band of coefficients, or one more bit of each.
//! The coefficients are accumulated over all scans and become samples at the end.

use std::mem;

use super::bits::{Bits, CODE_BITS};
use super::frame::Frame;
use super::huffman::Table;
use super::scan::{Coder, Header, Steps, each_block, first_coefficient, table};
use super::segments::ScanData;
use super::tables::{NATURAL, Tables};
use super::{Broken, idct};

/// # Errors
/// A phrase, if data or tables are missing or damaged.
pub(super) fn read(
    frame: &mut Frame,
    tables: &Tables,
    header: &Header,
    data: &ScanData,
) -> Result<(), String> {
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

/// Refinement of a band's coefficients by one bit (ITU-T T.81, G.1.2.3).
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
        // the run counts coefficients that are still 0; the others on the way are refined
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

/// Converts the coefficients of all components to samples, if the file was progressive.
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
