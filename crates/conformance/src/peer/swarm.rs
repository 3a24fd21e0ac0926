//! The swarm of one identity, in a task of its own.

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder, identify,
    swarm::{
        ConnectionId, DialError, NetworkBehaviour, NotifyHandler, SwarmEvent,
        behaviour::toggle::Toggle, dial_opts::DialOpts,
    },
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use super::{
    BLOCKS_BY_ROOT, Command, MESHSUB, Peer, PeerConfig, STATUS,
    inbound::InboundStreams,
    streams::{Arrived, OpenError, Streams, Wanted},
};

/// No connection ends for want of traffic.
const IDLE: Duration = Duration::from_secs(3600);
/// The checker's agent string.
const AGENT: &str = concat!("quartet-check/", env!("CARGO_PKG_VERSION"));
/// Streams that may be asked for at a time.
const COMMANDS: usize = 256;
/// A checker that is killed is gone soon.
const IDLE_TIMEOUT_MS: u32 = 10_000;

/// Why there is no connection with the node.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("no connection: {0}")]
    Refused(String),
    #[error("no connection within {0:?}")]
    Silent(Duration),
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: Toggle<identify::Behaviour>,
    streams: Streams,
}

fn build(config: &PeerConfig) -> Result<Swarm<Behaviour>, ConnectError> {
    let key = config.key.clone();
    let identify = config.protocol_version.as_ref().map(|version| {
        let config = identify::Config::new(version.clone(), key.public())
            .with_agent_version(AGENT.into())
            .with_cache_size(0);
        identify::Behaviour::new(config)
    });
    let mut accepts = MESHSUB.to_vec();
    accepts.push(BLOCKS_BY_ROOT);
    if config.claim.is_some() {
        accepts.push(STATUS);
    }
    let behaviour = Behaviour {
        identify: identify.into(),
        streams: Streams::new(&accepts),
    };
    let window = config.window;
    let built = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_quic_config(move |mut quic| {
            quic.max_idle_timeout = IDLE_TIMEOUT_MS;
            if let Some(window) = window {
                quic.max_stream_data = window;
            }
            quic
        })
        .with_behaviour(|_| behaviour);
    let Ok(built) = built;
    let built = built.with_swarm_config(|swarm| swarm.with_idle_connection_timeout(IDLE));
    Ok(built.build())
}

pub(super) async fn connect(
    address: Multiaddr,
    config: PeerConfig,
    answer_timeout: Duration,
) -> Result<Peer, ConnectError> {
    let mut swarm = build(&config)?;
    let dialled = swarm.dial(DialOpts::from(address));
    dialled.map_err(|error| refused(&error))?;
    let connected = timeout(answer_timeout, established(&mut swarm)).await;
    let (node, connection) = connected.map_err(|_| ConnectError::Silent(answer_timeout))??;

    let (commands, orders) = mpsc::channel(COMMANDS);
    let (connections, connections_seen) = watch::channel(1);
    let log = Arc::default();
    let served = Arc::default();
    let host = InboundStreams {
        log: Arc::clone(&log),
        served: Arc::clone(&served),
        claim: config.claim,
    };
    let task = Task {
        swarm,
        node,
        connection,
        host,
        connections,
    };
    Ok(Peer {
        node,
        key: config.key,
        commands,
        connections: connections_seen,
        log,
        served,
        task: tokio::spawn(task.run(orders)),
    })
}

async fn established(swarm: &mut Swarm<Behaviour>) -> Result<(PeerId, ConnectionId), ConnectError> {
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                ..
            } => return Ok((peer_id, connection_id)),
            SwarmEvent::OutgoingConnectionError { error, .. } => return Err(refused(&error)),
            _ => {}
        }
    }
}

fn refused(error: &DialError) -> ConnectError {
    ConnectError::Refused(causes(error))
}

/// An error and its sources, on one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

struct Task {
    swarm: Swarm<Behaviour>,
    node: PeerId,
    connection: ConnectionId,
    host: InboundStreams,
    connections: watch::Sender<usize>,
}

impl Task {
    async fn run(mut self, mut orders: mpsc::Receiver<Command>) {
        let mut leaves = false;
        while !(leaves && *self.connections.borrow() == 0) {
            tokio::select! {
                biased;
                order = orders.recv(), if !leaves => match order {
                    Some(Command::Open(wanted)) => self.open(wanted),
                    Some(Command::Disconnect) | None => {
                        leaves = true;
                        let _ = self.swarm.disconnect_peer_id(self.node);
                    }
                },
                event = self.swarm.select_next_some() => self.on_event(event),
            }
        }
    }

    fn open(&mut self, wanted: Wanted) {
        if *self.connections.borrow() == 0 {
            // The receiver may have been dropped.
            let _ = wanted.opened.send(Err(OpenError::Gone));
            return;
        }
        let connection = NotifyHandler::One(self.connection);
        let streams = &mut self.swarm.behaviour_mut().streams;
        streams.open(self.node, connection, wanted);
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionClosed {
                num_established, ..
            } => {
                let left = usize::try_from(num_established).unwrap_or_default();
                self.connections.send_replace(left);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Streams(Arrived {
                protocol, stream, ..
            })) => self.host.receive(protocol.as_ref(), stream),
            _ => {}
        }
    }
}
