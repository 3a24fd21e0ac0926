//! The flags of `quartet node`, named as devnet scripts know them.

use std::{net::IpAddr, path::PathBuf};

use clap::Args;
use quartet_checkpoint::ServerUrl;
use quartet_network::{DEFAULT_MAX_PEERS, DEFAULT_PEERS_PER_ADDRESS};
use quartet_storage::Retention;

use crate::{keys::PassphraseArgs, logging::LogArgs};

/// Most slots that a node listens: a day. More is a mistake.
const MOST_SLOTS_TO_LISTEN: u64 = 24 * 60 * 60 / quartet_types::SECONDS_PER_SLOT;

/// Run a node of a devnet.
#[derive(Debug, Args)]
// Of a flag that a script gives twice, the last one counts.
#[command(args_override_self = true)]
pub(crate) struct NodeArgs {
    /// The network's config.yaml: genesis time and validators' public keys.
    #[arg(
        long,
        visible_alias = "network",
        value_name = "FILE",
        env = "QUARTET_GENESIS"
    )]
    pub(crate) genesis: PathBuf,

    /// validators.yaml or annotated_validators.yaml: which node runs which validators. Without it, the
    /// node follows the chain and has no duties.
    #[arg(
        long,
        visible_alias = "validator-registry-path",
        value_name = "FILE",
        env = "QUARTET_VALIDATORS"
    )]
    pub(crate) validators: Option<PathBuf>,

    /// Peers to dial: a nodes.yaml, or ENRs and multiaddrs separated by commas.
    #[arg(long, value_name = "FILE|ENR,…|MULTIADDR,…", env = "QUARTET_BOOTNODES")]
    pub(crate) bootnodes: Option<String>,

    /// This node's name in the validators file.
    #[arg(long, value_name = "NAME", env = "QUARTET_NODE_ID")]
    pub(crate) node_id: Option<String>,

    /// The node's secp256k1 identity, 32 bytes in hex. Without it one is made in the data directory.
    #[arg(
        long,
        visible_alias = "private-key-path",
        value_name = "FILE",
        env = "QUARTET_NODE_KEY"
    )]
    pub(crate) node_key: Option<PathBuf>,

    /// The validators' secret keys [default: `hash-sig-keys` beside the validators file].
    #[arg(long, value_name = "DIR", env = "QUARTET_KEYSTORES")]
    pub(crate) keystores: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,

    /// Listen for so many slots, at the start and after each jump of the clock, for somebody else who signs with this node's
    /// keys, before signing. One who is heard, then or later, ends the validator's duties here until the restart.
    #[arg(
        long,
        value_name = "SLOTS",
        default_value_t = 0,
        value_parser = clap::value_parser!(u64).range(..=MOST_SLOTS_TO_LISTEN),
        env = "QUARTET_DOPPELGANGER_SLOTS"
    )]
    pub(crate) doppelganger_slots: u64,

    /// Sign with keys that have signed further ahead on another network, and so give up their security: whoever has two
    /// signatures of one epoch may be able to forge. For devnets where nothing is at stake; better make new keys.
    #[arg(
        long,
        value_parser = clap::builder::BoolishValueParser::new(),
        env = "QUARTET_UNSAFE_REUSE_KEYS"
    )]
    pub(crate) unsafe_reuse_keys: bool,

    /// Where the node keeps its database, its signing record and what it makes itself.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "quartet-data",
        env = "QUARTET_DATA_DIR"
    )]
    pub(crate) data_dir: PathBuf,

    /// Memory, in MiB, for blocks and states that are in the database too or wait for it. The block tree comes on top: some
    /// 300 bytes for each block that is not final.
    #[arg(
        long,
        value_name = "MIB",
        default_value_t = 128,
        value_parser = clap::value_parser!(u16).range(16..),
        env = "QUARTET_MEMORY_BUDGET"
    )]
    pub(crate) memory_budget: u16,

    /// Start from the finalized checkpoint of these nodes, which are compared with each other; a URL like
    /// http://node.example:5052 each.
    #[arg(
        long,
        value_name = "URL,…",
        value_delimiter = ',',
        env = "QUARTET_CHECKPOINT_SYNC_URL"
    )]
    pub(crate) checkpoint_sync_url: Vec<ServerUrl>,

    /// Which final blocks are kept: all, those of the last so many slots, or none.
    #[arg(
        long,
        value_name = "all|SLOTS|none",
        default_value = "all",
        env = "QUARTET_RETAIN"
    )]
    pub(crate) retain: Retention,

    /// Write a snapshot of the final chain, from which another node can start, each time finality has moved on by so many
    /// slots.
    #[arg(
        long,
        value_name = "SLOTS",
        value_parser = clap::value_parser!(u64).range(1..),
        env = "QUARTET_SNAPSHOT_EVERY"
    )]
    pub(crate) snapshot_every: Option<u64>,

    /// Where snapshots are written [default: `snapshots` in the data directory].
    #[arg(
        long,
        value_name = "DIR",
        requires = "snapshot_every",
        env = "QUARTET_SNAPSHOT_DIR"
    )]
    pub(crate) snapshot_dir: Option<PathBuf>,

    /// How many snapshots are kept, the newest.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 3,
        value_parser = clap::value_parser!(u16).range(1..),
        env = "QUARTET_SNAPSHOT_KEEP"
    )]
    pub(crate) snapshot_keep: u16,

    /// Fetch older blocks of the finalized chain that are missing, after a start from a checkpoint: in the background, from
    /// peers, as far back as blocks are kept.
    #[arg(
        long,
        value_parser = clap::builder::BoolishValueParser::new(),
        env = "QUARTET_BACKFILL"
    )]
    pub(crate) backfill: bool,

    /// Record what the chain takes and decides, for `quartet replay`. The oldest makes way; no secret is in it.
    #[arg(long, value_name = "DIR", env = "QUARTET_RECORD")]
    pub(crate) record: Option<PathBuf>,

    /// How much the recording may take, in MiB.
    #[arg(
        long,
        value_name = "MIB",
        default_value_t = 256,
        value_parser = clap::value_parser!(u32).range(16..),
        env = "QUARTET_RECORD_LIMIT"
    )]
    pub(crate) record_limit: u32,

    /// Address to listen on for peers.
    #[arg(
        long,
        value_name = "IP",
        default_value = "0.0.0.0",
        env = "QUARTET_LISTEN_ADDRESS"
    )]
    pub(crate) listen_address: IpAddr,

    /// Address at which others reach this node, for its ENR; needed where it listens on all addresses or behind a router.
    #[arg(long, value_name = "IP", env = "QUARTET_ADVERTISE_ADDRESS")]
    pub(crate) advertise_address: Option<IpAddr>,

    /// UDP port for peers (QUIC); 0 takes a free one.
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 9000,
        env = "QUARTET_PORT"
    )]
    pub(crate) port: u16,

    /// Places for peers beside those of `--bootnodes`, which have their own. When all are taken, whoever is of least use
    /// makes way for a newcomer.
    #[arg(
        long,
        value_name = "N",
        default_value_t = DEFAULT_MAX_PEERS,
        env = "QUARTET_MAX_PEERS"
    )]
    pub(crate) max_peers: usize,

    /// Most of these peers from one public address; 0 for no limit. Loopback and private addresses have none.
    #[arg(
        long,
        value_name = "N",
        default_value_t = DEFAULT_PEERS_PER_ADDRESS,
        env = "QUARTET_MAX_PEERS_PER_ADDRESS"
    )]
    pub(crate) max_peers_per_address: usize,

    /// Address of JSON-RPC and the HTTP API.
    #[arg(
        long,
        value_name = "IP",
        default_value = "127.0.0.1",
        env = "QUARTET_HTTP_ADDRESS"
    )]
    pub(crate) http_address: IpAddr,

    /// Port of JSON-RPC and the HTTP API, which serves `/metrics` too; 0 takes a free one.
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 5052,
        env = "QUARTET_HTTP_PORT"
    )]
    pub(crate) http_port: u16,

    /// A name by which clients may ask for this node over HTTP, beside IP addresses and `localhost`; `*`
    /// allows every name. May be given several times.
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        value_parser = host_name,
        env = "QUARTET_HTTP_ALLOWED_HOST"
    )]
    pub(crate) http_allowed_host: Vec<String>,

    /// An origin whose web pages may read what the node answers over HTTP, such as `https://dash.example`, beside those of
    /// this machine and of the names of `--http-allowed-host`; `*` allows every page. May be given several times.
    #[arg(
        long,
        value_name = "ORIGIN",
        value_delimiter = ',',
        value_parser = page_origin,
        env = "QUARTET_HTTP_CORS_ORIGIN"
    )]
    pub(crate) http_cors_origin: Vec<String>,

    /// Address of `/metrics` on a port of its own.
    #[arg(
        long,
        value_name = "IP",
        default_value = "127.0.0.1",
        env = "QUARTET_METRICS_ADDRESS"
    )]
    pub(crate) metrics_address: IpAddr,

    /// Port of `/metrics` alone; without it, `/metrics` is on the HTTP port only.
    #[arg(long, value_name = "PORT", env = "QUARTET_METRICS_PORT")]
    pub(crate) metrics_port: Option<u16>,

    /// The fork's name in gossip topics; peers on another name are not heard.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "devnet0",
        env = "QUARTET_FORK_NAME"
    )]
    pub(crate) fork_name: String,

    #[command(flatten)]
    pub(crate) log: LogArgs,

    /// End when standard input ends, so that a parent never leaves this process behind, and take its orders from there.
    #[arg(long, hide = true)]
    pub(crate) exit_with_parent: bool,
}

