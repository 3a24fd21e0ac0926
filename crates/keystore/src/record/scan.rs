//! Reading a log's bytes, and whether anything is missing that must be there.

use super::{
    entry::{self, ENTRY_BYTES, Placed},
    header::{self, ENTRIES_AT, Header},
    history::History,
};

/// Most entries that are written together, and so that a crash may leave unfinished; larger calls are several groups.
pub(super) const MAX_GROUP: u64 = 8192;

/// A log that reads well.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) history: History,
    /// Its whole entries.
    pub(super) entries: u64,
    /// Bytes behind them that a crash has left there.
    pub(super) unfinished: u64,
    /// Entries that the file has space for; `None` for the format before there were headers.
    pub(super) room: Option<u64>,
}

/// Why a log cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is something else.
    NotARecord,
    /// Something is missing or changed from this entry on, of those that there is room for.
    Damaged { entry: u64, entries: u64 },
}

/// Reads a whole log.
pub(super) fn scan(bytes: &[u8]) -> Result<Scanned, Fault> {
    let begins_with = |magic: &[u8]| bytes.get(..4) == Some(magic);
    let is_new = Header::newest(bytes).is_some() || begins_with(&header::MAGIC);
    if is_new || begins_with(&[0; 4]) || bytes.is_empty() {
        return scan_new(bytes);
    }
    if begins_with(&entry::MAGIC) {
        return scan_old(bytes);
    }
    Err(Fault::NotARecord)
}

/// The format with headers. The first one may have been torn, or all have been zeroed.
fn scan_new(bytes: &[u8]) -> Result<Scanned, Fault> {
    let (slots, _) = bytes.get(ENTRIES_AT..).unwrap_or(&[]).as_chunks();
    let damaged = |entry| Fault::Damaged {
        entry,
        entries: slots.len() as u64,
    };
    let header = Header::newest(bytes).ok_or(damaged(0))?;
    let (history, whole, _) = read_entries(slots).map_err(damaged)?;
    // All of them: a group that a crash cut off reaches further than the header of a smaller one that was written after
    // it.
    if !Header::all_allow(bytes, whole, slots.len() as u64) {
        return Err(damaged(whole));
    }
    // Anything may be missing of the last group, or of the one after it whose header is not there.
    let last = header.durable.saturating_add(header.group);
    let limit = if whole < last {
        last
    } else {
        whole.saturating_add(MAX_GROUP)
    };
    let at = |entry: u64| {
        let behind = usize::try_from(entry).unwrap_or(usize::MAX);
        let behind = behind.saturating_mul(ENTRY_BYTES);
        ENTRIES_AT.saturating_add(behind).min(bytes.len())
    };
    if bytes[at(limit)..].iter().any(|byte| *byte != 0) {
        return Err(damaged(whole));
    }
    let behind = &bytes[at(whole)..at(limit)];
    let unfinished = behind.iter().rposition(|byte| *byte != 0);
    Ok(Scanned {
        history,
        entries: whole,
        unfinished: unfinished.map_or(0, |last| last as u64 + 1),
        room: Some(slots.len() as u64),
    })
}

/// The format before there were headers, whose end is the end of the file. When more entries are unreadable at its end
/// than a group can have, or none is readable, it is unknown what the log has lost.
fn scan_old(bytes: &[u8]) -> Result<Scanned, Fault> {
    let (slots, _) = bytes.as_chunks();
    let damaged = |entry| Fault::Damaged {
        entry,
        entries: slots.len() as u64,
    };
    let (history, whole, largest) = read_entries(slots).map_err(damaged)?;
    let unfinished = bytes.len() as u64 - whole * ENTRY_BYTES as u64;
    if unfinished > largest * ENTRY_BYTES as u64 {
        return Err(damaged(whole));
    }
    Ok(Scanned {
        history,
        entries: whole,
        unfinished,
        room: None,
    })
}

/// Reads all entries from the first on. Returns how many there are, and the largest group among them.
///
/// # Errors
/// The first damaged entry, where a later one was written when it was durable.
fn read_entries(slots: &[[u8; ENTRY_BYTES]]) -> Result<(History, u64, u64), u64> {
    let mut history = History::default();
    let (mut whole, mut largest) = (0, 0);
    let mut placed = slots.iter().zip(0..).map(|(s, p)| Placed::decode(s, p));
    for placed in placed.by_ref() {
        let Some(placed) = placed else { break };
        history.apply(&placed.entry);
        largest = (placed.position + 1)
            .saturating_sub(placed.group)
            .max(largest);
        whole += 1;
    }
    // No later group follows an unfinished write: groups are synced one after another.
    if placed.flatten().any(|later| later.group > whole) {
        Err(whole)
    } else {
        Ok((history, whole, largest))
    }
}
