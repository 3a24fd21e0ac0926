//! An honest node that joins while an attack goes on.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use anyhow::{Context as _, Result};
use futures::future::join_all;
use quartet_clock::Stopwatch;
use quartet_types::Root;
use tokio::{net::TcpListener, process::Command};

use crate::{devnet::Devnet, node::Node};

/// Between two looks at it.
const PAUSE: Duration = Duration::from_millis(100);

/// What became of a newcomer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// After this time it said that it was synced and had the head of one of the nodes.
    pub(crate) joined: Option<Duration>,
    /// How often it said that it was synced and had another head.
    pub(crate) false_claims: u64,
}

/// Starts a node without validators that dials all nodes of the devnet, and watches it for so long at most.
///
/// # Errors
/// When it cannot be started.
pub(crate) async fn arrive(devnet: &Devnet, patience: Duration) -> Result<Arrival> {
    let program = devnet.program().context("no node tells its program")?;
    let directory = tempfile::tempdir()?;
    let http = free_port().await?;
    let mut command = Command::new(program);
    command
        .arg("node")
        .arg("--genesis")
        .arg(devnet.genesis_directory().join("config.yaml"))
        .arg("--bootnodes")
        .arg(devnet.genesis_directory().join("nodes.yaml"))
        .arg("--data-dir")
        .arg(directory.path())
        .args(["--listen-address", "127.0.0.1", "--port", "0"])
        .args(["--http-address", "127.0.0.1"])
        .args(["--http-port", &http.port().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let start = Stopwatch::start();
    let mut child = command.spawn().context("a node cannot be started")?;
    let newcomer = Node::at(
        "newcomer",
        child.id().unwrap_or_default(),
        directory.path(),
        http,
    );
    let mut arrival = Arrival::default();
    while start.elapsed() < patience {
        tokio::time::sleep(PAUSE).await;
        let Some(head) = synced_head(&newcomer).await else {
            continue;
        };
        let heads = heads(devnet).await;
        if heads.contains(&head) {
            arrival.joined = Some(start.elapsed());
            break;
        }
        arrival.false_claims += u64::from(!heads.is_empty());
    }
    child.kill().await?;
    Ok(arrival)
}

/// Its head, if it says that it is synced.
async fn synced_head(newcomer: &Node) -> Option<Root> {
    let is_synced = newcomer.is_synced().await.ok()?;
    let view = newcomer.view().await.ok()?;
    is_synced.then_some(view.head.root)
}

async fn heads(devnet: &Devnet) -> Vec<Root> {
    let views = join_all(devnet.nodes().iter().map(Node::view)).await;
    views
        .into_iter()
        .flatten()
        .map(|view| view.head.root)
        .collect()
}

/// A port that was free a moment ago.
async fn free_port() -> Result<SocketAddr> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    Ok(listener.local_addr()?)
}
