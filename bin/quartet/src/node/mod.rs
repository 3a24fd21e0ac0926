//! `quartet node`: from flags and files to running services.

mod address;
mod anchor;
mod args;
pub(crate) mod parent;
mod record;
mod setup;
mod signals;
mod slot_log;
mod snapshots;
mod supervisor;
mod validator_keys;

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    process::ExitCode,
    sync::{Arc, LazyLock},
    thread,
};

use anyhow::Context as _;
use quartet_chain::{
    ChainReader, ChainService, ChainServiceConfig, ChainServiceParts, ChainWriter, EventBus,
    MemoryLimits, PeerName, Peers, chain_channel, network_channel, watch_validators,
};
use quartet_clock::Clock;
use quartet_metrics::Metrics;
use quartet_network::{NetworkParts, NetworkService};
use quartet_processor::Processor;
use quartet_rpc::{
    AllowedHosts, AllowedOrigins, Limits, NodeInfo, NodeParts, NodeView, RpcConfig, RpcService,
};
use quartet_storage::Database;
use quartet_types::{Block, VALIDATOR_REGISTRY_LIMIT};
use quartet_validator::{ValidatorService, ValidatorServiceConfig, ValidatorServiceParts};
use quartet_xmss::{Scheme, Verifier};
use tokio::sync::watch;
use tracing::info;
use tree_hash::TreeHash as _;

use address::Advertised;
pub(crate) use args::NodeArgs;
use parent::Parent;
use record::Recorded;
use setup::Setup;
use snapshots::SnapshotConfig;
use supervisor::Supervisor;

use crate::{process, version};

/// Jobs of each priority that may wait for the processor.
const PROCESSOR_QUEUE: usize = 1024;
/// Verifies all signatures, and remembers 2 KiB of each validator's last valid one, 8 MiB of a full registry.
static VERIFIER: LazyLock<Verifier> =
    LazyLock::new(|| Verifier::new(Scheme::Production, VALIDATOR_REGISTRY_LIMIT as usize));
/// Threads for the services, which wait most of the time.
const SERVICE_THREADS: usize = 2;

/// Runs a node until it is told to stop.
pub(crate) fn run(args: NodeArgs) -> anyhow::Result<ExitCode> {
    let _log = args.log.start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(SERVICE_THREADS)
        .thread_name("service")
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(async move {
        let (ended, apart) = if args.exit_with_parent {
            let Parent { ended, apart } = parent::listen()?;
            (Some(ended), Some(apart))
        } else {
            (None, None)
        };
        let mut stop = signals::stop_signal(ended)?;
        let supervisor = tokio::select! {
            biased;
            reason = &mut stop => {
                info!(reason, "stopped before the node had started");
                return Ok(ExitCode::SUCCESS);
            }
            supervisor = start(args, apart) => supervisor?,
        };
        supervisor.run(stop).await
    });
    // Work for a start that was given up may still be under way; it ends with the process.
    runtime.shutdown_background();
    outcome
}

