//! What waits, held against a plain list of it.
// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used)]

mod plain;

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;
use plain::{Plain, Waiting, WaitingVote};

/// Whose proposer attests with a block to what.
#[derive(Clone, Copy, Debug)]
enum Own {
    Block,
    Parent,
    Other,
}

/// A block that may come: it builds on an earlier one or on one that never comes, and carries votes for earlier ones.
#[derive(Clone, Debug)]
struct Plan {
    parent: Index,
    slots: Slot,
    votes: Vec<(ValidatorIndex, Index)>,
    own: Own,
    is_authentic: bool,
}

/// What happens. Blocks are called by their places.
#[derive(Clone, Debug)]
enum Step {
    Park(Index),
    ParkForName(Index, Index),
    Vote(ValidatorIndex, Slot, Index, Index),
    Take(Index),
    Release(Index),
    Condemn(Index),
    Finalize(Slot),
    Count(Index, usize),
}

fn plan() -> impl Strategy<Value = Plan> {
    let own = prop_oneof![Just(Own::Block), Just(Own::Parent), Just(Own::Other)];
    let votes = vec((0u64..6, any::<Index>()), 0..3);
    let plan = (
        any::<Index>(),
        1u64..3,
        votes,
        own,
        proptest::bool::weighted(0.8),
    );
    plan.prop_map(|(parent, slots, votes, own, is_authentic)| Plan {
        parent,
        slots,
        votes,
        own,
        is_authentic,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let any = any::<Index>;
    prop_oneof![
        6 => any().prop_map(Step::Park),
        2 => (any(), any()).prop_map(|(block, name)| Step::ParkForName(block, name)),
        8 => (0u64..6, 0u64..20, any(), any())
            .prop_map(|(validator, slot, under, head)| Step::Vote(validator, slot, under, head)),
        2 => any().prop_map(Step::Take),
        2 => any().prop_map(Step::Release),
        1 => any().prop_map(Step::Condemn),
        1 => (0u64..14).prop_map(Step::Finalize),
        3 => (any(), 0usize..4).prop_map(|(block, threshold)| Step::Count(block, threshold)),
    ]
}

/// The blocks of the plans, after two that never come.
struct Blocks {
    roots: Vec<Root>,
    slots: Vec<Slot>,
    parents: Vec<usize>,
    plans: Vec<Option<Plan>>,
}

impl Blocks {
    fn new(plans: Vec<Plan>) -> Self {
        let mut blocks = Self {
            roots: [1, 2].map(Root::repeat_byte).to_vec(),
            slots: vec![0, 3],
            parents: vec![0, 1],
            plans: vec![None, None],
        };
        for plan in plans {
            let parent = plan.parent.index(blocks.roots.len());
            blocks.parents.push(parent);
            blocks.slots.push(blocks.slots[parent] + plan.slots);
            blocks.plans.push(Some(plan));
            let made = blocks.make(blocks.parents.len() - 1);
            blocks.roots.push(made.root);
        }
        blocks
    }

    /// Those that can come.
    fn pick(&self, index: &Index) -> usize {
        2 + index.index(self.roots.len() - 2)
    }

    /// The votes in a block's body, and for which blocks they are.
    fn body(&self, at: usize) -> Vec<(ValidatorIndex, usize)> {
        let plan = self.plans[at].as_ref();
        let votes = plan.into_iter().flat_map(|plan| &plan.votes);
        votes
            .map(|(validator, head)| (*validator, head.index(at)))
            .collect()
    }

    /// These, and its proposer's.
    fn votes(&self, at: usize) -> Vec<(ValidatorIndex, usize)> {
        let own = match self.plans[at].as_ref().map(|plan| plan.own) {
            Some(Own::Block) => Some(at),
            Some(Own::Parent) => Some(self.parents[at]),
            Some(Own::Other) | None => None,
        };
        let own = own.map(|head| (self.proposer(at), head));
        self.body(at).into_iter().chain(own).collect()
    }

    fn proposer(&self, at: usize) -> ValidatorIndex {
        self.slots[at] % 6
    }

    fn make(&self, at: usize) -> PendingBlock {
        let (slot, parent) = (self.slots[at], self.roots[self.parents[at]]);
        let plan = self.plans[at].as_ref().unwrap();
        let votes = self.body(at);
        let body = votes
            .iter()
            .map(|(validator, head)| vote(*validator, self.roots[*head], 1));
        let mut message = BlockWithAttestation {
            block: Block {
                slot,
                proposer_index: self.proposer(at),
                parent_root: parent,
                // No two are the same.
                state_root: Root::repeat_byte(at as u8),
                ..Block::default()
            },
            ..BlockWithAttestation::default()
        };
        message.block.body.attestations = body.collect::<Vec<_>>().try_into().unwrap();
        let root = message.block.tree_hash_root();
        let own = &mut message.proposer_attestation;
        own.validator_id = message.block.proposer_index;
        own.data.slot = slot;
        (own.data.head.root, own.data.head.slot) = match plan.own {
            Own::Block => (root, slot),
            Own::Parent => (parent, slot - 1),
            Own::Other => (Root::repeat_byte(7), slot),
        };
        let signature = vec![Signature::default(); votes.len() + 1]
            .try_into()
            .unwrap();
        let block = Arc::new(SignedBlockWithAttestation { message, signature });
        let origin = Origin::Gossip(PeerName::new("peer"));
        let mut pending = PendingBlock::new(root, block, origin, Vec::new());
        pending.is_authentic = plan.is_authentic;
        pending
    }
}

fn roots(blocks: &[PendingBlock]) -> Vec<Root> {
    let mut roots: Vec<Root> = blocks.iter().map(|block| block.root).collect();
    roots.sort_unstable();
    roots
}

fn play(blocks: &Blocks, plain: &mut Plain, parking: &mut Parking, step: &Step) {
    let any = |index: &Index| index.index(blocks.roots.len());
    match step {
        Step::Park(block) => {
            let at = blocks.pick(block);
            let parent = blocks.roots[blocks.parents[at]];
            parking.park_block(blocks.make(at), parent, Wait::Parent);
            plain.park(blocks, at, parent, Wait::Parent);
        }
        Step::ParkForName(block, name) => {
            let at = blocks.pick(block);
            // None that builds on it: the service parks no two blocks that wait for each other.
            let name = blocks.roots[name.index(at)];
            parking.park_block(blocks.make(at), name, Wait::Name);
            plain.park(blocks, at, name, Wait::Name);
        }
        Step::Vote(validator, slot, under, head) => {
            let (under, head) = (blocks.roots[any(under)], any(head));
            let mut message = vote(*validator, blocks.roots[head], 1);
            message.data.slot = *slot;
            let is_parked = parking.park_attestation(under, gossiped(message));
            let (validator, slot) = (*validator, *slot);
            assert_eq!(
                is_parked,
                plain.vote(WaitingVote {
                    under,
                    validator,
                    slot,
                    head
                })
            );
        }
        Step::Take(block) => {
            let root = blocks.roots[any(block)];
            let taken: Vec<_> = parking.take_block(root).into_iter().collect();
            let expected = plain.take(blocks, |waiting| blocks.roots[waiting.at] == root);
            assert_eq!(roots(&taken), expected);
        }
        Step::Release(block) => {
            let root = blocks.roots[any(block)];
            let (released, votes) = parking.release(&root);
            let expected = plain.take(blocks, |waiting| waiting.waits_for == root);
            assert_eq!(roots(&released), expected);
            assert_eq!(votes.len(), plain.take_votes(|vote| vote.under == root));
        }
        Step::Condemn(block) => {
            let root = blocks.roots[any(block)];
            let subtree = plain.subtree(blocks, root);
            let released = parking.release_descendants(root);
            plain.take_votes(|vote| subtree.contains(&vote.under));
            let descends = |waiting: &Waiting| {
                let other = blocks.roots[waiting.at];
                other != root && subtree.contains(&other)
            };
            assert_eq!(roots(&released), plain.take(blocks, descends));
        }
        Step::Finalize(finalized) => {
            parking.prune(*finalized);
            plain.take(blocks, |waiting| blocks.slots[waiting.at] <= *finalized);
            plain.take_votes(|vote| vote.slot <= *finalized);
        }
        Step::Count(block, threshold) => {
            let root = blocks.roots[any(block)];
            let ballots = parking.ballots(root, *threshold);
            let of = |ballot: &Ballot| {
                let carrier = ballot.carrier.map(|copy| copy.root);
                (ballot.vote.message.validator_id, carrier)
            };
            let ballots = ballots.map(|ballots| ballots.iter().map(of).collect());
            assert_eq!(ballots, plain.count(blocks, root, *threshold));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_waits_is_what_has_come_and_has_not_been_taken(
        plans in vec(plan(), 1..12),
        steps in vec(step(), 1..80),
    ) {
        let blocks = Blocks::new(plans);
        let (mut plain, mut parking) = (Plain::default(), Parking::default());
        for step in &steps {
            play(&blocks, &mut plain, &mut parking, step);
            plain.check(&blocks, &parking);
        }
        parking.prune(1_000);
        assert!(parking.attestations.is_empty());
        assert!(parking.waiting.is_empty() && parking.by_slot.is_empty());
        assert_eq!(parking.block_bytes, 0);
    }
}
