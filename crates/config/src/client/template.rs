//! A client's command template.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use super::{ClientViewSources, Filled, Placeholder, Source};
use crate::{FileError, Problem, files, plan::check_name};

/// The name that our own nodes have.
const OUR_NAME: &str = "quartet";
/// Longest that a client may take to start, in seconds; genesis waits for it.
const MOST_STARTS_IN: u64 = 600;

/// How a client is run and asked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientTemplate {
    /// What its nodes are called, with a number behind it.
    pub name: String,
    /// Its program: a name that is looked for in `PATH`, or a path.
    pub binary: Filled,
    /// The program's arguments.
    pub arguments: Vec<Filled>,
    /// Variables of its environment, beside those of the devnet.
    #[serde(default)]
    pub environment: BTreeMap<String, Filled>,
    /// What it reads in the genesis directory.
    pub reads: Vec<GenesisFile>,
    /// The form in which it takes validators' secret keys.
    pub keys: KeyForm,
    /// What it serves to others.
    #[serde(default)]
    pub serves: Vec<Served>,
    /// Where it tells what it sees.
    pub view: ClientViewSources,
    /// Seconds from its start until it answers; genesis is not earlier.
    #[serde(default = "default_starts_in")]
    pub starts_in: u64,
    /// The signal on which it ends in order.
    #[serde(default)]
    pub stops_on: StopSignal,
    /// Whether it reads `SLOT_DURATION_MS` in `config.yaml`; else its slots last four seconds.
    #[serde(default)]
    pub any_slot_duration: bool,
    /// Whether it takes the registry from `annotated_validators.yaml` and sees no more than one validator of each node
    /// there.
    #[serde(default)]
    pub one_validator_per_node: bool,
    /// The file that it logs to, where that is not its standard output.
    pub log: Option<Filled>,
}

fn default_starts_in() -> u64 {
    10
}

/// What there is in a genesis directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum GenesisFile {
    /// Genesis time and public keys.
    #[serde(rename = "config.yaml")]
    Config,
    /// Which node runs which validators.
    #[serde(rename = "validators.yaml")]
    Validators,
    /// The same with keys.
    #[serde(rename = "annotated_validators.yaml")]
    AnnotatedValidators,
    /// The nodes' records.
    #[serde(rename = "nodes.yaml")]
    Nodes,
    /// The plan, with the nodes' keys and ports.
    #[serde(rename = "validator-config.yaml")]
    Plan,
    /// The genesis state without its registry.
    #[serde(rename = "genesis.json")]
    Genesis,
    /// The directory of keys, with its manifest.
    #[serde(rename = "hash-sig-keys")]
    Keys,
}

impl GenesisFile {
    /// Its name in the directory.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config.yaml",
            Self::Validators => "validators.yaml",
            Self::AnnotatedValidators => "annotated_validators.yaml",
            Self::Nodes => "nodes.yaml",
            Self::Plan => "validator-config.yaml",
            Self::Genesis => "genesis.json",
            Self::Keys => "hash-sig-keys",
        }
    }
}

/// The form of validators' secret keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyForm {
    /// Quartet's own keystores.
    Keystore,
    /// leanSig's SSZ, `validator_N_sk.ssz`.
    Ssz,
    /// leanSig's JSON, `validator_N_sk.json`.
    Json,
}

/// What a client may serve to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Served {
    /// Requests for blocks by their roots.
    BlocksByRoot,
    /// Requests for blocks by a range of slots.
    BlocksByRange,
    /// A state to start from, over HTTP.
    CheckpointState,
    /// The block that belongs to that state, over HTTP.
    CheckpointBlock,
}

/// The signal on which a program ends in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum StopSignal {
    /// As Ctrl-C sends it.
    #[serde(rename = "SIGINT")]
    Interrupt,
    /// As `kill` sends it.
    #[default]
    #[serde(rename = "SIGTERM")]
    Terminate,
}

