//! Keys of few epochs: what they sign, against a tree computed node by node as the specification has it.

use std::ops::Range;

use proptest::prelude::*;
use quartet_xmss::{
    Backend, ConstantOrder, Derivation, ForeignKey, ForeignKeyError, KeyMaterial, Scheme,
    SecretKey, SignError, Threads, Trees, TreesError, Verification, primitives,
};

const PRF_KEY: [u8; 32] = [0x5c; 32];
const PARAMETER: [u32; 5] = [1, 2, 3, 5, 8];
/// Where the siblings begin in a signature: after two offsets, the randomness and one more offset.
const SIBLINGS_AT: usize = 40;

fn material(scheme: Scheme, derivation: Derivation, start: u64, count: u64) -> KeyMaterial {
    let mut parameter = [0; 20];
    parameter.copy_from_slice(&PARAMETER.map(u32::to_le_bytes).concat());
    KeyMaterial::from_parts(scheme, derivation, PRF_KEY, &parameter, start, count, &[])
        .expect("within the lifetime")
}

fn key(scheme: Scheme, start: u64, count: u64) -> SecretKey {
    let material = material(scheme, Derivation::Spec, start, count);
    SecretKey::build(material, Threads::One, &|_| ())
}

/// The tree of the specification, one scalar hash after the other; what has no active epoch below it is padding.
struct Oracle {
    scheme: Scheme,
    active: Range<u64>,
    height: u32,
}

impl Oracle {
    const ORDER: ConstantOrder = ConstantOrder::Interop;

    fn new(scheme: Scheme, active: Range<u64>) -> Self {
        let height = scheme.lifetime().ilog2();
        Self {
            scheme,
            active,
            height,
        }
    }

    fn node(&self, level: u32, index: u64) -> [u32; 8] {
        let below = index << level..(index + 1) << level;
        if below.end <= self.active.start || below.start >= self.active.end {
            return primitives::padding_node(&PRF_KEY, level, index);
        }
        if level == 0 {
            return self.leaf(index);
        }
        let children = [2 * index, 2 * index + 1].map(|child| self.node(level - 1, child));
        primitives::tree_node(Self::ORDER, PARAMETER, level, index, children)
    }

    fn leaf(&self, epoch: u64) -> [u32; 8] {
        let (chains, steps) = match self.scheme {
            Scheme::Production => (64, 7),
            Scheme::Test => (4, 3),
        };
        let ends: Vec<_> = (0..chains)
            .map(|chain| {
                let start = primitives::prf_chain_start(Backend::best(), &PRF_KEY, epoch, chain);
                primitives::hash_chain(Self::ORDER, PARAMETER, epoch, chain, 0, steps, start)
            })
            .collect();
        primitives::leaf(Backend::best(), self.scheme.into(), PARAMETER, epoch, &ends)
    }

    fn public_key(&self) -> [u8; 52] {
        let elements = [&self.node(self.height, 0)[..], &PARAMETER].concat();
        let mut bytes = [0; 52];
        bytes.copy_from_slice(
            &elements
                .into_iter()
                .flat_map(u32::to_le_bytes)
                .collect::<Vec<_>>(),
        );
        bytes
    }

    /// The siblings of a signature, as its bytes have them.
    fn path(&self, epoch: u64) -> Vec<u8> {
        (0..self.height)
            .flat_map(|level| self.node(level, (epoch >> level) ^ 1))
            .flat_map(u32::to_le_bytes)
            .collect()
    }
}

fn accepts(key: &SecretKey, epoch: u64, message: &[u8; 32], signature: &[u8]) -> bool {
    key.material().instance().scheme.verify(&Verification {
        public_key: &key.public_key().to_bytes(),
        epoch,
        message,
        signature,
    })
}

/// Signs in each of the epochs, and outside.
fn signs_as_the_oracle(scheme: Scheme, start: u64, count: u64, epochs: impl Iterator<Item = u64>) {
    let mut key = key(scheme, start, count);
    let oracle = Oracle::new(scheme, start..start + count);
    assert_eq!(key.active(), oracle.active);
    assert_eq!(key.public_key().to_bytes(), oracle.public_key());
    for epoch in epochs {
        let message = [epoch as u8; 32];
        key.prepare(epoch).expect("an undamaged key");
        let signature = key.sign(epoch, &message).expect("prepared");
        assert!(accepts(&key, epoch, &message, &signature[..]), "{epoch}");
        let path = oracle.path(epoch);
        assert!(signature[SIBLINGS_AT..].starts_with(&path), "{epoch}");
    }
    for epoch in [start.wrapping_sub(1), start + count] {
        let active = start..start + count;
        assert!(key.work_for(epoch).is_none());
        assert_eq!(
            key.sign(epoch, &[0; 32]),
            Err(SignError::NotActive { epoch, active })
        );
    }
}

