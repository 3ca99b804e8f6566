//! The colour profile of a JPEG, which is in parts of up to 64 KiB.

use crate::data::colour::MAX_PROFILE;

/// Parts of a profile, with their numbers from 1 on (ICC.1:2022, annex B.4).
#[derive(Default)]
pub(super) struct Parts<'a>(Vec<(u8, &'a [u8])>);

impl<'a> Parts<'a> {
    /// Takes the body of an APP2 segment, if it is a part of a profile. A repeated number is ignored, so the parts are
    /// bounded.
    pub(super) fn take(&mut self, body: &'a [u8]) {
        if let Some([number, _, part @ ..]) = body.strip_prefix(b"ICC_PROFILE\0")
            && self.0.iter().all(|(known, _)| known != number)
        {
            self.0.push((*number, part));
        }
    }

    /// The profile, cut off at [`MAX_PROFILE`]; `None` if there is none.
    pub(super) fn whole(&self) -> Option<Vec<u8>> {
        let mut parts = self.0.clone();
        parts.sort_by_key(|(number, _)| *number);
        let mut whole: Vec<u8> = parts.iter().flat_map(|(_, part)| part.iter().copied()).collect();
        whole.truncate(MAX_PROFILE);
        (!parts.is_empty()).then_some(whole)
    }
}
