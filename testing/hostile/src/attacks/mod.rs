//! What a stranger may try. Each attack goes on until it is stopped.

mod floods;
mod forged_blocks;
mod invented_roots;
mod replayed_votes;
mod served_forgeries;

use std::fmt;

use futures::future::BoxFuture;
use quartet_types::{SignedAttestation, Slot};
use tokio::task::JoinSet;

use crate::stranger::Stage;

/// Slots whose votes most attacks make use of.
const USUAL_HISTORY: Slot = 2;

/// An attack: its name, what it does, and what it needs.
#[derive(Clone, Copy)]
pub struct Attack {
    /// The name on the command line and in reports.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// For how many slots the stranger must have listened before.
    pub history: Slot,
    play: fn(Stage) -> BoxFuture<'static, ()>,
}

/// Every attack, in the order in which they are played.
pub static ATTACKS: [Attack; 9] = [
    Attack {
        name: "nothing",
        about: "listens and sends nothing: what the others are compared with",
        history: USUAL_HISTORY,
        play: |_| Box::pin(std::future::pending()),
    },
    Attack {
        name: "forged-blocks",
        about: "a block of its own each slot, valid but for its proposer, whose attestation is somebody's heard \
                vote; its root ground upwards",
        history: USUAL_HISTORY,
        play: |stage| Box::pin(forged_blocks::replace_honest_blocks(stage)),
    },
    Attack {
        name: "half-bound",
        about: "the same with the attestation of the slot's proposer, one for the parent where any was heard",
        history: USUAL_HISTORY,
        play: |stage| Box::pin(forged_blocks::borrow_the_proposers_attestation(stage)),
    },
    Attack {
        name: "replayed-votes",
        about: "votes of seven slots ago, sent again just after the last interval's start",
        history: replayed_votes::AGE + 1,
        play: |stage| Box::pin(replayed_votes::replay(stage)),
    },
    Attack {
        name: "fat-blocks",
        about: "forged blocks of 9.7 MB, with 3,000 copies of one vote, one a second",
        history: USUAL_HISTORY,
        play: |stage| Box::pin(floods::fat_blocks(stage)),
    },
    Attack {
        name: "many-blocks",
        about: "400 small forged blocks a second",
        history: USUAL_HISTORY,
        play: |stage| Box::pin(floods::many_blocks(stage)),
    },
    Attack {
        name: "invented-roots",
        about: "heard blocks and votes with other parents, bodies, states, envelopes and heads, 20 a second",
        history: USUAL_HISTORY,
        play: |stage| Box::pin(invented_roots::alter(stage)),
    },
    Attack {
        name: "served-forgeries",
        about: "claims a chain of three forged blocks each slot and serves them to those who ask",
        history: USUAL_HISTORY,
        play: |stage| Box::pin(served_forgeries::claim_and_serve(stage)),
    },
    Attack {
        name: "together",
        about: "all of the others at once",
        history: replayed_votes::AGE + 1,
        play: |stage| Box::pin(together(stage)),
    },
];

impl Attack {
    /// The attack with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ATTACKS.iter().find(|attack| attack.name == name)
    }

    pub(crate) fn play(&self, stage: Stage) -> BoxFuture<'static, ()> {
        (self.play)(stage)
    }
}

impl fmt::Debug for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Attack").field(&self.name).finish()
    }
}

/// Plays all others. The last of the table is this one.
async fn together(stage: Stage) {
    let (_, others) = ATTACKS.split_last().unwrap_or((&ATTACKS[0], &[]));
    // Dropped with this future, and the attacks with it.
    let mut playing = JoinSet::new();
    for attack in others {
        playing.spawn(attack.play(stage.clone()));
    }
    while playing.join_next().await.is_some() {}
}

/// Votes of the `slots` before `slot`, the newest first: what the bodies of blocks of `slot` are made of.
fn votes_before(stage: &Stage, slot: Slot, slots: u64) -> Vec<SignedAttestation> {
    let chain = stage.chain();
    let slots = (slot.saturating_sub(slots)..slot).rev();
    slots
        .flat_map(|slot| chain.votes_of(slot).cloned().collect::<Vec<_>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_attack_is_found_by_its_own_name() {
        let names: HashSet<_> = ATTACKS.iter().map(|attack| attack.name).collect();
        assert_eq!(names.len(), ATTACKS.len());
        for attack in &ATTACKS {
            assert_eq!(Attack::named(attack.name).unwrap().about, attack.about);
        }
        assert!(Attack::named("all").is_none());
        // It plays all but the last, which must be itself.
        assert_eq!(ATTACKS.last().unwrap().name, "together");
    }
}
