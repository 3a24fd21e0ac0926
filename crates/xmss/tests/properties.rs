//! Packed work against the same work one lane at a time, and encodings bent at random.

mod common;

use common::{hex, hex_array, list, number, padded, scheme_files};
use proptest::prelude::*;
use quartet_xmss::{
    Backend, ConstantOrder, ForeignKey, Instance, KeyMaterial, PublicKey, SIGNATURE_BYTES, Scheme,
    SecretKey, Signature, Threads, Trees, Verification, primitives,
};
use rand::{SeedableRng, rngs::StdRng};

fn key(seed: u64) -> SecretKey {
    let mut rng = StdRng::seed_from_u64(seed);
    let material =
        KeyMaterial::generate(Scheme::Test, 0, 48, &mut rng).expect("within the lifetime");
    SecretKey::build(material, Threads::One, &|_| ())
}

/// A signature with its key, epoch and message.
#[derive(Clone, Debug)]
struct Signed {
    public_key: [u8; 52],
    epoch: u64,
    message: [u8; 32],
    signature: Vec<u8>,
}

impl Signed {
    fn verification(&self) -> Verification<'_> {
        Verification {
            public_key: &self.public_key,
            epoch: self.epoch,
            message: &self.message,
            signature: &self.signature,
        }
    }

    /// Flips a bit somewhere: of the signature, the key, the message or the epoch.
    fn bend(&mut self, at: usize) {
        let (byte, bit) = (at / 8, 1 << (at % 8));
        match byte % 8 {
            0 => self.public_key[byte % 52] ^= bit,
            1 => self.message[byte % 32] ^= bit,
            2 => self.epoch ^= u64::from(bit),
            _ => self.signature[byte % SIGNATURE_BYTES] ^= bit,
        }
    }
}

fn test_signatures() -> Vec<Signed> {
    let mut signed = Vec::new();
    for seed in 0..4 {
        let mut key = key(seed);
        for epoch in key.active() {
            let message = [epoch as u8 ^ 0x5a; 32];
            key.prepare(epoch).expect("an undamaged key");
            let signature = key.sign(epoch, &message).expect("prepared").to_vec();
            signed.push(Signed {
                public_key: key.public_key().to_bytes(),
                epoch,
                message,
                signature,
            });
        }
    }
    signed
}

/// The valid production signatures among the vectors, if there are vectors.
fn production_signatures() -> Vec<Signed> {
    let mut signed = Vec::new();
    for (instance, content) in scheme_files() {
        if instance == Instance::from(Scheme::Production) {
            signed.extend(list(&content["valid"]).iter().map(|case| Signed {
                public_key: hex_array(&case["public_key"]),
                epoch: number(&case["epoch"]),
                message: hex_array(&case["message"]),
                signature: padded(hex(&case["signature_ssz_container"])),
            }));
        }
    }
    signed
}

/// Batches of any size with any of them bent: every back-end gives the verdicts of the scalar one, given one by one.
fn batches_agree(scheme: Scheme, pool: &[Signed], picks: &[(usize, Option<usize>)]) {
    let instance = Instance::from(scheme);
    let batch: Vec<Signed> = picks
        .iter()
        .map(|(pick, bend)| {
            let mut signed = pool[pick % pool.len()].clone();
            if let Some(at) = bend {
                signed.bend(*at);
            }
            signed
        })
        .collect();
    let verifications: Vec<Verification<'_>> = batch.iter().map(Signed::verification).collect();
    let expected: Vec<bool> = verifications
        .chunks(1)
        .map(|one| instance.verify_many_on(Backend::SCALAR, one)[0])
        .collect();
    for (i, (_, bend)) in picks.iter().enumerate() {
        assert!(
            expected[i] || bend.is_some(),
            "an untouched signature is valid"
        );
    }
    for backend in Backend::all() {
        assert_eq!(
            instance.verify_many_on(backend, &verifications),
            expected,
            "{backend:?}"
        );
    }
    assert_eq!(instance.verify_many_parallel(&verifications), expected);
}

fn picks(most: usize) -> impl Strategy<Value = Vec<(usize, Option<usize>)>> {
    prop::collection::vec(
        (any::<usize>(), prop::option::weighted(0.3, any::<usize>())),
        0..most,
    )
}

#[test]
fn batches_of_test_signatures_agree_with_one_by_one() {
    let pool = test_signatures();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(48));
    let run = runner.run(&picks(150), |picks| {
        batches_agree(Scheme::Test, &pool, &picks);
        Ok(())
    });
    run.expect("all agree");
}

