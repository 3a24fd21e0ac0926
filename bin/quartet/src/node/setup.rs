//! The files that a node is given, read and checked against each other.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use quartet_chain::{PeerName, max_useful_block_bytes};
use quartet_clock::Clock;
use quartet_config::{
    AssignedValidator, Bootnode, DevnetPlan, GenesisConfig, NodeKey, ValidatorAssignments,
};
use quartet_keystore::Marks;
use quartet_network::{AddressLimits, Identity, MAX_NAMED_PEERS, NetworkConfig, StaticPeer};
use quartet_types::Root;
use quartet_validator::Signers;
use tracing::{debug, info, warn};

use super::{NodeArgs, validator_keys::ValidatorKeys};

/// Where foreign tools put the keys, beside the validators file.
const KEYS_DIRECTORY: &str = "hash-sig-keys";

/// The plan that a devnet was made from, as lean-quickstart leaves it beside the genesis file.
const PLAN: &str = "validator-config.yaml";

/// The content of the files.
pub(crate) struct Setup {
    pub(crate) name: String,
    pub(crate) genesis: GenesisConfig,
    validators: Vec<AssignedValidator>,
    bootnodes: Vec<Bootnode>,
    pub(crate) node_key: NodeKey,
    peer_labels: BTreeMap<PeerName, String>,
}

impl Setup {
    /// Reads the files that the flags name.
    pub(crate) fn read(args: &NodeArgs) -> anyhow::Result<Self> {
        let (genesis, unknown) = GenesisConfig::read_with_unknown(&args.genesis)?;
        if !unknown.is_empty() {
            let (file, fields) = (args.genesis.display(), unknown.join(", "));
            warn!(%file, fields, "the genesis file has fields that mean nothing here; ignored");
        }
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
            peer_labels: peer_labels(&args.genesis),
        })
    }

    /// Loads the keys of this node's validators, beside the runtime: to rebuild a damaged one takes long.
    ///
    /// # Errors
    /// As [`ValidatorKeys::load`].
    pub(crate) async fn signers(&self, args: &NodeArgs, clock: &Clock) -> anyhow::Result<Signers> {
        let keys = ValidatorKeys {
            directory: keys_directory(args),
            record: args.data_dir.join("signing-record"),
            passphrase: args.passphrase.clone(),
            validators: self.validators.clone(),
            registry: self.genesis.validators.clone(),
            marks: if args.unsafe_reuse_keys {
                Marks::GivenUp
            } else {
                Marks::Heeded
            },
        };
        let clock = clock.clone();
        tokio::task::spawn_blocking(move || keys.load(&clock))
            .await
            .context("loading the keys")?
    }

    /// The network's configuration; this node itself is not among the static peers.
    pub(crate) fn network(&self, args: &NodeArgs) -> anyhow::Result<NetworkConfig> {
        let identity = Identity::from_secret(self.node_key.secret_bytes())?;
        let own_name = identity.name();
        let address = SocketAddr::new(args.listen_address, args.port);
        let mut config = NetworkConfig::new(identity, address, args.fork_name.clone());
        config.max_peers = args.max_peers;
        config.address_limits = (args.max_peers_per_address > 0).then_some(AddressLimits {
            peers: args.max_peers_per_address,
            private_too: false,
        });
        config.peer_labels = self.peer_labels.clone();
        config.validators = self.genesis.validators.len();
        config.max_block_bytes = max_useful_block_bytes(self.genesis.validators.len() as u64);
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

/// The names of the devnet's nodes, where its plan lies beside the genesis file. They are for metrics alone, so what cannot
/// be read costs no more than them.
fn peer_labels(genesis: &Path) -> BTreeMap<PeerName, String> {
    let plan = genesis.with_file_name(PLAN);
    if !plan.exists() {
        return BTreeMap::new();
    }
    let nodes = match DevnetPlan::read(&plan) {
        Ok(plan) => plan.nodes,
        Err(error) => {
            debug!(%error, "peers have no names of their own in metrics");
            return BTreeMap::new();
        }
    };
    let named = nodes.into_iter().filter_map(|node| {
        let identity = Identity::from_secret(node.key?.secret_bytes()).ok()?;
        Some((identity.name(), node.name))
    });
    named.take(MAX_NAMED_PEERS).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_named_by_the_plan_beside_the_genesis_file_if_there_is_one() {
        let directory = tempfile::tempdir().unwrap();
        let genesis = directory.path().join("config.yaml");
        assert_eq!(peer_labels(&genesis), BTreeMap::new());
        let plan = directory.path().join(PLAN);
        std::fs::write(&plan, "nothing of the kind").unwrap();
        assert_eq!(peer_labels(&genesis), BTreeMap::new());
        let key = "11".repeat(32);
        let node = |name: &str, more: &str| {
            format!(
                "  - {{name: {name}, {more}enrFields: {{ip: 127.0.0.1, quic: 9000}}, count: 1}}\n"
            )
        };
        let with_key = node("zeam_0", &format!("privkey: \"{key}\", "));
        let text = format!(
            "config: {{activeEpoch: 18}}\nvalidators:\n{with_key}{}",
            node("ream_0", "")
        );
        std::fs::write(&plan, text).unwrap();
        let identity = Identity::from_secret(&[0x11; 32]).unwrap();
        let expected = [(identity.name(), "zeam_0".to_owned())];
        assert_eq!(peer_labels(&genesis), expected.into());
    }
}
