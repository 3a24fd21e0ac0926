//! Votes and blocks of the checker's own, made from what the node serves and gossips.

use std::collections::BTreeMap;

use quartet_state_transition::{Selection, build_block};
use quartet_types::{
    Attestation, AttestationData, Block, BlockSignatures, BlockWithAttestation, Checkpoint, Root,
    Signature, SignedBlockWithAttestation, Slot, State, ValidatorIndex, is_proposer,
};
use tokio::time::{Instant, sleep};

use super::hearing::{blocks, votes};
use crate::{
    context::CaseContext,
    verdict::{Failure, broken, unsupported},
};

/// Slots in which one of a few validators has its turn.
const SLOTS_TO_WAIT: u32 = 12;
/// Why there is no vote.
const NO_VOTE: &str = "no slot comes in which one of the keys can vote";
/// Slots whose votes a block of ours carries.
const CARRIED_SLOTS: Slot = 4;

/// A vote that a validator of the checker's may still cast.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ballot {
    pub(super) validator: ValidatorIndex,
    pub(super) data: AttestationData,
}

/// A block of the checker's own, and the state after it.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) block: Block,
    pub(super) votes: Vec<Signature>,
    /// The proposer's attestation.
    pub(super) data: AttestationData,
}

impl CaseContext {
    fn has_keys(&self) -> Result<(), Failure> {
        if self.genesis.is_none() {
            return Err(unsupported(
                "the network's genesis was not given (--genesis)",
            ));
        }
        match self.keys.validators().next() {
            Some(_) => Ok(()),
            None => Err(unsupported("no validator's key was given (--validators)")),
        }
    }

    /// What one of the checker's validators can vote in the current slot, the same as others do. It is used up when
    /// [`CaseContext::cast`] is told so.
    ///
    /// # Errors
    /// When there is no key, or nothing to vote for.
    pub(super) async fn ballot(&self) -> Result<Ballot, Failure> {
        self.has_keys()?;
        if *self.has_no_voter.lock() {
            return Err(unsupported(NO_VOTE));
        }
        let until = Instant::now() + self.slots(SLOTS_TO_WAIT);
        while Instant::now() < until {
            if let Some(data) = self.current_vote().await?
                && let Some(validator) = self.free_voter(data.slot)
            {
                return Ok(Ballot { validator, data });
            }
            sleep(self.slot.slot() / 20).await;
        }
        *self.has_no_voter.lock() = true;
        Err(unsupported(NO_VOTE))
    }

    /// The validator has voted in this slot.
    pub(super) fn cast(&self, ballot: &Ballot) {
        self.used
            .lock()
            .insert((ballot.data.slot, ballot.validator));
    }

    /// One that has not voted in the slot, and whose vote is not the proposer's.
    fn free_voter(&self, slot: Slot) -> Option<ValidatorIndex> {
        let validators = self.genesis.as_ref()?.validators.len() as u64;
        let used = self.used.lock();
        self.keys.validators().find(|validator| {
            !used.contains(&(slot, *validator)) && !is_proposer(*validator, slot, validators)
        })
    }

    /// The vote of others in the current slot; if there is none, a vote for the head.
    async fn current_vote(&self) -> Result<Option<AttestationData>, Failure> {
        let listener = self.listener().await?;
        let clock = self
            .clock
            .as_ref()
            .ok_or_else(|| unsupported("the network's genesis was not given (--genesis)"))?;
        let current = clock.slot();
        let (votes_topic, blocks_topic) = (self.topic("attestation"), self.topic("block"));
        let (heard, block) = listener.log().look(|sounds| {
            let votes = votes(sounds, &votes_topic);
            let of_now = |data: &AttestationData| data.slot == current;
            let now = votes.iter().map(|(vote, _)| vote.message.data).find(of_now);
            (now, blocks(sounds, &blocks_topic).into_iter().next())
        });
        // Others need half a slot for theirs.
        if heard.is_some() || clock.since_slot(current) < self.slot.slot() / 2 {
            return Ok(heard);
        }
        // No other validator votes in this slot. The proposer's attestation names the newest block.
        if let Some((envelope, _)) = block {
            let message = &envelope.message;
            return Ok(Some(AttestationData {
                slot: current,
                head: message.block.checkpoint(),
                ..message.proposer_attestation.data
            }));
        }
        let new_peer = self.new_peer().await?;
        let head = self.status_of(&new_peer).await?.head;
        let justified = self.justified(&*self.state(&new_peer, head.root).await?);
        Ok(Some(AttestationData {
            slot: current,
            head,
            target: justified,
            source: justified,
        }))
    }