#[test]
fn batches_of_production_signatures_agree_with_one_by_one() {
    let pool = production_signatures();
    if pool.is_empty() {
        return;
    }
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(24));
    let run = runner.run(&picks(40), |picks| {
        batches_agree(Scheme::Production, &pool, &picks);
        Ok(())
    });
    run.expect("all agree");
}

#[test]
fn one_bad_signature_costs_its_sender_alone() {
    let pool = test_signatures();
    for bad in 0..pool.len() {
        let mut batch = pool.clone();
        batch[bad].signature[40] ^= 1;
        let verifications: Vec<Verification<'_>> = batch.iter().map(Signed::verification).collect();
        let valid = Scheme::Test.verify_many(&verifications);
        assert!(
            valid
                .iter()
                .enumerate()
                .all(|(i, valid)| *valid == (i != bad))
        );
    }
}

proptest! {
    #[test]
    fn permutation_of_width_16_is_the_scalar_one(state in prop::array::uniform16(0..0x7f00_0001u32)) {
        for order in [ConstantOrder::Interop, ConstantOrder::Spec] {
            for backend in Backend::all() {
                for (lane, output) in primitives::permute(backend, order, state).iter().enumerate() {
                    let rotated = std::array::from_fn(|i| state[(i + lane) % 16]);
                    prop_assert_eq!(*output, primitives::permute::<16>(Backend::SCALAR, order, rotated)[0]);
                }
            }
        }
    }

    #[test]
    fn permutation_of_width_24_is_the_scalar_one(state in prop::array::uniform24(0..0x7f00_0001u32)) {
        for order in [ConstantOrder::Interop, ConstantOrder::Spec] {
            for backend in Backend::all() {
                for (lane, output) in primitives::permute(backend, order, state).iter().enumerate() {
                    let rotated = std::array::from_fn(|i| state[(i + lane) % 24]);
                    prop_assert_eq!(*output, primitives::permute::<24>(Backend::SCALAR, order, rotated)[0]);
                }
            }
        }
    }

    #[test]
    fn leaves_and_signatures_are_the_scalar_ones(seed: u64, message: [u8; 32]) {
        let mut rng = StdRng::seed_from_u64(seed);
        for scheme in [Scheme::Test, Scheme::Production] {
            let material = KeyMaterial::generate(scheme, 0, scheme.lifetime(), &mut rng).expect("within the lifetime");
            // A subtree of the production scheme takes the scalar back-end a tenth of a second: one in eight.
            if scheme == Scheme::Production && seed % 8 != 0 {
                continue;
            }
            let expected = material.subtree_on(Backend::SCALAR, 1);
            for backend in Backend::all() {
                prop_assert!(material.subtree_on(backend, 1) == expected, "{backend:?}");
            }
        }
        let mut key = key(seed);
        key.prepare(17).expect("an undamaged key");
        let expected = key.sign_on(Backend::SCALAR, 17, &message);
        for backend in Backend::all() {
            prop_assert_eq!(key.sign_on(backend, 17, &message), expected.clone());
        }
    }

    #[test]
    fn what_decodes_is_the_only_encoding(flips in prop::collection::vec((any::<usize>(), any::<u8>()), 0..4), cut: usize) {
        let mut key = key(7);
        key.prepare(0).expect("an undamaged key");
        let bend = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            for (position, value) in &flips {
                let length = bytes.len();
                bytes[position % length] = *value;
            }
            if cut % 4 == 0 {
                bytes.truncate(cut / 4 % (bytes.len() + 1));
            }
            bytes
        };
        let signature = bend(&key.sign(0, &[0; 32]).expect("prepared")[..]);
        if let Ok(decoded) = Signature::from_bytes(Scheme::Test, &signature) {
            prop_assert_eq!(&decoded.to_bytes()[..], signature);
        }
        let public_key = bend(&key.public_key().to_bytes());
        if let Ok(decoded) = PublicKey::from_bytes(&public_key) {
            prop_assert_eq!(&decoded.to_bytes()[..], public_key);
        }
        let trees = bend(&key.trees().to_bytes());
        if let Ok(decoded) = Trees::from_bytes(&trees) {
            prop_assert_eq!(&decoded.to_bytes(), &trees);
            if let Ok((mut loaded, _)) = SecretKey::load(key.material().clone(), decoded, &key.public_key()) {
                prop_assert!(loaded.prepare(0).is_ok());
            }
        }
        let foreign = bend(&ForeignKey::export(&key, 0, Threads::One, &|_| ()).expect("whole trees").to_ssz_bytes());
        if let Ok(decoded) = ForeignKey::from_ssz_bytes(&foreign) {
            prop_assert_eq!(&decoded.to_ssz_bytes()[..], foreign);
            let _ = decoded.import(Scheme::Test, Some(&key.public_key()));
        }
    }
}
