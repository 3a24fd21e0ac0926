//! A devnet's files, as people and other clients write them.

use std::{fs, path::Path};

use quartet_config::{
    Bootnode, DevnetPlan, GenesisConfig, KeyManifest, NodeKey, ValidatorAssignments,
};

use crate::input::Input;

/// Any text in any of the files: an error that names the file, or values within their limits. What we write ourselves of a value
/// that was read, is read as the same.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.below(7);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, input.rest()).unwrap();
    match kind {
        0 => genesis(&path),
        1 => {
            if let Ok(plan) = DevnetPlan::read(&path) {
                assert_eq!(plan.round_robin().len(), plan.nodes.len());
            }
        }
        2 => manifest(&path),
        3 => assignments(&path),
        4 => {
            let _ = Bootnode::read(&path);
        }
        5 => {
            if let Ok(key) = NodeKey::read(&path) {
                let again = directory.path().join("again");
                key.write(&again).unwrap();
                let read = NodeKey::read(&again).unwrap();
                assert_eq!(read.secret_bytes(), key.secret_bytes());
            }
        }
        _ => together(input.rest(), &path),
    }
}

fn genesis(path: &Path) {
    let Ok((config, _unknown)) = GenesisConfig::read_with_unknown(path) else {
        return;
    };
    let state = config.state().unwrap();
    assert_eq!(state.validator_count(), config.validators.len() as u64);
    let _: serde_json::Value = serde_json::from_str(&config.genesis_json()).unwrap();
    config.write(path).unwrap();
    assert_eq!(GenesisConfig::read(path).unwrap(), config);
}

fn manifest(path: &Path) {
    if let Ok(manifest) = KeyManifest::read(path) {
        manifest.write(path).unwrap();
        let again = KeyManifest::read(path).unwrap();
        assert_eq!(again.validators.len(), manifest.validators.len());
        for entry in &manifest.validators {
            assert_eq!(
                again.entry(entry.index).unwrap().public_key,
                entry.public_key
            );
        }
    }
}

fn assignments(path: &Path) {
    if let Ok(assignments) = ValidatorAssignments::read(path) {
        let _ = assignments.of_node("quartet_0");
    }
}

/// A registry, and who has which of its validators.
fn together(bytes: &[u8], path: &Path) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    fs::write(path, parts.next().unwrap_or_default()).unwrap();
    let Ok(genesis) = GenesisConfig::read(path) else {
        return;
    };
    fs::write(path, parts.next().unwrap_or_default()).unwrap();
    if let Ok(assignments) = ValidatorAssignments::read(path)
        && assignments.check(&genesis).is_ok()
        && let Ok(validators) = assignments.of_node("quartet_0")
    {
        let count = genesis.validators.len() as u64;
        assert!(validators.iter().all(|validator| validator.index < count));
    }
}
