//! The specification's store as far as it accepts or refuses blocks, written down plainly and never
//! pruned: what it refuses, a client that follows the specification to the letter refuses too.
//!
//! Source: leanSpec `050fa4a`, `Store.on_block`, `Store.on_attestation`, `Store.validate_attestation` and
//! `SignedBlockWithAttestation.verify_signatures`. Head, weights and targets play no part in it.

use std::{collections::HashMap, sync::Arc};

use quartet_state_transition::state_transition;
use quartet_types::{
    Attestation, Block, Checkpoint, CheckpointRole, Root, Signature, SignedBlockWithAttestation,
    Slot, State, ValidatorIndex,
};
use quartet_xmss::{Scheme, Verification};
use tree_hash::TreeHash as _;

/// Most blocks that wait for what they name; later ones are let go.
const WAITING: usize = 256;

/// A store that has seen every block of a run.
#[derive(Debug)]
pub(crate) struct SpecificationStore {
    scheme: Scheme,
    known: HashMap<Root, KnownBlock>,
    /// Blocks that were refused for now and may be accepted when more is known.
    waiting: Vec<SignedBlockWithAttestation>,
    /// Attestations whose signatures have been verified.
    verified: HashMap<Attestation, Signature>,
}

#[derive(Debug)]
struct KnownBlock {
    slot: Slot,
    post_state: Arc<State>,
}

/// Why the store refuses a block.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("its parent {0} is unknown")]
    UnknownParent(Root),
    #[error("{found} signatures for {attestations} attestations")]
    SignatureCount { found: usize, attestations: usize },
    #[error("validator {0} has not signed its attestation")]
    Signature(ValidatorIndex),
    #[error("the transition fails: {0}")]
    Transition(#[from] quartet_state_transition::Error),
    #[error("validator {validator} names the unknown {role} {checkpoint}")]
    UnknownBlock {
        validator: ValidatorIndex,
        role: &'static str,
        checkpoint: Checkpoint,
    },
    #[error("validator {0} has a source after its target")]
    SourceAfterTarget(ValidatorIndex),
    #[error("validator {validator} has the wrong slot for its {role}")]
    WrongSlot {
        validator: ValidatorIndex,
        role: CheckpointRole,
    },
    #[error("validator {validator} attests in slot {slot}, and it is slot {current}")]
    FutureSlot {
        validator: ValidatorIndex,
        slot: Slot,
        current: Slot,
    },
}

impl Refusal {
    /// Whether the block may be accepted when more is known, or later.
    fn is_for_now(&self) -> bool {
        matches!(
            self,
            Self::UnknownParent(_) | Self::UnknownBlock { .. } | Self::FutureSlot { .. }
        )
    }
}

impl SpecificationStore {
    /// A store that knows nothing but the genesis.
    pub(crate) fn new(genesis: &State, scheme: Scheme) -> Self {
        let root = Block::genesis(genesis).tree_hash_root();
        let anchor = KnownBlock {
            slot: 0,
            post_state: Arc::new(genesis.clone()),
        };
        Self {
            scheme,
            known: HashMap::from([(root, anchor)]),
            waiting: Vec::new(),
            verified: HashMap::new(),
        }
    }

    /// Takes a block, or says why not.
    pub(crate) fn on_block(
        &mut self,
        block: &SignedBlockWithAttestation,
        current: Slot,
    ) -> Result<(), Refusal> {
        self.try_waiting(current);
        match self.accept(block, current) {
            Ok(()) => {
                self.try_waiting(current);
                Ok(())
            }
            Err(refusal) => {
                if refusal.is_for_now() && self.waiting.len() < WAITING {
                    self.waiting.push(block.clone());
                }
                Err(refusal)
            }
        }
    }

    fn try_waiting(&mut self, current: Slot) {
        loop {
            let mut progress = false;
            for block in std::mem::take(&mut self.waiting) {
                match self.accept(&block, current) {
                    Ok(()) => progress = true,
                    Err(refusal) if refusal.is_for_now() => self.waiting.push(block),
                    Err(_) => {}
                }
            }
            if !progress {
                return;
            }
        }
    }

    fn accept(
        &mut self,
        signed: &SignedBlockWithAttestation,
        current: Slot,
    ) -> Result<(), Refusal> {
        let block = signed.block();
        let root = block.tree_hash_root();
        if self.known.contains_key(&root) {
            return Ok(());
        }
        let parent = self.known.get(&block.parent_root);
        let parent = parent.ok_or(Refusal::UnknownParent(block.parent_root))?;
        let pre_state = parent.post_state.clone();
        // What costs least is asked first, unlike in the specification; the answer is the same.
        let own = KnownBlock {
            slot: block.slot,
            post_state: pre_state.clone(),
        };
        for attestation in &block.body.attestations {
            self.validate(attestation, (root, &own), current + 1)?;
        }
        let proposer = &signed.message.proposer_attestation;
        self.validate(proposer, (root, &own), current)?;
        let post_state = Arc::new(state_transition(&pre_state, block)?);
        self.verify_signatures(signed, &pre_state)?;
        let slot = block.slot;
        self.known.insert(root, KnownBlock { slot, post_state });
        Ok(())
    }

    /// `Store.validate_attestation`; the block that carries the attestation is known by then.
    fn validate(
        &self,
        attestation: &Attestation,
        own: (Root, &KnownBlock),
        latest: Slot,
    ) -> Result<(), Refusal> {
        let Attestation {
            validator_id: validator,
            data,
        } = *attestation;
        let find = |role, checkpoint: Checkpoint| {
            let known = if checkpoint.root == own.0 {
                Some(own.1)
            } else {
                self.known.get(&checkpoint.root)
            };
            known.map(|block| block.slot).ok_or(Refusal::UnknownBlock {
                validator,
                role,
                checkpoint,
            })
        };
        let source = find("source", data.source)?;
        let target = find("target", data.target)?;
        find("head", data.head)?;
        if data.source.slot > data.target.slot {
            return Err(Refusal::SourceAfterTarget(validator));
        }
        for (role, found, expected) in [
            (CheckpointRole::Source, data.source.slot, source),
            (CheckpointRole::Target, data.target.slot, target),
        ] {
            if found != expected {
                return Err(Refusal::WrongSlot { validator, role });
            }
        }
        if data.slot > latest {
            return Err(Refusal::FutureSlot {
                validator,
                slot: data.slot,
                current: latest,
            });
        }
        Ok(())
    }

    fn verify_signatures(
        &mut self,
        signed: &SignedBlockWithAttestation,
        pre_state: &State,
    ) -> Result<(), Refusal> {
        let attestations = signed.block().body.attestations.len() + 1;
        if signed.signature.len() != attestations {
            return Err(Refusal::SignatureCount {
                found: signed.signature.len(),
                attestations,
            });
        }
        for (attestation, signature) in signed.attestations().zip(&signed.signature) {
            if self.verified.get(attestation) == Some(signature) {
                continue;
            }
            let validator = attestation.validator_id;
            let key = pre_state.public_key(validator);
            let key = key.ok_or(Refusal::Signature(validator))?;
            let item = Verification {
                public_key: key.as_bytes(),
                epoch: attestation.data.slot,
                message: &attestation.tree_hash_root().0,
                signature: signature.as_bytes(),
            };
            if self.scheme.verify_many(&[item]) != [true] {
                return Err(Refusal::Signature(validator));
            }
            self.verified.insert(*attestation, signature.clone());
        }
        Ok(())
    }
}
