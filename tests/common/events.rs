//! A reader of TensorBoard's event files, written from the format descriptions; it shares no code with the writer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Kind of a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    Scalar(f32),
    /// width, height, the PNG file
    Picture(u64, u64, Vec<u8>),
    /// min, max, number, sum, sum of squares; upper edges; counts
    Histogram([f64; 5], Vec<f64>, Vec<f64>),
}

/// One value of one step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Value {
    pub(crate) step: u64,
    pub(crate) tag: String,
    pub(crate) what: What,
}

/// A field of a message: its number, and what it holds.
enum Field<'a> {
    Int(u64),
    Double(f64),
    Float(f32),
    Bytes(&'a [u8]),
}

/// CRC-32C bit by bit, from its polynomial.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

fn masked(bytes: &[u8]) -> u32 {
    let crc = crc32c(bytes);
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The records of a file, up to the first incomplete one.
pub(crate) fn records(file: &[u8]) -> Vec<&[u8]> {
    let mut records = Vec::new();
    let mut rest = file;
    while rest.len() >= 12 {
        let length = u64::from_le_bytes(rest[..8].try_into().expect("eight bytes"));
        let sum =
            |at: usize| rest.get(at..at + 4).map(|b| u32::from_le_bytes(b.try_into().expect("four bytes")));
        assert_eq!(
            sum(8),
            Some(masked(&rest[..8])),
            "a length's checksum, {} bytes before the end",
            rest.len()
        );
        let end = 12 + length as usize;
        if rest.len() < end + 4 {
            break;
        }
        assert_eq!(sum(end), Some(masked(&rest[12..end])), "the checksum of a record");
        records.push(&rest[12..end]);
        rest = &rest[end + 4..];
    }
    records
}

fn fields(mut bytes: &[u8]) -> BTreeMap<u64, Vec<Field<'_>>> {
    let mut fields: BTreeMap<u64, Vec<Field<'_>>> = BTreeMap::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Int(varint(&mut bytes)),
            1 => Field::Double(f64::from_le_bytes(take(&mut bytes, 8).try_into().expect("eight"))),
            2 => {
                let length = varint(&mut bytes) as usize;
                Field::Bytes(take(&mut bytes, length))
            }
            5 => Field::Float(f32::from_le_bytes(take(&mut bytes, 4).try_into().expect("four"))),
            other => panic!("wire type {other}"),
        };
        fields.entry(key >> 3).or_default().push(field);
    }
    fields
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = take(bytes, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn int(message: &BTreeMap<u64, Vec<Field<'_>>>, field: u64) -> u64 {
    match message.get(&field).map(Vec::as_slice) {
        None => 0,
        Some([Field::Int(value)]) => *value,
        Some(_) => panic!("field {field} is no number"),
    }
}

fn double(message: &BTreeMap<u64, Vec<Field<'_>>>, field: u64) -> f64 {
    match message.get(&field).map(Vec::as_slice) {
        Some([Field::Double(value)]) => *value,
        _ => panic!("field {field} is no double"),
    }
}

fn bytes<'a>(message: &BTreeMap<u64, Vec<Field<'a>>>, field: u64) -> Option<&'a [u8]> {
    match message.get(&field).map(Vec::as_slice) {
        Some([Field::Bytes(bytes)]) => Some(bytes),
        _ => None,
    }
}

fn doubles(packed: &[u8]) -> Vec<f64> {
    packed.chunks(8).map(|chunk| f64::from_le_bytes(chunk.try_into().expect("eight"))).collect()
}

fn value(step: u64, value: &[u8]) -> Value {
    let value = fields(value);
    let tag = String::from_utf8(bytes(&value, 1).expect("a tag").to_vec()).expect("a text");
    let what = if let Some([Field::Float(scalar)]) = value.get(&2).map(Vec::as_slice) {
        What::Scalar(*scalar)
    } else if let Some(image) = bytes(&value, 4) {
        let image = fields(image);
        assert_eq!(int(&image, 3), 3, "RGB");
        What::Picture(int(&image, 2), int(&image, 1), bytes(&image, 4).expect("a PNG").to_vec())
    } else {
        let histogram = fields(bytes(&value, 5).expect("a scalar, a picture or a histogram"));
        let all = |field| doubles(bytes(&histogram, field).expect("packed doubles"));
        What::Histogram([1, 2, 3, 4, 5].map(|field| double(&histogram, field)), all(6), all(7))
    };
    Value { step, tag, what }
}

/// The event files of a run, in the order in which TensorBoard reads them.
pub(crate) fn files(run: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(run).expect("a run").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().contains("tfevents")))
        .collect();
    files.sort();
    files
}

/// The values that TensorBoard shows for a run: all except those revoked by a later start.
pub(crate) fn values(run: &Path) -> Vec<Value> {
    let mut values: Vec<Value> = Vec::new();
    for path in files(run) {
        let file = std::fs::read(&path).expect("an event file");
        for (at, record) in records(&file).into_iter().enumerate() {
            let event = fields(record);
            let step = int(&event, 2);
            assert!(double(&event, 1) > 1e9, "seconds since 1970");
            if at == 0 {
                assert_eq!(bytes(&event, 3), Some(&b"brain.Event:2"[..]), "{}", path.display());
            } else if let Some(log) = bytes(&event, 7) {
                assert_eq!((at, int(&fields(log), 1)), (1, 1), "a start, behind the version");
                values.retain(|value| value.step < step);
            } else {
                let summary = fields(bytes(&event, 5).expect("a summary"));
                let of_step = summary[&1].iter().map(|field| match field {
                    Field::Bytes(bytes) => value(step, bytes),
                    _ => panic!("a value is a message"),
                });
                values.extend(of_step);
            }
        }
    }
    values
}
