//! Signatures: the decoder, and the verifier on every back-end that this processor has, with and without a memory of paths.

use std::sync::{Mutex, OnceLock};

use quartet_xmss::{
    Backend, ConstantOrder, Instance, KeyMaterial, PUBLIC_KEY_BYTES, PublicKey, SIGNATURE_BYTES,
    Scheme, SecretKey, Signature, Threads, Verification, Verifier,
};
use rand::{SeedableRng as _, rngs::StdRng};

use crate::input::Input;

const KEYS: usize = 3;
const MAX_ITEMS: usize = 24;
/// Fewer keys than sign, so that some find no place in the verifier's memory.
const REMEMBERED: usize = 2;

struct Item {
    key: [u8; PUBLIC_KEY_BYTES],
    epoch: u64,
    message: [u8; 32],
    signature: Vec<u8>,
}

/// Valid signatures with some bytes changed, and any bytes at all: every back-end has the verdicts of the scalar one, and so
/// has a verifier, whatever it has seen before.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let scheme = if input.flag() {
        Scheme::Production
    } else {
        Scheme::Test
    };
    let order = match input.below(4) {
        0 => ConstantOrder::Spec,
        _ => ConstantOrder::Interop,
    };
    let instance = Instance { scheme, order };
    let items = match scheme {
        Scheme::Production => vec![raw(&mut input)],
        Scheme::Test => changed(&mut input),
    };
    for item in &items {
        round_trip(scheme, item);
    }
    let verifications: Vec<_> = (items.iter())
        .map(|item| Verification {
            public_key: &item.key,
            epoch: item.epoch,
            message: &item.message,
            signature: &item.signature,
        })
        .collect();
    let plain = instance.verify_many_on(Backend::SCALAR, &verifications);
    for backend in Backend::all() {
        assert_eq!(
            instance.verify_many_on(backend, &verifications),
            plain,
            "{backend:?}"
        );
    }
    let verifier = Verifier::new(instance, REMEMBERED);
    let in_parts: Vec<bool> = (verifications.chunks(5))
        .flat_map(|part| verifier.verify_many(part))
        .collect();
    assert_eq!(in_parts, plain, "with a memory of paths");
    assert_eq!(verifier.verify_many(&verifications), plain, "once more");
}

fn round_trip(scheme: Scheme, item: &Item) {
    if let Ok(key) = PublicKey::from_bytes(&item.key) {
        assert_eq!(key.to_bytes(), item.key);
    }
    if let Ok(signature) = Signature::from_bytes(scheme, &item.signature) {
        assert!(signature.to_bytes()[..] == item.signature[..]);
    }
}

fn raw(input: &mut Input<'_>) -> Item {
    Item {
        key: input.array(),
        epoch: u64::from(u32::from_le_bytes(input.array())),
        message: input.array(),
        signature: input.rest().to_vec(),
    }
}

fn changed(input: &mut Input<'_>) -> Vec<Item> {
    let mut items = Vec::new();
    while !input.is_empty() && items.len() < MAX_ITEMS {
        let (key, epoch) = (input.below(KEYS), u64::from(input.byte()));
        let message = [input.byte() & 3; 32];
        let mut secret = keys()[key].lock().unwrap();
        secret.prepare(epoch).unwrap();
        let signature = secret.sign(epoch, &message).unwrap();
        let mut item = Item {
            key: secret.public_key().to_bytes(),
            epoch,
            message,
            signature: signature.to_vec(),
        };
        change(&mut item, input);
        items.push(item);
    }
    items
}

fn change(item: &mut Item, input: &mut Input<'_>) {
    match input.below(8) {
        0 => item.epoch = input.any_size(),
        1 => item.message[input.below(32)] ^= input.byte(),
        2 => item.key[input.below(PUBLIC_KEY_BYTES)] ^= input.byte(),
        3 => item
            .signature
            .truncate(input.number() as usize % (SIGNATURE_BYTES + 1)),
        4 => item.signature.extend(input.take(2)),
        5 => {
            for _ in 0..=input.below(4) {
                let at = usize::from(u16::from_le_bytes(input.array())) % SIGNATURE_BYTES;
                item.signature[at] ^= input.byte();
            }
        }
        _ => {}
    }
}

/// Keys of the test scheme, which can sign in all of its epochs.
fn keys() -> &'static [Mutex<SecretKey>] {
    static MADE: OnceLock<Vec<Mutex<SecretKey>>> = OnceLock::new();
    MADE.get_or_init(|| {
        let mut random = StdRng::seed_from_u64(1);
        let mut make = || {
            let lifetime = Scheme::Test.lifetime();
            let material = KeyMaterial::generate(Scheme::Test, 0, lifetime, &mut random).unwrap();
            Mutex::new(SecretKey::build(material, Threads::One, &|_| {}))
        };
        (0..KEYS).map(|_| make()).collect()
    })
}
