//! Datagrams under way, in the order in which they arrive.

use std::collections::BTreeMap;

use tokio::time::Instant;

/// Memory that the kernel and this program use for a datagram beside its bytes.
const OVERHEAD: usize = 128;

/// Datagrams under way, by arrival time, up to a number of bytes. Further ones are lost, as in a router.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    waiting: BTreeMap<(Instant, u64), (T, Vec<u8>)>,
    number: u64,
    bytes: usize,
    max_bytes: usize,
}

impl<T> Queue<T> {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            waiting: BTreeMap::new(),
            number: 0,
            bytes: 0,
            max_bytes,
        }
    }

    /// Takes a datagram that arrives at `due`; false when there is no room for it.
    pub(crate) fn push(&mut self, due: Instant, way: T, datagram: Vec<u8>) -> bool {
        let bytes = datagram.len() + OVERHEAD;
        if self.bytes + bytes > self.max_bytes {
            return false;
        }
        self.bytes += bytes;
        self.number += 1;
        self.waiting.insert((due, self.number), (way, datagram));
        true
    }

    /// When the next one arrives.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    /// The next one that has arrived by `now`.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(T, Vec<u8>)> {
        let entry = self.waiting.first_entry()?;
        if entry.key().0 > now {
            return None;
        }
        let (way, datagram) = entry.remove();
        self.bytes -= datagram.len() + OVERHEAD;
        Some((way, datagram))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn datagrams_come_out_when_they_are_due_and_equal_ones_in_their_order() {
        let now = Instant::now();
        let later = |ms| now + Duration::from_millis(ms);
        let mut queue = Queue::new(10_000);
        for (due, name) in [(9, 'd'), (5, 'b'), (5, 'c'), (1, 'a')] {
            assert!(queue.push(later(due), name, vec![0; 10]));
        }
        assert_eq!(queue.next_due(), Some(later(1)));
        let until = |queue: &mut Queue<char>, now| {
            std::iter::from_fn(|| queue.pop(now))
                .map(|(name, _)| name)
                .collect::<String>()
        };
        assert_eq!(until(&mut queue, later(0)), "");
        assert_eq!(until(&mut queue, later(5)), "abc");
        assert_eq!(until(&mut queue, later(60)), "d");
        assert_eq!(queue.next_due(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_fit_is_lost_and_room_comes_back() {
        let now = Instant::now();
        let mut queue = Queue::new(2 * (100 + OVERHEAD));
        assert!(queue.push(now, (), vec![0; 100]));
        assert!(queue.push(now, (), vec![0; 100]));
        assert!(!queue.push(now, (), vec![]));
        assert!(queue.pop(now).is_some());
        assert!(queue.push(now, (), vec![0; 100]));
    }
}
