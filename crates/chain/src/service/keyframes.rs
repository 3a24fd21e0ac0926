//! Keyframes, with which a replay can begin in the middle of a recording: what a restart would find, and some of what it would not.

use std::{sync::Arc, time::Duration};

use quartet_fork_choice::{BlockInfo, Checkpoints, VolatileState};
use quartet_recording::{KeyBlock, Keyframe, Note};
use quartet_sync::SyncState;
use quartet_types::{
    Attestation, BlockWithAttestation, INTERVALS_PER_SLOT, Root, SignedBlockWithAttestation,
};
use tracing::warn;

use super::ChainService;
use crate::{ChainReader, ForkChoiceView, StoreError};

/// Most blocks of a tree in a keyframe, three days of slots without finality: with more, no new segment begins.
const MAX_BLOCKS: usize = 1 << 16;
/// The interval in which all votes of the slot before count, and few things are under way.
const QUIET_INTERVAL: u64 = INTERVALS_PER_SLOT - 1;

/// A block of the tree, with its body if it is in memory.
type ResponseOutcome = (
    BlockInfo,
    Checkpoints,
    Option<Arc<SignedBlockWithAttestation>>,
);

/// What is gathered on this thread; the rest is read on another one.
struct Gathered {
    at: Duration,
    is_beginning: bool,
    is_synced: bool,
    blocks: Vec<ResponseOutcome>,
    volatile: VolatileState,
    view: ForkChoiceView,
    votes: Vec<Attestation>,
    reader: ChainReader,
}

impl ChainService {
    /// Has the recorder begin a new segment, if it wants to and nothing is under way that the new one would not know of. If
    /// something always is, it begins one anyway in the next slot.
    pub(super) fn offer_keyframe(&mut self) {
        if !self.tape.wants_keyframe() {
            self.keyframe_wanted = None;
            return;
        }
        let now = self.clock.intervals();
        if self.keyframe_noted == Some(now) {
            return;
        }
        let since = *self.keyframe_wanted.get_or_insert(now);
        let is_overdue = now >= since + 2 * INTERVALS_PER_SLOT;
        let is_idle = self.jobs.is_empty() && self.checking.is_empty();
        let is_quiet = is_idle && self.gathering.is_empty() && !self.parking.holds_blocks();
        if now % INTERVALS_PER_SLOT == QUIET_INTERVAL && (is_quiet || is_overdue) {
            self.note_keyframe(false);
        }
    }

    /// Has the recorder begin a new segment with where the service stands.
    pub(super) fn note_keyframe(&mut self, is_beginning: bool) {
        let gathered = self.gather(is_beginning);
        self.keyframe_wanted = None;
        self.keyframe_noted = Some(self.clock.intervals());
        self.tape.note(Note::Keyframe(Box::new(move || {
            let made = gathered?.into_keyframe();
            made.inspect_err(|StoreError(reason)| {
                warn!(%reason, "the recording has a gap: there is nothing to begin the next segment with");
            })
            .ok()
        })));
    }

    fn gather(&self, is_beginning: bool) -> Option<Gathered> {
        let chain = self.chain.read();
        let fork_choice = chain.fork_choice();
        if fork_choice.block_count() > MAX_BLOCKS {
            return None;
        }
        let noted = fork_choice.blocks().filter_map(|weighed| {
            let root = weighed.block.root;
            let checkpoints = fork_choice.checkpoints_of(&root)?;
            Some((weighed.block, checkpoints, chain.block(root)))
        });
        let blocks = noted.collect();
        let mut volatile = fork_choice.volatile_state();
        volatile
            .remembered
            .retain(|block| chain.canonical_root(block.slot) != Some(block.root));
        Some(Gathered {
            at: self.clock.now(),
            is_beginning,
            is_synced: chain.sync_state() == SyncState::Synced,
            blocks,
            volatile,
            view: chain.view(),
            votes: fork_choice.known_attestations().collect(),
            reader: self.reader.clone(),
        })
    }
}

impl Gathered {
    fn into_keyframe(self) -> Result<Keyframe, StoreError> {
        let Self {
            reader,
            volatile,
            view,
            ..
        } = self;
        let mut blocks = Vec::with_capacity(self.blocks.len());
        for (info, checkpoints, block) in self.blocks {
            let message = match block {
                Some(block) => block.message.clone(),
                None => message(&reader, info.root)?,
            };
            blocks.push(KeyBlock {
                root: info.root,
                message,
                justified: checkpoints.justified,
                finalized: checkpoints.finalized,
            });
        }
        let gone = |what| StoreError(format!("the {what} of the oldest block is gone"));
        let anchor = if blocks.is_empty() {
            return Err(gone("body"));
        } else {
            blocks.remove(0)
        };
        let state = reader.state(anchor.root)?.ok_or_else(|| gone("state"))?;
        Ok(Keyframe {
            at: self.at,
            is_beginning: self.is_beginning,
            is_synced: self.is_synced,
            time: volatile.time,
            head: view.head,
            safe_target: view.safe_target,
            justified: view.justified,
            finalized: view.finalized,
            anchor,
            state,
            blocks,
            votes: self.votes,
            new_votes: volatile.new_votes,
            equivocated: volatile.equivocated,
            remembered: volatile.remembered,
        })
    }
}

fn message(reader: &ChainReader, root: Root) -> Result<BlockWithAttestation, StoreError> {
    let message = reader.store().message(root)?;
    message.ok_or_else(|| StoreError(format!("block {root} is gone")))
}
