//! What the validators of a client did, as one of our nodes saw it.

use serde::Serialize;

use super::{super::layout::NodeLayout, records::Records};

/// What a client's validators did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(in super::super) struct ClientTally {
    pub(super) client: String,
    pub(super) nodes: usize,
    pub(super) validators: usize,
    /// Slots in which one of its validators was to propose, but for the last one, whose block may be on its way.
    pub(super) blocks_due: u64,
    /// Of these, those in which its block is in the chain.
    pub(super) blocks_in_chain: u64,
    /// Blocks that came; one that is not in the chain was passed over.
    pub(super) blocks_seen: u64,
    /// Votes that were to come.
    pub(super) votes_due: u64,
    /// Votes that came, on their own or with a block, until the end of the next slot.
    pub(super) votes_counted: u64,
    /// Of these, those that came in the second half of their slot or later.
    pub(super) votes_late: u64,
    /// Votes that were found in a block.
    pub(super) votes_in_blocks: u64,
}

impl ClientTally {
    /// Of all clients, in the order of their first nodes.
    pub(in super::super) fn of(nodes: &[NodeLayout], records: &Records) -> Vec<Self> {
        let mut tallies: Vec<Self> = Vec::new();
        for node in nodes {
            let client = node.client();
            let place = tallies.iter().position(|tally| tally.client == client);
            let place = place.unwrap_or_else(|| {
                tallies.push(Self {
                    client: client.to_owned(),
                    ..Self::default()
                });
                tallies.len() - 1
            });
            tallies[place].add(node, records);
        }
        tallies
    }

    fn add(&mut self, node: &NodeLayout, records: &Records) {
        self.nodes += 1;
        self.validators += node.validators.len();
        let is_its = |index: &u64| node.validators.contains(index);
        let last = records.slots.iter().map(|duties| duties.slot).max();
        for duties in records
            .slots
            .iter()
            .filter(|duties| Some(duties.slot) < last)
        {
            if duties.proposer_index.as_ref().is_some_and(is_its) {
                self.blocks_due += 1;
                self.blocks_in_chain += u64::from(duties.block.is_some());
            }
        }
        let its = records
            .validators
            .iter()
            .filter(|validator| is_its(&validator.index));
        for record in its.map(|validator| &validator.record) {
            self.blocks_seen += record.proposals.done;
            self.votes_due += record.slots;
            self.votes_counted += record.votes.on_time + record.votes.late;
            self.votes_late += record.votes.late;
            self.votes_in_blocks += record.votes.included;
        }
    }

    /// What is wrong with the client, if anything is.
    pub(super) fn complaints(&self) -> Vec<String> {
        let Self { client, .. } = self;
        let mut complaints = Vec::new();
        // Half of them: a client that starts slowly, or misses a duty now and then, still takes part.
        if self.blocks_in_chain * 2 < self.blocks_due {
            complaints.push(format!(
                "{} of {} blocks that {client} was to make are in the chain, and {} came at all",
                self.blocks_in_chain, self.blocks_due, self.blocks_seen
            ));
        }
        if self.votes_counted * 2 < self.votes_due {
            complaints.push(format!(
                "{} of {} votes of {client} were counted",
                self.votes_counted, self.votes_due
            ));
        }
        complaints
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use quartet_types::Root;

    use super::{
        super::{
            super::ports::NodePorts,
            records::{Duties, Proposals, Record, Validator, Votes},
        },
        *,
    };

    fn records() -> Records {
        let validator = |index, votes| Validator {
            index,
            record: Record {
                slots: 10,
                votes: Votes {
                    on_time: votes,
                    late: 1,
                    included: 2,
                },
                proposals: Proposals { done: 5 },
            },
        };
        let slots = (1..=11).map(|slot| Duties {
            slot,
            proposer_index: Some(slot % 2),
            block: (slot % 2 == 0 || slot == 1).then_some(Root::ZERO),
        });
        Records {
            validators: vec![validator(0, 9), validator(1, 3)],
            slots: slots.collect(),
        }
    }

    #[test]
    fn each_client_has_what_its_validators_did() {
        let mut node = NodeLayout::new(Path::new("/net"), 0, NodePorts::from_base(9_000, 0));
        node.validators = vec![0];
        let all = ClientTally::of(&[node.clone()], &records());
        assert_eq!((all[0].blocks_due, all[0].blocks_in_chain), (5, 5));
        assert_eq!(
            (all[0].votes_due, all[0].votes_counted, all[0].votes_late),
            (10, 10, 1)
        );
        assert_eq!(all[0].complaints(), [""; 0]);
        node.validators = vec![1];
        let all = ClientTally::of(&[node], &records());
        assert_eq!((all[0].blocks_due, all[0].blocks_in_chain), (5, 1));
        assert_eq!(
            all[0].complaints(),
            [
                "1 of 5 blocks that quartet was to make are in the chain, and 5 came at all",
                "4 of 10 votes of quartet were counted"
            ]
        );
    }
}
