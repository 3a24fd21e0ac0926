//! One network, with a line for each slot.

use anyhow::ensure;
use clap::Args;
use quartet_clock::Stopwatch;
use quartet_simulation::{Conditions, Simulation, SimulationError, World};
use quartet_types::Slot;

/// The keys of the test scheme live for 256 slots.
const MOST_SLOTS: Slot = 250;

/// What the network is like.
#[derive(Debug, Args)]
pub(crate) struct Table {
    /// What everything that is left to chance depends on.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Slots to run, at most 250.
    #[arg(long, default_value_t = 40)]
    slots: Slot,
    /// Number of nodes.
    #[arg(long, default_value_t = 4)]
    nodes: usize,
    /// Number of validators; as many as nodes, unless given.
    #[arg(long)]
    validators: Option<usize>,
    /// Shortest time that a packet takes, in milliseconds.
    #[arg(long, default_value_t = 20)]
    latency_from: u64,
    /// Longest time that a packet takes, in milliseconds.
    #[arg(long, default_value_t = 80)]
    latency_to: u64,
    /// Share of packets that are lost, from 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    loss: f64,
    /// Kill this node a quarter into the run, and start it again halfway.
    #[arg(long)]
    kill: Option<usize>,
}

impl Table {
    /// Runs the network and prints the table.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let arguments = self;
        let Table { nodes, slots, .. } = arguments;
        let validators = arguments.validators.unwrap_or(nodes);
        let latency = arguments.latency_from..=arguments.latency_to;
        ensure!(
            nodes > 0 && validators > 0,
            "a network needs a node and a validator"
        );
        ensure!(
            slots <= MOST_SLOTS,
            "{slots} slots: keys of the test scheme live for 256"
        );
        ensure!(
            !latency.is_empty(),
            "the shortest latency exceeds the longest"
        );
        ensure!(
            (0.0..=1.0).contains(&arguments.loss),
            "a loss of {}: it is a share from 0 to 1",
            arguments.loss
        );
        ensure!(
            arguments.kill.is_none_or(|node| node < nodes),
            "there are only {nodes} nodes, from 0 on"
        );

        let watch = Stopwatch::start();
        let simulation = Simulation::new(arguments.seed)
            .nodes(nodes)
            .validators(validators)
            .conditions(Conditions {
                latency_ms: latency,
                loss: arguments.loss,
            });
        let report = simulation.run(async |world| table(world, &arguments).await)?;
        println!(
            "seed {}: {} events, fingerprint {}, {:.1} ms per slot",
            report.seed,
            report.events,
            report.fingerprint,
            watch.seconds() * 1000.0 / slots.max(1) as f64
        );
        Ok(())
    }
}

async fn table(world: &mut World, arguments: &Table) -> Result<(), SimulationError> {
    println!("slot  head  justified  finalized  nodes  agree");
    for slot in 1..=arguments.slots {
        if let Some(node) = arguments.kill {
            if slot == arguments.slots / 4 {
                world.kill(node).await?;
            } else if slot == arguments.slots / 2 {
                world.start(node)?;
            }
        }
        world.end_of(slot).await?;
        let views = world.views();
        // The node that is furthest behind tells what the network can rely on.
        let least = |slot: fn(&quartet_chain::ForkChoiceView) -> Slot| views.iter().map(slot).min();
        println!(
            "{slot:>4}  {:>4}  {:>9}  {:>9}  {:>5}  {}",
            least(|view| view.head.slot).unwrap_or_default(),
            least(|view| view.justified.slot).unwrap_or_default(),
            least(|view| view.finalized.slot).unwrap_or_default(),
            views.len(),
            if world.common_head().is_some() {
                "yes"
            } else {
                "no"
            },
        );
    }
    Ok(())
}
