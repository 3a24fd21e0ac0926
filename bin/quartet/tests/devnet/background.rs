//! A devnet in the background, and the commands about it.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use quartet_clock::Stopwatch;
use serde_json::Value;

use crate::support::{PATIENCE, kill, nodes, runs};

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
fn taken_ports_and_missing_devnets_are_refused_with_a_reason() {
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
