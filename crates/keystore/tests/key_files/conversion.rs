//! Keys that are converted or exported, and what is written of them.

use super::*;

fn conversion<'a>(source: &'a Path, target: &'a Path) -> KeyConversion<'a> {
    KeyConversion {
        source,
        target,
        expected: None,
        source_passphrase: None,
        target_passphrase: None,
    }
}

fn to_export<'a>(
    source: &'a Path,
    directory: &'a Path,
    index: u64,
    format: ForeignFormat,
) -> KeyExport<'a> {
    KeyExport {
        source,
        directory,
        index,
        format,
        epoch: 70,
        passphrase: None,
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
    let decryption = KeyConversion {
        source_passphrase: Some(&right),
        ..conversion(&path, &plain)
    };
    convert(decryption, &|_| {}).unwrap();
    assert!(!inspect(&plain, None).unwrap().encrypted);
}

#[test]
fn an_exported_key_is_taken_back_and_signs_byte_for_byte_the_same() {
    for format in [ForeignFormat::Ssz, ForeignFormat::Json] {
        let fixture = Fixture::new();
        let public_key = fixture.generate(0);
        let own = fixture.path("validator_0.yaml");
        let other = fixture.path("other");
        let (name, exported) = export(to_export(&own, &other, 7, format), &|_| {}).unwrap();
        assert_eq!(exported, public_key);
        let foreign = other.join(&name);
        verify(&foreign, Some(&public_key), None, &|_| {}).unwrap();
        let again = export(to_export(&own, &other, 7, format), &|_| {}).unwrap_err();
        assert!(matches!(problem(again), KeyFileProblem::Exists));

        let back = fixture.path("back/validator_7.yaml");
        convert(conversion(&foreign, &back), &|_| {}).unwrap();
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
        let error = export(to_export(&path, &other, 0, format), &|_| {}).unwrap_err();
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
    let key = to_export(&own, fixture.directory.path(), 0, ForeignFormat::Ssz);
    let (name, _) = export(key, &|_| {}).unwrap();
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
    let key = to_export(&own, fixture.directory.path(), 0, ForeignFormat::Ssz);
    let (ssz, _) = export(key, &|_| {}).unwrap();
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
    let again = convert(conversion(&path, &path), &|_| {}).unwrap_err();
    assert!(matches!(problem(again), KeyFileProblem::Exists));
    verify(&path, Some(&public_key), None, &|_| {}).unwrap();
}
