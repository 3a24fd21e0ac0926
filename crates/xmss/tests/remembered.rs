//! A verifier that remembers paths gives the verdicts of one that does not, whatever it is given.

use std::ops::Range;

use proptest::prelude::*;
use quartet_xmss::{
    Backend, Instance, KeyMaterial, SIGNATURE_BYTES, Scheme, SecretKey, Threads, Verification,
    Verifier,
};
use rand::{SeedableRng, rngs::StdRng};

/// Where the siblings begin in a signature, and how long one is.
const SIBLINGS_AT: usize = 40;
const SIBLING: usize = 32;

#[derive(Clone, Debug)]
struct Signed {
    public_key: [u8; 52],
    epoch: u64,
    message: [u8; 32],
    signature: [u8; SIGNATURE_BYTES],
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

    fn sibling(&mut self, level: usize) -> &mut [u8] {
        &mut self.signature[SIBLINGS_AT + level * SIBLING..][..SIBLING]
    }
}

/// What an adversary does to a signature, given another one.
#[derive(Clone, Copy, Debug)]
enum Bend {
    Nothing,
    /// A bit of a sibling, anywhere on the path.
    Sibling(usize, usize),
    /// All siblings from a level on are those of the other signature.
    PathAbove(usize),
    /// All siblings below a level are those of the other signature.
    PathBelow(usize),
    /// The whole signature is the other's, for the same epoch and key.
    Swap,
    /// The epoch is the other's.
    Epoch,
    /// The key's root, or its parameter, is the other's.
    Root,
    Parameter,
    /// A chain value: the leaf is another one, with the right path.
    Chain(usize),
    /// Two siblings change places.
    Exchange(usize, usize),
    Message,
}

fn bend(signed: &Signed, bend: Bend, other: &Signed, height: usize) -> Signed {
    let mut bent = signed.clone();
    let mut take = |levels: Range<usize>| {
        let range = SIBLINGS_AT + levels.start * SIBLING..SIBLINGS_AT + levels.end * SIBLING;
        bent.signature[range.clone()].copy_from_slice(&other.signature[range]);
    };
    match bend {
        Bend::Nothing => {}
        Bend::Sibling(level, bit) => bent.sibling(level % height)[bit / 8 % 32] ^= 1 << (bit % 8),
        Bend::PathAbove(level) => take(level % height..height),
        Bend::PathBelow(level) => take(0..level % (height + 1)),
        Bend::Swap => bent.signature = other.signature,
        Bend::Epoch => bent.epoch = other.epoch,
        Bend::Root => bent.public_key[..32].copy_from_slice(&other.public_key[..32]),
        Bend::Parameter => bent.public_key[32..].copy_from_slice(&other.public_key[32..]),
        Bend::Chain(at) => {
            let chains = SIBLINGS_AT + height * SIBLING;
            bent.signature[chains + at % 128] ^= 1;
        }
        Bend::Exchange(one, two) => {
            let (one, two) = (one % height, two % height);
            let kept: [u8; SIBLING] = std::array::from_fn(|i| bent.sibling(one)[i]);
            let moved: [u8; SIBLING] = std::array::from_fn(|i| bent.sibling(two)[i]);
            bent.sibling(one).copy_from_slice(&moved);
            bent.sibling(two).copy_from_slice(&kept);
        }
        Bend::Message => bent.message[0] ^= 1,
    }
    bent
}

fn bends() -> impl Strategy<Value = Bend> {
    let at = any::<usize>;
    prop_oneof![
        6 => Just(Bend::Nothing),
        2 => (at(), at()).prop_map(|(level, bit)| Bend::Sibling(level, bit)),
        2 => at().prop_map(Bend::PathAbove),
        2 => at().prop_map(Bend::PathBelow),
        1 => Just(Bend::Swap),
        1 => Just(Bend::Epoch),
        1 => Just(Bend::Root),
        1 => Just(Bend::Parameter),
        1 => at().prop_map(Bend::Chain),
        1 => (at(), at()).prop_map(|(one, two)| Bend::Exchange(one, two)),
        1 => Just(Bend::Message),
    ]
}

fn signatures(scheme: Scheme, keys: u64, start: u64, count: u64) -> Vec<Signed> {
    let mut signed = Vec::new();
    for seed in 0..keys {
        let mut rng = StdRng::seed_from_u64(seed);
        let material = KeyMaterial::generate(scheme, start, count, &mut rng).expect("few epochs");
        let mut key = SecretKey::build(material, Threads::One, &|_| ());
        for epoch in key.active() {
            let message = [epoch as u8 ^ 0x5a; 32];
            key.prepare(epoch).expect("an undamaged key");
            signed.push(Signed {
                public_key: key.public_key().to_bytes(),
                epoch,
                message,
                signature: *key.sign(epoch, &message).expect("prepared"),
            });
        }
    }
    signed
}

