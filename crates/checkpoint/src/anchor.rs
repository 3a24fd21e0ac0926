//! A checkpoint to start from, and what is checked of it.

use quartet_clock::Clock;
use quartet_types::{
    Attestation, Block, Checkpoint, PublicKey, Root, SignedBlockWithAttestation, Slot, State,
};
use quartet_xmss::{Scheme, Verification};
use tree_hash::TreeHash as _;

use crate::{error::Mismatch, outline::Expected};

/// What is known of the network: everything that a checkpoint is checked against.
#[derive(Clone, Debug)]
pub struct Network {
    /// The genesis state, made from the local configuration.
    pub genesis: State,
    /// The network's clock.
    pub clock: Clock,
    /// What its validators sign with.
    pub scheme: Scheme,
}

/// A block and the state after it that fit each other and the network. Every signature in the envelope has been
/// verified, so the block may be served to others.
#[derive(Clone, Debug)]
pub struct Anchor {
    /// The block as it travels.
    pub block: SignedBlockWithAttestation,
    /// The state after it.
    pub state: State,
    /// The block's root and slot.
    pub checkpoint: Checkpoint,
}

/// A state that holds, and its block's root.
#[derive(Clone, Debug)]
pub(crate) struct CheckedState {
    pub(crate) state: State,
    pub(crate) checkpoint: Checkpoint,
    /// Whether it is the genesis state, whose block has no signatures.
    pub(crate) is_genesis: bool,
}

impl Network {
    pub(crate) fn genesis_root(&self) -> Root {
        Block::genesis(&self.genesis).tree_hash_root()
    }

    pub(crate) fn expected(&self) -> Expected {
        Expected {
            genesis_time: self.genesis.config.genesis_time,
            validators: self.genesis.validator_count(),
            current_slot: self.clock.slot(),
        }
    }

    /// Checks a state by itself and against the network. Hashes it.
    pub(crate) fn check_state(&self, mut state: State) -> Result<CheckedState, Mismatch> {
        // A state names its block's state root only from the next slot on. Some fill it in before they serve it.
        let named = std::mem::take(&mut state.latest_block_header.state_root);
        self.check_registry(&state)?;
        let current = self.clock.slot();
        if state.slot > current {
            let slot = state.slot;
            return Err(Mismatch::Future { slot, current });
        }
        let is_genesis = state.slot == 0;
        if is_genesis && state != self.genesis {
            return Err(Mismatch::Genesis {
                expected: self.genesis_root(),
                found: Block::genesis(&state).tree_hash_root(),
            });
        }
        if !is_genesis {
            self.check_history(&state)?;
        }
        let mut header = state.latest_block_header;
        header.state_root = state.tree_hash_root();
        if !named.is_zero() && named != header.state_root {
            return Err(Mismatch::Inconsistent(
                "the state root in its header is not its own",
            ));
        }
        let checkpoint = Checkpoint {
            root: header.tree_hash_root(),
            slot: header.slot,
        };
        Ok(CheckedState {
            state,
            checkpoint,
            is_genesis,
        })
    }

    fn check_registry(&self, state: &State) -> Result<(), Mismatch> {
        let (ours, theirs) = (&self.genesis, state);
        if theirs.config != ours.config {
            return Err(Mismatch::GenesisTime {
                expected: ours.config.genesis_time,
                found: theirs.config.genesis_time,
            });
        }
        let pairs = ours.validators.iter().zip(theirs.validators.iter());
        let same = pairs.take_while(|(ours, theirs)| ours == theirs).count() as u64;
        let (expected, found) = (ours.validator_count(), theirs.validator_count());
        if same != expected || same != found {
            return Err(Mismatch::Registry { validator: same });
        }
        Ok(())
    }

    fn check_history(&self, state: &State) -> Result<(), Mismatch> {
        let wrong = |why| Err(Mismatch::Inconsistent(why));
        let header = &state.latest_block_header;
        let history = &state.historical_block_hashes;
        if header.slot != state.slot {
            return wrong("it is not the state right after its latest block");
        }
        if history.len() as u64 != state.slot || state.justified_slots.len() as u64 != state.slot {
            return wrong("its history does not have an entry for each slot before");
        }
        let (expected, found) = (self.genesis_root(), *history.get(0).unwrap_or(&Root::ZERO));
        if found != expected {
            return Err(Mismatch::Genesis { expected, found });
        }
        if state.slot.checked_rem(state.validator_count()) != Some(header.proposer_index) {
            return wrong("its latest block is not of the slot's proposer");
        }
        let blocks = (0..history.len())
            .rev()
            .filter_map(|slot| history.get(slot));
        if blocks.into_iter().find(|root| !root.is_zero()) != Some(&header.parent_root) {
            return wrong("its latest block does not build on its history");
        }
        for checkpoint in [state.latest_justified, state.latest_finalized] {
            if checkpoint.slot >= state.slot || !is_in_history(state, checkpoint) {
                return wrong("a checkpoint of it is not in its history");
            }
            if state.justified_slots.get(checkpoint.slot as usize) != Some(true) {
                return wrong("a checkpoint of it is not justified");
            }
        }
        let targets = &state.justifications_roots;
        let tallies = targets.len().checked_mul(state.validators.len());
        if tallies != Some(state.justifications_validators.len()) {
            return wrong("its tallies do not have a vote of each validator");
        }
        if !targets.iter().is_sorted_by(|a, b| a < b) {
            return wrong("its tallies are not in order");
        }
        Ok(())
    }

