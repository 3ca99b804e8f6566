//! The HTML report of an evaluation: one self-contained file without scripts.
//! Read this to change the layout of the page.

use std::fmt::Write as _;

use super::gallery::{Gallery, Pair, SampleSet};
use super::judge::Near;
use super::likeness::Likeness;
use super::report::{Evaluation, Row};
use crate::data;
use crate::error::Result;
use crate::generate::by_kl;
use crate::metrics::ACTIVE;
use crate::report::html::{bars, escape, image};

/// Description of an evaluation; texts are shown unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// title of the page
    pub title: String,
    /// edge of the pictures in pixels
    pub size: u32,
    /// facts about model, data and machine, as name and value
    pub facts: Vec<(String, String)>,
}

/// Style sheet with a light and a dark colour scheme; everything else is left to browser defaults.
const STYLE: &str = "\
:root { color-scheme: light dark; --ink: #1d2733; --soft: #5d6b7a; --line: #d8dee5; --ground: #ffffff; --card: #f5f7f9; \
--bar: #2f7d6b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ee; --soft: #97a4b1; --line: #323c47; --ground: #14191f; \
--card: #1c232b; --bar: #5cc0a6; } }
body { margin: 2rem auto; max-width: 1000px; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif; color: var(--ink); \
background: var(--ground); }
h1 { font-size: 1.5rem; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .22rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; } thead th { color: var(--soft); }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.what, p, figcaption { color: var(--soft); }
td.fact { overflow-wrap: anywhere; }
.row { display: grid; grid-template-columns: repeat(auto-fill, minmax(110px, 1fr)); gap: .7rem; }
figure { margin: 0; background: var(--card); padding: .4rem; border-radius: 6px; }
figure img { display: block; width: 100%; height: auto; margin-bottom: .25rem; }
figcaption { font-size: 12px; overflow-wrap: anywhere; line-height: 1.3; }
.samples { display: grid; grid-template-columns: repeat(8, 1fr); gap: 4px; }
.samples img { display: block; width: 100%; height: auto; }
svg { width: 100%; height: auto; } svg text { font-size: 12px; fill: var(--soft); }
.bar { fill: var(--bar); } .axis { stroke: var(--line); }
";

