//! Plays a plan: its actors and its faults.

use std::time::Duration;

use quartet_types::{SECONDS_PER_SLOT, Slot};
use rand::{SeedableRng as _, rngs::StdRng};

use super::{
    behaviours::{Act, MOMENTS, behave},
    duties::{ATTESTATION, Duties, OURS, PROPOSAL},
    plan::{Fault, FaultKind, Moment, Plan},
    scene::Scene,
};
use crate::{Adversary, Conditions, SimulationError, World};

/// The actors of a run that are no nodes.
pub(super) struct Stage<'a> {
    pub(super) plan: &'a Plan,
    guests: Vec<Guest>,
    random: StdRng,
    is_healthy: bool,
    /// Whether all nodes had one head when it was last compared.
    has_one_head: bool,
}

/// When in a slot heads are compared, in milliseconds: by any clock of a plan votes have been counted, and the next slot has
/// not begun.
const COMPARISON: u64 = 3_500;

/// A peer and the actors that send through it.
struct Guest {
    peer: Adversary,
    is_hostile: bool,
    /// The node on whose side of a partition it is.
    host: Option<usize>,
    actors: Vec<Box<dyn Act>>,
}

/// Something that happens in a slot.
enum Step<'a> {
    Begin(&'a Fault),
    End(&'a Fault),
    Compare,
    /// A clock has gone on as it does.
    Drift {
        node: usize,
        ms: i64,
    },
    Act,
}

impl<'a> Stage<'a> {
    pub(super) fn new(plan: &'a Plan, world: &mut World) -> Self {
        for node in 0..plan.nodes {
            set_clock_right(plan, world, node);
        }
        let mut guests = Vec::new();
        for foreigners in &plan.foreigners {
            let duties = Duties::new(
                foreigners.validators.clone(),
                Some(foreigners.host),
                foreigners.manners,
            );
            guests.push(Guest {
                peer: world.adversary(),
                is_hostile: false,
                host: Some(foreigners.host),
                actors: vec![Box::new(duties)],
            });
        }
        if !plan.adversaries.is_empty() {
            let peer = world.adversary();
            for node in 0..world.node_count() {
                world.set_conditions(node, peer.number(), Conditions::default());
            }
            let mut actors: Vec<Box<dyn Act>> = Vec::new();
            for adversary in &plan.adversaries {
                if adversary.dutiful {
                    let mut duties = Duties::new(adversary.validators.clone(), None, OURS);
                    duties.proposes = !adversary.behaviour.proposes();
                    duties.attests = !adversary.behaviour.votes();
                    actors.push(Box::new(duties));
                }
                actors.push(behave(adversary));
            }
            guests.push(Guest {
                peer,
                is_hostile: true,
                host: None,
                actors,
            });
        }
        Self {
            plan,
            guests,
            random: StdRng::seed_from_u64(plan.seed ^ u64::MAX),
            is_healthy: false,
            has_one_head: false,
        }
    }

    /// Whether all nodes had one head when it was last compared, as it is in every slot.
    pub(super) fn has_one_head(&self) -> bool {
        self.has_one_head
    }

    /// Plays a slot to its end.
    pub(super) async fn slot(
        &mut self,
        world: &mut World,
        slot: Slot,
    ) -> Result<(), SimulationError> {
        let mut steps: Vec<(u64, Step<'_>)> = Vec::new();
        if !self.plan.skews.is_empty() {
            steps.push((COMPARISON, Step::Compare));
        }
        if !self.guests.is_empty() {
            steps.push((PROPOSAL, Step::Act));
            steps.push((ATTESTATION, Step::Act));
            steps.extend(MOMENTS.map(|ms| (ms, Step::Act)));
        }
        if !self.is_healthy {
            for fault in &self.plan.faults {
                if fault.from.slot == slot {
                    steps.push((fault.from.ms, Step::Begin(fault)));
                }
                if fault.until.slot == slot {
                    steps.push((fault.until.ms, Step::End(fault)));
                }
                if let FaultKind::ClockDrift { node, ms } = fault.what
                    && (fault.from.slot..fault.until.slot).contains(&slot)
                {
                    steps.push((fault.from.ms, Step::Drift { node, ms }));
                }
            }
        }
        steps.sort_by_key(|(ms, _)| *ms);
        for (ms, step) in steps {
            world.at(slot, ms).await?;
            match step {
                Step::Begin(fault) => self.begin(world, fault).await?,
                Step::End(fault) => self.end(world, fault).await?,
                Step::Drift { node, ms } => world.step_clock(node, ms),
                Step::Compare => self.has_one_head = world.common_head().is_some(),
                Step::Act => self.act(world, Moment { slot, ms })?,
            }
        }
        world.end_of(slot).await?;
        if self.plan.skews.is_empty() {
            self.has_one_head = world.common_head().is_some();
        }
        Ok(())
    }

    fn act(&mut self, world: &World, now: Moment) -> Result<(), SimulationError> {
        for guest in &mut self.guests {
            if guest.is_hostile && self.is_healthy && self.plan.falls_silent {
                continue;
            }
            if let Some(view) = guest.host.and_then(|host| world.chain(host).ok()) {
                guest.peer.claim_chain(view.read().status());
            }
            for actor in &mut guest.actors {
                actor.act(&mut Scene {
                    world,
                    peer: &guest.peer,
                    random: &mut self.random,
                    now,
                    validators: self.plan.validators() as u64,
                })?;
            }
        }
        Ok(())
    }

    async fn begin(&mut self, world: &mut World, fault: &Fault) -> Result<(), SimulationError> {
        match &fault.what {
            FaultKind::Weather(conditions) => self.set_weather(world, conditions),
            FaultKind::Partition(group) => {
                world.part(group);
                for (node, guest) in self.across(world, group) {
                    world.cut(node, guest);
                }
            }
            FaultKind::Death { node, loses_store } => {
                if world.is_running(*node) {
                    world.kill(*node).await?;
                    if *loses_store {
                        world.lose_store(*node);
                    }
                }
            }
            FaultKind::Crash {
                node,
                operations,
                loses_power,
            } => {
                if world.is_running(*node) {
                    world.kill_at_disk_operation(*node, *operations, *loses_power)?;
                }
            }
            FaultKind::BadDisk {
                node,
                operations,
                error,
            } => world.fail_disk(*node, *operations, *error),
            FaultKind::Slow {
                node,
                job_ms,
                write_ms,
            } => {
                let [job, write] = [*job_ms, *write_ms].map(Duration::from_millis);
                world.set_pace(*node, job, write);
            }
            FaultKind::ClockJump { node, ms } => world.step_clock(*node, *ms),
            FaultKind::ClockDrift { .. } | FaultKind::Late { .. } => {}
        }
        Ok(())
    }

    async fn end(&mut self, world: &mut World, fault: &Fault) -> Result<(), SimulationError> {
        match &fault.what {
            FaultKind::Weather(_) => self.set_weather(world, &self.plan.conditions),
            FaultKind::Partition(group) => {
                world.heal(group);
                for (node, guest) in self.across(world, group) {
                    world.mend(node, guest);
                }
            }
            FaultKind::Death { node, .. } | FaultKind::Late { node } => start(world, *node)?,
            FaultKind::Crash {
                node, loses_power, ..
            } => {
                if world.is_running(*node) {
                    if *loses_power {
                        world.lose_power(*node).await?
                    } else {
                        world.kill(*node).await?
                    }
                }
                start(world, *node)?;
            }
            FaultKind::BadDisk { node, .. } => {
                world.mend_disk(*node);
                start(world, *node)?;
            }
            FaultKind::Slow { node, .. } => {
                world.set_pace(*node, Duration::ZERO, Duration::ZERO);
            }
            FaultKind::ClockJump { node, ms } => world.step_clock(*node, -ms),
            FaultKind::ClockDrift { node, ms } => {
                world.step_clock(*node, -ms * fault.slots() as i64);
            }
        }
        Ok(())
    }

    /// The links between guests and nodes on the other side of a partition than their hosts.
    fn across(&self, world: &World, group: &[usize]) -> Vec<(usize, usize)> {
        let mut links = Vec::new();
        for guest in &self.guests {
            let Some(host) = guest.host else {
                continue;
            };
            let other_side = |node: &usize| group.contains(node) != group.contains(&host);
            let nodes = (0..world.node_count()).filter(other_side);
            links.extend(nodes.map(|node| (node, guest.peer.number())));
        }
        links
    }

    fn set_weather(&self, world: &mut World, conditions: &Conditions) {
        let nodes = world.node_count();
        let guests = self.guests.iter().filter(|guest| !guest.is_hostile);
        let peers: Vec<usize> = (0..nodes)
            .chain(guests.map(|guest| guest.peer.number()))
            .collect();
        for high in &peers {
            for low in (0..nodes).filter(|low| low < high) {
                world.set_conditions(low, *high, conditions.clone());
            }
        }
    }

    /// Makes everything work.
    pub(super) async fn heal(&mut self, world: &mut World) -> Result<(), SimulationError> {
        self.is_healthy = true;
        self.set_weather(world, &Conditions::default());
        let nodes = world.node_count();
        for node in 0..nodes {
            set_clock_right(self.plan, world, node);
            world.set_pace(node, Duration::ZERO, Duration::ZERO);
            world.mend_disk(node);
        }
        // A node that has just lost its disk is cleared away, to be started with the others.
        world.end_of(self.plan.chaos).await?;
        for high in 0..nodes {
            for low in 0..high {
                world.mend(low, high);
            }
            for guest in &self.guests {
                world.mend(high, guest.peer.number());
            }
            if !world.is_running(high) {
                world.start(high)?;
            }
        }
        Ok(())
    }
}

/// Starts a node that does not run, unless its disk would not let it.
fn start(world: &mut World, node: usize) -> Result<(), SimulationError> {
    if world.is_running(node) || world.has_bad_disk(node) {
        Ok(())
    } else {
        world.start(node)
    }
}

fn set_clock_right(plan: &Plan, world: &mut World, node: usize) {
    let by = plan.skew(node) - world.clock_error(node);
    if by != 0 {
        world.step_clock(node, by);
    }
}

/// The last moment of a slot that a step can have.
const _: () = assert!(MOMENTS[MOMENTS.len() - 1] < 1000 * SECONDS_PER_SLOT);
