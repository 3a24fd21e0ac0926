//! The nodes as they were last seen, and the events.

use std::collections::{BTreeMap, VecDeque};

use super::{
    node::{Down, Node},
    poll::Update,
};
use crate::lean_api::Place;

/// Events that are kept of all nodes.
const KEPT_EVENTS: usize = 200;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    /// Unix milliseconds.
    pub(super) at: u64,
    pub(super) node: usize,
    pub(super) is_bad: bool,
    pub(super) text: String,
}

/// All nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) nodes: Vec<Node>,
    /// The newest last.
    pub(super) events: VecDeque<Event>,
}

impl Model {
    /// Of nodes at these URLs.
    pub(super) fn new(urls: impl IntoIterator<Item = String>) -> Self {
        Self {
            nodes: urls.into_iter().map(Node::new).collect(),
            events: VecDeque::new(),
        }
    }

    /// Takes in the report of a node.
    pub(super) fn take(&mut self, update: Update) {
        let Some(node) = self.nodes.get_mut(update.node) else {
            return;
        };
        let mut said = Vec::new();
        match update.outcome {
            Ok(report) => node.take(report, update.at, &mut said),
            Err(why) if node.down.is_none() => {
                said.push((true, why.to_string()));
                node.down = Some(Down {
                    since: update.at,
                    why: why.to_string(),
                });
            }
            Err(why) => {
                if let Some(down) = &mut node.down {
                    down.why = why.to_string();
                }
            }
        }
        for (is_bad, text) in said {
            if self.events.len() == KEPT_EVENTS {
                self.events.pop_front();
            }
            self.events.push_back(Event {
                at: update.at,
                node: update.node,
                is_bad,
                text,
            });
        }
    }

    /// The head that most nodes have which answer, where they differ: those with another one disagree.
    pub(super) fn common_head(&self) -> Option<Place> {
        let mut heads: BTreeMap<(&str, u64), usize> = BTreeMap::new();
        for node in self.nodes.iter().filter(|node| node.down.is_none()) {
            if let Some(head) = node.facts.as_ref().and_then(|facts| facts.head.as_ref()) {
                *heads.entry((&head.root, head.slot)).or_default() += 1;
            }
        }
        let most = heads
            .iter()
            .max_by_key(|((_, slot), nodes)| (**nodes, *slot))?;
        let ((root, slot), _) = most;
        Some(Place {
            root: (*root).to_owned(),
            slot: *slot,
        })
    }

    /// Whether a node names another block than the others for one slot, which no delay explains.
    pub(super) fn disagrees(&self, node: &Node) -> bool {
        let roots = |node: &Node| -> Vec<(u64, String)> {
            let places = node.facts.iter().flat_map(|facts| {
                [&facts.head, &facts.justified, &facts.finalized]
                    .into_iter()
                    .flatten()
                    .map(|place| (place.slot, place.root.clone()))
                    .collect::<Vec<_>>()
            });
            let rows = node
                .slots
                .values()
                .filter_map(|row| Some((row.slot, row.block.clone()?)));
            places
                .chain(rows)
                .filter(|(_, root)| !root.is_empty())
                .collect()
        };
        let Some(common) = self.common_head() else {
            return false;
        };
        let own = node.facts.as_ref().and_then(|facts| facts.head.as_ref());
        let Some(own) = own.filter(|own| node.down.is_none() && **own != common) else {
            return false;
        };
        // If one is ahead of the other, its block at the other's slot decides.
        let conflicts = |roots: Vec<(u64, String)>, place: &Place| {
            roots
                .iter()
                .any(|(slot, root)| *slot == place.slot && *root != place.root)
        };
        let has_common = |other: &&Node| {
            other.facts.as_ref().and_then(|facts| facts.head.as_ref()) == Some(&common)
        };
        conflicts(roots(node), &common)
            || self
                .nodes
                .iter()
                .filter(has_common)
                .any(|other| conflicts(roots(other), own))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        lean_api::{Condition, Facts, Failure, Validator},
        watch::{
            node::{KEPT_LAGS, KEPT_SLOTS},
            poll::{NodeReport, SlotReport},
        },
    };

    pub(crate) fn place(slot: u64, root: &str) -> Place {
        Place {
            root: root.to_owned(),
            slot,
        }
    }

    pub(crate) fn report(name: &str, slot: u64, root: &str) -> NodeReport {
        NodeReport {
            facts: Facts {
                condition: Condition::Synced,
                name: Some(name.to_owned()),
                current_slot: Some(slot),
                head: Some(place(slot, root)),
                justified: Some(place(slot - 2, "0xjustified")),
                finalized: Some(place(slot - 3, "0xfinalized")),
                peers: Some(3),
                validator_count: Some(4),
                ..Facts::default()
            },
            ..NodeReport::default()
        }
    }

