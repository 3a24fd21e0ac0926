//! The table of clients and the ports by which the target knows them, as in a router.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
};

/// A bounded table by client; a new client replaces the one that was silent for the longest time.
#[derive(Debug)]
pub(crate) struct Flows<T> {
    by_client: HashMap<SocketAddr, (u64, T)>,
    by_use: BTreeMap<u64, SocketAddr>,
    uses: u64,
    max: usize,
}

impl<T> Flows<T> {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            by_client: HashMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
            max: max.max(1),
        }
    }

    /// What belongs to this client, which has just been heard of; `None` when it is not known.
    pub(crate) fn touch(&mut self, client: SocketAddr) -> Option<&T> {
        self.uses += 1;
        let (last, flow) = self.by_client.get_mut(&client)?;
        self.by_use.remove(last);
        *last = self.uses;
        self.by_use.insert(self.uses, client);
        Some(flow)
    }

    /// Takes in a client.
    pub(crate) fn insert(&mut self, client: SocketAddr, flow: T) {
        if self.by_client.len() >= self.max
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.by_client.remove(&oldest);
        }
        self.uses += 1;
        self.by_use.insert(self.uses, client);
        self.by_client.insert(client, (self.uses, flow));
    }

    pub(crate) fn len(&self) -> usize {
        self.by_client.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn the_client_that_was_silent_for_longest_makes_room() {
        let mut flows = Flows::new(3);
        for port in 1..=3 {
            flows.insert(client(port), port);
        }
        assert_eq!(flows.touch(client(1)), Some(&1));
        flows.insert(client(4), 4);
        assert_eq!(flows.len(), 3);
        assert_eq!(flows.touch(client(2)), None);
        for port in [1, 3, 4] {
            assert_eq!(flows.touch(client(port)), Some(&port));
        }
    }
}
