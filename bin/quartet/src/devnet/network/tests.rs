//! Networks of shell scripts.

use std::process::Command;

use quartet_config::ValidatorKey;
use quartet_types::{PublicKey, SlotDuration};

use super::{super::prepare::NewNetwork, *};

/// Starts two "nodes" that are shell scripts: `body` runs with `$0` as the script's path.
async fn start(parent: &Path, body: &str) -> Result<Network> {
    let program = parent.join("node.sh");
    // Another process writes it: a file that this one has open for writing cannot be run.
    let write = format!("printf '#!/bin/sh\n%s\n' '{body}' > \"$0\" && chmod +x \"$0\"");
    let written = Command::new("sh")
        .args(["-c", &write])
        .arg(&program)
        .status();
    assert!(written.unwrap().success());
    let directory = Directory::open(Some(&parent.join("net"))).unwrap();
    let key = ValidatorKey {
        public_key: PublicKey([1; 52]),
        secret_key_file: "validator_0.yaml".into(),
    };
    let source = NetworkSource::New(NewNetwork {
        nodes: 2,
        keys: vec![key],
        log_active_epochs: 18,
        genesis_delay: 1,
        slot_duration: SlotDuration::default(),
        base_port: None,
        guests: Vec::new(),
        late: None,
    });
    Network::start(&directory, &program, &source, false).await
}

#[tokio::test]
async fn a_port_that_was_taken_meanwhile_is_replaced() {
    let parent = tempfile::tempdir().unwrap();
    let once = "mkdir \"$0.once\" && { echo port 1 is in use >&2; exit 1; }; exec cat";
    let mut network = start(parent.path(), once).await.unwrap();
    assert!(parent.path().join("node.sh.once").is_dir());
    assert_eq!(network.dead, 0);
    assert!(
        network
            .processes
            .iter()
            .flatten()
            .all(NodeProcess::is_running)
    );
    network.stop().await;
}

#[tokio::test]
async fn ports_are_not_sought_for_ever() {
    let parent = tempfile::tempdir().unwrap();
    let error = start(parent.path(), "echo address in use; exit 1").await;
    assert!(error.unwrap_err().to_string().contains("3 attempts"));
}

#[tokio::test]
async fn nodes_that_fail_for_another_reason_stay_dead() {
    let parent = tempfile::tempdir().unwrap();
    let network = start(parent.path(), "echo no keys; exit 1").await.unwrap();
    assert!(network.is_dead());
}

#[tokio::test]
async fn nodes_are_killed_and_started_again_by_name() {
    let parent = tempfile::tempdir().unwrap();
    let mut network = start(parent.path(), "exec cat").await.unwrap();
    let pid = |network: &Network| network.pid(1);
    let before = pid(&network);
    network.kill("quartet_1").await.unwrap();
    assert_eq!(network.states, [NodeState::Running, NodeState::Killed]);
    let again = network.kill("quartet_1").await.unwrap_err().to_string();
    assert_eq!(again, "quartet_1 does not run");
    let unknown = network.restart("quartet_2").await.unwrap_err().to_string();
    assert!(
        unknown.contains("there are quartet_0, quartet_1"),
        "{unknown}"
    );
    network.restart("quartet_1").await.unwrap();
    assert_eq!(network.states, [NodeState::Running; 2]);
    assert_ne!(pid(&network), before);
    let described = Description::read(&parent.path().join("net")).unwrap();
    assert_eq!(Some(described.nodes[1].pid), pid(&network));
    assert_eq!(network.dead, 0, "nothing of this was by itself");
    // One that is dead already does not keep the others from being stopped.
    network.kill("quartet_0").await.unwrap();
    network.stop().await;
}

#[tokio::test]
async fn a_partition_is_told_to_each_node_and_to_one_that_starts_again() {
    let parent = tempfile::tempdir().unwrap();
    let mut network = start(parent.path(), "exec cat >> $0.orders").await.unwrap();
    let orders = || {
        let path = parent.path().join("node.sh.orders");
        fs::read_to_string(path).unwrap_or_default()
    };
    let taken = async |count| {
        while orders().lines().count() < count {
            tokio::task::yield_now().await;
        }
    };
    let peer = |network: &Network, index: usize| {
        let peer = network.nodes[index].peer(&network.genesis);
        peer.unwrap()
    };
    let partition = Partition::parse(&["quartet_0".to_owned()], &network.names()).unwrap();
    network.set_partition(partition).unwrap();
    taken(2).await;
    network.restart("quartet_1").await.unwrap();
    taken(3).await;
    network.set_partition(Partition::none(2)).unwrap();
    taken(5).await;
    network.stop().await;
    let orders = orders();
    let mut lines: Vec<_> = orders.lines().collect();
    lines.sort_unstable();
    let [zero, one] = [0, 1].map(|index| format!("apart {}", peer(&network, index)));
    let mut expected = ["apart", "apart", &one, &zero, &zero];
    expected.sort_unstable();
    assert_eq!(lines, expected);
}
