//! The files that a node is given, read and checked against each other.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use quartet_clock::Clock;
use quartet_config::{
    AssignedValidator, Bootnode, GenesisConfig, KeyManifest, MANIFEST_FILE, NodeKey,
    ValidatorAssignments,
};
use quartet_keystore::{KeyRequest, find_key, load_signers, record::SigningRecord};
use quartet_network::{Identity, NetworkConfig, StaticPeer};
use quartet_types::{Root, Slot};
use quartet_validator::Signers;
use tracing::{error, info, warn};

use super::NodeArgs;
use crate::keys::{PassphraseArgs, is_encrypted};

/// Where foreign tools put the keys, beside the validators file.
const KEYS_DIRECTORY: &str = "hash-sig-keys";

/// What the files say.
pub(crate) struct Setup {
    pub(crate) name: String,
    pub(crate) genesis: GenesisConfig,
    validators: Vec<AssignedValidator>,
    bootnodes: Vec<Bootnode>,
    node_key: NodeKey,
}

impl Setup {
    /// Reads the files that the flags name.
    pub(crate) fn read(args: &NodeArgs) -> anyhow::Result<Self> {
        let genesis = GenesisConfig::read(&args.genesis)?;
        let validators = match (&args.validators, &args.node_id) {
            (Some(path), Some(node)) => {
                let assignments = ValidatorAssignments::read(path)?;
                assignments.check(&genesis)?;
                assignments.of_node(node)?.to_vec()
            }
            (Some(_), None) => {
                bail!("--validators needs --node-id: which of its nodes is this one?")
            }
            (None, _) => Vec::new(),
        };
        let bootnodes = match &args.bootnodes {
            Some(argument) => Bootnode::parse_argument(argument).context("--bootnodes")?,
            None => Vec::new(),
        };
        std::fs::create_dir_all(&args.data_dir)
            .with_context(|| format!("--data-dir {}: cannot be made", args.data_dir.display()))?;
        Ok(Self {
            name: args.node_id.clone().unwrap_or_else(|| "quartet".to_owned()),
            genesis,
            validators,
            bootnodes,
            node_key: read_or_make_node_key(args)?,
        })
    }

    /// Loads the keys of this node's validators, beside the runtime: to rebuild a damaged one takes long.
    pub(crate) async fn load_signers(
        self,
        args: &NodeArgs,
        clock: &Clock,
    ) -> anyhow::Result<(Self, Signers)> {
        let (directory, data_dir) = (keys_directory(args), args.data_dir.clone());
        let passphrase = args.keys_passphrase.clone();
        let started = clock.until_genesis().is_zero().then(|| clock.slot());
        let load = move || {
            let signers = self.signers(&directory, &data_dir, &passphrase, started)?;
            Ok((self, signers))
        };
        tokio::task::spawn_blocking(load)
            .await
            .context("loading the keys")?
    }

    /// Loads the keys of this node's validators. One that cannot be loaded costs the others nothing; that
    /// none can is an error.
    fn signers(
        &self,
        directory: &Path,
        data_dir: &Path,
        passphrase: &PassphraseArgs,
        started: Option<Slot>,
    ) -> anyhow::Result<Signers> {
        if self.validators.is_empty() {
            info!("no validators: following the chain");
            return Ok(Signers::default());
        }
        let requests = self.key_requests(directory)?;
        let record = SigningRecord::open(&data_dir.join("signing-record"))?;
        if let Some(slot) = started {
            record.started_in(slot)?;
        }
        let slot = started.unwrap_or(0);
        let passphrase = passphrase.for_keys(|| any_is_encrypted(directory, &requests))?;
        let mut signers = Vec::new();
        let mut failures = Vec::new();
        for (validator, result) in load_signers(directory, &requests, passphrase.as_ref(), &record)
        {
            match result {
                Ok(signer) => {
                    let active = signer.active();
                    if active.contains(&slot) {
                        info!(
                            validator,
                            last_signed = signer.last_signed(),
                            epochs_left = signer.epochs_left(slot),
                            "key loaded"
                        );
                    } else {
                        warn!(
                            validator,
                            slot,
                            first = active.start,
                            last = active.end.saturating_sub(1),
                            "the key is not active now; it signs nothing outside of its epochs"
                        );
                    }
                    signers.push(signer);
                }
                Err(error) => failures.push((validator, error)),
            }
        }
        if signers.is_empty()
            && let Some((_, error)) = failures.pop()
        {
            return Err(error).context("no key of this node can be used");
        }
        for (validator, error) in failures {
            error!(validator, %error, "a key cannot be used; its validator has no duties here");
        }
        Ok(Signers::new(signers))
    }

