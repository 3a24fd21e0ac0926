//! What a node logs, how and where to, and that it does not stop when it cannot.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
};

use quartet_config::GenesisConfig;
use quartet_types::PublicKey;
use serde_json::Value;

/// What a node says once it answers users.
const STARTED: &str = "listening for the HTTP API";

/// A node without validators and peers, killed when a test fails.
struct Node(Child);

impl Node {
    fn start(directory: &Path, stderr: Stdio, arguments: &[&str]) -> Self {
        let config = GenesisConfig {
            slot_duration: Default::default(),
            genesis_time: 1_700_000_000,
            log_active_epochs: None,
            validators: (0..4).map(|index| PublicKey([index; 52])).collect(),
        };
        config.write(&directory.join("config.yaml")).unwrap();
        let node = Command::new(env!("CARGO_BIN_EXE_quartet"))
            .current_dir(directory)
            .args(["node", "--genesis", "config.yaml", "--data-dir", "data"])
            .args(["--listen-address", "127.0.0.1", "--port", "0"])
            .args(["--http-port", "0"])
            .args(arguments)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn();
        Self(node.unwrap())
    }

    /// Ends it as an operator does; it has to be well.
    fn stop(mut self) {
        let pid = self.0.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(told.unwrap().success());
        let status = self.0.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads lines up to the one with `part`, with it.
fn lines_until(log: &mut impl BufRead, part: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in log.lines() {
        lines.push(line.unwrap());
        if lines.last().is_some_and(|line| line.contains(part)) {
            return lines;
        }
    }
    panic!("{part:?} is not in {lines:#?}");
}

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

/// What a line of JSON says. It has a time and a level beside it.
fn message(line: &str) -> String {
    let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
    assert!(
        line["timestamp"].is_string() && line["level"].is_string(),
        "{line}"
    );
    line["message"].as_str().unwrap().to_owned()
}

#[test]
fn both_logs_are_json_and_say_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let flags = ["--log-format", "json", "--log-file", "log"];
    let mut node = Node::start(directory.path(), Stdio::piped(), &flags);
    let mut stderr = BufReader::new(node.0.stderr.take().unwrap());
    let mut said = lines_until(&mut stderr, STARTED);
    node.stop();
    said.extend(stderr.lines().map(Result::unwrap));
    let said: Vec<_> = said.iter().map(|line| message(line)).collect();
    let file = fs::read_to_string(directory.path().join("log")).unwrap();
    let kept: Vec<_> = file.lines().map(message).collect();
    assert_eq!(said, kept);
    assert_eq!(kept.last().unwrap(), "stopped");
}

#[test]
fn a_log_file_has_the_lines_of_standard_error_as_they_are_by_default() {
    let directory = tempfile::tempdir().unwrap();
    let flags = ["--log-file", "log"];
    let mut node = Node::start(directory.path(), Stdio::piped(), &flags);
    let mut stderr = BufReader::new(node.0.stderr.take().unwrap());
    let mut said = lines_until(&mut stderr, STARTED);
    node.stop();
    said.extend(stderr.lines().map(Result::unwrap));
    // Each has its own time in front.
    let text = |line: &str| line.split_once(' ').unwrap().1.to_owned();
    let said: Vec<_> = said.iter().map(|line| text(line)).collect();
    let file = fs::read_to_string(directory.path().join("log")).unwrap();
    let kept: Vec<_> = file.lines().map(text).collect();
    assert_eq!(said, kept);
    assert!(said[0].starts_with(" INFO quartet version="), "{said:?}");
}

#[test]
fn a_node_whose_standard_error_cannot_be_written_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let node = Node::start(directory.path(), full().into(), &["--log-file", "log"]);
    let mut log = BufReader::new(File::open(path).unwrap());
    lines_until(&mut log, STARTED);
    node.stop();
}

#[test]
fn a_node_whose_log_file_cannot_be_written_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let flags = ["--log-file", "/dev/full"];
    let mut node = Node::start(directory.path(), Stdio::piped(), &flags);
    let mut stderr = BufReader::new(node.0.stderr.take().unwrap());
    lines_until(&mut stderr, STARTED);
    node.stop();
}

#[test]
fn a_log_file_that_cannot_be_opened_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let flags = ["--log-file", "nowhere/log"];
    let mut node = Node::start(directory.path(), Stdio::piped(), &flags);
    let mut said = String::new();
    let mut stderr = node.0.stderr.take().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    assert!(!node.0.wait().unwrap().success());
    assert!(
        said.contains("--log-file nowhere/log: cannot be opened"),
        "{said}"
    );
}
