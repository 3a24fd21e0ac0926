//! Turns events of the chain and of peers into JSON for the feed.

mod payload;

use std::time::Duration;

use metrics::gauge;
use quartet_chain::{ChainEvent, ImportedBlock, PeerChange, Source, SyncState};
use quartet_types::{Checkpoint, Root, Slot, proposer_index};
use serde::Serialize;
use tokio::{
    sync::broadcast::error::RecvError,
    time::{MissedTickBehavior, interval},
};

use crate::{
    condition::Condition,
    feed::{Records, Topic},
    node::NodeView,
    views::SyncingView,
};
use payload::origin;

/// How often the progress of catching up is published.
const PROGRESS: Duration = Duration::from_secs(1);

/// Publishes until the chain's events end.
pub(crate) async fn run(node: NodeView) {
    let (mut chain, mut peers) = (node.chain_events(), node.peer_changes());
    let mut progress = interval(PROGRESS);
    progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut publisher = EventPublisher::new(node);
    loop {
        tokio::select! {
            biased;
            event = chain.recv() => match event {
                Ok(event) => {
                    publisher.start_records();
                    publisher.on_chain(event);
                }
                // Subscribers see it by the slots.
                Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "events of the chain were lost"),
                Err(RecvError::Closed) => return,
            },
            change = peers.recv() => match change {
                Ok(change) => publisher.on_peer(change),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            _ = progress.tick(), if publisher.is_syncing => publisher.publish_sync(),
        }
    }
}

/// Turns events into JSON and publishes them.
struct EventPublisher {
    node: NodeView,
    is_syncing: bool,
    /// The condition that was published last.
    condition: Option<Condition>,
    has_records: bool,
}

impl EventPublisher {
    fn new(node: NodeView) -> Self {
        Self {
            is_syncing: false,
            condition: None,
            has_records: false,
            node,
        }
    }

    /// Creates the records at the first event, not before: the chain may be busy at the start.
    fn start_records(&mut self) {
        if std::mem::replace(&mut self.has_records, true) {
            return;
        }
        let validators = self.node.overview().validator_count as usize;
        let since = self.node.current_slot() + 1;
        *self.node.feed().records() = Records::new(validators, since);
    }

    fn at(&self) -> u64 {
        self.node.now().as_millis() as u64
    }

    fn publish(&self, topic: Topic, payload: impl Serialize) {
        self.node.feed().publish(topic, self.at(), payload);
    }

    fn on_chain(&mut self, event: ChainEvent) {
        match event {
            ChainEvent::Block(block) => self.on_block(block),
            ChainEvent::Attestations { origin, votes } => {
                for vote in votes.iter() {
                    self.on_vote(vote, origin);
                }
            }
            ChainEvent::Head {
                before,
                head,
                reorg_depth,
            } => self.on_head(before, head, reorg_depth),
            ChainEvent::Justified(checkpoint) => {
                self.publish_checkpoint(Topic::Justified, checkpoint)
            }
            ChainEvent::Finalized(checkpoint) => {
                self.publish_checkpoint(Topic::Finalized, checkpoint)
            }
            ChainEvent::SafeTarget(Checkpoint { root, slot }) => {
                let payload = payload::SafeTargetEvent { slot, block: root };
                self.publish(Topic::SafeTarget, payload);
            }
            ChainEvent::Equivocation { validator, slot } => {
                let validator_id = validator;
                let payload = payload::EquivocationEvent { slot, validator_id };
                self.publish(Topic::Equivocation, payload);
            }
            ChainEvent::Sync(state) => {
                self.is_syncing = matches!(state, SyncState::Syncing { .. });
                self.publish_sync();
            }
            ChainEvent::Duty(duty) => self.publish(Topic::Duty, payload::DutyEvent::from(&duty)),
            ChainEvent::SlotEnd(slot) => self.on_slot_end(slot),
        }
    }

