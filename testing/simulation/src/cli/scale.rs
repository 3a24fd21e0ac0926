//! Many nodes and validators on lines with a bandwidth.

use anyhow::ensure;
use clap::Args;
use quartet_clock::Stopwatch;
use quartet_simulation::{
    GossipSettings,
    scale::{Costs, Scale as Play, SlotReport, Summary},
};

/// More than any message has.
const LARGEST: u64 = 64 << 20;

/// How many, and what lies between them.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Scale {
    /// What everything that is left to chance depends on.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Nodes.
    #[arg(long, default_value_t = 200)]
    nodes: usize,
    /// Validators; several, separated by commas, are played one after the other. Those beyond 4,096 only talk.
    #[arg(long, value_delimiter = ',', default_value = "4096")]
    validators: Vec<u64>,
    /// Mbit/s of each node, up and down; 0 for any number. Several are played one after the other.
    #[arg(long, value_delimiter = ',', default_value = "50")]
    mbit: Vec<f64>,
    /// Milliseconds from one node to another and back.
    #[arg(long, default_value_t = 80)]
    rtt_ms: u64,
    /// Slots.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(2..=10_000))]
    slots: u64,
    /// Connections of a node, on average.
    #[arg(long, default_value_t = 32)]
    peers: usize,
    /// Peers in a mesh; low and high go with it. Our node's is 8.
    #[arg(long, default_value_t = 8)]
    mesh: usize,
    /// Does not tell peers what they need not send any more, as before gossipsub 1.2.
    #[arg(long)]
    no_idontwant: bool,
    /// Sends own messages to the mesh alone; our node sends them to every peer.
    #[arg(long)]
    no_flood: bool,
    /// Bytes of gossip that a peer may have under way, in KiB. Our node's window is 1,024.
    #[arg(long, default_value_t = 1024)]
    window_kib: u64,
    /// Sends a message to one peer after the other, instead of to all at once as QUIC's connections do.
    #[arg(long)]
    one_by_one: bool,
    /// Messages that may wait for a peer. Our node's are two for each validator, 1,024 at least and 8,192 at most.
    #[arg(long)]
    queue: Option<usize>,
    /// Most ids in an IHAVE. Our node's are 700; libp2p takes no more than 740.
    #[arg(long, default_value_t = 700)]
    max_ids: usize,
    /// Kilobytes that every block is taken to have in gossip, as if its signatures were aggregated.
    #[arg(long)]
    block_kb: Option<u64>,
    /// Cores that verify.
    #[arg(long, default_value_t = 2)]
    cores: u64,
    /// One JSON object for each network, with all its slots.
    #[arg(long)]
    json: bool,
    /// Only the table of all networks, not each slot.
    #[arg(long)]
    table: bool,
}

impl Scale {
    /// Plays one network after the other.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        ensure!(
            self.nodes > 1 && self.cores > 0 && self.peers > 0,
            "a network needs two nodes that can work and talk"
        );
        ensure!(
            self.mesh > 1 && self.mesh < 43,
            "a mesh has 2 to 42 peers, and half as many more at most"
        );
        if self.table {
            println!("{}", Summary::HEADER);
        }
        for mbit in &self.mbit {
            for validators in &self.validators {
                self.play(*mbit, *validators)?;
            }
        }
        Ok(())
    }

    fn play(&self, mbit: f64, validators: u64) -> anyhow::Result<()> {
        ensure!(validators > 0, "a network needs a validator");
        let watch = Stopwatch::start();
        let in_detail = !self.json && !self.table;
        if in_detail {
            println!("{}", SlotReport::HEADER);
        }
        let report = self.network(mbit, validators).play(|slot| {
            if in_detail {
                println!("{slot}");
            }
        })?;
        match (self.json, self.table) {
            (true, _) => println!("{}", report.json()),
            (false, true) => println!("{}", report.summary),
            (false, false) => println!("\n{}\n{}", Summary::HEADER, report.summary),
        }
        eprintln!(
            "{validators} validators, {mbit} Mbit/s: {:.1} s, mesh of {:.1}",
            watch.seconds(),
            report.mesh_degree
        );
        Ok(())
    }

    fn network(&self, mbit: f64, validators: u64) -> Play {
        let of_node = GossipSettings::of(validators);
        let gossip = GossipSettings {
            mesh: self.mesh,
            mesh_low: self.mesh - self.mesh / 4,
            mesh_high: self.mesh + self.mesh.div_ceil(2),
            flood_publish: !self.no_flood,
            idontwant: !self.no_idontwant,
            window: self.window_kib << 10,
            queue: self.queue.unwrap_or(of_node.queue),
            max_ids: self.max_ids,
            ..of_node
        };
        let mut play = Play {
            seed: self.seed,
            nodes: self.nodes,
            validators,
            bits_per_second: (mbit > 0.0).then_some((mbit * 1e6) as u64),
            block_bytes: self.block_kb.map(|kilobytes| kilobytes * 1_000),
            rtt_ms: self.rtt_ms,
            slots: self.slots,
            peers: self.peers,
            gossip,
            costs: Costs {
                cores: self.cores,
                ..Costs::default()
            },
            ..Play::default()
        };
        if self.one_by_one {
            play.turn_bytes = LARGEST;
        }
        play
    }
}
