//! `quartet devnet`: a whole network of real processes on this machine, in one command.
//!
//! It makes keys, genesis and directories, starts the nodes, asks them slot after slot what they see, and
//! takes them down again. All it knows of the chain it learns as any user would: from their JSON-RPC,
//! metrics and logs.

mod directory;
mod exposition;
mod http;
mod keys;
mod layout;
mod network;
mod observer;
mod ports;
mod process;
mod reading;
mod report;
mod scale;
mod signals;
mod table;
mod terminal;
mod usage;
mod view;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use quartet_clock::Stopwatch;
use quartet_types::VALIDATOR_REGISTRY_LIMIT;
use tokio::sync::mpsc;

use self::{
    directory::Directory,
    network::{Earlier, Network, Setup},
    observer::{Observation, Observer},
    report::Report,
    signals::Signals,
    terminal::note,
    view::Agreement,
};

/// Each node is a process with a hundred sockets and files; more do not fit on a usual machine.
const MAX_NODES: i64 = 64;

/// Keys that the nodes of a devnet load and prepare in a second, all nodes together, on two busy cores.
const VALIDATORS_READY_A_SECOND: u64 = 256;

/// What a shell says of a program that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

/// Run a local network of real nodes, each a process of its own
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_long_help = "\
The table has a line per slot: the head, the justified and the finalized checkpoint that most nodes see,
how many peers the nodes have, and whether all nodes see the same.

Ctrl-C stops all nodes. With --slots the exit code is 0 only if no node died, all nodes agree in the last
slot, and its finalized slot is at most 4 behind.

DIR/devnet.json tells scripts each node's name, pid, directory, addresses and command line; DIR/quartet_0/log
and so on are the nodes' logs, and DIR/genesis has the files with which another node can join.

The first four validators have ready-made keys whose secrets are public; keys of further ones are made at the
first start, and last as long as --slots needs, else some hours: how long is said at the start. A new data directory
gets new ones. None of them is for anything of value.")]
pub(crate) struct DevnetArgs {
    /// Number of nodes
    #[arg(long, value_name = "N", default_value_t = 4,
        value_parser = clap::value_parser!(u16).range(1..=MAX_NODES))]
    nodes: u16,

    /// Number of validators, dealt out to the nodes in turn [default: as many as nodes]
    #[arg(long, value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..=VALIDATOR_REGISTRY_LIMIT))]
    validators: Option<u64>,

    /// End after this many slots of 4 seconds [default: run until Ctrl-C]
    #[arg(long, value_name = "SLOTS", value_parser = clap::value_parser!(u64).range(1..))]
    slots: Option<u64>,

    /// Where keys, genesis, logs and databases go [default: a fresh temporary directory]
    ///
    /// Must be empty, not exist yet, or hold a former devnet that has ended. Of a former one the keys are
    /// kept, since they take long to make; everything else is replaced by a new network with a new genesis.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Write a report in JSON when it ends
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Seconds from the start of the nodes to genesis [default: 4, more for many nodes]
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    genesis_delay: Option<u64>,

    #[command(subcommand)]
    command: Option<DevnetCommand>,
}

/// What else can be done with devnets.
#[derive(Debug, clap::Subcommand)]
enum DevnetCommand {
    Scale(scale::ScaleArgs),
}

