//! The messages that the node is sent: honest ones, forged ones and broken ones.

use std::sync::Arc;

use quartet_chain::{ChainMessage, GossipAttestation, RequestError};
use quartet_types::{Attestation, Checkpoint, Root, SignedBlockWithAttestation, State, Status};
use tokio::sync::oneshot;

use super::{Awaited, Node, peer};
use quartet_world::World;

use crate::{input::Input, world::Guided as _};

impl Node {
    pub(super) async fn tell(&self, message: ChainMessage) {
        self.handle.send(message).await.unwrap();
    }

    pub(super) async fn send_made(&mut self, world: &World, index: usize, input: &mut Input<'_>) {
        let made = &world.made[index];
        let is_honest = made.is_honest && index > 0;
        self.send_block(made.block.clone(), is_honest, input).await;
    }

    pub(super) async fn send_block(
        &mut self,
        block: Arc<SignedBlockWithAttestation>,
        is_honest: bool,
        input: &mut Input<'_>,
    ) {
        let (sender, verdict) = oneshot::channel();
        let what = format!("a block at slot {}: {:?}", self.clock.slot(), block.message);
        self.tell(ChainMessage::Block {
            block,
            peer: peer(input),
            verdict: sender,
        })
        .await;
        self.awaited.push(Awaited {
            verdict,
            is_honest,
            what,
        });
    }

    pub(super) fn vote(&mut self, world: &World, input: &mut Input<'_>) {
        let current = self.clock.slot();
        for _ in 0..=input.below(8) {
            let is_honest = input.below(4) != 0;
            let message = if is_honest {
                let head = world.pick(input);
                let slot = current.max(world.made[head].slot());
                let validator_id = input.below(world.keys.len()) as u64;
                let data = world.attestation_data(head, slot);
                Attestation { validator_id, data }
            } else {
                world.any_vote(current, input)
            };
            let mut attestation = world.sign(message);
            if !is_honest && input.flag() {
                attestation.signature = quartet_types::Signature::default();
            }
            let (verdict, awaited) = oneshot::channel();
            let peer = peer(input);
            self.handle.attestation(GossipAttestation {
                attestation,
                peer,
                verdict,
            });
            self.awaited.push(Awaited {
                what: format!("a vote at slot {current}: {message:?}"),
                verdict: awaited,
                // Of a head that honest validators could have.
                is_honest: is_honest
                    && world
                        .find(&message.data.head.root)
                        .is_some_and(|m| m.is_honest),
            });
        }
    }

    pub(super) async fn status(&mut self, world: &World, input: &mut Input<'_>) {
        let name = |input: &mut Input<'_>| match input.below(6) {
            0 => Checkpoint {
                root: Root::repeat_byte(input.byte()),
                slot: input.any_size(),
            },
            1 => Checkpoint::default(),
            _ => world.made[world.pick(input)].checkpoint(),
        };
        let (head, mut finalized) = (name(input), name(input));
        if input.flag() {
            finalized = world.genesis().checkpoint();
        }
        let (peer, status) = (peer(input), Status { finalized, head });
        self.tell(ChainMessage::Status { peer, status }).await;
    }

    /// A request is answered: with what it asked for, with less, or with something else.
    pub(super) async fn answer(&mut self, world: &mut World, input: &mut Input<'_>) {
        let number = match input.below(16) {
            0 => Some(input.any_size()),
            nth => self
                .requests
                .keys()
                .nth(nth % self.requests.len().max(1))
                .copied(),
        };
        let Some(request) = number else { return };
        let Some(wanted) = self.requests.remove(&request) else {
            let result = Ok(Vec::new());
            return self
                .tell(ChainMessage::RequestedBlocks { request, result })
                .await;
        };
        let asked = |root: &Root| world.find(root).map(|made| made.block.clone());
        let mut blocks: Vec<_> = wanted.roots.iter().filter_map(asked).collect();
        if !wanted.slots.is_empty() {
            // The chain that ends in one of the blocks there are, as a peer of another view would serve it.
            let mut at = world.pick(input);
            while at > 0 {
                if wanted.slots.contains(&world.made[at].slot()) {
                    blocks.push(world.made[at].block.clone());
                }
                at = world.made[at].parent;
            }
            blocks.reverse();
        }
        let result = match input.below(12) {
            0 => Err(RequestError::NoAnswer),
            1 => Err(RequestError::Unsupported),
            2 => Err(RequestError::Malformed),
            3 => Err(RequestError::NotSent),
            4 => {
                blocks.truncate(input.below(8));
                Ok(blocks)
            }
            5 => {
                let index = world.pick(input);
                let block = world.spoilt(index, input);
                world.learn(&block);
                // An answer to a range has ascending slots within it, whatever else is in it.
                let fits = wanted.slots.contains(&block.block().slot);
                if !wanted.slots.is_empty() {
                    blocks.retain(|other| other.block().slot != block.block().slot);
                }
                if fits
                    || wanted
                        .roots
                        .contains(&quartet_types::Block::checkpoint(block.block()).root)
                {
                    blocks.push(block.into());
                }
                if fits {
                    blocks.sort_by_key(|block| block.block().slot);
                }
                Ok(blocks)
            }
            _ => Ok(blocks),
        };
        self.tell(ChainMessage::RequestedBlocks { request, result })
            .await;
    }

    /// A proposal, as far as it goes, or votes of our own.
    pub(super) async fn own_duty(&mut self, world: &mut World, input: &mut Input<'_>) {
        let slot = self.clock.slot();
        if input.flag() {
            let data = self.chain.read().attestation_data(slot);
            let validator_id = input.below(world.keys.len()) as u64;
            let attestations = vec![world.sign(Attestation { validator_id, data })];
            let (imported, results) = oneshot::channel();
            self.tell(ChainMessage::OwnAttestations {
                attestations,
                imported,
            })
            .await;
            assert_eq!(results.await.unwrap().len(), 1);
            return;
        }
        let (ready, prepared) = oneshot::channel();
        self.tell(ChainMessage::PrepareProposal { slot, ready })
            .await;
        let _ = prepared.await;
        let head = self.chain.read().head();
        let Some(parent) = world.made.iter().position(|made| made.root == head.root) else {
            return;
        };
        if slot <= head.slot {
            return;
        }
        let made = world.make(parent, slot, input);
        let made = &world.made[made];
        if !made.is_honest || made.slot() != slot {
            return;
        }
        let (imported, result) = oneshot::channel();
        self.tell(ChainMessage::OwnBlock {
            block: made.block.clone(),
            post_state: Box::new(State::clone(&made.state)),
            imported,
        })
        .await;
        let _ = result.await.unwrap();
    }
}
