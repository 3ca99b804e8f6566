//! Storages, and tensors as strided views of them.
//! Read this for the supported element types and for non-contiguous tensors.
//!
//! A tensor is a view with a start, a shape and a stride per dimension, so several may share one storage, and they may
//! be non-contiguous. This module knows nothing of pickles.

use super::Result;

/// The element type of a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
}

impl Kind {
    /// The element type of `torch.FloatStorage` and so on.
    pub(super) fn of_storage(name: &str) -> Option<Self> {
        Some(match name {
            "DoubleStorage" => Self::F64,
            "FloatStorage" => Self::F32,
            "HalfStorage" => Self::F16,
            "BFloat16Storage" => Self::Bf16,
            "LongStorage" => Self::I64,
            "IntStorage" => Self::I32,
            "ShortStorage" => Self::I16,
            "CharStorage" => Self::I8,
            "ByteStorage" => Self::U8,
            "BoolStorage" => Self::Bool,
            _ => return None,
        })
    }

    /// The element type of `torch.float32` and so on.
    pub(super) fn of_dtype(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The element type with numpy's code, without a byte order.
    pub(super) fn of_numpy(code: &str) -> Option<Self> {
        Some(match code {
            "f8" => Self::F64,
            "f4" => Self::F32,
            "f2" => Self::F16,
            "i8" => Self::I64,
            "i4" => Self::I32,
            "i2" => Self::I16,
            "i1" => Self::I8,
            "u8" => Self::U64,
            "u4" => Self::U32,
            "u2" => Self::U16,
            "u1" => Self::U8,
            "b1" => Self::Bool,
            _ => return None,
        })
    }

    const ALL: [Self; 13] = [
        Self::F64,
        Self::F32,
        Self::F16,
        Self::Bf16,
        Self::I64,
        Self::I32,
        Self::I16,
        Self::I8,
        Self::U64,
        Self::U32,
        Self::U16,
        Self::U8,
        Self::Bool,
    ];

    /// The name in torch.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::F64 => "float64",
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
            Self::I64 => "int64",
            Self::I32 => "int32",
            Self::I16 => "int16",
            Self::I8 => "int8",
            Self::U64 => "uint64",
            Self::U32 => "uint32",
            Self::U16 => "uint16",
            Self::U8 => "uint8",
            Self::Bool => "bool",
        }
    }

    /// Size of an element in bytes.
    pub(super) fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 | Self::U16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// One element as f32, rounded to the nearest; `bytes` are [`Kind::size`] long.
    pub(super) fn element(self, bytes: &[u8]) -> f32 {
        let raw = bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
        match self {
            Self::F64 => f64::from_bits(raw) as f32,
            Self::F32 => f32::from_bits(raw as u32),
            Self::F16 => half(raw as u16),
            Self::Bf16 => f32::from_bits((raw as u32) << 16),
            Self::I64 => raw as i64 as f32,
            Self::I32 => raw as i32 as f32,
            Self::I16 => f32::from(raw as i16),
            Self::I8 => f32::from(raw as i8),
            Self::U64 | Self::U32 | Self::U16 | Self::U8 => raw as f32,
            Self::Bool => f32::from(u8::from(raw != 0)),
        }
    }
}

/// Converts an IEEE half to f32, which is exact.
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let (exponent, fraction) = (u32::from(bits >> 10) & 0x1f, u32::from(bits) & 0x3ff);
    match exponent {
        // subnormal: multiples of 2^-24; the product is exact
        0 => f32::from_bits((fraction as f32 * 2f32.powi(-24)).to_bits() | sign),
        31 => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13),
    }
}

/// A strided view of a storage.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// bytes of the whole storage
    pub(super) bytes: &'a [u8],
    pub(super) kind: Kind,
    /// index of the first element
    pub(super) start: usize,
    pub(super) shape: Vec<usize>,
    /// strides in elements, one per dimension
    pub(super) strides: Vec<usize>,
}

