//! The boxes of an AVIF (ISO/IEC 14496-12 and 23008-12): its items, their data, properties and references.
//! Read this for how hostile counts and offsets are bounded.

use std::ops::Range;

/// Most items, properties, references or extents of one kind.
const MAX_COUNT: usize = 1 << 12;

/// A reader of big-endian numbers.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A number of up to 8 bytes.
    fn number(&mut self, bytes: usize) -> Option<u64> {
        Some(self.bytes(bytes)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    /// Version and flags of a full box.
    fn version(&mut self) -> Option<(u64, u64)> {
        Some((self.number(1)?, self.number(3)?))
    }

    /// Name and body of the next box.
    fn next_box(&mut self) -> Option<(&'a [u8], Reader<'a>)> {
        let whole = self.0;
        let size = self.number(4)?;
        let name = self.bytes(4)?;
        let (header, size) = match size {
            0 => (8, whole.len() as u64),
            1 => (16, self.number(8)?),
            size => (8, size),
        };
        let body = whole.get(header..usize::try_from(size).ok()?)?;
        self.0 = &whole[header + body.len()..];
        Some((name, Reader(body)))
    }
}

/// A property of items.
type Property<'a> = (&'a [u8], &'a [u8]);

/// One item: a picture, a grid of pictures, or something else.
#[derive(Default)]
pub(super) struct Item<'a> {
    pub(super) id: u64,
    pub(super) kind: [u8; 4],
    extents: Vec<(bool, Range<u64>)>,
    pub(super) properties: Vec<Property<'a>>,
}

/// A reference from an item to others.
pub(super) struct Reference {
    pub(super) kind: [u8; 4],
    pub(super) from: u64,
    pub(super) to: Vec<u64>,
}

/// Metadata of a file.
pub(super) struct Boxes<'a> {
    data: &'a [u8],
    inner: &'a [u8],
    pub(super) primary: u64,
    items: Vec<Item<'a>>,
    pub(super) references: Vec<Reference>,
}

impl<'a> Boxes<'a> {
    /// `None` if the metadata are missing, damaged or beyond bounds.
    pub(super) fn parse(data: &'a [u8]) -> Option<Self> {
        let mut all = Reader(data);
        let mut meta = loop {
            let (name, body) = all.next_box()?;
            if name == b"meta" {
                break body;
            }
        };
        meta.version()?;
        let mut boxes = Self { data, inner: &[], primary: 0, items: Vec::new(), references: Vec::new() };
        let (mut properties, mut links) = (Vec::new(), Vec::new());
        while let Some((name, mut body)) = meta.next_box() {
            match name {
                b"pitm" => {
                    let (version, _) = body.version()?;
                    boxes.primary = body.number(if version == 0 { 2 } else { 4 })?;
                }
                b"idat" => boxes.inner = body.0,
                b"iinf" => boxes.read_kinds(body)?,
                b"iloc" => boxes.read_places(body)?,
                b"iref" => boxes.read_references(body)?,
                b"iprp" => {
                    while let Some((name, mut body)) = body.next_box() {
                        match name {
                            b"ipco" => {
                                while let Some((name, body)) = body.next_box() {
                                    properties.push((name, body.0));
                                }
                            }
                            b"ipma" => links.extend(read_links(body)?),
                            _ => {}
                        }
                        (properties.len() <= MAX_COUNT && links.len() <= MAX_COUNT).then_some(())?;
                    }
                }
                _ => {}
            }
        }
        for (id, number) in links {
            // 0 is none
            let property = number.checked_sub(1).and_then(|at| properties.get(at));
            if let (Some(property), Some(item)) =
                (property, boxes.items.iter_mut().find(|item| item.id == id))
            {
                item.properties.push(*property);
            }
        }
        Some(boxes)
    }

