//! `quartet devnet` as its users run it: the real binary, real processes, loopback.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod background;
mod support;

use std::{fs, io::Read as _, net::TcpStream, thread};

use quartet_clock::Stopwatch;
use support::{Devnet, Node, PATIENCE, json, kill, nodes, runs};

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
