//! A devnet from its beginning to its end.

use std::{env, fs, path::Path, process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result, bail, ensure};
use quartet_clock::Stopwatch;
use quartet_config::KeyForm;
use quartet_keystore::ForeignFormat;
use quartet_types::ValidatorIndex;
use tokio::sync::oneshot;

use super::{
    args::{DevnetArgs, MAX_NODES},
    control::{Control, Reply, Request},
    detach,
    directory::Directory,
    exit::INTERRUPTED,
    files,
    guests::{self, Client},
    keys::{self, Wanted},
    layout::NodeLayout,
    mixed::{ClientTally, Ended, LateTally, Mixed, Records},
    network::Network,
    page::Page,
    prepare::{FormerNetwork, LateNode, NetworkSource, NewNetwork},
    prometheus,
    report::Report,
    terminal::note,
    view::{Agreement, MAX_FINALITY_LAG, MAX_MIXED_FINALITY_LAG, Seen},
    watch::{End, Plan, Watched, watch},
};
use crate::{signals::Signals, words::count};

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
    let mut signals = Signals::take_over(false).context("signals cannot be handled")?;
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
    // A resumed devnet counts its slots from now on.
    let until = args.slots.map(|slots| {
        if args.resume {
            network.clock.slot() + slots
        } else {
            slots
        }
    });
    let plan = Plan {
        until,
        reports: args.report.is_some(),
        since_start,
    };
    let mut watched = watch(&mut network, plan, &mut signals, &mut control).await;
    let asker = watched.asker.take();
    let seen = seen(&network, &watched);
    let reports = match args.report {
        Some(_) => (network.reports(watched.last.slot, &seen, watched.earlier.as_ref())).await,
        None => Vec::new(),
    };
    let mixed = mixed(&args, &network, &watched, &seen).await;
    drop(page);
    stop(&mut network, &mut signals).await;
    let code = conclude(until, &network, &watched, mixed.as_ref());
    if let Some(path) = &args.report {
        let last = &watched.last;
        let agree = last.agreement().is_full();
        let mut report = Report::new(last.slot, agree, last.first_finalization, reports);
        report.mixed = mixed;
        files::write_json(path, &report)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    // From now on, commands are told that no devnet runs here, and another one may be started.
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

/// Answers requests until one asks for the end.
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
    let (source, validators) = begin(args, directory).await?;
    let program = env::current_exe().context("this program's own file cannot be found")?;
    let network = Network::start(directory, &program, &source, args.record).await?;
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

/// Where the network comes from, and how many validators it has.
async fn begin(args: &DevnetArgs, directory: &Directory) -> Result<(NetworkSource, u64)> {
    if args.resume {
        let former = FormerNetwork::read(directory)?;
        let validators = former.validators;
        note(format_args!(
            "  genesis    {} ago, now is slot {}",
            crate::words::duration(former.clock().slot(), former.clock().slot_duration()),
            former.clock().slot()
        ));
        return Ok((NetworkSource::Resumed(former), validators));
    }
    let guests = guests::clients(&args.with, &args.with_binary, args.slot_duration_ms)?;
    let nodes = guests.len() + usize::from(args.nodes);
    ensure!(
        nodes <= MAX_NODES,
        "{nodes} nodes are more than the {MAX_NODES} that fit on a usual machine"
    );
    let validators = args.validators.unwrap_or(nodes as u64);
    if let Some(client) = guests
        .iter()
        .find(|guest| guest.template.one_validator_per_node)
    {
        ensure!(
            validators == nodes as u64,
            "{} takes each node to have one validator: leave --validators away, or say {nodes}",
            client.template.name
        );
    }
    ensure!(
        validators >= guests.len() as u64,
        "{validators} validators are too few: other clients take no node without one"
    );
    let late = late(args, &guests)?;
    let wanted = Wanted {
        validators,
        slots: args.slots,
        slot_duration: args.slot_duration_ms,
        foreign: foreign_keys(&guests, nodes as u64, validators),
    };
    let keys = keys::provide(directory.genesis().keys(), wanted).await?;
    // Nodes load their keys and meet before genesis; many take longer on the same machine.
    let crowd = nodes as u64 / 8 + validators / VALIDATORS_READY_A_SECOND;
    let slowest = guests.iter().map(|guest| guest.template.starts_in).max();
    let usual = (4 + crowd).max(slowest.unwrap_or(0));
    let setup = NewNetwork {
        nodes: args.nodes,
        keys: keys.keys,
        log_active_epochs: keys.log_active_epochs,
        genesis_delay: args.genesis_delay.unwrap_or(usual),
        slot_duration: args.slot_duration_ms,
        base_port: args.base_port,
        guests,
        late,
    };
    Ok((NetworkSource::New(setup), validators))
}

/// The keys that guests take, in their forms. Validators are dealt out in turn, to guests first.
fn foreign_keys(
    guests: &[Arc<Client>],
    nodes: u64,
    validators: u64,
) -> Vec<(ValidatorIndex, ForeignFormat)> {
    let of_guest = |index: u64| {
        let guest = guests.get(usize::try_from(index % nodes).ok()?)?;
        match guest.template.keys {
            KeyForm::Keystore => None,
            KeyForm::Ssz => Some((index, ForeignFormat::Ssz)),
            KeyForm::Json => Some((index, ForeignFormat::Json)),
        }
    };
    (0..validators).filter_map(of_guest).collect()
}

/// The node that starts late, if one is asked for.
fn late(args: &DevnetArgs, guests: &[Arc<Client>]) -> Result<Option<LateNode>> {
    let Some(from) = &args.late_node_from else {
        return Ok(None);
    };
    let (client, number) = from.rsplit_once('_').unwrap_or((from, ""));
    let number = number.parse::<usize>().ok();
    let mut of_client = guests.iter().filter(|guest| guest.template.name == client);
    let is_there = match client {
        "quartet" => number.is_some_and(|number| number < usize::from(args.nodes)),
        _ => number.and_then(|number| of_client.nth(number)).is_some(),
    };
    ensure!(is_there, "--late-node-from: no node is called {from:?}");
    let silent = guests
        .iter()
        .find(|guest| guest.template.name == client && !guest.template.serves_blocks());
    ensure!(
        silent.is_none(),
        "--late-node-from: by its template, {client} serves no blocks, so nobody can catch up from it"
    );
    let slot = args.late_node_slot;
    ensure!(
        args.slots.is_none_or(|slots| slot < slots),
        "--late-node-slot: the devnet is over in slot {slot}"
    );
    Ok(Some(LateNode {
        from: from.clone(),
        slot,
    }))
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

/// The last view of each node, in the order of the nodes.
fn seen(network: &Network, watched: &Watched) -> Vec<Option<Seen>> {
    let last = &watched.last;
    let members = last.views.iter().map(|view| view.map(Seen::from));
    let late = network.late().map(|_| last.late.map(Seen::from));
    let guests = last.guests.iter().map(|view| view.map(Seen::from));
    members.chain(late).chain(guests).collect()
}

/// The report on the clients, if the network has several.
async fn mixed(
    args: &DevnetArgs,
    network: &Network,
    watched: &Watched,
    seen: &[Option<Seen>],
) -> Option<Mixed> {
    if args.with.is_empty() && args.late_node_from.is_none() {
        return None;
    }
    let last = &watched.last;
    let mut clients = Vec::new();
    for node in network.members().iter().map(NodeLayout::http) {
        match Records::ask(node, last.slot).await {
            Ok(records) => {
                clients = ClientTally::of(&network.nodes, &records);
                break;
            }
            // Another one may.
            Err(error) => note(format_args!(
                "{node} does not tell what the clients did: {error:#}"
            )),
        }
    }
    let late = network.late().map(|(node, slot)| LateTally {
        node: node.name.clone(),
        from: args.late_node_from.clone().unwrap_or_default(),
        started_in_slot: slot,
        caught_up_in_slot: watched.caught_up,
        view: last.late,
    });
    Some(Mixed::new(Ended {
        agreement: Agreement::among(&last.views),
        nodes: &network.nodes,
        seen,
        late,
        agreed: watched.agreed,
        clients,
    }))
}

/// Says how it went and finds the exit code.
fn conclude(
    until: Option<u64>,
    network: &Network,
    watched: &Watched,
    mixed: Option<&Mixed>,
) -> ExitCode {
    let last = &watched.last;
    let agreement = last.agreement();
    if let Some(mixed) = mixed {
        note(format_args!("\n{}", mixed.text()));
    }
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
    }
    // Only for a network that was not interrupted.
    let mut complaints = Vec::new();
    let most = if network.questions().is_empty() {
        MAX_FINALITY_LAG
    } else {
        MAX_MIXED_FINALITY_LAG
    };
    complaints.extend(agreement.complaint(last.slot, most));
    complaints.extend(mixed.into_iter().flat_map(|mixed| mixed.complaints.clone()));
    let failed = match (watched.end, until) {
        (End::Slots, _) => {
            for complaint in &complaints {
                note(format_args!("failed: {complaint}"));
            }
            !complaints.is_empty()
        }
        (End::Interrupted, Some(slot)) if network.dead == 0 => {
            note(format_args!("interrupted before slot {slot}"));
            return ExitCode::from(INTERRUPTED);
        }
        (End::Interrupted, _) => false,
        (End::AllDied, _) => true,
    };
    if failed || network.dead > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Finds out at the start, not after an hour, that a file cannot be written. Leaves no empty one.
fn check_writable(file: &Path) -> Result<()> {
    let is_new = !file.exists();
    let mut options = fs::File::options();
    options.write(true).create(true).truncate(false);
    let opened = options.open(file).and_then(|_| {
        if is_new {
            fs::remove_file(file)
        } else {
            Ok(())
        }
    });
    opened.with_context(|| format!("{} cannot be written", file.display()))
}
