//! `quartet node --checkpoint-sync-url`, as an operator sees it when the server is dead.
#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use quartet_config::GenesisConfig;
use quartet_types::PublicKey;
use tempfile::{TempDir, tempdir};

/// Nobody listens on a port that small.
const DEAD: &str = "http://127.0.0.1:1";

fn network() -> TempDir {
    let directory = tempdir().unwrap();
    let config = GenesisConfig {
        genesis_time: 1_700_000_000,
        slot_duration: quartet_types::SlotDuration::default(),
        log_active_epochs: None,
        validators: (0..4).map(|index| PublicKey([index; 52])).collect(),
    };
    config.write(&directory.path().join("config.yaml")).unwrap();
    directory
}

/// A node without validators and peers, on ports that the system chooses.
fn node(directory: &Path, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_quartet"))
        .current_dir(directory)
        .args(["node", "--genesis", "config.yaml", "--data-dir", "data"])
        .args(["--listen-address", "127.0.0.1", "--port", "0"])
        .args(["--http-port", "0"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Listens to a node until it says this, and kills it then.
fn until(mut node: Child, expected: &str) {
    let log = BufReader::new(node.stderr.take().unwrap());
    let mut lines = log.lines().map(Result::unwrap);
    let has_said = lines.any(|line| line.contains(expected));
    node.kill().unwrap();
    node.wait().unwrap();
    assert!(has_said, "it ended without {expected:?}");
}

#[test]
fn without_a_chain_of_its_own_a_node_does_not_start_from_a_dead_server() {
    let network = network();
    let node = node(network.path(), &["--checkpoint-sync-url", DEAD]);
    let output = node.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("--checkpoint-sync-url: without it"), "{said}");
    assert!(said.contains("127.0.0.1:1"), "{said}");
}

#[test]
fn with_a_chain_of_its_own_a_node_does_not_need_the_server() {
    let network = network();
    until(node(network.path(), &[]), "listening for the HTTP API");
    let again = node(network.path(), &["--checkpoint-sync-url", DEAD]);
    until(again, "going on with the data directory's chain");
}
