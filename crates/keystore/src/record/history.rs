//! What each key has signed, in memory, and the rules by which a request is granted or refused.

use std::collections::{HashMap, VecDeque};

use quartet_types::{PublicKey, Root};

use super::{SigningRequest, entry::Entry};

/// Messages remembered for each key: those that may be signed again, for instance after a restart in the
/// middle of a slot. Older ones are refused like any older epoch.
const REMEMBERED: usize = 16;

/// The rules forbid a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The epoch's one-time key has signed another message.
    #[error(
        "refusing to sign {asked} in epoch {epoch}: {signed} was signed in it, and a second message would reveal the key"
    )]
    AnotherMessage {
        /// The epoch.
        epoch: u64,
        /// What was signed.
        signed: Root,
        /// What was asked for.
        asked: Root,
    },
    /// A newer epoch has been signed in, and what was signed in this one is not known any more.
    #[error("refusing to sign in epoch {epoch}: the key has signed up to epoch {highest} already")]
    OlderEpoch {
        /// The epoch asked for.
        epoch: u64,
        /// The highest epoch used.
        highest: u64,
    },
    /// The epoch had begun before this process did, or before its clock jumped, and the record knows nothing of it: it
    /// may be an old copy.
    #[error(
        "refusing to sign in epoch {epoch}: this node started, or its clock jumped, in epoch {started}, and another copy of it may have signed before"
    )]
    BeforeStart {
        /// The epoch asked for.
        epoch: u64,
        /// The epoch of the start, the last to be refused.
        started: u64,
    },
    /// The key's high-water mark says that it may have signed in the epoch, and the record knows nothing of it.
    #[error(
        "refusing to sign in epoch {epoch}: by its high-water mark, the key may have signed in all epochs below {free_from}"
    )]
    BelowMark {
        /// The epoch asked for.
        epoch: u64,
        /// The first epoch that the mark leaves free.
        free_from: u64,
    },
    /// A valid signature of the key was seen that was not made here.
    #[error(
        "refusing to sign in epoch {epoch}: somebody else has signed with this key in epoch {seen}; find and stop the other signer, then restart"
    )]
    SecondSigner {
        /// The epoch asked for.
        epoch: u64,
        /// The epoch in which somebody else has signed.
        seen: u64,
    },
    /// An imported record disagrees with this one about the epoch, or knows no message for it.
    #[error("refusing to sign in epoch {epoch}: an imported record marks it as used")]
    MarkedAsUsed {
        /// The epoch.
        epoch: u64,
    },
}

/// An epoch that a key has used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedMessage {
    /// The epoch.
    pub epoch: u64,
    /// What was signed; `None` where nothing may be signed in the epoch at all.
    pub message_root: Option<Root>,
}

/// The recent past of a key.
#[derive(Debug, Default)]
struct Recent {
    /// The last messages, oldest first.
    messages: VecDeque<SignedMessage>,
    /// The highest slot of a source that the key has ever voted from, as far as is known. It lies before
    /// the newest message's epoch.
    source: Option<u64>,
}

/// The recent past of every key.
#[derive(Debug, Default)]
pub(super) struct History {
    keys: HashMap<PublicKey, Recent>,
    /// The epoch in which the process started, or its clock last jumped, where it is known.
    started: Option<u64>,
    /// The first epochs that marks leave free, of the keys that are loaded.
    free_from: HashMap<PublicKey, u64>,
    /// Keys that somebody else signs with, of those that are loaded, and in which epoch that was seen.
    shared: HashMap<PublicKey, u64>,
}

/// What a request comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SigningDecision {
    /// A newer epoch: to be written down first.
    New,
    /// Signed before, word for word.
    Repeated,
}

/// What follows from a valid signature of one of our keys that was seen on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// It was granted here, or so long ago that nobody can tell.
    Known,
    /// It was not granted here, and is of an epoch before this process started: perhaps an earlier run made it, whose
    /// record is lost.
    Earlier,
    /// Somebody else signs with the key, now, or has signed a second message: from here on it signs nothing.
    SecondSigner,
}

impl History {
    /// Takes note of a valid signature that was seen.
    pub(super) fn observe(&mut self, seen: &SigningRequest) -> Sighting {
        let epoch = seen.epoch;
        let recent = self.keys.get(&seen.public_key);
        let messages = recent.into_iter().flat_map(|recent| &recent.messages);
        let mut messages = messages.skip_while(|signed| signed.epoch < epoch);
        let granted = messages.next().filter(|signed| signed.epoch == epoch);
        let is_forgotten = recent.is_some_and(|recent| {
            let oldest = recent.messages.front().map_or(0, |signed| signed.epoch);
            recent.messages.len() == REMEMBERED && epoch < oldest
        });
        let sighting = match granted {
            Some(SignedMessage { message_root, .. }) => match message_root {
                Some(root) if *root != seen.message_root => Sighting::SecondSigner,
                _ => return Sighting::Known,
            },
            None if is_forgotten => return Sighting::Known,
            None if self.started.is_some_and(|started| epoch <= started) => Sighting::Earlier,
            None => Sighting::SecondSigner,
        };
        self.refuse_below(seen.public_key, epoch.saturating_add(1));
        if sighting == Sighting::SecondSigner {
            self.shared.entry(seen.public_key).or_insert(epoch);
        }
        sighting
    }

