//! A devnet's genesis directory, written from its plan and its validators' public keys.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use quartet_types::PublicKey;

use crate::{
    AnnotatedKey, AssignedValidator, DevnetPlan, FileError, GenesisConfig, KeyManifest,
    MANIFEST_FILE, ManifestEntry, NodeAssignment, NodeKey, NodeRecord, PRODUCTION_SCHEME, Problem,
    assignments, bootnodes, files,
};

/// Everything that the files of a genesis directory say.
#[derive(Clone, Debug)]
pub struct GenesisDirectory {
    /// `config.yaml` and `genesis.json`.
    pub config: GenesisConfig,
    /// `validators.yaml` and `annotated_validators.yaml`.
    pub assignments: Vec<NodeAssignment>,
    /// `nodes.yaml` and `<node>.key`, in the order of the assignments.
    pub identities: Vec<(NodeKey, NodeRecord)>,
    /// `hash-sig-keys/validator-keys-manifest.yaml`.
    pub manifest: KeyManifest,
}

/// A validator's public key, and the file in the directory of keys that holds its secret key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorKey {
    /// The public key.
    pub public_key: PublicKey,
    /// The secret key's file, relative to the directory of keys.
    pub secret_key_file: PathBuf,
}

/// A plan needs one key for each validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plan has {validators} validators, but {keys} keys were given")]
pub struct WrongKeyCount {
    /// Validators in the plan.
    pub validators: u64,
    /// Keys given.
    pub keys: usize,
}

impl GenesisDirectory {
    /// The directory's contents; `keys` in the order of the registry. Nodes that the plan has no key for get a new one.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] with [`WrongKeyCount`] when there is not one key for each
    /// validator; others when a node's identity cannot be made.
    pub fn new(
        plan: &DevnetPlan,
        genesis_time: u64,
        keys: &[ValidatorKey],
    ) -> Result<Self, io::Error> {
        if keys.len() as u64 != plan.validator_count() {
            let wrong = WrongKeyCount {
                validators: plan.validator_count(),
                keys: keys.len(),
            };
            return Err(io::Error::new(io::ErrorKind::InvalidInput, wrong));
        }
        let entry = |(key, index): (&ValidatorKey, u64)| ManifestEntry {
            index,
            public_key: key.public_key,
            secret_key_file: key.secret_key_file.clone(),
        };
        let manifest: Vec<_> = keys.iter().zip(0..).map(entry).collect();
        let assigned = |index: u64| {
            let entry = manifest.get(usize::try_from(index).ok()?)?;
            let key = AnnotatedKey {
                public_key: entry.public_key,
                secret_key_file: entry.secret_key_file.clone(),
            };
            let key = Some(key);
            Some(AssignedValidator { index, key })
        };
        let assignments = plan.nodes.iter().zip(plan.round_robin());
        let assignments = assignments.map(|(node, indices)| NodeAssignment {
            name: node.name.clone(),
            validators: indices.into_iter().filter_map(assigned).collect(),
        });
        let identity = |node: &crate::PlannedNode| {
            let key = node.key.clone().map_or_else(NodeKey::generate, Ok)?;
            let address = SocketAddr::new(node.ip, node.quic_port);
            let record = NodeRecord::new(&key, address, node.seq).map_err(io::Error::other)?;
            Ok((key, record))
        };
        Ok(Self {
            config: GenesisConfig {
                genesis_time,
                slot_duration: plan.slot_duration,
                log_active_epochs: Some(plan.log_active_epochs),
                validators: keys.iter().map(|key| key.public_key).collect(),
            },
            assignments: assignments.collect(),
            identities: (plan.nodes.iter().map(identity)).collect::<Result<_, io::Error>>()?,
            manifest: KeyManifest {
                scheme: Some(PRODUCTION_SCHEME.to_owned()),
                log_active_epochs: Some(plan.log_active_epochs),
                validators: manifest,
            },
        })
    }

    /// Writes the files into `directory`, which is made where missing; files there are replaced. Secret keys of
    /// validators are not among them: they belong into `directory/hash-sig-keys`, beside the manifest.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, directory: &Path) -> Result<(), FileError> {
        let keys = directory.join("hash-sig-keys");
        fs::create_dir_all(&keys).map_err(|error| Problem::Unwritable(error).in_file(&keys))?;
        self.manifest.write(&keys.join(MANIFEST_FILE))?;
        let nodes = self.assignments.as_slice();
        files::write(
            &directory.join("validators.yaml"),
            &assignments::plain_yaml(nodes),
        )?;
        files::write(
            &directory.join("annotated_validators.yaml"),
            &assignments::annotated_yaml(nodes),
        )?;
        let records: Vec<_> = self.identities.iter().map(|(_, r)| r.clone()).collect();
        files::write(
            &directory.join("nodes.yaml"),
            &bootnodes::nodes_yaml(&records),
        )?;
        files::write(&directory.join("genesis.json"), &self.config.genesis_json())?;
        for (node, (key, _)) in nodes.iter().zip(&self.identities) {
            key.write(&directory.join(format!("{}.key", node.name)))?;
        }
        // Last, since scripts wait for it.
        self.config.write(&directory.join("config.yaml"))
    }
}
