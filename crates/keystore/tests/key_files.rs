//! Keys through files: made, found, loaded, damaged, converted. All with the small test scheme.

#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use quartet_keystore::{
    EncryptionError, ForeignFormat, KeyError, KeyFileProblem, KeyRequest, NewKey, Passphrase,
    SignError, Signer, SigningDuty, TreesReport, convert, export, generate, inspect,
    keystore_file_name, load_signer, load_signers, record::Refusal, record::SigningRecord,
    sign_many, verify,
};
use quartet_types::{PublicKey, Root, Signature};
use quartet_xmss::{Scheme, Verification};

/// A directory of keys, and a record.
struct Fixture {
    directory: tempfile::TempDir,
    record: SigningRecord,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let record = SigningRecord::open(&directory.path().join("record")).unwrap();
        Self { directory, record }
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    fn generate(&self, index: u64) -> PublicKey {
        generate(&self.path(keystore_file_name(index)), &new_key(), &|_| {}).unwrap()
    }

    fn load(&self, index: u64, public_key: PublicKey) -> Result<Signer, KeyError> {
        self.load_with(index, public_key, None)
    }

    fn load_with(
        &self,
        index: u64,
        public_key: PublicKey,
        passphrase: Option<&Passphrase>,
    ) -> Result<Signer, KeyError> {
        let request = request(index, public_key);
        load_signer(
            self.directory.path(),
            &request,
            passphrase,
            &self.record,
            &|_| {},
        )
    }
}

fn new_key() -> NewKey<'static> {
    NewKey {
        scheme: Scheme::Test,
        activation_epoch: 32,
        active_epochs: 64,
        passphrase: None,
        public_test_key: false,
    }
}

fn request(index: u64, public_key: PublicKey) -> KeyRequest {
    KeyRequest {
        index,
        public_key,
        file: None,
    }
}

fn root(number: u8) -> Root {
    Root::repeat_byte(number)
}

fn verifies(public_key: &PublicKey, epoch: u64, message: Root, signature: &Signature) -> bool {
    Scheme::Test.verify(&Verification {
        public_key: public_key.as_bytes(),
        epoch,
        message: &message.0,
        signature: signature.as_bytes(),
    })
}

fn problem(error: KeyError) -> KeyFileProblem {
    match error {
        KeyError::File { problem, .. } => *problem,
        missing @ KeyError::Missing { .. } => panic!("{missing}"),
    }
}

#[test]
fn a_generated_key_signs_and_the_record_is_asked_first() {
    let fixture = Fixture::new();
    let public_key = fixture.generate(0);
    let signer = fixture.load(0, public_key).unwrap();
    assert_eq!(signer.active(), 32..96);
    let signature = signer.sign(40, root(1)).unwrap();
    assert!(verifies(&public_key, 40, root(1), &signature));
    assert!(!verifies(&public_key, 41, root(1), &signature));
    assert_eq!(signer.sign(40, root(1)).unwrap(), signature);
    let refused = signer.sign(40, root(2)).unwrap_err();
    assert!(matches!(
        refused,
        SignError::Refused(Refusal::AnotherMessage { epoch: 40, .. })
    ));
    assert_eq!(signer.last_signed(), Some(40));
    assert_eq!(signer.epochs_left(40), 56);
}

#[test]
fn an_epoch_that_the_key_is_not_active_in_is_not_used_up() {
    let fixture = Fixture::new();
    let signer = fixture.load(0, fixture.generate(0)).unwrap();
    for epoch in [31, 96, u64::MAX] {
        let error = signer.sign(epoch, root(1)).unwrap_err();
        assert!(matches!(error, SignError::NotActive { .. }), "{error}");
    }
    assert_eq!(signer.last_signed(), None);
}

#[test]
fn many_sign_together_and_one_refusal_is_its_own() {
    let fixture = Fixture::new();
    let keys = [fixture.generate(0), fixture.generate(1)];
    let one = fixture.load(0, keys[0]).unwrap();
    let two = fixture.load(1, keys[1]).unwrap();
    one.sign(50, root(9)).unwrap();
    let duties = [(&one, 50, 1), (&two, 50, 1), (&two, 20, 1), (&one, 51, 2)];
    let duties = duties.map(|(signer, epoch, number)| SigningDuty {
        signer,
        epoch,
        message_root: root(number),
        source: Some(epoch - 2),
    });
    let results = sign_many(&duties);
    assert!(matches!(results[0], Err(SignError::Refused(_))));
    assert!(verifies(
        &keys[1],
        50,
        root(1),
        results[1].as_ref().unwrap()
    ));
    assert!(matches!(results[2], Err(SignError::NotActive { .. })));
    assert!(verifies(
        &keys[0],
        51,
        root(2),
        results[3].as_ref().unwrap()
    ));
    assert_eq!((one.last_source(), two.last_source()), (Some(49), Some(48)));
    assert!(sign_many(&[]).is_empty());
}

