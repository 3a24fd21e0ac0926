//! A node's process, and its progress by RPC.

use std::{
    fs::File,
    net::{SocketAddr, UdpSocket},
    path::Path,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::{Child, Command},
};

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"lean_syncing","params":[]}"#;
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A node, killed when this is dropped.
pub(crate) struct Node {
    child: Child,
    /// Where it answers users, and other nodes that ask for a checkpoint.
    pub(crate) http: SocketAddr,
    /// Where it listens for peers.
    pub(crate) quic: SocketAddr,
}

/// The progress of catching up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// Slot of its head.
    pub(crate) head: u64,
    /// Whether it would do its duties.
    pub(crate) is_synced: bool,
}

impl Node {
    /// Starts a node without validators, from a checkpoint of a server where one is given.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub(crate) fn start(
        program: &Path,
        genesis: &Path,
        data: &Path,
        peer: Option<SocketAddr>,
        checkpoint: Option<SocketAddr>,
    ) -> Result<Self> {
        // Free at this moment, and not likely to be taken before the node has it.
        let quic = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        let http = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        std::fs::create_dir_all(data)?;
        let log = File::create(data.join("log"))?;
        let mut command = Command::new(program);
        command
            .arg("node")
            .args([Path::new("--genesis"), genesis])
            .args([Path::new("--data-dir"), data])
            .args(["--listen-address", "127.0.0.1"])
            .args(["--port", &quic.port().to_string()])
            .args(["--http-port", &http.port().to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        if let Some(peer) = peer {
            let address = format!("/ip4/{}/udp/{}/quic-v1", peer.ip(), peer.port());
            command.args(["--bootnodes", &address]);
        }
        if let Some(server) = checkpoint {
            command.args(["--checkpoint-sync-url", &format!("http://{server}")]);
        }
        let child = command
            .spawn()
            .with_context(|| format!("{} cannot be run", program.display()))?;
        Ok(Self { child, http, quic })
    }

    /// The progress of catching up; `None` while it does not answer.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) async fn progress(&mut self) -> Result<Option<Progress>> {
        if let Some(status) = self.child.try_wait()? {
            bail!("a node ended with {status}");
        }
        let answer = tokio::time::timeout(TIMEOUT, self.ask()).await;
        let Ok(Ok(answer)) = answer else {
            return Ok(None);
        };
        let result = &answer["result"];
        Ok(result["head_slot"].as_u64().map(|head| Progress {
            head,
            is_synced: result["state"] == "synced",
        }))
    }

    /// Resident memory at its highest, in MiB.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        Some(kibibytes >> 10)
    }

    async fn ask(&self) -> Result<Value> {
        let mut stream = TcpStream::connect(self.http).await?;
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{CALL}",
            self.http,
            CALL.len(),
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let body = answer.split_once("\r\n\r\n").context("no body")?.1;
        Ok(serde_json::from_str(body)?)
    }
}