    /// The state's justified checkpoint; that of genesis has no root in a state.
    fn justified(&self, state: &State) -> Checkpoint {
        let justified = state.latest_justified;
        match (&self.genesis, justified.root == Root::ZERO) {
            (Some(genesis), true) => Block::genesis(genesis).checkpoint(),
            _ => justified,
        }
    }

    /// Waits for a slot in which one of the checker's validators proposes, and that was not used: for the first quarter of one, or
    /// any part up to this.
    ///
    /// # Errors
    /// When there is no key.
    pub(super) async fn own_slot(
        &self,
        until_part: f64,
    ) -> Result<(Slot, ValidatorIndex), Failure> {
        self.has_keys()?;
        let (Some(clock), Some(genesis)) = (&self.clock, &self.genesis) else {
            return Err(unsupported(
                "the network's genesis was not given (--genesis)",
            ));
        };
        let validators = genesis.validators.len() as u64;
        let until = Instant::now() + self.slots(validators.min(64) as u32 + 2);
        while Instant::now() < until {
            let slot = clock.slot();
            let proposer = self
                .keys
                .validators()
                .find(|validator| is_proposer(*validator, slot, validators));
            let is_early = clock.since_slot(slot) < self.slot.slot().mul_f64(until_part);
            if let Some(proposer) = proposer.filter(|_| is_early && slot > 0)
                && !self.used.lock().contains(&(slot, proposer))
            {
                return Ok((slot, proposer));
            }
            sleep(self.slot.slot() / 40).await;
        }
        Err(unsupported(
            "no slot in which one of the keys proposes comes soon",
        ))
    }

    /// A block of this slot on the node's head, with what was heard in its body.
    ///
    /// # Errors
    /// When the chain up to the head cannot be had.
    pub(super) async fn draft(&self, slot: Slot) -> Result<Draft, Failure> {
        let new_peer = self.new_peer().await?;
        let mut head = self.status_of(&new_peer).await?.head;
        let mut parent = self.state(&new_peer, head.root).await?;
        while parent.slot >= slot && parent.slot > 0 {
            // The slot's block is there already: beside it.
            head.root = self.block(&new_peer, head.root).await?.block().parent_root;
            parent = self.state(&new_peer, head.root).await?;
            head.slot = parent.slot;
        }
        let listener = self.listener().await?;
        let topic = self.topic("attestation");
        let heard: BTreeMap<_, _> = listener.log().look(|sounds| {
            let recent = votes(sounds, &topic).into_iter().map(|(vote, _)| vote);
            let recent = recent.filter(|vote| {
                (slot.saturating_sub(CARRIED_SLOTS)..slot).contains(&vote.message.data.slot)
            });
            recent.map(|vote| (key(&vote.message), vote)).collect()
        });
        let candidates: Vec<_> = heard.values().map(|vote| vote.message).collect();
        // Votes may name blocks that have left the chain; then a block without votes is made.
        let built = build_block(&parent, slot, &candidates, Selection::AllThatCount)
            .or_else(|_| build_block(&parent, slot, &[], Selection::AllThatCount));
        let (block, state) =
            built.map_err(|error| broken(format!("cannot build on {head}: {error}")))?;
        let signature =
            |vote: &Attestation| heard.get(&key(vote)).map(|vote| vote.signature.clone());
        let votes = block
            .body
            .attestations
            .iter()
            .filter_map(signature)
            .collect();
        let newest = heard
            .values()
            .map(|vote| vote.message.data)
            .max_by_key(|data| data.slot);
        let justified = self.justified(&state);
        let (target, source) = match newest {
            Some(data) => (data.target, data.source),
            None => (justified, justified),
        };
        let data = AttestationData {
            slot,
            head: block.checkpoint(),
            target,
            source,
        };
        Ok(Draft { block, votes, data })
    }

    /// The block in its envelope, signed by this validator.
    ///
    /// # Errors
    /// When it cannot sign.
    pub(super) async fn seal(
        &self,
        draft: Draft,
        signer: ValidatorIndex,
    ) -> Result<SignedBlockWithAttestation, Failure> {
        let Draft {
            block,
            votes,
            mut data,
        } = draft;
        data.head = block.checkpoint();
        let message = Attestation {
            validator_id: block.proposer_index,
            data,
        };
        let signed = self.keys.sign_as(signer, message, data.slot).await?;
        let mut signatures = votes;
        signatures.push(signed.signature);
        Ok(SignedBlockWithAttestation {
            message: BlockWithAttestation {
                block,
                proposer_attestation: message,
            },
            signature: BlockSignatures::try_from(signatures).unwrap_or_default(),
        })
    }
}

fn key(vote: &Attestation) -> (Slot, ValidatorIndex, Root) {
    (vote.data.slot, vote.validator_id, vote.data.head.root)
}
