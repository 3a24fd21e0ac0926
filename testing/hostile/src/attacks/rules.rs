//! Attacks on the rules of consensus.

use super::{
    Attack, Kind, floods, forged_blocks, invented_roots, nothing, replayed_votes, served_forgeries,
    together,
};

/// Every attack on the rules, in the order in which they are played.
pub(super) static RULES: [Attack; 9] = [
    Attack::on(
        Kind::Rules,
        "nothing",
        "listens and sends nothing: what the others are compared with",
        nothing,
    ),
    Attack::on(
        Kind::Rules,
        "forged-blocks",
        "a block of its own each slot, valid but for its proposer, whose attestation is somebody's heard \
                vote; its root ground upwards",
        |stage| Box::pin(forged_blocks::replace_honest_blocks(stage)),
    ),
    Attack::on(
        Kind::Rules,
        "half-bound",
        "the same with the attestation of the slot's proposer, one for the parent where any was heard",
        |stage| Box::pin(forged_blocks::borrow_the_proposers_attestation(stage)),
    ),
    Attack::on(
        Kind::Rules,
        "replayed-votes",
        "votes of seven slots ago, sent again just after the last interval's start",
        |stage| Box::pin(replayed_votes::replay(stage)),
    )
    .with_history(replayed_votes::AGE + 1),
    Attack::on(
        Kind::Rules,
        "fat-blocks",
        "forged blocks of 9.7 MB, with 3,000 copies of one vote, one a second",
        |stage| Box::pin(floods::fat_blocks(stage)),
    ),
    Attack::on(
        Kind::Rules,
        "many-blocks",
        "400 small forged blocks a second",
        |stage| Box::pin(floods::many_blocks(stage)),
    ),
    Attack::on(
        Kind::Rules,
        "invented-roots",
        "heard blocks and votes with other parents, bodies, states, envelopes and heads, 20 a second",
        |stage| Box::pin(invented_roots::alter(stage)),
    ),
    Attack::on(
        Kind::Rules,
        "served-forgeries",
        "claims a chain of three forged blocks each slot and serves them to those who ask",
        |stage| Box::pin(served_forgeries::claim_and_serve(stage)),
    ),
    Attack::on(
        Kind::Rules,
        "together",
        "all of the others at once",
        |stage| Box::pin(together(&RULES, stage)),
    )
    .with_history(replayed_votes::AGE + 1),
];
