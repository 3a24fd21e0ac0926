//! Blocks, their entries, signatures and votes.

use quartet_types::{AttestationData, BlockWithAttestation, Checkpoint, Root};
use redb::{ReadTransaction, ReadableTable as _, TableHandle as _};
use tree_hash::TreeHash as _;

use super::Inspector;
use crate::{
    blocks::stored_slot,
    error::Failure,
    pending::{Votes, keep_newest},
    seal::Place,
    start::Registry,
    tables::{
        BLOCKS, CANONICAL, ENTRIES, Links, META, SIGNATURES, SLOTS, VOTES, get_meta, keyed, meta,
        numbered, signatures,
    },
};

impl Inspector<'_> {
    pub(super) fn stored_votes(&mut self, transaction: &ReadTransaction) -> Result<(), Failure> {
        let table = transaction.open_table(VOTES)?;
        let registry: Option<Registry> =
            get_meta(&transaction.open_table(META)?, meta::REGISTRY).unwrap_or_default();
        let limit = registry.map_or(u64::MAX, |registry| registry.validators.len() as u64);
        for row in table.iter()? {
            let (key, record) = row?;
            let validator = key.value();
            let place = Place::number(VOTES.name(), validator);
            self.expect(validator < limit, || {
                format!("a vote of validator {validator}, who is nobody")
            });
            if let Some(vote) = self.note(place.decode::<AttestationData>(record.value())) {
                self.votes.insert(validator, vote);
            }
        }
        Ok(())
    }

    pub(super) fn blocks(&mut self, transaction: &ReadTransaction) -> Result<(), Failure> {
        let blocks = transaction.open_table(BLOCKS)?;
        let pieces = transaction.open_table(SIGNATURES)?;
        let entries = transaction.open_table(ENTRIES)?;
        let canonical = transaction.open_table(CANONICAL)?;
        let mut newest = Votes::new();
        for row in blocks.iter()? {
            let (key, record) = row?;
            let (slot, root) = key.value();
            let root = Root::from(root);
            self.done.blocks += 1;
            let place = Place::block(BLOCKS.name(), slot, root);
            let Some(message) = self.note(place.decode::<BlockWithAttestation>(record.value()))
            else {
                continue;
            };
            let block = &message.block;
            self.expect(block.tree_hash_root() == root && block.slot == slot, || {
                format!("block {root}@{slot}: it hashes to another root, or is of another slot")
            });
            if let Some(signatures) = self.note(signatures(&pieces, slot, root)) {
                // The block of a start may have none: nobody signed genesis.
                let expected = [0, block.body.attestations.len() + 1];
                self.expect(expected.contains(&signatures.len()), || {
                    format!("block {root}@{slot}: {} signatures", signatures.len())
                });
            }
            let links = self.note(keyed::<Links>(&entries, ENTRIES.name(), slot, root));
            let Some(links) = links else { continue };
            let is_final = numbered(&canonical, CANONICAL.name(), slot);
            let is_final = self.note(is_final).flatten() == Some(root);
            self.expect(links.is_some() || is_final, || {
                format!("block {root}@{slot}: it has no entry and is not final")
            });
            let parent = links.map_or(block.parent_root, |links| links.parent_root);
            self.expect(parent == block.parent_root, || {
                format!("entry {root}@{slot}: its parent is not the block's")
            });
            if links.is_some() {
                let body = block.body.attestations.iter();
                for vote in body.chain([&message.proposer_attestation]) {
                    keep_newest(&mut newest, vote.validator_id, vote.data, false);
                }
            }
        }
        self.compare_votes(&newest);
        Ok(())
    }

    /// A stored vote is at least as new as those of stored blocks; newer ones are of blocks that were deleted.
    fn compare_votes(&mut self, newest: &Votes) {
        for (validator, vote) in newest {
            let stored = self.votes.get(validator).map(|vote| vote.slot);
            // Nobody voted in genesis, whatever stands in its envelope.
            let is_right = vote.slot == 0 || stored.is_some_and(|slot| slot >= vote.slot);
            self.expect(is_right, || {
                format!("the vote of validator {validator} is older than one in a stored block")
            });
        }
    }

    /// Signatures without a block.
    pub(super) fn pieces(&mut self, transaction: &ReadTransaction) -> Result<(), Failure> {
        let blocks = transaction.open_table(BLOCKS)?;
        let mut last = None;
        for row in transaction.open_table(SIGNATURES)?.iter()? {
            let key = row?.0;
            let (slot, root, _) = key.value();
            if last == Some((slot, *root)) {
                continue;
            }
            last = Some((slot, *root));
            let has_block = blocks.get((slot, root))?.is_some();
            self.expect(has_block, || {
                format!(
                    "signatures of {}@{slot}, which is not there",
                    Root::from(root)
                )
            });
        }
        Ok(())
    }

    pub(super) fn entries(&mut self, transaction: &ReadTransaction) -> Result<(), Failure> {
        let entries = transaction.open_table(ENTRIES)?;
        let blocks = transaction.open_table(BLOCKS)?;
        let anchor: Option<Checkpoint> = get_meta(&transaction.open_table(META)?, meta::ANCHOR)?;
        let anchor = anchor.map_or(0, |anchor| anchor.slot);
        for row in entries.iter()? {
            let (key, record) = row?;
            let (slot, root) = key.value();
            let root = Root::from(root);
            let place = Place::block(ENTRIES.name(), slot, root);
            let Some(links) = self.note(place.decode::<Links>(record.value())) else {
                continue;
            };
            let known = stored_slot(transaction, root)?;
            self.expect(known == Some(slot), || {
                format!("entry {root}@{slot}: it is not found by its root")
            });
            let body = blocks.get((slot, &root.0))?.is_some();
            self.expect(body || slot < anchor, || {
                format!("entry {root}@{slot}: its block is not there")
            });
            // A parent may have been deleted, but not be younger.
            let parent = stored_slot(transaction, links.parent_root)?;
            self.done.unattached += u64::from(parent.is_none() && slot > anchor);
            self.expect(parent.is_none_or(|parent| parent < slot), || {
                format!("entry {root}@{slot}: its parent is not older")
            });
        }
        Ok(())
    }

    pub(super) fn slots(&mut self, transaction: &ReadTransaction) -> Result<(), Failure> {
        let entries = transaction.open_table(ENTRIES)?;
        let blocks = transaction.open_table(BLOCKS)?;
        for row in transaction.open_table(SLOTS)?.iter()? {
            let (root, slot) = row?;
            let (root, slot) = (root.value(), slot.value());
            let is_known =
                entries.get((slot, root))?.is_some() || blocks.get((slot, root))?.is_some();
            self.expect(is_known, || {
                format!("slot of {}@{slot}, which is not there", Root::from(root))
            });
        }
        Ok(())
    }
}
