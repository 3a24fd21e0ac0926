//! `validator-config.yaml`: the plan of a devnet, as lean-quickstart has it, from which every other file is made.

use std::{fmt::Write as _, net::IpAddr, path::Path};

use quartet_types::{SlotDuration, VALIDATOR_REGISTRY_LIMIT, ValidatorIndex};
use serde::Deserialize;

use crate::{
    FileError, NodeKey, Problem,
    error::Hints,
    files,
    unknown::{Known, unknown_fields},
};

/// The fields that a plan may have. How it is deployed, and that its keys are hash-based, makes no difference here.
const KNOWN: Known = &[
    ("shuffle", &[]),
    ("deployment_mode", &[]),
    ("config", &["activeEpoch", "keyType"]),
    (
        "validators",
        &["name", "privkey", "enrFields", "metricsPort", "count"],
    ),
];
/// What a node's record may have.
const KNOWN_OF_NODES: Known = &[("enrFields", &["ip", "quic", "seq"])];

/// What to write where an older form of the plan lacks something.
const HINTS: Hints = &[
    (
        "config",
        "an older form: write `config:` and, indented below it, `activeEpoch: 18`, for keys that last 2^18 slots",
    ),
    (
        "activeEpoch",
        "an older form: write `activeEpoch: 18` below `config:`, for keys that last 2^18 slots",
    ),
    (
        "enrFields",
        "an older form: each node has `enrFields:` and, indented below it, `ip: 127.0.0.1` and `quic: 9000`",
    ),
    (
        "count",
        "an older form: each node has `count: 1`, the number of its validators",
    ),
];

/// log2 of the scheme's lifetime, the most epochs that a key can be active for.
const LOG_LIFETIME: u8 = 32;

/// The plan of a devnet.
#[derive(Clone, Debug)]
pub struct DevnetPlan {
    /// How long a slot lasts. No plan has it: the tool that makes the devnet sets it.
    pub slot_duration: SlotDuration,
    /// Validators' keys are active for two to the power of this many epochs.
    pub log_active_epochs: u8,
    /// The nodes.
    pub nodes: Vec<PlannedNode>,
}

/// One node of the plan.
#[derive(Clone, Debug)]
pub struct PlannedNode {
    /// Its name.
    pub name: String,
    /// Its identity, where the plan has it; else one is made.
    pub key: Option<NodeKey>,
    /// Where it is reached.
    pub ip: IpAddr,
    /// The UDP port at which it listens for QUIC.
    pub quic_port: u16,
    /// The port of its metrics, where the plan has it.
    pub metrics_port: Option<u16>,
    /// The sequence number of its record.
    pub seq: u64,
    /// How many validators it runs; may be none.
    pub validators: u64,
}

#[derive(Deserialize)]
struct Fields {
    shuffle: Option<String>,
    config: ConfigFields,
    validators: Vec<NodeFields>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigFields {
    active_epoch: u8,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeFields {
    name: String,
    privkey: Option<String>,
    enr_fields: EnrFields,
    metrics_port: Option<u16>,
    count: u64,
}

#[derive(Deserialize)]
struct EnrFields {
    ip: IpAddr,
    quic: u16,
    seq: Option<u64>,
}

impl DevnetPlan {
    /// Reads a `validator-config.yaml`.
    ///
    /// # Errors
    /// When the file cannot be read or is malformed, names a node twice or so that no file can be called
    /// after it, has a wrong node key, an unknown `shuffle`, or no or too many validators.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        Ok(Self::read_with_unknown(path)?.0)
    }

    /// As [`DevnetPlan::read`], with the names of fields that mean nothing here.
    ///
    /// # Errors
    /// As [`DevnetPlan::read`].
    pub fn read_with_unknown(path: &Path) -> Result<(Self, Vec<String>), FileError> {
        let text = files::read(path)?;
        let plan = Self::parse(&text).map_err(|problem| problem.in_file(path))?;
        Ok((plan, unknown_fields(&text, KNOWN, KNOWN_OF_NODES)))
    }

    fn parse(text: &str) -> Result<Self, Problem> {
        let fields: Fields =
            files::parse_yaml(text).map_err(|problem| problem.with_hints(HINTS))?;
        if let Some(found) = fields.shuffle
            && found != "roundrobin"
        {
            return Err(Problem::UnknownShuffle { found });
        }
        let log_active_epochs = fields.config.active_epoch;
        within(
            "config.activeEpoch",
            log_active_epochs.into(),
            LOG_LIFETIME.into(),
        )?;
        let mut nodes: Vec<PlannedNode> = Vec::with_capacity(fields.validators.len());
        for node in fields.validators {
            if nodes.iter().any(|other| other.name == node.name) {
                return Err(Problem::DuplicateNode { node: node.name });
            }
            nodes.push(node.into_planned()?);
        }
        let plan = Self {
            slot_duration: SlotDuration::default(),
            log_active_epochs,
            nodes,
        };
        let total = (plan.nodes.iter()).fold(0u64, |sum, node| sum.saturating_add(node.validators));
        if total == 0 {
            let field = "validators";
            return Err(Problem::Empty { field });
        }
        within("sum of counts", total, VALIDATOR_REGISTRY_LIMIT)?;
        Ok(plan)
    }

    /// Writes a `validator-config.yaml` that only its owner may read: `keys` are the nodes' own, in their order.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path, keys: &[NodeKey]) -> Result<(), FileError> {
        files::write_secret(path, &self.to_yaml(keys))
    }

