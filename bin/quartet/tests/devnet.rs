//! `quartet devnet` as its users run it: the real binary, real processes, loopback.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use quartet_clock::Stopwatch;
use serde_json::Value;

/// No wait of these tests is longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running `quartet devnet`, killed when a test fails.
struct Devnet {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

impl Devnet {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_quartet"))
            .arg("devnet")
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdout: BufReader::new(child.stdout.take().unwrap()),
            stderr: BufReader::new(child.stderr.take().unwrap()),
            child,
        }
    }

    /// Starts one in `directory` and waits for its table, that is, until its nodes run.
    fn running(directory: &Path, arguments: &[&str]) -> (Self, Vec<Node>) {
        let directory = directory.to_str().unwrap();
        let arguments = [&["--data-dir", directory], arguments].concat();
        let mut devnet = Self::start(&arguments);
        let header = devnet.line();
        assert!(header.contains("finalized"), "{header}");
        (devnet, nodes(Path::new(directory)))
    }

    /// The next line of the table.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    /// Reads what it tells beside the table, up to a line with `part`.
    fn wait_for_note(&mut self, part: &str) {
        let mut all = String::new();
        while self.stderr.read_line(&mut all).unwrap() > 0 {
            if all.lines().last().is_some_and(|line| line.contains(part)) {
                return;
            }
        }
        panic!("{all} lacks {part}");
    }

    fn signal(&self, signal: &str) {
        kill(signal, self.child.id());
    }

    /// Waits for its end; what it has printed since.
    fn end(mut self) -> (ExitStatus, String, String) {
        let mut output = [String::new(), String::new()];
        let [stdout, stderr] = &mut output;
        thread::scope(|scope| {
            scope.spawn(|| self.stdout.read_to_string(stdout).unwrap());
            self.stderr.read_to_string(stderr).unwrap();
        });
        let [stdout, stderr] = output;
        (self.child.wait().unwrap(), stdout, stderr)
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `devnet.json` tells of a node.
struct Node {
    pid: u32,
    http: String,
}

fn nodes(directory: &Path) -> Vec<Node> {
    let description = json(&directory.join("devnet.json"));
    let nodes = description["nodes"].as_array().unwrap().iter();
    nodes
        .map(|node| Node {
            pid: node["pid"].as_u64().unwrap() as u32,
            http: node["http"].as_str().unwrap().to_owned(),
        })
        .collect()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn kill(signal: &str, pid: u32) {
    let status = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// Whether a process runs; one that only waits to be collected by its parent does not.
fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

#[test]
fn a_short_devnet_finalizes_and_reports() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("net");
    let report = parent.path().join("report.json");
    let devnet = Devnet::start(&[
        "--nodes",
        "3",
        "--validators",
        "4",
        "--slots",
        "8",
        "--data-dir",
        directory.to_str().unwrap(),
        "--report",
        report.to_str().unwrap(),
    ]);
    let (status, table, notes) = devnet.end();
    assert!(status.success(), "{status}\n{table}\n{notes}");
    assert!(table.lines().last().unwrap().ends_with("  yes"), "{table}");
    assert!(!table.contains('\x1b'), "no colours without a terminal");

    let report = json(&report);
    assert_eq!(report["slots"], 8);
    assert_eq!(report["agree"], true);
    assert!(report["first_finalization_seconds"].as_f64().unwrap() < 60.0);
    assert_eq!(report["nodes"].as_array().unwrap().len(), 3);
    for node in report["nodes"].as_array().unwrap() {
        assert!(node["finalized"]["slot"].as_u64().unwrap() >= 4, "{node}");
        assert_eq!(node["head"]["root"], report["nodes"][0]["head"]["root"]);
        assert_eq!(node["peers"], 2);
        assert_eq!(node["missed_proposals"], 0, "{node}");
        assert!(node["rss_bytes"].as_u64().unwrap() > 0);
        assert!(node["cpu_seconds"].as_f64().is_some());
    }
    for node in nodes(&directory) {
        assert!(!runs(node.pid));
    }
}

#[test]
fn ctrl_c_ends_all_nodes_and_is_no_failure() {
    for signal in ["-INT", "-TERM"] {
        let directory = tempfile::tempdir().unwrap();
        let (mut devnet, nodes) = Devnet::running(directory.path(), &["--nodes", "2"]);
        assert!(nodes.iter().all(|node| runs(node.pid)));
        assert!(devnet.line().contains("0x"), "a line for slot 0");
        devnet.signal(signal);
        let (status, _, notes) = devnet.end();
        assert!(status.success(), "{status}\n{notes}");
        assert!(nodes.iter().all(|node| !runs(node.pid)));
    }
}

#[test]
fn no_node_outlives_a_killed_devnet() {
    let directory = tempfile::tempdir().unwrap();
    let (devnet, nodes) = Devnet::running(directory.path(), &["--nodes", "2"]);
    // A connection that ends when its node does.
    let connect = |node: &Node| TcpStream::connect(&node.http).unwrap();
    let connections: Vec<_> = nodes.iter().map(connect).collect();
    devnet.signal("-KILL");
    for mut connection in connections {
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        let end = connection.read(&mut [0]);
        let reset = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionReset;
        assert!(
            matches!(&end, Ok(0)) || end.as_ref().is_err_and(reset),
            "{end:?}"
        );
    }
    // What is left of the processes is their last moments.
    let since = Stopwatch::start();
    while nodes.iter().any(|node| runs(node.pid)) {
        assert!(since.elapsed() < PATIENCE);
        thread::yield_now();
    }
}

#[test]
fn a_node_that_dies_is_told_at_once_and_fails_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let (mut devnet, nodes) = Devnet::running(directory.path(), &["--nodes", "2"]);
    kill("-KILL", nodes[1].pid);
    devnet.wait_for_note("quartet_1 was ended by signal 9");
    assert!(runs(nodes[0].pid), "the other one goes on");
    devnet.signal("-INT");
    let (status, table, notes) = devnet.end();
    assert_eq!(status.code(), Some(1), "{table}\n{notes}");
    assert!(
        notes.contains("1 of 2 nodes ended by themselves"),
        "{notes}"
    );
    assert!(!runs(nodes[0].pid));
}

#[test]
fn wrong_input_is_refused_with_a_reason() {
    let foreign = tempfile::tempdir().unwrap();
    fs::write(foreign.path().join("thesis.tex"), "x").unwrap();
    let foreign = foreign.path().to_str().unwrap();
    for (arguments, reason) in [
        (&["--nodes", "0"][..], "0 is not in 1..=64"),
        (&["--validators", "4097"], "4097 is not in 1..=4096"),
        (&["--slots", "0"], "0 is not in 1.."),
        (
            &["--data-dir", foreign],
            "is not empty and holds no former devnet",
        ),
        (
            &["--report", "/nonexistent/r.json"],
            "/nonexistent/r.json cannot be written",
        ),
    ] {
        let (status, _, notes) = Devnet::start(arguments).end();
        assert!(!status.success());
        assert!(notes.contains(reason), "{notes} lacks {reason}");
    }
}

#[test]
fn a_devnet_in_use_is_left_alone_and_a_former_one_starts_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let (devnet, nodes) = Devnet::running(directory.path(), &["--nodes", "1"]);
    let (status, _, notes) = Devnet::start(&["--data-dir", path]).end();
    assert!(!status.success());
    assert!(notes.contains("a devnet is running in"), "{notes}");
    assert!(runs(nodes[0].pid));
    devnet.signal("-INT");
    assert!(devnet.end().0.success());

    let (status, table, notes) =
        Devnet::start(&["--data-dir", path, "--nodes", "1", "--slots", "2"]).end();
    assert!(status.success(), "{table}\n{notes}");
    assert!(notes.contains("starting anew"), "{notes}");
}

