//! The log in use: what is granted is written first, and the log is rewritten when it has grown.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

use quartet_types::PublicKey;

use super::{
    RecordError, Refusal, SigningRequest,
    disk::{self, Disk, io_error},
    entry::Entry,
    history::{History, Sighting, SigningDecision},
    interchange::{ImportSummary, Imported},
};
use crate::files;

/// The log is rewritten with what is remembered only, once it has this many entries (8 MiB)…
const REWRITE_AT: u64 = 1 << 16;
/// …and this many times more than that.
const REWRITE_FACTOR: u64 = 4;

#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    disk: Disk,
    history: History,
    rewrite_at: u64,
    /// Locked as long as it is open. Not the log itself, whose file is replaced when rewritten.
    _lock: File,
}

impl Log {
    pub(super) fn open(path: &Path) -> Result<Self, RecordError> {
        let lock = lock(path)?;
        let (disk, history) = Disk::open(path)?;
        let mut log = Self {
            path: path.to_owned(),
            disk,
            history,
            rewrite_at: REWRITE_AT,
            _lock: lock,
        };
        log.rewrite_if_grown()?;
        log.preallocate()?;
        Ok(log)
    }

    /// Allocates space for the entries of the next minutes, off the duty path.
    pub(super) fn preallocate(&mut self) -> Result<(), RecordError> {
        self.disk.preallocate()
    }

    pub(super) fn history(&self) -> &History {
        &self.history
    }

    pub(super) fn refuse_up_to(&mut self, epoch: u64) {
        self.history.refuse_up_to(epoch);
    }

    pub(super) fn refuse_below(&mut self, public_key: PublicKey, free_from: u64) {
        self.history.refuse_below(public_key, free_from);
    }

    pub(super) fn observe(&mut self, seen: &[SigningRequest]) -> Vec<Sighting> {
        seen.iter().map(|seen| self.history.observe(seen)).collect()
    }

    /// Writes what was signed elsewhere, the newest of each key: nothing is granted up to that epoch.
    pub(super) fn persist_observed(&mut self, seen: &[SigningRequest]) -> Result<(), RecordError> {
        let mut newest: HashMap<PublicKey, &SigningRequest> = HashMap::new();
        for seen in seen {
            let known = newest.entry(seen.public_key).or_insert(seen);
            if known.epoch < seen.epoch {
                *known = seen;
            }
        }
        let is_news = |seen: &&SigningRequest| {
            let highest = self.history.highest_epoch(&seen.public_key);
            highest.is_none_or(|highest| highest < seen.epoch)
        };
        let entries: Vec<Entry> = (newest.into_values().filter(is_news))
            .map(|seen| Entry::new(seen.public_key, seen.epoch, None, seen.source))
            .collect();
        self.append(&entries)
    }

    /// Decides on each request, then makes the grants durable, and only then reports them.
    pub(super) fn authorise(
        &mut self,
        requests: &[SigningRequest],
    ) -> Result<Vec<Result<(), Refusal>>, RecordError> {
        // Memory follows the disk, so what this call grants is kept apart until it is written.
        let mut granted: HashMap<PublicKey, Entry> = HashMap::new();
        let mut entries = Vec::new();
        let mut verdicts = Vec::with_capacity(requests.len());
        for request in requests {
            let verdict = match granted.get(&request.public_key) {
                Some(earlier) => self.decide_after(earlier, request),
                None => self.history.decide(request),
            };
            if let Ok(SigningDecision::New) = verdict {
                let (key, root) = (request.public_key, Some(request.message_root));
                let entry = Entry::new(key, request.epoch, root, request.source);
                granted.insert(request.public_key, entry);
                entries.push(entry);
            }
            verdicts.push(verdict.map(|_| ()));
        }
        self.append(&entries)?;
        Ok(verdicts)
    }

    /// Decides on a request for a key to which the same call has granted a newer epoch already.
    fn decide_after(
        &self,
        earlier: &Entry,
        request: &SigningRequest,
    ) -> Result<SigningDecision, Refusal> {
        if request.epoch >= earlier.epoch {
            let mut history = History::default();
            history.apply(earlier);
            return history.decide(request);
        }
        match self.history.decide(request) {
            Ok(SigningDecision::New) => Err(Refusal::OlderEpoch {
                epoch: request.epoch,
                highest: earlier.epoch,
            }),
            verdict => verdict,
        }
    }

