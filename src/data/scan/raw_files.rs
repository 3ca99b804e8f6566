//! Camera raw files beside the JPEG, HEIC or TIFF of the same name that the camera or a raw developer made of them.

use std::collections::HashSet;

use super::walk::{Found, Picture};
use crate::data::formats::Format;

/// Skips camera raw files whose picture is there in another format: what is read of a raw file is a JPEG of the same
/// picture, so it would count twice.
pub(super) fn pass_over(found: &mut Found) {
    let name = |picture: &Picture| {
        let stem = picture.path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
        (picture.path.parent().map(std::path::Path::to_path_buf), stem)
    };
    let others: HashSet<_> =
        found.pictures.iter().filter(|picture| picture.format != Format::Raw).map(name).collect();
    found.pass_over(|picture| {
        let doubled = picture.format == Format::Raw && others.contains(&name(picture));
        doubled.then(|| "camera raw beside a picture of the same name".into())
    });
}