#[test]
fn padding_nodes_are_as_documented() {
    // From Python's hashlib: SHAKE128(domain ‖ 2 ‖ key ‖ layer ‖ index), eight bytes per element modulo p.
    let key = std::array::from_fn(|i| i as u8);
    let expected = [
        (
            (0, 7),
            [
                2_000_591_000,
                954_847_700,
                886_917_614,
                79_489_627,
                653_617_119,
                1_788_273_514,
                498_706_437,
                1_344_311_367,
            ],
        ),
        (
            (3, (1 << 29) - 1),
            [
                507_416_333,
                498_044_118,
                1_074_771_307,
                1_242_479_511,
                166_482_088,
                85_875_524,
                19_923_593,
                1_384_351_987,
            ],
        ),
    ];
    for ((layer, index), node) in expected {
        assert_eq!(primitives::padding_node(&key, layer, index), node);
    }
}

#[test]
fn production_keys_of_a_few_epochs_are_as_the_oracle_has_them() {
    let last = (1 << 32) - 1;
    for (start, count) in [
        (0, 1),
        (5, 1),
        (last, 1),
        (255, 3),
        (65_535, 2),
        (65_530, 20),
        (last - 19, 20),
    ] {
        signs_as_the_oracle(Scheme::Production, start, count, start..start + count);
    }
}

#[test]
fn a_thousand_epochs_take_little_room_and_sign_at_both_ends() {
    let (start, count) = (65_536 - 300, 1000);
    let mut key = key(Scheme::Production, start, count);
    assert_eq!(key.epochs_per_subtree(), 16);
    assert_eq!(
        key.stored_tree_epochs(),
        std::slice::from_ref(&(start..start + count))
    );
    // 63 subtrees of 16 epochs, two roots, two indices.
    assert_eq!(key.trees().to_bytes().len(), 40 + 32 * (63 + 2) + 16);
    for epoch in [start, 65_535, 65_536, start + count - 1] {
        key.prepare(epoch).expect("an undamaged key");
        let signature = key.sign(epoch, &[1; 32]).expect("prepared");
        assert!(accepts(&key, epoch, &[1; 32], &signature[..]));
        assert!(!accepts(&key, epoch + 1, &[1; 32], &signature[..]));
    }
}

/// What a process has in memory, in bytes.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").expect("a Linux machine");
    let pages: usize = status
        .split(' ')
        .nth(1)
        .expect("two numbers")
        .parse()
        .expect("a number");
    4096 * pages
}

#[cfg(target_os = "linux")]
#[test]
fn a_thousand_keys_that_sign_take_sixteen_megabytes_at_most() {
    let mut key = key(Scheme::Production, 0, 1024);
    for epoch in [0, 16, 32] {
        key.prepare(epoch).expect("an undamaged key");
    }
    let before = resident();
    let keys = vec![key; 1000];
    let each = (resident() - before) / 1000;
    println!("{each} bytes each");
    assert!(each < 16_000 && keys.iter().all(|key| key.is_prepared(0)));
}

