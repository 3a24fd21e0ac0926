//! `devnet.json`: the addresses of the nodes, for scripts and for a devnet that is resumed.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use quartet_types::SlotDuration;
use serde::{Deserialize, Serialize};

use super::{
    files::replace_json,
    guests::Questions,
    layout::{GenesisPaths, NodeLayout},
    ports::NodePorts,
};

/// Its name in the devnet's directory.
pub(super) const DESCRIPTION: &str = "devnet.json";

/// How a devnet's directory is laid out. Raise it with every change that keeps an older one from being resumed.
const LAYOUT: u32 = 1;

/// The contents of `devnet.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Description {
    layout: u32,
    /// The process that holds the devnet together; it ends on SIGINT and SIGTERM.
    pub(super) pid: u32,
    /// Unix time of slot 0, in seconds.
    pub(super) genesis_time: u64,
    /// How long a slot lasts.
    pub(super) slot_duration_ms: u64,
    /// The directory with the files from which a node joins.
    genesis: PathBuf,
    /// The nodes, in the order of their numbers.
    pub(super) nodes: Vec<NodeDescription>,
}

/// A node in `devnet.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct NodeDescription {
    pub(super) name: String,
    /// Its process; the last one it had, where it does not run.
    pub(super) pid: u32,
    directory: PathBuf,
    pub(super) log: PathBuf,
    pub(super) http: SocketAddr,
    metrics: SocketAddr,
    quic: SocketAddr,
    /// The client that it is of.
    #[serde(default = "own")]
    pub(super) client: String,
    /// How its chain is queried, if it is of another client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) questions: Option<Questions>,
    /// The command that starts it again, program first.
    command: Vec<String>,
}

fn own() -> String {
    "quartet".to_owned()
}

impl Description {
    /// Describes the devnet that this process holds together.
    pub(super) fn new(
        genesis_time: u64,
        slot_duration: SlotDuration,
        genesis: &GenesisPaths,
        nodes: Vec<NodeDescription>,
    ) -> Self {
        Self {
            layout: LAYOUT,
            pid: std::process::id(),
            genesis_time,
            slot_duration_ms: slot_duration.as_millis(),
            genesis: genesis.directory().to_owned(),
            nodes,
        }
    }

    /// Reads that of the devnet in `devnet`.
    ///
    /// # Errors
    /// When there is none, it cannot be read, or another version wrote it.
    pub(super) fn read(devnet: &Path) -> Result<Self> {
        let path = devnet.join(DESCRIPTION);
        let text = fs::read(&path).with_context(|| {
            format!(
                "{} cannot be read: no devnet has run in {}",
                path.display(),
                devnet.display()
            )
        })?;
        let value: serde_json::Value = serde_json::from_slice(&text)
            .with_context(|| format!("{} is not JSON", path.display()))?;
        let layout = value.get("layout").and_then(serde_json::Value::as_u64);
        if layout != Some(LAYOUT.into()) {
            let found = layout.map_or_else(|| "an earlier one".to_owned(), |n| n.to_string());
            bail!(
                "{} is of another version (its layout is {found}, this one's {LAYOUT}): start a new devnet there",
                path.display()
            );
        }
        serde_json::from_value(value).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Writes it atomically: readers see the old file or the new one, whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, devnet: &Path) -> Result<()> {
        let path = devnet.join(DESCRIPTION);
        replace_json(&path, self).with_context(|| format!("{} cannot be written", path.display()))
    }

    /// The names of nodes of other clients.
    pub(super) fn guests(&self) -> Vec<&str> {
        let guests = self.nodes.iter().filter(|node| node.questions.is_some());
        guests.map(|node| node.name.as_str()).collect()
    }

    /// The nodes' ports, as far as they make up a devnet.
    ///
    /// # Errors
    /// When there are none, or they are not called as nodes are.
    pub(super) fn ports(&self) -> Result<Vec<NodePorts>> {
        ensure!(!self.nodes.is_empty(), "it has no nodes");
        let ports = self.nodes.iter().enumerate().map(|(index, node)| {
            let name = NodeLayout::name(index);
            ensure!(node.name == name, "{} is where {name} should be", node.name);
            Ok(NodePorts {
                quic: node.quic.port(),
                http: node.http.port(),
                metrics: node.metrics.port(),
            })
        });
        ports.collect()
    }
}

impl NodeDescription {
    /// Describes a node that runs as process `pid`.
    pub(super) fn new(node: &NodeLayout, pid: u32, program: &Path, genesis: &GenesisPaths) -> Self {
        let command = node.command(genesis, program).into_iter();
        let guest = node.as_guest();
        let own_log = guest.and_then(|guest| guest.log(node, genesis, program));
        Self {
            name: node.name.clone(),
            pid,
            directory: node.directory.clone(),
            log: own_log.unwrap_or_else(|| node.log()),
            client: node.client().to_owned(),
            questions: guest.map(|guest| guest.questions(node)),
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

    fn described() -> Description {
        let genesis = GenesisPaths::of(Path::new("/net"));
        let node = |index| {
            let node = NodeLayout::new(
                Path::new("/net"),
                index,
                NodePorts::from_base(9_000, index as u16),
            );
            NodeDescription::new(&node, 7, Path::new("/bin/quartet"), &genesis)
        };
        Description::new(
            1,
            SlotDuration::default(),
            &genesis,
            (0..2).map(node).collect(),
        )
    }

    #[test]
    fn scripts_get_addresses_and_a_command() {
        let json = serde_json::to_value(described()).unwrap();
        let node = &json["nodes"][0];
        assert_eq!(node["name"], "quartet_0");
        assert_eq!(node["pid"], 7);
        assert_eq!(node["http"], "127.0.0.1:9100");
        assert_eq!(node["metrics"], "127.0.0.1:9200");
        assert_eq!(node["quic"], "127.0.0.1:9000");
        assert_eq!(node["command"][0], "/bin/quartet");
        assert_eq!(node["command"][1], "node");
        assert_eq!(json["slot_duration_ms"], 4_000);
    }

    #[test]
    fn ports_are_remembered() {
        let directory = tempfile::tempdir().unwrap();
        described().write(directory.path()).unwrap();
        let read = Description::read(directory.path()).unwrap();
        let expected = [0, 1].map(|index| NodePorts::from_base(9_000, index));
        assert_eq!(read.ports().unwrap(), expected);
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }

    #[test]
    fn what_is_of_no_use_is_refused_with_a_reason() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(DESCRIPTION);
        let read = || format!("{:#}", Description::read(directory.path()).unwrap_err());
        assert!(read().contains("no devnet has run in"), "{}", read());
        for (text, expected) in [
            ("{", "is not JSON"),
            ("{}", "its layout is an earlier one, this one's 1"),
            (r#"{"layout": 2}"#, "its layout is 2, this one's 1"),
            (r#"{"layout": 1}"#, "is damaged"),
        ] {
            fs::write(&path, text).unwrap();
            assert!(read().contains(expected), "{} lacks {expected}", read());
        }
        let mut other = described();
        other.nodes.swap(0, 1);
        assert!(other.ports().is_err());
        other.nodes.clear();
        assert!(other.ports().is_err());
    }
}
