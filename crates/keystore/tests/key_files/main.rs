//! Keys through files: made, found, loaded, damaged, converted. All with the small test scheme.

#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

mod conversion;
mod damage;

use std::{
    fs,
    path::{Path, PathBuf},
};

use quartet_keystore::{
    EncryptionError, ForeignFormat, KeyConversion, KeyError, KeyExport, KeyFileProblem, KeyRequest,
    NewKey, Passphrase, SignError, Signer, SigningDuty, TreesReport, convert, export, generate,
    inspect, keystore_file_name, load_signer,
    record::{Refusal, SigningRecord},
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