    pub(super) fn item(&self, id: u64) -> Option<&Item<'a>> {
        self.items.iter().find(|item| item.id == id)
    }

    fn item_mut(&mut self, id: u64) -> Option<&mut Item<'a>> {
        let at = match self.items.iter().position(|item| item.id == id) {
            Some(at) => at,
            None if self.items.len() < MAX_COUNT => {
                self.items.push(Item { id, ..Item::default() });
                self.items.len() - 1
            }
            None => return None,
        };
        Some(&mut self.items[at])
    }

    fn read_kinds(&mut self, mut body: Reader<'a>) -> Option<()> {
        let (version, _) = body.version()?;
        body.number(if version == 0 { 2 } else { 4 })?;
        while let Some((name, mut body)) = body.next_box() {
            let (version, _) = body.version()?;
            if name == b"infe" && version >= 2 {
                let id = body.number(if version == 2 { 2 } else { 4 })?;
                body.number(2)?;
                self.item_mut(id)?.kind = body.bytes(4)?.try_into().ok()?;
            }
        }
        Some(())
    }

    fn read_places(&mut self, mut body: Reader<'a>) -> Option<()> {
        let (version, _) = body.version()?;
        let sizes = body.number(2)?;
        let size = |shift: u32| (sizes >> shift & 15) as usize;
        let (offset, length, base, index) = (size(12), size(8), size(4), size(0));
        [offset, length, base, index].iter().all(|&size| size <= 8).then_some(())?;
        let wide = if version < 2 { 2 } else { 4 };
        for _ in 0..body.number(wide)? {
            let id = body.number(wide)?;
            let inner = if version > 0 { body.number(2)? & 15 } else { 0 };
            body.number(2)?;
            let begin = body.number(base)?;
            let count = body.number(2)?;
            let mut extents = Vec::new();
            for _ in 0..count {
                if version > 0 {
                    body.number(index)?;
                }
                let at = begin.checked_add(body.number(offset)?)?;
                extents.push((inner == 1, at..at.checked_add(body.number(length)?)?));
                (extents.len() <= MAX_COUNT).then_some(())?;
            }
            self.item_mut(id)?.extents = extents;
        }
        Some(())
    }

    fn read_references(&mut self, mut body: Reader<'a>) -> Option<()> {
        let (version, _) = body.version()?;
        let wide = if version == 0 { 2 } else { 4 };
        while let Some((kind, mut body)) = body.next_box() {
            let from = body.number(wide)?;
            let count = body.number(2)?;
            let to = (0..count).map(|_| body.number(wide)).collect::<Option<Vec<_>>>()?;
            self.references.push(Reference { kind: kind.try_into().ok()?, from, to });
            (self.references.len() <= MAX_COUNT).then_some(())?;
        }
        Some(())
    }

    /// The bytes of an item.
    pub(super) fn bytes(&self, item: &Item<'_>) -> Option<Vec<u8>> {
        let mut whole = Vec::new();
        for (inner, place) in &item.extents {
            let from = if *inner { self.inner } else { self.data };
            let (begin, end) = (usize::try_from(place.start).ok()?, usize::try_from(place.end).ok()?);
            // without a length it is all of the rest
            let end = if begin == end { from.len() } else { end };
            whole.extend_from_slice(from.get(begin..end)?);
            // overlapping extents must not multiply the file
            (whole.len() <= self.data.len()).then_some(())?;
        }
        Some(whole)
    }
}

/// Pairs of an item and the number of a property, from 1 on.
fn read_links(mut body: Reader<'_>) -> Option<Vec<(u64, usize)>> {
    let (version, flags) = body.version()?;
    let mut links = Vec::new();
    for _ in 0..body.number(4)? {
        let id = body.number(if version == 0 { 2 } else { 4 })?;
        for _ in 0..body.number(1)? {
            // the highest bit tells whether the property is essential
            let number = if flags & 1 == 1 { body.number(2)? & 0x7fff } else { body.number(1)? & 0x7f };
            links.push((id, number as usize));
        }
        (links.len() <= MAX_COUNT).then_some(())?;
    }
    Some(links)
}

impl<'a> Item<'a> {
    pub(super) fn property(&self, name: &[u8; 4]) -> Option<&'a [u8]> {
        self.properties.iter().find(|(kind, _)| kind == name).map(|(_, body)| *body)
    }

    /// Width and height.
    pub(super) fn size(&self) -> Option<(u32, u32)> {
        let mut body = Reader(self.property(b"ispe")?);
        body.version()?;
        Some((body.number(4)? as u32, body.number(4)? as u32))
    }
}