fn stateless(scheme: Scheme, items: &[Verification<'_>]) -> Vec<bool> {
    (items.chunks(1))
        .map(|one| Instance::from(scheme).verify_many_on(Backend::SCALAR, one)[0])
        .collect()
}

/// Batches in a row, to a verifier with room for some of the keys.
type Batches = Vec<Vec<(usize, Bend, usize)>>;

fn batches(count: Range<usize>, length: usize) -> impl Strategy<Value = Batches> {
    let item = (any::<usize>(), bends(), any::<usize>());
    prop::collection::vec(prop::collection::vec(item, 0..length), count)
}

fn agrees(scheme: Scheme, pool: &[Signed], batches: &Batches, room: usize) {
    let height = scheme.lifetime().ilog2() as usize;
    let at = |place: usize| &pool[place % pool.len()];
    for backend in Backend::all() {
        let verifier = Verifier::new(scheme, room);
        for batch in batches {
            let batch: Vec<Signed> = (batch.iter())
                .map(|(place, how, other)| bend(at(*place), *how, at(*other), height))
                .collect();
            let items: Vec<_> = batch.iter().map(Signed::verification).collect();
            let expected = stateless(scheme, &items);
            assert_eq!(
                verifier.verify_many_on(backend, &items),
                expected,
                "{backend:?}"
            );
            for (item, expected) in items.iter().zip(expected) {
                assert_eq!(verifier.verify(item), expected);
            }
        }
    }
}

fn run(cases: u32, batches: impl Strategy<Value = Batches>, check: impl Fn(&Batches, usize)) {
    let config = ProptestConfig::with_cases(cases);
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&(batches, 0..5usize), |(batches, room)| {
            check(&batches, room);
            Ok(())
        })
        .expect("all agree");
}

#[test]
fn verdicts_on_test_signatures_are_those_of_hashing() {
    let pool = signatures(Scheme::Test, 3, 0, 256);
    run(48, batches(1..6, 100), |batches, room| {
        agrees(Scheme::Test, &pool, batches, room);
    });
}

#[test]
fn verdicts_on_production_signatures_are_those_of_hashing() {
    // Neighbours, and epochs on both sides of a bottom tree's end.
    let pool = signatures(Scheme::Production, 2, 65_536 - 12, 24);
    run(12, batches(1..4, 24), |batches, room| {
        agrees(Scheme::Production, &pool, batches, room);
    });
}

#[test]
fn signatures_in_a_row_end_at_what_is_remembered() {
    let pool = signatures(Scheme::Production, 3, 65_536 - 4, 12);
    for backend in Backend::all() {
        let verifier = Verifier::new(Scheme::Production, 3);
        for (round, offset) in (0..12).enumerate() {
            let items: Vec<_> = (0..3)
                .map(|key| pool[12 * key + offset].verification())
                .collect();
            assert_eq!(verifier.verify_many_on(backend, &items), [true; 3]);
            assert_eq!(verifier.shortened(), 3 * round as u64, "{backend:?}");
        }
        // Back to the first ones, which are far from the last, and twice the same.
        for _ in 0..2 {
            assert!(verifier.verify(&pool[0].verification()));
        }
        assert_eq!(verifier.shortened(), 33 + 2);
    }
}

#[test]
fn what_is_invalid_is_not_remembered() {
    let pool = signatures(Scheme::Test, 1, 0, 32);
    let verifier = Verifier::new(Scheme::Test, 1);
    let mut bad = pool[5].clone();
    bad.sibling(3)[0] ^= 1;
    for _ in 0..2 {
        assert!(!verifier.verify(&bad.verification()));
    }
    assert!(verifier.verify(&pool[4].verification()));
    assert_eq!(verifier.shortened(), 0);
    assert!(!verifier.verify(&bad.verification()));
    assert!(verifier.verify(&pool[5].verification()));
    assert_eq!(verifier.shortened(), 1);
}

#[test]
fn threads_share_a_verifier() {
    let pool = signatures(Scheme::Test, 4, 0, 64);
    let verifier = Verifier::new(Scheme::Test, 3);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (pool, verifier) = (&pool, &verifier);
            scope.spawn(move || {
                for round in 0..20 {
                    let mut batch: Vec<Signed> = pool
                        .iter()
                        .skip(thread * 7 + round)
                        .step_by(3)
                        .cloned()
                        .collect();
                    for bad in batch.iter_mut().step_by(5) {
                        bad.sibling(round % 8)[thread] ^= 1;
                    }
                    let items: Vec<_> = batch.iter().map(Signed::verification).collect();
                    let valid = verifier.verify_many(&items);
                    assert!(
                        valid
                            .iter()
                            .enumerate()
                            .all(|(i, valid)| *valid == (i % 5 != 0))
                    );
                    assert_eq!(verifier.verify_many_parallel(&items), valid);
                }
            });
        }
    });
    assert!(verifier.shortened() > 0);
}
