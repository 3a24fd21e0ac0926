//! Counts of peers by client for metrics.

use std::collections::BTreeMap;

use metrics::gauge;

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

/// Keeps the gauges of peers, so that those of clients that are gone fall to zero.
#[derive(Debug, Default)]
pub(super) struct Census {
    connected: BTreeMap<&'static str, u32>,
    in_mesh: BTreeMap<&'static str, u32>,
}

impl Census {
    pub(super) fn count_connected<'a>(&mut self, agents: impl Iterator<Item = Option<&'a str>>) {
        count(&mut self.connected, agents);
        for (client, peers) in &self.connected {
            gauge!("lean_connected_peers", "client" => *client).set(*peers);
        }
    }

    pub(super) fn count_mesh<'a>(&mut self, agents: impl Iterator<Item = Option<&'a str>>) {
        count(&mut self.in_mesh, agents);
        for (client, peers) in &self.in_mesh {
            gauge!("lean_gossip_mesh_peers", "client" => *client).set(*peers);
        }
    }
}

fn count<'a>(
    counts: &mut BTreeMap<&'static str, u32>,
    agents: impl Iterator<Item = Option<&'a str>>,
) {
    counts.values_mut().for_each(|count| *count = 0);
    for agent in agents {
        *counts.entry(client(agent)).or_default() += 1;
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

    #[test]
    fn a_client_that_is_gone_counts_zero() {
        let mut census = Census::default();
        census.count_connected([Some("ream"), Some("ream"), None].into_iter());
        census.count_connected([None].into_iter());
        assert_eq!(census.connected, [("ream", 0), (UNKNOWN, 1)].into());
    }
}