    fn to_yaml(&self, keys: &[NodeKey]) -> zeroize::Zeroizing<String> {
        let log = self.log_active_epochs;
        let mut text = zeroize::Zeroizing::new(format!(
            "shuffle: roundrobin\ndeployment_mode: local\nconfig:\n  activeEpoch: {log}\n  keyType: \"hash-sig\"\nvalidators:\n"
        ));
        for (node, key) in self.nodes.iter().zip(keys) {
            let secret = zeroize::Zeroizing::new(const_hex::encode(key.secret_bytes()));
            let _ = write!(
                text,
                "  - name: {}\n    privkey: \"{}\"\n    enrFields:\n      ip: \"{}\"\n      quic: {}\n      seq: {}\n",
                files::scalar(&node.name),
                *secret,
                node.ip,
                node.quic_port,
                node.seq,
            );
            if let Some(port) = node.metrics_port {
                let _ = writeln!(text, "    metricsPort: {port}");
            }
            let _ = writeln!(text, "    count: {}", node.validators);
        }
        text
    }

    /// How many validators all nodes have together.
    pub fn validator_count(&self) -> u64 {
        self.nodes.iter().map(|node| node.validators).sum()
    }

    /// Deals the validators out, round after round, one to each node that still lacks some: the indices
    /// of each node, in the order of [`DevnetPlan::nodes`].
    pub fn round_robin(&self) -> Vec<Vec<ValidatorIndex>> {
        let mut dealt = vec![Vec::new(); self.nodes.len()];
        let mut next = 0;
        while next < self.validator_count() {
            for (node, indices) in self.nodes.iter().zip(&mut dealt) {
                if (indices.len() as u64) < node.validators {
                    indices.push(next);
                    next += 1;
                }
            }
        }
        dealt
    }
}

impl NodeFields {
    fn into_planned(self) -> Result<PlannedNode, Problem> {
        check_name(&self.name)?;
        let key = self.privkey.map(zeroize::Zeroizing::new);
        let key = key.map(|text| NodeKey::from_hex(&text)).transpose();
        Ok(PlannedNode {
            key: key.map_err(|error| Problem::NodeKey {
                field: format!("validator {:?}: privkey", self.name),
                error,
            })?,
            ip: self.enr_fields.ip,
            quic_port: self.enr_fields.quic,
            seq: self.enr_fields.seq.unwrap_or(1),
            metrics_port: self.metrics_port,
            validators: self.count,
            name: self.name,
        })
    }
}

/// Files and directories are called after nodes, so a name must not lead elsewhere.
pub(crate) fn check_name(name: &str) -> Result<(), Problem> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(allowed) {
        return Err(Problem::NodeName {
            name: name.to_owned(),
        });
    }
    Ok(())
}

