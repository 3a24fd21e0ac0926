//! Checks of blocks, and the import of those that pass.

use std::time::Duration;

use metrics::{counter, gauge, histogram};
use quartet_clock::Stopwatch;
use quartet_fork_choice::{BlockError, NamedBlocks};
use quartet_processor::Priority;
use quartet_recording::Decision;
use quartet_storage::StoredBlock;
use quartet_types::{Checkpoint, Root};
use tracing::debug;

use super::{ChainService, jobs::Done, triage::is_needed};
use crate::{
    ChainEvent, ImportError, ImportableBlock, ImportedBlock, Pruned, Source, Verdict,
    envelope::Binding, pending::PendingBlock, verification::BlockCheck,
};

/// What follows from an import.
pub(super) struct Committed {
    /// What is to be written of it.
    pub(super) stored: StoredBlock,
    pub(super) pruned: Pruned,
    /// Whether the latest justified checkpoint has moved.
    pub(super) justifies: bool,
}

impl ChainService {
    pub(super) fn check(&mut self, pending: PendingBlock) {
        let (root, block) = (pending.root, pending.block.clone());
        let check = BlockCheck::new(&self.chain.read(), root, block, pending.is_authentic);
        let begun = Stopwatch::start();
        self.checking.insert(root, pending);
        let check = match check {
            Ok(check) => check,
            Err(error) => return self.on_block_checked(root, begun, Err(error)),
        };
        let (verifier, reader) = (self.verifier, self.reader.clone());
        let work = move || {
            let watch = Stopwatch::start();
            let result = check.run(verifier, &reader);
            histogram!("quartet_block_check_seconds").record(watch.seconds());
            result
        };
        let done = move |result: Result<_, ImportError>| Done::Block {
            root,
            begun,
            result: result.and_then(|checked| checked),
        };
        self.spawn(Priority::Block, work, done);
    }

    /// A block has been checked.
    pub(super) fn on_block_checked(
        &mut self,
        root: Root,
        begun: Stopwatch,
        result: Result<ImportableBlock, ImportError>,
    ) {
        let Some(pending) = self.checking.remove(&root) else {
            return;
        };
        let imported = match result {
            Ok(_) if self.has_lost_its_place(&pending) => {
                self.note_evidence(&pending);
                self.answer(pending, Verdict::Ignore);
                return self.after_check();
            }
            Ok(importable) => self.import_block(importable, pending.names, pending.origin.source()),
            Err(error) => Err(error),
        };
        match imported {
            Ok(()) => {
                self.answer(pending, Verdict::Accept);
                self.note_import(begun.elapsed());
            }
            // Finality has passed the block while it was checked. That is no fault of the sender.
            Err(ImportError::Block(BlockError::RuledOut { .. })) => {
                debug!(%root, "finality has passed a block that was being checked");
                self.answer(pending, Verdict::Ignore);
            }
            Err(error) => self.on_failed_check(pending, &error),
        }
        self.after_check();
    }

    /// Goes on with what waited for the outcome.
    pub(super) fn after_check(&mut self) {
        self.poll_sync();
        self.update_sync_state();
    }

    fn note_import(&mut self, took: Duration) {
        histogram!("quartet_block_import_seconds").record(took.as_secs_f64());
        self.longest_import = self.longest_import.max(took);
        gauge!("quartet_block_import_longest_seconds").set(self.longest_import.as_secs_f64());
    }

    /// Whether another block of its slot was imported while this one was checked, and nothing needs this one.
    fn has_lost_its_place(&self, pending: &PendingBlock) -> bool {
        let binding = pending.binding();
        let current = self.chain.read().current_slot();
        !is_needed(binding, self.need_of(pending))
            && !self
                .admissions
                .has_place(pending.slot(), pending.root, binding, current)
    }

    /// Imports a checked block, tells the watchers, stores it, and dispatches what waited for it.
    pub(super) fn import_block(
        &mut self,
        importable: ImportableBlock,
        names: NamedBlocks,
        origin: Source,
    ) -> Result<(), ImportError> {
        self.advance_to_now();
        let root = importable.root;
        let Some(Committed {
            stored,
            pruned,
            justifies,
        }) = self.commit_block(importable, names, origin)?
        else {
            return Ok(());
        };
        self.persist(vec![stored], pruned, justifies);
        self.release(root);
        Ok(())
    }

    /// Imports a checked block and tells the watchers. `None` where it has come by another way meanwhile.
    pub(super) fn commit_block(
        &mut self,
        importable: ImportableBlock,
        names: NamedBlocks,
        origin: Source,
    ) -> Result<Option<Committed>, ImportError> {
        if self.chain.read().contains(&importable.root) {
            return Ok(None);
        }
        let (root, block) = (importable.root, importable.block.clone());
        let slot = block.block().slot;
        let watch = Stopwatch::start();
        let (stored, justified) = {
            let chain = self.chain.read();
            (chain.to_store(&importable), chain.latest_justified())
        };
        let inner = block.block();
        let imported = ChainEvent::Block(ImportedBlock {
            block: Checkpoint {
                root,
                slot: inner.slot,
            },
            parent_root: inner.parent_root,
            state_root: inner.state_root,
            proposer: inner.proposer_index,
            attestations: inner.body.attestations.len(),
            origin,
        });
        let pruned = self.change_for(
            |chain| chain.import_block_with(importable, names),
            |outcome| outcome.is_ok().then_some(imported),
        );
        let pruned = pruned.inspect_err(|error| {
            self.tape.decide(|| Decision::NotImported {
                block: Checkpoint { root, slot },
                error: error.to_string(),
            });
        })?;
        let justifies = self.chain.read().latest_justified() != justified;
        histogram!("lean_fork_choice_block_processing_time_seconds").record(watch.seconds());
        counter!("quartet_blocks_imported_total").increment(1);
        if inner.slot == self.chain.read().current_slot() {
            // With it comes its proposer's vote.
            self.note_votes(inner.slot, 1);
        }
        let binding = Binding::of(root, &block.message);
        self.admissions.admit(inner.slot, root, binding);
        self.tell_of_sightings(block.attestations());
        debug!(%root, slot = inner.slot, proposer = inner.proposer_index, "imported");
        Ok(Some(Committed {
            stored,
            pruned,
            justifies,
        }))
    }

    /// Dispatches the blocks and votes that waited for a block.
    pub(super) fn release(&mut self, root: Root) {
        let (blocks, attestations) = self.parking.release(&root);
        for block in blocks {
            self.dispatch(block);
        }
        self.on_attestations(attestations);
    }
}
