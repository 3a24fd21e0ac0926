//! Tables for people, JSON for scripts, a bar for those who wait.

use std::{
    io::{self, Write as _},
    ops::Range,
};

use indicatif::{ProgressBar, ProgressStyle};
use quartet_types::{PublicKey, SECONDS_PER_SLOT};
use quartet_xmss::Progress;

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

/// `0x17cb…d44c`: enough to tell keys apart.
pub(super) fn short(public_key: &PublicKey) -> String {
    let hex = public_key.to_string();
    format!("{}…{}", &hex[..6], &hex[hex.len() - 4..])
}

/// First and last of the epochs.
pub(super) fn epochs(range: &Range<u64>) -> String {
    match range.is_empty() {
        true => "none".to_owned(),
        false => format!("{}–{}", range.start, range.end - 1),
    }
}

/// First and last of the epochs of each range.
pub(super) fn epoch_ranges(ranges: &[Range<u64>]) -> String {
    match ranges {
        [] => "none".to_owned(),
        _ => ranges.iter().map(epochs).collect::<Vec<_>>().join(", "),
    }
}

/// How long some epochs last, as days and hours.
pub(super) fn duration(epochs: u64) -> String {
    let minutes = epochs.saturating_mul(SECONDS_PER_SLOT) / 60;
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// A bar on standard error, which hides itself where that is no terminal.
pub(crate) fn progress_bar(what: &str) -> ProgressBar {
    let bar = ProgressBar::new(1);
    let template = "{prefix} {wide_bar} {percent:>3} %  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_prefix(what.to_owned());
    bar
}

/// Moves a bar.
pub(super) fn advance(bar: &ProgressBar) -> impl Fn(Progress) + Sync {
    |progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_rows_end_without_spaces() {
        let rows = [["a", "bb"], ["ccc…", "d"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "a     bb\nccc…  d\n");
    }

    #[test]
    fn durations_are_said_in_the_two_units_that_matter() {
        assert_eq!(duration(0), "0 min");
        assert_eq!(duration(1 << 10), "1 h 8 min");
        assert_eq!(duration(1 << 18), "12 d 3 h");
        assert_eq!(duration(u64::MAX), "213503982334601 d 7 h");
    }
}