/// Builds the page.
///
/// # Errors
/// If a picture cannot be encoded as a PNG.
pub fn page(about: &About, found: &Evaluation, gallery: &Gallery) -> Result<String> {
    let title = escape(&about.title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    page += &facts(about);
    page += &measures(found);
    page += &distances(found);
    page += &likeness(found);
    page += &agreement(found);
    page += &scores(found);
    page += &dimensions(found);
    page += &pairs("Best reconstructions", "lowest", &gallery.best, about.size)?;
    page += &pairs("Worst reconstructions", "highest", &gallery.worst, about.size)?;
    for set in &gallery.samples {
        page += &samples(set, about.size)?;
    }
    page += "</body>\n</html>\n";
    Ok(page)
}

/// A table with a heading; cells are HTML.
fn table(heading: &str, head: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = format!("<h2>{}</h2>\n<table>\n", escape(heading));
    if !head.is_empty() {
        let cell = |(at, name): (usize, &&str)| {
            format!("<th{}>{}</th>", if at > 0 { " class=\"number\"" } else { "" }, escape(name))
        };
        let head: String = head.iter().enumerate().map(cell).collect();
        let _ = writeln!(text, "<thead><tr>{head}</tr></thead>"); // writing to a String cannot fail
    }
    for row in rows {
        let _ = writeln!(text, "<tr>{}</tr>", row.concat());
    }
    text + "</table>\n"
}

fn name(text: &str) -> String {
    format!("<th>{}</th>", escape(text))
}

fn cell(class: &str, text: &str) -> String {
    format!("<td class=\"{class}\">{}</td>", escape(text))
}

fn facts(about: &About) -> String {
    let rows: Vec<_> = about.facts.iter().map(|(what, said)| vec![name(what), cell("fact", said)]).collect();
    table("What was measured", &[], &rows)
}

fn measures(found: &Evaluation) -> String {
    let row =
        |Row { name: of, value, what }: Row| vec![name(of), cell("number", &value), cell("what", &what)];
    table("Measures", &[], &found.rows().into_iter().map(row).collect::<Vec<_>>())
}

fn distances(found: &Evaluation) -> String {
    let figure = |value: f64| cell("number", &format!("{value:.4}"));
    let row = |(of, d): (&str, super::Distances)| vec![name(of), figure(d.pixels), figure(d.pyramid)];
    let rows: Vec<_> = found.distances().into_iter().map(row).collect();
    table("Sliced Wasserstein distance to the pictures; lower is better", &["", "pixels", "pyramid"], &rows)
}

fn likeness(found: &Evaluation) -> String {
    let Some(features) = &found.features else { return String::new() };
    let figure = |value: f64| cell("number", &format!("{value:.3}"));
    let row = |(of, found): (&str, Likeness)| {
        let nearest = found.nearest_ratio.map_or_else(|| cell("number", ""), figure);
        vec![name(of), figure(found.frechet), figure(found.precision), figure(found.recall), nearest]
    };
    let rows: Vec<_> = features.rows().into_iter().map(row).collect();
    let head = ["", "Frechet distance", "precision", "recall", "nearest training / nearest held out"];
    let mut text = table("Likeness to the pictures, on features", &head, &rows);
    let said = features.warnings().into_iter().chain([format!("Feature network: {}.", features.about())]);
    for sentence in said {
        let _ = writeln!(text, "<p>{}</p>", escape(&sentence));
    }
    text
}

fn agreement(found: &Evaluation) -> String {
    let Some(agreement) = &found.agreement else { return String::new() };
    let row = |(of, share): (&str, f64)| vec![name(of), cell("number", &format!("{share:.3}"))];
    let rows: Vec<_> = agreement.rows().into_iter().map(row).collect();
    let heading = format!("Samples in which a probe sees the class asked for, of {}", agreement.classes);
    table(&heading, &["", "share"], &rows)
}

fn scores(found: &Evaluation) -> String {
    let Some(scores) = &found.scores else { return String::new() };
    let row = |(of, figures): (&str, [f64; 4])| {
        let numbers = figures.map(|value| cell("number", &format!("{value:.3}")));
        [vec![name(of)], numbers.to_vec()].concat()
    };
    let rows: Vec<_> = scores.rows().into_iter().map(row).collect();
    let heading = format!("Disentanglement: {} pictures with known factors", scores.pictures);
    table(&heading, &["factor", "MIG", "SAP", "DCI completeness", "DCI error"], &rows)
        + &format!("<p>DCI disentanglement: {:.3}.</p>\n", scores.disentanglement)
}

fn dimensions(found: &Evaluation) -> String {
    let kl = &found.kl_per_dimension;
    let order = by_kl(kl);
    let values: Vec<f64> = order.iter().map(|&dim| kl[dim]).collect();
    let labels: Vec<[String; 2]> =
        order.iter().map(|&dim| [dim.to_string(), format!("dimension {dim}: {:.3} nats", kl[dim])]).collect();
    format!(
        "<h2>Divergence of each latent dimension</h2>\n{}<p>Sorted; of {} dimensions the means of {} vary by more than \
         {ACTIVE}.</p>\n",
        bars(
            &values,
            &labels,
            "KL from N(0, 1) in nats per picture, by the number of the dimension, the most used one first"
        ),
        found.dims,
        found.active_units
    )
}

fn pairs(heading: &str, which: &str, pairs: &[Pair], size: u32) -> Result<String> {
    if pairs.is_empty() {
        return Ok(String::new());
    }
    let mut text = format!(
        "<h2>{heading}</h2>\n<p>Originals over reconstructions from the means of their latents: the {which} mean square \
         errors.</p>\n<div class=\"row\">\n"
    );
    for pair in pairs {
        let original = image_tag(&pair.original, size, &format!("original of {}", pair.name))?;
        let recon = image_tag(&pair.recon, size, &format!("reconstruction of {}", pair.name))?;
        let (name, mse) = (escape(&pair.name), pair.mse);
        let _ = writeln!(
            text,
            "<figure>{original}{recon}<figcaption>{name}<br>MSE {mse:.5}</figcaption></figure>"
        );
    }
    Ok(text + "</div>\n")
}

/// An image tag for one picture.
fn image_tag(picture: &Vec<u8>, size: u32, alt: &str) -> Result<String> {
    let png = data::png(&data::grid(std::slice::from_ref(picture), size, 1, 0))?;
    Ok(image(&png, (size, size), alt))
}

fn samples(set: &SampleSet, size: u32) -> Result<String> {
    let shown =
        set.pictures.iter().map(|picture| image_tag(picture, size, "sample")).collect::<Result<String>>()?;
    let heading = escape(set.heading);
    let mut text = format!("<h2>{heading}</h2>\n<div class=\"samples\">{shown}</div>\n");
    if set.neighbours.is_empty() {
        return Ok(text);
    }
    let (over, held_out) = if set.neighbours.iter().any(|one| one.training.is_some()) {
        ("the nearest training pictures and the nearest held-out pictures", "held out")
    } else {
        ("the nearest pictures", "picture")
    };
    let _ = writeln!(
        text,
        "<p>Samples over {over}, with the distances of their features.</p>\n<div class=\"row\">"
    );
    for one in &set.neighbours {
        let mut figure = image_tag(&one.sample, size, "sample")?;
        let mut caption = Vec::new();
        let near = [("training", one.training.as_ref()), (held_out, Some(&one.held_out))];
        for (name, near) in near {
            let Some(Near { picture, distance }) = near else { continue };
            figure += &image_tag(picture, size, &format!("nearest picture: {name}"))?;
            caption.push(format!("{name} {distance:.2}"));
        }
        let caption = caption.join("<br>");
        let _ = writeln!(text, "<figure>{figure}<figcaption>{caption}</figcaption></figure>");
    }
    Ok(text + "</div>\n")
}
