//! A devnet from its beginning to its end.

use std::{env, fs, path::Path, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use quartet_clock::Stopwatch;
use tokio::sync::oneshot;

use super::{
    args::DevnetArgs,
    beginning::{Beginning, Former, Setup},
    control::{Control, Reply, Request},
    detach,
    directory::Directory,
    exit::INTERRUPTED,
    files, keys,
    network::Network,
    observer::Observation,
    page::Page,
    prometheus,
    report::Report,
    signals::Signals,
    terminal::note,
    view::Agreement,
    watch::{End, Plan, Watched, watch},
};
use crate::words::count;

/// Keys that the nodes of a devnet load and prepare in a second, all nodes together, on two busy cores.
const VALIDATORS_READY_A_SECOND: u64 = 256;

/// Runs a devnet to its end.
///
/// # Errors
/// When it cannot be set up, or its report cannot be written.
pub(super) async fn run(args: DevnetArgs) -> Result<ExitCode> {
    let since_start = Stopwatch::start();
    if args.detached {
        detach::leave_terminal();
    }
    for file in [&args.report, &args.prometheus_config]
        .into_iter()
        .flatten()
    {
        check_writable(file)?;
    }
    let mut signals = Signals::take_over().context("signals cannot be handled")?;
    let directory = open(&args)?;
    let mut control =
        Control::open(directory.path()).context("no socket for commands can be made")?;
    let started = tokio::select! {
        biased;
        () = signals.next() => None,
        asker = stop_request(&mut control) => {
            let _ = asker.send(Reply::Done("stopped before it had started".to_owned()));
            None
        }
        network = start(&args, &directory) => Some(network?),
    };
    let Some(mut network) = started else {
        note("stopped before it had started");
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let page = Page::start(&network.nodes).await;
    note("");
    // A devnet that goes on counts from where it is.
    let until = args.slots.map(|slots| match args.resume {
        true => network.clock.slot() + slots,
        false => slots,
    });
    let plan = Plan {
        until,
        reports: args.report.is_some(),
        since_start,
    };
    let Watched {
        last,
        end,
        earlier,
        asker,
    } = watch(&mut network, plan, &mut signals, &mut control).await;
    let reports = match args.report {
        Some(_) => (network.reports(last.slot, &last.views, earlier.as_ref())).await,
        None => Vec::new(),
    };
    drop(page);
    stop(&mut network, &mut signals).await;
    if let Some(path) = &args.report {
        let Observation {
            slot,
            views,
            first_finalization,
        } = &last;
        let report = Report::new(*slot, views, *first_finalization, reports);
        files::write_json(path, &report)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    let code = conclude(until, &network, &last, end);
    // Whoever asks again is told that nothing runs, and who starts another there is not disturbed.
    control.close();
    drop(directory);
    if let Some(asker) = asker {
        let _ = asker.send(Reply::Done("stopped".to_owned()));
        control.finish().await;
    }
    Ok(code)
}

fn open(args: &DevnetArgs) -> Result<Directory> {
    let directory = match (args.resume, &args.data_dir) {
        (true, Some(path)) => Directory::resume(path)?,
        (_, path) => Directory::open(path.as_deref())?,
    };
    note(match (args.resume, directory.former) {
        (true, _) => "going on with a devnet",
        (false, true) => {
            "starting anew where a devnet lay before; of that one only the keys are kept"
        }
        (false, false) => "starting a devnet",
    });
    note(format_args!("  directory  {}", directory.path().display()));
    Ok(directory)
}

/// Answers requests until somebody asks for the end.
async fn stop_request(control: &mut Control) -> oneshot::Sender<Reply> {
    loop {
        let (request, reply) = control.next().await;
        if request == Request::Stop {
            return reply;
        }
        let _ = reply.send(Reply::Refused("the devnet is still starting".to_owned()));
    }
}

async fn start(args: &DevnetArgs, directory: &Directory) -> Result<Network> {
    let (beginning, validators) = begin(args, directory).await?;
    let program = env::current_exe().context("this program's own file cannot be found")?;
    let network = Network::start(directory, &program, &beginning).await?;
    if network.is_dead() {
        bail!("no node could be started, for the reasons above");
    }
    let slot = network.clock.slot_duration();
    if let Some(path) = &args.prometheus_config {
        let text = prometheus::scrape_file(&network.nodes, slot);
        files::replace(path, text.as_bytes())
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    note(format_args!(
        "  nodes      {}, with {} in all; slots of {slot}; logs in quartet_*/log",
        network.nodes.len(),
        count(validators, "validator"),
    ));
    for (name, address) in network.http_addresses() {
        note(format_args!("  {name:<10} http://{address}"));
    }
    Ok(network)
}

/// What the network begins with, and how many validators it has.
async fn begin(args: &DevnetArgs, directory: &Directory) -> Result<(Beginning, u64)> {
    if args.resume {
        let former = Former::read(directory)?;
        let validators = former.validators;
        note(format_args!(
            "  genesis    {} ago, now is slot {}",
            crate::words::duration(former.clock().slot(), former.clock().slot_duration()),
            former.clock().slot()
        ));
        return Ok((Beginning::Again(former), validators));
    }
    let validators = args.validators.unwrap_or(u64::from(args.nodes));
    let keys = keys::provide(
        directory.genesis().keys(),
        validators,
        args.slots,
        args.slot_duration_ms,
    )
    .await?;
    // Nodes load their keys and meet before genesis; many take longer on the same machine.
    let crowd = u64::from(args.nodes) / 8 + validators / VALIDATORS_READY_A_SECOND;
    let setup = Setup {
        nodes: args.nodes,
        keys: keys.keys,
        log_active_epochs: keys.log_active_epochs,
        genesis_delay: args.genesis_delay.unwrap_or(4 + crowd),
        slot_duration: args.slot_duration_ms,
        base_port: args.base_port,
    };
    Ok((Beginning::Anew(setup), validators))
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
fn conclude(until: Option<u64>, network: &Network, last: &Observation, end: End) -> ExitCode {
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
    match (end, until) {
        (End::Slots, _) => match agreement.complaint(last.slot) {
            Some(complaint) => {
                note(format_args!("failed: {complaint}"));
                ExitCode::FAILURE
            }
            None => ExitCode::SUCCESS,
        },
        (End::Interrupted, Some(slot)) => {
            note(format_args!("interrupted before slot {slot}"));
            ExitCode::from(INTERRUPTED)
        }
        (End::Interrupted, None) => ExitCode::SUCCESS,
        (End::AllDied, _) => ExitCode::FAILURE,
    }
}

/// Finds out at the start, not after an hour, that a file cannot be written. Leaves no empty one.
fn check_writable(file: &Path) -> Result<()> {
    let is_new = !file.exists();
    let mut options = fs::File::options();
    options.write(true).create(true).truncate(false);
    let opened = options.open(file).and_then(|_| match is_new {
        true => fs::remove_file(file),
        false => Ok(()),
    });
    opened.with_context(|| format!("{} cannot be written", file.display()))
}
