//! Messages that wait for a place in the chain's queue.

use std::collections::VecDeque;

use metrics::gauge;
use quartet_chain::ChainMessage;

/// Messages that may wait before nothing more is read from peers. Then the peers' own queues and congestion windows fill.
const MAX_MESSAGES: usize = 64;
/// Bytes of blocks that may wait before that.
const MAX_BYTES: usize = 32 << 20;
/// Beyond this many, our own side waits as well.
const MAX_MESSAGES_WITH_OURS: usize = 2 * MAX_MESSAGES;

/// A queue that says when it is full. What is under way when it is may still be put in.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    messages: VecDeque<(ChainMessage, usize)>,
    bytes: usize,
}

impl Outbox {
    /// Adds a message with blocks of this many bytes.
    pub(crate) fn push(&mut self, message: ChainMessage, bytes: usize) {
        self.bytes += bytes;
        gauge!("quartet_network_outbox_bytes").set(self.bytes as f64);
        self.messages.push_back((message, bytes));
    }

    /// Removes the oldest message.
    pub(crate) fn pop(&mut self) -> Option<ChainMessage> {
        let (message, bytes) = self.messages.pop_front()?;
        self.bytes -= bytes;
        gauge!("quartet_network_outbox_bytes").set(self.bytes as f64);
        Some(message)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether more may be taken from peers.
    pub(crate) fn has_room_for_peers(&self) -> bool {
        self.messages.len() < MAX_MESSAGES && self.bytes < MAX_BYTES
    }

    /// Whether more may be taken from our own side.
    pub(crate) fn has_room_for_ours(&self) -> bool {
        self.messages.len() < MAX_MESSAGES_WITH_OURS
    }
}

#[cfg(test)]
mod tests {
    use quartet_chain::PeerName;

    use super::*;

    fn message() -> ChainMessage {
        let peer = PeerName::new("someone");
        ChainMessage::Disconnected { peer }
    }

    #[test]
    fn many_messages_or_many_bytes_fill_it_and_taking_them_makes_room() {
        for (messages, bytes) in [(MAX_MESSAGES, 0), (1, MAX_BYTES), (4, MAX_BYTES / 4)] {
            let mut outbox = Outbox::default();
            for _ in 0..messages {
                assert!(outbox.has_room_for_peers());
                outbox.push(message(), bytes);
            }
            assert!(!outbox.has_room_for_peers() && outbox.has_room_for_ours());
            outbox.pop().unwrap();
            assert!(outbox.has_room_for_peers());
        }
    }

    #[test]
    fn messages_of_our_own_are_held_back_last() {
        let mut outbox = Outbox::default();
        for _ in 0..MAX_MESSAGES_WITH_OURS {
            assert!(outbox.has_room_for_ours());
            outbox.push(message(), 0);
        }
        assert!(!outbox.has_room_for_ours());
    }
}
