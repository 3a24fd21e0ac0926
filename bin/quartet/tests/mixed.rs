//! `quartet devnet --with`: our own node as another client, through its template, and clients that do what none should.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use quartet_clock::Stopwatch;
use serde_json::Value;

/// No wait of these tests is longer.
const PATIENCE: Duration = Duration::from_secs(60);

fn template(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.join("config/clients").join(name)
}

fn devnet(directory: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quartet"));
    command
        .arg("devnet")
        .args(words)
        .arg("--data-dir")
        .arg(directory);
    command.stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run(directory: &Path, words: &[&str]) -> Output {
    devnet(directory, words).output().unwrap()
}

fn done(directory: &Path, words: &[&str]) -> String {
    let output = run(directory, words);
    assert!(
        output.status.success(),
        "{words:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Whether a process runs; one that only waits to be collected by its parent does not.
fn runs(pid: u64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let since = Stopwatch::start();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "{what} did not come");
        thread::yield_now();
    }
}

fn status(directory: &Path) -> Value {
    serde_json::from_str(&done(directory, &["status", "--json"])).unwrap()
}

fn node<'s>(status: &'s Value, name: &str) -> &'s Value {
    let nodes = status["nodes"].as_array().unwrap();
    nodes.iter().find(|node| node["name"] == name).unwrap()
}

fn slot(node: &Value, what: &str) -> u64 {
    node[what]["slot"].as_u64().unwrap_or(0)
}

