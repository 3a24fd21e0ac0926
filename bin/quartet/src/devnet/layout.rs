//! Where everything of a devnet lies: the directory's paths, the nodes' names, ports and command lines.

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Result;
use quartet_chain::PeerName;
use quartet_config::{DevnetPlan, NodeKey, PlannedNode};
use quartet_network::Identity;
use quartet_types::{SlotDuration, ValidatorIndex};

use super::{
    guests::{Guest, Launch},
    ports::{LOOPBACK, NodePorts},
};

/// The prefix of a node's name; its number follows.
pub(super) const NODE_PREFIX: &str = "quartet_";
/// Where guests have their directories.
pub(super) const GUESTS: &str = "guests";

/// The files of a genesis directory and the keys in it.
#[derive(Clone, Debug)]
pub(super) struct GenesisPaths(PathBuf);

impl GenesisPaths {
    /// The paths below a devnet's directory.
    pub(super) fn of(devnet: &Path) -> Self {
        Self(devnet.join("genesis"))
    }

    pub(super) fn directory(&self) -> &Path {
        &self.0
    }

    /// The identity of the node with this name.
    pub(super) fn node_key(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.key"))
    }

    /// The directory of the validators' keys.
    pub(super) fn keys(&self) -> PathBuf {
        self.0.join("hash-sig-keys")
    }
}

/// One node: its name, directory and ports.
#[derive(Clone, Debug)]
pub(super) struct NodeLayout {
    /// Its name, its id on the command line.
    pub(super) name: String,
    /// Its directory, below the devnet's.
    pub(super) directory: PathBuf,
    /// Its ports.
    pub(super) ports: NodePorts,
    /// Its validators, where they are known.
    pub(super) validators: Vec<ValidatorIndex>,
    pub(super) role: Role,
    /// Whether it records what its chain takes and decides, which is for those of our own.
    pub(super) is_recorded: bool,
}

/// The role of a node in a devnet.
#[derive(Clone, Debug)]
pub(super) enum Role {
    /// One of our own.
    Member,
    /// One of our own that starts late and knows one other node only, by this record.
    Late { peer: String },
    /// Another client's.
    Guest(Box<Guest>),
}

impl NodeLayout {
    /// The `index`-th node of the devnet in `devnet`.
    pub(super) fn new(devnet: &Path, index: usize, ports: NodePorts) -> Self {
        let name = Self::name(index);
        Self {
            directory: devnet.join(&name),
            name,
            ports,
            validators: Vec::new(),
            role: Role::Member,
            is_recorded: false,
        }
    }

    /// A guest.
    pub(super) fn guest(devnet: &Path, name: String, ports: NodePorts, guest: Guest) -> Self {
        Self {
            directory: devnet.join(GUESTS).join(&name),
            name,
            ports,
            validators: Vec::new(),
            role: Role::Guest(Box::new(guest)),
            is_recorded: false,
        }
    }

    /// The guest that it is.
    pub(super) fn as_guest(&self) -> Option<&Guest> {
        match &self.role {
            Role::Guest(guest) => Some(guest),
            Role::Member | Role::Late { .. } => None,
        }
    }

    /// The client that it is of.
    pub(super) fn client(&self) -> &str {
        self.as_guest()
            .map_or("quartet", |guest| &guest.client.template.name)
    }

    /// Where it keeps its data.
    pub(super) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// The name of the `index`-th node.
    pub(super) fn name(index: usize) -> String {
        format!("{NODE_PREFIX}{index}")
    }

    /// The name by which its peers know it, from its key in the genesis directory.
    ///
    /// # Errors
    /// When the key cannot be read.
    pub(super) fn peer(&self, genesis: &GenesisPaths) -> Result<PeerName> {
        let key = NodeKey::read(&genesis.node_key(&self.name))?;
        Ok(Identity::from_secret(key.secret_bytes())?.name())
    }

    /// The file to which its output goes.
    pub(super) fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// Where it serves JSON-RPC and HTTP.
    pub(super) fn http(&self) -> SocketAddr {
        SocketAddr::new(LOOPBACK, self.ports.http)
    }

    /// Where it serves its metrics.
    pub(super) fn metrics(&self) -> SocketAddr {
        SocketAddr::new(LOOPBACK, self.ports.metrics)
    }

    /// Where it listens for QUIC, over UDP.
    pub(super) fn quic(&self) -> SocketAddr {
        SocketAddr::new(LOOPBACK, self.ports.quic)
    }

    /// How it is started and ended, by `quartet`.
    pub(super) fn launch(&self, genesis: &GenesisPaths, quartet: &Path) -> Launch {
        match &self.role {
            Role::Guest(guest) => guest.launch(self, genesis, quartet),
            Role::Member | Role::Late { .. } => Launch {
                program: quartet.to_owned(),
                arguments: self.arguments(genesis),
                environment: Vec::new(),
                stops_on: None,
            },
        }
    }