    fn key_requests(&self, directory: &Path) -> anyhow::Result<Vec<KeyRequest>> {
        let manifest = directory.join(MANIFEST_FILE);
        let manifest = if manifest.exists() {
            Some(KeyManifest::read(&manifest)?)
        } else {
            None
        };
        let request = |validator: &AssignedValidator| {
            let index = validator.index;
            let annotated = validator
                .key
                .as_ref()
                .map(|key| key.secret_key_file.clone());
            let listed = || Some(manifest.as_ref()?.entry(index)?.secret_key_file.clone());
            let position = usize::try_from(index).ok();
            let public_key = position.and_then(|position| self.genesis.validators.get(position));
            Some(KeyRequest {
                index,
                // `ValidatorAssignments::check` has seen to it that the registry has it.
                public_key: *public_key?,
                file: annotated.or_else(listed),
            })
        };
        Ok(self.validators.iter().filter_map(request).collect())
    }

    /// How to meet the peers; this node itself is not one of them.
    pub(crate) fn network(&self, args: &NodeArgs) -> anyhow::Result<NetworkConfig> {
        let identity = Identity::from_secret(self.node_key.secret_bytes())?;
        let own_name = identity.name();
        let address = SocketAddr::new(args.listen_address, args.port);
        let mut config = NetworkConfig::new(identity, address, args.fork_name.clone());
        for bootnode in &self.bootnodes {
            let peer: StaticPeer = match bootnode {
                Bootnode::Enr(record) => match record.address() {
                    Some(address) => StaticPeer::new(address, &record.public_key())?,
                    None => {
                        warn!(
                            seq = record.seq(),
                            "a bootnode's ENR has no `ip` and `quic` port; not dialling it"
                        );
                        continue;
                    }
                },
                Bootnode::Multiaddr(text) => text
                    .parse()
                    .with_context(|| format!("--bootnodes {text}"))?,
            };
            if peer.name().as_ref() != Some(&own_name) {
                config.static_peers.push(peer);
            }
        }
        Ok(config)
    }
}

/// Says how far away genesis is, in either direction.
pub(crate) fn log_genesis(clock: &Clock, root: Root, validators: u64) {
    let (to_go, since) = (
        clock.until_genesis().as_secs(),
        clock.since_genesis().as_secs(),
    );
    match to_go {
        0 => {
            info!(%root, validators, slot = clock.slot(), ago_s = since, "genesis is past; joining")
        }
        _ => info!(%root, validators, in_s = to_go, "genesis is ahead"),
    }
}

fn any_is_encrypted(directory: &Path, requests: &[KeyRequest]) -> bool {
    requests
        .iter()
        .any(|request| find_key(directory, request).is_ok_and(|path| is_encrypted(&path)))
}

fn keys_directory(args: &NodeArgs) -> PathBuf {
    let beside = || {
        let validators = args.validators.as_deref().unwrap_or(Path::new(""));
        validators
            .parent()
            .unwrap_or(Path::new(""))
            .join(KEYS_DIRECTORY)
    };
    args.keystores.clone().unwrap_or_else(beside)
}

/// The identity that was given, or else the data directory's own, made on the first start.
fn read_or_make_node_key(args: &NodeArgs) -> anyhow::Result<NodeKey> {
    if let Some(path) = &args.node_key {
        return Ok(NodeKey::read(path)?);
    }
    let path = args.data_dir.join("node.key");
    if path.exists() {
        return Ok(NodeKey::read(&path)?);
    }
    let key = NodeKey::generate().context("cannot make a node key")?;
    key.write(&path)?;
    Ok(key)
}