/// Killed when a test fails, as whoever holds it would be.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn two_clients_finalize_one_chain_and_a_late_node_catches_up_from_one_of_them() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("net");
    let report = parent.path().join("report.json");
    let with = format!("{}:1", template("quartet.yaml").display());
    let output = run(
        &directory,
        &[
            "--nodes",
            "2",
            "--with",
            &with,
            "--slots",
            "20",
            "--slot-duration-ms",
            "800",
            "--late-node-from",
            "guest_0",
            "--late-node-slot",
            "6",
            "--report",
            report.to_str().unwrap(),
        ],
    );
    let (table, notes) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{table}\n{notes}");
    assert!(notes.contains("guest_0    guest    0 "), "{notes}");
    let report = json(&report);
    assert_eq!(report["complaints"], serde_json::json!([]));
    assert_eq!(report["clients"][1]["client"], "guest");
    for client in report["clients"].as_array().unwrap() {
        assert!(client["blocks_in_chain"].as_u64().unwrap() >= 4, "{client}");
        assert!(
            client["votes_in_blocks"].as_u64().unwrap() >= 12,
            "{client}"
        );
    }
    assert!(report["late"]["caught_up_in_slot"].as_u64().unwrap() >= 6);
    let last = report["nodes"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["name"], &last["missed_proposals"]),
        (&"guest_0".into(), &Value::Null)
    );
    assert!(last["rss_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn a_guest_is_shown_killed_started_again_kept_apart_and_ends_with_a_killed_devnet() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("net");
    let with = format!("{}:2", template("quartet.yaml").display());
    let child = devnet(
        &directory,
        &["--nodes", "2", "--with", &with, "--slot-duration-ms", "400"],
    )
    .stdout(Stdio::null())
    .stderr(Stdio::null())
    .spawn()
    .unwrap();
    let running = Running(child);
    wait_until("the devnet", || {
        run(&directory, &["status"]).status.success()
    });
    let names = ["quartet_0", "quartet_1", "guest_0", "guest_1"];
    wait_until("finality", || {
        let status = status(&directory);
        names
            .iter()
            .all(|name| slot(node(&status, name), "finalized") > 2)
    });
    let begun = status(&directory);
    assert_eq!(node(&begun, "guest_0")["client"], "guest");
    assert_eq!(node(&begun, "guest_0")["peers"], 3);
    done(&directory, &["kill", "guest_1"]);
    assert_eq!(node(&status(&directory), "guest_1")["standing"], "killed");
    done(&directory, &["restart", "guest_1"]);
    wait_until("guest_1", || {
        let status = status(&directory);
        let (one, other) = (node(&status, "guest_1"), node(&status, "quartet_0"));
        slot(one, "head") > 0 && one["head"] == other["head"] && one["peers"] == 3
    });
    assert!(!done(&directory, &["logs", "guest_1"]).is_empty());

    // Guests take no orders, and those of our nodes are enough to keep them apart from ours.
    let refused = run(&directory, &["partition", "quartet_0,guest_0"]);
    let reason = text(&refused.stderr);
    assert!(
        !refused.status.success() && reason.contains("guest_0 and guest_1 cannot be kept apart"),
        "{reason}"
    );
    done(&directory, &["partition", "guest_0,guest_1"]);
    wait_until("the guests to be alone", || {
        node(&status(&directory), "guest_0")["peers"] == 1
    });
    done(&directory, &["heal"]);

    // However the devnet ends, nobody is left.
    let pids: Vec<_> = names
        .iter()
        .map(|name| node(&status(&directory), name)["pid"].as_u64().unwrap())
        .collect();
    assert!(pids.iter().all(|pid| runs(*pid)));
    drop(running);
    wait_until("the end of all", || !pids.iter().any(|pid| runs(*pid)));
    let resumed = run(&directory, &["--resume"]);
    let reason = text(&resumed.stderr);
    assert!(
        !resumed.status.success() && reason.contains("guest_0, guest_1 of other clients"),
        "{reason}"
    );
}

/// A client that is a shell script.
fn script(directory: &Path, body: &str) -> String {
    fs::create_dir_all(directory).unwrap();
    let arguments =
        serde_json::to_string(&["-c", body, "{port}", "{node_key}", "{metrics}", "{key}"]).unwrap();
    let template = format!(
        "name: odd\nbinary: sh\narguments: {arguments}\nreads: [config.yaml]\nkeys: keystore\nstarts_in: 1\n\
         any_slot_duration: true\n\
         view: {{head_slot: {{metric: lean_head_slot}}, finalized_slot: {{metric: lean_latest_finalized_slot}}}}\n"
    );
    let file = directory.join("odd.yaml");
    fs::write(&file, template).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_client_that_dies_is_told_with_its_last_words_and_one_that_does_nothing_fails_the_run() {
    let parent = tempfile::tempdir().unwrap();
    let flags = ["--nodes", "3", "--slot-duration-ms", "400", "--slots", "12"];
    for (body, expected) in [
        (
            "test -s $2 || echo no key; echo out of luck >&2; exit 3",
            [
                "odd_0 ended with exit code 3",
                "    out of luck",
                "1 of 4 nodes ended by themselves",
            ],
        ),
        (
            "exec sleep 1000",
            [
                "odd_0 does not tell its head",
                "blocks that odd was to make are in the chain, and 0 came at all",
                "failed: 0 of",
            ],
        ),
    ] {
        let odd = script(&parent.path().join("odd"), body);
        let output = run(
            &parent.path().join("net"),
            &[&flags[..], &["--with", &odd]].concat(),
        );
        let notes = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{notes}");
        for part in expected {
            assert!(notes.contains(part), "{notes} lacks {part}");
        }
    }
}

#[test]
fn wrong_arguments_for_guests_are_refused_before_anything_is_started() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("net");
    let ours = format!("{}:1", template("quartet.yaml").display());
    let ethlambda = template("ethlambda.yaml").display().to_string();
    for (words, reason) in [
        (
            &["--with", "/no/such.yaml"][..],
            "/no/such.yaml: cannot be read",
        ),
        (
            &["--with", &ours, "--with-binary", "ream=/bin/sh"],
            "no template of --with is called ream",
        ),
        (
            &[
                "--with",
                &ethlambda,
                "--with-binary",
                "ethlambda=/bin/sh",
                "--slot-duration-ms",
                "400",
            ],
            "four seconds",
        ),
        (
            &[
                "--with",
                &ethlambda,
                "--with-binary",
                "ethlambda=/bin/sh",
                "--validators",
                "9",
            ],
            "each node to have one validator",
        ),
        (
            &[
                "--with",
                &ethlambda,
                "--with-binary",
                "ethlambda=/bin/sh",
                "--late-node-from",
                "ethlambda_0",
            ],
            "ethlambda serves no blocks",
        ),
        (
            &["--with", &ours, "--late-node-from", "guest_1"],
            "no node is called \"guest_1\"",
        ),
        (
            &["--nodes", "64", "--with", &ours],
            "65 nodes are more than the 64",
        ),
        (&["--nodes", "3", "--validators", "0"], "0 is not in"),
    ] {
        let output = run(&directory, words);
        let notes = text(&output.stderr);
        assert!(
            !output.status.success() && notes.contains(reason),
            "{words:?}: {notes} lacks {reason}"
        );
    }
}

/// The templates that come along are templates.
#[test]
fn each_template_is_read() {
    let mut count = 0;
    for entry in fs::read_dir(template("")).unwrap() {
        let path = entry.unwrap().path();
        quartet_config::ClientTemplate::read(&path).unwrap();
        count += 1;
    }
    assert!(count >= 3);
}

/// The one that the document shows as well.
#[test]
fn the_template_in_the_document_is_one() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/interop.md");
    let text = fs::read_to_string(&document).unwrap();
    let shown = text
        .split("```yaml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let template = quartet_config::ClientTemplate::of(shown, &document).unwrap();
    assert!(template.serves_blocks());
    // Each placeholder has its row.
    let unknown = quartet_config::ClientTemplate::of(&shown.replace("{port}", "{x}"), &document);
    let known = unknown.unwrap_err().to_string();
    let known: Vec<_> = known.split(['{', '}']).skip(3).step_by(2).collect();
    assert!(known.len() > 10, "{known:?}");
    for name in known {
        assert!(text.contains(&format!("`{{{name}}}`")), "{name} has no row");
    }
}