impl View<'_> {
    /// The number of elements, if all of them are within the storage.
    pub(super) fn count(&self) -> Result<usize> {
        let huge = || format!("its shape {:?} is impossible", self.shape);
        let count = self.shape.iter().try_fold(1usize, |all, &n| all.checked_mul(n)).ok_or_else(huge)?;
        if count == 0 {
            return Ok(0);
        }
        let steps = self
            .shape
            .iter()
            .zip(&self.strides)
            .try_fold(self.start, |at, (&n, &stride)| at.checked_add((n - 1).checked_mul(stride)?));
        let held = self.bytes.len() / self.kind.size();
        match steps {
            Some(last) if last < held => Ok(count),
            _ => Err(format!("its shape {:?} reaches beyond the {held} numbers of its storage", self.shape)),
        }
    }

    /// The elements in row-major order; empty if [`View::count`] fails. The caller bounds the count, which strides of 0
    /// may make larger than the storage.
    pub(super) fn values(&self) -> Vec<f32> {
        let (count, size) = (self.count().unwrap_or(0), self.kind.size());
        if count == 0 {
            return Vec::new();
        }
        let mut values = Vec::with_capacity(count);
        let mut index = vec![0usize; self.shape.len()];
        let mut at = self.start;
        // a contiguous run is read at once: the innermost dimension, or all of them
        let row = self.contiguous();
        while values.len() < count {
            let from = at * size;
            let bytes = self.bytes.get(from..from + row * size).unwrap_or_default();
            if bytes.is_empty() {
                break;
            }
            values.extend(bytes.chunks_exact(size).map(|element| self.kind.element(element)));
            at = self.next(&mut index, row, at);
        }
        values
    }

    /// The number of contiguous elements from the first on.
    fn contiguous(&self) -> usize {
        let mut run = 1;
        for (&n, &stride) in self.shape.iter().zip(&self.strides).rev() {
            if n != 1 && stride != run {
                break;
            }
            run *= n;
        }
        run
    }

    /// Advances by a run of `row` elements: the dimensions within the run stay at 0.
    fn next(&self, index: &mut [usize], row: usize, mut at: usize) -> usize {
        let mut run = 1;
        for ((digit, &n), &stride) in index.iter_mut().zip(&self.shape).zip(&self.strides).rev() {
            if run < row {
                run *= n;
                continue;
            }
            *digit += 1;
            if *digit < n {
                return at + stride;
            }
            at -= (n - 1) * stride;
            *digit = 0;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half() {
        for bits in 0..=u16::MAX {
            let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
            let size = match exponent {
                0 => fraction * 2f64.powi(-24),
                31 if fraction == 0.0 => f64::INFINITY,
                31 => f64::NAN,
                _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
            };
            let (value, signed) = (half(bits), if bits >> 15 == 1 { -size } else { size });
            assert!(
                value.to_bits() == (signed as f32).to_bits() || value.is_nan() && size.is_nan(),
                "{bits:#x}"
            );
            assert_eq!(value.is_sign_negative(), bits >> 15 == 1);
        }
    }

    #[test]
    fn every_small_view_as_by_its_definition() {
        let bytes: Vec<u8> = (0..60).collect();
        let mut seen = 0;
        for code in 0..3 * 4 * 3 * 6 * 6 * 6 {
            let mut rest = code;
            let mut digit = |base: usize| {
                let value = rest % base;
                rest /= base;
                value
            };
            let shape = vec![digit(3), digit(4), digit(3)];
            let strides = vec![digit(6), digit(6), digit(6)];
            let view = View { bytes: &bytes, kind: Kind::U8, start: 3, shape, strides };
            let mut expected = Vec::new();
            for i in 0..view.shape[0] {
                for j in 0..view.shape[1] {
                    for k in 0..view.shape[2] {
                        let at = 3 + i * view.strides[0] + j * view.strides[1] + k * view.strides[2];
                        expected.push(f32::from(bytes[at]));
                    }
                }
            }
            assert_eq!(view.values(), expected, "{view:?}");
            seen += 1;
        }
        println!("{seen} views");
    }

    #[test]
    fn nothing_beyond_the_storage() {
        let of = |start, shape: &[usize], strides: &[usize]| {
            let view = View {
                bytes: &[0; 16],
                kind: Kind::F32,
                start,
                shape: shape.to_vec(),
                strides: strides.to_vec(),
            };
            view.count()
        };
        assert_eq!(of(0, &[4], &[1]), Ok(4));
        assert_eq!(of(9, &[0, usize::MAX], &[1, usize::MAX]), Ok(0));
        assert!(of(1, &[4], &[1]).is_err());
        assert!(of(usize::MAX, &[2], &[1]).is_err());
        assert!(of(0, &[2], &[usize::MAX]).is_err());
        assert!(of(0, &[usize::MAX, 2], &[0, 0]).is_err());
    }
}
