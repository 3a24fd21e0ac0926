//! What remembered paths are worth: the signatures of many validators, slot after slot, verified without a memory and
//! with one.
//!
//! `cargo bench -p quartet-xmss --bench remembered`. The two take turns, batch by batch, so that other work on the
//! machine slows both; shown are medians and the best of each, per signature on one thread, and the median of the
//! ratios.

#![allow(clippy::disallowed_methods, reason = "a benchmark measures")]
#![allow(
    clippy::print_stdout,
    reason = "the figures are what this program is for"
)]

use std::time::{Duration, Instant};

use quartet_xmss::{
    Backend, Instance, KeyMaterial, SIGNATURE_BYTES, Scheme, SecretKey, Threads, Verification,
    Verifier,
};
use rand::{SeedableRng, rngs::StdRng};

const SLOTS: u64 = 16;
const VALIDATORS: u64 = 1024;
/// For each size of batch and back-end.
const LASTS: Duration = Duration::from_secs(2);

struct Signed {
    public_key: [u8; 52],
    epoch: u64,
    signature: Box<[u8; SIGNATURE_BYTES]>,
}

const MESSAGE: [u8; 32] = [7; 32];

/// All validators' signatures, slot by slot.
fn slots() -> Vec<Vec<Signed>> {
    let mut slots: Vec<Vec<Signed>> = (0..SLOTS).map(|_| Vec::new()).collect();
    for seed in 0..VALIDATORS {
        let mut rng = StdRng::seed_from_u64(seed);
        let material =
            KeyMaterial::generate(Scheme::Production, 0, SLOTS, &mut rng).expect("in the lifetime");
        let mut key = SecretKey::build(material, Threads::Pool, &|_| ());
        key.prepare(0).expect("an undamaged key");
        for (epoch, slot) in (0..).zip(&mut slots) {
            slot.push(Signed {
                public_key: key.public_key().to_bytes(),
                epoch,
                signature: key.sign(epoch, &MESSAGE).expect("prepared"),
            });
        }
    }
    slots
}

fn timed(verify: impl FnOnce() -> Vec<bool>) -> f64 {
    let start = Instant::now();
    let valid = verify();
    let seconds = start.elapsed().as_secs_f64();
    assert!(valid.iter().all(|valid| *valid));
    seconds
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let slots = slots();
    let instance = Instance::from(Scheme::Production);
    println!("back-end, batch: without, with, in µs, median (best); median of the ratios");
    for backend in Backend::all() {
        for size in [1, 4, 16, 128, 1024] {
            let verifier = Verifier::new(instance, VALIDATORS as usize);
            let (mut without, mut with, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
            let start = Instant::now();
            // The same validators again only in the next slot; the first slots fill the memory.
            'measured: for round in 0.. {
                for batch in slots.iter().flat_map(|slot| slot.chunks(size)) {
                    let batch: Vec<_> = (batch.iter())
                        .map(|signed| Verification {
                            public_key: &signed.public_key,
                            epoch: signed.epoch,
                            message: &MESSAGE,
                            signature: &signed.signature[..],
                        })
                        .collect();
                    let hashed = timed(|| instance.verify_many_on(backend, &batch));
                    let remembered = timed(|| verifier.verify_many_on(backend, &batch));
                    if round > 0 {
                        without.push(hashed);
                        with.push(remembered);
                        ratios.push(hashed / remembered);
                    }
                    if round > 0 && start.elapsed() > LASTS {
                        break 'measured;
                    }
                }
            }
            let shown = |seconds: &mut Vec<f64>| {
                let median = median(seconds);
                let each = 1e6 / size as f64;
                format!("{:6.1} ({:6.1})", each * median, each * seconds[0])
            };
            println!(
                "{:7} {size:5}: {} {}  {:.2}",
                backend.name(),
                shown(&mut without),
                shown(&mut with),
                median(&mut ratios)
            );
        }
    }
}
