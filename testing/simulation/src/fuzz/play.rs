//! Plays a plan and measures what comes of it.

use std::collections::BTreeMap;

use quartet_chain::ForkChoiceView;
use quartet_types::Slot;

use super::{
    outcome::{Failure, Outcome, SlotReport},
    plan::Plan,
    recovery::{Course, Recovery},
    stage::Stage,
};
use crate::{Simulation, SimulationError, World};

/// Slots beyond the limit for which finality is waited for, to distinguish a late recovery from none.
const PATIENCE: Slot = 40;
/// Slots within which all nodes must have had one head, once finality has moved.
const AGREEMENT: Slot = 8;
/// The last slot that is played: keys live for 256 slots, and some sign ahead.
const LAST: Slot = 250;

/// Plays a plan, telling `watch` of each slot.
pub fn play(plan: &Plan, watch: impl FnMut(&SlotReport)) -> Outcome {
    play_as(plan, |simulation| simulation, watch)
}

/// As [`play`], in a simulation that is set up in some other way, too.
pub fn play_as(
    plan: &Plan,
    set_up: impl FnOnce(Simulation) -> Simulation,
    mut watch: impl FnMut(&SlotReport),
) -> Outcome {
    let mut outcome = Outcome::default();
    let simulation = Simulation::new(plan.seed)
        .nodes(plan.nodes)
        .assigned(plan.assignment.clone())
        .conditions(plan.conditions.clone())
        .absent(&plan.late_nodes())
        .oracle(plan.oracle);
    let played = set_up(simulation).run(async |world| {
        let mut run = Run {
            stage: Stage::new(plan, world),
            outcome: &mut outcome,
            watch: &mut watch,
            is_healthy: false,
        };
        let result = run.all(world, plan.chaos).await;
        (outcome.forged, outcome.forged_imported) = world.forgeries();
        outcome.slots = world.slot();
        result
    });
    match played {
        Ok(_) => {}
        Err(SimulationError::Violation { kind, what, .. }) => {
            outcome.failures.insert(0, Failure::Violation(kind, what));
        }
        Err(error) => outcome.failures.push(Failure::Broken(error.to_string())),
    }
    outcome
}

struct Run<'a> {
    stage: Stage<'a>,
    outcome: &'a mut Outcome,
    watch: &'a mut dyn FnMut(&SlotReport),
    is_healthy: bool,
}

impl Run<'_> {
    async fn all(&mut self, world: &mut World, chaos: Slot) -> Result<(), SimulationError> {
        for slot in 1..=chaos {
            self.slot(world, slot).await?;
        }
        let behind = chaos - median(world.views().iter().map(finalized));
        self.is_healthy = true;
        self.stage.heal(world).await?;
        let Some(recovery) = self.await_finality(world, behind).await? else {
            return self.agree(world).await;
        };
        self.outcome.recovery = Some(recovery);
        if !recovery.is_in_time() {
            self.outcome.failures.push(Failure::Late(recovery));
        }
        self.agree(world).await?;
        // And it keeps moving.
        let behind = world.slot() - median(world.views().iter().map(finalized));
        let again = self.await_finality(world, behind).await?;
        if let Some(again) = again.filter(|again| !again.is_in_time()) {
            self.outcome.failures.push(Failure::Slow(again));
        }
        Ok(())
    }

    /// Goes on until finality has moved at every node beyond what any has finalized now, or as long as it is to be waited for.
    /// While the chain has no pair of neighbouring justifiable slots with blocks, that is as long as keys live.
    async fn await_finality(
        &mut self,
        world: &mut World,
        behind: Slot,
    ) -> Result<Option<Recovery>, SimulationError> {
        let before = world.views().iter().map(finalized).max().unwrap_or(0);
        let mut bases: BTreeMap<Slot, Slot> = world.head_checkpoints().into_iter().collect();
        let begin = world.slot();
        let validators = self.stage.plan.validators() as Slot;
        let unreliable = self.stage.plan.unreliable_proposers();
        let after_losses = world.has_lost_a_source();
        let possible_after = |world: &World, bases: &BTreeMap<Slot, Slot>| {
            let slots = bases.iter().map(|(finalized, justified)| {
                let course = Course {
                    finalized: *finalized,
                    justified: *justified,
                    begin,
                    now: world.slot(),
                    has_block: &|slot| world.has_block(slot),
                    is_reliable: &|slot| !unreliable.contains(&(slot % validators)),
                };
                course.completing_slot()
            });
            // Until a pair is complete whatever the head's chain was, nothing is due.
            let slots: Option<Vec<Slot>> = slots.collect();
            slots?.into_iter().max().map(|slot| slot - begin)
        };
        for slot in begin + 1..=LAST {
            self.slot(world, slot).await?;
            let slots = slot - begin;
            let possible_after = possible_after(world, &bases);
            if world.views().iter().all(|view| finalized(view) > before) {
                return Ok(Some(Recovery {
                    behind,
                    slots,
                    possible_after,
                    after_losses,
                }));
            }
            let recovery = Recovery {
                behind,
                slots: slots.saturating_sub(PATIENCE),
                possible_after,
                after_losses,
            };
            if !recovery.is_in_time() {
                let waited = slots;
                let stalled = Failure::Stalled { behind, waited };
                self.outcome.failures.push(stalled);
                return Ok(None);
            }
            // A block that an adversary has withheld may take the nodes to a chain with another finalized slot.
            let heads = world.head_checkpoints().into_iter();
            for (finalized, _) in heads.filter(|(finalized, _)| *finalized <= before) {
                bases.entry(finalized).or_insert(finalized);
            }
        }
        match possible_after(world, &bases) {
            Some(_) => {
                let waited = LAST - begin;
                let stalled = Failure::Stalled { behind, waited };
                self.outcome.failures.push(stalled);
            }
            None => self.outcome.blocked = true,
        }
        Ok(None)
    }

    async fn agree(&mut self, world: &mut World) -> Result<(), SimulationError> {
        let begin = world.slot();
        for slot in begin + 1..=LAST.min(begin + AGREEMENT) {
            if self.stage.has_one_head() {
                return Ok(());
            }
            self.slot(world, slot).await?;
        }
        if !self.stage.has_one_head() {
            self.outcome.failures.push(Failure::Diverged);
        }
        Ok(())
    }

    async fn slot(&mut self, world: &mut World, slot: Slot) -> Result<(), SimulationError> {
        self.stage.slot(world, slot).await?;
        let nodes = 0..world.node_count();
        (self.watch)(&SlotReport {
            slot,
            is_healthy: self.is_healthy,
            views: nodes.map(|node| world.view(node).ok()).collect(),
        });
        Ok(())
    }
}

fn finalized(view: &ForkChoiceView) -> Slot {
    view.finalized.slot
}

/// The middle one, or nothing's default.
fn median(slots: impl Iterator<Item = Slot>) -> Slot {
    let mut slots: Vec<Slot> = slots.collect();
    slots.sort_unstable();
    slots.get(slots.len() / 2).copied().unwrap_or_default()
}
