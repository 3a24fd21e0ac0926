//! Key files of all kinds: our keystores, leanSig's SSZ and JSON, the trees and the mark that lie beside.

use std::{fs, path::Path, sync::OnceLock};

use quartet_keystore::{Keystore, Passphrase, inspect};
use quartet_xmss::{ForeignKey, KeyMaterial, Scheme, SecretKey, Threads};
use rand::{SeedableRng as _, rngs::StdRng};

use crate::input::Input;

/// Files with bytes changed, and any bytes at all: an error, or a key whose parts fit together; a changed public key, mark or
/// tree never goes unnoticed as something else.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let directory = tempfile::tempdir().unwrap();
    let kind = input.below(8);
    let (name, base) = match kind {
        0 => ("validator_0.yaml", &[][..]),
        1 | 2 => ("validator_0.yaml", &samples().keystore[..]),
        3 => ("validator_0_sk.ssz", &[][..]),
        4 => ("validator_0_sk.ssz", &samples().ssz[..]),
        5 => ("validator_0_sk.json", &[][..]),
        6 => ("validator_0_sk.json", &samples().json[..]),
        _ => ("validator_0.yaml", &samples().keystore[..]),
    };
    let path = directory.path().join(name);
    fs::write(directory.path().join("validator_0.mark"), mark(&mut input)).unwrap();
    if kind == 7 {
        fs::write(&path, base).unwrap();
        let trees = changed(&samples().trees, &mut input);
        fs::write(directory.path().join("validator_0.trees"), trees).unwrap();
    } else {
        fs::write(&path, changed(base, &mut input)).unwrap();
    }
    look(&path);
}

fn look(path: &Path) {
    // Only what says itself that it costs next to nothing is worth a passphrase here.
    let text = fs::read(path).unwrap();
    let text = String::from_utf8_lossy(&text);
    let is_cheap = text.contains("memory_kib: 8\n") && text.contains("passes: 1\n");
    let passphrase = Passphrase::new("a passphrase".to_owned());
    if let Ok(report) = inspect(path, is_cheap.then_some(&passphrase)) {
        assert!(report.active.start < report.active.end);
        let again = inspect(path, is_cheap.then_some(&passphrase)).unwrap();
        assert_eq!(again.public_key, report.public_key);
    }
}

/// A mark: none that can be read, or what one may look like.
fn mark(input: &mut Input<'_>) -> Vec<u8> {
    let line = |epoch: u64| {
        format!(
            "quartet mark 1, keep it beside its key: 0x00 may have signed below epoch {epoch:020} "
        )
    };
    match input.below(4) {
        0 => input.piece().to_vec(),
        1 => [line(input.any_size()), line(input.any_size())]
            .map(|line| format!("{line:<511}\n"))
            .concat()
            .into_bytes(),
        _ => Vec::new(),
    }
}

/// `base` with some of it replaced, inserted or cut off; without a base, what is left of the input.
fn changed(base: &[u8], input: &mut Input<'_>) -> Vec<u8> {
    if base.is_empty() {
        return input.rest().to_vec();
    }
    let mut bytes = base.to_vec();
    while !input.is_empty() {
        let at = u32::from_le_bytes(input.array()) as usize % (bytes.len() + 1);
        match input.below(8) {
            0 => bytes.truncate(at),
            1 => {
                let piece = input.take(8);
                bytes.splice(at..at, piece.iter().copied());
            }
            2 => {
                let end = bytes.len().min(at + input.below(64));
                bytes.drain(at..end);
            }
            length => {
                for (to, from) in bytes[at..].iter_mut().zip(input.take(length)) {
                    *to = *from;
                }
            }
        }
    }
    bytes
}

struct Samples {
    keystore: Vec<u8>,
    trees: Vec<u8>,
    ssz: Vec<u8>,
    json: Vec<u8>,
}

fn samples() -> &'static Samples {
    static SAMPLES: OnceLock<Samples> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let mut random = StdRng::seed_from_u64(2);
        let material =
            KeyMaterial::generate(Scheme::Test, 0, Scheme::Test.lifetime(), &mut random).unwrap();
        let key = SecretKey::build(material, Threads::One, &|_| {});
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("validator_0.yaml");
        Keystore::of_key(&key, None)
            .unwrap()
            .into_public_test_key()
            .write_new(&path)
            .unwrap();
        let foreign = ForeignKey::export(&key, 0, Threads::One, &|_| {}).unwrap();
        Samples {
            keystore: fs::read(&path).unwrap(),
            trees: key.trees().to_bytes(),
            ssz: foreign.to_ssz_bytes().to_vec(),
            json: serde_json::to_vec(&foreign).unwrap(),
        }
    })
}
