//! Building a block: which of the votes at hand go into it.

use std::{cmp::Reverse, collections::HashMap};

use quartet_types::{
    Attestation, Block, BlockBody, Root, Slot, State, VALIDATOR_REGISTRY_LIMIT, ValidatorIndex,
    proposer_index,
};
use tree_hash::TreeHash as _;

use crate::{
    Error,
    attestations::{Countable, process_attestations},
    header::process_block_header,
    process_slots,
};

/// Most attestations in a block: its signatures, of which there is one more, have the registry's limit too, and a
/// signed block has to fit a gossip message of 10 MiB (3,348 bytes and 3,248 for each attestation): 3,227.
pub const MAX_PROPOSED_ATTESTATIONS: usize = {
    const LARGEST_MESSAGE: usize = 10 << 20;
    let by_bytes = (LARGEST_MESSAGE - 3348) / 3248;
    let by_list = VALIDATOR_REGISTRY_LIMIT as usize - 1;
    if by_bytes < by_list {
        by_bytes
    } else {
        by_list
    }
};

/// For so many slots a validator's newest vote is carried whatever it counts.
const MAX_AGE_FOR_ITS_HEAD: Slot = 32;

/// Which votes a proposer carries. Any choice makes a valid block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// Those whose source is the latest justified checkpoint of the state that results, as the specification has it.
    LatestSource,
    /// The newest vote of each validator, for its head, if it is at most 32 slots old or its source is the highest
    /// justified checkpoint of the state that results: a vote that only some nodes have received would divide them for
    /// as long as its validator is silent. And all others that bring a newer target closer to being justified: votes
    /// that a proposer left out, or that a block of an abandoned branch carried, are not lost.
    ///
    /// Votes that could only set the chain back to an older justified checkpoint are left out. Older targets come
    /// first, and of one target the votes with the newest sources, so that a source is finalized only if those suffice.
    /// After a vote that finalizes something, no vote for another target is carried: clients differ on whether such a
    /// vote is judged by the finalized slot from before the block.
    AllThatCount,
}

/// Builds the block of `slot` on the block whose post-state is `pre`, and returns it with its own post-state.
///
/// Since votes can justify another checkpoint, more candidates are looked for until none is left. A candidate that
/// would make the block invalid is left out, where the specification would fail to propose. What exceeds
/// [`MAX_PROPOSED_ATTESTATIONS`] is left out. By [`Selection::LatestSource`], candidates keep their order as far as the
/// rounds allow.
///
/// Source: leanSpec `Store.produce_block_with_signatures`.
///
/// # Errors
/// When the state cannot be advanced to `slot`, or no block fits it at all.
pub fn build_block(
    pre: &State,
    slot: Slot,
    candidates: &[Attestation],
    selection: Selection,
) -> Result<(Block, State), Error> {
    let mut based = pre.clone();
    process_slots(&mut based, slot)?;
    let proposer_index =
        proposer_index(slot, pre.validator_count()).ok_or(Error::NoProposer { slot })?;
    let mut block = Block {
        slot,
        proposer_index,
        parent_root: based.latest_block_header.tree_hash_root(),
        state_root: Root::ZERO,
        body: BlockBody::default(),
    };
    // The header is the same for every choice but for the body's root, which the chosen body gets in the end.
    process_block_header(&mut based, &block)?;
    let (chosen, mut post) = choose(&based, slot, candidates, selection)?;
    // Never more than the list takes.
    block.body.attestations = chosen.try_into().unwrap_or_default();
    post.latest_block_header.body_root = block.body.tree_hash_root();
    block.state_root = post.tree_hash_root();
    Ok((block, post))
}

/// The votes that the block carries, in order, and the state with them; `based` is the one without.
fn choose(
    based: &State,
    slot: Slot,
    candidates: &[Attestation],
    selection: Selection,
) -> Result<(Vec<Attestation>, State), Error> {
    let mut waiting = with_newest(candidates);
    let mut chosen: Vec<Attestation> = Vec::new();
    loop {
        let mut post = based.clone();
        let finalizing = match process_attestations(&mut post, &chosen) {
            Ok(finalizing) => finalizing,
            Err(error) => {
                chosen.remove(error.attestation().ok_or(error)?);
                continue;
            }
        };
        let countable = Countable::new(&post);
        // Found out one by one, each would cost a transition.
        waiting.retain(|(vote, _)| !countable.would_invalidate_block(vote));
        let more: Vec<_> = match (selection, finalizing) {
            (Selection::LatestSource, _) => {
                let fits =
                    |(vote, _): &mut (Attestation, bool)| vote.data.source == post.latest_justified;
                waiting.extract_if(.., fits).collect()
            }
            (Selection::AllThatCount, None) => {
                let fits = |(vote, is_newest): &mut (Attestation, bool)| {
                    let is_by_source = vote.data.source == countable.highest_justified()
                        || vote.data.slot.saturating_add(MAX_AGE_FOR_ITS_HEAD) >= slot;
                    !countable.would_lower_justified(vote)
                        && (*is_newest && is_by_source || countable.counts(vote))
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
            return Ok((chosen, post));
        }
        chosen.extend(more.into_iter().map(|(vote, _)| vote).take(room));
        if selection == Selection::AllThatCount {
            chosen.sort_by_key(|vote| (vote.data.target.slot, Reverse(vote.data.source.slot)));
        }
    }
}

/// The candidates, and of each whether it is its validator's newest.
fn with_newest(candidates: &[Attestation]) -> Vec<(Attestation, bool)> {
    let mut newest: HashMap<ValidatorIndex, Slot> = HashMap::new();
    for vote in candidates {
        let slot = newest.entry(vote.validator_id).or_default();
        *slot = vote.data.slot.max(*slot);
    }
    let is_newest = |vote: &Attestation| newest.get(&vote.validator_id) == Some(&vote.data.slot);
    let with = |vote: &Attestation| (*vote, is_newest(vote));
    candidates.iter().map(with).collect()
}

/// Drops the votes after a finalizing one that could count for another target. True if there were any.
fn drop_what_counts_behind(finalizing: usize, chosen: &mut Vec<Attestation>, post: &State) -> bool {
    let Some(last) = chosen.get(finalizing).copied() else {
        return false;
    };
    let justified = last.data.target.slot;
    let length = chosen.len();
    let mut position = 0;
    chosen.retain(|vote| {
        position += 1;
        // Up to the finalizing vote, all clients judge alike; votes for its target count no more, since it is
        // justified.
        position <= finalizing + 1 || vote.data.target.slot <= justified || {
            let known = usize::try_from(vote.data.target.slot).ok();
            let root = known.and_then(|slot| post.historical_block_hashes.get(slot));
            root != Some(&vote.data.target.root)
        }
    });
    chosen.len() < length
}

#[cfg(test)]
mod plain;
#[cfg(test)]
mod tests;
