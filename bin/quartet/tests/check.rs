//! `quartet check` against a node of ours: a real process, three of four validators, and the fourth's key in the checker's hands.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
};

use quartet_clock::Clock;
use quartet_config::KeyManifest;
use serde_json::Value;
use tempfile::TempDir;

const QUARTET: &str = env!("CARGO_BIN_EXE_quartet");
/// What our node has not: nobody in this network asks for ping.
const UNSUPPORTED: [&str; 1] = ["T11"];

/// A node of a network whose slots last a second.
struct Node {
    directory: TempDir,
    address: String,
    child: Child,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The one that the checker has started.
        if let Ok(pid) = fs::read_to_string(self.directory.path().join("pid")) {
            let _ = Command::new("kill").args(["-9", pid.trim()]).status();
        }
    }
}

impl Node {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        write_network(directory.path());
        let mut command = Command::new(QUARTET);
        command.args(node_arguments(directory.path(), "0"));
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = said.find_map(|line| address_in(&line.unwrap())).unwrap();
        // Nothing stops for want of a reader.
        thread::spawn(move || said.for_each(drop));
        Self {
            directory,
            address,
            child,
        }
    }

    fn check(&self, arguments: &[&str]) -> Output {
        let output = Command::new(QUARTET)
            .args(["check", &self.address])
            .args(arguments)
            .output();
        output.unwrap()
    }

    fn path(&self, name: &str) -> String {
        let path = self.directory.path().join(name);
        path.into_os_string().into_string().unwrap()
    }

    /// A script that ends the node and starts it again, on the same port.
    fn restart_script(&self) -> String {
        let port = self.address.split('/').nth(4).unwrap();
        let arguments = node_arguments(self.directory.path(), port).join(" ");
        let pid = self.child.id();
        let script = format!(
            "kill {pid}\n\
            while kill -0 {pid} 2> /dev/null && ! grep -q 'State:.Z' /proc/{pid}/status; do sleep 0.05; done\n\
            {QUARTET} {arguments} > {log} 2>&1 < /dev/null &\n\
            echo $! > {pids}\n",
            log = self.path("restarted.log"),
            pids = self.path("pid"),
        );
        let path = self.path("restart.sh");
        fs::write(&path, script).unwrap();
        format!("sh {path}")
    }
}

fn address_in(line: &str) -> Option<String> {
    let start = line.find("/ip4/")?;
    let address = line[start..].split([' ', '"']).next()?;
    address.contains("/p2p/").then(|| address.to_owned())
}

fn keystores() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../keystores")
}

/// Genesis is now, with the public test keys, of which nobody has the last but the checker.
fn write_network(directory: &Path) {
    let keys = directory.join("hash-sig-keys");
    fs::create_dir(&keys).unwrap();
    for file in fs::read_dir(keystores()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), keys.join(file.file_name())).unwrap();
    }
    let manifest = KeyManifest::read(&keys.join("validator-keys-manifest.yaml")).unwrap();
    let now = Clock::system(0).now().as_secs();
    let mut config = format!(
        "GENESIS_TIME: {}\nSLOT_DURATION_MS: 1000\nGENESIS_VALIDATORS:\n",
        now + 1
    );
    for index in 0..4 {
        let key = manifest.entry(index).unwrap().public_key;
        writeln!(config, "- \"{key}\"").unwrap();
    }
    fs::write(directory.join("config.yaml"), config).unwrap();
    fs::write(
        directory.join("validators.yaml"),
        "node: [0, 1, 2]\nchecker: [3]\n",
    )
    .unwrap();
}

fn node_arguments(directory: &Path, port: &str) -> Vec<String> {
    let path = |name: &str| directory.join(name).into_os_string().into_string().unwrap();
    let (config, validators, data) = (path("config.yaml"), path("validators.yaml"), path("data"));
    [
        "node",
        "--genesis",
        &config,
        "--validators",
        &validators,
        "--node-id",
        "node",
        "--data-dir",
        &data,
        "--listen-address",
        "127.0.0.1",
        "--port",
        port,
        "--http-port",
        "0",
    ]
    .map(str::to_owned)
    .to_vec()
}

#[test]
fn our_node_passes_every_case() {
    let node = Node::start();
    let genesis = node.directory.path().to_str().unwrap().to_owned();
    let junit = node.path("junit.xml");
    let restart = node.restart_script();
    let output = node.check(&[
        "--genesis",
        &genesis,
        "--validators",
        "3",
        "--restart-command",
        &restart,
        "--json",
        "--junit",
        &junit,
    ]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let cases = report["cases"].as_array().unwrap();
    let wrong: Vec<_> = cases
        .iter()
        .filter(|case| {
            case["verdict"] != "pass" && !UNSUPPORTED.contains(&case["id"].as_str().unwrap())
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(output.status.success());
    // What is promised of the JSON, to the member.
    for member in ["id", "group", "rule", "where", "verdict", "sent", "seen"] {
        assert!(
            cases.iter().all(|case| case[member].is_string()),
            "{member}"
        );
    }
    let summary: u64 = ["pass", "fail", "differs", "unsupported"]
        .iter()
        .map(|word| report["summary"][word].as_u64().unwrap())
        .sum();
    assert_eq!(summary, cases.len() as u64);
    assert!(cases.len() >= 60);
    assert!(
        fs::read_to_string(&junit)
            .unwrap()
            .contains("<testsuite name=\"transport\"")
    );
}

#[test]
fn a_selection_is_played_alone_and_without_means_the_rest_is_unsupported() {
    let node = Node::start();
    let output = node.check(&["--case", "T06", "--case", "v01", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let verdicts: Vec<_> = report["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| {
            (
                case["id"].as_str().unwrap(),
                case["verdict"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(verdicts, [("T06", "pass"), ("V01", "unsupported")]);
    assert!(output.status.success());

    let text = node.check(&["--group", "transport"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.starts_with("transport\n  T01  pass"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours but on a terminal");
}

#[test]
fn an_unreachable_node_has_an_exit_code_of_its_own() {
    let output = Command::new(QUARTET)
        .args(["check", "/ip4/127.0.0.1/udp/9/quic-v1", "--timeout", "1"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot be reached"), "{said}");
}

#[test]
fn cases_are_listed_without_a_node() {
    let output = Command::new(QUARTET)
        .args(["check", "--list"])
        .output()
        .unwrap();
    let list = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && list.lines().count() >= 60,
        "{list}"
    );
}

#[test]
fn keys_that_are_worth_something_are_not_taken() {
    let directory = tempfile::tempdir().unwrap();
    write_network(directory.path());
    let keystore = directory.path().join("hash-sig-keys/validator_3.yaml");
    let text = fs::read_to_string(&keystore).unwrap();
    let private: String = text
        .lines()
        .filter(|line| !line.starts_with("purpose"))
        .flat_map(|line| [line, "\n"])
        .collect();
    fs::write(&keystore, private).unwrap();
    let output = Command::new(QUARTET)
        .args([
            "check",
            "/ip4/127.0.0.1/udp/9/quic-v1",
            "--validators",
            "3",
            "--genesis",
        ])
        .arg(directory.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--burn-keys"), "{said}");
}