    /// Merges another record, so that afterwards everything is refused that either refused before.
    pub(super) fn import(&mut self, imported: &[Imported]) -> Result<ImportSummary, RecordError> {
        let mut entries = Vec::new();
        let mut summary = ImportSummary::default();
        for key in imported {
            let before = entries.len();
            entries.extend(self.stricter_by(key));
            summary.validators += 1;
            summary.raised += usize::from(entries.len() > before);
        }
        self.append(&entries)?;
        Ok(summary)
    }

    /// The entries that this record lacks to refuse what the imported one refuses for a key.
    fn stricter_by(&self, imported: &Imported) -> Vec<Entry> {
        let public_key = imported.public_key;
        let ours = self.history.remembered(&public_key);
        let our_highest = self.history.highest_epoch(&public_key);
        let their_highest = imported.messages.last().map(|message| message.epoch);
        let entry = |epoch, message_root| Entry::new(public_key, epoch, message_root, None);
        // What they know and we do not, above our epochs: below them we refuse anyway, and a message that we remember
        // is one that we grant.
        let newer = (imported.messages.iter())
            .filter(|message| our_highest.is_none_or(|highest| highest < message.epoch))
            .map(|message| entry(message.epoch, message.message_root));
        // What we would grant again, and they would not.
        let sealed = ours.filter(|known| {
            known.message_root.is_some()
                && their_highest.is_some_and(|highest| known.epoch <= highest)
                && !imported.messages.contains(known)
        });
        let sealed = sealed.map(|known| entry(known.epoch, None));
        let source = self.newer_source(imported);
        sealed.chain(newer).chain(source).collect()
    }

    /// Their source, if it is newer than ours: the newest epoch that either has signed in carries it.
    fn newer_source(&self, imported: &Imported) -> Option<Entry> {
        let public_key = imported.public_key;
        let ours = self.history.remembered(&public_key).last();
        let newest = ours
            .into_iter()
            .chain(imported.messages.last())
            .max_by_key(|message| message.epoch)?;
        let (epoch, root) = (newest.epoch, newest.message_root);
        let entry = Entry::new(public_key, epoch, root, imported.source);
        (entry.source > self.history.highest_source(&public_key)).then_some(entry)
    }

    fn append(&mut self, entries: &[Entry]) -> Result<(), RecordError> {
        if entries.is_empty() && self.disk.is_usable() {
            return Ok(());
        }
        self.disk.append(entries)?;
        for entry in entries {
            self.history.apply(entry);
        }
        self.rewrite_if_grown()
    }

    /// Replaces a log with mostly old entries by one with only what is remembered.
    fn rewrite_if_grown(&mut self) -> Result<(), RecordError> {
        let (remembered, entries) = (self.history.len() as u64, self.disk.entries);
        if entries < self.rewrite_at || entries < REWRITE_FACTOR * remembered {
            return Ok(());
        }
        match self.disk.replace(&self.history) {
            Ok(()) => Ok(()),
            Err(error) if !self.disk.is_usable() => {
                Err(io_error(&self.path, "sync the directory of", error))
            }
            Err(error) => {
                // The long log is as good as before; a full disk is no reason to miss duties.
                tracing::warn!(path = %self.path.display(), %error, "cannot rewrite the signing record");
                self.rewrite_at = entries.saturating_mul(2);
                Ok(())
            }
        }
    }
}

fn lock(path: &Path) -> Result<File, RecordError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|error| io_error(parent, "create", error))?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let file = (files::private(&mut options).open(&lock_path))
        .map_err(|error| io_error(&lock_path, "open", error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RecordError::Locked {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(io_error(&lock_path, "lock", error)),
    }
}

/// What the log remembers, without touching it.
pub(super) fn read(path: &Path) -> Result<History, RecordError> {
    let mut file = File::open(path).map_err(|error| io_error(path, "open", error))?;
    Ok(disk::read(&mut file, path)?.history)
}

#[cfg(test)]
mod tests;
