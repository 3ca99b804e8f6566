//! The page as one file: scripts, styles, curves and pictures inside, for looking at later or elsewhere.
//! Read this for what bounds its size, and for its content security policy.
//!
//! A page that is opened as a file cannot load modules, so they are laid end to end as one: their names at the top level
//! are all different. Scripts and styles are allowed by their digests, and nothing else is.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::files::{KINDS, read_picture};
use super::run::Run;
use super::{PAGE, Watch};
use crate::data::evenly;

/// Pictures in a file at most, by number and bytes.
const MAX_PICTURES: usize = 120;
const MAX_PICTURE_BYTES: usize = 24 << 20;
/// Runs whose latents are in a file at most.
const MAX_LATENTS: usize = 12;
/// The page's modules in the order in which they use each other.
const MODULES: [&str; 7] =
    ["format.js", "store.js", "charts.js", "latents.js", "pictures.js", "tables.js", "watch.js"];

/// The data inside an exported page.
#[derive(Serialize)]
struct Inside<'a> {
    data: &'a RawValue,
    latents: BTreeMap<&'a str, &'a RawValue>,
    /// data URLs by "RUN KIND EPOCH"
    pictures: BTreeMap<String, String>,
}

/// Contents of an exported page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// runs
    pub runs: usize,
    /// pictures in the page, and pictures that the runs have
    pub pictures: [usize; 2],
}

/// The page with everything that the runs of `watch` have now, and what is in it. The title is `title`.
pub fn export(watch: &mut Watch) -> (String, Exported) {
    watch.read_all();
    let raw = |json: Vec<u8>| {
        let text = String::from_utf8(json).expect("JSON is text");
        RawValue::from_string(text).expect("JSON")
    };
    let data = raw(watch.answer(0));
    let latents: Vec<(&str, Box<RawValue>)> = (watch.runs.values().take(MAX_LATENTS))
        .filter_map(|run| Some((run.id.as_str(), raw(watch.latents(&run.id)?))))
        .collect();
    let pictures = pictures(watch);
    let all = |run: &Run| KINDS.iter().map(|kind| run.files().epochs(kind).len()).sum::<usize>();
    let exported =
        Exported { runs: watch.count(), pictures: [pictures.len(), watch.runs.values().map(all).sum()] };
    let latents = latents.iter().map(|(id, json)| (*id, &**json)).collect();
    let inside = serde_json::to_string(&Inside { data: &data, latents, pictures }).expect("text keys");
    // no text of a run may end the script
    let inside = inside.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    (page(&inside), exported)
}

/// Pictures of the runs, evenly over their epochs.
fn pictures(watch: &Watch) -> BTreeMap<String, String> {
    let each = (MAX_PICTURES / KINDS.len() / watch.runs.len().max(1)).max(1);
    let (mut found, mut bytes) = (BTreeMap::new(), 0);
    for run in watch.runs.values() {
        for kind in KINDS {
            for epoch in some_of(run.files().epochs(kind), each) {
                let Ok(png) = read_picture(&run.path, kind, epoch) else { continue };
                if found.len() == MAX_PICTURES || bytes + png.len() > MAX_PICTURE_BYTES {
                    return found;
                }
                bytes += png.len();
                let url = format!("data:image/png;base64,{}", STANDARD.encode(png));
                found.insert(format!("{} {kind} {epoch}", run.id), url);
            }
        }
    }
    found
}

/// At most `most` of `all`, evenly spaced, the last one among them.
fn some_of(all: &[u32], most: usize) -> Vec<u32> {
    let mut some: Vec<u32> = evenly(all.len(), most).map(|at| all[all.len() - 1 - at]).collect();
    some.reverse();
    some
}

fn file(name: &str) -> &'static str {
    PAGE.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text)
}

/// The modules as one, without their imports and exports.
fn script() -> String {
    let mut all = String::new();
    for module in MODULES {
        let mut imports = false;
        for line in file(module).lines() {
            imports |= line.starts_with("import ");
            if !imports {
                all += line.strip_prefix("export ").unwrap_or(line);
                all.push('\n');
            }
            imports &= !line.ends_with(';');
        }
    }
    all
}

fn page(inside: &str) -> String {
    let style = ["base.css", "uplot.css", "watch.css"].map(file).join("\n");
    let (chart, script) = (file("uplot.js"), script());
    let allowed = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())));
    let policy = format!(
        "default-src 'none'; script-src {} {}; style-src {}; img-src data:; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'",
        allowed(chart),
        allowed(&script),
        allowed(&style)
    );
    let icon = STANDARD.encode(file("icon.svg"));
    let head = format!(
        "<link rel=\"icon\" href=\"data:image/svg+xml;base64,{icon}\">\n<style>{style}</style>\n\
         <script>{chart}</script>\n"
    );
    let body = format!(
        "<script type=\"application/json\" id=\"inside\">{inside}</script>\n<script type=\"module\">{script}</script>\n"
    );
    let (mut page, mut written) = (String::new(), false);
    for line in file("index.html").lines() {
        if let Some((before, after)) = line.split_once("content=\"default-src") {
            let after = after.split_once('"').map_or("", |(_, after)| after);
            page += &format!("{before}content=\"{policy}\"{after}\n");
        } else if line.starts_with("<link ") || line.starts_with("<script ") {
            if !std::mem::replace(&mut written, true) {
                page += &head;
            }
        } else {
            if line == "</body>" {
                page += &body;
            }
            page += line;
            page.push('\n');
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_epochs_stand_for_all() {
        let all: Vec<u32> = (1..=10).collect();
        assert_eq!(some_of(&all, 3), [4, 7, 10]);
        assert_eq!(some_of(&all, 1), [10]);
        assert_eq!(some_of(&all, 99), all);
        assert!(some_of(&[], 3).is_empty());
    }

    #[test]
    fn the_page_is_one_file() {
        let script = script();
        assert!(
            !script.contains("\nimport ") && !script.contains("\nexport ") && !script.contains("</script")
        );
        for (name, text) in PAGE {
            assert!(!text.contains("</script") || *name == "index.html", "{name}");
        }
        let page = page("{}");
        for part in ["href=\"base", "src=\"", "'self'", "url(", "http:"] {
            assert!(!page.contains(part) || part == "http:", "{part}");
        }
        assert_eq!(page.matches("<script").count(), 3);
        assert!(page.starts_with("<!doctype html>"));
    }
}
