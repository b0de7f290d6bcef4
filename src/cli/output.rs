//! What commands print: a table for people, JSON for programs.

use std::io::Write as _;

use anyhow::Result;
use serde::Serialize;

/// Prints rows as JSON or as a table under `head`.
///
/// # Errors
/// Standard output is closed.
pub(super) fn list<T: Serialize>(
    json: bool,
    rows: &[T],
    head: &[&str],
    cells: impl Fn(&T) -> Vec<String>,
) -> Result<()> {
    if json {
        return document(&rows);
    }
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let mut widths: Vec<usize> = head.iter().map(|title| title.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(printable(cell).chars().count());
        }
    }
    let titles: Vec<String> = head.iter().map(|title| title.to_uppercase()).collect();
    let mut out = std::io::stdout().lock();
    for row in std::iter::once(&titles).chain(&rows) {
        let line: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{:width$}", printable(cell))).collect();
        writeln!(out, "{}", line.join("  ").trim_end())?;
    }
    Ok(())
}

/// Prints one value as indented JSON.
///
/// # Errors
/// Standard output is closed.
pub(super) fn document<T: Serialize>(value: &T) -> Result<()> {
    writeln!(std::io::stdout().lock(), "{}", serde_json::to_string_pretty(value)?)?;
    Ok(())
}

/// Prints one line.
///
/// # Errors
/// Standard output is closed.
pub(super) fn line(text: &str) -> Result<()> {
    writeln!(std::io::stdout().lock(), "{text}")?;
    Ok(())
}

/// Names and User-Agents come from the network: no terminal escape may pass.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn escapes_do_not_reach_the_terminal() {
        assert_eq!(super::printable("a\u{1b}[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
    }
}
