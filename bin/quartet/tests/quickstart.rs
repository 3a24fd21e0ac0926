//! What `config/lean-quickstart` tells lean-quickstart runs a node: the shell file is read as that tool reads it.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    net::{TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use quartet_clock::Stopwatch;

/// No wait of these tests is longer.
const PATIENCE: Duration = Duration::from_secs(60);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Variables of the tool, as its `spin-node.sh` and `parse-vc.sh` set them, and one of ours: where all listen.
fn variables(directory: &Path) -> Vec<(&'static str, String)> {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let tcp = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    vec![
        ("item", "quartet_0".to_owned()),
        ("configDir", path("genesis")),
        ("dataDir", path("data")),
        ("quicPort", udp.local_addr().unwrap().port().to_string()),
        ("apiPort", tcp[0].local_addr().unwrap().port().to_string()),
        (
            "metricsPort",
            tcp[1].local_addr().unwrap().port().to_string(),
        ),
        ("privKeyPath", "quartet_0.key".to_owned()),
        ("isAggregator", "true".to_owned()),
        ("attestationCommitteeCount", "1".to_owned()),
        ("scriptDir", path("lean-quickstart")),
        ("QUARTET_ADDRESS", "127.0.0.1".to_owned()),
        ("QUARTET_BINARY", env!("CARGO_BIN_EXE_quartet").to_owned()),
    ]
}

/// What the shell file makes of them.
fn told(variables: &[(&str, String)], wanted: &str) -> String {
    let file = root().join("config/lean-quickstart/client-cmds/quartet-cmd.sh");
    let output = Command::new("bash")
        .args([
            "-euc",
            &format!("source \"$1\"; printf %s \"${wanted}\""),
            "bash",
        ])
        .arg(file)
        .envs(
            variables
                .iter()
                .map(|(name, value)| (*name, value.as_str())),
        )
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn genesis(directory: &Path) {
    fs::create_dir_all(directory.join("genesis")).unwrap();
    let plan = "shuffle: roundrobin\ndeployment_mode: local\nconfig: {activeEpoch: 18, keyType: hash-sig}\nvalidators:\n  - \
                name: quartet_0\n    enrFields: {ip: 127.0.0.1, quic: 9000}\n    metricsPort: 8080\n    apiPort: 5052\n    \
                isAggregator: false\n    count: 1\n";
    fs::write(directory.join("genesis/validator-config.yaml"), plan).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_quartet"))
        .args(["genesis", "--offset", "5", "--keystores"])
        .arg(root().join("keystores"))
        .arg(directory.join("genesis"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_command_that_the_tool_takes_runs_a_node() {
    let directory = tempfile::tempdir().unwrap();
    genesis(directory.path());
    let variables = variables(directory.path());
    assert_eq!(told(&variables, "node_setup"), "binary");
    let log = fs::File::create(directory.path().join("log")).unwrap();
    let child = Command::new("bash")
        // As the tool does it.
        .args([
            "-c",
            &format!("eval \"exec {}\"", told(&variables, "node_binary")),
        ])
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut node = Node(child);
    let port = |name: &str| {
        variables
            .iter()
            .find(|(of, _)| *of == name)
            .unwrap()
            .1
            .clone()
    };
    let since = Stopwatch::start();
    loop {
        let said = || fs::read_to_string(directory.path().join("log")).unwrap();
        assert!(node.0.try_wait().unwrap().is_none(), "{}", said());
        assert!(since.elapsed() < PATIENCE, "{}", said());
        let url = format!("http://127.0.0.1:{}", port("apiPort"));
        let asked = Command::new(env!("CARGO_BIN_EXE_quartet"))
            .args(["status", &url])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&asked.stdout).into_owned();
        if text.contains("quartet_0") {
            break;
        }
    }
    assert!(directory.path().join("data/quartet_0").is_dir());
}

/// Both commands have the same flags, and the role those of the container, but for what it sets by itself.
#[test]
fn the_container_and_the_role_have_the_flags_of_the_binary() {
    let directory = tempfile::tempdir().unwrap();
    let mut variables = variables(directory.path());
    variables.push(("checkpoint_sync_url", "http://127.0.0.1:5052".to_owned()));
    let flags = |text: &str| -> Vec<String> {
        let words = text.split_whitespace();
        let flags = words.filter(|word| word.trim_start_matches(['(', '\'']).starts_with("--"));
        flags
            .map(|flag| flag.trim_start_matches(['(', '\'']).to_owned())
            .collect()
    };
    let binary = flags(&told(&variables, "node_binary"));
    let docker = told(&variables, "node_docker");
    assert_eq!(flags(&docker), binary);
    assert!(
        binary.contains(&"--checkpoint-sync-url".to_owned())
            && !binary.contains(&"--is-aggregator".to_owned())
    );
    // The tool finds the image as the first word with a colon.
    assert_eq!(
        docker.split(' ').find(|word| word.contains(':')),
        Some("quartet:local")
    );
    let role = root().join("config/lean-quickstart/ansible/roles/quartet/tasks/main.yml");
    let role = fs::read_to_string(role).unwrap();
    let run = role
        .split("{{ quartet_docker_image }} node")
        .nth(1)
        .unwrap();
    let of_role = flags(run.split("register:").next().unwrap());
    for flag in &of_role {
        assert!(binary.contains(flag), "{flag}");
    }
    let left_out: Vec<_> = binary
        .iter()
        .filter(|flag| !of_role.contains(flag))
        .collect();
    assert_eq!(left_out, ["--listen-address", "--http-allowed-host"]);
}
