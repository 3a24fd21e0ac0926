//! What the signing record costs before each signature: one append and one `fdatasync`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use criterion::{Criterion, criterion_group, criterion_main};
use quartet_keystore::record::{SigningRecord, SigningRequest};
use quartet_types::{PublicKey, Root};

fn authorise(criterion: &mut Criterion) {
    for validators in [1u8, 100] {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let record = SigningRecord::open(&directory.path().join("record")).unwrap();
        let mut epoch = 0;
        let name = format!("record::authorise_many/validators={validators}");
        criterion.bench_function(&name, |bencher| {
            bencher.iter(|| {
                epoch += 1;
                let requests: Vec<_> = (0..validators)
                    .map(|number| SigningRequest {
                        public_key: PublicKey([number; 52]),
                        epoch,
                        message_root: Root::ZERO,
                        source: epoch.checked_sub(2),
                    })
                    .collect();
                record.authorise_many(&requests).unwrap()
            });
        });
    }
}

criterion_group!(benches, authorise);
criterion_main!(benches);
