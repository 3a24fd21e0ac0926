//! QUIC handshakes that are begun and never finished.

use std::{collections::HashSet, net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result};
use tokio::{
    net::UdpSocket,
    time::{MissedTickBehavior, interval},
};

use crate::attacker::{Stage, dial_once};

/// Handshakes a second, with each node.
const RATE: u64 = 24;

/// Ports that they come from, in turn: a limit by address and port alone would not help.
const PORTS: usize = 64;

/// How long a dial is given until its first datagrams are there.
const FIRST_WORDS: Duration = Duration::from_millis(300);

/// Callers that are remembered; a dial is over long before this many more have come.
const MAX_CALLERS: usize = 4096;

/// No datagram of a handshake is longer.
const MAX_DATAGRAM: usize = 2048;

/// A real client dials a socket of ours; its first packet is sent on to all nodes, and their answers are not read.
pub(super) async fn leave_half_open(stage: Stage) {
    if let Err(error) = relay_first_words(&stage).await {
        // Without sockets there is no attack, and that must not look like one that was withstood.
        let _ = error;
        stage.fault("no_sockets_for_the_attack");
    }
    std::future::pending().await
}

async fn relay_first_words(stage: &Stage) -> Result<()> {
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut ports = Vec::new();
    for _ in 0..PORTS {
        ports.push(UdpSocket::bind(any_port).await?);
    }
    let catcher = UdpSocket::bind(any_port).await?;
    let address = catcher.local_addr().context("no address")?;
    let mut pace = interval(Duration::from_millis(1000 / RATE));
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut buffer = [0; MAX_DATAGRAM];
    let mut caught = 0;
    let mut callers = HashSet::new();
    loop {
        tokio::select! {
            _ = pace.tick() => {
                tokio::spawn(dial_once(address, FIRST_WORDS));
            }
            Ok((length, caller)) = catcher.recv_from(&mut buffer) => {
                // Only the first packet of each: the last one would close the connection.
                if callers.len() >= MAX_CALLERS {
                    callers.clear();
                }
                if !callers.insert(caller) {
                    continue;
                }
                let port = &ports[caught % PORTS];
                caught += 1;
                for node in &stage.nodes {
                    let _ = port.send_to(&buffer[..length], node).await;
                }
                stage.count("first_words", 1);
            }
        }
    }
}
