//! A peer that follows no rules but the scenario's.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use quartet_chain::ProducedBlock;
use quartet_types::{
    Attestation, Block, BlockSignatures, BlockWithAttestation, Root, Signature, SignedAttestation,
    SignedBlockWithAttestation, Status,
};
use tree_hash::TreeHash as _;

use crate::{
    SimulationError,
    network::{Gossip, Inbound, Network, Packet},
    validators::Validators,
};

/// A peer of every node, with the keys of all validators.
#[derive(Debug)]
pub struct Adversary {
    number: usize,
    network: Arc<Network>,
    validators: Arc<Validators>,
    claimed: Arc<Mutex<ClaimedChain>>,
}

/// What it answers to requests.
#[derive(Debug, Default)]
struct ClaimedChain {
    status: Status,
    blocks: BTreeMap<Root, Arc<SignedBlockWithAttestation>>,
    requests: u64,
}

impl Adversary {
    pub(crate) fn new(number: usize, network: Arc<Network>, validators: Arc<Validators>) -> Self {
        let claimed = Arc::new(Mutex::new(ClaimedChain::default()));
        let mut inbound = network.attach(number);
        let (answers, wire) = (claimed.clone(), network.clone());
        tokio::spawn(async move {
            while let Some(inbound) = inbound.recv().await {
                if let Inbound::Packet { peer, packet } = inbound
                    && let Some(answer) = answers.lock().answer(packet)
                {
                    wire.send(number, peer, answer);
                }
            }
        });
        Self {
            number,
            network,
            validators,
            claimed,
        }
    }

    /// Its number among the peers.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Claims this status, to one node now and to all that ask later.
    pub fn claim(&self, node: usize, status: Status) {
        self.claimed.lock().status = status;
        let answer = true;
        let packet = Packet::Status { status, answer };
        self.network.send(self.number, node, packet);
    }

    /// Claims this status to all that ask from now on.
    pub fn claim_chain(&self, status: Status) {
        self.claimed.lock().status = status;
    }

    /// Serves a block to nodes that request it.
    pub fn serve(&self, block: Arc<SignedBlockWithAttestation>) {
        let root = block.block().tree_hash_root();
        self.claimed.lock().blocks.insert(root, block);
    }

    /// How many requests for blocks it has had.
    pub fn requests(&self) -> u64 {
        self.claimed.lock().requests
    }

    /// Signs any message with any validator's key.
    ///
    /// # Errors
    /// When the key cannot sign in that epoch.
    pub fn sign(&self, attestation: Attestation) -> Result<SignedAttestation, SimulationError> {
        self.validators.sign(attestation)
    }

    /// Makes an envelope for a block with a proposer's attestation.
    ///
    /// # Errors
    /// When the key cannot sign in that epoch, or the block holds too many attestations.
    pub fn seal(
        &self,
        produced: ProducedBlock,
        proposer_attestation: Attestation,
    ) -> Result<Arc<SignedBlockWithAttestation>, SimulationError> {
        let own = self.sign(proposer_attestation)?;
        self.wrap(produced.block, produced.signatures, own)
    }

    /// Makes an envelope for a block with the signatures of its attestations, and a signed attestation in the
    /// place of the proposer's.
    ///
    /// # Errors
    /// When the block holds too many attestations.
    pub fn wrap(
        &self,
        block: Block,
        mut signatures: Vec<Signature>,
        own: SignedAttestation,
    ) -> Result<Arc<SignedBlockWithAttestation>, SimulationError> {
        signatures.push(own.signature);
        let signature = BlockSignatures::try_from(signatures)
            .map_err(|error| SimulationError::Block(format!("{error:?}")))?;
        let message = BlockWithAttestation {
            block,
            proposer_attestation: own.message,
        };
        Ok(Arc::new(SignedBlockWithAttestation { message, signature }))
    }

    /// Sends a block to one node as gossip.
    pub fn send_block(&self, node: usize, block: Arc<SignedBlockWithAttestation>) {
        self.send_block_to(&[node], block);
    }

    /// Sends a block to some nodes as gossip.
    pub fn send_block_to(&self, nodes: &[usize], block: Arc<SignedBlockWithAttestation>) {
        self.network
            .observe(|observer, time| observer.heard_block(time, &block));
        self.gossip(nodes, &Gossip::block(block));
    }

    /// Sends an attestation to one node as gossip.
    pub fn send_attestation(&self, node: usize, attestation: SignedAttestation) {
        self.send_attestation_to(&[node], attestation);
    }

    /// Sends an attestation to some nodes as gossip.
    pub fn send_attestation_to(&self, nodes: &[usize], attestation: SignedAttestation) {
        self.network
            .observe(|observer, _| observer.log.vote(&attestation));
        self.gossip(nodes, &Gossip::attestation(Box::new(attestation)));
    }

    fn gossip(&self, nodes: &[usize], gossip: &Arc<Gossip>) {
        for node in nodes {
            let packet = Packet::Gossip(gossip.clone());
            self.network.send(self.number, *node, packet);
        }
    }
}

impl ClaimedChain {
    fn answer(&mut self, packet: Packet) -> Option<Packet> {
        match packet {
            Packet::Status { answer: false, .. } => Some(Packet::Status {
                status: self.status,
                answer: true,
            }),
            Packet::BlocksRequest { request, roots } => {
                self.requests += 1;
                let found = roots.iter().filter_map(|root| self.blocks.get(root));
                let blocks = found.cloned().collect();
                Some(Packet::BlocksResponse { request, blocks })
            }
            Packet::RangeRequest {
                request,
                start_slot,
                count,
            } => {
                self.requests += 1;
                let slots = start_slot..start_slot.saturating_add(count);
                let found = self.blocks.values();
                let found = found.filter(|block| slots.contains(&block.block().slot));
                let mut blocks: Vec<_> = found.cloned().collect();
                blocks.sort_by_key(|block| block.block().slot);
                Some(Packet::BlocksResponse { request, blocks })
            }
            _ => None,
        }
    }
}
