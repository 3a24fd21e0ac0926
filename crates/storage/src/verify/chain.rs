//! The finalized chain, states and finality.

use std::sync::Arc;

use quartet_types::{BlockWithAttestation, Checkpoint, Root, Slot, State};
use redb::{ReadTransaction, ReadableTable as _, TableHandle as _};
use tree_hash::TreeHash as _;

use super::Inspector;
use crate::{
    error::Failure,
    seal::Place,
    start::Registry,
    tables::{
        BLOCKS, CANONICAL, ENTRIES, FINALITY, Finalization, Links, META, STATES, get_meta, keyed,
        meta, numbered,
    },
};

impl Inspector<'_> {
    pub(super) fn meta(&mut self, transaction: &ReadTransaction) -> Result<(), Failure> {
        let table = transaction.open_table(META)?;
        let anchor: Option<Checkpoint> = get_meta(&table, meta::ANCHOR)?;
        let Some(anchor) = anchor else {
            // Nothing else needs to be there before a start.
            return Ok(());
        };
        for name in [meta::KEPT, meta::SWEPT, meta::THINNED] {
            let slot = get_meta::<Slot>(&table, name);
            let slot = self.note(slot).flatten();
            self.expect(slot.is_some(), || format!("meta: no slot {name}"));
        }
        let registry = self.note(get_meta::<Registry>(&table, meta::REGISTRY));
        self.expect(registry.flatten().is_some(), || "meta: no registry".into());
        let canonical = transaction.open_table(CANONICAL)?;
        let root = numbered(&canonical, CANONICAL.name(), anchor.slot)?;
        self.expect(root == Some(anchor.root), || {
            format!("the anchor {anchor} is not on the finalized chain")
        });
        let key = (anchor.slot, &anchor.root.0);
        let is_there = [ENTRIES, BLOCKS, STATES].map(|table| -> Result<bool, Failure> {
            Ok(transaction.open_table(table)?.get(key)?.is_some())
        });
        for (is_there, what) in is_there.into_iter().zip(["entry", "block", "state"]) {
            let is_there = is_there?;
            self.expect(is_there, || format!("the anchor {anchor} has no {what}"));
        }
        Ok(())
    }

    /// The finalized chain ends where it should, and what is there of its blocks is in one line.
    pub(super) fn canonical(&mut self, transaction: &ReadTransaction) -> Result<(), Failure> {
        let table = transaction.open_table(META)?;
        let finalized: Option<Checkpoint> = get_meta(&table, meta::FINALIZED)?;
        let kept: Option<Slot> = get_meta(&table, meta::KEPT)?;
        let blocks = transaction.open_table(BLOCKS)?;
        let entries = transaction.open_table(ENTRIES)?;
        let mut last: Option<Checkpoint> = None;
        for row in transaction.open_table(CANONICAL)?.iter()? {
            let (key, record) = row?;
            let slot = key.value();
            self.done.finalized += 1;
            let place = Place::number(CANONICAL.name(), slot);
            let Some(root) = self.note(place.decode::<Root>(record.value())) else {
                last = None;
                continue;
            };
            let body = blocks.get((slot, &root.0))?;
            let is_missing = body.is_none() && kept.is_some_and(|kept| slot >= kept);
            self.expect(!is_missing, || {
                format!("the finalized chain's block {root}@{slot} is not there")
            });
            let place = Place::block(BLOCKS.name(), slot, root);
            let parent = match body {
                // A damaged one has been named already.
                Some(record) => place
                    .decode::<BlockWithAttestation>(record.value())
                    .ok()
                    .map(|message| message.block.parent_root),
                None => keyed::<Links>(&entries, ENTRIES.name(), slot, root)
                    .ok()
                    .flatten()
                    .map(|links| links.parent_root),
            };
            let is_linked = parent
                .zip(last)
                .is_none_or(|(parent, last)| parent == last.root);
            self.expect(is_linked, || {
                format!("the finalized chain is broken before {root}@{slot}")
            });
            last = Some(Checkpoint { root, slot });
        }
        let end = last.or(finalized);
        self.expect(end == finalized, || {
            "the finalized chain does not end with the finalized block".to_owned()
        });
        self.expect(last.is_some() || finalized.is_none(), || {
            "the finalized chain is empty or its end is damaged".to_owned()
        });
        Ok(())
    }

    /// Every state has the root that its block says: with it, all of the history it was put together from.
    pub(super) fn states(&mut self, transaction: &ReadTransaction) -> Result<(), Failure> {
        let blocks = transaction.open_table(BLOCKS)?;
        let mut like: Option<Arc<State>> = None;
        for row in transaction.open_table(STATES)?.iter()? {
            let key = row?.0;
            let (slot, root) = key.value();
            let root = Root::from(root);
            self.done.states += 1;
            let message = keyed::<BlockWithAttestation>(&blocks, BLOCKS.name(), slot, root);
            // A damaged one has been named already.
            let Ok(message) = message else { continue };
            let Some(message) = message else {
                self.problem(&format!("state of {root}@{slot}, whose block is not there"));
                continue;
            };
            // A state of the start takes the registry from its table; the others share it.
            match self.database.state(root, like.as_deref()) {
                Err(error) => self.problem(&format!("state of {root}@{slot}: {error}")),
                Ok(None) => self.problem(&format!("state of {root}@{slot}: not found by its root")),
                Ok(Some(state)) => {
                    let is_right = state.tree_hash_root() == message.block.state_root;
                    self.expect(is_right, || {
                        format!("state of {root}@{slot}: it has another root than its block says")
                    });
                    if is_right {
                        like = Some(state.into());
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn finality(&mut self, transaction: &ReadTransaction) -> Result<(), Failure> {
        let canonical = transaction.open_table(CANONICAL)?;
        for row in transaction.open_table(FINALITY)?.iter()? {
            let (key, record) = row?;
            let slot = key.value();
            let place = Place::number(FINALITY.name(), slot);
            let Some(step) = self.note(place.decode::<Finalization>(record.value())) else {
                continue;
            };
            let root = numbered(&canonical, CANONICAL.name(), slot).ok().flatten();
            self.expect(root == Some(step.root), || {
                format!("finality in slot {slot} is not on the finalized chain")
            });
        }
        Ok(())
    }
}
