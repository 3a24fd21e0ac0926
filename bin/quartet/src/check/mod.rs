//! `quartet check`: how a node of any client keeps the protocol's rules, tried over the wire.

mod inputs;
mod text;

use std::{
    env, fs,
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Args;
use quartet_conformance::{Address, Case, Group, Played, cases, junit, run};
use quartet_types::ValidatorIndex;

use crate::keys::PassphraseArgs;

/// At least one case fails.
const FAILED: u8 = 1;
/// The node cannot be reached.
const NO_ANSWER: u8 = 2;

/// Check over the wire whether a node of any client keeps the protocol's rules.
#[derive(Debug, Args)]
#[command(
    long_about = "Check over the wire whether a node of any client keeps the protocol's rules.\n\n\
    Each case is a rule; its verdict is pass, fail, differs (allowed or nowhere ruled, and other than most do) or unsupported (the node \
    has it not, or the checker lacks the means). Cases with attestations and blocks of the checker's own need the network's genesis and \
    a validator's key.\n\n\
    The exit code is 0 when no case fails, 1 when one does, and 2 when the node cannot be reached."
)]
pub(crate) struct CheckArgs {
    /// Where the node listens: a multiaddress, /ip4/…/udp/…/quic-v1, with its /p2p/… or without.
    #[arg(value_name = "MULTIADDR", required_unless_present = "list")]
    address: Option<Address>,
    /// The network's config.yaml, or the directory that holds it.
    #[arg(long, value_name = "FILE|DIR")]
    genesis: Option<PathBuf>,
    /// Validators in whose name the checker attests and proposes. Nobody else may have these keys in use. They are of no further
    /// use afterwards: it signs what must never be signed.
    #[arg(
        long,
        value_name = "INDEX,…",
        value_delimiter = ',',
        requires = "genesis"
    )]
    validators: Vec<ValidatorIndex>,
    /// The validators' secret keys [default: `hash-sig-keys` beside config.yaml].
    #[arg(
        long,
        visible_alias = "validator-keys",
        value_name = "DIR",
        requires = "validators"
    )]
    keystores: Option<PathBuf>,
    /// Take keys that are not marked as public test keys, too, and give up their security for good.
    #[arg(long, requires = "validators")]
    burn_keys: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    /// A command, run by `sh -c`, that restarts the node and returns.
    #[arg(long, value_name = "COMMAND")]
    restart_command: Option<String>,
    /// The fork's name in gossip topics.
    #[arg(long, value_name = "NAME", default_value = "devnet0")]
    fork_name: String,
    /// Only cases of this group. May be given several times.
    #[arg(long, value_name = "NAME", value_parser = group)]
    group: Vec<Group>,
    /// Only the case with this id. May be given several times.
    #[arg(long, value_name = "ID", value_parser = case_id)]
    case: Vec<&'static str>,
    /// How long an answer may take, in seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(1..=60)
    )]
    timeout: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Write the report as JUnit's XML, too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print the cases and do nothing.
    #[arg(long)]
    list: bool,
}

fn group(name: &str) -> Result<Group, String> {
    let names: Vec<_> = Group::ALL.iter().map(|group| group.name()).collect();
    Group::parse(name).ok_or_else(|| format!("expected one of {}", names.join(", ")))
}

fn case_id(id: &str) -> Result<&'static str, &'static str> {
    let all = cases().into_iter().map(|case| case.id);
    let mut named = all.filter(|known| known.eq_ignore_ascii_case(id));
    named.next().ok_or("no case has this id; see --list")
}

impl CheckArgs {
    /// Plays the cases and prints the verdicts.
    ///
    /// # Errors
    /// When files cannot be read or written.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let cases = self.selection();
        if self.list {
            print(&text::list(&cases, self.json)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let Some(address) = self.address.clone() else {
            bail!("no address");
        };
        let mut options = inputs::options(&self, address)?;
        options.answer_timeout = Duration::from_secs(self.timeout);
        options.fork_name = self.fork_name.clone();
        options.restart_command = self.restart_command.clone();

        let colour =
            io::stdout().is_terminal() && crate::watch::colour_is_wanted(|name| env::var_os(name));
        let mut table = text::Table::new(colour);
        let told = |played: &Played| {
            if !self.json {
                // If printing fails here, it fails at the end as well, and the error is returned there.
                let _ = print(&table.line(played));
            }
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        let report = match runtime.block_on(run(options, &cases, told)) {
            Ok(report) => report,
            Err(error) => {
                eprintln!("error: the node cannot be reached: {error}");
                return Ok(NO_ANSWER.into());
            }
        };
        if let Some(file) = &self.junit {
            fs::write(file, junit(&report))
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        if self.json {
            print(&format!("{}\n", serde_json::to_string(&report)?))?
        } else {
            print(&text::summary(&report, colour))?
        }
        Ok(match report.summary.fail {
            0 => ExitCode::SUCCESS,
            _ => FAILED.into(),
        })
    }

    /// The cases that were asked for: all, or those of these groups and with these ids.
    fn selection(&self) -> Vec<Case> {
        let is_wanted = |case: &Case| {
            (self.group.is_empty() && self.case.is_empty())
                || self.group.contains(&case.group)
                || self.case.contains(&case.id)
        };
        cases().into_iter().filter(is_wanted).collect()
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
