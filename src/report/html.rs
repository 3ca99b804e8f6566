//! Building blocks of a self-contained HTML page: it loads nothing from elsewhere and contains no scripts.
//! Used by the report of `evaluate`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Escapes `text` for use between tags and in quoted attributes: file names may contain anything.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// An `<img>` with the bytes of `png` embedded; `alt` is its alternative text.
pub fn image(png: &[u8], (width, height): (u32, u32), alt: &str) -> String {
    let (data, alt) = (STANDARD.encode(png), escape(alt));
    format!("<img src=\"data:image/png;base64,{data}\" width=\"{width}\" height=\"{height}\" alt=\"{alt}\">")
}

/// A bar chart of at least one of `values`, from zero upwards. `labels` are the name of each bar, which is below it if
/// there is room, and its tooltip. The classes `bar` and `axis` take the page's colours. `unit` labels the scale.
pub fn bars(values: &[f64], labels: &[[String; 2]], unit: &str) -> String {
    const HEIGHT: f64 = 180.0;
    const LEFT: f64 = 56.0;
    const WIDTH: f64 = 900.0;
    /// least distance between two names
    const ROOM: f64 = 30.0;
    let most = values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
    let scale = if most > 0.0 { HEIGHT / most } else { 0.0 };
    let step = WIDTH / values.len().max(1) as f64;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n",
        LEFT + WIDTH + 10.0,
        HEIGHT + 56.0,
        escape(unit)
    );
    for share in [0.0, 0.5, 1.0] {
        let y = 10.0 + HEIGHT * (1.0 - share);
        svg += &format!(
            "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
            LEFT + WIDTH,
            LEFT - 6.0,
            y + 4.0,
            figure(most * share)
        );
    }
    let every = (ROOM / step).ceil().max(1.0) as usize;
    for (at, (value, [name, label])) in values.iter().zip(labels).enumerate() {
        let height = if value.is_finite() { (value * scale).max(0.0) } else { 0.0 };
        svg += &format!(
            "<rect class=\"bar\" x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{height:.2}\">\
             <title>{}</title></rect>\n",
            LEFT + step * (at as f64 + 0.1),
            10.0 + HEIGHT - height,
            step * 0.8,
            escape(label)
        );
        if at.is_multiple_of(every) {
            svg += &format!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
                LEFT + step * (at as f64 + 0.5),
                10.0 + HEIGHT + 16.0,
                escape(name)
            );
        }
    }
    svg += &format!("<text x=\"{LEFT}\" y=\"{:.1}\">{}</text>\n</svg>\n", 10.0 + HEIGHT + 38.0, escape(unit));
    svg
}

/// A number as an axis label.
fn figure(value: f64) -> String {
    match value {
        0.0 => "0".into(),
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 0.1 => format!("{v:.2}"),
        v => format!("{v:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        assert_eq!(escape("<b a='1' c=\"2\">&amp;"), "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;amp;");
        let shown = image(&[1, 2, 3], (4, 5), "\" onload=\"x");
        assert_eq!(
            shown,
            "<img src=\"data:image/png;base64,AQID\" width=\"4\" height=\"5\" alt=\"&quot; onload=&quot;x\">"
        );
        assert!(!bars(&[1.0], &[["<b>".into(), "</title><script>".into()]], "<i>").contains("<script>"));
    }

    fn labels<const N: usize>(names: [&str; N]) -> [[String; 2]; N] {
        names.map(|name| [name.to_owned(), format!("about {name}")])
    }

    #[test]
    fn names_of_bars_stand_below_them_where_there_is_room() {
        let few = bars(&[1.0; 3], &labels(["x1", "x2", "x3"]), "nats");
        assert!(few.contains(">x1</text>") && few.contains(">x3</text>"), "{few}");
        let names: Vec<[String; 2]> = (0..90).map(|at| [format!("n{at}"), String::new()]).collect();
        let many = bars(&[1.0; 90], &names, "nats");
        let shown = (0..90).filter(|at| many.contains(&format!(">n{at}</text>"))).collect::<Vec<_>>();
        assert_eq!(shown, (0..90).step_by(3).collect::<Vec<_>>());
    }

    #[test]
    fn bars_are_as_high_as_their_values() {
        let svg = bars(&[2.0, 1.0, 0.0, f64::NAN], &labels(["a", "b", "c", "d"]), "nats");
        let heights: Vec<&str> = svg
            .lines()
            .filter(|line| line.contains("<rect"))
            .map(|line| {
                line.split(" height=\"").nth(1).expect("a height").split('"').next().expect("its end")
            })
            .collect();
        assert_eq!(heights, ["180.00", "90.00", "0.00", "0.00"]);
        assert!(bars(&[0.0; 3], &labels(["", "", ""]), "nats").contains("height=\"0.00\""));
    }
}
