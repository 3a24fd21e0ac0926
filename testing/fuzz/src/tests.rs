//! The committed corpora once more, and what keeps programs, corpora and the table together.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::TARGETS;

fn here(directory: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)
}

fn names(directory: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(here(directory)).unwrap();
    let stem = |path: PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    entries.map(|entry| stem(entry.unwrap().path())).collect()
}

#[test]
fn every_target_has_a_program_and_a_corpus() {
    let targets: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("targets"), targets);
    assert_eq!(names("corpus"), targets);
    let manifest = fs::read_to_string(here("Cargo.toml")).unwrap();
    for name in targets {
        assert!(
            manifest.contains(&format!("path = \"targets/{name}.rs\"")),
            "{name}"
        );
    }
}

#[test]
fn the_corpora_find_nothing() {
    for (name, target) in TARGETS {
        let mut inputs = vec![Vec::new()];
        for entry in fs::read_dir(here("corpus").join(name)).unwrap() {
            inputs.push(fs::read(entry.unwrap().path()).unwrap());
        }
        for input in inputs {
            target(&input);
        }
    }
}

#[test]
fn the_corpora_are_small() {
    let mut all = 0;
    for (name, _) in TARGETS {
        let entries = fs::read_dir(here("corpus").join(name)).unwrap();
        let bytes: u64 = entries
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum();
        assert!(bytes < 64 << 10, "{name}: {bytes} bytes");
        all += bytes;
    }
    assert!(all < 300_000, "{all} bytes");
}
