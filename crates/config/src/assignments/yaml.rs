//! The shapes of the files' YAML.
//!
//! They are visited by hand rather than through `#[serde(untagged)]`: untagged values are buffered as whatever YAML takes
//! them for, and an unquoted public key of digits would become a float.

use std::{fmt, path::PathBuf};

use quartet_types::ValidatorIndex;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::{AnnotatedKey, AssignedValidator};
use crate::{Problem, public_key};

pub(super) struct NodeList(Vec<(String, Node)>);

enum Node {
    Validators(Vec<Entry>),
    /// Some tools wrap the whole map in a `validators` field.
    Wrapper(NodeList),
}

pub(super) enum Entry {
    Plain(ValidatorIndex),
    Annotated(AnnotatedEntry),
}

#[derive(Deserialize)]
pub(super) struct AnnotatedEntry {
    index: ValidatorIndex,
    #[serde(alias = "publicKey")]
    pubkey_hex: String,
    privkey_file: PathBuf,
}

impl NodeList {
    pub(super) fn flatten(self) -> Vec<(String, Vec<Entry>)> {
        let nodes = self.0.into_iter().map(|(name, node)| match node {
            Node::Validators(entries) => vec![(name, entries)],
            Node::Wrapper(inner) => inner.flatten(),
        });
        nodes.flatten().collect()
    }
}

impl Entry {
    pub(super) fn index(&self) -> ValidatorIndex {
        match self {
            Self::Plain(index) => *index,
            Self::Annotated(entry) => entry.index,
        }
    }

    pub(super) fn into_validator(self, node: &str) -> Result<AssignedValidator, Problem> {
        let index = self.index();
        let key = match self {
            Self::Plain(_) => None,
            Self::Annotated(entry) => Some(AnnotatedKey {
                public_key: public_key::parse(&entry.pubkey_hex, || {
                    format!("{node}: validator {index}: pubkey_hex")
                })?,
                secret_key_file: entry.privkey_file,
            }),
        };
        Ok(AssignedValidator { index, key })
    }
}

impl<'de> Deserialize<'de> for NodeList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = NodeList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from node names to validator indices")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NodeList, A::Error> {
                let mut nodes = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    nodes.push(entry);
                }
                Ok(NodeList(nodes))
            }
        }

        deserializer.deserialize_map(Names)
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Validators;

        impl<'de> Visitor<'de> for Validators {
            type Value = Node;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of validator indices")
            }

            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Validators(Vec::new()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = list.next_element()? {
                    entries.push(entry);
                }
                Ok(Node::Validators(entries))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Node, A::Error> {
                NodeList::deserialize(MapAccessDeserializer::new(map)).map(Node::Wrapper)
            }
        }

        deserializer.deserialize_any(Validators)
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Validator;

        impl<'de> Visitor<'de> for Validator {
            type Value = Entry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a validator index, or one with its key")
            }

            fn visit_u64<E>(self, index: u64) -> Result<Entry, E> {
                Ok(Entry::Plain(index))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Entry, A::Error> {
                AnnotatedEntry::deserialize(MapAccessDeserializer::new(map)).map(Entry::Annotated)
            }
        }

        deserializer.deserialize_any(Validator)
    }
}
