//! What prevents a second use of a key that is in use: its locks and its high-water mark.

use std::{fs::File, path::Path};

use quartet_types::PublicKey;

use crate::{
    KeyError, KeyFileProblem, KeyFormat, Keystore, MachineLocks, MarkError, keystore,
    locks::MachineLock,
    mark::{self, Mark},
    record::SigningRecord,
};

/// Whether a key's high-water mark is heeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Marks {
    /// Nothing is signed below it, and a key whose mark cannot be kept is not loaded.
    #[default]
    Heeded,
    /// It is raised where that is possible, and forbids nothing: the operator has given up the keys' security.
    GivenUp,
}

/// Holds a key's file and, unless its secret is public, its name on the machine and its mark.
#[derive(Debug)]
pub(crate) struct Guard {
    file: File,
    _machine: Option<MachineLock>,
    /// What its file says of it.
    kind: Kind,
    mark: Option<Mark>,
    /// Whether the mark is heeded.
    is_heeded: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Its secret is public: anybody can sign with it.
    PublicTestKey,
    /// It says that there must be a mark.
    Marked,
    /// It says nothing: a foreign key, or one from before there were marks.
    Unmarked,
}

impl Guard {
    /// Locks a key of any format: its file, and on the whole machine its public key.
    ///
    /// # Errors
    /// When it is in use, states another public key, or cannot be read.
    pub(crate) fn lock(
        path: &Path,
        public_key: &PublicKey,
        locks: &MachineLocks,
    ) -> Result<Self, KeyError> {
        let mut file = keystore::open_locked(path)?;
        let kind = Kind::of(path, &mut file, public_key)?;
        let in_use = |_| KeyFileProblem::InUse.in_file(path);
        let machine = match kind {
            Kind::PublicTestKey => None,
            _ => Some(locks.take(public_key).map_err(in_use)?),
        };
        Ok(Self {
            file,
            _machine: machine,
            kind,
            mark: None,
            is_heeded: false,
        })
    }

    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Opens or creates the key's mark, and makes mark and record agree on which epochs have been used.
    ///
    /// # Errors
    /// When the mark is missing, damaged, another key's or cannot be written, and is to be heeded.
    pub(crate) fn open_mark(
        &mut self,
        path: &Path,
        public_key: &PublicKey,
        marks: Marks,
        record: &SigningRecord,
    ) -> Result<(), KeyFileProblem> {
        if self.kind == Kind::PublicTestKey {
            return Ok(());
        }
        self.is_heeded = marks == Marks::Heeded;
        let recorded = record.highest_epoch(public_key);
        match self.find_mark(path, public_key, recorded) {
            Ok(mark) if self.is_heeded => {
                let free_from = mark.found();
                self.mark = Some(mark);
                let told = record.refuse_below(public_key, free_from);
                told.map_err(KeyFileProblem::Record)
            }
            Ok(mark) => {
                self.mark = Some(mark);
                Ok(())
            }
            Err(error) if self.is_heeded => Err(KeyFileProblem::Mark(error)),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "no high-water mark is kept");
                Ok(())
            }
        }
    }

    fn find_mark(
        &self,
        path: &Path,
        public_key: &PublicKey,
        recorded: Option<u64>,
    ) -> Result<Mark, MarkError> {
        let unread = |error| MarkError::Io {
            path: path.to_owned(),
            action: "find",
            error,
        };
        let beside = mark::path_beside(path).map_err(unread)?;
        let free_from = recorded.map_or(0, |epoch| epoch.saturating_add(1));
        if mark::read(&beside, public_key)?.is_none() {
            if self.kind == Kind::Marked && self.is_heeded {
                return Err(MarkError::Missing { path: beside });
            }
            tracing::warn!(
                mark = %beside.display(),
                free_from,
                "this key has no high-water mark yet; beginning one by what the signing record knows of it"
            );
        }
        mark::create_or_raise(&beside, public_key, free_from)
    }

    /// The first epoch that was free when the key was loaded, where there is a mark that is heeded.
    pub(crate) fn free_from(&self) -> Option<u64> {
        let mark = self.mark.as_ref().filter(|_| self.is_heeded)?;
        Some(mark.found())
    }

    /// The mark, if it has to be raised for signing in `epoch`, and to what.
    pub(crate) fn to_raise(&self, epoch: u64) -> Option<(&Mark, u64)> {
        let free_from = epoch.saturating_add(1);
        let mark = self.mark.as_ref()?;
        (!mark.is_raised(free_from)).then_some((mark, free_from))
    }

    /// Whether a mark that cannot be raised forbids signing.
    pub(crate) fn is_heeded(&self) -> bool {
        self.is_heeded
    }

    /// Whether the key's file says that there must be a mark.
    pub(crate) fn requires_mark(&self) -> bool {
        self.kind == Kind::Marked
    }

    /// Whether the key's secret is meant to be public.
    pub(crate) fn is_public_test_key(&self) -> bool {
        self.kind == Kind::PublicTestKey
    }
}

impl Kind {
    /// What a key's file says of it, if it states the public key that was asked for.
    fn of(path: &Path, file: &mut File, public_key: &PublicKey) -> Result<Self, KeyError> {
        if let KeyFormat::Foreign(_) = KeyFormat::of(path)? {
            return Ok(Self::Unmarked);
        }
        let in_file = |problem: KeyFileProblem| problem.in_file(path);
        let keystore = Keystore::read(file).map_err(in_file)?;
        check(Some(public_key), keystore.public_key()).map_err(in_file)?;
        Ok(
            match (keystore.is_public_test_key(), keystore.requires_mark()) {
                (true, _) => Self::PublicTestKey,
                (false, true) => Self::Marked,
                (false, false) => Self::Unmarked,
            },
        )
    }
}

pub(crate) fn check(expected: Option<&PublicKey>, found: PublicKey) -> Result<(), KeyFileProblem> {
    match expected {
        Some(expected) if *expected != found => Err(KeyFileProblem::WrongKey {
            expected: *expected,
        }),
        _ => Ok(()),
    }
}
