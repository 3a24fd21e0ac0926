//! Checking a run of blocks together: the signatures fill all lanes and cores, the transitions follow one another.

use std::{collections::HashSet, sync::Arc};

use quartet_types::{Attestation, Root, Signature, SignedBlockWithAttestation, Validators};

use crate::{
    ChainReader, ImportError, ImportableBlock,
    reader::block_root,
    verification::{Verifier, signature_count, state_transition, verify_each},
};

/// A block with its root.
pub(crate) type Rooted = (Root, Arc<SignedBlockWithAttestation>);
/// A block that cannot be imported, and why.
pub(crate) type Refused = (Root, Arc<SignedBlockWithAttestation>, ImportError);

/// A run of blocks whose signatures have been verified.
#[derive(Debug, Default)]
pub(crate) struct CheckedBatch {
    /// Each builds on the one before, and all their signatures are valid.
    pub(crate) blocks: Vec<Rooted>,
    /// The first block that is not like that.
    pub(crate) error: Option<Refused>,
}

/// A run of blocks that have been applied.
#[derive(Debug)]
pub(crate) struct AppliedBatch {
    /// What can be imported, in order.
    pub(crate) importable: Vec<ImportableBlock>,
    /// The first block that is invalid.
    pub(crate) error: Option<Refused>,
}

/// Verifies all signatures of a run of blocks, each of them once.
pub(crate) fn check_batch(
    verifier: Verifier,
    validators: &Validators,
    blocks: Vec<Arc<SignedBlockWithAttestation>>,
) -> CheckedBatch {
    let mut checked = CheckedBatch::default();
    for block in blocks {
        let root = block_root(&block);
        let before = checked.blocks.last().map(|(root, _)| *root);
        let follows = before.is_none_or(|before| before == block.block().parent_root);
        let error = if follows {
            signature_count(&block).err()
        } else {
            Some(ImportError::UnknownParent(block.block().parent_root))
        };
        if let Some(error) = error {
            checked.error = Some((root, block, error));
            break;
        }
        checked.blocks.push((root, block));
    }
    let mut seen: HashSet<(&Attestation, &Signature)> = HashSet::new();
    let (mut signed, mut owners) = (Vec::new(), Vec::new());
    for (index, (_, block)) in checked.blocks.iter().enumerate() {
        for vote in block.attestations().zip(&block.signature) {
            if seen.insert(vote) {
                signed.push(vote);
                owners.push(index);
            }
        }
    }
    let failed = verify_each(verifier, validators, &signed)
        .into_iter()
        .zip(owners);
    let failed = failed.filter_map(|(error, index)| Some((index, error?)));
    if let Some((index, error)) = failed.min_by_key(|(index, _)| *index) {
        let mut rest = checked.blocks.split_off(index).into_iter();
        checked.error = rest.next().map(|(root, block)| (root, block, error));
    }
    checked
}

/// Applies a run of blocks to the state of the first one's parent.
pub(crate) fn apply_batch(
    reader: &ChainReader,
    parent: Root,
    blocks: Vec<Rooted>,
    error: Option<Refused>,
) -> Result<AppliedBatch, ImportError> {
    let mut state = reader.parent_state(parent)?;
    let mut importable = Vec::with_capacity(blocks.len());
    for (root, block) in blocks {
        match state_transition(&state, block.block()) {
            Ok(post_state) => {
                state = Arc::new(post_state);
                importable.push(ImportableBlock {
                    root,
                    block,
                    post_state: state.clone(),
                });
            }
            Err(error) => {
                let error = Some((root, block, error.into()));
                return Ok(AppliedBatch { importable, error });
            }
        }
    }
    Ok(AppliedBatch { importable, error })
}

#[cfg(test)]
mod tests;
