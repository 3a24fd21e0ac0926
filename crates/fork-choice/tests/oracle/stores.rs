//! The stores that are held against each other, and what must be true of them after each event.

use proptest::sample::Index;
use quartet_fork_choice::{
    AttestationOrigin, BlockInfo, Checkpoints, ForkChoice, NamedBlocks, Rules,
};
use quartet_oracle::{Deviations, KnownBlock, Origin, Store, Vote as NaiveVote};
use quartet_types::{Attestation, AttestationData, Checkpoint, Root};

use super::events::{Event, Flaw, Vote};

/// Three stores, fed the same: the specification's, ours by its rules, and ours by our own.
pub(crate) struct Stores {
    naive: Store,
    pub(crate) indexed: ForkChoice,
    own: ForkChoice,
}

impl Stores {
    pub(crate) fn new(anchor_slot: u64, validators: u64) -> Self {
        let anchor = BlockInfo {
            root: Root::repeat_byte(2),
            parent_root: Root::ZERO,
            slot: anchor_slot,
        };
        let checkpoints = Checkpoints {
            justified: anchor.checkpoint(),
            finalized: anchor.checkpoint(),
        };
        let store = |rules| ForkChoice::new(anchor, checkpoints, validators, rules);
        Self {
            naive: Store::new(
                known(anchor, checkpoints),
                validators,
                Deviations::default(),
            ),
            indexed: store(Rules::SPECIFICATION),
            own: store(Rules::QUARTET),
        }
    }

    fn attestation(&self, vote: &Vote) -> Attestation {
        let pick = |index: &Index| index.get(&self.naive.blocks).checkpoint();
        let (mut target, mut source) = (pick(&vote.target), pick(&vote.source));
        if source.slot > target.slot && vote.flaw == Flaw::None {
            std::mem::swap(&mut source, &mut target);
        }
        let mut head = pick(&vote.head);
        let unknown = Checkpoint {
            root: Root::repeat_byte(0xee),
            slot: 1,
        };
        match vote.flaw {
            Flaw::UnknownHead => head = unknown,
            Flaw::UnknownSource => source = unknown,
            Flaw::WrongTargetSlot => target.slot += 1,
            Flaw::None => {}
        }
        let current = self.naive.time / 4;
        Attestation {
            validator_id: vote.validator,
            data: AttestationData {
                slot: (current + vote.slots_ahead).saturating_sub(vote.slots_back),
                head,
                target,
                source,
            },
        }
    }

    /// The chain that ends in a block, newest first, as far as the indexed store has it.
    fn chain(&self, tip: Root) -> Vec<BlockInfo> {
        let mut chain: Vec<BlockInfo> = self.indexed.block(&tip).into_iter().collect();
        while let Some(parent) = chain
            .last()
            .and_then(|block| self.indexed.block(&block.parent_root))
        {
            chain.push(parent);
        }
        chain
    }

    /// Applies an event and holds the stores against each other.
    pub(crate) fn step(&mut self, event: &Event, prunes: bool) {
        let before: Vec<_> = self.own.known_attestations().collect();
        self.apply(event, prunes);
        self.assert_same();
        assert_newer(&before, &self.own);
    }

