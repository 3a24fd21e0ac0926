//! Keys that are missing, damaged or wrong, and errors that never show a secret.

use super::*;

#[test]
fn a_missing_malformed_or_wrong_key_is_reported() {
    let fixture = Fixture::new();
    let good = fixture.generate(0);
    fixture.generate(1);
    fs::write(fixture.path("validator_2.yaml"), "version: [").unwrap();
    let mut loaded = (0..4).map(|index| fixture.load(index, good));
    let mut next = || loaded.next().unwrap();
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
