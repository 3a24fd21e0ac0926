//! The rest of the network, as one node meets it: what validators on time send it.

use std::{sync::Arc, time::Duration};

use quartet_chain::{
    ChainHandle, ChainMessage, ChainReader, GossipAttestation, LeanChain, PeerName, ProducedBlock,
    Verdict,
};
use quartet_types::{
    Attestation, BlockSignatures, BlockWithAttestation, PublicKey, Root, SECONDS_PER_INTERVAL,
    SignedAttestation, SignedBlockWithAttestation, Slot, ValidatorIndex, proposer_index,
};
use tokio::sync::oneshot;
use tree_hash::TreeHash as _;

use super::scheme;
use crate::SimulationError;

/// While the proposers are late, in one of this many slots this one has not received the newest blocks in time, and builds beside
/// them.
const FORK_EVERY: Slot = 6;
/// How long after the tick of an interval its messages come.
const DELAY: Duration = Duration::from_millis(50);

/// Everybody but the node. What they send is what they would if they saw what the node sees.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) keys: Vec<PublicKey>,
    pub(super) reader: ChainReader,
    pub(super) chain: ChainHandle,
    /// Every second validator neither proposes nor votes.
    pub(super) half_is_silent: bool,
    /// How many of the newest blocks the proposers that are late have not heard; with 0 none is late.
    pub(super) lateness: usize,
    /// Blocks that were taken.
    pub(super) blocks: u64,
}

impl Network {
    /// A slot, from its first tick to the moment before the next slot's.
    pub(super) async fn slot(&mut self, slot: Slot) -> Result<(), SimulationError> {
        tokio::time::sleep(DELAY).await;
        let validators = self.keys.len() as u64;
        let proposer = proposer_index(slot, validators).filter(|index| self.is_awake(*index));
        if let Some(proposer) = proposer {
            self.propose(slot, proposer).await?;
        }
        let interval = Duration::from_secs(SECONDS_PER_INTERVAL);
        tokio::time::sleep(interval).await;
        let data = self.reader.chain().read().attestation_data(slot);
        let voters = (0..validators).filter(|index| self.is_awake(*index));
        for validator_id in voters.filter(|index| Some(*index) != proposer) {
            let attestation = self.sign(Attestation { validator_id, data });
            // The verdict is not read.
            let (verdict, _) = oneshot::channel();
            self.chain.attestation(GossipAttestation {
                attestation,
                peer: PeerName::new("everybody"),
                verdict,
            });
        }
        tokio::time::sleep(interval * 3 - DELAY).await;
        Ok(())
    }

    fn is_awake(&self, validator: ValidatorIndex) -> bool {
        !self.half_is_silent || validator.is_multiple_of(2)
    }

    async fn propose(
        &mut self,
        slot: Slot,
        proposer: ValidatorIndex,
    ) -> Result<(), SimulationError> {
        let produced = self.produce(slot).await?;
        match self.offer(slot, proposer, produced).await? {
            Verdict::Accept => self.blocks += 1,
            verdict => {
                return Err(SimulationError::Block(format!(
                    "the block of slot {slot} was not taken: {verdict:?}"
                )));
            }
        }
        Ok(())
    }

    /// Sends a block, and returns what the node says of it.
    pub(super) async fn offer(
        &self,
        slot: Slot,
        proposer: ValidatorIndex,
        produced: ProducedBlock,
    ) -> Result<Verdict, SimulationError> {
        let data = produced.attestation_data(&self.reader.chain().read());
        let own = self.sign(Attestation {
            validator_id: proposer,
            data,
        });
        let ProducedBlock {
            block,
            mut signatures,
            ..
        } = produced;
        signatures.push(own.signature);
        let message = BlockWithAttestation {
            block,
            proposer_attestation: own.message,
        };
        let signature = BlockSignatures::try_from(signatures)
            .map_err(|_| SimulationError::Block("too many signatures".to_owned()))?;
        let (verdict, outcome) = oneshot::channel();
        let block = ChainMessage::Block {
            block: Arc::new(SignedBlockWithAttestation { message, signature }),
            peer: PeerName::new("everybody"),
            verdict,
        };
        self.send(block).await?;
        let gone = |_| SimulationError::Block(format!("nobody judged the block of slot {slot}"));
        outcome.await.map_err(gone)
    }

    /// What a validator's first slot takes after a start: a block to propose and a vote to give.
    pub(super) async fn first_duty(&self, slot: Slot) -> Result<String, SimulationError> {
        let produced = self.produce(slot).await?;
        let data = self.reader.chain().read().attestation_data(slot);
        Ok(format!(
            "would propose {} votes on a head of slot {}",
            produced.block.body.attestations.len(),
            data.head.slot
        ))
    }

    /// The block that the slot's proposer makes of the votes that the node has.
    async fn produce(&self, slot: Slot) -> Result<ProducedBlock, SimulationError> {
        let failed = |error: &dyn ToString| SimulationError::Block(error.to_string());
        let (ready, prepared) = oneshot::channel();
        self.send(ChainMessage::PrepareProposal { slot, ready })
            .await?;
        let _ = prepared.await;
        let (basis, parent) = {
            let chain = self.reader.chain().read();
            let is_late = self.lateness > 0 && slot.is_multiple_of(FORK_EVERY);
            (chain.proposal_basis(), is_late.then(|| self.heard(&chain)))
        };
        let mut basis = basis.ok_or_else(|| failed(&"the head's state is not at hand"))?;
        if let Some(parent) = parent
            && let Some(state) = self.reader.state(parent).map_err(|error| failed(&error))?
        {
            basis.state = state;
        }
        basis.build(slot).map_err(|error| failed(&error))
    }

    /// The block that a late proposer has heard last; none below what is final.
    fn heard(&self, chain: &LeanChain) -> Root {
        let (tree, finalized) = (chain.fork_choice(), chain.latest_finalized());
        let mut heard = chain.head().root;
        for _ in 0..self.lateness {
            let parent = tree.parent_of(&heard).and_then(|root| tree.block(&root));
            match parent {
                Some(parent) if parent.slot > finalized.slot => heard = parent.root,
                _ => break,
            }
        }
        heard
    }

    fn sign(&self, message: Attestation) -> SignedAttestation {
        let key = &self.keys[message.validator_id as usize];
        let signature = scheme::sign(key, message.data.slot, &message.tree_hash_root().0);
        SignedAttestation { message, signature }
    }

    async fn send(&self, message: ChainMessage) -> Result<(), SimulationError> {
        let sent = self.chain.send(message).await;
        sent.map_err(|error| SimulationError::Block(error.to_string()))
    }
}
