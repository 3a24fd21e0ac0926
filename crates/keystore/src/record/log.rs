//! The record on disk: opening and checking, appending, and rewriting when it has grown.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use quartet_types::PublicKey;

use super::{
    RecordError, Refusal, SigningRequest,
    entry::{ENTRY_BYTES, Entry, MAGIC, Placed},
    history::{History, Verdict},
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
    file: File,
    entries: u64,
    history: History,
    usable: bool,
    rewrite_at: u64,
    /// Locked as long as it is open. Not the log itself, whose file is replaced when rewritten.
    _lock: File,
}

impl Log {
    pub(super) fn open(path: &Path) -> Result<Self, RecordError> {
        let lock = lock(path)?;
        let failed = |action| move |error| io_error(path, action, error);
        let is_new = !path.exists();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = (files::private(&mut options).open(path)).map_err(failed("open"))?;
        let (history, entries) = replay(&mut file, path)?;
        file.seek(SeekFrom::End(0)).map_err(failed("seek"))?;
        // What a killed process wrote may still be in the system's memory only; from here on it counts as
        // durable, since it is granted again without another write.
        file.sync_all().map_err(failed("sync"))?;
        if is_new {
            // The first grant must not be lost together with the file that holds it.
            files::sync_parent(path).map_err(failed("sync the directory of"))?;
            tracing::info!(path = %path.display(), "began a new signing record");
        }
        let mut log = Self {
            path: path.to_owned(),
            file,
            entries,
            history,
            usable: true,
            rewrite_at: REWRITE_AT,
            _lock: lock,
        };
        log.rewrite_if_grown()?;
        Ok(log)
    }

    pub(super) fn history(&self) -> &History {
        &self.history
    }

    pub(super) fn started_in(&mut self, epoch: u64) {
        self.history.started_in(epoch);
    }

    pub(super) fn used_below(&mut self, public_key: PublicKey, free_from: u64) {
        self.history.used_below(public_key, free_from);
    }

    /// Judges each request, then makes the grants durable, and only then reports them.
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
                Some(earlier) => self.judge_after(earlier, request),
                None => self.history.judge(request),
            };
            if let Ok(Verdict::New) = verdict {
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

    /// Judges a request for a key to which the same call has granted a newer epoch already.
    fn judge_after(&self, earlier: &Entry, request: &SigningRequest) -> Result<Verdict, Refusal> {
        if request.epoch >= earlier.epoch {
            let mut history = History::default();
            history.apply(earlier);
            return history.judge(request);
        }
        match self.history.judge(request) {
            Ok(Verdict::New) => Err(Refusal::OlderEpoch {
                epoch: request.epoch,
                highest: earlier.epoch,
            }),
            verdict => verdict,
        }
    }

    /// Takes in another record, so that afterwards everything is refused that either refused before.
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
        // What they know and we do not, above our epochs: below, we refuse anyway, and to remember a
        // message would be to grant it.
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
        if !self.usable {
            return Err(RecordError::Unusable {
                path: self.path.clone(),
            });
        }
        if entries.is_empty() {
            return Ok(());
        }
        let group = self.entries;
        let placed = entries.iter().zip(group..).map(|(entry, position)| Placed {
            entry: *entry,
            position,
            group,
        });
        let bytes: Vec<u8> = placed.flat_map(|placed| placed.encode()).collect();
        // Until the write is durable nobody knows what the disk holds. There is no going on after a
        // failed sync: the system may have dropped the pages and would report success next time.
        self.usable = false;
        let written = self.file.write_all(&bytes);
        written.map_err(|error| io_error(&self.path, "append to", error))?;
        let synced = self.file.sync_data();
        synced.map_err(|error| io_error(&self.path, "sync", error))?;
        self.usable = true;
        self.entries += entries.len() as u64;
        for entry in entries {
            self.history.apply(entry);
        }
        self.rewrite_if_grown()
    }

    /// Replaces a log that is mostly past by one with only what is remembered.
    fn rewrite_if_grown(&mut self) -> Result<(), RecordError> {
        let remembered = self.history.len() as u64;
        if self.entries < self.rewrite_at || self.entries < REWRITE_FACTOR * remembered {
            return Ok(());
        }
        // Each entry is a group of its own, so that damage among them is never taken for a crash.
        let placed = self.history.entries().zip(0..);
        let bytes: Vec<u8> = placed
            .flat_map(|(entry, position)| {
                let group = position;
                let placed = Placed {
                    entry,
                    position,
                    group,
                };
                placed.encode()
            })
            .collect();
        let replaced = files::write_beside(&self.path, |file| file.write_all(&bytes));
        let replaced = replaced.and_then(|(file, temporary)| {
            fs::rename(&temporary, &self.path)?;
            Ok(file)
        });
        match replaced {
            Ok(file) => self.file = file,
            Err(error) => {
                // The long log is as good as before; a full disk is no reason to miss duties.
                tracing::warn!(path = %self.path.display(), %error, "cannot rewrite the signing record");
                self.rewrite_at = self.entries.saturating_mul(2);
                return Ok(());
            }
        }
        self.entries = remembered;
        // Until the new name is durable, a crash could bring back the old log without what follows.
        self.usable = false;
        files::sync_parent(&self.path)
            .map_err(|error| io_error(&self.path, "sync the directory of", error))?;
        self.usable = true;
        Ok(())
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
    Ok(scan(&mut file, path)?.0)
}

/// Reads the whole log, and cuts off what a crash left unfinished at its end.
fn replay(file: &mut File, path: &Path) -> Result<(History, u64), RecordError> {
    let (history, whole, unfinished) = scan(file, path)?;
    if unfinished > 0 {
        tracing::warn!(
            path = %path.display(),
            bytes = unfinished,
            "dropped an unfinished write at the end of the signing record; it was granted to nobody"
        );
        let cut = file.set_len(whole * ENTRY_BYTES as u64);
        cut.map_err(|error| io_error(path, "truncate", error))?;
    }
    Ok((history, whole))
}

/// What the log remembers, its whole entries, and the bytes of an unfinished write behind them.
fn scan(file: &mut File, path: &Path) -> Result<(History, u64, u64), RecordError> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)
        .map_err(|error| io_error(path, "read", error))?;
    let beginning = &bytes[..bytes.len().min(MAGIC.len())];
    if !MAGIC.starts_with(beginning) && beginning.iter().any(|byte| *byte != 0) {
        return Err(RecordError::NotARecord {
            path: path.to_owned(),
        });
    }
    let (slots, _) = bytes.as_chunks::<ENTRY_BYTES>();
    let mut history = History::default();
    let mut whole = 0;
    let mut placed = slots.iter().zip(0..).map(|(s, p)| Placed::decode(s, p));
    for placed in placed.by_ref() {
        let Some(placed) = placed else { break };
        history.apply(&placed.entry);
        whole += 1;
    }
    // An unfinished write has no later group behind it: groups are synced one after another.
    if placed.flatten().any(|later| later.group > whole) {
        return Err(RecordError::Damaged {
            path: path.to_owned(),
            entry: whole,
            entries: slots.len() as u64,
        });
    }
    let unfinished = bytes.len() as u64 - whole * ENTRY_BYTES as u64;
    Ok((history, whole, unfinished))
}

fn io_error(path: &Path, action: &'static str, error: io::Error) -> RecordError {
    RecordError::Io {
        path: path.to_owned(),
        action,
        error,
    }
}

#[cfg(test)]
mod tests;
