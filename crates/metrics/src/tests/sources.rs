//! What the services record is in the catalogue: otherwise it has no help text, and a histogram no chosen buckets.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::catalogue::{Kind, catalogue};

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names that are recorded in the crates and the program, with the macro that records each.
fn recorded() -> BTreeMap<String, &'static str> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for entry in fs::read_dir(&crates).unwrap() {
        let sources = entry.unwrap().path().join("src");
        // This crate's own are described where they are set.
        if sources.is_dir() && !sources.ends_with("metrics/src") {
            rust_files(&sources, &mut files);
        }
    }
    rust_files(&crates.join("../bin/quartet/src"), &mut files);
    let mut names = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        for kind in ["counter", "gauge", "histogram"] {
            for call in text.split(&format!("{kind}!(")).skip(1) {
                let name = call.trim_start().strip_prefix('"');
                if let Some((name, _)) = name.and_then(|rest| rest.split_once('"')) {
                    names.insert(name.to_owned(), kind);
                }
            }
        }
    }
    names
}

#[test]
fn whatever_is_recorded_is_in_the_catalogue_by_its_kind() {
    let known: BTreeMap<_, _> = catalogue()
        .map(|metric| {
            let kind = match metric.kind {
                Kind::Counter | Kind::CounterOf(_) | Kind::CounterWithLabels => "counter",
                Kind::Gauge | Kind::GaugeOf(_) | Kind::LateGauge => "gauge",
                Kind::Histogram(_) => "histogram",
            };
            (metric.name, kind)
        })
        .collect();
    let recorded = recorded();
    assert!(recorded.len() > 60, "{recorded:?}");
    for (name, kind) in recorded {
        assert_eq!(known.get(&*name), Some(&kind), "{name}");
    }
}