    /// What the rules say about a request.
    pub(super) fn decide(&self, request: &SigningRequest) -> Result<SigningDecision, Refusal> {
        let epoch = request.epoch;
        if let Some(&seen) = self.shared.get(&request.public_key) {
            return Err(Refusal::SecondSigner { epoch, seen });
        }
        let verdict = match self.keys.get(&request.public_key) {
            Some(recent) => decide(&recent.messages, request)?,
            None => SigningDecision::New,
        };
        let free_from = self.free_from.get(&request.public_key).copied();
        if let Some(free_from) = free_from
            && verdict == SigningDecision::New
            && epoch < free_from
        {
            return Err(Refusal::BelowMark { epoch, free_from });
        }
        match self.started {
            Some(started) if verdict == SigningDecision::New && epoch <= started => {
                Err(Refusal::BeforeStart { epoch, started })
            }
            _ => Ok(verdict),
        }
    }

    /// From now on, nothing new is granted up to and including `epoch`.
    pub(super) fn refuse_up_to(&mut self, epoch: u64) {
        self.started = self.started.max(Some(epoch));
    }

    /// From now on, nothing new is granted to a key below `free_from`.
    pub(super) fn refuse_below(&mut self, public_key: PublicKey, free_from: u64) {
        let known = self.free_from.entry(public_key).or_default();
        *known = free_from.max(*known);
    }

    /// Adds an entry, from the log or of a request that has been granted and written.
    pub(super) fn apply(&mut self, entry: &Entry) {
        let recent = self.keys.entry(entry.public_key).or_default();
        recent.source = recent.source.max(entry.source);
        let messages = &mut recent.messages;
        let signed = SignedMessage {
            epoch: entry.epoch,
            message_root: entry.message_root,
        };
        if messages.back().is_none_or(|last| last.epoch < entry.epoch) {
            if messages.len() == REMEMBERED {
                messages.pop_front();
            }
            messages.push_back(signed);
        } else if let Some(known) = messages.iter_mut().find(|known| known.epoch == entry.epoch)
            && known.message_root != entry.message_root
        {
            // Marked as used, or two messages for one epoch: neither may be signed again.
            known.message_root = None;
        }
    }

    pub(super) fn highest_epoch(&self, public_key: &PublicKey) -> Option<u64> {
        Some(self.keys.get(public_key)?.messages.back()?.epoch)
    }

    pub(super) fn highest_source(&self, public_key: &PublicKey) -> Option<u64> {
        self.keys.get(public_key)?.source
    }

    /// What is remembered of a key, oldest first.
    pub(super) fn remembered(
        &self,
        public_key: &PublicKey,
    ) -> impl Iterator<Item = &SignedMessage> {
        let recent = self.keys.get(public_key);
        recent.into_iter().flat_map(|recent| &recent.messages)
    }

    /// Everything that is remembered, sorted by key so that exports can be compared.
    pub(super) fn by_key(&self) -> Vec<(PublicKey, Vec<SignedMessage>)> {
        let keys = self.keys.iter();
        let mut sorted: Vec<_> = keys
            .map(|(key, recent)| (*key, recent.messages.iter().copied().collect()))
            .collect();
        sorted.sort_by_key(|(key, _): &(PublicKey, Vec<_>)| key.0);
        sorted
    }

    /// The entries from which this history can be rebuilt.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.keys.iter().flat_map(|(key, recent)| {
            let newest = recent.messages.back().map(|newest| newest.epoch);
            recent.messages.iter().map(move |signed| {
                // The vote from the highest source may be forgotten; the newest message carries that source.
                let source = recent.source.filter(|_| Some(signed.epoch) == newest);
                Entry::new(*key, signed.epoch, signed.message_root, source)
            })
        })
    }

    pub(super) fn len(&self) -> usize {
        self.keys.values().map(|recent| recent.messages.len()).sum()
    }
}

fn decide(
    messages: &VecDeque<SignedMessage>,
    request: &SigningRequest,
) -> Result<SigningDecision, Refusal> {
    let epoch = request.epoch;
    let Some(highest) = messages.back().map(|last| last.epoch) else {
        return Ok(SigningDecision::New);
    };
    if epoch > highest {
        return Ok(SigningDecision::New);
    }
    match messages.iter().find(|signed| signed.epoch == epoch) {
        None => Err(Refusal::OlderEpoch { epoch, highest }),
        Some(known) => match known.message_root {
            None => Err(Refusal::MarkedAsUsed { epoch }),
            Some(signed) if signed == request.message_root => Ok(SigningDecision::Repeated),
            Some(signed) => Err(Refusal::AnotherMessage {
                epoch,
                signed,
                asked: request.message_root,
            }),
        },
    }
}
