//! Reads every file of the repository's archive of vectors and replays it.
//!
//! `LEAN_VECTORS=DIR cargo test --release -p quartet-spec-tests` takes any directory of the same shape instead; names after
//! `--` choose kinds. A kind without a file fails, and so does a file that no kind reads.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

mod api;
mod codec;
mod constants;
mod devnet_sample;
mod field;
mod fixture;
mod fork_choice;
mod justifiable;
mod messages;
mod poseidon2;
mod scenarios;
mod signatures;
mod ssz_big;
mod ssz_containers;
mod ssz_invalid;
mod ssz_types_of_the_spec;
mod state_transition;
mod stf_cases;
mod store;
mod time;
mod xmss_primitives;
mod xmss_scheme;

use std::{env, process::ExitCode};

use anyhow::Result;
use quartet_spec_tests::{Report, VectorFile, Vectors, is_prose};

/// Cases named for one reason; the rest is counted.
const SHOWN: usize = 8;

/// One kind of vectors.
struct Kind {
    name: &'static str,
    /// Whether a file, by its path from the directory on, is of this kind.
    claims: fn(&str) -> bool,
    replay: fn(&VectorFile, &mut Report) -> Result<()>,
}

const KINDS: &[Kind] = &[
    Kind {
        name: "ssz containers",
        claims: |name| own(name, "ssz/") && !name.contains("/_"),
        replay: ssz_containers::replay,
    },
    Kind {
        name: "ssz big values",
        claims: |name| own(name, "ssz/_big"),
        replay: ssz_big::replay,
    },
    Kind {
        name: "ssz invalid bytes",
        claims: |name| own(name, "ssz/_invalid"),
        replay: ssz_invalid::replay,
    },
    Kind {
        name: "constants",
        claims: |name| own(name, "constants"),
        replay: constants::replay,
    },
    Kind {
        name: "justifiable slots",
        claims: |name| own(name, "justifiable"),
        replay: justifiable::replay,
    },
    Kind {
        name: "justifiability fixtures",
        claims: |name| filled(name, "justifiability"),
        replay: justifiable::replay_fixture,
    },
    Kind {
        name: "proposers",
        claims: |name| own(name, "proposer"),
        replay: time::replay_proposers,
    },
    Kind {
        name: "slot clock",
        claims: |name| own(name, "slot_clock"),
        replay: time::replay_clock,
    },
    Kind {
        name: "state transition fixtures",
        claims: |name| filled(name, "state_transition") && !filled(name, "justifiability"),
        replay: state_transition::replay,
    },
    Kind {
        name: "state transition cases",
        claims: |name| own(name, "stf_cases"),
        replay: stf_cases::replay,
    },
    Kind {
        name: "fork choice fixtures",
        claims: |name| filled(name, "fork_choice"),
        replay: fork_choice::replay,
    },
    Kind {
        name: "scenarios",
        claims: |name| own(name, "scenarios/"),
        replay: scenarios::replay,
    },
    Kind {
        name: "scenario signatures",
        claims: |name| own(name, "scenarios/") && name.contains("signed"),
        replay: signatures::replay_scenario,
    },
    Kind {
        name: "block signatures",
        claims: |name| own(name, "block_signatures"),
        replay: signatures::replay_blocks,
    },
    Kind {
        name: "block signature fixtures",
        claims: |name| filled(name, "verify_signatures"),
        replay: signatures::replay_fixture,
    },
    Kind {
        name: "poseidon2",
        claims: |name| own(name, "poseidon2"),
        replay: poseidon2::replay,
    },
    Kind {
        name: "xmss primitives",
        claims: |name| own(name, "xmss_primitives"),
        replay: xmss_primitives::replay,
    },
    Kind {
        name: "xmss schemes",
        claims: |name| own(name, "xmss_") && name.contains("_scheme"),
        replay: xmss_scheme::replay,
    },
    Kind {
        name: "gossip",
        claims: |name| own(name, "gossip"),
        replay: messages::replay_gossip,
    },
    Kind {
        name: "requests and responses",
        claims: |name| own(name, "reqresp"),
        replay: messages::replay_requests,
    },
    Kind {
        name: "network codec fixtures",
        claims: |name| filled(name, "networking_codec"),
        replay: codec::replay,
    },
    Kind {
        name: "api fixtures",
        claims: |name| filled(name, "api_endpoint"),
        replay: api::replay,
    },
    Kind {
        name: "devnet sample",
        claims: |name| name.starts_with("own/devnet-sample/"),
        replay: devnet_sample::replay,
    },
];

