//! Output for the user: the table on standard output, everything else on standard error.

use std::{
    env,
    fmt::Display,
    io::{self, IsTerminal as _, Write as _},
};

use super::table::Table;

/// The table's drawing for where standard output goes.
pub(super) fn table() -> Table {
    let unwanted = |name, value: &str| env::var(name).is_ok_and(|found| found == value);
    let no_colour = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Table {
        colour: io::stdout().is_terminal() && !no_colour && !unwanted("TERM", "dumb"),
    }
}

/// Prints a line of the table.
///
/// # Errors
/// When standard output is closed.
pub(super) fn line(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

/// Prints a note beside the table.
pub(super) fn note(text: impl Display) {
    // A closed standard error is no reason to stop.
    let _ = writeln!(io::stderr(), "{text}");
}
