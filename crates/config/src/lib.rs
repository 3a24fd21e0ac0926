//! The files that a devnet hands to a node, read and written: config, validators, nodes, node key,
//! key manifest, the `validator-config.yaml` from which all of them are made, and templates of other clients' commands.
//!
//! Every error names the file and the line, entry or field in it. Fields that are not ours are tolerated, and can be
//! listed. Nothing here is used once a node runs; the keystore crate reads validators' secret keys.
//!
//! # Where to begin
//!
//! [`DevnetPlan`] is what people write; [`GenesisDirectory::new`] makes everything else of it. Of that, a node reads
//!
//! | file | as | says |
//! | --- | --- | --- |
//! | `config.yaml` | [`GenesisConfig`] | genesis time, the length of a slot, the registry: all that the genesis state follows from |
//! | `validators.yaml`, `annotated_validators.yaml` | [`ValidatorAssignments`] | which node runs which validators |
//! | `nodes.yaml` | [`Bootnode`], [`NodeRecord`] | whom to dial |
//! | `<node>.key` | [`NodeKey`] | the node's identity |
//! | `hash-sig-keys/validator-keys-manifest.yaml` | [`KeyManifest`] | which file holds which validator's key |
//!
//! A [`ClientTemplate`] says how a program other than this one is run on the same files.
//!
//! # Example
//!
//! ```
//! use std::fs;
//!
//! use quartet_config::GenesisConfig;
//! use quartet_types::PublicKey;
//!
//! let directory = tempfile::tempdir()?;
//! let path = directory.path().join("config.yaml");
//! let key = "ab".repeat(52);
//! fs::write(&path, format!("GENESIS_TIME: 1800000000\nGENESIS_VALIDATORS:\n  - \"{key}\"\n"))?;
//!
//! let config = GenesisConfig::read(&path)?;
//! assert_eq!(config.genesis_time, 1_800_000_000);
//! assert_eq!(config.slot_duration.as_millis(), 4_000);
//! assert_eq!(config.state()?.public_key(0), Some(&PublicKey([0xab; 52])));
//!
//! fs::write(&path, "GENESIS_TIME: soon\nGENESIS_VALIDATORS: []\n")?;
//! let error = GenesisConfig::read(&path).unwrap_err().to_string();
//! assert!(error.contains("config.yaml") && error.contains("GENESIS_TIME"), "{error}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod assignments;
mod bootnodes;
mod client;
mod directory;
mod error;
mod files;
mod genesis;
mod manifest;
mod node_key;
mod node_record;
mod plan;
mod public_key;
mod unknown;

pub use assignments::{AnnotatedKey, AssignedValidator, NodeAssignment, ValidatorAssignments};
pub use bootnodes::{Bootnode, BootnodesError};
pub use client::{
    ClientTemplate, ClientViewSources, Filled, GenesisFile, KeyForm, MetricPattern, Placeholder,
    Served, Source, StopSignal,
};
pub use directory::{GenesisDirectory, ValidatorKey, WrongKeyCount};
pub use error::{FileError, Problem};
pub use genesis::GenesisConfig;
pub use manifest::{KeyManifest, MANIFEST_FILE, ManifestEntry, PRODUCTION_SCHEME};
pub use node_key::{InvalidNodeKey, NodeKey};
pub use node_record::{NodeRecord, NodeRecordError};
pub use plan::{DevnetPlan, PlannedNode};
