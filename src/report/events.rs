//! TensorBoard event files: a list of records, each one protobuf message.
//! Read this to add a value type, or to check the framing.
//!
//! A record is the length of its data (u64), the length's checksum, the data, and the data's checksum: all
//! little-endian, both checksums CRC-32C, rotated right by 15 bits and offset by a constant ("masked"), as in TFRecord
//! (<https://www.tensorflow.org/tutorials/load_data/tfrecord>, `lib/hash/crc32c.h` and `lib/io/record_writer.h` of
//! TensorFlow). The data is an `Event` of `event.proto`, which holds a `Summary` of `summary.proto` (both in
//! `tensorboard/compat/proto` of <https://github.com/tensorflow/tensorboard>); the field numbers below are theirs.
//!
//! A record is written with a single call, so a killed process leaves a file that is valid up to its last complete
//! record; TensorBoard reads it up to there.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crc::{CRC_32_ISCSI, Crc};

use super::Histogram;
use super::protobuf::Message;
use crate::error::{Error, Result};

/// The catalogue name of CRC-32C.
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
const MASK: u32 = 0xa282_ead8;
/// File version, the first record; with it TensorBoard handles restarts.
const VERSION: &str = "brain.Event:2";
/// Prefix of the file name, by which TensorBoard finds it.
const PREFIX: &str = "events.out.tfevents.";
/// `SessionLog.START`
const START: u64 = 1;
/// `Summary.Image.colorspace` of RGB
const RGB: u64 = 3;

/// Values of one step, collected before they are written. Their tags may contain slashes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary(Message);

impl Summary {
    /// Adds a number, stored as f32 as in TensorBoard.
    #[must_use]
    pub fn scalar(self, tag: &str, value: f64) -> Self {
        self.value(tag, |message| message.float(2, value as f32))
    }

    /// Adds a picture, given as the bytes of a PNG file.
    #[must_use]
    pub fn picture(self, tag: &str, (width, height): (u32, u32), png: &[u8]) -> Self {
        let image = Message::default().int(1, height.into()).int(2, width.into()).int(3, RGB).bytes(4, png);
        self.value(tag, |message| message.bytes(4, &image.finish()))
    }

    /// Adds a distribution.
    #[must_use]
    pub fn histogram(self, tag: &str, histogram: &Histogram) -> Self {
        let Histogram { min, max, sum, sum_squares, limits, counts } = histogram;
        let message = Message::default().double(1, *min).double(2, *max).double(3, histogram.count());
        let message = message.double(4, *sum).double(5, *sum_squares).doubles(6, limits).doubles(7, counts);
        self.value(tag, |value| value.bytes(5, &message.finish()))
    }

    fn value(self, tag: &str, fill: impl FnOnce(Message) -> Message) -> Self {
        let value = fill(Message::default().bytes(1, tag.as_bytes()));
        Self(self.0.bytes(1, &value.finish()))
    }
}

/// An event file, appended to record by record.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Begins a new file in `folder` whose name sorts after the existing ones, which is TensorBoard's reading order.
    /// TensorBoard then drops earlier values of steps from `first` on, which this file repeats.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn begin(folder: &Path, first: u64) -> Result<Self> {
        let mut number = seconds().max(newest(folder).map_or(0, |number| number + 1));
        let (path, file) = loop {
            let path = folder.join(format!("{PREFIX}{number:010}.wgvae"));
            match File::create_new(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
                made => break (path.clone(), made.map_err(Error::io("write", &path))?),
            }
        };
        let mut events = Self { path, file };
        events.record(event(0).bytes(3, VERSION.as_bytes()))?;
        let log = Message::default().int(1, START);
        events.record(event(first).bytes(7, &log.finish()))?;
        Ok(events)
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds the values of a step as one record.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn write(&mut self, step: u64, summary: Summary) -> Result<()> {
        self.record(event(step).bytes(5, &summary.0.finish()))
    }

    fn record(&mut self, message: Message) -> Result<()> {
        self.file.write_all(&framed(&message.finish())).map_err(Error::io("write", &self.path))
    }
}