/// Runs a devnet to its end.
///
/// # Errors
/// When it cannot be set up, or its report cannot be written.
pub(crate) async fn run(args: DevnetArgs) -> Result<ExitCode> {
    if let Some(DevnetCommand::Scale(args)) = &args.command {
        return scale::run(args);
    }
    let since_start = Stopwatch::start();
    if let Some(report) = &args.report {
        check_writable(report)?;
    }
    let mut signals = Signals::take_over().context("signals cannot be handled")?;
    let directory = Directory::open(args.data_dir.as_deref())?;
    note(match directory.former {
        true => "starting anew where a devnet lay before; of that one only the keys are kept",
        false => "starting a devnet",
    });
    note(format_args!("  directory  {}", directory.path().display()));

    let started = tokio::select! {
        biased;
        () = signals.next() => None,
        network = start(&args, &directory) => Some(network?),
    };
    let Some(mut network) = started else {
        note("stopped before it had started");
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let Watched { last, end, earlier } =
        watch(&mut network, &args, since_start, &mut signals).await;
    let reports = match args.report {
        Some(_) => (network.reports(last.slot, &last.views, earlier.as_ref())).await,
        None => Vec::new(),
    };
    stop(&mut network, &mut signals).await;
    if let Some(path) = &args.report {
        let Observation {
            slot,
            views,
            first_finalization,
        } = &last;
        let report = Report::new(*slot, views, *first_finalization, reports);
        directory::write_json(path, &report)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(conclude(&args, &network, &last, end))
}

/// Why a network ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The slots that were asked for are over.
    Slots,
    /// A signal came, or nobody reads the table any more.
    Interrupted,
    /// No node is left.
    AllDied,
}

/// What was seen of a network until its end.
struct Watched {
    last: Observation,
    end: End,
    /// What the nodes had spent when the first finalization was seen.
    earlier: Option<Earlier>,
}

async fn start(args: &DevnetArgs, directory: &Directory) -> Result<Network> {
    let nodes = usize::from(args.nodes);
    let validators = args.validators.unwrap_or(u64::from(args.nodes));
    let keys = keys::provide(directory.genesis().keys(), validators, args.slots).await?;
    let program = env::current_exe().context("this program's own file cannot be found")?;
    // Nodes load their keys and meet before genesis; many take longer on the same machine.
    let crowd = u64::from(args.nodes) / 8 + validators / VALIDATORS_READY_A_SECOND;
    let network = Network::start(Setup {
        directory,
        program: &program,
        nodes,
        keys: &keys.keys,
        log_active_epochs: keys.log_active_epochs,
        genesis_delay: args.genesis_delay.unwrap_or(4 + crowd),
    })
    .await?;
    if network.is_dead() {
        bail!("no node could be started, for the reasons above");
    }
    note(format_args!(
        "  nodes      {nodes}, with {validators} validator{} in all; logs in quartet_*/log",
        plural(validators)
    ));
    note(format_args!(
        "  JSON-RPC   http://{} and others, see devnet.json\n",
        network.nodes[0].http()
    ));
    Ok(network)
}

/// Prints the table, line by line, until the network's end.
async fn watch(
    network: &mut Network,
    args: &DevnetArgs,
    since_start: Stopwatch,
    signals: &mut Signals,
) -> Watched {
    let table = terminal::table();
    let mut last = Observation {
        slot: 0,
        views: vec![None; network.nodes.len()],
        first_finalization: None,
    };
    let mut earlier = None;
    if terminal::line(&table.header()).is_err() {
        let end = End::Interrupted;
        return Watched { last, end, earlier };
    }
    let addresses = network.nodes.iter().map(|node| node.http()).collect();
    let observer = Observer::new(network.clock.clone(), addresses, since_start);
    let (sender, mut observations) = mpsc::channel(1);
    let observer = tokio::spawn(observer.run(sender));
    let end = loop {
        if network.is_dead() {
            break End::AllDied;
        }
        tokio::select! {
            biased;
            () = signals.next() => break End::Interrupted,
            () = network.death() => {}
            Some(observation) = observations.recv() => {
                last = observation;
                if earlier.is_none() && args.report.is_some() && last.first_finalization.is_some() {
                    earlier = Some(network.readings(last.slot).await);
                }
                let printed = terminal::line(&table.line(last.slot, &last.views));
                if args.slots.is_some_and(|slots| last.slot >= slots) {
                    break End::Slots;
                }
                if printed.is_err() {
                    break End::Interrupted;
                }
            }
        }
    };
    observer.abort();
    Watched { last, end, earlier }
}

/// Stops all nodes; a further signal makes short work of it.
async fn stop(network: &mut Network, signals: &mut Signals) {
    note("\nstopping the nodes");
    tokio::select! {
        biased;
        () = network.stop() => {}
        () = signals.next() => note("killing the nodes"),
    }
}

/// Says how it went and finds the exit code.
fn conclude(args: &DevnetArgs, network: &Network, last: &Observation, end: End) -> ExitCode {
    let agreement = Agreement::among(&last.views);
    if let Some(chain) = agreement.chain {
        let first = match last.first_finalization {
            Some(seconds) => format!("; the first finalization took {seconds:.1} s"),
            None => String::new(),
        };
        note(format_args!(
            "slot {}: head {}, finalized {}, {} of {} nodes agree{first}",
            last.slot, chain.head.slot, chain.finalized.slot, agreement.sharing, agreement.nodes,
        ));
    }
    if network.dead > 0 {
        let (dead, all) = (network.dead, network.nodes.len());
        note(format_args!(
            "failed: {dead} of {all} nodes ended by themselves"
        ));
        return ExitCode::FAILURE;
    }
    match (end, args.slots) {
        (End::Slots, _) => match agreement.complaint(last.slot) {
            Some(complaint) => {
                note(format_args!("failed: {complaint}"));
                ExitCode::FAILURE
            }
            None => ExitCode::SUCCESS,
        },
        (End::Interrupted, Some(slots)) => {
            note(format_args!("interrupted before slot {slots}"));
            ExitCode::from(INTERRUPTED)
        }
        (End::Interrupted, None) => ExitCode::SUCCESS,
        (End::AllDied, _) => ExitCode::FAILURE,
    }
}

/// Finds out at the start, not after an hour, that the report cannot be written. Leaves no empty one.
fn check_writable(report: &Path) -> Result<()> {
    let is_new = !report.exists();
    let mut options = fs::File::options();
    options.write(true).create(true).truncate(false);
    let opened = options.open(report).and_then(|_| match is_new {
        true => fs::remove_file(report),
        false => Ok(()),
    });
    opened.with_context(|| format!("the report {} cannot be written", report.display()))
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}
