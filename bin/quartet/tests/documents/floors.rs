//! The floors of `docs/architecture.md`: every crate has one, and imports only crates of lower ones.

use std::{collections::BTreeMap, fs};

use super::book::root;

/// What brings sockets, files that are databases, or a runtime with it.
const RUNTIMES: [&str; 8] = [
    "axum", "futures", "hyper", "libp2p", "metrics", "redb", "reqwest", "tokio",
];

/// A row of the table.
struct Floor {
    number: u32,
    /// What the crate never has.
    never: String,
}

/// The table's rows by the crate's directory.
fn floors(document: &str) -> BTreeMap<String, Floor> {
    let section = document.split("## Crates").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, name, .., never] = cells[..] else {
            return None;
        };
        let name = name.trim_matches('`');
        let path = if name.contains('/') {
            name.to_owned()
        } else {
            format!("crates/{name}")
        };
        let number = number.parse().ok()?;
        let never = never.to_owned();
        Some((path, Floor { number, never }))
    });
    rows.collect()
}

/// What a manifest depends on, by table: `dependencies`, `dev-dependencies` and so on.
fn dependencies(manifest: &str) -> Vec<(String, String)> {
    let mut table = String::new();
    let mut found = Vec::new();
    for line in manifest.lines() {
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_end_matches(']').to_owned();
        } else if table.ends_with("dependencies") && !line.starts_with(['#', ' ']) {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if !name.is_empty() {
                found.push((table.clone(), name.to_owned()));
            }
        }
    }
    found
}

/// What is wrong with the manifest of the crate at `path`.
fn faults(path: &str, manifest: &str, floors: &BTreeMap<String, Floor>) -> Vec<String> {
    let Some(floor) = floors.get(path) else {
        return vec![format!("{path} has no floor")];
    };
    let mut faults = Vec::new();
    for (table, name) in dependencies(manifest) {
        let is_for_tests = table.ends_with("dev-dependencies");
        if let Some(ours) = name.strip_prefix("quartet-") {
            match floors.get(&format!("crates/{ours}")) {
                Some(other) if other.number < floor.number => {}
                Some(_) => faults.push(format!("{path} imports {ours}, which is not below it")),
                // What is in `testing/` is for tests.
                None if is_for_tests => {}
                None => faults.push(format!("{path} imports {ours}, which has no floor")),
            }
        } else if !is_for_tests
            && floor.never.contains("async")
            && RUNTIMES.contains(&name.as_str())
        {
            faults.push(format!(
                "{path} never has {}, and imports {name}",
                floor.never
            ));
        }
    }
    faults
}

/// The members of the workspace that have floors: paths and manifests.
fn crates() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for directory in ["crates", "bin"] {
        for entry in fs::read_dir(root().join(directory)).unwrap() {
            let path = entry.unwrap().path();
            if let Ok(manifest) = fs::read_to_string(path.join("Cargo.toml")) {
                let name = path.file_name().unwrap().to_string_lossy();
                found.push((format!("{directory}/{name}"), manifest));
            }
        }
    }
    found
}

fn document() -> String {
    fs::read_to_string(root().join("docs/architecture.md")).unwrap()
}

#[test]
fn a_crate_imports_only_crates_of_lower_floors() {
    let floors = floors(&document());
    let crates = crates();
    assert!(crates.len() > 10);
    let faults: Vec<_> = crates
        .iter()
        .flat_map(|(path, manifest)| faults(path, manifest, &floors))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
    for path in floors.keys() {
        let is_there = root().join(path).join("Cargo.toml").exists();
        assert!(
            is_there,
            "docs/architecture.md has {path}, which is not there"
        );
    }
}

#[test]
fn a_wrong_edge_and_a_crate_without_a_floor_are_found() {
    let floors = floors(&document());
    let faults = |path: &str, line: &str| {
        let manifest = format!("[package]\nname = \"x\"\n\n[dependencies]\n{line}\n");
        faults(path, &manifest, &floors).len()
    };
    assert_eq!(faults("crates/chain", "quartet-sync.workspace = true"), 0);
    assert_eq!(faults("crates/sync", "quartet-chain.workspace = true"), 1);
    assert_eq!(
        faults("crates/rpc", "quartet-network.workspace = true"),
        1,
        "sideways"
    );
    assert_eq!(faults("crates/sync", "tokio = { workspace = true }"), 1);
    assert_eq!(
        faults("crates/chain", "quartet-hostile.workspace = true"),
        1
    );
    assert_eq!(faults("crates/attic", ""), 1);
}
