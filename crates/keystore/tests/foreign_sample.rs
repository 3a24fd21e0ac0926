//! The sample devnet's secret keys, made by other tools: loaded as they are, they sign for the registry.

#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use quartet_keystore::{
    ForeignFormat, KeyConversion, KeyFormat, KeyRequest, Loading, MachineLocks, Signer, convert,
    inspect, load_signer_with, record::SigningRecord,
};
use quartet_spec_tests::{LARGE_KEYS, Vectors};
use quartet_types::{PublicKey, Root};
use quartet_xmss::{Scheme, Verification};

/// The folder of the sample's keys, or `None` where the large ones are not there.
fn sample_keys() -> Option<PathBuf> {
    let vectors = Vectors::find(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut keys = LARGE_KEYS.iter().map(|name| vectors.path(name).unwrap());
    let are_there = keys.all(|key| key.is_some());
    if !are_there {
        eprintln!("skipped: only a directory in LEAN_VECTORS can have large keys");
    }
    are_there.then(|| {
        vectors
            .root()
            .join("own/devnet-sample/genesis/hash-sig-keys")
    })
}

/// The public key that the sample's manifest states for a validator.
fn stated(keys: &Path, index: u64) -> PublicKey {
    let manifest = fs::read_to_string(keys.join("validator-keys-manifest.yaml")).unwrap();
    let entry = manifest.split(&format!("index: {index}")).nth(1).unwrap();
    let hex = entry.split("pubkey_hex: ").nth(1).unwrap();
    let bytes = const_hex::decode(hex.lines().next().unwrap()).unwrap();
    PublicKey::try_from(bytes.as_slice()).unwrap()
}

/// The unpacked key of a validator in a directory of its own.
fn unpack(keys: &Path, directory: &Path, index: u64, format: ForeignFormat) -> PathBuf {
    let name = format.file_name(index);
    let path = directory.join(&name);
    let packed = File::open(keys.join(format!("{}.gz", name.display()))).unwrap();
    std::io::copy(
        &mut GzDecoder::new(packed),
        &mut File::create(&path).unwrap(),
    )
    .unwrap();
    path
}

/// Loads a key that other tests load at the same time.
fn load(directory: &Path, request: &KeyRequest, record: &SigningRecord) -> Signer {
    let loading = Loading {
        locks: MachineLocks::scoped(directory.display().to_string()),
        ..Loading::default()
    };
    load_signer_with(directory, request, &loading, record, &|_| {}).unwrap()
}

#[test]
fn foreign_keys_sign_and_our_verifier_accepts() {
    let Some(keys) = sample_keys() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let record = SigningRecord::open(&directory.path().join("record")).unwrap();
    for (index, format) in [(0, ForeignFormat::Ssz), (1, ForeignFormat::Json)] {
        let path = unpack(&keys, directory.path(), index, format);
        let public_key = stated(&keys, index);
        let report = inspect(&path, None).unwrap();
        assert_eq!(report.format, KeyFormat::Foreign(format));
        assert_eq!((report.public_key, report.active), (public_key, 0..1 << 18));

        // Of manifests it is known that they name `.ssz` where there is only `.json`.
        let file = Some(ForeignFormat::Ssz.file_name(index));
        let request = KeyRequest {
            index,
            public_key,
            file,
        };
        let signer = load(directory.path(), &request, &record);
        let message = Root::repeat_byte(7);
        let signature = signer.sign(70_000, message).unwrap();
        let accepted = Scheme::Production.verify(&Verification {
            public_key: public_key.as_bytes(),
            epoch: 70_000,
            message: &message.0,
            signature: signature.as_bytes(),
        });
        assert!(accepted, "{}", path.display());
        drop(signer);

        // Taken over into our own form, it is the same key in less than a hundredth of the bytes.
        let own = directory.path().join(format!("own/validator_{index}.yaml"));
        let conversion = KeyConversion {
            source: &path,
            target: &own,
            expected: Some(&public_key),
            source_passphrase: None,
            target_passphrase: None,
        };
        convert(conversion, &|_| {}).unwrap();
        let taken_over = load(own.parent().unwrap(), &request, &record);
        assert_eq!(taken_over.free_from(), Some(70_001));
        let again = taken_over.sign(70_000, message).unwrap();
        assert_eq!(again, signature);
        let bytes = |path: &Path| fs::metadata(path).unwrap().len();
        let ours = bytes(&own) + bytes(&own.with_extension("trees"));
        assert!(ours * 100 < bytes(&path), "{ours} bytes");
    }
}

/// Foreign keys have two bottom trees prepared. The third is built while epochs pass in the second, a piece at
/// a time, and a restart goes on where the last one was.
#[test]
fn the_next_bottom_tree_is_built_ahead_across_restarts() {
    let Some(keys) = sample_keys() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let path = unpack(&keys, directory.path(), 0, ForeignFormat::Ssz);
    let record = SigningRecord::open(&directory.path().join("record")).unwrap();
    let request = KeyRequest {
        index: 0,
        public_key: stated(&keys, 0),
        file: None,
    };
    let epoch = 1 << 16;
    let live = || {
        let signer = load(directory.path(), &request, &record);
        // The parts around this epoch and the next ones come first, then what is kept every 32 pieces.
        for _ in 0..2 + 32 {
            assert!(signer.work_ahead(epoch).unwrap());
        }
        assert!(signer.is_prepared(epoch) && signer.is_prepared(epoch + 256));
        let trees = fs::metadata(path.with_extension("trees")).unwrap();
        trees.len()
    };
    let (first, second) = (live(), live());
    assert_eq!(second - first, 32 * 32);
}
