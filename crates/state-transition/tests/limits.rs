//! How far a chain can go.
// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used)]

use quartet_state_transition::{Error, Selection, build_block, state_transition};
use quartet_types::{
    Attestation, AttestationData, Block, Checkpoint, CheckpointRole, HISTORICAL_ROOTS_LIMIT,
    PublicKey, Root, State,
};

#[test]
fn the_history_takes_exactly_its_limit() {
    let genesis = State::genesis(0, &[PublicKey::default()]).unwrap();
    let build = |slot| build_block(&genesis, slot, &[], Selection::LatestSource);
    let (_, post) = build(HISTORICAL_ROOTS_LIMIT).unwrap();
    let length = post.historical_block_hashes.len() as u64;
    assert_eq!(length, HISTORICAL_ROOTS_LIMIT);
    let full = Error::HistoryFull {
        length: HISTORICAL_ROOTS_LIMIT + 1,
        limit: HISTORICAL_ROOTS_LIMIT,
    };
    assert_eq!(build(HISTORICAL_ROOTS_LIMIT + 1).unwrap_err(), full);
}

#[test]
fn a_vote_for_the_first_slot_beyond_the_history_makes_a_block_invalid() {
    let genesis = State::genesis(0, &[PublicKey::default()]).unwrap();
    let justified = Block::genesis(&genesis).checkpoint();
    let (block, _) = build_block(&genesis, 3, &[], Selection::LatestSource).unwrap();
    // Its history has slots 0, 1 and 2.
    let length = 3;
    let at = |slot| Checkpoint {
        root: Root::repeat_byte(7),
        slot,
    };
    let beyond = |source, target| {
        let data = AttestationData {
            slot: 2,
            head: justified,
            target,
            source,
        };
        let vote = Attestation {
            validator_id: 0,
            data,
        };
        let mut block = block.clone();
        block.body.attestations = vec![vote].try_into().unwrap();
        match state_transition(&genesis, &block).unwrap_err() {
            Error::BeyondHistory {
                role, slot, length, ..
            } => Some((role, slot, length)),
            _ => None,
        }
    };
    let (source, target) = (CheckpointRole::Source, CheckpointRole::Target);
    assert_eq!(beyond(at(2), justified), None);
    assert_eq!(beyond(at(3), justified), Some((source, 3, length)));
    assert_eq!(beyond(justified, at(2)), None);
    assert_eq!(beyond(justified, at(3)), Some((target, 3, length)));
}
