//! The record of everything that happened, as a running hash, with the latest entries as text.

use std::{collections::VecDeque, fmt, time::Duration};

use sha2::{Digest as _, Sha256};

/// Entries that are kept as text, to be shown when a run goes wrong.
const RECENT: usize = 60;

/// What identifies a run: equal fingerprints mean that the same things happened at the same times.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..8]
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Trace {
    hash: Sha256,
    entries: u64,
    recent: VecDeque<String>,
}

impl Trace {
    /// Adds an entry.
    pub(crate) fn record(&mut self, time: Duration, entry: fmt::Arguments<'_>) {
        let line = format!("{:>9.3} {entry}", time.as_secs_f64());
        self.hash.update((line.len() as u64).to_le_bytes());
        self.hash.update(line.as_bytes());
        self.entries += 1;
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(line);
    }

    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint(self.hash.clone().finalize().into())
    }

    /// The latest entries, one a line.
    pub(crate) fn recent(&self) -> String {
        let lines: Vec<&str> = self.recent.iter().map(String::as_str).collect();
        lines.join("\n")
    }
}
