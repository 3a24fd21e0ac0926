//! The devnet as a child process, and what it says of its nodes.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;

/// No wait of these tests is longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running `quartet devnet`, killed when a test fails.
pub(crate) struct Devnet {
    pub(crate) child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

impl Devnet {
    pub(crate) fn start(arguments: &[&str]) -> Self {
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
    pub(crate) fn running(directory: &Path, arguments: &[&str]) -> (Self, Vec<Node>) {
        let directory = directory.to_str().unwrap();
        let arguments = [&["--data-dir", directory], arguments].concat();
        let mut devnet = Self::start(&arguments);
        let header = devnet.line();
        assert!(header.contains("finalized"), "{header}");
        (devnet, nodes(Path::new(directory)))
    }

    /// The next line of the table.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    /// Reads what it tells beside the table, up to a line with `part`.
    pub(crate) fn wait_for_note(&mut self, part: &str) {
        let mut all = String::new();
        while self.stderr.read_line(&mut all).unwrap() > 0 {
            if all.lines().last().is_some_and(|line| line.contains(part)) {
                return;
            }
        }
        panic!("{all} lacks {part}");
    }

    pub(crate) fn signal(&self, signal: &str) {
        kill(signal, self.child.id());
    }

    /// Waits for its end; what it has printed since.
    pub(crate) fn end(mut self) -> (ExitStatus, String, String) {
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
pub(crate) struct Node {
    pub(crate) pid: u32,
    pub(crate) http: String,
}

pub(crate) fn nodes(directory: &Path) -> Vec<Node> {
    let description = json(&directory.join("devnet.json"));
    let nodes = description["nodes"].as_array().unwrap().iter();
    nodes
        .map(|node| Node {
            pid: node["pid"].as_u64().unwrap() as u32,
            http: node["http"].as_str().unwrap().to_owned(),
        })
        .collect()
}

pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

pub(crate) fn kill(signal: &str, pid: u32) {
    let status = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// Whether a process runs; one that only waits to be collected by its parent does not.
pub(crate) fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}