/// Runs a command about the devnet in `directory`; its exit code, what it prints and what it notes.
fn command(directory: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_quartet"))
        .arg("devnet")
        .args(words)
        .arg("--data-dir")
        .arg(directory)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn done(directory: &Path, words: &[&str]) -> String {
    let (code, printed, notes) = command(directory, words);
    assert_eq!(code, Some(0), "{words:?}: {printed}\n{notes}");
    printed
}

fn status(directory: &Path) -> Value {
    serde_json::from_str(&done(directory, &["status", "--json"])).unwrap()
}

/// Asks for the status until it is as wanted.
fn wait_for(directory: &Path, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let since = Stopwatch::start();
    loop {
        let status = status(directory);
        if wanted(&status) {
            return status;
        }
        assert!(
            since.elapsed() < PATIENCE,
            "{what} did not come: {status:#}"
        );
        thread::yield_now();
    }
}

fn finalized(node: &Value) -> u64 {
    node["finalized"]["slot"].as_u64().unwrap_or(0)
}

/// Ends a devnet in the background when a test fails.
struct Background<'d>(&'d Path);

impl Drop for Background<'_> {
    fn drop(&mut self) {
        let _ = command(self.0, &["stop"]);
    }
}

/// A devnet of short slots lives through what its keeper does to it.
#[test]
fn a_devnet_in_the_background_is_stopped_resumed_killed_and_kept_apart_by_command() {
    let parent = tempfile::tempdir().unwrap();
    // Longer than the address of a socket.
    let directory = &parent.path().join("d".repeat(120));
    let scrape = parent.path().join("prometheus.yml");
    let _background = Background(directory);
    done(
        directory,
        &[
            "--detach",
            "--slot-duration-ms",
            "400",
            "--genesis-delay",
            "3",
            "--prometheus-config",
            scrape.to_str().unwrap(),
        ],
    );
    let begun = wait_for(directory, "finality", |status| {
        let nodes = status["nodes"].as_array().unwrap();
        nodes.iter().all(|node| finalized(node) >= 3)
    });
    let node = |status: &Value, index: usize| status["nodes"][index].clone();
    let scraped = fs::read_to_string(scrape).unwrap();
    assert!(scraped.contains("job_name: quartet_3"), "{scraped}");

    // Killed, started again, and back.
    done(directory, &["kill", "quartet_2"]);
    assert_eq!(node(&status(directory), 2)["standing"], "killed");
    assert_eq!(command(directory, &["kill", "quartet_2"]).0, Some(1));
    let (code, _, notes) = command(directory, &["kill", "quartet_9"]);
    assert!(
        code == Some(1) && notes.contains("there are quartet_0"),
        "{notes}"
    );
    done(directory, &["restart", "quartet_2"]);
    wait_for(directory, "quartet_2", |status| {
        let (one, two) = (node(status, 1), node(status, 2));
        two["peers"] == 3 && finalized(&two) > 0 && two["head"] == one["head"]
    });

    // In two halves nothing is final, and the heads differ.
    done(
        directory,
        &["partition", "quartet_0,quartet_1", "quartet_2,quartet_3"],
    );
    let apart = wait_for(directory, "two heads", |status| {
        let nodes = [0, 2].map(|index| node(status, index));
        nodes.iter().all(|node| node["peers"] == 1) && nodes[0]["head"] != nodes[1]["head"]
    });
    assert_eq!(
        apart["partition"],
        "quartet_0, quartet_1 | quartet_2, quartet_3"
    );
    done(directory, &["heal"]);
    wait_for(directory, "all peers", |status| {
        (0..4).all(|index| node(status, index)["peers"] == 3)
    });

    // Nothing is lost by a stop; what is over is resumed with the same ports, after a gap.
    done(directory, &["stop"]);
    let (code, printed, _) = command(directory, &["status"]);
    assert!(
        code == Some(1) && printed.contains("not running"),
        "{printed}"
    );
    let (code, _, notes) = command(directory, &["stop"]);
    assert!(
        code == Some(1) && notes.contains("no devnet is running in"),
        "{notes}"
    );
    thread::sleep(Duration::from_secs(8));
    done(directory, &["--resume", "--detach"]);
    let resumed = status(directory);
    assert_eq!(node(&resumed, 0)["http"], node(&begun, 0)["http"]);
    let since = resumed["slot"].as_u64().unwrap();
    wait_for(directory, "finality after the gap", |status| {
        (0..4).all(|index| finalized(&node(status, index)) >= since)
    });

    // Killed without a word, it goes on as well.
    let pid = status(directory)["pid"].as_u64().unwrap() as u32;
    let pids: Vec<_> = nodes(directory).iter().map(|node| node.pid).collect();
    kill("-KILL", pid);
    let begun = Stopwatch::start();
    while pids.iter().any(|pid| runs(*pid)) {
        assert!(begun.elapsed() < PATIENCE);
        thread::yield_now();
    }
    let (code, printed, _) = command(directory, &["status"]);
    assert!(
        code == Some(1) && printed.contains("not running"),
        "{printed}"
    );
    done(directory, &["--resume", "--detach"]);
    wait_for(directory, "finality after the crash", |status| {
        (0..4).all(|index| finalized(&node(status, index)) > since)
    });
    let log = done(directory, &["logs", "quartet_0"]);
    assert!(log.contains("slot"), "{log}");
    assert_eq!(done(directory, &["stop"]), "stopped\n");
}

#[test]
fn what_cannot_be_had_or_resumed_is_refused_with_a_reason() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    if port > 1_124 {
        let base = (port - 100).to_string();
        let (code, _, notes) = command(path, &["--base-port", &base, "--nodes", "1"]);
        let expected = format!("HTTP (TCP) port {port} is taken by another program");
        assert!(code == Some(1) && notes.contains(&expected), "{notes}");
        assert!(notes.contains("give another --base-port"), "{notes}");
    }
    for (directory, expected) in [
        (path.join("nowhere"), "cannot be opened"),
        (path.to_owned(), "no devnet has run in"),
        (parent_of(path), "it holds no former devnet"),
    ] {
        let (code, _, notes) = command(&directory, &["--resume"]);
        assert!(
            code == Some(1) && notes.contains(expected),
            "{notes} lacks {expected}"
        );
        assert!(notes.contains("cannot be resumed"), "{notes}");
    }
}

fn parent_of(path: &Path) -> std::path::PathBuf {
    path.parent().unwrap().to_owned()
}
