//! Building a block: which of the votes at hand go into it.

use std::{cmp::Reverse, collections::BTreeMap};

use quartet_types::{
    Attestation, Block, BlockBody, Root, Slot, State, VALIDATOR_REGISTRY_LIMIT, ValidatorIndex,
    proposer_index,
};
use tree_hash::TreeHash as _;

use crate::{Error, attestations::Countable, process_counting, process_slots};

/// Most attestations in a block: its signatures, of which there is one more, have the registry's limit too, and a signed
/// block has to fit a gossip message of 10 MiB (3,348 bytes and 3,248 for each attestation).
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
    /// The newest vote of each validator, for its head, if it is at most 32 slots old or its source is the highest justified
    /// checkpoint of the state that results: a vote that only some have heard would divide the nodes for as long as its
    /// validator is silent. And all others that bring a newer target closer to being justified: what a proposer left out, or a block carried that the
    /// head has left, is not lost.
    ///
    /// Votes that could only set the chain back to an older justified checkpoint are left out. Older targets come first, and
    /// of one target the votes with the newest sources, so that a source is finalized only if those suffice. Behind a vote
    /// that finalizes something no other counts: clients differ on whether such a vote is judged by the finalized slot of
    /// before the block.
    AllThatCount,
}

/// Builds the block of `slot` on the block whose post-state is `pre`, and returns it with its own post-state.
///
/// Since votes can justify another checkpoint, more candidates are looked for until none is left. A candidate that would
/// make the block invalid is left out, where the specification would fail to propose. What exceeds
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
        let finalizing = match process_counting(&mut post, &block) {
            Ok(finalizing) => finalizing,
            Err(error) => {
                chosen.remove(error.attestation().ok_or(error)?);
                continue;
            }
        };
        let countable = Countable::new(&post);
        // One after another they would each cost a transition to be found out.
        waiting.retain(|vote| !countable.spoils(vote));
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
                    !countable.sets_back(vote)
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

/// Drops the votes behind a finalizing one that could be counted for another target. True if there were any.
fn drop_what_counts_behind(finalizing: usize, chosen: &mut Vec<Attestation>, post: &State) -> bool {
    let Some(last) = chosen.get(finalizing).copied() else {
        return false;
    };
    let justified = last.data.target.slot;
    let length = chosen.len();
    let mut position = 0;
    chosen.retain(|vote| {
        position += 1;
        // On the way to the finalizing vote all has been judged alike by everybody; what has the same target is justified.
        position <= finalizing + 1 || vote.data.target.slot <= justified || {
            let known = usize::try_from(vote.data.target.slot).ok();
            let root = known.and_then(|slot| post.historical_block_hashes.get(slot));
            root != Some(&vote.data.target.root)
        }
    });
    chosen.len() < length
}

#[cfg(test)]
mod tests {
    use quartet_types::{AttestationData, Checkpoint, PublicKey};

    use super::*;
    use crate::state_transition;

    const BY_SOURCE: Selection = Selection::LatestSource;

    fn vote(validator_id: u64, source: Checkpoint, target: Checkpoint) -> Attestation {
        Attestation {
            validator_id,
            data: AttestationData {
                slot: target.slot,
                head: target,
                target,
                source,
            },
        }
    }

    #[test]
    fn votes_that_become_valid_within_the_block_join_and_those_that_would_spoil_it_do_not() {
        let keys: Vec<_> = (0..3).map(|byte| PublicKey([byte; 52])).collect();
        let genesis = State::genesis(0, &keys).unwrap();
        let (first, state) = build_block(&genesis, 1, &[], BY_SOURCE).unwrap();
        let (_, state) = build_block(&state, 2, &[], BY_SOURCE).unwrap();
        let genesis = Checkpoint {
            root: first.parent_root,
            slot: 0,
        };
        let justified = first.checkpoint();
        let second = Checkpoint {
            root: state.latest_block_header.tree_hash_root(),
            slot: 2,
        };
        let beyond = Checkpoint { slot: 9, ..second };

        let early = [0, 1].map(|validator| vote(validator, genesis, justified));
        let late = vote(2, justified, Checkpoint { slot: 1, ..second });
        let spoiling = [vote(2, genesis, beyond), vote(3, genesis, justified)];
        let foreign = vote(2, second, beyond);
        let candidates = [spoiling[0], late, early[0], spoiling[1], foreign, early[1]];

        let (block, post) = build_block(&state, 3, &candidates, BY_SOURCE).unwrap();
        let carried: Vec<_> = block.body.attestations.iter().copied().collect();
        assert_eq!(carried, [early[0], early[1], late]);
        assert_eq!(post.latest_justified, justified);
        assert_eq!(state_transition(&state, &block), Ok(post));
    }
}