    pub(crate) fn apply(&mut self, event: &Event, prunes: bool) {
        match event {
            Event::Gossip(vote) => {
                let attestation = self.attestation(vote);
                let expected = self.naive.on_gossip(&attestation);
                let found = self
                    .indexed
                    .on_attestation(&attestation, AttestationOrigin::Gossip);
                assert_eq!(
                    expected.is_ok(),
                    found.is_ok(),
                    "{found:?} for {attestation:?}"
                );
                let own = self
                    .own
                    .on_attestation(&attestation, AttestationOrigin::Gossip);
                assert!(own.is_err() || expected.is_ok(), "stricter, never laxer");
            }
            Event::Tick {
                intervals,
                has_proposal,
            } => {
                for interval in 1..=*intervals {
                    self.naive
                        .tick_interval(*has_proposal && interval == *intervals);
                }
                for store in [&mut self.indexed, &mut self.own] {
                    if *has_proposal {
                        store.advance_to_proposal(self.naive.time);
                    } else {
                        store.advance_to(self.naive.time);
                    }
                }
            }
            Event::Prune if prunes => {
                let before = self.indexed.blocks().len();
                let dropped = self.indexed.prune();
                assert_eq!(self.indexed.blocks().len() + dropped.len(), before);
                assert!(dropped.iter().all(|root| !self.indexed.contains(root)));
                self.own.prune();
            }
            Event::Prune => {}
            Event::Run {
                parent,
                blocks,
                back,
                tie_breaker,
            } => {
                let known: Vec<_> = self.indexed.blocks().map(|node| node.block).collect();
                let mut run = vec![*parent.get(&known)];
                for number in 0..*blocks {
                    let back = if number % 2 == 0 { back.0 } else { back.1 };
                    let parent = run[(run.len() - 1).saturating_sub(back)];
                    let tie_breaker = (number as u8 * 5 + tie_breaker) % 4;
                    let block = self.next_block(parent, 1, tie_breaker);
                    self.import_plain(block);
                    run.push(block);
                }
            }
            Event::Block {
                parent,
                near_the_tip,
                gap,
                tie_breaker,
                justified_back,
                finalized_back,
                zero_root,
                body,
                proposer,
            } => {
                let blocks: Vec<_> = self.indexed.blocks().map(|node| node.block).collect();
                let skip = if *near_the_tip {
                    blocks.len().saturating_sub(3)
                } else {
                    0
                };
                let parent = *parent.get(&blocks[skip..]);
                let block = self.next_block(parent, *gap, *tie_breaker);
                let chain = self.chain(parent.root);
                let back = |index: &Option<Index>| {
                    index
                        .map_or(chain[chain.len() - 1], |index| *index.get(&chain))
                        .checkpoint()
                };
                let mut justified = back(justified_back);
                if *zero_root && !prunes {
                    justified.root = Root::ZERO;
                }
                let body: Vec<_> = body.iter().map(|vote| self.attestation(vote)).collect();
                let mut proposer = self.attestation(proposer);
                proposer.data.head = block.checkpoint();
                let finalized = back(finalized_back);
                let checkpoints = Checkpoints {
                    justified,
                    finalized,
                };
                let foretold = self.indexed.attestation_data_for(&block, checkpoints);
                let expected = self
                    .naive
                    .on_block(known(block, checkpoints), &body, &proposer);
                let names = NamedBlocks::Known;
                let checked = self.indexed.validate_block(&block, &body, &proposer, names);
                let found = self
                    .indexed
                    .on_block(block, checkpoints, &body, &proposer, names);
                assert_eq!(expected.is_ok(), found.is_ok(), "{found:?}");
                assert_eq!(checked.is_ok(), found.is_ok(), "{found:?}");
                if found.is_ok() && self.indexed.head() == block.checkpoint() {
                    // What a proposer attests beforehand is what it would attest afterwards.
                    assert_eq!(self.indexed.attestation_data(block.slot), foretold);
                }
                self.import_own(block, checkpoints, &body, &proposer, expected.is_ok());
            }
        }
    }

    fn next_block(&self, parent: BlockInfo, gap: u64, tie_breaker: u8) -> BlockInfo {
        let mut root = Root::ZERO;
        root.0[0] = tie_breaker;
        root.0[1] = 1;
        root.0[24..].copy_from_slice(&(self.naive.blocks.len() as u64).to_be_bytes());
        BlockInfo {
            root,
            parent_root: parent.root,
            slot: parent.slot + gap,
        }
    }