#[test]
fn work_ahead_comes_to_an_end_and_no_epoch_needs_more() {
    let fixture = Fixture::new();
    let public_key = fixture.generate(0);
    let signer = fixture.load(0, public_key).unwrap();
    for epoch in 0..200 {
        while signer.work_ahead(epoch).unwrap() {}
        assert_eq!(signer.is_prepared(epoch), signer.active().contains(&epoch));
    }
}

#[test]
fn the_next_parts_of_many_keys_are_computed_in_different_slots() {
    let fixture = Fixture::new();
    let signers: Vec<_> = (0..16)
        .map(|index| fixture.load(index, fixture.generate(index)).unwrap())
        .collect();
    let prepared = |epoch| {
        (signers.iter())
            .filter(|signer| signer.is_prepared(epoch))
            .count()
    };
    let mut counts = Vec::new();
    for epoch in 32..48 {
        for signer in &signers {
            signer.work_ahead(epoch).unwrap();
        }
        assert_eq!(prepared(epoch), 16);
        counts.push(prepared(48));
    }
    // Parts have 16 epochs. At first there is the current one to be computed, and half a part before the end all is
    // done.
    assert_eq!(counts[..10], [0, 4, 6, 8, 10, 12, 14, 16, 16, 16]);
}

#[test]
fn a_missing_or_wrong_key_never_takes_down_the_others() {
    let fixture = Fixture::new();
    let good = fixture.generate(0);
    fixture.generate(1);
    fs::write(fixture.path("validator_2.yaml"), "version: [").unwrap();
    let requests = [0, 1, 2, 3].map(|index| request(index, good));
    let mut loaded =
        load_signers(fixture.directory.path(), &requests, None, &fixture.record).into_iter();
    let mut next = || loaded.next().unwrap().1;
    next().unwrap();
    assert!(matches!(
        problem(next().unwrap_err()),
        KeyFileProblem::WrongKey { expected } if expected == good
    ));
    assert!(matches!(
        problem(next().unwrap_err()),
        KeyFileProblem::Yaml { .. }
    ));
    let missing = next().unwrap_err().to_string();
    assert!(missing.starts_with("validator 3: no secret key; looked for"));
    assert!(missing.contains("validator_3.yaml") && missing.contains("validator_3_sk.ssz"));
}

#[test]
fn a_key_in_use_is_not_loaded_twice() {
    let fixture = Fixture::new();
    let public_key = fixture.generate(0);
    let signer = fixture.load(0, public_key).unwrap();
    let other_record = SigningRecord::open(&fixture.path("other")).unwrap();
    let again = load_signer(
        fixture.directory.path(),
        &request(0, public_key),
        None,
        &other_record,
        &|_| {},
    );
    assert!(matches!(problem(again.unwrap_err()), KeyFileProblem::InUse));
    drop(signer);
    fixture.load(0, public_key).unwrap();
}

#[test]
fn missing_and_damaged_trees_are_rebuilt_and_written_back() {
    let fixture = Fixture::new();
    let public_key = fixture.generate(0);
    let trees = fixture.path("validator_0.trees");
    let whole = fs::read(&trees).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let damages = [
        None,
        Some(&whole[..50]),
        Some(b"".as_slice()),
        Some(&flipped),
    ];
    for damage in damages {
        match damage {
            Some(bytes) => fs::write(&trees, bytes).unwrap(),
            None => fs::remove_file(&trees).unwrap(),
        }
        let signer = fixture.load(0, public_key).unwrap();
        for epoch in 32..96 {
            signer.prepare(epoch).unwrap();
        }
        drop(signer);
        assert_eq!(fs::read(&trees).unwrap(), whole);
    }
}

#[test]
fn a_keystore_whose_secret_was_changed_is_found_out() {
    let fixture = Fixture::new();
    let public_key = fixture.generate(0);
    let path = fixture.path("validator_0.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let at = text.find("prf_key: \"0x").unwrap() + 12;
    let mut changed = text.clone();
    changed.replace_range(
        at..at + 4,
        if &text[at..at + 4] == "0000" {
            "1111"
        } else {
            "0000"
        },
    );
    fs::write(&path, &changed).unwrap();
    assert!(matches!(
        problem(verify(&path, None, None, &|_| {}).unwrap_err()),
        KeyFileProblem::PublicKey { made } if made != public_key
    ));
    // A loaded key finds out before it signs.
    let signed = fixture
        .load(0, public_key)
        .map(|signer| signer.sign(40, root(1)));
    assert!(!matches!(signed, Ok(Ok(_))));
}

