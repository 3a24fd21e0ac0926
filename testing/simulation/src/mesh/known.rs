//! The messages that a node knows of: which it has, which peers have them, and which are to get them.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::{BuildHasherDefault, DefaultHasher},
};

use super::{Gossiped, Topic, bit};
use crate::bandwidth::Nanos;

/// Heartbeats for which a message is recognised, some 24 seconds.
const RECOGNISED: usize = 34;
/// For this many heartbeats longer than a message is kept it may wait in queues, which is five seconds.
const QUEUED: usize = 8;

type Hasher = BuildHasherDefault<DefaultHasher>;

/// Whether a message that has come is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    First {
        /// Peers that it was asked of.
        promised: u64,
    },
    Again,
}

/// The messages that a node knows of. Maps are looked up and never walked, so their order decides nothing.
#[derive(Debug)]
pub(super) struct Known<M: Gossiped> {
    recent: HashMap<M::Id, Recent<M>, Hasher>,
    /// What has come, and is not recent any more.
    seen: HashSet<M::Id, Hasher>,
    /// The ids that were added in each of the latest heartbeats, the newest first.
    windows: VecDeque<Vec<(Topic, M::Id)>>,
    older: VecDeque<Vec<M::Id>>,
    kept: usize,
    heartbeats: usize,
}

/// All sets are of peers.
#[derive(Debug)]
struct Recent<M> {
    /// The message, when it has come.
    message: Option<M>,
    /// The number of the heartbeat before it came.
    came: usize,
    is_judged: bool,
    is_accepted: bool,
    /// The peer that brought it.
    from: u64,
    dont_want: u64,
    queued: u64,
    served: u64,
    promised: u64,
    promised_until: Nanos,
}

impl<M> Default for Recent<M> {
    fn default() -> Self {
        Self {
            message: None,
            came: 0,
            is_judged: false,
            is_accepted: false,
            from: 0,
            dont_want: 0,
            queued: 0,
            served: 0,
            promised: 0,
            promised_until: 0,
        }
    }
}

impl<M: Gossiped> Known<M> {
    pub(super) fn new(kept: usize) -> Self {
        Self {
            recent: HashMap::default(),
            seen: HashSet::default(),
            windows: VecDeque::from([Vec::new()]),
            older: VecDeque::new(),
            kept,
            heartbeats: 0,
        }
    }

    fn recent(&mut self, id: M::Id, topic: Topic) -> &mut Recent<M> {
        let window = self.windows.front_mut();
        self.recent.entry(id).or_insert_with(|| {
            if let Some(window) = window {
                window.push((topic, id));
            }
            Recent::default()
        })
    }

    pub(super) fn arrive(&mut self, message: &M, place: usize) -> Arrived {
        if self.seen.contains(&message.id()) {
            return Arrived::Again;
        }
        let came = self.heartbeats;
        let recent = self.recent(message.id(), message.topic());
        if recent.message.is_some() {
            if !recent.is_judged {
                recent.from |= bit(place);
            }
            return Arrived::Again;
        }
        (recent.message, recent.came) = (Some(message.clone()), came);
        recent.from = bit(place);
        let promised = recent.promised;
        Arrived::First { promised }
    }

    /// A message of our own; `false` when it is not the first time.
    pub(super) fn publish(&mut self, message: &M) -> bool {
        if self.seen.contains(&message.id()) {
            return false;
        }
        let came = self.heartbeats;
        let recent = self.recent(message.id(), message.topic());
        if recent.message.is_some() {
            return false;
        }
        (recent.message, recent.came) = (Some(message.clone()), came);
        (recent.is_judged, recent.is_accepted) = (true, true);
        true
    }

    /// The message and the peers that it came from, if it is still kept.
    pub(super) fn judged(&mut self, id: M::Id, is_accepted: bool) -> Option<(M, u64)> {
        let oldest = self.oldest_kept();
        let recent = self
            .recent
            .get_mut(&id)
            .filter(|recent| recent.came >= oldest)?;
        (recent.is_judged, recent.is_accepted) = (true, is_accepted);
        Some((recent.message.clone()?, recent.from))
    }

