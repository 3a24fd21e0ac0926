//! The scheme's speed, each operation beside its scalar one-at-a-time form in the same run.
//!
//! `cargo bench -p quartet-xmss --bench xmss`. Figures are of one thread unless the name says otherwise. Key
//! generation is timed over some subtrees of 2^8 epochs and scaled to the number of epochs in the name: the trees
//! above the subtrees add less than a thousandth.

#![allow(clippy::disallowed_methods, reason = "a benchmark measures")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use quartet_xmss::{Backend, Instance, KeyMaterial, Scheme, SecretKey, Threads, Verification};
use rand::{SeedableRng, rngs::StdRng};
use rayon::prelude::*;

const EPOCHS_PER_SUBTREE: u64 = 256;

fn material(epochs: u64) -> KeyMaterial {
    let mut rng = StdRng::seed_from_u64(1);
    KeyMaterial::generate(Scheme::Production, 0, epochs, &mut rng).expect("in the lifetime")
}

/// A key with epochs for all signatures of the benchmarks.
fn key() -> SecretKey {
    SecretKey::build(material(1 << 16), Threads::Pool, &|_| ())
}

fn message(number: u64) -> [u8; 32] {
    let mut message = [0; 32];
    message[..8].copy_from_slice(&number.to_le_bytes());
    message
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("threads")
}

struct Signed {
    public_key: [u8; 52],
    signatures: Vec<(u64, [u8; 32], Box<[u8; 3112]>)>,
}

impl Signed {
    fn new(key: &mut SecretKey, count: u64) -> Self {
        let signatures = (0..count)
            .map(|i| {
                let epoch = i * 64;
                key.prepare(epoch).expect("an undamaged key");
                (
                    epoch,
                    message(i),
                    key.sign(epoch, &message(i)).expect("prepared"),
                )
            })
            .collect();
        Self {
            public_key: key.public_key().to_bytes(),
            signatures,
        }
    }

    fn verifications(&self) -> Vec<Verification<'_>> {
        self.signatures
            .iter()
            .map(|(epoch, message, signature)| Verification {
                public_key: &self.public_key,
                epoch: *epoch,
                message,
                signature: &signature[..],
            })
            .collect()
    }
}

fn verify(c: &mut Criterion) {
    let instance = Instance::from(Scheme::Production);
    let signed = Signed::new(&mut key(), 1024);
    let verifications = signed.verifications();

    let mut group = c.benchmark_group("xmss::verify");
    for backend in Backend::all() {
        group.bench_function(backend.name(), |b| {
            let mut next = verifications.chunks(1).cycle();
            b.iter(|| assert!(instance.verify_many_on(backend, next.next().expect("a cycle"))[0]));
        });
    }
    group.finish();

    let mut group = c.benchmark_group("xmss::verify_many");
    for count in [1, 16, 128, 1024] {
        let batch = &verifications[..count];
        group.throughput(Throughput::Elements(count as u64));
        for backend in Backend::all() {
            // One at a time is what the scalar form does in a batch, too.
            let id = BenchmarkId::new(format!("n={count}"), backend.name());
            group.bench_function(id, |b| {
                b.iter(|| {
                    assert!(
                        instance
                            .verify_many_on(backend, black_box(batch))
                            .iter()
                            .all(|valid| *valid)
                    )
                });
            });
        }
        let id = BenchmarkId::new(format!("n={count}"), "best, 2 threads");
        let pool = pool(2);
        group.bench_function(id, |b| {
            b.iter(|| {
                let valid = pool.install(|| instance.verify_many_parallel(black_box(batch)));
                assert!(valid.iter().all(|valid| *valid));
            });
        });
    }
    group.finish();
}

fn sign(c: &mut Criterion) {
    let mut key = key();
    key.prepare(0).expect("an undamaged key");
    let mut group = c.benchmark_group("xmss::sign");
    for backend in Backend::all() {
        group.bench_function(backend.name(), |b| {
            let mut number = 0;
            b.iter(|| {
                number += 1;
                key.sign_on(backend, number % EPOCHS_PER_SUBTREE, &message(number))
                    .expect("prepared")
            });
        });
    }
    group.finish();
}

fn keygen(c: &mut Criterion) {
    let material = material(1 << 18);
    let mut group = c.benchmark_group("xmss::keygen");
    group.sample_size(10);
    for log_active in [17, 18] {
        let epochs: u64 = 1 << log_active;
        let subtrees = u32::try_from(epochs / EPOCHS_PER_SUBTREE).expect("few");
        group.throughput(Throughput::Elements(epochs));
        for backend in Backend::all() {
            let id = BenchmarkId::new(format!("active=2^{log_active}"), backend.name());
            group.bench_function(id, |b| {
                b.iter_custom(|rounds| {
                    let start = Instant::now();
                    for index in 0..rounds {
                        black_box(material.subtree_on(backend, index));
                    }
                    start.elapsed() * subtrees
                });
            });
        }
        let id = BenchmarkId::new(format!("active=2^{log_active}"), "best, 2 threads");
        let pool = pool(2);
        group.bench_function(id, |b| {
            b.iter_custom(|rounds| {
                let best = Backend::best();
                let start = Instant::now();
                pool.install(|| {
                    (0..2 * rounds).into_par_iter().for_each(|index| {
                        black_box(material.subtree_on(best, index));
                    });
                });
                start.elapsed() * subtrees / 2
            });
        });
    }
    group.finish();
}

/// Whole keys of few epochs, on one thread: what a validator of a devnet costs.
fn short_keys(c: &mut Criterion) {
    let mut group = c.benchmark_group("xmss::short_key");
    group.sample_size(10);
    for epochs in [64, 1024, 4096] {
        let material = material(epochs);
        group.throughput(Throughput::Elements(epochs));
        group.bench_function(format!("epochs={epochs}"), |b| {
            b.iter(|| SecretKey::build(black_box(material.clone()), Threads::One, &|_| ()));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(4));
    targets = verify, sign, keygen, short_keys
}
criterion_main!(benches);
