//! How fast a node catches up: makes a chain of real signatures, serves it by one node, and lets another join.

// It is a program; its result goes to the standard output.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod chain;
mod node;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use quartet_clock::Stopwatch;
use quartet_config::GenesisConfig;
use quartet_relay::{Conditions, Relay, RelayConfig};
use quartet_types::SECONDS_PER_SLOT;
use serde_json::json;

use chain::Validators;
use node::{Node, Progress};

/// Slots between the end of the chain and the present, so that no block is too early.
const MARGIN: u64 = 2;
/// Slots that are signed at the end of a chain whose beginning nobody verifies.
const SIGNED: u64 = 256;
/// How often the nodes are asked.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a node may take to load the chain, and to catch up.
const PATIENCE: Duration = Duration::from_secs(600);

/// Measures how fast a node catches up with a chain on which all validators have done all their duties.
#[derive(Debug, Parser)]
struct Arguments {
    /// Length of the chain.
    #[arg(long, default_value_t = 20_000)]
    slots: u64,
    /// Validators, each of whose votes is in a block.
    #[arg(long, default_value_t = 4)]
    validators: usize,
    /// Milliseconds that a packet takes, each way.
    #[arg(long, default_value_t = 0)]
    delay: u64,
    /// The other node starts from a checkpoint of the first. Only the end of the chain is signed then, so that a long one is
    /// made in minutes.
    #[arg(long)]
    checkpoint: bool,
    /// Directory for the chain and the nodes; a temporary one where not given. One that has a chain is used again.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The program to measure; the `quartet` beside this one where not given.
    #[arg(long)]
    program: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => quartet_hostile::program::beside_this_one()?,
    };
    let temporary = tempfile::tempdir()?;
    let directory = arguments.dir.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(directory)?;
    let (genesis, server_data) = (directory.join("config.yaml"), directory.join("server"));
    if !genesis.exists() {
        let watch = Stopwatch::start();
        let first_signed = if arguments.checkpoint {
            arguments.slots.saturating_sub(SIGNED)
        } else {
            0
        };
        let mut validators = Validators::make(arguments.validators, arguments.slots, first_signed)?;
        let now = quartet_clock::unix_time();
        let config = GenesisConfig {
            genesis_time: now.as_secs() - (arguments.slots + MARGIN) * SECONDS_PER_SLOT,
            slot_duration: quartet_types::SlotDuration::default(),
            log_active_epochs: None,
            validators: validators.public_keys(),
        };
        let votes = validators.write_chain(&config, arguments.slots, &server_data)?;
        config.write(&genesis)?;
        eprintln!("{votes} votes, made in {:.0} s", watch.seconds());
    }

    let mut server = Node::start(&program, &genesis, &server_data, None, None)?;
    let has_chain = |progress: &Progress| progress.head >= arguments.slots;
    // Nobody is there to tell it that it is synced.
    let (restart, _) = until(&mut server, has_chain).await?;
    let conditions = Conditions {
        delay: Duration::from_millis(arguments.delay),
        ..Conditions::default()
    };
    let relay = Relay::start(RelayConfig {
        listen: "127.0.0.1:0".parse()?,
        target: server.quic,
        conditions,
        seed: 1,
    })
    .await?;
    let peer = match arguments.delay {
        0 => server.quic,
        _ => relay.address(),
    };
    let checkpoint = arguments.checkpoint.then_some(server.http);
    let data = tempfile::tempdir_in(directory)?;
    let mut client = Node::start(&program, &genesis, data.path(), Some(peer), checkpoint)?;
    let is_through = |progress: &Progress| has_chain(progress) && progress.is_synced;
    let (seconds, first) = until(&mut client, is_through).await?;
    println!(
        "{}",
        json!({
            "slots": arguments.slots,
            "validators": arguments.validators,
            "delay_ms": arguments.delay,
            "checkpoint": arguments.checkpoint,
            "server_seconds_after_start": round(restart),
            "seconds_after_start": round(seconds),
            "seconds_after_first_block": round(seconds - first),
            "blocks_per_second": (arguments.slots as f64 / (seconds - first)).round(),
            "peak_memory_mib": client.peak_memory(),
            "server_peak_memory_mib": server.peak_memory(),
        })
    );
    Ok(())
}

fn round(seconds: f64) -> f64 {
    (seconds * 100.0).round() / 100.0
}

/// Waits until a node `is_there`: seconds until then, and until the last moment when it had nothing.
async fn until(node: &mut Node, is_there: impl Fn(&Progress) -> bool) -> Result<(f64, f64)> {
    let watch = Stopwatch::start();
    let mut last_without = 0.0;
    while watch.elapsed() < PATIENCE {
        if let Some(progress) = node.progress().await.context("while it was waited for")? {
            if progress.head == 0 {
                last_without = watch.seconds();
            }
            if is_there(&progress) {
                return Ok((watch.seconds(), last_without));
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!("no end after {} s", PATIENCE.as_secs())
}
