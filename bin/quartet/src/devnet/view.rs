//! The nodes' views of the chain, and whether they agree.

use std::net::SocketAddr;

use quartet_types::{Checkpoint, Root, Slot};
use serde::{Deserialize, Serialize};

use super::{
    guests::GuestView,
    http::{self, HttpError},
};

/// How far finality may be behind the clock's slot in a healthy network.
pub(super) const MAX_FINALITY_LAG: u64 = 4;
/// The same with other clients in it: not all take all votes into their blocks.
pub(super) const MAX_MIXED_FINALITY_LAG: u64 = 8;

/// All that is asked of a node, in one batch; see `docs/rpc.md`.
const QUESTIONS: &str = r#"[
{"jsonrpc":"2.0","id":0,"method":"lean_head"},
{"jsonrpc":"2.0","id":1,"method":"lean_finality"},
{"jsonrpc":"2.0","id":2,"method":"lean_peers"}]"#;

/// A node's view of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChainView {
    pub(super) head: Checkpoint,
    pub(super) justified: Checkpoint,
    pub(super) finalized: Checkpoint,
}

/// A node's view of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeView {
    pub(super) chain: ChainView,
    /// How many peers it has.
    pub(super) peers: usize,
}

/// A block, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Point {
    pub(super) slot: Slot,
    pub(super) root: Option<Root>,
}

/// The view of a node of our own or of a guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) head: Option<Point>,
    pub(super) justified: Option<Point>,
    pub(super) finalized: Option<Point>,
    pub(super) peers: Option<usize>,
}

impl From<NodeView> for Seen {
    fn from(NodeView { chain, peers }: NodeView) -> Self {
        let point = |Checkpoint { slot, root }| {
            let root = Some(root);
            Some(Point { slot, root })
        };
        Self {
            head: point(chain.head),
            justified: point(chain.justified),
            finalized: point(chain.finalized),
            peers: Some(peers),
        }
    }
}

/// Why a node's view is not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum ViewError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("not an answer of JSON-RPC: {0}")]
    Json(#[from] serde_json::Error),
    #[error("no result of {0}")]
    Missing(&'static str),
}

#[derive(Deserialize)]
struct Answer {
    id: u8,
    #[serde(default)]
    result: serde_json::Value,
}

#[derive(Deserialize)]
struct Finality {
    justified: Checkpoint,
    finalized: Checkpoint,
}

#[derive(Deserialize)]
struct PeerCount {
    count: usize,
}

impl NodeView {
    /// Asks the node that serves JSON-RPC at `node`.
    ///
    /// # Errors
    /// When it does not answer, or otherwise than expected.
    pub(super) async fn ask(node: SocketAddr) -> Result<Self, ViewError> {
        Self::parse(&http::post(node, "/", QUESTIONS).await?)
    }

    fn parse(answers: &str) -> Result<Self, ViewError> {
        let mut answers: Vec<Answer> = serde_json::from_str(answers)?;
        // A batch may be answered in any order.
        let mut take = |id, method| {
            let answer = answers.iter_mut().find(|answer| answer.id == id);
            let result = answer.map(|answer| answer.result.take());
            (result.filter(|result| !result.is_null())).ok_or(ViewError::Missing(method))
        };
        let head = serde_json::from_value(take(0, "lean_head")?)?;
        let finality: Finality = serde_json::from_value(take(1, "lean_finality")?)?;
        let peers: PeerCount = serde_json::from_value(take(2, "lean_peers")?)?;
        Ok(Self {
            chain: ChainView {
                head,
                justified: finality.justified,
                finalized: finality.finalized,
            },
            peers: peers.count,
        })
    }
}

/// All nodes' views at one moment, in the order of the nodes; `None` where a node did not answer.
pub(super) type Views = Vec<Option<NodeView>>;

/// How far the nodes agree on head, justified and finalized checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Agreement {
    /// The view that most nodes share, the first node's among equals; `None` when no node answered.
    pub(super) chain: Option<ChainView>,
    /// How many share it.
    pub(super) sharing: usize,
    /// How many nodes there are, those that did not answer included.
    pub(super) nodes: usize,
}

impl Agreement {
    /// Compares the nodes' views.
    pub(super) fn among(views: &[Option<NodeView>]) -> Self {
        let mut agreement = Self {
            chain: None,
            sharing: 0,
            nodes: views.len(),
        };
        let chains = || views.iter().flatten().map(|view| view.chain);
        for chain in chains() {
            let sharing = chains().filter(|other| *other == chain).count();
            if sharing > agreement.sharing {
                agreement.chain = Some(chain);
                agreement.sharing = sharing;
            }
        }
        agreement
    }

