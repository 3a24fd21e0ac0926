//! `validators.yaml` and `annotated_validators.yaml`: which node runs which validators.

mod yaml;

use std::{
    collections::HashMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use quartet_types::{PublicKey, ValidatorIndex};

use self::yaml::NodeList;
use crate::{FileError, GenesisConfig, Problem, files, public_key};

/// Which node runs which validators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorAssignments {
    path: PathBuf,
    /// The nodes, in the file's order.
    pub nodes: Vec<NodeAssignment>,
}

/// The validators of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAssignment {
    /// The node's name, its id on the command line.
    pub name: String,
    /// Its validators, in the file's order.
    pub validators: Vec<AssignedValidator>,
}

/// One validator of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignedValidator {
    /// Its position in the registry.
    pub index: ValidatorIndex,
    /// Its key, where the file is annotated.
    pub key: Option<AnnotatedKey>,
}

/// What an annotated file says about a validator's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnotatedKey {
    /// The public key.
    pub public_key: PublicKey,
    /// The secret key's file, relative to the directory of keys.
    pub secret_key_file: PathBuf,
}

impl ValidatorAssignments {
    /// Reads either form of the file; one may even mix them.
    ///
    /// # Errors
    /// When the file cannot be read or is malformed, or a node or a validator is listed twice.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let nodes = parse(&files::read(path)?).map_err(|problem| problem.in_file(path))?;
        Ok(Self {
            path: path.to_owned(),
            nodes,
        })
    }

    /// Checks every entry against the registry.
    ///
    /// # Errors
    /// When a validator is beyond the registry, or annotated with another public key than there.
    pub fn check(&self, genesis: &GenesisConfig) -> Result<(), FileError> {
        for node in &self.nodes {
            for validator in &node.validators {
                self.check_one(&node.name, validator, &genesis.validators)?;
            }
        }
        Ok(())
    }

    fn check_one(
        &self,
        node: &str,
        validator: &AssignedValidator,
        registry: &[PublicKey],
    ) -> Result<(), FileError> {
        let index = validator.index;
        let expected = usize::try_from(index).ok().and_then(|i| registry.get(i));
        let problem = match (expected, &validator.key) {
            (None, _) => Problem::ValidatorNotInRegistry {
                node: node.to_owned(),
                validator: index,
                validators: registry.len(),
            },
            (Some(expected), Some(key)) if key.public_key != *expected => {
                Problem::PublicKeyMismatch {
                    index,
                    expected: *expected,
                    found: key.public_key,
                }
            }
            _ => return Ok(()),
        };
        Err(problem.in_file(&self.path))
    }

    /// The validators of the node called `name`; may be none. A node that is not in the file but has its
    /// `<name>.key` beside it is one without validators: those are left out, since other clients fail on them.
    ///
    /// # Errors
    /// When there is no such node; the error lists those there are.
    pub fn of_node(&self, name: &str) -> Result<&[AssignedValidator], FileError> {
        let node = self.nodes.iter().find(|node| node.name == name);
        let key = self.path.with_file_name(format!("{name}.key"));
        if node.is_none() && key.is_file() {
            return Ok(&[]);
        }
        node.map(|node| node.validators.as_slice()).ok_or_else(|| {
            let names: Vec<_> = self.nodes.iter().map(|node| node.name.as_str()).collect();
            let unknown = Problem::UnknownNode {
                node: name.to_owned(),
                known: if names.is_empty() {
                    "none".to_owned()
                } else {
                    names.join(", ")
                },
            };
            unknown.in_file(&self.path)
        })
    }
}

/// The plain form of the file.
pub(crate) fn plain_yaml(nodes: &[NodeAssignment]) -> String {
    write_yaml(nodes, |validator, text| {
        let _ = writeln!(text, "  - {}", validator.index);
    })
}

/// The annotated form; entries without a key stay plain.
pub(crate) fn annotated_yaml(nodes: &[NodeAssignment]) -> String {
    write_yaml(nodes, |validator, text| {
        let Some(key) = &validator.key else {
            let _ = writeln!(text, "  - {}", validator.index);
            return;
        };
        let _ = write!(
            text,
            "  - index: {}\n    pubkey_hex: \"{}\"\n    privkey_file: {}\n",
            validator.index,
            public_key::bare(&key.public_key),
            files::scalar(&key.secret_key_file.to_string_lossy()),
        );
    })
}

fn write_yaml(nodes: &[NodeAssignment], entry: impl Fn(&AssignedValidator, &mut String)) -> String {
    let mut text = String::new();
    // Clients of other makes fail on a node without validators. Ours takes both forms.
    for node in nodes.iter().filter(|node| !node.validators.is_empty()) {
        let name = files::scalar(&node.name);
        let _ = writeln!(text, "{name}:");
        for validator in &node.validators {
            entry(validator, &mut text);
        }
    }
    text
}