#[test]
fn malformed_keystores_name_the_field_and_never_the_secret() {
    let fixture = Fixture::new();
    fixture.generate(0);
    let path = fixture.path("validator_0.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let at = text.find("prf_key: \"0x").unwrap() + 12;
    let secret = text[at..at + 64].to_owned();
    let cases = [
        (
            "version: 1",
            "version: 2",
            "its version of keystores is not known",
        ),
        ("SIGTop", "RSA", "is not known; known is SIGTop"),
        (
            "public_key: 0x",
            "public_key: 0xzz",
            "public_key: not 52 bytes",
        ),
        (
            "activation_epoch: 32",
            "activation_epoch: soon",
            "activation_epoch",
        ),
        (
            "active_epochs: 64",
            "active_epochs: 0",
            "at least one epoch",
        ),
        ("prf_key: \"0x", "prf_key: \"0xg", "prf_key: not 32 bytes"),
        ("prf_key: ", "  prf_key: ", ""),
        ("prf_key: ", "pfr_key: ", "there must be either"),
    ];
    for (good, bad, expected) in cases {
        assert!(text.contains(good), "{good}");
        fs::write(&path, text.replacen(good, bad, 1)).unwrap();
        let message = inspect(&path, None).unwrap_err().to_string();
        assert!(message.contains(expected), "{message} lacks {expected}");
        assert!(!message.contains(&secret[..8]), "{message}");
    }
}

#[test]
fn an_encrypted_key_needs_its_passphrase() {
    let fixture = Fixture::new();
    let right = Passphrase::new("correct horse".to_owned());
    let wrong = Passphrase::new("battery staple".to_owned());
    let path = fixture.path("validator_0.yaml");
    let new = NewKey {
        passphrase: Some(&right),
        ..new_key()
    };
    let public_key = generate(&path, &new, &|_| {}).unwrap();
    assert!(!fs::read_to_string(&path).unwrap().contains("\nprf_key"));
    let report = inspect(&path, None).unwrap();
    assert!(report.encrypted && report.trees == TreesReport::Unchecked);

    let encryption = |passphrase| {
        let loaded = fixture.load_with(0, public_key, passphrase);
        match problem(loaded.unwrap_err()) {
            KeyFileProblem::Encryption(error) => error,
            other => panic!("{other}"),
        }
    };
    assert_eq!(encryption(None), EncryptionError::PassphraseNeeded);
    assert_eq!(encryption(Some(&wrong)), EncryptionError::WrongPassphrase);
    let signer = fixture.load_with(0, public_key, Some(&right)).unwrap();
    signer.sign(40, root(1)).unwrap();
    drop(signer);

    let plain = fixture.path("plain.yaml");
    convert(
        &path,
        &plain,
        Some(&public_key),
        Some(&right),
        None,
        &|_| {},
    )
    .unwrap();
    assert!(!inspect(&plain, None).unwrap().encrypted);
}

#[test]
fn an_exported_key_is_taken_back_and_signs_byte_for_byte_the_same() {
    for format in [ForeignFormat::Ssz, ForeignFormat::Json] {
        let fixture = Fixture::new();
        let public_key = fixture.generate(0);
        let own = fixture.path("validator_0.yaml");
        let other = fixture.path("other");
        let (name, exported) = export(&own, &other, 7, format, 70, None, &|_| {}).unwrap();
        assert_eq!(exported, public_key);
        let foreign = other.join(&name);
        verify(&foreign, Some(&public_key), None, &|_| {}).unwrap();
        let again = export(&own, &other, 7, format, 70, None, &|_| {}).unwrap_err();
        assert!(matches!(problem(again), KeyFileProblem::Exists));

        let back = fixture.path("back/validator_7.yaml");
        convert(&foreign, &back, None, None, None, &|_| {}).unwrap();
        verify(&back, Some(&public_key), None, &|_| {}).unwrap();

        let sign = |directory: PathBuf, record: &str| {
            let record = SigningRecord::open(&fixture.path(record)).unwrap();
            let request = request(7, public_key);
            let signer = load_signer(&directory, &request, None, &record, &|_| {}).unwrap();
            (32..96)
                .step_by(7)
                .map(|epoch| {
                    signer.prepare(epoch).unwrap();
                    signer.sign(epoch, root(3)).unwrap()
                })
                .collect::<Vec<_>>()
        };
        let theirs = sign(other, "record of the foreign key");
        assert_eq!(
            theirs,
            sign(fixture.path("back"), "record of the key taken back")
        );
        let ours = fixture.load(0, public_key).unwrap();
        for (epoch, signature) in (32..96).step_by(7).zip(theirs) {
            assert_eq!(ours.sign(epoch, root(3)).unwrap(), signature);
        }
    }
}

