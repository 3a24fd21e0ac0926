//! What is written to the disk before each signature: the record's one write and one `fdatasync`, and marks, which are
//! reserved ahead in the quiet half of a slot.

#![allow(clippy::disallowed_methods, reason = "a benchmark measures")]
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use quartet_keystore::{
    KeyRequest, Loading, MachineLocks, Signer, SigningDuty, inspect, keystore_file_name,
    load_signer_with,
    record::{SigningRecord, SigningRequest},
    reserve, sign_many,
};
use quartet_types::{PublicKey, Root};

fn authorise(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("keystore::authorise_many");
    for validators in [1u8, 100] {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let record = SigningRecord::open(&directory.path().join("record")).unwrap();
        let mut epoch = 0;
        let name = format!("validators={validators}");
        group.bench_function(name, |bencher| {
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

/// Copies of a ready-made key as if it were not public, each with a mark of its own.
fn signers(directory: &Path, record: &SigningRecord, count: u64) -> Vec<Signer> {
    let ready_made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../keystores");
    let text = fs::read_to_string(ready_made.join("validator_0.yaml")).unwrap();
    let text = text.replace("purpose: public-test-key\n", "");
    let signer = |index: u64| {
        let key = directory.join(keystore_file_name(index));
        fs::write(&key, &text).unwrap();
        fs::copy(
            ready_made.join("validator_0.trees"),
            key.with_extension("trees"),
        )
        .unwrap();
        let request = KeyRequest {
            index,
            public_key: inspect(&key, None).unwrap().public_key,
            file: None,
        };
        let loading = Loading {
            locks: MachineLocks::scoped(key.display().to_string()),
            ..Loading::default()
        };
        load_signer_with(directory, &request, &loading, record, &|_| {}).unwrap()
    };
    (0..count).map(signer).collect()
}

fn marks(criterion: &mut Criterion) {
    for validators in [1, 16, 100] {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let record = SigningRecord::open(&directory.path().join("record")).unwrap();
        let signers = signers(directory.path(), &record, validators);
        let all: Vec<&Signer> = signers.iter().collect();
        let mut epoch = 0;
        criterion.bench_function(
            &format!("keystore::reserve/validators={validators}"),
            |bencher| {
                bencher.iter(|| {
                    epoch += 1;
                    assert!(reserve(&all, epoch).iter().all(Result::is_ok));
                });
            },
        );
    }
    // One key, since the copies are one to the record.
    for is_reserved in [true, false] {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let record = SigningRecord::open(&directory.path().join("record")).unwrap();
        let signers = signers(directory.path(), &record, 1);
        let mut epoch = 0;
        criterion.bench_function(
            &format!("keystore::sign/reserved={is_reserved}"),
            |bencher| {
                bencher.iter_custom(|count| {
                    let mut passed = Duration::ZERO;
                    for _ in 0..count {
                        epoch += 1;
                        if is_reserved {
                            assert!(reserve(&[&signers[0]], epoch).iter().all(Result::is_ok));
                        }
                        signers[0].prepare(epoch).unwrap();
                        let duty = SigningDuty {
                            signer: &signers[0],
                            epoch,
                            message_root: Root::ZERO,
                            source: epoch.checked_sub(2),
                        };
                        let begun = Instant::now();
                        assert!(sign_many(&[duty])[0].is_ok());
                        passed += begun.elapsed();
                    }
                    passed
                });
            },
        );
    }
}

criterion_group!(benches, authorise, marks);
criterion_main!(benches);
