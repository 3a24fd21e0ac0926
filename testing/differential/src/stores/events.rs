//! What happens to the stores.

use anyhow::{Context as _, Result, bail, ensure};
use quartet_fork_choice::{AttestationOutcome, BlockOutcome};
use quartet_types::{Attestation, Block, Root};
use tree_hash::TreeHash as _;

use super::Episode;
use crate::{
    draw::{self, Ground},
    refusal::{self, Place},
    subject::Subject,
};

impl Episode<'_> {
    /// Lets something happen, and says what.
    pub(super) fn event(&mut self) -> Result<&'static str> {
        Ok(
            match self.random.weighted(&[330, 330, 260, 25, 20, 25, 10]) {
                0 => self.block().map(|()| "a block")?,
                1 => self.gossip().map(|()| "gossip")?,
                2 => {
                    self.tick();
                    "a tick"
                }
                3 => {
                    self.equivocate();
                    "an equivocation"
                }
                4 => self.prune().map(|()| "a pruning")?,
                5 => self.propose().map(|()| "a proposal")?,
                _ => self.block_again().map(|()| "a known block")?,
            },
        )
    }

    fn tick(&mut self) {
        let intervals = match self.random.weighted(&[500, 400, 95, 5]) {
            0 => 1,
            1 => self.random.within(2, 4),
            2 => self.random.within(5, 40),
            _ => self.random.within(100, 600),
        };
        self.counts.when("many intervals at once", intervals >= 100);
        self.advance(self.oracle.store.time + intervals);
    }

    pub(super) fn advance(&mut self, time: u64) {
        let has_proposal = self.random.chance(400);
        let before = self.oracle.store.safe_target;
        self.oracle.store.on_tick(time, has_proposal);
        self.subject.advance(time, has_proposal);
        let store = &self.oracle.store;
        self.counts.when(
            "safe target falls back",
            store.slot(store.safe_target) < store.slot(before),
        );
    }

    fn gossip(&mut self) -> Result<()> {
        let slot = self.vote_slot();
        let data = self.attestation_data(slot);
        let voters = match self.random.weighted(&[50, 30, 20]) {
            0 => 1,
            1 => self.random.within(1, 4),
            _ => self.oracle.store.validators.min(64),
        };
        let first = self.validator();
        for voter in 0..voters {
            let mut vote = Attestation {
                validator_id: (first + voter) % self.oracle.store.validators,
                data,
            };
            if self.random.chance(60) {
                vote.data = self.attestation_data(slot);
            }
            if self.random.chance(60) {
                self.flaw(&mut vote);
            }
            if self.random.chance(40)
                && let Some(old) = self.random.pick(&self.cast)
            {
                vote = *old;
            }
            self.vote(vote)?;
        }
        Ok(())
    }

    pub(super) fn vote(&mut self, vote: Attestation) -> Result<()> {
        let before = self.oracle.store.new.clone();
        let expected = self.oracle.store.on_gossip(&vote);
        let found = self.subject.on_gossip(&vote)?;
        let is_accepted = expected.is_ok();
        match (expected, found) {
            (Ok(()), Ok(outcome)) => {
                self.counts.add("gossip accepted");
                let is_superseded = outcome == AttestationOutcome::Superseded;
                self.counts.when("gossip superseded", is_superseded);
                ensure!(
                    is_superseded == (before == self.oracle.store.new),
                    "recorded on one side alone: {vote:?}"
                );
            }
            (Err(expected), Err(found)) => {
                self.counts.add(refusal::vote_name(Place::Gossip, expected));
                ensure!(
                    refusal::vote(&found) == expected,
                    "gossip: the specification says {expected:?}, we say {found:?}: {vote:?}"
                );
            }
            (expected, found) => bail!("gossip: {expected:?}, but we say {found:?}: {vote:?}"),
        }
        self.note_cast(&[vote]);
        self.note_equivocations(&[vote], is_accepted)
    }

    /// The node's chain notices equivocations by itself.
    pub(super) fn note_equivocations(
        &mut self,
        votes: &[Attestation],
        is_accepted: bool,
    ) -> Result<()> {
        if let Subject::Node(_) = self.subject {
            for vote in votes {
                let is_second = if is_accepted {
                    self.pool.insert(vote)
                } else {
                    self.pool.contradicts(vote)
                };
                if is_second {
                    self.counts.add("equivocation");
                    self.oracle
                        .store
                        .on_equivocation(vote.validator_id, vote.data.slot);
                }
            }
        }
        for vote in votes {
            let (validator, slot) = (vote.validator_id, vote.data.slot);
            ensure!(
                self.subject.fork_choice().has_equivocated(validator, slot)
                    == self.oracle.store.has_equivocated(validator, slot),
                "has {validator} voted twice in slot {slot}?"
            );
        }
        Ok(())
    }

    fn equivocate(&mut self) {
        let validator = self.validator();
        let slot = match self.random.pick_late(&self.cast, 40) {
            Some(vote) if vote.data.slot <= self.oracle.store.current_slot() + 2 => vote.data.slot,
            _ => self.oracle.store.current_slot(),
        };
        if let Subject::Bare(fork_choice) = &mut self.subject {
            self.counts.add("equivocation");
            self.oracle.store.on_equivocation(validator, slot);
            fork_choice.on_equivocation(validator, slot);
        }
    }

    fn prune(&mut self) -> Result<()> {
        if let Subject::Bare(fork_choice) = &mut self.subject
            && self.prunes
        {
            fork_choice.prune();
        }
        self.note_forgotten()
    }

    /// What our side has dropped must not descend from what is final.
    pub(super) fn note_forgotten(&mut self) -> Result<()> {
        let store = &mut self.oracle.store;
        let ours = self.subject.fork_choice();
        for block in store.blocks.clone() {
            if store.forgotten.contains(&block.root) || ours.contains(&block.root) {
                continue;
            }
            self.counts.add("pruned");
            ensure!(
                !store.is_ancestor(store.latest_finalized.root, block.root),
                "dropped {block:?}, which descends from what is final"
            );
            store.forgotten.insert(block.root);
        }
        Ok(())
    }

    fn block_again(&mut self) -> Result<()> {
        let Some((block, proposer)) = self.random.pick(&self.blocks).cloned() else {
            return Ok(());
        };
        let root = block.tree_hash_root();
        if self.oracle.store.forgotten.contains(&root) {
            return Ok(());
        }
        self.counts.add("block known already");
        self.oracle
            .on_block(&block, &proposer)
            .context("a block that is known")?;
        let state = self
            .states
            .get(&root)
            .context("no state of a known block")?;
        let found = self.subject.on_block(&block, root, state, &proposer)?;
        ensure!(
            found == Ok(BlockOutcome::AlreadyKnown),
            "{found:?} for a known block"
        );
        Ok(())
    }

    /// A block on some parent, with votes of some kind, right or wrong.
    fn block(&mut self) -> Result<()> {
        self.left -= 1;
        let store = &self.oracle.store;
        let head = store.head;
        let parent = if self.random.chance(720) {
            head
        } else {
            self.any_block().root
        };
        self.counts.when("fork", parent != head);
        let oracle = &self.oracle;
        let before = oracle
            .states
            .get(&parent)
            .context("no state of a known block")?
            .clone();
        let mut slot = oracle.store.current_slot();
        if slot <= before.slot || self.random.chance(60) {
            let room = 600_u64.saturating_sub(before.slot);
            slot = before.slot + 1 + draw::gap(self.random, room);
            if slot > oracle.store.current_slot() && self.random.chance(900) {
                self.counts
                    .when("a hundred slots skipped", slot > before.slot + 100);
                self.advance(slot * 4);
            }
        }
        let ground = Ground::new(&before, parent, slot);
        let mut votes = match self.random.weighted(&[45, 25, 20, 10]) {
            0 => {
                let mut votes = ground.group(self.random, false);
                if self.random.chance(350) {
                    votes.extend(ground.group(self.random, false));
                }
                votes
            }
            1 if parent == self.oracle.store.head => {
                let block = self.oracle.produce_block(slot);
                block.map_or(Vec::new(), |block| block.body.attestations.to_vec())
            }
            3 => Vec::new(),
            _ => {
                let count = self.random.within(1, 12);
                let some =
                    (0..count).filter_map(|_| self.random.pick_late(&self.cast, 60).copied());
                some.collect()
            }
        };
        if self.random.chance(90)
            && let Some(mut vote) = self.random.pick(&votes).copied()
        {
            if self.random.chance(500) {
                ground.flaw(self.random, &mut vote)
            } else {
                self.flaw(&mut vote)
            }
            votes.insert(self.random.below(votes.len() as u64 + 1) as usize, vote);
        }
        // With the proposer's there are as many signatures as fit an envelope.
        votes.truncate(4095);
        let Some(mut block) = draw::block(&ground, votes) else {
            return Ok(());
        };
        if self.random.chance(30) {
            match self.random.below(3) {
                0 => block.proposer_index += 1,
                1 => block.parent_root = Root::repeat_byte(0x44),
                _ => block.slot = before.slot - self.random.below(2).min(before.slot),
            }
        }
        if let Ok(post) = before.apply(&block) {
            block.state_root = if self.random.chance(10) {
                Root::repeat_byte(1)
            } else {
                post.root()
            };
        }
        let proposer = self.proposer_attestation(&block);
        self.import(&block, &proposer).map(drop)
    }

    fn proposer_attestation(&mut self, block: &Block) -> Attestation {
        let mut data = self.attestation_data(block.slot);
        if self.random.chance(850) {
            data.head = block.checkpoint();
        }
        let mut attestation = Attestation {
            validator_id: block.proposer_index,
            data,
        };
        if self.random.chance(50) {
            self.flaw(&mut attestation);
        }
        attestation
    }
}