    pub(crate) fn update(node: usize, at: u64, outcome: Result<NodeReport, Failure>) -> Update {
        Update { node, at, outcome }
    }

    pub(crate) fn refused() -> Failure {
        Failure::NotReached("cannot connect: Connection refused".to_owned())
    }

    fn texts(model: &Model) -> Vec<&str> {
        model
            .events
            .iter()
            .map(|event| event.text.as_str())
            .collect()
    }

    #[test]
    fn a_node_goes_and_comes_back() {
        let mut model = Model::new(["http://a:1".to_owned()]);
        assert_eq!(model.nodes[0].name(), "a:1");
        model.take(update(0, 1_000, Ok(report("quartet_0", 10, "0xa"))));
        model.take(update(0, 2_000, Err(refused())));
        model.take(update(0, 3_000, Err(refused())));
        assert_eq!(model.nodes[0].down.as_ref().unwrap().since, 2_000);
        assert_eq!(model.nodes[0].condition(), None);
        assert_eq!(model.nodes[0].name(), "quartet_0");
        model.take(update(0, 4_000, Ok(report("quartet_0", 11, "0xb"))));
        assert_eq!(model.nodes[0].condition(), Some(Condition::Synced));
        let said = texts(&model);
        assert_eq!(said.len(), 3);
        assert_eq!((said[0], said[2]), ("seen, synced", "answers again"));
        model.take(update(7, 4_000, Ok(NodeReport::default())));
    }

    #[test]
    fn only_different_blocks_of_one_slot_are_a_disagreement() {
        let urls = (0..3).map(|port| format!("http://a:{port}"));
        let mut model = Model::new(urls);
        for node in 0..3 {
            model.take(update(node, 1, Ok(report("x", 10, "0xa"))));
        }
        let disagreements = |model: &Model| {
            model
                .nodes
                .iter()
                .map(|node| model.disagrees(node))
                .collect::<Vec<_>>()
        };
        assert_eq!(disagreements(&model), [false; 3]);
        // One has not got the new block yet.
        model.take(update(2, 2, Ok(report("x", 9, "0x9"))));
        assert_eq!(disagreements(&model), [false; 3]);
        model.take(update(2, 3, Ok(report("x", 10, "0xb"))));
        assert_eq!(disagreements(&model), [false, false, true]);
        model.take(update(2, 4, Err(refused())));
        assert_eq!(disagreements(&model), [false; 3]);
    }

    #[test]
    fn what_the_model_keeps_is_bounded() {
        let mut model = Model::new(["a".to_owned()]);
        for slot in 3..1_000 {
            let mut seen = report("x", slot, "0xa");
            seen.slots = vec![SlotReport {
                slot,
                ..SlotReport::default()
            }];
            model.take(update(0, slot * 2, Ok(seen)));
            model.take(update(0, slot * 2 + 1, Err(refused())));
        }
        let node = &model.nodes[0];
        assert_eq!(node.slots.len(), KEPT_SLOTS);
        assert_eq!(node.lags.len(), KEPT_LAGS);
        assert_eq!(model.events.len(), KEPT_EVENTS);
        assert!(node.slots.contains_key(&999));
    }

    #[test]
    fn a_silent_head_is_noticed_where_the_node_has_no_word_for_it() {
        let mut model = Model::new(["a".to_owned()]);
        let foreign = || {
            let mut seen = report("x", 10, "0xa");
            seen.facts.condition = Condition::Unknown;
            Ok(seen)
        };
        model.take(update(0, 100_000, foreign()));
        model.take(update(0, 132_000, foreign()));
        assert_eq!(model.nodes[0].condition(), Some(Condition::Unknown));
        model.take(update(0, 132_001, foreign()));
        assert_eq!(model.nodes[0].condition(), Some(Condition::Stalled));
    }

    #[test]
    fn a_replaced_block_and_a_missed_duty_are_events() {
        let mut model = Model::new(["a".to_owned()]);
        let seen = |block: &str, missed| {
            let mut seen = report("x", 10, block);
            seen.slots = vec![SlotReport {
                slot: 9,
                block: Some(block.to_owned()),
                ..SlotReport::default()
            }];
            let mut validator = Validator {
                index: 3,
                local: true,
                ..Validator::default()
            };
            validator.record.votes.missed = missed;
            seen.validators = Some(vec![validator]);
            Ok(seen)
        };
        model.take(update(0, 1, seen("0xa", 0)));
        model.take(update(0, 2, seen("0xb", 1)));
        let said = texts(&model);
        assert!(
            said.contains(&"another block at slot 9: reorganised"),
            "{said:?}"
        );
        assert!(said.contains(&"validator 3 missed a vote"), "{said:?}");
    }
}