#[test]
fn a_short_key_signs_at_both_ends_of_its_epochs_and_is_not_exported() {
    let fixture = Fixture::new();
    let path = fixture.path("validator_0.yaml");
    let new = NewKey {
        scheme: Scheme::Production,
        activation_epoch: 65_530,
        active_epochs: 40,
        public_test_key: true,
        ..new_key()
    };
    let public_key = generate(&path, &new, &|_| {}).unwrap();
    let report = verify(&path, Some(&public_key), None, &|_| {}).unwrap();
    let epochs = 65_530..65_570;
    assert_eq!(
        (report.active, report.trees),
        (epochs.clone(), TreesReport::Whole(vec![epochs.clone()]))
    );
    let trees = fixture.path("validator_0.trees");
    let whole = fs::read(&trees).unwrap();
    // With its trees, and from the keystore alone.
    for epoch in [65_530, 65_569] {
        let signer = fixture.load(0, public_key).unwrap();
        for outside in [0, 65_529, 65_570] {
            assert!(matches!(
                signer.sign(outside, root(1)).unwrap_err(),
                SignError::NotActive { .. }
            ));
        }
        while signer.work_ahead(epoch).unwrap() {}
        let signature = signer.sign(epoch, root(2)).unwrap();
        assert!(Scheme::Production.verify(&Verification {
            public_key: public_key.as_bytes(),
            epoch,
            message: &root(2).0,
            signature: signature.as_bytes(),
        }));
        drop(signer);
        assert_eq!(fs::read(&trees).unwrap(), whole);
        fs::remove_file(&trees).unwrap();
    }
    for format in [ForeignFormat::Ssz, ForeignFormat::Json] {
        let other = fixture.path("other");
        let error = export(&path, &other, 0, format, 0, None, &|_| {}).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("whole trees of 65536 epochs"), "{message}");
        assert!(!other.exists());
    }
}

#[test]
fn a_changed_node_of_a_foreign_key_is_found() {
    let fixture = Fixture::new();
    fixture.generate(0);
    let own = fixture.path("validator_0.yaml");
    let (name, _) = export(
        &own,
        fixture.directory.path(),
        0,
        ForeignFormat::Ssz,
        0,
        None,
        &|_| {},
    )
    .unwrap();
    let path = fixture.path(name);
    let mut bytes = fs::read(&path).unwrap();
    // In the last layers of the right bottom tree, and in its leaves.
    for back in [40, 32 * 30] {
        let at = bytes.len() - back;
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(verify(&path, None, None, &|_| {}).is_err(), "{back}");
        bytes[at] ^= 1;
    }
    fs::write(&path, &bytes).unwrap();
    verify(&path, None, None, &|_| {}).unwrap();
}

#[cfg(unix)]
#[test]
fn written_keys_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let fixture = Fixture::new();
    fixture.generate(0);
    let own = fixture.path("validator_0.yaml");
    let (ssz, _) = export(
        &own,
        fixture.directory.path(),
        0,
        ForeignFormat::Ssz,
        0,
        None,
        &|_| {},
    )
    .unwrap();
    for path in [own.clone(), fixture.path(ssz)] {
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        assert!(!inspect(&path, None).unwrap().readable_by_others);
    }
    fs::set_permissions(&own, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(inspect(&own, None).unwrap().readable_by_others);
    let leftovers = fs::read_dir(fixture.directory.path()).unwrap();
    let leftovers = leftovers.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().ends_with(".tmp")
    });
    assert_eq!(leftovers.count(), 0);
}

#[test]
fn a_key_is_never_replaced() {
    let fixture = Fixture::new();
    let public_key = fixture.generate(0);
    let path = fixture.path("validator_0.yaml");
    let again = generate(&path, &new_key(), &|_| {}).unwrap_err();
    assert!(matches!(problem(again), KeyFileProblem::Exists));
    let again = convert(&path, &path, None, None, None, &|_| {}).unwrap_err();
    assert!(matches!(problem(again), KeyFileProblem::Exists));
    verify(&path, Some(&public_key), None, &|_| {}).unwrap();
}

#[test]
fn nothing_that_is_printed_shows_the_secret() {
    let fixture = Fixture::new();
    let public_key = fixture.generate(0);
    let text = fs::read_to_string(fixture.path("validator_0.yaml")).unwrap();
    let at = text.find("prf_key: \"0x").unwrap() + 12;
    let secret = const_hex::decode(&text[at..at + 64]).unwrap();
    let signer = fixture.load(0, public_key).unwrap();
    let report = inspect(&fixture.path("validator_0.yaml"), None).unwrap();
    let printed = format!(
        "{signer:?} {report:?} {:?}",
        Passphrase::new("hush".to_owned())
    );
    assert!(!printed.contains(&text[at..at + 8]) && !printed.contains("hush"));
    assert!(!printed.contains(&format!("{:?}", &secret[..4])[1..10]));
}