    /// The command that starts it again by hand, program first.
    pub(super) fn command(&self, genesis: &GenesisPaths, quartet: &Path) -> Vec<OsString> {
        let launch = self.launch(genesis, quartet);
        match self.role {
            // Without the leash.
            Role::Guest(_) => launch.arguments.into_iter().skip(3).collect(),
            Role::Member | Role::Late { .. } => {
                let program = [launch.program.into_os_string()];
                program.into_iter().chain(launch.arguments).collect()
            }
        }
    }

    /// The arguments of `quartet` that run it.
    fn arguments(&self, genesis: &GenesisPaths) -> Vec<OsString> {
        let bootnodes = match &self.role {
            Role::Late { peer } => OsString::from(peer),
            Role::Member | Role::Guest(_) => genesis.directory().join("nodes.yaml").into(),
        };
        let file = |name: &str| genesis.directory().join(name).into_os_string();
        let address = || OsString::from(LOOPBACK.to_string());
        let port = |port: u16| OsString::from(port.to_string());
        let flags = [
            ("--genesis", file("config.yaml")),
            ("--validators", file("validators.yaml")),
            ("--bootnodes", bootnodes),
            ("--node-id", OsString::from(&self.name)),
            ("--node-key", genesis.node_key(&self.name).into_os_string()),
            ("--keystores", genesis.keys().into_os_string()),
            ("--data-dir", self.data().into_os_string()),
            ("--listen-address", address()),
            ("--port", port(self.ports.quic)),
            ("--http-address", address()),
            ("--http-port", port(self.ports.http)),
            ("--metrics-address", address()),
            ("--metrics-port", port(self.ports.metrics)),
        ];
        let flags = flags.into_iter();
        let recording = self.is_recorded.then(|| self.directory.join("recording"));
        let recording = recording.map(|directory| ("--record", directory.into_os_string()));
        let flags = flags.chain(recording);
        let flags = flags.flat_map(|(flag, value)| [OsString::from(flag), value]);
        [OsString::from("node")].into_iter().chain(flags).collect()
    }
}

/// The plan of a devnet whose validators are spread over its nodes as evenly as they go. Guests have the first ones: some
/// clients take a validator's place among their own for its index, which is right for the first one only. A node that starts
/// late has none, and nobody knows it.
pub(super) fn plan(
    nodes: &[NodeLayout],
    validators: u64,
    log_active_epochs: u8,
    slot_duration: SlotDuration,
) -> DevnetPlan {
    let (guests, others): (Vec<_>, Vec<_>) = nodes
        .iter()
        .filter(|node| !matches!(node.role, Role::Late { .. }))
        .partition(|node| node.as_guest().is_some());
    let count = (guests.len() + others.len()) as u64;
    let planned = guests.into_iter().chain(others);
    let planned = planned.zip(0..).map(|(node, index)| PlannedNode {
        name: node.name.clone(),
        key: None,
        ip: LOOPBACK,
        quic_port: node.ports.quic,
        metrics_port: Some(node.ports.metrics),
        seq: 1,
        validators: validators / count + u64::from(index < validators % count),
    });
    DevnetPlan {
        slot_duration,
        log_active_epochs,
        nodes: planned.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(count: usize) -> Vec<NodeLayout> {
        let ports = |index: usize| {
            let first = 9000 + 3 * index as u16;
            NodePorts {
                quic: first,
                http: first + 1,
                metrics: first + 2,
            }
        };
        (0..count)
            .map(|index| NodeLayout::new(Path::new("/net"), index, ports(index)))
            .collect()
    }

    #[test]
    fn validators_are_spread_as_evenly_as_they_go() {
        let cases: [(usize, u64, &[&[u64]]); 4] = [
            (4, 4, &[&[0], &[1], &[2], &[3]]),
            (3, 1, &[&[0], &[], &[]]),
            (3, 8, &[&[0, 3, 6], &[1, 4, 7], &[2, 5]]),
            (1, 2, &[&[0, 1]]),
        ];
        for (count, validators, expected) in cases {
            let plan = plan(&nodes(count), validators, 18, SlotDuration::default());
            assert_eq!(plan.validator_count(), validators);
            assert_eq!(plan.round_robin(), expected);
        }
    }

    #[test]
    fn a_node_is_started_with_its_own_ports_and_the_shared_genesis() {
        let mut node = nodes(2)[1].clone();
        node.is_recorded = true;
        let arguments = node.arguments(&GenesisPaths::of(Path::new("/net")));
        let line: Vec<_> = arguments.iter().filter_map(|word| word.to_str()).collect();
        let line = line.join(" ");
        assert!(line.starts_with("node --genesis /net/genesis/config.yaml "));
        for part in [
            "--node-id quartet_1 --node-key /net/genesis/quartet_1.key",
            "--keystores /net/genesis/hash-sig-keys --data-dir /net/quartet_1/data",
            "--port 9003",
            "--http-port 9004",
            "--metrics-port 9005",
            "--record /net/quartet_1/recording",
        ] {
            assert!(line.contains(part), "{line} lacks {part}");
        }
    }
}