/// Opens everything that can fail, then starts the services.
async fn start(
    args: NodeArgs,
    apart: Option<watch::Receiver<BTreeSet<PeerName>>>,
) -> anyhow::Result<Supervisor> {
    let metrics = Metrics::install()?;
    let setup = Setup::read(&args)?;
    let genesis = setup.genesis.state()?;
    let slot_duration = setup.genesis.slot_duration;
    let clock = Clock::system(setup.genesis.genesis_time).with_slot_duration(slot_duration);
    let genesis_root = Block::genesis(&genesis).tree_hash_root();
    info!(version = version::LONG, node = setup.name, data_dir = %args.data_dir.display(), "quartet");
    setup::log_genesis(&clock, genesis_root, genesis.validator_count());

    let store = Database::open(&args.data_dir.join("blocks"), genesis_root)?;
    store.check_slot_duration(slot_duration)?;
    let store = Arc::new(store.with_retention(args.retain));
    metrics.watch_disk(args.data_dir.clone(), args.data_dir.join("blocks"));
    process::raise_open_files();
    let signers = setup.signers(&args, &clock).await?;
    if signers.have_secrets() {
        // Not for test keys: a developer may want to debug the nodes of a devnet.
        process::forbid_looking_in();
    }

    let limits = MemoryLimits::of(usize::from(args.memory_budget) << 20);
    let chain = anchor::begin(&args.checkpoint_sync_url, &store, genesis, &clock).await?;
    let writer = ChainWriter::new(chain.with_memory_limits(limits));
    let chain = writer.reader();
    let reader = ChainReader::new(chain.clone(), store.clone());
    let (peers, events) = (Peers::default(), EventBus::new());
    let (chain_handle, chain_inbox) = chain_channel();
    let (network_handle, network_inbox) = network_channel();
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let processor = Processor::start(workers, PROCESSOR_QUEUE)
        .context("cannot start the processor's threads")?;

    let network_config = setup.network(&args)?;
    let peer_id = network_config.identity.name();
    let expects_peers = !network_config.static_peers.is_empty();
    let parts = NetworkParts {
        chain: reader.clone(),
        chain_service: chain_handle.clone(),
        inbox: network_inbox,
        peers: peers.clone(),
        clock: clock.clone(),
    };
    let mut network = NetworkService::bind(network_config, parts)
        .await
        .context("choose another --port or --listen-address")?;
    if let Some(apart) = apart {
        network = network.with_partition(apart);
    }
    let advertised = Advertised::new(
        &setup.node_key,
        peer_id.as_str(),
        network.local_address(),
        args.advertise_address,
    )?;
    advertised.log();
    let rpc = RpcService::bind(
        RpcConfig {
            http: Some(SocketAddr::new(args.http_address, args.http_port)),
            metrics: args
                .metrics_port
                .map(|port| SocketAddr::new(args.metrics_address, port)),
            allowed_hosts: AllowedHosts::new(&args.http_allowed_host),
            allowed_origins: AllowedOrigins::new(&args.http_cors_origin),
            limits: Limits::default(),
        },
        NodeView::new(
            NodeInfo {
                name: setup.name.clone(),
                version: version::VERSION.to_owned(),
                commit: version::COMMIT.to_owned(),
                validators: signers.indices().collect(),
                peer_id: peer_id.to_string(),
                enr: advertised.enr,
                addresses: advertised.multiaddrs,
                genesis_root,
                fork_name: args.fork_name.clone(),
            },
            NodeParts {
                chain: reader,
                peers: peers.clone(),
                clock: clock.clone(),
                metrics: Some(metrics),
                events: events.clone(),
            },
        ),
    )
    .await?;
    let config = ChainServiceConfig {
        expects_peers,
        backfill: args.backfill,
    };
    let parts = ChainServiceParts {
        chain: writer,
        inbox: chain_inbox,
        network: network_handle.clone(),
        store: store.clone(),
        events: events.clone(),
        processor: processor.clone(),
        clock: clock.clone(),
        verifier: &*VERIFIER,
    };
    let chain_service = ChainService::new(config, parts)?;
    let chain_service = match &args.record {
        Some(directory) => {
            let recorded = Recorded {
                directory,
                limit_mib: args.record_limit,
                node: &setup.name,
                network: genesis_root,
                clock: &clock,
                memory: limits,
                expects_peers,
                backfill: args.backfill,
            };
            chain_service.with_recorder(recorded.start()?)
        }
        None => chain_service,
    };
    let (sightings, seen) = watch_validators(signers.indices());
    let chain_service = chain_service.with_sightings(sightings);
    let config = ValidatorServiceConfig {
        slots_to_listen: args.doppelganger_slots,
    };
    let parts = ValidatorServiceParts {
        chain: chain.clone(),
        chain_service: chain_handle,
        network: network_handle,
        signers,
        processor,
        clock,
        events: events.clone(),
    };
    let validator = ValidatorService::new(config, parts).with_sightings(seen);

    let mut supervisor = Supervisor::default();
    // They are stopped in this order: duties first, the sockets last.
    supervisor.start("validator", |stop| validator.run(stop));
    supervisor.start("chain", |stop| chain_service.run(stop));
    supervisor.start("network", |stop| network.run(stop));
    supervisor.start("rpc", |stop| rpc.run(stop));
    if let Some(every) = args.snapshot_every {
        let beside = || args.data_dir.join("snapshots");
        let config = SnapshotConfig {
            every,
            directory: args.snapshot_dir.clone().unwrap_or_else(beside),
            keep: usize::from(args.snapshot_keep),
        };
        let events = events.clone();
        supervisor.start("snapshots", |stop| {
            snapshots::run(config, store, events, stop)
        });
    }
    supervisor.start("slot log", |stop| slot_log::run(events, chain, peers, stop));
    Ok(supervisor)
}
