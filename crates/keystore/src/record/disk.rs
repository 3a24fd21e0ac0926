//! The log's file: appending, allocating ahead, and replacing it.
//!
//! Space is allocated ahead by writing zeros, so that a full disk is noticed many slots before it matters, and writing
//! a group does not change the file's size.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use super::{
    RecordError,
    entry::{ENTRY_BYTES, Entry, Placed},
    header::{ENTRIES_AT, HEADERS_AT, Header},
    history::History,
    scan::{Fault, MAX_GROUP, Scanned, scan},
};
use crate::files;

/// Entries that are allocated ahead: over two hours of one validator's, 256 KiB…
const ROOM: u64 = 2048;
/// …or so many groups like the last one, some four minutes.
const GROUPS_AHEAD: u64 = 64;

/// The open file. After a write that failed nobody knows what it holds, and nothing more is written.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    pub(super) file: File,
    pub(super) entries: u64,
    /// Entries that there is room for.
    room: u64,
    /// Entries of the largest group so far.
    largest: u64,
    /// Which of the two headers is written next.
    turn: usize,
    usable: bool,
}

impl Disk {
    /// Opens the file, or begins it; what a crash has left unfinished at its end is wiped. A log of the former format
    /// is replaced by one of this format, with what is remembered.
    pub(super) fn open(path: &Path) -> Result<(Self, History), RecordError> {
        let failed = |action| move |error| io_error(path, action, error);
        if !path.exists() {
            let begun = files::write_new(path, |file| file.write_all(&content(&[])));
            begun.map_err(failed("begin"))?;
            tracing::info!(path = %path.display(), "began a new signing record");
        }
        let mut options = OpenOptions::new();
        let mut file = (options.read(true).write(true).open(path)).map_err(failed("open"))?;
        let scanned = read(&mut file, path)?;
        let mut disk = Self {
            path: path.to_owned(),
            file,
            entries: scanned.entries,
            room: scanned.room.unwrap_or(0),
            largest: 1,
            turn: 0,
            usable: true,
        };
        match scanned.room {
            None => disk.replace(&scanned.history).map_err(failed("replace"))?,
            Some(_) => disk.wipe(scanned.unfinished).map_err(failed("mend"))?,
        }
        // What a killed process wrote may still be in the system's memory only; from here on it counts as
        // durable, since it is granted again without another write.
        disk.file.sync_all().map_err(failed("sync"))?;
        Ok((disk, scanned.history))
    }

    /// Appends entries, durably, in groups that are not too large.
    pub(super) fn append(&mut self, entries: &[Entry]) -> Result<(), RecordError> {
        if !self.usable {
            return Err(RecordError::Unusable {
                path: self.path.clone(),
            });
        }
        let groups = entries.chunks(MAX_GROUP as usize);
        for group in groups {
            self.append_group(group)?;
        }
        Ok(())
    }

    fn append_group(&mut self, entries: &[Entry]) -> Result<(), RecordError> {
        let count = entries.len() as u64;
        self.largest = self.largest.max(count);
        // The log is not touched when the disk is full, so that it can go on when there is space again.
        self.make_room(self.entries + count)?;
        let group = self.entries;
        let placed = entries.iter().zip(group..).map(|(entry, position)| Placed {
            entry: *entry,
            position,
            group,
        });
        let bytes: Vec<u8> = placed.flat_map(|placed| placed.encode()).collect();
        // Until the write is durable nobody knows what the disk holds. The log cannot go on after a failed sync: the
        // system may have dropped the pages and would report success next time.
        self.usable = false;
        let written = (self.write_header(count))
            .and_then(|()| write_at(&mut self.file, entry_at(group), &bytes));
        written.map_err(|error| io_error(&self.path, "append to", error))?;
        let synced = self.file.sync_data();
        synced.map_err(|error| io_error(&self.path, "sync", error))?;
        self.usable = true;
        self.entries += count;
        Ok(())
    }