fn parse(text: &str) -> Result<Vec<NodeAssignment>, Problem> {
    let top: NodeList = files::parse_yaml(text)?;
    let mut nodes: Vec<NodeAssignment> = Vec::new();
    let mut owners: HashMap<ValidatorIndex, String> = HashMap::new();
    for (name, entries) in top.flatten() {
        if nodes.iter().any(|node| node.name == name) {
            return Err(Problem::DuplicateNode { node: name });
        }
        let mut validators = Vec::with_capacity(entries.len());
        for entry in entries {
            let index = entry.index();
            if let Some(first) = owners.insert(index, name.clone()) {
                return Err(Problem::DuplicateIndex {
                    index,
                    first,
                    second: name,
                });
            }
            validators.push(entry.into_validator(&name)?);
        }
        nodes.push(NodeAssignment { name, validators });
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(name: &str, indices: &[u64]) -> NodeAssignment {
        let validators = indices.iter().map(|index| AssignedValidator {
            index: *index,
            key: None,
        });
        NodeAssignment {
            name: name.to_owned(),
            validators: validators.collect(),
        }
    }

    fn parse_error(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn plain_wrapped_and_empty_lists_are_read_in_order() {
        let expected = [
            plain("quartet_0", &[0, 3]),
            plain("ream_0", &[1]),
            plain("0", &[]),
        ];
        let text = "quartet_0: [0, 3]\nream_0:\n  - 1\n0:\n";
        assert_eq!(parse(text).unwrap(), expected);
        let wrapped = "validators:\n  quartet_0: [0, 3]\n  ream_0: [1]\n  \"0\": []\n";
        assert_eq!(parse(wrapped).unwrap(), expected);
    }

    #[test]
    fn annotated_keys_are_read_even_unquoted_and_of_digits_only() {
        let text = format!(
            "quartet_0:\n  - index: 4\n    pubkey_hex: {}\n    privkey_file: validator_4_sk.ssz\n    mood: good\n",
            "12".repeat(52)
        );
        let key = parse(&text).unwrap()[0].validators[0].key.clone().unwrap();
        assert_eq!(key.public_key, PublicKey([0x12; 52]));
        assert_eq!(key.secret_key_file, Path::new("validator_4_sk.ssz"));
    }

    #[test]
    fn what_is_listed_twice_is_refused() {
        assert!(parse_error("a: [1]\na: [2]").contains("\"a\" is listed twice"));
        assert!(
            parse_error("a: [1]\nb: [1]")
                .contains("validator 1 is assigned twice, to \"a\" and to \"b\"")
        );
        assert!(parse_error("a: [1, 1]").contains("to \"a\" and to \"a\""));
    }

    #[test]
    fn a_malformed_entry_is_located() {
        assert!(parse_error("a:\n  - 1\n  - x\n").contains("line 3"));
        assert!(parse_error("a: [-1]").starts_with("a[0]: invalid type: integer `-1`"));
        assert!(parse_error("- 1").contains("a map from node names"));
        let short =
            "n:\n  - index: 2\n    pubkey_hex: abcd\n    privkey_file: validator_2_sk.ssz\n";
        assert_eq!(
            parse_error(short),
            "n: validator 2: pubkey_hex: a public key has 52 bytes, this one 2"
        );
    }

    #[test]
    fn unknown_nodes_and_indices_beyond_the_registry_are_named() {
        let assignments = ValidatorAssignments {
            path: "validators.yaml".into(),
            nodes: vec![plain("a", &[0]), plain("b", &[2])],
        };
        assert_eq!(
            assignments.of_node("c").unwrap_err().to_string(),
            "validators.yaml: no node is called \"c\"; the file knows a, b"
        );
        assert_eq!(assignments.of_node("b").unwrap()[0].index, 2);
        let genesis = GenesisConfig {
            genesis_time: 0,
            slot_duration: quartet_types::SlotDuration::default(),
            log_active_epochs: None,
            validators: vec![PublicKey::default(); 2],
        };
        assert_eq!(
            assignments.check(&genesis).unwrap_err().to_string(),
            "validators.yaml: b: validator 2 is beyond the genesis registry of 2 validators"
        );
    }

    #[test]
    fn an_annotated_key_must_be_the_registrys() {
        let mut node = plain("a", &[0]);
        node.validators[0].key = Some(AnnotatedKey {
            public_key: PublicKey([1; 52]),
            secret_key_file: "k".into(),
        });
        let assignments = ValidatorAssignments {
            path: "v".into(),
            nodes: vec![node],
        };
        let mut genesis = GenesisConfig {
            genesis_time: 0,
            slot_duration: quartet_types::SlotDuration::default(),
            log_active_epochs: None,
            validators: vec![PublicKey([1; 52])],
        };
        assignments.check(&genesis).unwrap();
        genesis.validators[0] = PublicKey([2; 52]);
        let error = assignments.check(&genesis).unwrap_err();
        assert!(matches!(
            *error.problem,
            Problem::PublicKeyMismatch { index: 0, .. }
        ));
    }
}