    /// The same with guests, of which each agrees that has the head of `chain`.
    pub(super) fn with(mut self, guests: &[Option<GuestView>]) -> Self {
        let agrees = |guest: &&GuestView| self.chain.is_some_and(|chain| guest.has_head_of(&chain));
        self.sharing += guests.iter().flatten().filter(agrees).count();
        self.nodes += guests.len();
        self
    }

    /// Whether all nodes answered and say the same.
    pub(super) fn is_full(&self) -> bool {
        self.nodes > 0 && self.sharing == self.nodes
    }

    /// Why the network is not healthy at `slot`, if it is not. Finality may be `most` slots behind.
    pub(super) fn complaint(&self, slot: Slot, most: u64) -> Option<String> {
        let Some(chain) = self.chain else {
            return Some("no node answers".to_owned());
        };
        if !self.is_full() {
            let Self { sharing, nodes, .. } = self;
            return Some(format!("only {sharing} of {nodes} nodes agree"));
        }
        let lag = slot.saturating_sub(chain.finalized.slot);
        (lag > most).then(|| {
            format!(
                "finality is {lag} slots behind slot {slot}, more than {most}: \
                 slot {} is the last finalized one",
                chain.finalized.slot
            )
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use quartet_types::Root;

    use super::*;

    pub(in super::super) fn view(head: u64, byte: u8) -> Option<NodeView> {
        let checkpoint = |slot: u64, byte| Checkpoint {
            slot,
            root: Root::repeat_byte(byte),
        };
        Some(NodeView {
            chain: ChainView {
                head: checkpoint(head, byte),
                justified: checkpoint(head.saturating_sub(2), 2),
                finalized: checkpoint(head.saturating_sub(3), 3),
            },
            peers: 3,
        })
    }

    #[test]
    fn answers_are_matched_by_their_id() {
        let root = format!("\"0x{}\"", "0a".repeat(32));
        let answers = format!(
            r#"[{{"jsonrpc":"2.0","id":2,"result":{{"count":3,"peers":[]}}}},
                {{"jsonrpc":"2.0","id":0,"result":{{"slot":7,"root":{root}}}}},
                {{"jsonrpc":"2.0","id":1,"result":{{"justified":{{"slot":5,"root":{root}}},
                  "finalized":{{"slot":4,"root":{root}}}}}}}]"#
        );
        let view = NodeView::parse(&answers).unwrap();
        assert_eq!(view.chain.head.slot, 7);
        assert_eq!(view.chain.justified.slot, 5);
        assert_eq!(view.chain.finalized.slot, 4);
        assert_eq!(view.peers, 3);
    }

    #[test]
    fn errors_and_foreign_answers_are_told() {
        let error = r#"[{"jsonrpc":"2.0","id":0,"error":{"code":-32603,"message":"no"}}]"#;
        for (answers, expected) in [
            (error, "no result of lean_head"),
            ("[]", "no result of lean_head"),
            ("hello", "not an answer of JSON-RPC"),
        ] {
            let message = NodeView::parse(answers).unwrap_err().to_string();
            assert!(message.contains(expected), "{message} lacks {expected}");
        }
    }

    #[test]
    fn nodes_with_the_same_view_agree_whatever_their_peers() {
        let mut other = view(9, 1);
        other.as_mut().unwrap().peers = 1;
        let agreement = Agreement::among(&[view(9, 1), other]);
        assert!(agreement.is_full());
        assert_eq!(agreement.complaint(9, MAX_FINALITY_LAG), None);
    }

    #[test]
    fn the_view_of_most_nodes_is_told_and_the_first_among_equals() {
        let most = Agreement::among(&[view(9, 1), view(9, 7), None, view(9, 7)]);
        assert_eq!(most.chain, view(9, 7).map(|view| view.chain));
        assert_eq!((most.sharing, most.nodes), (2, 4));
        assert_eq!(
            most.complaint(9, MAX_FINALITY_LAG).unwrap(),
            "only 2 of 4 nodes agree"
        );
        let equals = Agreement::among(&[view(9, 1), view(9, 7)]);
        assert_eq!(equals.chain, view(9, 1).map(|view| view.chain));
    }

    #[test]
    fn a_node_without_an_answer_does_not_agree() {
        let agreement = Agreement::among(&[view(9, 1), None]);
        assert!(!agreement.is_full());
        assert!(!Agreement::among(&[]).is_full());
        let silent = Agreement::among(&[None, None]).complaint(9, MAX_FINALITY_LAG);
        assert_eq!(silent.unwrap(), "no node answers");
    }

    #[test]
    fn finality_may_be_four_slots_behind_the_clock_and_not_five() {
        let agreement = Agreement::among(&[view(9, 1)]);
        assert_eq!(agreement.complaint(10, MAX_FINALITY_LAG), None);
        let complaint = agreement.complaint(11, MAX_FINALITY_LAG).unwrap();
        assert!(complaint.contains("5 slots behind slot 11"), "{complaint}");
    }
}
