//! `quartet devnet scale`: devnets of growing registries, one after the other, and a table of the resources of each.
//!
//! Each is a `quartet devnet` of its own, so that the table says what its users see.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, ExitStatus},
};

use anyhow::{Context as _, Result, bail};
use quartet_types::VALIDATOR_REGISTRY_LIMIT;
use serde::Deserialize;

use super::{
    exit::INTERRUPTED,
    reading::Parts,
    terminal::{self, note},
};
use crate::words::count;

/// From this many validators on, there are two nodes: with four, each signature would cross the machine three times.
const TWO_NODES_FROM: u64 = 4096;

/// Run devnets of 64 to 4,096 validators and print what each took
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
A row is a devnet of its own. Processor time is that of all nodes together, per slot, from the first finalization on;
bytes are those that one node sends per slot. Times are the worst of all nodes' medians, with the longest in parentheses.

The exit code is 0 only if every devnet ended with exit code 0.")]
pub(super) struct ScaleArgs {
    /// Numbers of validators, separated by commas
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "64,256,1024,2048,4096",
        value_parser = clap::value_parser!(u64).range(1..=VALIDATOR_REGISTRY_LIMIT))]
    validators: Vec<u64>,

    /// Number of nodes of each devnet [default: 4, and 2 from 4,096 validators on]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    nodes: Option<u16>,

    /// Slots of each devnet
    #[arg(long, value_name = "SLOTS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    slots: u64,

    /// Keep the reports there, as `<validators>.json`
    #[arg(long, value_name = "DIR")]
    reports: Option<PathBuf>,
}

/// Runs all devnets.
///
/// # Errors
/// When one cannot be run, or leaves no report that can be read.
pub(super) fn run(args: &ScaleArgs) -> Result<ExitCode> {
    let program = env::current_exe().context("this program's own file cannot be found")?;
    let reports = match &args.reports {
        Some(directory) => directory.clone(),
        None => env::temp_dir().join(format!("quartet-scale-{}", std::process::id())),
    };
    let unmade = || format!("{} cannot be made", reports.display());
    fs::create_dir_all(&reports).with_context(unmade)?;
    let mut rows = Vec::new();
    let mut failed = false;
    for validators in &args.validators {
        let nodes = args
            .nodes
            .unwrap_or(if *validators < TWO_NODES_FROM { 4 } else { 2 });
        let (of, on) = (count(*validators, "validator"), count(nodes.into(), "node"));
        note(format_args!("{of} on {on}"));
        let path = reports.join(format!("{validators}.json"));
        let status = devnet(&program, nodes, *validators, args.slots, &path)?;
        failed |= !status.success();
        let text = fs::read_to_string(&path);
        let text = text.with_context(|| format!("no report {}", path.display()))?;
        let report: Report = serde_json::from_str(&text)
            .with_context(|| format!("{} is no report", path.display()))?;
        rows.push(Row::new(*validators, nodes, &report));
    }
    if args.reports.is_none() {
        // They have been read; a file that cannot be removed is small.
        let _ = fs::remove_dir_all(&reports);
    }
    terminal::line(HEADER)?;
    terminal::line(&format!(
        "|{}",
        " ---: |".repeat(HEADER.matches('|').count() - 1)
    ))?;
    for row in &rows {
        terminal::line(&row.line())?;
    }
    if failed {
        Ok(ExitCode::FAILURE)
    } else {
        Ok(ExitCode::SUCCESS)
    }
}

/// Runs one devnet in a directory that is removed afterwards. A signal reaches it as it reaches us.
fn devnet(
    program: &Path,
    nodes: u16,
    validators: u64,
    slots: u64,
    report: &Path,
) -> Result<ExitStatus> {
    let directory = report.with_extension("net");
    let run = Command::new(program)
        .args(["devnet", "--nodes", &nodes.to_string()])
        .args(["--validators", &validators.to_string()])
        .args(["--slots", &slots.to_string()])
        .args(["--data-dir".as_ref(), directory.as_os_str()])
        .args(["--report".as_ref(), report.as_os_str()])
        .stdout(std::io::stderr())
        .status()
        .context("the devnet cannot be run")?;
    // Gigabytes of blocks, which are not needed any more.
    let _ = fs::remove_dir_all(&directory);
    if run.code().is_none() || run.code() == Some(i32::from(INTERRUPTED)) {
        bail!("the devnet was interrupted");
    }
    Ok(run)
}

const HEADER: &str = "| validators | nodes | first finalization, s | finality behind | missed | late \
    | memory, MiB | CPU a slot, ms | gossip | chain | verification | signing | transition | hashing | other \
    | sent a slot, MB | import, ms | votes complete, s |";

/// The members of a report that are used here.
#[derive(Debug, Deserialize)]
struct Report {
    slots: u64,
    first_finalization_seconds: Option<f64>,
    nodes: Vec<NodeReport>,
}

#[derive(Debug, Deserialize)]
struct NodeReport {
    finalized: Option<Slotted>,
    missed_proposals: Option<u64>,
    late_attestations: Option<u64>,
    rss_peak_bytes: Option<u64>,
    steady: Option<Steady>,
    block_import_seconds: Option<Times>,
    votes_complete_seconds: Option<Times>,
}

