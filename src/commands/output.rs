//! Output: results, messages, notes, and what `--quiet` and `--json` leave of them.
//!
//! | function | stream | with --json | with --quiet |
//! |---|---|---|---|
//! | [`print`] | standard output | not used | stays |
//! | [`say`] | standard output | standard error | nothing |
//! | [`remark`] | standard error | standard error | nothing |
//! | [`note`] | standard error | standard error | stays |
//!
//! `println!` panics if a line cannot be written, such as to a closed pipe, a closed terminal or a full disk; `main` turns
//! that into the end of the program, which is right for a result. The others ignore it: a training must not end by a message.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use super::bar::above_bar;

static QUIET: AtomicBool = AtomicBool::new(false);
static JSON: AtomicBool = AtomicBool::new(false);

/// Takes over `--quiet`, and whether the result is printed as JSON.
pub fn begin(quiet: bool, json: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
    JSON.store(json, Ordering::Relaxed);
}

/// Whether `--quiet` was given.
pub fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Whether standard output is for one JSON document only.
pub fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// Lines of a result, on standard output.
pub fn print(text: &str) {
    above_bar(|| println!("{}", fitted(text)));
}

/// A message in addition to the result, such as the name of a written file.
pub fn say(text: &str) {
    match (is_quiet(), is_json()) {
        (true, _) => {}
        (_, true) => note(text),
        _ => line(&fitted(text)),
    }
}

/// A remark about the way to the result, such as a file that was skipped.
pub fn remark(text: &str) {
    if !is_quiet() {
        note(text);
    }
}

/// Writes a line to standard output, if possible.
pub fn line(text: &str) {
    above_bar(|| {
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    });
}

/// Writes a line to standard error, if possible: an error or a warning.
pub fn note(text: &str) {
    let size = std::io::stderr().is_terminal().then(|| console::Term::stderr().size_checked()).flatten();
    let text = size.map_or_else(|| text.to_owned(), |(_, columns)| broken(text, columns.into()));
    above_bar(|| {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    });
}

/// Columns of the terminal at standard output. `None` if it is a file or a pipe, whose readers want whole lines.
pub fn columns() -> Option<usize> {
    let terminal = std::io::stdout().is_terminal();
    let size = terminal.then(|| console::Term::stdout().size_checked()).flatten();
    size.map(|(_, columns)| columns.into())
}

/// `text` with its lines broken for the terminal at standard output.
pub fn fitted(text: &str) -> String {
    columns().map_or_else(|| text.to_owned(), |columns| broken(text, columns))
}

fn broken(text: &str, columns: usize) -> String {
    let lines: Vec<String> = text.split('\n').map(|line| wrapped(line, columns)).collect();
    lines.join("\n")
}

/// `line` with breaks between words for a terminal with this number of columns. Further lines are indented as the first
/// one, and by two more columns.
fn wrapped(line: &str, columns: usize) -> String {
    if line.chars().count() <= columns {
        return line.to_owned();
    }
    let words = line.trim_start_matches(' ');
    let indent = (line.len() - words.len()).min(columns / 2);
    let (mut text, mut used) = (" ".repeat(indent), indent);
    for (at, word) in words.split(' ').enumerate() {
        let length = word.chars().count();
        if at > 0 && used + 1 + length <= columns {
            text.push(' ');
            used += 1;
        } else if at > 0 {
            text.push('\n');
            text.push_str(&" ".repeat(indent + 2));
            used = indent + 2;
        }
        text.push_str(word);
        used += length;
    }
    text
}

/// A row of a table: texts in columns of these widths, and figures right of them. If the table is too wide for the
/// terminal, the figures are below the texts.
pub fn row(texts: &[(&str, usize)], figures: &str, columns: Option<usize>) -> String {
    let wide = texts.iter().map(|(_, width)| width + 1).sum::<usize>() + figures.chars().count();
    match columns.filter(|columns| *columns < wide) {
        None => {
            let padded: String = texts.iter().map(|(text, width)| format!("{text:width$} ")).collect();
            (padded + figures).trim_end().to_owned()
        }
        Some(columns) => {
            let texts: Vec<&str> = texts.iter().map(|(text, _)| text.trim_end()).collect();
            let texts = texts.join("  ");
            let texts = wrapped(texts.trim_end(), columns);
            let figures = figures.trim_start();
            format!("{texts}\n{figures:>columns$}").trim_start_matches('\n').to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrapped("one two  three", 80), "one two  three");
        assert_eq!(wrapped("one two three four", 8), "one two\n  three\n  four");
        assert_eq!(wrapped("a/very/long/path and more", 8), "a/very/long/path\n  and\n  more");
        assert_eq!(wrapped("    one two three", 12), "    one two\n      three");
        assert_eq!(wrapped("", 8), "");
        assert_eq!(broken("one two\nthree four", 8), "one two\nthree\n  four");
        for columns in 10..60 {
            let text = wrapped(
                "epoch 1/3: loss 8446.3 (BCE 8446.3, KL 0.02), validation 8396.7 (best); 1.9 s",
                columns,
            );
            assert!(text.lines().all(|line| line.chars().count() <= columns.max(12)), "{columns}: {text}");
        }
    }

    #[test]
    fn figures_of_a_wide_table_go_below_its_texts() {
        let texts = [("encoder.0", 12), ("conv2d", 8)];
        assert_eq!(row(&texts, "  1.0 ms", None), "encoder.0    conv2d     1.0 ms");
        assert_eq!(row(&texts, "  1.0 ms", Some(30)), "encoder.0    conv2d     1.0 ms");
        assert_eq!(row(&texts, "  1.0 ms", Some(29)), "encoder.0  conv2d\n                       1.0 ms");
    }
}
