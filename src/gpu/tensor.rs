//! Tensors: ranges of a plan's buffers with a shape and an element type. Runners allocate the memory.

use std::fmt;

use super::ids::BufferId;
pub use crate::element::Element;

/// Up to five dimensions, outermost first.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    dims: [u32; 5],
    rank: u8,
}

impl Shape {
    /// The shape `[dims..]`.
    ///
    /// # Panics
    /// On more than five dimensions, or more than 2^32 - 1 elements: kernels index with `u32`.
    pub fn new(dims: &[u32]) -> Self {
        assert!(dims.len() <= 5, "shape {dims:?}: more than five dimensions");
        let len: u64 = dims.iter().map(|&d| u64::from(d)).product();
        assert!(len <= u64::from(u32::MAX), "shape {dims:?}: {len} elements, kernels index with u32");
        let mut all = [1; 5];
        all[..dims.len()].copy_from_slice(dims);
        Self { dims: all, rank: dims.len() as u8 }
    }

    /// The dimensions, outermost first.
    pub fn dims(&self) -> &[u32] {
        &self.dims[..usize::from(self.rank)]
    }

    /// Elements.
    pub fn len(&self) -> u32 {
        self.dims().iter().product()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<String> = self.dims().iter().map(u32::to_string).collect();
        write!(f, "[{}]", dims.join(", "))
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A range of a buffer with a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tensor {
    /// its buffer
    pub buffer: BufferId,
    /// elements before it in the buffer
    pub offset: u64,
    /// its shape
    pub shape: Shape,
    /// its element type
    pub element: Element,
}

impl Tensor {
    /// Elements.
    pub fn len(&self) -> u32 {
        self.shape.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.shape.is_empty()
    }

    /// Bytes.
    pub fn bytes(&self) -> u64 {
        self.element.bytes() * u64::from(self.len())
    }

    /// Bytes before it in its buffer.
    pub fn byte_offset(&self) -> u64 {
        self.element.bytes() * self.offset
    }

    /// Whether both are equal ranges of one buffer with one element type; shapes may differ.
    pub fn is(&self, other: &Self) -> bool {
        (self.buffer, self.element) == (other.buffer, other.element) && self.range() == other.range()
    }

    /// Whether they share a byte.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (one, two) = (self.range(), other.range());
        self.buffer == other.buffer && one.start < two.end && two.start < one.end
    }

    /// Its bytes in its buffer.
    fn range(&self) -> std::ops::Range<u64> {
        self.byte_offset()..self.byte_offset() + self.bytes()
    }

    /// Its elements with another shape.
    ///
    /// # Panics
    /// If the number of elements differs.
    pub fn reshape(&self, dims: &[u32]) -> Self {
        let shape = Shape::new(dims);
        assert_eq!(shape.len(), self.len(), "reshape: {} to {shape}", self.shape);
        Self { shape, ..*self }
    }

    /// `len` elements from element `begin` on, as a vector.
    ///
    /// # Panics
    /// If it has fewer elements.
    pub fn slice(&self, begin: u32, len: u32) -> Self {
        assert!(begin + len <= self.len(), "slice: {begin} + {len} of {}", self.shape);
        Self { offset: self.offset + u64::from(begin), shape: Shape::new(&[len]), ..*self }
    }
}
