//! Building a block as plainly as can be: a whole transition for each round.

use std::{cmp::Reverse, collections::BTreeMap};

use quartet_types::{
    Attestation, Block, BlockBody, Root, Slot, State, ValidatorIndex, proposer_index,
};
use tree_hash::TreeHash as _;

use super::{MAX_AGE_FOR_ITS_HEAD, MAX_PROPOSED_ATTESTATIONS, Selection, drop_what_counts_behind};
use crate::{Error, attestations::Countable, process_counting, process_slots};

pub(super) fn build_block(
    pre: &State,
    slot: Slot,
    candidates: &[Attestation],
    selection: Selection,
) -> Result<(Block, State), Error> {
    let mut advanced = pre.clone();
    process_slots(&mut advanced, slot)?;
    let proposer_index =
        proposer_index(slot, pre.validator_count()).ok_or(Error::NoProposer { slot })?;
    let mut block = Block {
        slot,
        proposer_index,
        parent_root: advanced.latest_block_header.tree_hash_root(),
        state_root: Root::ZERO,
        body: BlockBody::default(),
    };
    let newest = newest_slots(candidates);
    let mut waiting: Vec<Attestation> = candidates.to_vec();
    let mut chosen: Vec<Attestation> = Vec::new();
    loop {
        // Never more than the list takes.
        block.body.attestations = chosen.clone().try_into().unwrap_or_default();
        let mut post = advanced.clone();
        let finalizing = match process_counting(&mut post, &block, &crate::observer::NoObserver) {
            Ok(finalizing) => finalizing,
            Err(error) => {
                chosen.remove(error.attestation().ok_or(error)?);
                continue;
            }
        };
        let countable = Countable::new(&post);
        // Found out one by one, each would cost a transition.
        waiting.retain(|vote| !countable.would_invalidate_block(vote));
        let more = match (selection, finalizing) {
            (Selection::LatestSource, _) => {
                let fits = |vote: &mut Attestation| vote.data.source == post.latest_justified;
                waiting.extract_if(.., fits).collect()
            }
            (Selection::AllThatCount, None) => {
                let fits = |vote: &mut Attestation| {
                    let is_newest = newest.get(&vote.validator_id) == Some(&vote.data.slot);
                    let is_by_source = vote.data.source == countable.highest_justified()
                        || vote.data.slot.saturating_add(MAX_AGE_FOR_ITS_HEAD) >= slot;
                    !countable.would_lower_justified(vote)
                        && (is_newest && is_by_source || countable.counts(vote))
                };
                waiting.extract_if(.., fits).collect()
            }
            (Selection::AllThatCount, Some(finalizing)) => {
                if drop_what_counts_behind(finalizing, &mut chosen, &post) {
                    waiting.clear();
                    continue;
                }
                Vec::new()
            }
        };
        let room = MAX_PROPOSED_ATTESTATIONS - chosen.len();
        if more.is_empty() || room == 0 {
            block.state_root = post.tree_hash_root();
            return Ok((block, post));
        }
        chosen.extend(more.into_iter().take(room));
        if selection == Selection::AllThatCount {
            chosen.sort_by_key(|vote| (vote.data.target.slot, Reverse(vote.data.source.slot)));
        }
    }
}

/// Slot of each validator's newest candidate.
fn newest_slots(candidates: &[Attestation]) -> BTreeMap<ValidatorIndex, Slot> {
    let mut newest: BTreeMap<ValidatorIndex, Slot> = BTreeMap::new();
    for vote in candidates {
        let slot = newest.entry(vote.validator_id).or_default();
        *slot = vote.data.slot.max(*slot);
    }
    newest
}
