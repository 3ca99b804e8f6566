//! The frame header: picture size and sampling of the components.
//! Read this for sampling factors and for the sizes of reduced decoding.

use super::tables::Quantizer;

/// Value of `missing` before any bit of a coefficient was read.
const UNKNOWN: u8 = u8::MAX;

/// The frame of a picture.
pub(super) struct Frame {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) progressive: bool,
    pub(super) components: Vec<Component>,
    /// Maximum sampling factors, horizontal and vertical.
    pub(super) densest: [usize; 2],
    /// Number of MCUs of an interleaved scan; an MCU covers 8 times `densest` pixels.
    pub(super) units: [usize; 2],
    /// Decoded samples per side of an 8x8 block: 8, 4, 2 or 1.
    pub(super) side: usize,
}

/// One colour plane of the picture.
pub(super) struct Component {
    pub(super) id: u8,
    /// Sampling factors, horizontal and vertical.
    pub(super) sampling: [usize; 2],
    /// Index of the quantization table.
    pub(super) table: usize,
    /// The quantization table at the time of the component's first scan.
    pub(super) quantizer: Option<Box<Quantizer>>,
    /// Blocks that cover the picture: those of a non-interleaved scan.
    pub(super) blocks: [usize; 2],
    /// Blocks in memory: whole MCUs.
    pub(super) held: [usize; 2],
    /// Samples per side of a block; at a reduced size a subsampled component keeps more than the others.
    pub(super) side: usize,
    /// Samples that cover the picture.
    pub(super) size: [usize; 2],
    /// `held` blocks of `side` samples, row by row.
    pub(super) samples: Vec<u8>,
    /// Coefficients of the blocks in memory, if several scans contribute to them.
    pub(super) coefficients: Vec<[i16; 64]>,
    /// For each coefficient in zigzag order, the number of bits still to come.
    pub(super) missing: [u8; 64],
}

/// Whether `marker` starts a frame of any kind.
pub(super) fn is_start(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf | 0xf7) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

impl Frame {
    /// # Errors
    /// A phrase, if the kind of frame is not supported or the header is damaged.
    pub(super) fn parse(marker: u8, body: &[u8]) -> Result<Self, String> {
        let form = match marker {
            0xc0..=0xc2 => None,
            0xc9 | 0xca => Some("arithmetic-coded"),
            0xc3 | 0xcb => Some("lossless"),
            0xf7 => Some("JPEG-LS"),
            _ => Some("hierarchical"),
        };
        if let Some(form) = form {
            return Err(format!("is of a rare form ({form}) that is not read; save it as an ordinary JPEG"));
        }
        let damaged = || "is damaged: the JPEG's frame header cannot be".to_owned();
        let (&[bits, h1, h0, w1, w0, count], rest) = body.split_first_chunk().ok_or_else(damaged)?;
        let (height, width) =
            (usize::from(u16::from_be_bytes([h1, h0])), u16::from_be_bytes([w1, w0]).into());
        if bits != 8 {
            return Err(format!("is a JPEG of {bits} bits a sample; 8 are read"));
        }
        if ![1, 3, 4].contains(&count) {
            return Err(format!("is a JPEG of {count} components; 1, 3 and 4 are read"));
        }
        if width == 0 || height == 0 {
            return Err("is a JPEG that does not say how large it is".into());
        }
        let (parts, _) = rest.as_chunks::<3>();
        let parts = parts.get(..usize::from(count)).ok_or_else(damaged)?;
        let mut components = Vec::with_capacity(parts.len());
        for &[id, sampling, table] in parts {
            let sampling = [usize::from(sampling >> 4), usize::from(sampling & 15)];
            if sampling.iter().any(|factor| !(1..=4).contains(factor)) || table > 3 {
                return Err(damaged());
            }
            components.push(Component::new(id, sampling, table.into()));
        }
        let densest = [0, 1].map(|axis| components.iter().map(|c| c.sampling[axis]).max().unwrap_or(1));
        let size = [width, height];
        let units = [0, 1].map(|axis| size[axis].div_ceil(8 * densest[axis]));
        for component in &mut components {
            component.blocks =
                [0, 1].map(|axis| (size[axis] * component.sampling[axis]).div_ceil(8 * densest[axis]));
            component.held = [0, 1].map(|axis| units[axis] * component.sampling[axis]);
        }
        let mut frame =
            Self { width, height, progressive: marker == 0xc2, components, densest, units, side: 8 };
        frame.reduce(8)?;
        Ok(frame)
    }

    /// Sets the reduced block size to `side` samples.
    ///
    /// # Errors
    /// A phrase, if the sampling ratios are not integers.
    pub(super) fn reduce(&mut self, side: usize) -> Result<(), String> {
        self.side = side;
        for component in &mut self.components {
            component.side = side;
            // as in libjpeg: a subsampled component is reduced less, so that it needs no upsampling
            let whole = |axis: usize, own: usize| (self.densest[axis] * side).is_multiple_of(own);
            while component.side < 8
                && (0..2).all(|axis| whole(axis, component.sampling[axis] * component.side * 2))
            {
                component.side *= 2;
            }
            let own = |axis: usize| component.sampling[axis] * component.side;
            if !(0..2).all(|axis| whole(axis, own(axis))) {
                return Err("is a JPEG whose components' samples do not fit each other".into());
            }
            let size = [self.width, self.height];
            component.size = [0, 1].map(|axis| (size[axis] * own(axis)).div_ceil(8 * self.densest[axis]));
        }
        Ok(())
    }

    /// Memory in bytes for decoding the picture at `side` samples a block, the RGB8 result included.
    pub(super) fn bytes(&self, side: usize) -> u64 {
        let blocks: usize = self.components.iter().map(|c| c.held[0] * c.held[1]).sum();
        let coefficients = if self.progressive { 128 } else { 0 };
        let rgb = (self.width * side).div_ceil(8) * (self.height * side).div_ceil(8) * 3;
        (rgb + blocks * (side * side + coefficients)) as u64
    }

    pub(super) fn ids(&self) -> Vec<u8> {
        self.components.iter().map(|component| component.id).collect()
    }

    /// Whether all bits of all coefficients were read.
    pub(super) fn is_whole(&self) -> bool {
        self.components.iter().all(|component| component.missing == [0; 64])
    }
}

impl Component {
    fn new(id: u8, sampling: [usize; 2], table: usize) -> Self {
        Self {
            id,
            sampling,
            table,
            quantizer: None,
            blocks: [0; 2],
            held: [0; 2],
            side: 8,
            size: [0; 2],
            samples: Vec::new(),
            coefficients: Vec::new(),
            missing: [UNKNOWN; 64],
        }
    }

    /// Distance between rows, in samples.
    pub(super) fn stride(&self) -> usize {
        self.held[0] * self.side
    }

    /// The row of samples `y`, clamped to the last one.
    pub(super) fn row(&self, y: usize) -> &[u8] {
        let at = y.min(self.size[1] - 1) * self.stride();
        &self.samples[at..at + self.size[0]]
    }
}
