//! The files that a devnet hands to a node, read and written: config, validators, nodes, node key,
//! key manifest, the `validator-config.yaml` from which all of them are made, and templates of other clients' commands.
//!
//! Every error names the file and the line, entry or field in it. Fields that are not ours are
//! tolerated, and named to who asks. Nothing here is used once a node runs; secret keys of validators are the keystore's.

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
    ClientTemplate, ClientViewSources, Filled, GenesisFile, KeyForm, Placeholder, Served, Source,
    StopSignal,
};
pub use directory::{GenesisDirectory, ValidatorKey, WrongKeyCount};
pub use error::{FileError, Problem};
pub use genesis::GenesisConfig;
pub use manifest::{KeyManifest, MANIFEST_FILE, ManifestEntry, PRODUCTION_SCHEME};
pub use node_key::{InvalidNodeKey, NodeKey};
pub use node_record::{NodeRecord, NodeRecordError};
pub use plan::{DevnetPlan, PlannedNode};