/// A name as it stands in a URL, without port.
fn host_name(text: &str) -> Result<String, &'static str> {
    let wrong = |c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c);
    if text != "*" && (text.is_empty() || text.contains(wrong)) {
        return Err("expected a name without scheme and port, or *");
    }
    Ok(text.to_owned())
}

/// An origin as a browser sends it: a scheme, a host, and a port where it is not the scheme's own.
fn page_origin(text: &str) -> Result<String, &'static str> {
    let host = text.split_once("://").map(|(_, host)| host);
    let wrong = |c: char| !c.is_ascii_alphanumeric() && !"-_.:[]".contains(c);
    if text != "*" && host.is_none_or(|host| host.is_empty() || host.contains(wrong)) {
        return Err("expected a scheme and a host like https://dash.example:3000, or *");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use clap::{CommandFactory as _, Parser};

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        node: NodeArgs,
    }

    fn parse(flags: &[&str]) -> Option<NodeArgs> {
        let start = ["quartet", "--genesis", "config.yaml"];
        let cli = Cli::try_parse_from(start.iter().chain(flags)).ok()?;
        Some(cli.node)
    }

    fn hosts(flags: &[&str]) -> Option<Vec<String>> {
        parse(flags).map(|args| args.http_allowed_host)
    }

    #[test]
    fn checkpoint_servers_are_collected_and_checked() {
        let flag = "--checkpoint-sync-url";
        let (one, two) = ("http://127.0.0.1:5052", "https://node.example");
        let both = format!("{one},{two}");
        for flags in [&[flag, &both][..], &[flag, one, flag, two]] {
            let urls = parse(flags).unwrap().checkpoint_sync_url;
            let urls: Vec<String> = urls.iter().map(ToString::to_string).collect();
            assert_eq!(urls, [one, two]);
        }
        assert!(parse(&[]).unwrap().checkpoint_sync_url.is_empty());
        for wrong in ["node.example:5052", "", "http://a,", "ftp://a"] {
            assert!(parse(&[flag, wrong]).is_none(), "{wrong:?}");
        }
    }

    #[test]
    fn backfilling_is_asked_for() {
        assert!(!parse(&[]).unwrap().backfill);
        assert!(parse(&["--backfill"]).unwrap().backfill);
    }

    #[test]
    fn keys_are_guarded_unless_said_otherwise() {
        let usual = parse(&[]).unwrap();
        assert!(!usual.unsafe_reuse_keys && usual.doppelganger_slots == 0);
        assert!(parse(&["--unsafe-reuse-keys"]).unwrap().unsafe_reuse_keys);
        let listens = |slots| Some(parse(&["--doppelganger-slots", slots])?.doppelganger_slots);
        assert_eq!(
            (listens("2"), listens("1000000"), listens("-1")),
            (Some(2), None, None)
        );
    }

    #[test]
    fn names_of_the_node_are_collected_and_checked() {
        let flag = "--http-allowed-host";
        let two = Some(vec!["quartet_0".to_owned(), "node.example".to_owned()]);
        assert_eq!(hosts(&[]), Some(Vec::new()));
        assert_eq!(hosts(&[flag, "quartet_0", flag, "node.example"]), two);
        assert_eq!(hosts(&[flag, "quartet_0,node.example"]), two);
        assert_eq!(hosts(&[flag, "*"]), Some(vec!["*".to_owned()]));
        for wrong in ["http://node.example", "node.example:5052", "", "a b"] {
            assert_eq!(hosts(&[flag, wrong]), None, "{wrong:?}");
        }
    }

    fn shipped(file: &str) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        fs::read_to_string(root.join(file)).unwrap()
    }

    /// The flags that are not hidden, each with its variable, if it has one.
    fn flags() -> Vec<(String, Option<String>)> {
        let command = Cli::command();
        let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
        let flag = |arg: &clap::Arg| {
            let env = arg.get_env().and_then(|env| env.to_str());
            Some((arg.get_long()?.to_owned(), env.map(str::to_owned)))
        };
        shown.filter_map(flag).collect()
    }

    #[test]
    fn the_manual_has_every_flag_and_variable() {
        let manual = shipped("docs/running.md");
        for (flag, variable) in flags() {
            assert!(manual.contains(&format!("`--{flag}`")), "--{flag}");
            let is_there = variable
                .as_ref()
                .is_none_or(|name| manual.contains(&format!("`{name}`")));
            assert!(is_there, "{variable:?}");
        }
    }

    #[test]
    fn the_service_sets_nothing_that_the_node_does_not_read() {
        let known: BTreeSet<String> = flags().into_iter().filter_map(|(_, name)| name).collect();
        let files = ["quartet.env", "quartet.service"];
        let text = files
            .map(|file| shipped(&format!("config/systemd/{file}")))
            .concat();
        let words = text.split(|c: char| !c.is_ascii_uppercase() && c != '_');
        let named = words.filter(|word| word.starts_with("QUARTET_"));
        let named: BTreeSet<_> = named.map(str::to_owned).collect();
        assert!(named.len() > 8, "{named:?}");
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn origins_of_pages_are_collected_and_checked() {
        let flag = "--http-cors-origin";
        let origins = |flags: &[&str]| parse(flags).map(|args| args.http_cors_origin);
        let two = ["https://dash.example:3000", "http://[2001:db8::1]"];
        let found = origins(&[flag, two[0], flag, two[1]]);
        assert_eq!(found, Some(two.map(str::to_owned).to_vec()));
        assert_eq!(origins(&[]), Some(Vec::new()));
        assert_eq!(origins(&[flag, "*"]), Some(vec!["*".to_owned()]));
        for wrong in [
            "dash.example",
            "https://",
            "https://dash.example/",
            "null",
            "",
            "https://*",
        ] {
            assert_eq!(origins(&[flag, wrong]), None, "{wrong:?}");
        }
    }
}