impl ClientTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// When the file cannot be read, has a field that there is none, lacks one, or has a wrong one; or when it does not
    /// tell the client its ports, its name or its key.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        Self::of(&files::read(path)?, path)
    }

    /// The template that a file has or would have.
    ///
    /// # Errors
    /// As [`ClientTemplate::read`].
    pub fn of(text: &str, path: &Path) -> Result<Self, FileError> {
        Self::parse(text).map_err(|problem| problem.in_file(path))
    }

    fn parse(text: &str) -> Result<Self, Problem> {
        let template: Self = files::parse_yaml(text)?;
        template.check()?;
        Ok(template)
    }

    fn check(&self) -> Result<(), Problem> {
        let wrong = |field, reason: String| Err(Problem::Template { field, reason });
        check_name(&self.name)?;
        if self.name == OUR_NAME {
            return wrong(
                "name",
                format!("{OUR_NAME} is what our own nodes are called"),
            );
        }
        if self.starts_in > MOST_STARTS_IN {
            return Err(Problem::BeyondLimit {
                field: "starts_in",
                found: self.starts_in,
                limit: MOST_STARTS_IN,
            });
        }
        let of_node = [Placeholder::Data, Placeholder::Genesis, Placeholder::NodeId];
        if of_node.iter().any(|place| self.binary.has(*place)) {
            return wrong(
                "binary",
                "one program is for all nodes; only {quartet} may stand here".to_owned(),
            );
        }
        // The plan has both.
        let has_plan = self.reads.contains(&GenesisFile::Plan);
        for (name, what) in [
            ("port", Placeholder::Port),
            ("node_key", Placeholder::NodeKey),
        ] {
            if !has_plan && !self.provides(what) {
                return wrong(
                    "arguments",
                    format!("{{{name}}} is in none, so the nodes would not find each other"),
                );
            }
        }
        let (mut json, mut metric) = (false, false);
        for source in self.view.all() {
            match source {
                Source::Json { .. } => json = true,
                Source::Metric { .. } => metric = true,
            }
        }
        for (name, what, is_read) in [
            ("http", Placeholder::Http, json),
            ("metrics", Placeholder::Metrics, metric),
        ] {
            if is_read && !self.provides(what) {
                return wrong(
                    "view",
                    format!("is read at the port {{{name}}}, which is in no argument"),
                );
            }
        }
        Ok(())
    }

    /// Whether the client is told something, by an argument or in its environment.
    #[must_use]
    fn provides(&self, what: Placeholder) -> bool {
        let mut texts = self.arguments.iter().chain(self.environment.values());
        texts.any(|text| text.has(what))
    }

    /// Whether others can get blocks from it.
    #[must_use]
    pub fn serves_blocks(&self) -> bool {
        let blocks =
            |served: &Served| matches!(served, Served::BlocksByRoot | Served::BlocksByRange);
        self.serves.iter().any(blocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
name: other
binary: other-client
arguments: [--port, "{port}", --key, "{node_key}", --metrics, "{metrics}"]
reads: [config.yaml, hash-sig-keys]
keys: ssz
serves: [blocks-by-root]
view:
  head_slot: {metric: lean_head_slot}
  finalized_slot: {metric: lean_latest_finalized_slot, path: /m}
"#;

    fn error(text: &str) -> String {
        ClientTemplate::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_left_out_has_a_usual_value() {
        let template = ClientTemplate::parse(GOOD).unwrap();
        assert_eq!(template.starts_in, 10);
        assert_eq!(template.stops_on, StopSignal::Terminate);
        assert!(template.serves_blocks() && !template.any_slot_duration);
        let paths: Vec<_> = template
            .view
            .all()
            .map(|source| match source {
                Source::Json { path, .. } | Source::Metric { path, .. } => path.as_str(),
            })
            .collect();
        assert_eq!(paths, ["/metrics", "/m"]);
    }

    #[test]
    fn a_client_that_reads_the_plan_needs_no_port_and_no_key() {
        let text = GOOD
            .replace("\"{port}\"", "x")
            .replace("\"{node_key}\"", "y");
        ClientTemplate::parse(&text).unwrap_err();
        ClientTemplate::parse(&text.replace("config.yaml", "validator-config.yaml")).unwrap();
    }

    #[test]
    fn errors_name_the_field_and_the_line() {
        for (from, to, expected) in [
            (
                "keys: ssz",
                "keys: pem",
                ["keys: unknown variant `pem`", "line 6"],
            ),
            (
                "keys: ssz",
                "keys: ssz\ncolour: red",
                ["unknown field `colour`", "line 7"],
            ),
            ("keys: ssz\n", "", ["missing field `keys`", "line 2"]),
            (
                "{port}",
                "{prot}",
                ["arguments: no placeholder is called {prot}", "line 4"],
            ),
            (
                "config.yaml",
                "config.yml",
                ["reads[0]: unknown variant `config.yml`", "line 5"],
            ),
            (
                "metric: lean_head_slot",
                "metric: a, json: b",
                ["view: a source is", "line 9"],
            ),
            (
                "metric: lean_head_slot",
                "metric: a, of: b",
                ["view.head_slot: unknown field `of`", "line 9"],
            ),
            (
                "metric: lean_head_slot",
                "metric: lean_(head_slot",
                ["view: metric: regex parse error", "unclosed group"],
            ),
            (
                "path: /m",
                "path: m",
                ["view: \"m\" is not the path", "line 9"],
            ),
            (
                "  head_slot: {metric: lean_head_slot}\n",
                "",
                ["view: missing field `head_slot`", "line 9"],
            ),
        ] {
            let text = GOOD.replacen(from, to, 1);
            let error = error(&text);
            assert!(
                expected.iter().all(|part| error.contains(part)),
                "{error} lacks one of {expected:?}"
            );
        }
    }

    #[test]
    fn a_template_that_cannot_work_is_refused() {
        for (from, to, expected) in [
            (
                "name: other",
                "name: quartet",
                "name: quartet is what our own nodes are called",
            ),
            ("name: other", "name: ../x", "node name \"../x\""),
            ("\"{port}\"", "\"9000\"", "arguments: {port} is in none"),
            ("\"{node_key}\"", "x", "arguments: {node_key} is in none"),
            (
                "\"{metrics}\"",
                "x",
                "view: is read at the port {metrics}, which is in no argument",
            ),
            (
                "keys: ssz",
                "keys: ssz\nstarts_in: 601",
                "starts_in: 601 is beyond the limit of 600",
            ),
            (
                "other-client",
                "\"{data}/x\"",
                "binary: one program is for all nodes",
            ),
        ] {
            let error = error(&GOOD.replacen(from, to, 1));
            assert!(error.contains(expected), "{error} lacks {expected}");
        }
    }
}
