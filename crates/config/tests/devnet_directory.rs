//! Whole genesis directories: one made by other tools, and our own, written and read back.

#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use quartet_config::{
    Bootnode, DevnetPlan, GenesisConfig, GenesisDirectory, KeyManifest, MANIFEST_FILE, NodeKey,
    PlannedNode, ValidatorAssignments, ValidatorKey,
};
use quartet_spec_tests::Vectors;
use quartet_types::{Block, BlockBody, PublicKey};
use tree_hash::TreeHash as _;

/// The sample devnet, made by other tools.
fn sample() -> PathBuf {
    let vectors = Vectors::find(env!("CARGO_TARGET_TMPDIR")).unwrap();
    vectors.root().join("own/devnet-sample")
}

#[test]
fn the_sample_devnets_genesis_has_the_expected_roots() {
    let sample = sample();
    let expected = std::fs::read(sample.join("expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();

    let config = GenesisConfig::read(&sample.join("genesis/config.yaml")).unwrap();
    assert_eq!(config.genesis_time, expected["genesis_time"]);
    assert_eq!(config.validators.len() as u64, expected["validators"]);

    let state_root = config.state().unwrap().tree_hash_root();
    let block = Block {
        slot: 0,
        proposer_index: 0,
        parent_root: Default::default(),
        state_root,
        body: BlockBody::default(),
    };
    assert_eq!(state_root.to_string(), expected["genesis_state_root"]);
    assert_eq!(
        block.tree_hash_root().to_string(),
        expected["genesis_block_root"]
    );
}

#[test]
fn the_sample_devnets_files_agree_with_each_other() {
    let sample = sample();
    let genesis = sample.join("genesis");
    let config = GenesisConfig::read(&genesis.join("config.yaml")).unwrap();
    let plain = ValidatorAssignments::read(&genesis.join("validators.yaml")).unwrap();
    let annotated = ValidatorAssignments::read(&genesis.join("annotated_validators.yaml")).unwrap();
    plain.check(&config).unwrap();
    annotated.check(&config).unwrap();
    for node in &plain.nodes {
        let indices: Vec<_> = node.validators.iter().map(|v| v.index).collect();
        let other = annotated.of_node(&node.name).unwrap();
        assert_eq!(indices, other.iter().map(|v| v.index).collect::<Vec<_>>());
    }
    let manifest = KeyManifest::read(&genesis.join("hash-sig-keys").join(MANIFEST_FILE)).unwrap();
    assert_eq!(manifest.log_active_epochs, config.log_active_epochs);
    for (key, index) in config.validators.iter().zip(0..) {
        assert_eq!(manifest.entry(index).unwrap().public_key, *key);
    }

    let bootnodes = Bootnode::read(&genesis.join("nodes.yaml")).unwrap();
    assert_eq!(bootnodes.len(), 4);
    for ((bootnode, node), port) in bootnodes.iter().zip(&plain.nodes).zip(9000..) {
        let Bootnode::Enr(record) = bootnode else {
            panic!("{bootnode:?} is not a record");
        };
        let expected = SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(record.address(), Some(expected));
        let key = NodeKey::read(&genesis.join(format!("{}.key", node.name))).unwrap();
        assert_eq!(record.public_key(), key.public_key());
    }
}

#[test]
fn a_written_directory_is_read_back() {
    let node = |name: &str, validators| PlannedNode {
        name: name.to_owned(),
        key: None,
        ip: [127, 0, 0, 1].into(),
        quic_port: 9000,
        metrics_port: None,
        seq: 1,
        validators,
    };
    let plan = DevnetPlan {
        slot_duration: quartet_types::SlotDuration::default(),
        log_active_epochs: 18,
        nodes: vec![node("quartet_0", 2), node("null", 1), node("1e5", 0)],
    };
    let keys: Vec<_> = (0u8..3)
        .map(|index| ValidatorKey {
            public_key: PublicKey([0x11 * (index + 1); 52]),
            secret_key_file: format!("validator_{index}.yaml").into(),
        })
        .collect();
    let made = GenesisDirectory::new(&plan, 1_795_211_904, &keys).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("genesis");
    made.write(&path).unwrap();
    made.write(&path).unwrap();

    let config = GenesisConfig::read(&path.join("config.yaml")).unwrap();
    assert_eq!(config, made.config);
    let annotated = ValidatorAssignments::read(&path.join("annotated_validators.yaml")).unwrap();
    // The one without validators is left out, and known by its key.
    assert_eq!(annotated.nodes, made.assignments[..2]);
    assert_eq!(annotated.of_node("1e5").unwrap(), []);
    assert!(annotated.of_node("1e6").is_err());
    annotated.check(&config).unwrap();
    let plain = ValidatorAssignments::read(&path.join("validators.yaml")).unwrap();
    assert_eq!(plain.of_node("null").unwrap()[0].index, 1);
    assert_eq!(plain.of_node("1e5").unwrap(), []);
    let manifest = KeyManifest::read(&path.join("hash-sig-keys").join(MANIFEST_FILE)).unwrap();
    assert_eq!(manifest, made.manifest);
    let records = made
        .identities
        .iter()
        .map(|(_, r)| Bootnode::Enr(r.clone()));
    assert_eq!(
        Bootnode::read(&path.join("nodes.yaml")).unwrap(),
        records.collect::<Vec<_>>()
    );
    let key = NodeKey::read(&path.join("quartet_0.key")).unwrap();
    assert_eq!(key.public_key(), made.identities[0].0.public_key());
}

#[test]
fn a_plan_needs_one_key_for_each_validator() {
    let plan = DevnetPlan {
        slot_duration: quartet_types::SlotDuration::default(),
        log_active_epochs: 18,
        nodes: vec![PlannedNode {
            name: "a".to_owned(),
            key: None,
            ip: [127, 0, 0, 1].into(),
            quic_port: 1,
            metrics_port: None,
            seq: 1,
            validators: 2,
        }],
    };
    let error = GenesisDirectory::new(&plan, 0, &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the plan has 2 validators, but 0 keys were given"
    );
}

#[test]
fn a_missing_file_is_named() {
    let error = GenesisConfig::read(Path::new("nowhere/config.yaml")).unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("nowhere/config.yaml: cannot be read: No such file"));
}