    fn on_peer(&mut self, change: PeerChange) {
        self.publish(
            Topic::Peer,
            payload::PeerEvent::new(change, self.node.now()),
        );
        self.publish_condition_change();
    }

    fn on_block(&mut self, imported: ImportedBlock) {
        let ImportedBlock {
            block,
            parent_root,
            proposer,
            attestations,
            ..
        } = imported;
        self.publish(
            Topic::Block,
            payload::BlockEvent {
                slot: block.slot,
                block: block.root,
                parent_root,
                proposer_index: proposer,
                attestations,
                origin: origin(imported.origin),
            },
        );
        let Some(envelope) = self.node.block_in_memory(block.root) else {
            return;
        };
        let body = envelope.block().body.attestations.iter();
        self.node
            .feed()
            .records()
            .record_block(block.slot, proposer, body);
        // The time at which catching up imports a block says nothing about when it was published.
        if imported.origin != Source::Sync {
            let vote = &envelope.message.proposer_attestation;
            self.record_vote(vote);
            self.publish(
                Topic::Attestation,
                payload::AttestationEvent {
                    validator_id: vote.validator_id,
                    data: &vote.data,
                    origin: "block",
                },
            );
        }
    }

    fn on_vote(&self, vote: &quartet_types::Attestation, source: Source) {
        self.record_vote(vote);
        self.publish(
            Topic::Attestation,
            payload::AttestationEvent {
                validator_id: vote.validator_id,
                data: &vote.data,
                origin: origin(source),
            },
        );
    }

    fn record_vote(&self, vote: &quartet_types::Attestation) {
        let since = self.node.since_slot(vote.data.slot);
        let half = self.node.slot_duration() / 2;
        let at = self.at();
        self.node
            .feed()
            .records()
            .record_vote(vote, at, since, half);
    }

    fn on_head(&self, before: Checkpoint, head: Checkpoint, depth: u64) {
        let block = self.node.block_in_memory(head.root);
        self.publish(
            Topic::Head,
            payload::HeadEvent {
                slot: head.slot,
                block: head.root,
                state: block.as_ref().map(|block| block.block().state_root),
                parent_root: block.as_ref().map(|block| block.block().parent_root),
            },
        );
        if depth > 0 {
            self.publish(
                Topic::Reorg,
                payload::ReorgEvent {
                    slot: head.slot,
                    depth,
                    old_head: before,
                    new_head: head,
                },
            );
        }
    }

    fn publish_checkpoint(&self, topic: Topic, Checkpoint { root, slot }: Checkpoint) {
        let state = self.state_root(root);
        let block = root;
        self.publish(topic, payload::CheckpointEvent { slot, block, state });
    }

    /// The state root in a block, if the block is in memory.
    fn state_root(&self, root: Root) -> Option<Root> {
        let block = self.node.block_in_memory(root)?;
        Some(block.block().state_root)
    }

    fn on_slot_end(&mut self, slot: Slot) {
        let overview = self.node.overview();
        if let Some(over) = slot
            .checked_sub(1)
            .filter(|_| overview.sync == SyncState::Synced)
        {
            let proposer = proposer_index(over, overview.validator_count);
            self.node.feed().records().close_slot(over, proposer);
        }
        let condition = self.node.condition();
        self.publish(
            Topic::Slot,
            payload::SlotEvent {
                slot,
                head: overview.head,
                safe_target: overview.safe_target,
                justified: overview.justified,
                finalized: overview.finalized,
                peers: self.node.peer_count(),
                state: condition,
            },
        );
        self.publish_condition_change();
        gauge!("quartet_subscribers").set(self.node.feed().subscriber_count() as f64);
    }

    /// Publishes the condition if it has changed.
    fn publish_condition_change(&mut self) {
        if Some(self.node.condition()) != self.condition {
            self.publish_sync();
        }
    }

    fn publish_sync(&mut self) {
        self.condition = Some(self.node.condition());
        let syncing = SyncingView::of(&self.node);
        self.publish(Topic::Sync, payload::SyncEvent { syncing });
    }
}
