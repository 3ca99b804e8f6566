//! A decoder of JPEG files: Huffman-coded, 8 bits a sample, sequential or progressive, at full or reduced size.
//! Read this for the reasons to have our own decoder, and for its stages.
//!
//! At full size it gives the pixels of libjpeg-turbo to the bit. The maintained Rust decoders give other pixels for
//! some valid files (non-interleaved scans, chroma denser than luma, JFIF and Adobe markers together), silently fill
//! missing data with grey, and decode at a reduced size slowly or not at all, although that determines the loader's
//! speed (figures in docs/lab-notebook/2026-11-29.md).
//!
//! A file is complete if every coefficient of every block is there; the end marker is optional. Missing or
//! contradictory data are an error and are never filled in.
//!
//! ```text
//! segments -> frame -> scan (huffman) -> idct -> upsample -> colour
//! ```

mod bits;
mod colour;
mod frame;
mod huffman;
mod idct;
mod output;
mod profile;
mod progressive;
mod scan;
mod segments;
mod sequential;
mod tables;
mod upsample;

use image::metadata::Orientation;

use super::colour::Declared;
use super::raster::Channels;
use colour::Colour;
use frame::Frame;
use segments::Segments;
use tables::Tables;

/// Maximum number of scans in a file: a standard progressive one has 10, and each costs as much as a picture.
const MAX_SCANS: usize = 200;
const CUT_OFF: &str = "is cut off: the end of the JPEG is missing";

/// The reason why entropy-coded data cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    /// It ends before the last block.
    CutOff,
    /// It has an invalid code or run.
    Code,
}

impl From<Broken> for String {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::CutOff => CUT_OFF.into(),
            Broken::Code => "is damaged: the JPEG's data contradict themselves".into(),
        }
    }
}

/// A JPEG file whose headers have been read, up to its first scan.
pub(super) struct Jpeg<'a> {
    segments: Segments<'a>,
    frame: Frame,
    tables: Tables,
    colour: Colour,
    orientation: Orientation,
    profile: profile::Parts<'a>,
    /// The header of the first scan.
    scan: &'a [u8],
}

impl<'a> Jpeg<'a> {
    /// # Errors
    /// A phrase, if the headers are damaged or the kind of JPEG is not supported.
    pub(super) fn parse(data: &'a [u8]) -> Result<Self, String> {
        let mut segments = Segments::new(data);
        let mut tables = Tables::default();
        let (mut frame, mut jfif, mut adobe, mut orientation) = (None, false, None, None);
        let mut profile = profile::Parts::default();
        loop {
            let (marker, body) = segments.next().ok_or(CUT_OFF)?;
            match marker {
                segments::SOS => {
                    let frame: Frame = frame.ok_or("is damaged: the JPEG has a scan before its frame")?;
                    let colour = Colour::of(&frame.ids(), jfif, adobe)?;
                    let orientation = orientation.unwrap_or(Orientation::NoTransforms);
                    return Ok(Self { segments, frame, tables, colour, orientation, profile, scan: body });
                }
                segments::EOI => return Err("is damaged: the JPEG has no picture in it".into()),
                0xe0 => jfif |= body.starts_with(b"JFIF\0") && body.len() >= 14,
                0xe1 => {
                    let exif = body.strip_prefix(b"Exif\0\0");
                    orientation = orientation.or(exif.and_then(Orientation::from_exif_chunk));
                }
                0xe2 => profile.take(body),
                0xee if body.starts_with(b"Adobe") => adobe = body.get(11).copied().or(adobe),
                _ if frame::is_start(marker) && frame.is_some() => {
                    return Err("is damaged: the JPEG has two frames".into());
                }
                _ if frame::is_start(marker) => frame = Some(Frame::parse(marker, body)?),
                _ => tables.read(marker, body)?,
            }
        }
    }

    /// Width and height in pixels, before orientation.
    pub(super) fn dimensions(&self) -> (u32, u32) {
        (self.frame.width as u32, self.frame.height as u32)
    }

    /// The EXIF orientation.
    pub(super) fn orientation(&self) -> Orientation {
        self.orientation
    }

    /// The colours that the file declares.
    pub(super) fn declared(&self) -> Declared {
        self.profile.whole().map_or(Declared::Nothing, Declared::Icc)
    }

    /// Channels of the picture, before the conversion to RGB.
    pub(super) fn channels(&self) -> Channels {
        match self.colour {
            Colour::Grey => Channels::Grey,
            Colour::YCbCr | Colour::Rgb => Channels::Rgb,
            Colour::Cmyk | Colour::Ycck => Channels::Cmyk,
        }
    }

    /// Memory in bytes that [`Jpeg::decode`] takes, its result included.
    pub(super) fn bytes(&self, reduction: u32) -> u64 {
        self.frame.bytes(8 / reduction as usize)
    }

    /// Decodes the picture with its sides divided by `reduction` (1, 2, 4 or 8) and rounded up: width, height, RGB8. A
    /// CMYK picture gives its four inks instead if `inks` is set.
    ///
    /// A reduced picture uses only the lowest frequencies of each block, which is a low-pass filter. If it is then
    /// resampled to a smaller size, the result is close to resampling the whole picture, provided that it shrinks by 2
    /// or more.
    ///
    /// # Errors
    /// A phrase, if data are missing or damaged.
    pub(super) fn decode(mut self, reduction: u32, inks: bool) -> Result<(u32, u32, Vec<u8>), String> {
        self.frame.reduce(8 / reduction as usize)?;
        let mut header = self.scan;
        for _ in 0..MAX_SCANS {
            scan::read(&mut self.frame, &self.tables, header, &mut self.segments)?;
            header = loop {
                match self.segments.next() {
                    Some((segments::SOS, body)) => break body,
                    // a file without the end marker is complete if its blocks are
                    None | Some((segments::EOI, _)) => {
                        if !self.frame.is_whole() {
                            return Err("is cut off: scans of the JPEG are missing".into());
                        }
                        return Ok(output::pixels(self.frame, self.colour, inks));
                    }
                    Some((marker, _)) if frame::is_start(marker) => {
                        return Err("is damaged: the JPEG has two frames".into());
                    }
                    Some((marker, body)) => self.tables.read(marker, body)?,
                }
            };
        }
        Err(format!("has more than {MAX_SCANS} scans, which no program writes"))
    }
}
