//! Assembly of the output: from the samples of the components to RGB.
//! The last stage of the decoder.

use super::colour::Colour;
use super::frame::Frame;
use super::progressive;
use super::upsample::{Spread, Upsample};

/// Width, height and RGB8 of a complete frame.
pub(super) fn rgb(mut frame: Frame, colour: Colour) -> (u32, u32, Vec<u8>) {
    progressive::finish(&mut frame);
    let [width, height] = [frame.width, frame.height].map(|side| (side * frame.side).div_ceil(8));
    let ways: Vec<Upsample> = frame.components.iter().map(|c| Upsample::of(&frame, c)).collect();
    let mut spread = vec![Spread::default(); ways.len()];
    let mut rgb = vec![0; width * height * 3];
    for (y, out) in rgb.chunks_exact_mut(width * 3).enumerate() {
        let parts = frame.components.iter().zip(&ways).zip(&mut spread);
        let rows: Vec<&[u8]> =
            parts.map(|((component, way), spread)| way.row(component, y, spread)).collect();
        colour.convert(&rows, out);
    }
    (width as u32, height as u32, rgb)
}
