//! The life of a key of our own: drawn, built, kept, loaded, damaged, and signing throughout.

use std::{collections::BTreeSet, sync::Mutex};

use quartet_xmss::{
    DecodeError, ForeignKey, KeyMaterial, MaterialError, Progress, Scheme, SecretKey, SignError,
    Threads, Trees, TreesError, Verification,
};
use rand::{rand_core::UnwrapErr, rngs::SysRng};

fn material(start: u64, count: u64) -> KeyMaterial {
    KeyMaterial::generate(Scheme::Test, start, count, &mut UnwrapErr(SysRng))
        .expect("within the lifetime")
}

fn key(start: u64, count: u64) -> SecretKey {
    SecretKey::build(material(start, count), Threads::One, &|_| ())
}

fn exported(key: &SecretKey, epoch: u64) -> ForeignKey {
    ForeignKey::export(key, epoch, Threads::One, &|_| ()).expect("whole trees")
}

fn accepts(key: &SecretKey, epoch: u64, message: &[u8; 32], signature: &[u8]) -> bool {
    let public_key = key.public_key().to_bytes();
    Scheme::Test.verify(&Verification {
        public_key: &public_key,
        epoch,
        message,
        signature,
    })
}

#[test]
fn every_active_epoch_signs_and_verifies() {
    for (start, count) in [(0, 256), (16, 48), (240, 16), (96, 33), (255, 1)] {
        let mut key = key(start, count);
        for epoch in key.active() {
            let message = [epoch as u8; 32];
            key.prepare(epoch).expect("an undamaged key");
            let signature = key.sign(epoch, &message).expect("prepared");
            assert!(accepts(&key, epoch, &message, &signature[..]));
            assert!(!accepts(&key, epoch ^ 1, &message, &signature[..]));
            assert_eq!(
                key.sign(epoch, &message).expect("prepared"),
                signature,
                "deterministic"
            );
        }
    }
}

#[test]
fn epochs_outside_the_active_range_or_unprepared_are_refused() {
    let mut key = key(32, 32);
    let active = 32..64;
    assert_eq!(key.active(), active);
    for epoch in [0, 31, 64, u64::MAX] {
        assert_eq!(
            key.sign(epoch, &[0; 32]),
            Err(SignError::NotActive {
                epoch,
                active: active.clone()
            })
        );
        assert!(key.work_for(epoch).is_none());
    }
    assert_eq!(
        key.sign(40, &[0; 32]),
        Err(SignError::NotPrepared { epoch: 40 })
    );
    key.prepare(40).expect("an undamaged key");
    assert!(key.is_prepared(47) && !key.is_prepared(48));
}

#[test]
fn lifetime_bounds_the_epochs_of_a_key() {
    let error =
        KeyMaterial::generate(Scheme::Test, 250, 7, &mut UnwrapErr(SysRng)).expect_err("too late");
    assert_eq!(
        error,
        MaterialError::Lifetime {
            start: 250,
            end: 257,
            lifetime: 256
        }
    );
    let copy = |start, count| {
        let key = material(0, 256);
        KeyMaterial::from_parts(
            key.instance(),
            key.derivation(),
            *key.prf_key(),
            &key.parameter(),
            start,
            count,
            &key.padding(),
        )
    };
    assert!(copy(0, 32).is_ok() && copy(8, 17).is_ok());
    assert_eq!(copy(0, 0).err(), Some(MaterialError::Empty));
    assert!(matches!(
        copy(240, 32),
        Err(MaterialError::Lifetime { end: 272, .. })
    ));
    assert!(matches!(
        copy(u64::MAX - 15, 32),
        Err(MaterialError::Lifetime { .. })
    ));
}

#[test]
fn key_rebuilt_from_its_parts_is_the_same_key() {
    let key = key(48, 80);
    let parts = key.material();
    let again = KeyMaterial::from_parts(
        parts.instance(),
        parts.derivation(),
        *parts.prf_key(),
        &parts.parameter(),
        parts.active().start,
        parts.active().end - parts.active().start,
        &parts.padding(),
    )
    .expect("the same parts");
    let again = SecretKey::build(again, Threads::Pool, &|_| ());
    assert_eq!(again.public_key(), key.public_key());
    assert_eq!(again.trees(), key.trees());
}

#[test]
fn progress_reaches_the_end_on_every_number_of_threads() {
    for threads in [Threads::One, Threads::Pool] {
        let seen = Mutex::new(BTreeSet::new());
        let report = |progress: Progress| {
            seen.lock().expect("no panic").insert(progress.done);
            assert_eq!(progress.total, 64);
        };
        let _ = SecretKey::build(material(0, 64), threads, &report);
        assert_eq!(
            seen.into_inner().expect("no panic"),
            BTreeSet::from([16, 32, 48, 64])
        );
    }
}

