//! Assembly of the output: from the samples of the components to RGB.
//! The last stage of the decoder.

use super::colour::Colour;
use super::frame::Frame;
use super::progressive;
use super::upsample::{Spread, Upsample};

/// Width, height and RGB8 of a complete frame, or with `inks` the inks of a CMYK one.
pub(super) fn pixels(mut frame: Frame, colour: Colour, inks: bool) -> (u32, u32, Vec<u8>) {
    progressive::finish(&mut frame);
    let [width, height] = [frame.width, frame.height].map(|side| (side * frame.side).div_ceil(8));
    let ways: Vec<Upsample> = frame.components.iter().map(|c| Upsample::of(&frame, c)).collect();
    let mut spread = vec![Spread::default(); ways.len()];
    let channels = if inks { 4 } else { 3 };
    let mut pixels = vec![0; width * height * channels];
    for (y, out) in pixels.chunks_exact_mut(width * channels).enumerate() {
        let parts = frame.components.iter().zip(&ways).zip(&mut spread);
        let rows: Vec<&[u8]> =
            parts.map(|((component, way), spread)| way.row(component, y, spread)).collect();
        if inks { colour.inks(&rows, out) } else { colour.convert(&rows, out) }
    }
    (width as u32, height as u32, pixels)
}