#[derive(Debug, Deserialize)]
struct Slotted {
    slot: u64,
}

#[derive(Debug, Deserialize)]
struct Steady {
    slots: u64,
    cpu_seconds: f64,
    cpu_seconds_by_part: Parts,
    bytes_sent: u64,
}

#[derive(Debug, Deserialize)]
struct Times {
    median: f64,
    longest: f64,
}

/// A line of the table, of which each value is `None` when some node did not tell.
#[derive(Debug)]
struct Row(Vec<String>);

impl Row {
    fn new(validators: u64, nodes: u16, report: &Report) -> Self {
        let all = &report.nodes;
        let behind = all.iter().filter_map(|node| {
            let finalized = node.finalized.as_ref()?;
            Some(report.slots.saturating_sub(finalized.slot))
        });
        let sum = |value: fn(&NodeReport) -> Option<u64>| {
            all.iter()
                .map(value)
                .sum::<Option<u64>>()
                .map(|sum| sum.to_string())
        };
        let mebibytes = |bytes: u64| (bytes >> 20).to_string();
        let memory = all.iter().filter_map(|node| node.rss_peak_bytes).max();
        let cpu = |part: fn(&Steady) -> f64| {
            let of_node = |node: &NodeReport| {
                let steady = node.steady.as_ref()?;
                Some(part(steady) * 1000.0 / steady.slots as f64)
            };
            let sum = all.iter().map(of_node).sum::<Option<f64>>();
            sum.map(|sum| format!("{sum:.0}"))
        };
        let sent = all.iter().filter_map(|node| {
            let steady = node.steady.as_ref()?;
            Some(steady.bytes_sent as f64 / 1e6 / steady.slots as f64)
        });
        let times = |of: fn(&NodeReport) -> Option<&Times>, unit: f64, digits: usize| {
            let most =
                |value: fn(&Times) -> f64| all.iter().filter_map(of).map(value).reduce(f64::max);
            let (median, longest) = (most(|times| times.median)?, most(|times| times.longest)?);
            let shown = |value: f64| format!("{:.digits$}", value * unit);
            Some(format!("{} ({})", shown(median), shown(longest)))
        };
        let cells = [
            Some(validators.to_string()),
            Some(nodes.to_string()),
            report
                .first_finalization_seconds
                .map(|seconds| format!("{seconds:.0}")),
            behind.max().map(|slots| slots.to_string()),
            sum(|node| node.missed_proposals),
            sum(|node| node.late_attestations),
            memory.map(mebibytes),
            cpu(|steady| steady.cpu_seconds),
            cpu(|steady| steady.cpu_seconds_by_part.gossip),
            cpu(|steady| steady.cpu_seconds_by_part.chain),
            cpu(|steady| steady.cpu_seconds_by_part.verification),
            cpu(|steady| steady.cpu_seconds_by_part.signing),
            cpu(|steady| steady.cpu_seconds_by_part.transition),
            cpu(|steady| steady.cpu_seconds_by_part.hashing),
            cpu(|steady| steady.cpu_seconds_by_part.keys + steady.cpu_seconds_by_part.other),
            sent.reduce(f64::max)
                .map(|megabytes| format!("{megabytes:.2}")),
            times(|node| node.block_import_seconds.as_ref(), 1000.0, 0),
            times(|node| node.votes_complete_seconds.as_ref(), 1.0, 2),
        ];
        let unknown = || "?".to_owned();
        Self(
            cells
                .into_iter()
                .map(|cell| cell.unwrap_or_else(unknown))
                .collect(),
        )
    }

    fn line(&self) -> String {
        format!("| {} |", self.0.join(" | "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_a_cell_for_each_column() {
        let report: Report = serde_json::from_str(
            r#"{"slots": 50, "first_finalization_seconds": 21.4, "nodes": [
                {"finalized": {"slot": 47}, "missed_proposals": 0, "late_attestations": 1,
                 "rss_peak_bytes": 104857600,
                 "steady": {"slots": 40, "cpu_seconds": 8.0, "bytes_sent": 80000000,
                  "cpu_seconds_by_part": {"gossip": 4.0, "chain": 0.4, "verification": 2.0,
                   "signing": 0.4, "transition": 0.4, "hashing": 0.4, "keys": 0.0, "other": 0.4}},
                 "block_import_seconds": {"count": 40, "median": 0.012, "longest": 0.05},
                 "votes_complete_seconds": {"count": 40, "median": 1.21, "longest": 1.5}}]}"#,
        )
        .unwrap();
        let row = Row::new(1024, 1, &report);
        assert_eq!(
            row.line(),
            "| 1024 | 1 | 21 | 3 | 0 | 1 | 100 | 200 | 100 | 10 | 50 | 10 | 10 | 10 | 10 | 2.00 \
             | 12 (50) | 1.21 (1.50) |"
        );
        assert_eq!(row.line().matches('|').count(), HEADER.matches('|').count());
        let silent: Report = serde_json::from_str(
            r#"{"slots": 50, "first_finalization_seconds": null, "nodes": [{}]}"#,
        )
        .unwrap();
        let row = Row::new(64, 1, &silent);
        assert!(
            row.line().starts_with("| 64 | 1 | ? | ? | ? |"),
            "{}",
            row.line()
        );
    }
}
