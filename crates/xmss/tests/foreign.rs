//! Secret keys of another implementation, as a devnet hands them out.

mod common;

use std::io::Read;

use common::vectors;
use flate2::read::GzDecoder;
use quartet_xmss::{ForeignKey, PublicKey, Scheme, SecretKey, Threads, Trees, Verification};

const PUBLIC_KEYS: [&str; 2] = [
    "17cb10578e7ef545de4d3d7cd0c73f5c29c8b9185d1c0f6a8e5e7f429940df290a7ef14dc1dc8f00b036092c76a91157d3a6d44c",
    "00667d10e9005f46aab6146d06574b106d2cb75b243a060d7ebbb92ea84f17475c02db61d42476440a5404080c307c35caafea1d",
];

/// A key's bytes, or `None` where large keys are not there.
fn unpacked(name: &str) -> Option<Vec<u8>> {
    let name = format!("own/devnet-sample/genesis/hash-sig-keys/{name}");
    let Some(path) = vectors().path(&name).expect("a large key") else {
        eprintln!("skipped: only a directory in LEAN_VECTORS can have {name}");
        return None;
    };
    let mut bytes = Vec::new();
    let file =
        std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    GzDecoder::new(file).read_to_end(&mut bytes).expect("gzip");
    Some(bytes)
}

fn public_key(index: usize) -> PublicKey {
    PublicKey::from_bytes(&const_hex::decode(PUBLIC_KEYS[index]).expect("hex"))
        .expect("a public key")
}

fn signs_across_its_range(key: &mut SecretKey) {
    let public_key = key.public_key().to_bytes();
    for epoch in [0, 255, 256, 65_535, 65_536, 131_071] {
        key.prepare(epoch).expect("the nodes fit the secrets");
        let signature = key.sign(epoch, &[7; 32]).expect("prepared");
        let verification = Verification {
            public_key: &public_key,
            epoch,
            message: &[7; 32],
            signature: &signature[..],
        };
        assert!(Scheme::Production.verify(&verification));
    }
}

#[test]
fn ssz_key_signs_and_is_written_back_as_it_was() {
    let Some(bytes) = unpacked("validator_0_sk.ssz.gz") else {
        return;
    };
    let foreign = ForeignKey::from_ssz_bytes(&bytes).expect("leanSig's encoding");
    assert_eq!(foreign.to_ssz_bytes()[..], bytes);
    let mut key = foreign
        .import(Scheme::Production, Some(&public_key(0)))
        .expect("a whole key");
    assert_eq!(key.active(), 0..1 << 18);
    assert_eq!(
        key.stored_tree_epochs(),
        std::slice::from_ref(&(0..1 << 17))
    );
    signs_across_its_range(&mut key);

    // What we export are the same trees; only the node beside the root, which is never read, is ours.
    let mut exported = ForeignKey::export(&key, 0, Threads::Pool, &|_| ()).expect("whole trees");
    let theirs = foreign.top_tree.layers[16].nodes[1];
    exported.top_tree.layers[16].nodes[1] = theirs;
    assert!(exported == foreign);

    let other = public_key(1);
    let error = foreign
        .import(Scheme::Production, Some(&other))
        .expect_err("another public key");
    assert!(error.to_string().contains("rebuild them"), "{error}");
}

#[test]
fn json_key_in_montgomery_form_signs() {
    let Some(bytes) = unpacked("validator_1_sk.json.gz") else {
        return;
    };
    let foreign: ForeignKey = serde_json::from_slice(&bytes).expect("leanSig's JSON");
    let mut key = foreign
        .import(Scheme::Production, Some(&public_key(1)))
        .expect("a whole key");
    signs_across_its_range(&mut key);
    let written = serde_json::to_vec(&foreign).expect("plain data");
    assert!(serde_json::from_slice::<ForeignKey>(&written).expect("our JSON") == foreign);
}

#[test]
fn truncated_and_bent_encodings_are_errors() {
    let Some(mut bytes) = unpacked("validator_0_sk.ssz.gz") else {
        return;
    };
    for length in [0, 31, 52, 87, 88, 200, 5000, bytes.len() - 1] {
        assert!(
            ForeignKey::from_ssz_bytes(&bytes[..length]).is_err(),
            "{length} bytes"
        );
    }
    for position in [68, 80, 84, 88 + 16, 88 + 20] {
        let byte = std::mem::replace(&mut bytes[position], 0xff);
        assert!(
            ForeignKey::from_ssz_bytes(&bytes).is_err(),
            "byte {position}"
        );
        bytes[position] = byte;
    }
}

#[test]
fn damaged_node_is_found_on_import() {
    let Some(mut bytes) = unpacked("validator_0_sk.ssz.gz") else {
        return;
    };
    // Somewhere among the nodes that we keep of the last tree.
    let position = bytes.len() - 12 * 1024;
    bytes[position] ^= 1;
    let foreign = ForeignKey::from_ssz_bytes(&bytes).expect("still an encoding");
    assert!(
        foreign
            .import(Scheme::Production, Some(&public_key(0)))
            .is_err()
    );
}

#[test]
fn next_bottom_tree_is_built_piece_by_piece_across_a_restart() {
    let Some(bytes) = unpacked("validator_0_sk.ssz.gz") else {
        return;
    };
    let foreign = ForeignKey::from_ssz_bytes(&bytes).expect("leanSig's encoding");
    let mut key = foreign
        .import(Scheme::Production, Some(&public_key(0)))
        .expect("a whole key");
    let epoch = 2 << 16;
    let mut pieces = 0;
    while let Some(work) = key.work_for(epoch) {
        key.accept(work.run()).expect("fits");
        pieces += 1;
        if pieces == 100 {
            // What is done so far survives in the trees' encoding.
            let trees = Trees::from_bytes(&key.trees().to_bytes()).expect("our own encoding");
            let material = key.material().clone();
            let (loaded, damaged) =
                SecretKey::load(material, trees, &public_key(0)).expect("undamaged");
            assert!(damaged.is_empty());
            key = loaded;
        }
    }
    // The nodes of the tree, then the subtree of the epoch once more with all its layers.
    assert_eq!(pieces, 256 + 1);
    assert_eq!(
        key.stored_tree_epochs(),
        std::slice::from_ref(&(0..3 << 16))
    );
    let public_key = key.public_key().to_bytes();
    let signature = key.sign(epoch, &[3; 32]).expect("prepared");
    let verification = Verification {
        public_key: &public_key,
        epoch,
        message: &[3; 32],
        signature: &signature[..],
    };
    assert!(Scheme::Production.verify(&verification));
}
