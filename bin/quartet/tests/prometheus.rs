//! What `config/` has for Prometheus and Grafana, tried with the real Prometheus on a real devnet.
//!
//! Takes Debian's package `prometheus`, which has promtool. Where it is missing nothing is tested, except where CI is set:
//! there it is required.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::Value;

/// What promtool would have otherwise: a name of leanMetrics, and counters, which are whole numbers here, of what is
/// too short for whole seconds.
const KNOWN_LINTS: [&str; 3] = [
    "lean_validators_count non-histogram and non-summary metrics should not have \"_count\" suffix",
    "quartet_cpu_nanoseconds_total use base unit \"seconds\" instead of \"nanoseconds\"",
    "quartet_process_cpu_nanoseconds_total use base unit \"seconds\" instead of \"nanoseconds\"",
];
/// By then each query of the dashboard has found something; most have after a few slots.
const PATIENCE_SLOTS: usize = 25;

fn config() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.join("config").canonicalize().unwrap()
}

/// Whether there is a Prometheus to test with.
fn is_installed() -> bool {
    let runs = |program: &str| {
        let version = Command::new(program).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    };
    let found = runs("prometheus") && runs("promtool");
    assert!(
        found || env::var_os("CI").is_none(),
        "CI needs the package prometheus"
    );
    if !found {
        eprintln!("not tested: it takes the package prometheus");
    }
    found
}

/// Runs promtool, which has to be content; what it says.
fn promtool(arguments: &[&str]) -> String {
    let output = Command::new("promtool").args(arguments).output().unwrap();
    let said = [&output.stdout[..], &output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}

/// A process that ends with the test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A devnet of four nodes, which are told to end with it.
struct Devnet {
    _process: Running,
    table: BufReader<ChildStdout>,
    /// `address:port` of each.
    nodes: Vec<String>,
}

impl Devnet {
    fn start(directory: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quartet"));
        command.args(["devnet", "--nodes", "4", "--data-dir"]);
        let mut process = Running::start(command.arg(directory));
        let mut table = BufReader::new(process.0.stdout.take().unwrap());
        // The table's header: the nodes run.
        table.read_line(&mut String::new()).unwrap();
        let description = fs::read(directory.join("devnet.json")).unwrap();
        let description: Value = serde_json::from_slice(&description).unwrap();
        let nodes = description["nodes"].as_array().unwrap().iter();
        let address = |node: &Value| {
            let url = node["http"].as_str().unwrap();
            url.trim_start_matches("http://").to_owned()
        };
        Self {
            nodes: nodes.map(address).collect(),
            _process: process,
            table,
        }
    }

    /// Waits for the next slot.
    fn slot(&mut self) {
        let read = self.table.read_line(&mut String::new()).unwrap();
        assert!(read > 0, "the devnet has ended");
    }
}

/// A Prometheus that scrapes the nodes and has our rules.
struct Prometheus {
    _process: Running,
    url: String,
}

impl Prometheus {
    fn start(directory: &Path, nodes: &[String]) -> Self {
        let file = directory.join("prometheus.yml");
        let targets = serde_json::to_string(nodes).unwrap();
        let rules = config().join("alerts.yml");
        let text = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             rule_files: [{rules:?}]\n\
             scrape_configs:\n  - job_name: quartet\n    static_configs: [{{targets: {targets}}}]\n"
        );
        fs::write(&file, text).unwrap();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.join("tsdb").display()
            ))
            .arg("--web.listen-address=127.0.0.1:0");
        let mut process = Running::start(&mut command);
        let mut log = BufReader::new(process.0.stderr.take().unwrap()).lines();
        let address = log.by_ref().find_map(|line| {
            let line = line.unwrap();
            let (_, address) = line.split_once("\"Listening on\" address=")?;
            Some(address.to_owned())
        });
        // It would be held up by a pipe that nobody empties.
        std::thread::spawn(move || log.for_each(drop));
        Self {
            _process: process,
            url: format!("http://{}", address.unwrap()),
        }
    }

    /// What a query finds, a line for each series; what is not a number is nothing.
    fn ask(&self, query: &str) -> Vec<String> {
        let found = promtool(&["query", "instant", &self.url, query]);
        let series = found
            .lines()
            .filter(|line| line.contains(" => ") && !line.contains(" => NaN "));
        series.map(str::to_owned).collect()
    }
}

/// The queries of the dashboard, each with its panel's title, for all nodes.
fn queries() -> Vec<(String, String)> {
    let text = fs::read_to_string(config().join("grafana-dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let queries = panels.flat_map(|panel| {
        let title = panel["title"].as_str().unwrap();
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(move |target| (title, target["expr"].as_str().unwrap()))
    });
    let queries = queries.map(|(title, query)| (title.to_owned(), query.replace("$node", ".*")));
    queries.collect()
}

fn scrape(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{head}");
    body.to_owned()
}

#[test]
fn the_configuration_and_the_alerts_are_what_promtool_takes() {
    if !is_installed() {
        return;
    }
    let file = |name: &str| config().join(name).to_str().unwrap().to_owned();
    promtool(&["check", "config", &file("prometheus.yml")]);
    promtool(&["check", "rules", &file("alerts.yml")]);
    promtool(&["test", "rules", &file("alerts-test.yml")]);
}

#[test]
fn each_alert_has_a_test_and_an_explanation() {
    let read = |name: &str| fs::read_to_string(config().join(name)).unwrap();
    let (alerts, tests) = (read("alerts.yml"), read("alerts-test.yml"));
    let explained = read("../docs/running.md");
    let names = alerts
        .lines()
        .filter_map(|line| line.split_once("- alert: "));
    let names: Vec<_> = names.map(|(_, name)| name).collect();
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        assert!(tests.contains(&format!("alertname=\"{name}\"")), "{name}");
        assert!(explained.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn every_panel_of_the_dashboard_shows_something_and_no_alert_goes_off_on_a_healthy_devnet() {
    if !is_installed() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut devnet = Devnet::start(&directory.path().join("net"));
    let prometheus = Prometheus::start(directory.path(), &devnet.nodes);

    let mut empty = queries();
    assert!(empty.len() > 90);
    for _ in 0..PATIENCE_SLOTS {
        devnet.slot();
        empty.retain(|(_, query)| prometheus.ask(query).is_empty());
        if empty.is_empty() {
            break;
        }
    }
    assert!(empty.is_empty(), "{empty:#?}");
    assert_eq!(prometheus.ask("count(up == 1)").len(), 1);
    let firing = prometheus.ask("ALERTS{alertstate=\"firing\"}");
    assert!(firing.is_empty(), "{firing:?}");

    let mut lint = Command::new("promtool");
    lint.args(["check", "metrics"]).stdin(Stdio::piped());
    let mut lint = Running::start(&mut lint);
    let text = scrape(&devnet.nodes[0]);
    lint.0
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let mut said = String::new();
    let mut stderr = lint.0.stderr.take().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    let unknown: Vec<_> = said
        .lines()
        .filter(|line| !KNOWN_LINTS.contains(line))
        .collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    // It has read the text, and did not give up.
    assert!(said.contains(KNOWN_LINTS[0]), "{said}");
}
