//! `quartet status`, against real nodes and against servers that are none.
#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
};

use quartet_config::GenesisConfig;
use quartet_types::PublicKey;
use serde_json::Value;
use tempfile::tempdir;

fn status(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quartet"))
        .arg("status")
        .args(arguments)
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// A server that answers every request by `reply` to its path, for as long as the test runs.
fn server(reply: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let reply = &reply;
        thread::scope(|scope| {
            for stream in listener.incoming() {
                scope.spawn(move || answer(stream.unwrap(), reply));
            }
        });
    });
    url
}

fn answer(mut stream: TcpStream, reply: impl Fn(&str) -> Option<String>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or_default() <= 2 {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if first.is_empty() {
            first = line;
        }
    }
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    let request: Vec<_> = first.split(' ').take(2).collect();
    if let Some(reply) = reply(&request.join(" ")) {
        let _ = stream.write_all(reply.as_bytes());
    }
}

fn with(status: &str, kind: &str, body: &str) -> Option<String> {
    let length = body.len();
    Some(format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

/// A node of another client, at `distance` slots from the clock.
fn foreign(distance: u64, is_syncing: bool) -> String {
    server(move |request| {
        let body = match request {
            "GET /lean/v0/health" => r#"{"status":"healthy","service":"lean-rpc-api"}"#.to_owned(),
            "GET /lean/v0/node/syncing" => format!(
                r#"{{"is_syncing":{is_syncing},"head_slot":1024,"sync_distance":{distance},"finalized_slot":1021}}"#
            ),
            "GET /lean/v0/checkpoints/justified" => {
                format!(r#"{{"slot":1022,"root":"0x{:064x}"}}"#, 7)
            }
            "GET /lean/v0/node/identity" => {
                r#"{"version":"ethlambda/v0.1.0-main","peer_id":"16Uiu2"}"#.to_owned()
            }
            _ => return with("404 Not Found", "text/plain", ""),
        };
        with("200 OK", "application/json; charset=utf-8", &body)
    })
}

#[test]
fn another_clients_node_is_read_as_far_as_it_tells() {
    let healthy = status(&[&foreign(1, false), "--json"]);
    let (out, err) = said(&healthy);
    assert_eq!(healthy.status.code(), Some(0), "{out}{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["condition"], "synced");
    assert_eq!(report["client"], "ethlambda");
    assert_eq!(report["head"]["slot"], 1024);
    assert_eq!(report["current_slot"], 1025);
    assert_eq!(report["peers"], Value::Null);
    assert_eq!(report["answers"], true);

    for (url, word) in [
        (foreign(40, false), "stalled"),
        (foreign(40, true), "syncing"),
    ] {
        let output = status(&[&url]);
        let (out, err) = said(&output);
        assert_eq!(output.status.code(), Some(1), "{out}{err}");
        assert!(out.contains(&format!("condition  {word}: ")), "{out}");
        assert!(!out.contains('\x1b'), "no colours in a pipe");
    }
}

#[test]
fn a_node_that_tells_nothing_but_its_health_is_taken_at_its_word() {
    let url = server(|request| match request {
        "GET /lean/v0/health" => with("200 OK", "application/json", r#"{"status":"healthy"}"#),
        _ => with("404 Not Found", "text/plain", ""),
    });
    let output = status(&[&url]);
    let (out, err) = said(&output);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert!(out.contains("condition  unknown: "), "{out}");
}

#[test]
fn a_server_that_is_no_lean_node_does_not_count_as_an_answer() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let page = |_: &str| with("200 OK", "text/html", "<html>welcome</html>");
    let flood = |_: &str| {
        Some(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            1_u64 << 40
        ))
    };
    let cases = [
        (
            format!("http://{}", silent.local_addr().unwrap()),
            "no answer within 3 s",
        ),
        (format!("http://{dead}"), "refused"),
        (server(|_| None), "the exchange failed"),
        (
            server(|_| Some("SSH-2.0-OpenSSH_9.6\r\n".to_owned())),
            "the exchange failed",
        ),
        (server(page), "no JSON at /lean/v0/health"),
        (
            server(|_| with("503 Unavailable", "text/plain", "")),
            "/lean/v0/health answers 503",
        ),
        (
            server(|_| with("403 Forbidden", "text/plain", "")),
            "--http-allowed-host",
        ),
        (
            server(|_| with("200 OK", "application/json", "{\"hello\":1}")),
            "no lean node",
        ),
        (server(flood), "more than"),
    ];
    for (url, expected) in cases {
        let output = status(&[&url]);
        let (out, err) = said(&output);
        assert_eq!(output.status.code(), Some(2), "{expected}: {out}{err}");
        assert_eq!(out, "", "{expected}");
        assert!(
            err.contains(expected) && err.contains(&url),
            "{err} lacks {expected}"
        );
    }
    let output = status(&[&format!("http://{dead}"), "--json"]);
    let (out, _) = said(&output);
    assert_eq!(output.status.code(), Some(2));
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["answers"], false);
    assert_eq!(report["healthy"], false);
    assert!(report["error"].as_str().unwrap().contains("refused"));
    assert_eq!(report["head"], Value::Null);
    assert_eq!(report["condition"], Value::Null);
}

/// A node without validators and peers, and its address.
fn node(directory: &Path) -> (Child, String) {
    let mut node = Command::new(env!("CARGO_BIN_EXE_quartet"))
        .current_dir(directory)
        .args(["node", "--genesis", "config.yaml", "--data-dir", "data"])
        .args([
            "--listen-address",
            "127.0.0.1",
            "--port",
            "0",
            "--http-port",
            "0",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(node.stderr.take().unwrap()).lines();
    let url = log
        .by_ref()
        .map(Result::unwrap)
        .find_map(|line| {
            let (_, rest) = line.split_once("127.0.0.1:")?;
            let is_http = line.to_lowercase().contains("http") || line.contains("rpc");
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            (is_http && port != "0").then(|| format!("127.0.0.1:{port}"))
        })
        .expect("it says where it listens");
    // It must not be stopped by a full pipe.
    thread::spawn(move || log.for_each(drop));
    (node, url)
}

#[test]
fn a_cut_off_node_is_not_ready_and_says_why() {
    let directory = tempdir().unwrap();
    let config = GenesisConfig {
        genesis_time: 1_700_000_000,
        slot_duration: quartet_types::SlotDuration::default(),
        log_active_epochs: None,
        validators: (0..4).map(|index| PublicKey([index; 52])).collect(),
    };
    config.write(&directory.path().join("config.yaml")).unwrap();
    let (mut node, url) = node(directory.path());
    let human = status(&[&url]);
    let machine = status(&[&url, "--json"]);
    node.kill().unwrap();
    node.wait().unwrap();
    let (out, err) = said(&human);
    assert_eq!(human.status.code(), Some(1), "{out}{err}");
    assert!(out.contains("condition  cut off: no peers"), "{out}");
    let (out, err) = said(&machine);
    assert_eq!(machine.status.code(), Some(1), "{out}{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["condition"], "cut_off");
    assert_eq!(report["healthy"], false);
    assert_eq!(report["client"], "quartet");
    assert_eq!(report["peers"], 0);
    assert_eq!(report["head"]["slot"], 0);
    assert_eq!(report["validator_count"], 4);
    assert_eq!(report["validators"], serde_json::json!([]));
}
