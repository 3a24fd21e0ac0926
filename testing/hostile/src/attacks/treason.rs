//! Attacks by a validator: one of seven, whose own node is gone.

use super::{Attack, Kind, nothing, together, traitor_blocks, traitor_votes};

/// Every attack by a validator, in the order in which they are played.
pub(super) static TREASON: [Attack; 6] = [
    Attack::on(
        Kind::Treason,
        "silence",
        "has a validator's key and signs nothing: what the others of its kind are compared with",
        nothing,
    ),
    Attack::on(
        Kind::Treason,
        "second-blocks",
        "64 blocks for each slot of its own, another one first to each node; bodies name those of its slot before",
        |stage| Box::pin(traitor_blocks::second_blocks(stage)),
    ),
    Attack::on(
        Kind::Treason,
        "withheld-blocks",
        "keeps its block until the slot is over but for a moment, and gives it to one node alone",
        |stage| Box::pin(traitor_blocks::withheld_blocks(stage)),
    ),
    Attack::on(
        Kind::Treason,
        "made-up-parents",
        "32 signed blocks a second for slots of its own, on parents that nobody has",
        |stage| Box::pin(traitor_blocks::made_up_parents(stage)),
    ),
    Attack::on(
        Kind::Treason,
        "lying-votes",
        "six votes each slot, another one first to each node, for old, made-up and unjustified checkpoints",
        |stage| Box::pin(traitor_votes::lie(stage)),
    ),
    Attack::on(
        Kind::Treason,
        "treason",
        "all of the others of a validator at once",
        |stage| Box::pin(together(&TREASON, stage)),
    ),
];