#[test]
fn a_short_key_comes_back_from_its_seed_and_from_its_trees() {
    let built = key(Scheme::Production, 65_500, 70);
    let again = SecretKey::build(built.material().clone(), Threads::Pool, &|_| ());
    assert_eq!(again.public_key(), built.public_key());
    assert_eq!(again.trees(), built.trees());

    let bytes = built.trees().to_bytes();
    assert!(bytes.starts_with(b"QXTREES2"));
    let load = |bytes: &[u8]| {
        let trees = Trees::from_bytes(bytes)?;
        assert_eq!(trees.to_bytes(), bytes, "another encoding of the same");
        SecretKey::load(built.material().clone(), trees, &built.public_key())
    };
    let (loaded, damaged) = load(&bytes).expect("whole");
    assert!(damaged.is_empty() && loaded.stored_tree_epochs() == built.stored_tree_epochs());
    for position in 0..bytes.len() {
        for bit in [1, 0x80] {
            let mut bent = bytes.clone();
            bent[position] ^= bit;
            if let Ok((mut key, damaged)) = load(&bent) {
                assert!(!damaged.is_empty(), "byte {position}");
                for epoch in [65_500, 65_569] {
                    key.prepare(epoch).expect("rebuilt");
                    let signature = key.sign(epoch, &[2; 32]).expect("prepared");
                    assert!(accepts(&key, epoch, &[2; 32], &signature[..]));
                }
            }
        }
    }
    for length in 0..bytes.len() {
        assert!(Trees::from_bytes(&bytes[..length]).is_err());
    }
    let wider = key(Scheme::Production, 65_500, 71);
    let error = SecretKey::load(
        built.material().clone(),
        wider.trees().clone(),
        &built.public_key(),
    );
    assert!(matches!(error, Err(TreesError::OtherKey { .. })));
}

#[test]
fn a_bottom_tree_that_is_not_kept_is_built_again_in_pieces() {
    let built = key(Scheme::Production, 65_500, 70);
    let mut bytes = built.trees().to_bytes();
    // In the second tree's nodes, at the end.
    let at = bytes.len() - 5;
    bytes[at] ^= 1;
    let trees = Trees::from_bytes(&bytes).expect("still an encoding");
    let (mut key, damaged) =
        SecretKey::load(built.material().clone(), trees, &built.public_key()).expect("the roots");
    assert_eq!(damaged, [1]);
    assert_eq!(
        key.stored_tree_epochs(),
        std::slice::from_ref(&(65_500..65_536))
    );
    let mut pieces = 0;
    while let Some(work) = key.work_for(65_569) {
        key.accept(work.run()).expect("fits");
        pieces += 1;
        let trees = Trees::from_bytes(&key.trees().to_bytes()).expect("our own encoding");
        assert_eq!(trees, *key.trees());
    }
    // Epochs 65,536 to 65,569 are in three subtrees; the last of them then with all its layers.
    assert_eq!(pieces, 3 + 1);
    assert_eq!(key.trees(), built.trees());
}

#[test]
fn what_other_implementations_cannot_hold_is_not_exported() {
    for (start, count) in [(0, 16), (0, 31), (1, 32), (16, 33), (3, 5)] {
        let error = ForeignKey::export(&key(Scheme::Test, start, count), 0, Threads::One, &|_| ());
        let active = start..start + count;
        assert_eq!(
            error.expect_err("not whole"),
            ForeignKeyError::NotWhole { active, unit: 16 }
        );
    }
    let whole = key(Scheme::Test, 16, 32);
    let mut foreign = ForeignKey::export(&whole, 0, Threads::One, &|_| ()).expect("whole trees");
    // Nor is what they would not have made taken over.
    foreign.num_active_epochs = 31;
    assert!(matches!(
        foreign.import(Scheme::Test, None),
        Err(ForeignKeyError::Material(_))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_epochs_of_the_test_scheme_are_as_the_oracle_has_them(start in 0..256u64, count in 1..=256u64) {
        let count = count.min(256 - start);
        let step = 1 + count as usize / 8;
        let epochs = (start..start + count).step_by(step).chain([start + count - 1]);
        signs_as_the_oracle(Scheme::Test, start, count, epochs);
    }

    #[test]
    fn both_derivations_and_all_threads_make_the_same_key_again(start in 0..1u64 << 32, count in 1..200u64) {
        let count = count.min((1 << 32) - start);
        let material = material(Scheme::Production, Derivation::LeanSig, start, count);
        let mut key = SecretKey::build(material, Threads::Pool, &|_| ());
        for epoch in [start, start + count / 2, start + count - 1] {
            key.prepare(epoch).expect("an undamaged key");
            let signature = key.sign(epoch, &[9; 32]).expect("prepared");
            prop_assert!(accepts(&key, epoch, &[9; 32], &signature[..]));
        }
        let trees = Trees::from_bytes(&key.trees().to_bytes()).expect("our own encoding");
        let loaded = SecretKey::load(key.material().clone(), trees, &key.public_key());
        prop_assert!(loaded.is_ok_and(|(_, damaged)| damaged.is_empty()));
    }
}
