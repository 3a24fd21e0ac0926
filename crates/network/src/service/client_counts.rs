//! Counts of peers by client for metrics.

use std::collections::BTreeMap;

use metrics::gauge;
use quartet_chain::PeerName;

use crate::MAX_NAMED_PEERS;

/// The clients of this network by the beginning of their agent strings. What a peer says is not used as
/// a label itself, or peers could make metrics without end.
const CLIENTS: [&str; 12] = [
    "quartet",
    "ream",
    "zeam",
    "qlean",
    "lantern",
    "ethlambda",
    "grandine",
    "lighthouse",
    "nlean",
    "peam",
    "gean",
    "lean-spec",
];
const UNKNOWN: &str = "unknown";

/// The client with this agent string.
pub(super) fn client(agent: Option<&str>) -> &'static str {
    let agent = agent.unwrap_or_default();
    let known = CLIENTS.into_iter().find(|client| {
        let start = agent.get(..client.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(client))
    });
    known.unwrap_or(UNKNOWN)
}

/// A peer that is counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CountedPeer<'a> {
    pub(super) name: Option<&'a PeerName>,
    /// The software it says it runs.
    pub(super) agent: Option<&'a str>,
}

/// Keeps the gauges of peers, so that those of clients that are gone fall to zero.
#[derive(Debug, Default)]
pub(super) struct ClientCounts {
    /// What peers are called that are not called after their clients.
    labels: BTreeMap<PeerName, String>,
    connected: BTreeMap<String, u32>,
    in_mesh: BTreeMap<String, u32>,
}

impl ClientCounts {
    pub(super) fn new(mut labels: BTreeMap<PeerName, String>) -> Self {
        while labels.len() > MAX_NAMED_PEERS {
            labels.pop_last();
        }
        Self {
            labels,
            ..Self::default()
        }
    }

    pub(super) fn count_connected<'a>(&mut self, peers: impl Iterator<Item = CountedPeer<'a>>) {
        count(&self.labels, &mut self.connected, peers);
        for (label, peers) in &self.connected {
            gauge!("lean_connected_peers", "client" => label.clone()).set(*peers);
        }
    }

    pub(super) fn count_mesh<'a>(&mut self, peers: impl Iterator<Item = CountedPeer<'a>>) {
        count(&self.labels, &mut self.in_mesh, peers);
        for (label, peers) in &self.in_mesh {
            gauge!("lean_gossip_mesh_peers", "client" => label.clone()).set(*peers);
        }
    }
}

fn count<'a>(
    labels: &BTreeMap<PeerName, String>,
    counts: &mut BTreeMap<String, u32>,
    peers: impl Iterator<Item = CountedPeer<'a>>,
) {
    counts.values_mut().for_each(|count| *count = 0);
    for peer in peers {
        let label = peer.name.and_then(|name| labels.get(name));
        let label = label.map_or_else(|| client(peer.agent), String::as_str);
        match counts.get_mut(label) {
            Some(count) => *count += 1,
            None => {
                counts.insert(label.to_owned(), 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_known_by_their_agent_strings_and_strangers_are_one() {
        let cases = [
            (Some("quartet/0.1.0"), "quartet"),
            (Some("Ream-v0.1"), "ream"),
            (Some("rust-libp2p/0.47"), UNKNOWN),
            (Some("é"), UNKNOWN),
            (None, UNKNOWN),
        ];
        for (agent, expected) in cases {
            assert_eq!(client(agent), expected);
        }
    }

    fn with_agent(agent: &str) -> CountedPeer<'_> {
        CountedPeer {
            name: None,
            agent: Some(agent),
        }
    }

    #[test]
    fn a_client_that_is_gone_counts_zero() {
        let mut counts = ClientCounts::default();
        let ream = with_agent("ream");
        counts.count_connected([ream, ream, CountedPeer::default()].into_iter());
        counts.count_connected([CountedPeer::default()].into_iter());
        let expected = [("ream".to_owned(), 0), (UNKNOWN.to_owned(), 1)];
        assert_eq!(counts.connected, expected.into());
    }

    #[test]
    fn a_peer_with_a_name_of_its_own_counts_by_it_whatever_it_says() {
        let named = PeerName::new("16Uiu2");
        let mut counts = ClientCounts::new([(named.clone(), "zeam_0".to_owned())].into());
        let peer = CountedPeer {
            name: Some(&named),
            ..with_agent("ream")
        };
        counts.count_mesh([peer, with_agent("ream")].into_iter());
        let expected = [("ream".to_owned(), 1), ("zeam_0".to_owned(), 1)];
        assert_eq!(counts.in_mesh, expected.into());
    }

    #[test]
    fn names_are_bounded() {
        let many = (0..2 * MAX_NAMED_PEERS).map(|n| (PeerName::new(n.to_string()), n.to_string()));
        assert_eq!(
            ClientCounts::new(many.collect()).labels.len(),
            MAX_NAMED_PEERS
        );
    }
}