/// Whether a file is one of our own generators' whose path begins so.
fn own(name: &str, prefix: &str) -> bool {
    let rest = name.strip_prefix("own/");
    rest.is_some_and(|rest| rest.starts_with(prefix)) && name.ends_with(".json")
}

/// Whether a file is a fixture that the specification's filler has put into a folder of this name.
fn filled(name: &str, folder: &str) -> bool {
    name.starts_with("leanspec-")
        && name.ends_with(".json")
        && name.split('/').any(|part| part == folder)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        KINDS
            .iter()
            .for_each(|kind| println!("{}: test", kind.name));
        return ExitCode::SUCCESS;
    }
    let vectors = match vectors() {
        Ok(vectors) => vectors,
        Err(error) => {
            println!("{error:#}");
            return ExitCode::FAILURE;
        }
    };
    let chosen: Vec<&String> = arguments
        .iter()
        .filter(|name| !name.starts_with("--"))
        .collect();
    let is_chosen = |kind: &&Kind| {
        chosen.is_empty() || chosen.iter().any(|name| kind.name.contains(name.as_str()))
    };

    println!("vectors of {}", vectors.root().display());
    let (mut all_clean, mut all) = (true, Report::default());
    for kind in KINDS.iter().filter(is_chosen) {
        let report = run(kind, &vectors);
        all_clean &= report.is_clean();
        all.add(report);
    }
    if chosen.is_empty() {
        all_clean &= nothing_unread(&vectors);
    }
    println!("all: {all}");
    if all_clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The vectors that are replayed.
fn vectors() -> Result<Vectors> {
    Vectors::find(env!("CARGO_TARGET_TMPDIR"))
}

/// Replays the files of one kind and prints its line.
fn run(kind: &Kind, vectors: &Vectors) -> Report {
    let mut report = Report::default();
    for file in vectors
        .files()
        .iter()
        .filter(|file| (kind.claims)(&file.name))
    {
        report.files += 1;
        if let Err(error) = (kind.replay)(file, &mut report) {
            report.case(&file.name, || Err(error));
        }
    }
    let left_out = vectors.left_out().iter();
    left_out
        .filter(|name| (kind.claims)(name))
        .for_each(|name| report.skip(name));
    println!("{}: {report}", kind.name);
    for name in report.skipped() {
        println!("    skipped, as only a directory in LEAN_VECTORS can have it: {name}");
    }
    for (reason, names) in report.deviations() {
        println!("    deviation, {} times: {reason}", names.len());
        let shown = names
            .iter()
            .take(SHOWN)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        let more = names.len().saturating_sub(SHOWN);
        println!(
            "        {shown}{}",
            if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            }
        );
    }
    if report.files == 0 {
        println!("    FAILED: the directory has no file of this kind");
    }
    for failure in report.failures() {
        println!("    FAILED: {failure}");
    }
    report
}

/// Whether every file has been read by some kind.
fn nothing_unread(vectors: &Vectors) -> bool {
    let unread = vectors.files().iter().filter(|file| {
        !is_prose(&file.name) && !KINDS.iter().any(|kind| (kind.claims)(&file.name))
    });
    unread.fold(true, |_, file| {
        println!("FAILED: no kind reads {}", file.name);
        false
    })
}
