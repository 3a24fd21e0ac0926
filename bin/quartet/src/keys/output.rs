//! Tables for people, JSON for scripts.

use std::{
    io::{self, Write as _},
    ops::Range,
};

use quartet_types::PublicKey;
use quartet_xmss::Progress;

use crate::progress::Work;

/// Prints to standard output; a closed pipe is no failure.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout().lock(), "{}", text.trim_end()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints JSON.
pub(super) fn print_json(value: &serde_json::Value) -> anyhow::Result<()> {
    print(&serde_json::to_string_pretty(value)?)
}

/// Rows in columns as wide as their widest cell. The first row is the heading.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = (row.iter().zip(widths))
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// `0x17cb…d44c`: enough to distinguish keys.
pub(super) fn short(public_key: &PublicKey) -> String {
    let hex = public_key.to_string();
    format!("{}…{}", &hex[..6], &hex[hex.len() - 4..])
}

/// First and last of the epochs.
pub(super) fn epochs(range: &Range<u64>) -> String {
    if range.is_empty() {
        "none".to_owned()
    } else {
        format!("{}–{}", range.start, range.end - 1)
    }
}

/// First and last of the epochs of each range.
pub(super) fn epoch_ranges(ranges: &[Range<u64>]) -> String {
    match ranges {
        [] => "none".to_owned(),
        _ => ranges.iter().map(epochs).collect::<Vec<_>>().join(", "),
    }
}

/// Shows the progress of some work.
pub(super) fn advance(work: &Work) -> impl Fn(Progress) + Sync {
    |progress| work.at(progress.done, progress.total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_rows_end_without_spaces() {
        let rows = [["a", "bb"], ["ccc…", "d"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "a     bb\nccc…  d\n");
    }
}