    /// Allocates space ahead, off the duty path, and writes a header that counts all entries.
    pub(super) fn preallocate(&mut self) -> Result<(), RecordError> {
        if !self.usable {
            return Ok(());
        }
        let ahead = ROOM.max(self.largest * GROUPS_AHEAD);
        if self.room - self.entries < ahead / 2 {
            self.make_room(self.entries + ahead)?;
        }
        // It may reach the disk at any time: it only counts what is durable.
        let written = self.write_header(0);
        written.map_err(|error| io_error(&self.path, "write to", error))
    }

    /// Allocates space for so many entries in all, if there is less.
    fn make_room(&mut self, entries: u64) -> Result<(), RecordError> {
        if entries <= self.room {
            return Ok(());
        }
        let zeros = vec![0; (entries - self.room) as usize * ENTRY_BYTES];
        let made = write_at(&mut self.file, entry_at(self.room), &zeros);
        let made = made.and_then(|()| self.file.sync_all());
        made.map_err(|error| io_error(&self.path, "make room in", error))?;
        self.room = entries;
        Ok(())
    }

    /// Replaces the file by one with only what is remembered. The old one stays as it is where that fails.
    pub(super) fn replace(&mut self, history: &History) -> io::Result<()> {
        let entries: Vec<Entry> = history.entries().collect();
        let (file, temporary) =
            files::write_beside(&self.path, |file| file.write_all(&content(&entries)))?;
        if let Err(error) = fs::rename(&temporary, &self.path) {
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        self.file = file;
        self.entries = entries.len() as u64;
        self.room = self.entries + ROOM;
        // Until the new name is durable, a crash could bring back the old log without what follows.
        self.usable = false;
        files::sync_parent(&self.path)?;
        self.usable = true;
        Ok(())
    }

    /// Whether it can go on.
    pub(super) fn is_usable(&self) -> bool {
        self.usable
    }

    /// Zeroes what a crash has left after the whole entries.
    fn wipe(&mut self, bytes: u64) -> io::Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        tracing::warn!(
            path = %self.path.display(),
            bytes,
            "dropped an unfinished write at the end of the signing record; it was granted to nobody"
        );
        write_at(
            &mut self.file,
            entry_at(self.entries),
            &vec![0; bytes as usize],
        )
    }

    fn write_header(&mut self, group: u64) -> io::Result<()> {
        let header = Header {
            durable: self.entries,
            group,
            room: self.room,
        };
        let at = HEADERS_AT[self.turn];
        self.turn = 1 - self.turn;
        write_at(&mut self.file, at as u64, &header.encode())
    }
}

/// Reads a log from its beginning.
pub(super) fn read(file: &mut File, path: &Path) -> Result<Scanned, RecordError> {
    let mut bytes = Vec::new();
    let read = file.rewind().and_then(|()| file.read_to_end(&mut bytes));
    read.map_err(|error| io_error(path, "read", error))?;
    let path = || path.to_owned();
    scan(&bytes).map_err(|fault| match fault {
        Fault::NotARecord => RecordError::NotARecord { path: path() },
        Fault::Damaged { entry, entries } => RecordError::Damaged {
            path: path(),
            entry,
            entries,
        },
    })
}

/// A whole file with these entries, and room for more. Each entry is a group of its own, so that damage among them is
/// never taken for a crash.
fn content(entries: &[Entry]) -> Vec<u8> {
    let count = entries.len() as u64;
    let header = Header {
        durable: count,
        group: 0,
        room: count + ROOM,
    };
    let mut bytes = vec![0; ENTRIES_AT];
    for at in HEADERS_AT {
        let header = header.encode();
        bytes[at..at + header.len()].copy_from_slice(&header);
    }
    for (entry, position) in entries.iter().zip(0..) {
        let placed = Placed {
            entry: *entry,
            position,
            group: position,
        };
        bytes.extend(placed.encode());
    }
    bytes.resize(ENTRIES_AT + header.room as usize * ENTRY_BYTES, 0);
    bytes
}

fn entry_at(entry: u64) -> u64 {
    ENTRIES_AT as u64 + entry * ENTRY_BYTES as u64
}

fn write_at(file: &mut File, at: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)
}

pub(super) fn io_error(path: &Path, action: &'static str, error: io::Error) -> RecordError {
    RecordError::Io {
        path: path.to_owned(),
        action,
        error,
    }
}
