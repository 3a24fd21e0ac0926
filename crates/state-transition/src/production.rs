//! Building a block: which of the votes at hand go into it.

use quartet_types::{
    Attestation, Block, BlockBody, Checkpoint, Root, Slot, State, VALIDATOR_REGISTRY_LIMIT,
    proposer_index,
};
use tree_hash::TreeHash as _;

use crate::{Error, attestations::would_count, process_block, process_slots};

/// Most attestations in a block: its signatures, of which there is one more, have the registry's limit too.
const MAX_ATTESTATIONS: usize = VALIDATOR_REGISTRY_LIMIT as usize - 1;

/// Builds the block of `slot` on the block whose post-state is `pre`, and returns it with its own post-state.
///
/// It carries every candidate whose source is the justified checkpoint of the state that results; since votes can justify
/// another checkpoint, more are looked for until none is left. A candidate that would make the block invalid is
/// left out, where the specification would fail to propose. Candidates keep their order, as far as the rounds allow.
///
/// Source: leanSpec `Store.produce_block_with_signatures`.
///
/// # Errors
/// When the state cannot be advanced to `slot`, or no block fits it at all.
pub fn build_block(
    pre: &State,
    slot: Slot,
    candidates: &[Attestation],
) -> Result<(Block, State), Error> {
    build_block_toward(pre, slot, candidates, pre.latest_justified)
}

/// As [`build_block`], for a proposer who knows of a newer `justified` checkpoint than this chain does: a block on a
/// branch that the head has left justified it. Every validator then attests with that checkpoint as source, which
/// this chain does not count, and by the specification's rule alone nothing would be justified any more.
///
/// So until this chain has justified it too, candidates with an older justified source are carried as well, if they
/// bring something newer closer. For any receiver they are as valid as all others.
///
/// # Errors
/// As [`build_block`].
pub fn build_block_toward(
    pre: &State,
    slot: Slot,
    candidates: &[Attestation],
    justified: Checkpoint,
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
    let mut waiting: Vec<Attestation> = candidates.to_vec();
    let mut chosen: Vec<Attestation> = Vec::new();
    loop {
        // Never more than the list takes.
        block.body.attestations = chosen.clone().try_into().unwrap_or_default();
        let mut post = advanced.clone();
        match process_block(&mut post, &block) {
            Ok(()) => {}
            Err(error) => {
                chosen.remove(error.attestation().ok_or(error)?);
                continue;
            }
        }
        let room = MAX_ATTESTATIONS - chosen.len();
        let behind = post.latest_justified.slot < justified.slot;
        let fits = |vote: &mut Attestation| {
            vote.data.source == post.latest_justified
                || behind
                    && vote.data.target.slot > post.latest_justified.slot
                    && would_count(&post, &vote.data)
        };
        let more: Vec<_> = waiting.extract_if(.., fits).take(room).collect();
        if more.is_empty() {
            block.state_root = post.tree_hash_root();
            return Ok((block, post));
        }
        chosen.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use quartet_types::{AttestationData, Checkpoint, PublicKey};

    use super::*;
    use crate::state_transition;

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
        let (first, state) = build_block(&genesis, 1, &[]).unwrap();
        let (_, state) = build_block(&state, 2, &[]).unwrap();
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

        let (block, post) = build_block(&state, 3, &candidates).unwrap();
        let carried: Vec<_> = block.body.attestations.iter().copied().collect();
        assert_eq!(carried, [early[0], early[1], late]);
        assert_eq!(post.latest_justified, justified);
        assert_eq!(state_transition(&state, &block), Ok(post));
    }
}
