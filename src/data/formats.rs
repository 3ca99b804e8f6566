//! The picture formats that are read: the one list for detection, messages and the help.
//! Read this to add a format.

use image::ImageFormat;

/// A format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Format {
    Jpeg,
    Png,
    WebP,
    Bmp,
    Gif,
}

/// A format with its short name and its extensions.
struct Entry(Format, &'static str, &'static [&'static str]);

/// All formats, the most frequent first.
const ALL: [Entry; 5] = [
    Entry(Format::Jpeg, "jpg", &["jpg", "jpeg", "jpe", "jfif"]),
    Entry(Format::Png, "png", &["png"]),
    Entry(Format::WebP, "webp", &["webp"]),
    Entry(Format::Bmp, "bmp", &["bmp", "dib"]),
    Entry(Format::Gif, "gif", &["gif"]),
];

impl Format {
    /// The short name.
    pub(super) fn name(self) -> &'static str {
        ALL.iter().find(|entry| entry.0 == self).map_or("other", |entry| entry.1)
    }

    /// The format of files with this extension, in lower case.
    pub(super) fn of_extension(extension: &str) -> Option<Self> {
        ALL.iter().find(|entry| entry.2.contains(&extension)).map(|entry| entry.0)
    }

    /// The name of the format in the `image` crate, if that decodes it.
    pub(super) fn in_image(self) -> Option<ImageFormat> {
        match self {
            Self::Jpeg => None,
            Self::Png => Some(ImageFormat::Png),
            Self::WebP => Some(ImageFormat::WebP),
            Self::Bmp => Some(ImageFormat::Bmp),
            Self::Gif => Some(ImageFormat::Gif),
        }
    }

    /// The format of a file that begins with `head`.
    pub(super) fn of_content(head: &[u8]) -> Option<Self> {
        match image::guess_format(head).ok()? {
            ImageFormat::Jpeg => Some(Self::Jpeg),
            ImageFormat::Png => Some(Self::Png),
            ImageFormat::WebP => Some(Self::WebP),
            ImageFormat::Gif => Some(Self::Gif),
            // two letters are a weak signature: a text may begin with them, so the header size must be a valid one
            ImageFormat::Bmp => {
                let size = u32::from_le_bytes(head.get(14..18)?.try_into().ok()?);
                [12, 16, 40, 52, 56, 64, 108, 124].contains(&size).then_some(Self::Bmp)
            }
            _ => None,
        }
    }
}

/// "jpg, png and webp": the formats that are read, for messages and help.
pub fn readable_formats() -> String {
    let names: Vec<&str> = ALL.iter().map(|entry| entry.1).collect();
    let (last, others) = names.split_last().expect("there are formats");
    format!("{} and {last}", others.join(", "))
}
