//! A short chain whose blocks are signed, and what a node serves of it.

use std::{
    sync::{LazyLock, Mutex},
    time::Duration,
};

use quartet_clock::Clock;
use quartet_state_transition::seal_block;
use quartet_types::{
    Attestation, AttestationData, Block, BlockBody, BlockWithAttestation, Checkpoint, PublicKey,
    Signature, SignedBlockWithAttestation, Slot, State,
};
use quartet_xmss::{KeyMaterial, Scheme, SecretKey, Threads};
use rand::{SeedableRng as _, rngs::StdRng};
use ssz::Encode as _;
use tree_hash::TreeHash as _;

use crate::Network;

pub(crate) const VALIDATORS: u64 = 4;
pub(crate) const GENESIS_TIME: u64 = 1_000;

/// The validators' keys, which are drawn once.
static KEYS: LazyLock<Vec<Mutex<SecretKey>>> = LazyLock::new(|| {
    let mut random = StdRng::seed_from_u64(8);
    let draw = |_| {
        let lifetime = Scheme::Test.lifetime();
        let material = KeyMaterial::generate(Scheme::Test, 0, lifetime, &mut random).unwrap();
        Mutex::new(SecretKey::build(material, Threads::One, &|_| {}))
    };
    (0..VALIDATORS).map(draw).collect()
});

pub(crate) fn public_keys() -> Vec<PublicKey> {
    let keys = KEYS.iter();
    keys.map(|key| PublicKey(key.lock().unwrap().public_key().to_bytes()))
        .collect()
}

pub(crate) fn genesis() -> State {
    State::genesis(GENESIS_TIME, &public_keys()).unwrap()
}

/// What a node knows at the start of `slot`.
pub(crate) fn network(slot: Slot) -> Network {
    let now = Duration::from_secs(GENESIS_TIME + 4 * slot);
    Network {
        genesis: genesis(),
        clock: Clock::manual(GENESIS_TIME, now),
        scheme: Scheme::Test,
    }
}

/// A block and the state after it.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) block: SignedBlockWithAttestation,
    pub(crate) state: State,
}

impl Served {
    pub(crate) fn block_bytes(&self) -> Vec<u8> {
        self.block.as_ssz_bytes()
    }

    pub(crate) fn state_bytes(&self) -> Vec<u8> {
        self.state.as_ssz_bytes()
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        self.block.block().checkpoint()
    }

    /// Has its proposer attest to this head, and sign that.
    pub(crate) fn attest(&mut self, head: Checkpoint) {
        let own = &mut self.block.message.proposer_attestation;
        own.data.head = head;
        let last = self.block.signature.len() - 1;
        self.block.signature[last] = sign(own);
    }

    /// The envelope around another block, with its proposer's signature.
    pub(crate) fn sealed(block: Block, state: State) -> Self {
        let head = block.checkpoint();
        let data = AttestationData {
            slot: block.slot,
            head,
            target: head,
            source: state.latest_justified,
        };
        let proposer_attestation = Attestation {
            validator_id: block.proposer_index,
            data,
        };
        let message = BlockWithAttestation {
            block,
            proposer_attestation,
        };
        let mut block = SignedBlockWithAttestation {
            message,
            ..SignedBlockWithAttestation::default()
        };
        let signatures: Vec<_> = block.attestations().map(sign).collect();
        block.signature = signatures.try_into().unwrap();
        Self { block, state }
    }
}

fn sign(attestation: &Attestation) -> Signature {
    let root = attestation.tree_hash_root();
    let slot = attestation.data.slot;
    let mut key = KEYS[attestation.validator_id as usize].lock().unwrap();
    key.prepare(slot).unwrap();
    let signature = key.sign(slot, &root.0).unwrap();
    Signature::from(*signature)
}

/// The blocks of a chain, by index, with blocks in all slots but `empty`; everybody votes for every block.
pub(crate) fn chain(slots: Slot, empty: &[Slot]) -> Vec<Served> {
    let mut state = genesis();
    let mut parent = Block::genesis(&state).checkpoint();
    let mut blocks = Vec::new();
    for slot in (1..=slots).filter(|slot| !empty.contains(slot)) {
        let source = match state.latest_justified {
            first if first.root.is_zero() => parent,
            justified => justified,
        };
        let data = AttestationData {
            slot: parent.slot,
            head: parent,
            target: parent,
            source,
        };
        let voters = (0..VALIDATORS).filter(|_| parent.slot > 0);
        let votes = voters.map(|validator_id| Attestation { validator_id, data });
        let block = Block {
            slot,
            proposer_index: slot % VALIDATORS,
            parent_root: parent.root,
            body: BlockBody {
                attestations: votes.collect::<Vec<_>>().try_into().unwrap(),
            },
            ..Block::default()
        };
        let (block, after) = seal_block(&state, block).unwrap();
        parent = block.checkpoint();
        state = after.clone();
        blocks.push(Served::sealed(block, after));
    }
    blocks
}