#[test]
fn kept_trees_load_and_damage_is_found() {
    let built = key(16, 64);
    let public_key = built.public_key();
    let bytes = built.trees().to_bytes();
    let trees = Trees::from_bytes(&bytes).expect("our own encoding");
    assert_eq!(trees, *built.trees());
    let (mut loaded, damaged) =
        SecretKey::load(built.material().clone(), trees, &public_key).expect("whole");
    assert!(damaged.is_empty());
    loaded.prepare(20).expect("an undamaged key");
    let signature = loaded.sign(20, &[1; 32]).expect("prepared");
    assert!(accepts(&built, 20, &[1; 32], &signature[..]));

    // A damaged root is fatal, a damaged upper part is dropped and rebuilt; no flipped bit goes unnoticed.
    let with_flipped = |position: usize| {
        let mut bytes = bytes.clone();
        bytes[position] ^= 1;
        SecretKey::load(
            built.material().clone(),
            Trees::from_bytes(&bytes)?,
            &public_key,
        )
    };
    let roots = 40..40 + 4 * 32;
    for position in 0..bytes.len() {
        match with_flipped(position) {
            Ok((mut key, damaged)) => {
                assert!(
                    !roots.contains(&position) && damaged.len() == 1,
                    "byte {position}"
                );
                let epoch = 16 * damaged[0].clamp(1, 4);
                key.prepare(epoch).expect("rebuilt");
                assert!(key.sign(epoch, &[2; 32]).is_ok());
            }
            Err(TreesError::Root { .. }) => assert!(roots.contains(&position), "byte {position}"),
            // What no longer is an encoding, or is one of another key.
            Err(_) => (),
        }
    }
    for length in 0..bytes.len() {
        assert!(Trees::from_bytes(&bytes[..length]).is_err());
    }
}

#[test]
fn trees_of_another_key_are_refused() {
    let (one, other) = (key(0, 32), key(0, 32));
    let error = SecretKey::load(
        one.material().clone(),
        other.trees().clone(),
        &one.public_key(),
    );
    assert!(matches!(error, Err(TreesError::Root { .. })));
    let narrower = key(0, 48);
    let error = SecretKey::load(
        one.material().clone(),
        narrower.trees().clone(),
        &one.public_key(),
    );
    assert!(matches!(error, Err(TreesError::OtherKey { .. })));
}

#[test]
fn wrong_secret_is_found_before_it_signs() {
    let honest = key(0, 32);
    let parts = honest.material();
    let other = KeyMaterial::from_parts(
        parts.instance(),
        parts.derivation(),
        [9; 32],
        &parts.parameter(),
        0,
        32,
        // The nodes beside the range follow from the secret, so they must come along for the root to fit.
        &exported(&honest, 0)
            .import(Scheme::Test, None)
            .expect("our own export")
            .material()
            .padding(),
    )
    .expect("parts of the right shape");
    let (mut bent, _) = SecretKey::load(other, honest.trees().clone(), &honest.public_key())
        .expect("the nodes are whole");
    let damage = Err(TreesError::Subtree { epochs: 0..16 });
    assert_eq!(bent.prepare(3), damage);
    assert_eq!(bent.check(Threads::One, &|_| ()), damage);
    assert_eq!(honest.check(Threads::One, &|_| ()), Ok(()));
}

#[test]
fn exported_key_signs_the_same() {
    let mut ours = key(32, 64);
    let foreign = exported(&ours, 70);
    let bytes = foreign.to_ssz_bytes();
    let back = ForeignKey::from_ssz_bytes(&bytes).expect("our own encoding");
    let mut theirs = back
        .import(Scheme::Test, Some(&ours.public_key()))
        .expect("a whole key");
    assert_eq!(
        theirs.stored_tree_epochs(),
        std::slice::from_ref(&(64..96)),
        "the two prepared trees"
    );
    for epoch in theirs.active() {
        ours.prepare(epoch).expect("an undamaged key");
        theirs.prepare(epoch).expect("an undamaged key");
        assert_eq!(ours.sign(epoch, &[5; 32]), theirs.sign(epoch, &[5; 32]));
    }
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let mut key = key(0, 32);
    key.prepare(0).expect("an undamaged key");
    let hex: String = key
        .material()
        .prf_key()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let list = format!("{:?}", key.material().prf_key());
    let foreign = exported(&key, 0);
    for shown in [
        format!("{key:?}"),
        format!("{:?}", key.material()),
        format!("{foreign:?}"),
    ] {
        assert!(!shown.contains(&hex) && !shown.contains(&list));
    }
}

#[test]
fn bytes_of_the_wrong_length_do_not_decode() {
    let length = |found| DecodeError::Length {
        what: "public key",
        expected: 52,
        found,
    };
    for count in [0, 51, 53] {
        assert_eq!(
            quartet_xmss::PublicKey::from_bytes(&vec![0; count]),
            Err(length(count))
        );
    }
    let length = |found| DecodeError::Length {
        what: "signature",
        expected: 3112,
        found,
    };
    for count in [0, 424, 3111, 3113] {
        assert_eq!(
            quartet_xmss::Signature::from_bytes(Scheme::Test, &vec![0; count]),
            Err(length(count))
        );
    }
}