    /// Checks a block by itself, its signatures, and against its state.
    pub(crate) fn check_block(
        &self,
        block: SignedBlockWithAttestation,
        state: CheckedState,
    ) -> Result<Anchor, Mismatch> {
        let (expected, found) = (state.checkpoint.root, block.block().tree_hash_root());
        if found != expected {
            return Err(Mismatch::Pair { expected, found });
        }
        let attestation = &block.message.proposer_attestation;
        let (proposer, slot) = (block.block().proposer_index, block.block().slot);
        if block.signature.len() != block.attestations().count() {
            return Err(Mismatch::Envelope(
                "it does not have a signature for each attestation",
            ));
        }
        if (attestation.validator_id, attestation.data.slot) != (proposer, slot) {
            return Err(Mismatch::Envelope(
                "its proposer has not signed for this slot",
            ));
        }
        // Otherwise anybody could put a block and a state of their own into the envelope of another block of the slot.
        let head = attestation.data.head;
        if head != state.checkpoint && head.root != block.block().parent_root {
            return Err(Mismatch::Envelope(
                "its proposer has signed for another block",
            ));
        }
        self.check_signatures(&block)?;
        Ok(Anchor {
            block,
            state: state.state,
            checkpoint: state.checkpoint,
        })
    }

    fn check_signatures(&self, block: &SignedBlockWithAttestation) -> Result<(), Mismatch> {
        let keys: Option<Vec<&PublicKey>> = block
            .attestations()
            .map(|attestation| self.genesis.public_key(attestation.validator_id))
            .collect();
        let keys = keys.ok_or(Mismatch::Envelope(
            "a validator that does not exist has signed",
        ))?;
        let roots: Vec<Root> = block
            .attestations()
            .map(Attestation::tree_hash_root)
            .collect();
        let attestations = block.attestations().zip(&block.signature);
        let items: Vec<Verification<'_>> = attestations
            .zip(keys.iter().zip(&roots))
            .map(|((attestation, signature), (key, root))| Verification {
                public_key: key.as_bytes(),
                epoch: attestation.data.slot,
                message: &root.0,
                signature: signature.as_bytes(),
            })
            .collect();
        let valid = self.scheme.verify_many(&items);
        let invalid = valid.iter().position(|valid| !valid);
        match invalid.and_then(|index| block.attestations().nth(index)) {
            None => Ok(()),
            Some(attestation) => Err(Mismatch::Signature {
                validator: attestation.validator_id,
            }),
        }
    }
}

impl Anchor {
    /// Checks a block and the state after it, from wherever they come. `None` for the genesis state, whatever the
    /// block. Hashes both and verifies the block's signatures: for a thread that may compute for a second.
    ///
    /// # Errors
    /// With the first thing that does not fit.
    pub fn check(
        network: &Network,
        block: SignedBlockWithAttestation,
        state: State,
    ) -> Result<Option<Self>, Mismatch> {
        let state = network.check_state(state)?;
        if state.is_genesis {
            return Ok(None);
        }
        network.check_block(block, state).map(Some)
    }

    /// Whether the anchor's chain has this block: itself, or one before it.
    #[must_use]
    pub fn has(&self, checkpoint: Checkpoint) -> bool {
        checkpoint == self.checkpoint || is_in_history(&self.state, checkpoint)
    }

    /// How many slots old the block is at `current_slot`.
    #[must_use]
    pub fn age(&self, current_slot: Slot) -> u64 {
        current_slot.saturating_sub(self.checkpoint.slot)
    }
}

fn is_in_history(state: &State, checkpoint: Checkpoint) -> bool {
    let slot = usize::try_from(checkpoint.slot).unwrap_or(usize::MAX);
    state.historical_block_hashes.get(slot) == Some(&checkpoint.root)
}