fn within(field: &'static str, found: u64, limit: u64) -> Result<(), Problem> {
    if found > limit {
        return Err(Problem::BeyondLimit {
            field,
            found,
            limit,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "bdf953adc161873ba026330c56450453f582e3c4ee6cb713644794bcfdd85fe5";

    fn node(name: &str, count: u64) -> String {
        format!(
            "  - name: {name}\n    privkey: \"{KEY}\"\n    enrFields: {{ip: \"127.0.0.1\", quic: 9000, beam: 1}}\n    metricsPort: 8080\n    count: {count}\n"
        )
    }

    fn plan(nodes: &str) -> Result<DevnetPlan, Problem> {
        DevnetPlan::parse(&format!(
            "shuffle: roundrobin\ndeployment_mode: local\nconfig:\n  activeEpoch: 18\n  keyType: \"hash-sig\"\nvalidators:\n{nodes}"
        ))
    }

    #[test]
    fn validators_are_dealt_out_round_after_round() {
        let nodes = [node("zeam_0", 2), node("ream_0", 2), node("qlean_0", 1)].concat();
        let plan = plan(&nodes).unwrap();
        assert_eq!(plan.log_active_epochs, 18);
        assert_eq!(plan.nodes[0].quic_port, 9000);
        assert_eq!(plan.round_robin(), [vec![0, 3], vec![1, 4], vec![2]]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let planned = plan(&(node("a", 2) + &node("b", 0))).unwrap();
        let keys = [1, 2].map(|byte| NodeKey::from_bytes(&[byte; 32]).unwrap());
        let read = DevnetPlan::parse(&planned.to_yaml(&keys)).unwrap();
        assert_eq!(read.round_robin(), planned.round_robin());
        assert_eq!(read.log_active_epochs, 18);
        for (node, (key, before)) in read.nodes.iter().zip(keys.iter().zip(&planned.nodes)) {
            assert_eq!(
                node.key.as_ref().unwrap().secret_bytes(),
                key.secret_bytes()
            );
            assert_eq!(
                (node.quic_port, node.metrics_port),
                (before.quic_port, before.metrics_port)
            );
        }
    }

    #[test]
    fn a_node_may_have_no_validators_and_no_key() {
        let nodes = node("a", 1)
            + "  - name: watcher\n    enrFields: {ip: \"::1\", quic: 1, seq: 4}\n    count: 0\n";
        let plan = plan(&nodes).unwrap();
        assert!(plan.nodes[1].key.is_none());
        assert_eq!(plan.nodes[1].seq, 4);
        assert_eq!(plan.round_robin(), [vec![0], vec![]]);
    }

    #[test]
    fn errors_name_the_node_or_the_field() {
        let cases = [
            (node("a", 1) + &node("a", 1), "\"a\" is listed twice"),
            (node("../etc", 1), "node name \"../etc\""),
            (node("a", 0), "validators: lists nothing"),
            (
                node("a", 4097),
                "sum of counts: 4097 is beyond the limit of 4096",
            ),
            (node("a", u64::MAX) + &node("b", 2), "beyond the limit"),
            (
                node("a", 1).replace(KEY, "c0ffee"),
                "validator \"a\": privkey: a node key has 32 bytes, this one 3",
            ),
            (node("a", 1).replace("127.0.0.1", "localhost"), "line 9"),
        ];
        for (nodes, expected) in cases {
            let message = plan(&nodes).unwrap_err().to_string();
            assert!(message.contains(expected), "{message} lacks {expected}");
        }
    }

    #[test]
    fn an_older_form_is_refused_with_what_to_write() {
        let nodes = node("a", 1);
        for (text, expected) in [
            (
                format!("shuffle: roundrobin\nvalidators:\n{nodes}"),
                ["missing field `config`", "`activeEpoch: 18`"],
            ),
            (
                format!("config: {{}}\nvalidators:\n{nodes}"),
                ["missing field `activeEpoch`", "`activeEpoch: 18`"],
            ),
            (
                "config: {activeEpoch: 18}\nvalidators:\n  - name: a\n    count: 1\n".to_owned(),
                ["missing field `enrFields`", "`quic: 9000`"],
            ),
        ] {
            let error = DevnetPlan::parse(&text).unwrap_err().to_string();
            assert!(expected.iter().all(|part| error.contains(part)), "{error}");
        }
    }

    #[test]
    fn fields_of_newer_plans_are_named() {
        let text = format!(
            "shuffle: roundrobin\ndeployment_mode: local\nconfig:\n  activeEpoch: 18\n  keyType: hash-sig\n  \
             attestation_committee_count: 1\nvalidators:\n{}    isAggregator: true\n    apiPort: 5051\n",
            node("a", 1)
        );
        DevnetPlan::parse(&text).unwrap();
        assert_eq!(
            unknown_fields(&text, KNOWN, KNOWN_OF_NODES),
            [
                "config.attestation_committee_count",
                "validators[].enrFields.beam",
                "validators[].isAggregator",
                "validators[].apiPort"
            ]
        );
    }

    #[test]
    fn another_shuffle_is_refused() {
        let text = "shuffle: random\nconfig: {activeEpoch: 18}\nvalidators: []";
        let error = DevnetPlan::parse(text).unwrap_err();
        assert!(matches!(error, Problem::UnknownShuffle { .. }));
    }
}
