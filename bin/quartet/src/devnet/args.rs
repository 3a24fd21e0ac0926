//! The flags of `quartet devnet`.

use std::path::PathBuf;

use quartet_types::{SlotDuration, VALIDATOR_REGISTRY_LIMIT};

use super::{
    commands::DevnetCommand,
    guests::{With, WithBinary},
    ports::{HIGHEST_BASE, LOWEST_BASE},
};

/// Each node is a process with a hundred sockets and files; more do not fit on a usual machine.
pub(super) const MAX_NODES: usize = 64;

/// Run a local network of real nodes, each a process of its own
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_long_help = "\
The table has a line per slot: the head, the justified and the finalized checkpoint that most nodes see,
how many peers the nodes have, and whether all nodes see the same.

Ctrl-C stops all nodes. With --slots the exit code is 0 only if no node died, all nodes agree in the last
slot, and its finalized slot is at most 4 behind. With nodes of other clients, also only if at least half of each
client's blocks are in the chain and half of its votes were counted, and a late node has caught up.

DIR/devnet.json tells scripts each node's name, pid, directory, addresses and command line; DIR/quartet_0/log
and so on are the nodes' logs, and DIR/genesis has the files with which another node can join.

The first four validators have ready-made keys whose secrets are public; keys of further ones are made at the
first start, and last as long as --slots needs, else some hours: how long is said at the start. A new data directory
gets new ones. None of them is for anything of value.")]
pub(crate) struct DevnetArgs {
    /// Number of nodes of our own
    #[arg(long, value_name = "N", default_value_t = 4,
        value_parser = clap::value_parser!(u16).range(1..=MAX_NODES as i64))]
    pub(super) nodes: u16,

    /// Number of validators, dealt out to the nodes in turn, to those of other clients first [default: as many as nodes]
    #[arg(long, value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..=VALIDATOR_REGISTRY_LIMIT))]
    pub(super) validators: Option<u64>,

    /// Also run so many nodes of another client, by its template; may be given several times
    ///
    /// A template is a file, or one of those that come along: ethlambda, quartet, ream, zeam. What it is made of is in docs/interop.md.
    #[arg(long, value_name = "FILE[:COUNT]")]
    pub(super) with: Vec<With>,

    /// Where the program of a client is [default: as its template says]
    #[arg(long, value_name = "NAME=PATH")]
    pub(super) with_binary: Vec<WithBinary>,

    /// Start one more node of ours later, without validators, that knows this node only
    ///
    /// Whether it catches up is a part of the verdict.
    #[arg(long, value_name = "NODE")]
    pub(super) late_node_from: Option<String>,

    /// When that node starts
    #[arg(long, value_name = "SLOT", default_value_t = 16, requires = "late_node_from",
        value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) late_node_slot: u64,

    /// End after this many slots [default: run until Ctrl-C]
    #[arg(long, value_name = "SLOTS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) slots: Option<u64>,

    /// How long a slot lasts, in milliseconds: 400 to 60000, a multiple of 4
    #[arg(long, value_name = "N", default_value = "4000")]
    pub(super) slot_duration_ms: SlotDuration,

    /// Where keys, genesis, logs and databases go [default: a fresh temporary directory]
    ///
    /// Must be empty, not exist yet, or hold a former devnet that has ended. Of a former one the keys are
    /// kept, since they take long to make; everything else is replaced by a new network with a new genesis,
    /// unless --resume is given.
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,

    /// Go on with the devnet in --data-dir: the same genesis, keys, ports and databases
    #[arg(long, requires = "data_dir",
        conflicts_with_all = ["nodes", "validators", "slot_duration_ms", "base_port", "genesis_delay", "with", "late_node_from"])]
    pub(super) resume: bool,

    /// Use the same ports at each start: node I has PORT + I for QUIC (UDP), 100 more for HTTP and 200 more for
    /// metrics (TCP), and the page of all nodes has PORT + 300 [default: free ones]
    #[arg(long, value_name = "PORT",
        value_parser = clap::value_parser!(u16).range(i64::from(LOWEST_BASE)..=i64::from(HIGHEST_BASE)))]
    pub(super) base_port: Option<u16>,

    /// Have each node record what its chain takes and decides, in `recording` in its directory, for `quartet replay`
    #[arg(long)]
    pub(super) record: bool,

    /// Run in the background, once the nodes are there; `quartet devnet stop` ends it
    #[arg(long)]
    pub(super) detach: bool,

    /// Runs in the background already, for its parent
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub(super) detached: bool,

    /// Write a report in JSON when it ends
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,

    /// Write a scrape file for Prometheus when it starts
    #[arg(long, value_name = "FILE")]
    pub(super) prometheus_config: Option<PathBuf>,

    /// Seconds from the start of the nodes to genesis [default: 4, more for many nodes]
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(super) genesis_delay: Option<u64>,

    #[command(subcommand)]
    pub(super) command: Option<DevnetCommand>,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        devnet: DevnetArgs,
    }

    fn parse(line: &str) -> Result<DevnetArgs, String> {
        let words = std::iter::once("devnet").chain(line.split_ascii_whitespace());
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        Ok(cli.devnet)
    }

    #[test]
    fn wrong_flags_are_refused_by_name() {
        for (line, expected) in [
            ("--slot-duration-ms 398", "it lasts 400 to 60000 ms"),
            ("--slot-duration-ms 402", "a multiple of 4"),
            ("--base-port 80", "80 is not in 1024..=65135"),
            ("--base-port 65136", "65136 is not in 1024..=65135"),
            ("--resume", "--data-dir"),
            (
                "--resume --data-dir x --nodes 2",
                "cannot be used with '--nodes <N>'",
            ),
            (
                "--resume --data-dir x --base-port 9000",
                "cannot be used with '--base-port <PORT>'",
            ),
            ("stop --nodes 2", "unexpected argument"),
            ("kill", "<NODE>"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
        }
        assert!(
            parse("--resume --data-dir x --slots 3 --detach")
                .unwrap()
                .resume
        );
        let given = parse("--slot-duration-ms 400").unwrap().slot_duration_ms;
        assert_eq!(given.as_millis(), 400);
    }
}
