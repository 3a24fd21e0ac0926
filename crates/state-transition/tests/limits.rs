//! How far a chain can go.
// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used)]

use quartet_state_transition::{Error, Selection, build_block};
use quartet_types::{HISTORICAL_ROOTS_LIMIT, PublicKey, State};

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
