//! The gossip that a peer has received.

pub(crate) mod rpc;

use std::collections::{BTreeMap, HashSet, VecDeque};

use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::frames::unblock;
use rpc::{Message, Rpc};

/// Most messages, and most bytes of them, that are kept.
const MAX_MESSAGES: usize = 4096;
const MAX_BYTES: usize = 96 << 20;
/// Most ids and topics of each kind of control message.
const MAX_CONTROL: usize = 65_536;

/// A message that was heard.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) at: Instant,
    pub(crate) message: Message,
    /// Whether it is the checker's own, come back.
    pub(crate) is_ours: bool,
}

/// All that was heard, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Sounds {
    pub(crate) messages: VecDeque<Heard>,
    bytes: usize,
    /// Messages that other peers of the checker have published.
    published: HashSet<Vec<u8>>,
    /// Whether it subscribes to a topic, by the last it said.
    pub(crate) topics: BTreeMap<String, bool>,
    pub(crate) ihave: Vec<(String, Vec<u8>)>,
    pub(crate) iwant: Vec<Vec<u8>>,
    pub(crate) graft: Vec<String>,
    pub(crate) prune: Vec<String>,
    /// RPCs, and those that are no protocol buffers.
    pub(crate) rpcs: usize,
    pub(crate) undecodable: usize,
}

/// What one peer hears, and a bell.
#[derive(Debug)]
pub(crate) struct Log {
    sounds: Mutex<Sounds>,
    changed: watch::Sender<u64>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            sounds: Mutex::default(),
            changed: watch::Sender::new(0),
        }
    }
}

impl Log {
    /// Takes note of an RPC's bytes.
    pub(crate) fn hear(&self, bytes: &[u8]) {
        {
            let mut sounds = self.sounds.lock();
            match Rpc::decode(bytes) {
                Some(rpc) => sounds.take(rpc),
                None => sounds.undecodable += 1,
            }
        }
        self.changed.send_modify(|count| *count += 1);
    }

    /// The checker is about to publish these data elsewhere: should they come, they are its own.
    pub(crate) fn expect(&self, data: &[u8]) {
        let mut sounds = self.sounds.lock();
        if sounds.published.len() < MAX_MESSAGES {
            sounds.published.insert(data.to_vec());
        }
    }

    /// Looks at what was heard so far.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Sounds) -> T) -> T {
        look(&self.sounds.lock())
    }

    /// Waits until what was heard has this, at most until then.
    pub(crate) async fn wait<T>(
        &self,
        until: Instant,
        mut find: impl FnMut(&Sounds) -> Option<T>,
    ) -> Option<T> {
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            if let Some(found) = find(&self.sounds.lock()) {
                return Some(found);
            }
            timeout_at(until, changed.changed()).await.ok()?.ok()?;
        }
    }
}

impl Sounds {
    fn take(&mut self, rpc: Rpc) {
        self.rpcs += 1;
        for (subscribes, topic) in rpc.subscriptions {
            if self.topics.len() < MAX_CONTROL {
                self.topics.insert(topic, subscribes);
            }
        }
        for message in rpc.publish {
            self.bytes += message.data.len();
            let at = Instant::now();
            let is_ours = self.published.contains(&message.data);
            self.messages.push_back(Heard {
                at,
                message,
                is_ours,
            });
        }
        while self.messages.len() > MAX_MESSAGES || self.bytes > MAX_BYTES {
            let dropped = self.messages.pop_front();
            self.bytes -= dropped.map_or(0, |heard| heard.message.data.len());
        }
        let ihave = rpc.ihave.into_iter();
        let ihave =
            ihave.flat_map(|(topic, ids)| ids.into_iter().map(move |id| (topic.clone(), id)));
        extend(&mut self.ihave, ihave);
        extend(&mut self.iwant, rpc.iwant);
        extend(&mut self.graft, rpc.graft);
        extend(
            &mut self.prune,
            rpc.prune.into_iter().map(|(topic, _)| topic),
        );
    }

    /// The messages that the checker has not made itself.
    pub(crate) fn of_others(&self) -> impl DoubleEndedIterator<Item = &Heard> {
        self.messages.iter().filter(|heard| !heard.is_ours)
    }

    /// The messages of a topic, the checker's own among them.
    pub(crate) fn of<'a>(&'a self, topic: &'a str) -> impl DoubleEndedIterator<Item = &'a Heard> {
        let messages = self.messages.iter();
        messages.filter(move |heard| heard.message.topic == topic)
    }

    /// How often a message with this SSZ was heard on a topic, however it is compressed.
    pub(crate) fn count(&self, topic: &str, ssz: &[u8]) -> usize {
        let is_it = |heard: &&Heard| unblock(&heard.message.data).is_some_and(|data| data == ssz);
        self.of(topic).filter(is_it).count()
    }
}

fn extend<T>(list: &mut Vec<T>, more: impl IntoIterator<Item = T>) {
    let room = MAX_CONTROL.saturating_sub(list.len());
    list.extend(more.into_iter().take(room));
}