    /// Imports a block that changes nothing but the tree, and what its proposer attests.
    fn import_plain(&mut self, block: BlockInfo) {
        let anchor = self.naive.blocks[0].checkpoint();
        let proposer = Attestation {
            validator_id: 0,
            data: AttestationData {
                slot: self.naive.time / 4,
                head: block.checkpoint(),
                target: anchor,
                source: anchor,
            },
        };
        let checkpoints = Checkpoints {
            justified: anchor,
            finalized: anchor,
        };
        self.naive
            .on_block(known(block, checkpoints), &[], &proposer)
            .unwrap();
        self.indexed
            .on_block(block, checkpoints, &[], &proposer, NamedBlocks::Known)
            .unwrap();
        self.import_own(block, checkpoints, &[], &proposer, true);
    }

    /// Which blocks are valid does not depend on the rules.
    fn import_own(
        &mut self,
        block: BlockInfo,
        checkpoints: Checkpoints,
        body: &[Attestation],
        proposer: &Attestation,
        is_valid: bool,
    ) {
        let before: Vec<_> = self.own.known_attestations().collect();
        let foretold = self.own.attestation_data_for(&block, checkpoints);
        let found = self
            .own
            .on_block(block, checkpoints, body, proposer, NamedBlocks::Known);
        assert_eq!(found.is_ok(), is_valid, "{found:?}");
        if is_valid && self.own.head() == block.checkpoint() {
            assert_eq!(self.own.attestation_data(block.slot), foretold);
        }
        assert_newer(&before, &self.own);
    }

    fn assert_same(&self) {
        let (naive, indexed) = (&self.naive, &self.indexed);
        assert_eq!(indexed.time(), naive.time);
        assert_eq!(indexed.latest_justified(), naive.latest_justified);
        assert_eq!(indexed.latest_finalized(), naive.latest_finalized);
        assert_eq!(indexed.head().root, naive.head, "head");
        assert_eq!(indexed.safe_target().root, naive.safe_target, "safe target");
        assert_eq!(indexed.safe_target().slot, naive.slot(naive.safe_target));
        let votes = |votes: &[NaiveVote]| -> Vec<Attestation> {
            votes.iter().map(|vote| vote.attestation).collect()
        };
        let known: Vec<_> = indexed.known_attestations().collect();
        assert_eq!(known, votes(&naive.known));
        let new: Vec<_> = indexed.new_attestations().collect();
        assert_eq!(new, votes(&naive.new));
        if let Some(target) = naive.attestation_target(naive.latest_finalized.slot) {
            assert_eq!(indexed.attestation_target(), Some(target));
        }
        // What this node attests, others will accept; a zero root names no block, and no block comes before its slot.
        let data = self.own.attestation_data(self.own.current_slot());
        if !data.source.root.is_zero() && data.head.slot <= data.slot {
            let validator_id = 0;
            let own = Attestation { validator_id, data };
            let verdict = naive.clone().on_attestation(&own, Origin::Gossip);
            assert_eq!(verdict, Ok(()), "{own:?}");
            let verdict = self
                .own
                .validate_attestation(&own, AttestationOrigin::Gossip);
            assert_eq!(verdict, Ok(()), "{own:?}");
        }
        for node in indexed.blocks() {
            assert_eq!(
                node.weight,
                naive.weight(node.block.root),
                "weight of {}",
                node.block.root
            );
            assert_eq!(indexed.weight_of(&node.block.root), Some(node.weight));
        }
    }
}

/// What the oracle is to know of a block.
fn known(block: BlockInfo, checkpoints: Checkpoints) -> KnownBlock {
    KnownBlock {
        root: block.root,
        parent_root: block.parent_root,
        slot: block.slot,
        justified: checkpoints.justified,
        finalized: checkpoints.finalized,
    }
}

/// No validator's vote has been replaced by an older one.
fn assert_newer(before: &[Attestation], store: &ForkChoice) {
    for vote in store.known_attestations() {
        let earlier = before
            .iter()
            .find(|earlier| earlier.validator_id == vote.validator_id);
        assert!(earlier.is_none_or(|earlier| earlier.data.slot <= vote.data.slot));
    }
}
