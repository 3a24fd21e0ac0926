//! What every source keeps to and no lint can see.

use std::{fs, path::Path};

use super::book::root;

/// Where `unsafe` may be, and nowhere else: the scheme's vectors, the allocator's settings, and allocators that count in tests.
const UNSAFE: [&str; 5] = [
    "bin/quartet/src/memory.rs",
    "crates/checkpoint/tests/memory.rs",
    "crates/fork-choice/tests/memory.rs",
    "crates/state-transition/tests/memory.rs",
    "crates/xmss/src/lanes/",
];

/// A file of Rust.
pub(crate) struct Source {
    /// From the checkout on.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All sources below some directories.
pub(crate) fn sources(directories: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    for directory in directories {
        collect(&root().join(directory), &mut found);
    }
    assert!(found.len() > 20);
    found
}

fn collect(directory: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if path.is_dir() && name != "target" && name != "node_modules" {
            collect(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root()).unwrap();
            let path = path.to_string_lossy().replace('\\', "/");
            found.push(Source { path, text });
        }
    }
}

/// The lint refuses `unsafe`; this refuses that more files turn it off.
#[test]
fn only_what_is_listed_may_be_unsafe() {
    // Written so that this file is not one of them.
    let permissions = ["allow", "expect"].map(|word| format!("{word}({}", "unsafe_code"));
    let others: Vec<_> = sources(&["crates", "bin", "testing"])
        .into_iter()
        .filter(|source| permissions.iter().any(|words| source.text.contains(words)))
        .map(|source| source.path)
        .filter(|path| !UNSAFE.iter().any(|place| path.starts_with(place)))
        .collect();
    assert!(others.is_empty(), "{others:?}");
}

/// In a crate without `unsafe` nothing can turn the lint off.
#[test]
fn crates_without_unsafe_forbid_it() {
    for source in sources(&["crates", "bin"]) {
        let Some(folder) = source.path.strip_suffix("src/lib.rs") else {
            continue;
        };
        let has_unsafe = UNSAFE
            .iter()
            .any(|place| place.starts_with(&format!("{folder}src/")));
        let forbids = source.text.contains("\n#![forbid(unsafe_code)]\n");
        assert_ne!(has_unsafe, forbids, "{}", source.path);
    }
}

/// What stands above a select that is not biased, with the reason behind it.
const NOT_BIASED: &str = "// Not biased: ";

/// Lines of calls whose first line is not `biased;` and that do not say why.
fn fair_selects(text: &str) -> Vec<usize> {
    // Written so that this file has none.
    let call = ["select", "! {"].concat();
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let calls = (0..lines.len()).filter(|index| lines[*index].ends_with(&call));
    let fair = calls.filter(|index| {
        let is_biased = lines.get(index + 1) == Some(&"biased;");
        !is_biased
            && !lines[..*index]
                .last()
                .is_some_and(|line| line.starts_with(NOT_BIASED))
    });
    fair.map(|index| index + 1).collect()
}

/// A `select!` that is not biased takes its branches in an order drawn at random, so that no run is like another. Only what the
/// simulation does not run may have a reason for that.
#[test]
fn every_select_is_biased_or_says_why_not() {
    let sources = sources(&["crates", "bin", "testing/simulation"]);
    let services = sources
        .into_iter()
        .filter(|source| !source.path.contains("/tests/"));
    let mut fair = Vec::new();
    for Source { path, text } in services {
        fair.extend(
            fair_selects(&text)
                .iter()
                .map(|line| format!("{path}:{line}")),
        );
        // On one line it would not be seen.
        let calls = ["select", "!"].concat();
        for line in text.lines().filter(|line| line.contains(&calls)) {
            assert!(line.trim_end().ends_with('{'), "{path}: {line}");
        }
    }
    assert!(fair.is_empty(), "{fair:#?}");
}

#[test]
fn a_select_that_is_not_biased_is_found() {
    let select = |first: &str| format!("tokio::{}! {{\n    {first}\n}}\n", "select");
    assert!(fair_selects(&select("biased;")).is_empty());
    let fair = select("() = stop => break,");
    assert_eq!(fair_selects(&fair), [1]);
    assert_eq!(fair_selects(&format!("// Some call.\n{fair}")), [2]);
    assert!(fair_selects(&format!("{NOT_BIASED}sockets.\n{fair}")).is_empty());
}

/// The files of the four services.
const SERVICES: [&str; 4] = [
    "crates/chain/src/service/mod.rs",
    "crates/network/src/service/mod.rs",
    "crates/rpc/src/service.rs",
    "crates/validator/src/service.rs",
];

/// Each is made of values and parts, by `bind` where it takes a socket, and runs until one token says stop.
#[test]
fn services_have_one_shape() {
    for path in SERVICES {
        let text = fs::read_to_string(root().join(path)).unwrap();
        let functions: Vec<_> = text.lines().map(str::trim_start).collect();
        let begins = |start: &str| functions.iter().any(|line| line.starts_with(start));
        let is_made = ["pub fn new(config: ", "pub async fn bind(config: "].map(begins);
        assert!(is_made[0] != is_made[1], "{path}: one way to make it");
        let runs = ["self", "mut self"]
            .map(|own| begins(&format!("pub async fn run({own}, stop: CancellationToken)")));
        assert!(runs[0] || runs[1], "{path}: run(self, stop)");
    }
}

/// Benchmarks are named `crate::operation`; what follows a `/` says of what: `fork_choice::slot/blocks=1000`. So names of all crates
/// can be kept in one list and compared with former ones.
#[test]
fn benchmarks_are_named_by_crate_and_operation() {
    let mut names = 0;
    for Source { path, text } in sources(&["crates"]) {
        let Some((folder, _)) = path.split_once("/benches/") else {
            continue;
        };
        let package = folder.trim_start_matches("crates/").replace('-', "_");
        for name in names_of_benchmarks(&text) {
            let operation = name
                .strip_prefix(&package)
                .and_then(|rest| rest.strip_prefix("::"));
            let word = operation.map(|rest| rest.split('/').next().unwrap_or_default());
            let is_named = word.is_some_and(|word| {
                !word.is_empty()
                    && word
                        .chars()
                        .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'))
            });
            assert!(is_named, "{path}: {name:?} is not {package}::operation");
            names += 1;
        }
    }
    assert!(names > 15, "{names} names");
}

/// What groups are called, and benchmarks of none.
fn names_of_benchmarks(text: &str) -> Vec<&str> {
    let calls = ["benchmark_group(", "criterion.bench_function("];
    let mut names = Vec::new();
    for call in calls {
        for rest in text.split(call).skip(1) {
            let rest = rest.trim_start().trim_start_matches("&format!(");
            let literal = rest
                .strip_prefix('"')
                .and_then(|rest| rest.split('"').next());
            names.push(literal.unwrap_or("no literal"));
        }
    }
    names
}

/// Rustdoc compiles and runs what a fence without a word holds.
#[test]
fn the_docs_of_every_library_crate_have_an_example_that_runs() {
    let without: Vec<_> = sources(&["crates"])
        .into_iter()
        .filter(|source| source.path.ends_with("/src/lib.rs"))
        .filter(|source| {
            let fence = |line: &&str| line.starts_with("//! ```");
            source.text.lines().find(fence) != Some("//! ```")
        })
        .map(|source| source.path)
        .collect();
    assert!(without.is_empty(), "{without:?}");
}