/// An event of `step` with the current time.
fn event(step: u64) -> Message {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Message::default().double(1, now.as_secs_f64()).int(2, step)
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The highest number among the event files in `folder`: needed because a clock may have been set back.
fn newest(folder: &Path) -> Option<u64> {
    let names = fs::read_dir(folder).ok()?.filter_map(std::result::Result::ok).map(|entry| entry.file_name());
    let number = |name: &str| name.strip_prefix(PREFIX)?.split('.').next()?.parse().ok();
    names.filter_map(|name| number(name.to_str()?)).max()
}

fn framed(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked(&length).to_le_bytes(), data, &masked(data).to_le_bytes()].concat()
}

fn masked(bytes: &[u8]) -> u32 {
    CRC.checksum(bytes).rotate_right(15).wrapping_add(MASK)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test vectors of RFC 3720, appendix B.4.
    #[test]
    fn checksums_are_those_of_the_standard() {
        assert_eq!(CRC.checksum(&[0; 32]), 0x8a91_36aa);
        assert_eq!(CRC.checksum(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(CRC.checksum(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
        assert_eq!(CRC.checksum(b"123456789"), 0xe306_9283);
        // TensorFlow's crc32c_test.cc: masking is not the identity, and not its own inverse
        let crc = CRC.checksum(b"foo");
        let unmasked = |m: u32| m.wrapping_sub(MASK).rotate_left(15);
        assert_eq!(unmasked(masked(b"foo")), crc);
        assert_ne!(masked(b"foo"), crc);
    }

    /// Bytes of this event as framed by the Python package tensorboard (2.21).
    #[test]
    fn a_record_is_tensorboards_byte_by_byte() {
        let event = Message::default().double(1, 1.5).bytes(3, VERSION.as_bytes());
        let known = [
            24, 0, 0, 0, 0, 0, 0, 0, 163, 127, 75, 34, 9, 0, 0, 0, 0, 0, 0, 248, 63, 26, 13, b'b', b'r',
            b'a', b'i', b'n', b'.', b'E', b'v', b'e', b'n', b't', b':', b'2', 42, 40, 100, 108,
        ];
        assert_eq!(framed(&event.finish()), known);
    }

    #[test]
    fn numbers_take_as_many_bytes_as_they_need() {
        let bytes = |value| Message::default().int(2, value).finish();
        assert_eq!(bytes(0), [16, 0]);
        assert_eq!(bytes(127), [16, 127]);
        assert_eq!(bytes(300), [16, 0xac, 2]); // the example of the encoding guide
        assert_eq!(bytes(u64::MAX).len(), 11);
    }

    #[test]
    fn a_histogram_counts_every_value_once() {
        let histogram = Histogram::of((0..=100).map(f64::from)).expect("values");
        assert_eq!((histogram.min, histogram.max, histogram.count()), (0.0, 100.0, 101.0));
        assert_eq!((histogram.sum, histogram.sum_squares), (5050.0, 338_350.0));
        assert_eq!((histogram.limits.len(), histogram.limits[29]), (30, 100.0));
        // a bin includes its upper edge: 0 to 3 are up to 3.33, and the last bin holds the four values 97 to 100
        assert_eq!((histogram.counts[0], histogram.counts[29]), (4.0, 4.0));
        let same = Histogram::of([2.5; 7]).expect("values");
        assert_eq!((same.limits, same.counts), (vec![2.5], vec![7.0]));
        assert_eq!(Histogram::of([f64::NAN, f64::INFINITY]), None);
        assert_eq!(Histogram::of([1.0, f64::NAN]).map(|histogram| histogram.count()), Some(1.0));
    }

    #[test]
    fn files_sort_in_the_order_in_which_they_were_begun() {
        let folder = tempfile::tempdir().expect("folder");
        // a clock that was ahead
        let ahead = format!("{PREFIX}{:010}.other", seconds() + 1000);
        fs::write(folder.path().join(&ahead), b"").expect("written");
        let files: Vec<PathBuf> =
            (0..3).map(|i| EventFile::begin(folder.path(), i).expect("begun").path().to_owned()).collect();
        assert!(files.is_sorted() && files[0] > folder.path().join(ahead), "{files:?}");
        assert!(EventFile::begin(&folder.path().join("missing"), 0).is_err());
    }
}
