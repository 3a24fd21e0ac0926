//! The attacks. Each goes on until it is stopped.

mod crowds;
mod fictions;
mod floods;
mod forged_blocks;
mod handshakes;
mod http;
mod invented_roots;
mod machinery;
mod noise;
mod orphans;
mod replayed_votes;
mod requests;
mod rules;
mod served_forgeries;
mod traitor_blocks;
mod traitor_votes;
mod treason;

use std::fmt;

use crate::attacker::Stage;
use futures::future::BoxFuture;
use quartet_types::{SignedAttestation, Slot};
use tokio::task::JoinSet;

/// Slots whose votes most attacks make use of.
const USUAL_HISTORY: Slot = 2;

/// Plays all attacks of a table but the last one, which this is.
async fn together(attacks: &'static [Attack], stage: Stage) {
    let others = attacks.split_last().map(|(_, others)| others);
    // Dropped with this future, and the attacks with it.
    let mut playing = JoinSet::new();
    for attack in others.into_iter().flatten() {
        playing.spawn(attack.play(stage.clone()));
    }
    while playing.join_next().await.is_some() {}
}

/// Waits for nothing.
fn nothing(_: Stage) -> BoxFuture<'static, ()> {
    Box::pin(std::future::pending())
}

/// An attack: its name, what it does, and what it needs.
#[derive(Clone, Copy)]
pub struct Attack {
    /// The name on the command line and in reports.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// For how many slots the stranger must have listened before.
    pub history: Slot,
    /// What is tried.
    pub kind: Kind,
    /// Whether a node can tell the identities that do it from honest peers, and so has to disconnect them.
    pub told_apart: bool,
    /// Whether two slots are left without a block meanwhile, by stopping their proposers.
    pub empty_slots: bool,
    play: fn(Stage) -> BoxFuture<'static, ()>,
}

/// What an attack tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The rules of consensus: what is imported, justified, finalized.
    Rules,
    /// The machinery: memory, processor, connections, places.
    Machinery,
    /// The rules of consensus, with a validator's key.
    Treason,
}

impl Attack {
    /// An attack with the usual history, by which no slot is left empty, of those that cannot be told from honest peers.
    const fn on(
        kind: Kind,
        name: &'static str,
        about: &'static str,
        play: fn(Stage) -> BoxFuture<'static, ()>,
    ) -> Self {
        Self {
            name,
            about,
            history: USUAL_HISTORY,
            kind,
            told_apart: false,
            empty_slots: false,
            play,
        }
    }

    const fn with_history(mut self, slots: Slot) -> Self {
        self.history = slots;
        self
    }

    const fn with_empty_slots(mut self) -> Self {
        self.empty_slots = true;
        self
    }

    const fn told_apart(mut self) -> Self {
        self.told_apart = true;
        self
    }

    /// Every attack, in the order in which they are played.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        rules::RULES
            .iter()
            .chain(&machinery::MACHINERY)
            .chain(&treason::TREASON)
    }

    /// The attack with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::all().find(|attack| attack.name == name)
    }

    /// The name of its baseline: the attack that does nothing under the same circumstances.
    pub fn baseline(&self) -> &'static str {
        match self.kind {
            Kind::Treason => "silence",
            _ if self.empty_slots => "empty-slots",
            _ => "nothing",
        }
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
    fn the_last_of_a_table_plays_all_others_and_not_itself() {
        for (table, name, kind) in [
            (&rules::RULES[..], "together", Kind::Rules),
            (&treason::TREASON, "treason", Kind::Treason),
        ] {
            assert_eq!(table.last().map(|attack| attack.name), Some(name));
            assert!(table.iter().all(|attack| attack.kind == kind));
        }
    }

    #[test]
    fn every_attack_is_found_by_its_own_name() {
        let names: HashSet<_> = Attack::all().map(|attack| attack.name).collect();
        assert_eq!(names.len(), Attack::all().count());
        for attack in Attack::all() {
            assert_eq!(Attack::named(attack.name).unwrap().about, attack.about);
        }
        assert!(Attack::named("all").is_none());
        for attack in Attack::all() {
            let baseline = Attack::named(attack.baseline()).unwrap();
            assert_eq!(baseline.empty_slots, attack.empty_slots);
            let is_treason = |attack: &Attack| attack.kind == Kind::Treason;
            assert_eq!(is_treason(baseline), is_treason(attack));
        }
    }
}