    /// Whether a peer that has it is to be asked for it.
    pub(super) fn is_missing(&self, id: M::Id, now: Nanos) -> bool {
        let recent = self.recent.get(&id);
        !self.seen.contains(&id)
            && recent.is_none_or(|recent| recent.message.is_none() && recent.promised_until <= now)
    }

    pub(super) fn promised(&mut self, id: M::Id, place: usize, until: Nanos) {
        let recent = self.recent(id, Topic::Vote);
        recent.promised |= bit(place);
        recent.promised_until = until;
    }

    /// A peer has asked for a message; each may once.
    pub(super) fn fetch(&mut self, id: M::Id, place: usize) -> Option<M> {
        let oldest = self.oldest_kept();
        let recent = self
            .recent
            .get_mut(&id)
            .filter(|recent| recent.came >= oldest)?;
        let is_allowed = recent.served & bit(place) == 0;
        recent.served |= bit(place);
        recent
            .message
            .clone()
            .filter(|_| is_allowed && recent.is_accepted)
    }

    /// A peer does not want a message; returns whether it was in its queue.
    pub(super) fn unwanted(&mut self, id: M::Id, place: usize) -> bool {
        if self.seen.contains(&id) {
            return false;
        }
        // Its topic is not known yet, and only what has come is announced.
        let recent = self.recent(id, Topic::Vote);
        recent.dont_want |= bit(place);
        let was_queued = recent.queued & bit(place) != 0;
        recent.queued &= !bit(place);
        was_queued
    }

    /// A message is to be queued for peers. Returns those for which it is not, because they do not want it or it waits already;
    /// for the others it is now taken to wait.
    pub(super) fn enters_queues(&mut self, id: M::Id, to: u64) -> u64 {
        let Some(recent) = self.recent.get_mut(&id) else {
            return to;
        };
        let not_to = recent.dont_want | recent.queued;
        recent.queued |= to & !not_to;
        not_to
    }

    /// A message leaves a peer's queue; `false` when it had been cancelled. One so old that it is not kept is sent as it is.
    pub(super) fn leaves_queue(&mut self, id: M::Id, place: usize) -> bool {
        let Some(recent) = self.recent.get_mut(&id) else {
            return true;
        };
        let was_queued = recent.queued & bit(place) != 0;
        recent.queued &= !bit(place);
        was_queued
    }

    /// What is announced of a topic: accepted messages of the latest heartbeats.
    pub(super) fn announced(&self, topic: Topic, heartbeats: usize) -> Vec<M::Id> {
        let ids = self.windows.iter().take(heartbeats).flatten();
        let accepted = ids.filter_map(|(_, id)| {
            let recent = self.recent.get(id)?;
            let message = recent.message.as_ref()?;
            (recent.is_accepted && message.topic() == topic).then_some(*id)
        });
        accepted.collect()
    }

    /// Messages that came before this heartbeat are not kept any more.
    fn oldest_kept(&self) -> usize {
        (self.heartbeats + 1).saturating_sub(self.kept)
    }

    /// A heartbeat has passed.
    pub(super) fn shift(&mut self) {
        self.heartbeats += 1;
        if self.windows.len() >= self.kept + QUEUED
            && let Some(oldest) = self.windows.pop_back()
        {
            let mut seen = Vec::with_capacity(oldest.len());
            for (_, id) in oldest {
                let has_come = |recent: Recent<M>| recent.message.is_some();
                if self.recent.remove(&id).is_some_and(has_come) {
                    self.seen.insert(id);
                    seen.push(id);
                }
            }
            self.older.push_front(seen);
        }
        self.windows.push_front(Vec::new());
        if self.older.len() + self.kept + QUEUED > RECOGNISED
            && let Some(forgotten) = self.older.pop_back()
        {
            for id in forgotten {
                self.seen.remove(&id);
            }
        }
    }

    /// Another peer will take this place.
    pub(super) fn forget_peer(&mut self, place: usize) {
        let others = !bit(place);
        #[expect(clippy::iter_over_hash_type, reason = "each by itself")]
        for recent in self.recent.values_mut() {
            for set in [
                &mut recent.from,
                &mut recent.dont_want,
                &mut recent.queued,
                &mut recent.served,
                &mut recent.promised,
            ] {
                *set &= others;
            }
        }
    }
}
