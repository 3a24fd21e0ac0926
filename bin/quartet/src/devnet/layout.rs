//! Where everything of a devnet lies: the directory's paths, the nodes' names, ports and command lines.

use std::{
    ffi::OsString,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use quartet_config::{DevnetPlan, PlannedNode};
use serde::Serialize;

use super::ports::NodePorts;

/// The address at which all nodes listen: nothing of a devnet is reached from outside.
pub(super) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What a node's name begins with; its number follows.
pub(super) const NODE_PREFIX: &str = "quartet_";

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
}

impl NodeLayout {
    /// The `index`-th node of the devnet in `devnet`.
    pub(super) fn new(devnet: &Path, index: usize, ports: NodePorts) -> Self {
        let name = format!("{NODE_PREFIX}{index}");
        Self {
            directory: devnet.join(&name),
            name,
            ports,
        }
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

    /// The arguments of `quartet` that run it.
    pub(super) fn arguments(&self, genesis: &GenesisPaths) -> Vec<OsString> {
        let file = |name: &str| genesis.directory().join(name).into_os_string();
        let address = || OsString::from(LOOPBACK.to_string());
        let port = |port: u16| OsString::from(port.to_string());
        let flags = [
            ("--genesis", file("config.yaml")),
            ("--validators", file("validators.yaml")),
            ("--bootnodes", file("nodes.yaml")),
            ("--node-id", OsString::from(&self.name)),
            ("--node-key", file(&format!("{}.key", self.name))),
            ("--keystores", genesis.keys().into_os_string()),
            ("--data-dir", self.directory.join("data").into_os_string()),
            ("--listen-address", address()),
            ("--port", port(self.ports.quic)),
            ("--http-address", address()),
            ("--http-port", port(self.ports.http)),
            ("--metrics-address", address()),
            ("--metrics-port", port(self.ports.metrics)),
        ];
        let flags = flags.into_iter();
        let flags = flags.flat_map(|(flag, value)| [OsString::from(flag), value]);
        [OsString::from("node")].into_iter().chain(flags).collect()
    }
}

/// The plan of a devnet whose validators are spread over its nodes as evenly as they go.
pub(super) fn plan(nodes: &[NodeLayout], validators: u64, log_active_epochs: u8) -> DevnetPlan {
    let count = nodes.len() as u64;
    let planned = nodes.iter().zip(0..).map(|(node, index)| PlannedNode {
        name: node.name.clone(),
        key: None,
        ip: LOOPBACK,
        quic_port: node.ports.quic,
        metrics_port: Some(node.ports.metrics),
        seq: 1,
        validators: validators / count + u64::from(index < validators % count),
    });
    DevnetPlan {
        slot_duration: quartet_types::SlotDuration::default(),
        log_active_epochs,
        nodes: planned.collect(),
    }
}

/// `devnet.json`: tells scripts where the nodes are.
#[derive(Debug, Serialize)]
pub(super) struct Description {
    /// The process that holds the devnet together; it ends on SIGINT and SIGTERM.
    pub(super) pid: u32,
    /// Unix time of slot 0, in seconds.
    pub(super) genesis_time: u64,
    /// The directory with the files from which a node joins.
    pub(super) genesis: PathBuf,
    /// The nodes.
    pub(super) nodes: Vec<NodeDescription>,
}

/// What `devnet.json` tells of one node.
#[derive(Debug, Serialize)]
pub(super) struct NodeDescription {
    name: String,
    pid: u32,
    directory: PathBuf,
    log: PathBuf,
    http: SocketAddr,
    metrics: SocketAddr,
    quic: SocketAddr,
    /// What starts it again should it have ended, program first.
    command: Vec<String>,
}

impl NodeDescription {
    /// Describes a node that runs as process `pid`.
    pub(super) fn new(node: &NodeLayout, pid: u32, program: &Path, genesis: &GenesisPaths) -> Self {
        let arguments = node.arguments(genesis).into_iter();
        let command = [program.as_os_str().to_owned()]
            .into_iter()
            .chain(arguments);
        Self {
            name: node.name.clone(),
            pid,
            directory: node.directory.clone(),
            log: node.log(),
            http: node.http(),
            metrics: node.metrics(),
            quic: node.quic(),
            command: command.map(|word| word.to_string_lossy().into()).collect(),
        }
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
            let plan = plan(&nodes(count), validators, 18);
            assert_eq!(plan.validator_count(), validators);
            assert_eq!(plan.round_robin(), expected);
        }
    }

    #[test]
    fn a_node_is_started_with_its_own_ports_and_the_shared_genesis() {
        let node = &nodes(2)[1];
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
        ] {
            assert!(line.contains(part), "{line} lacks {part}");
        }
    }

    #[test]
    fn the_description_gives_scripts_addresses_and_a_command() {
        let node = &nodes(1)[0];
        let genesis = GenesisPaths::of(Path::new("/net"));
        let node = NodeDescription::new(node, 7, Path::new("/bin/quartet"), &genesis);
        let json = serde_json::to_value(node).unwrap();
        assert_eq!(json["name"], "quartet_0");
        assert_eq!(json["pid"], 7);
        assert_eq!(json["http"], "127.0.0.1:9001");
        assert_eq!(json["metrics"], "127.0.0.1:9002");
        assert_eq!(json["quic"], "127.0.0.1:9000");
        assert_eq!(json["command"][0], "/bin/quartet");
        assert_eq!(json["command"][1], "node");
    }
}
