//! `quartet status`: how a node is, for a person, a script or a readiness probe.

mod text;

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Args;
use quartet_checkpoint::ServerUrl;
use serde::Serialize;

use crate::lean_api::{Facts, Failure, Reader, address};

/// The exit code of a node that answers and is not ready: stalled, cut off, syncing, starting, or not healthy.
const NOT_READY: u8 = 1;
/// The exit code when no lean node answers.
const NO_ANSWER: u8 = 2;

/// Ask a node how it is.
#[derive(Debug, Args)]
#[command(
    long_about = "Ask a node how it is, of any client that serves the lean HTTP API as far as it does.\n\n\
    The exit code is 0 for a node that is in step with the network; 1 for one that is stalled, cut off, still syncing or starting; 2 for one \
    that does not answer within a few seconds, or is no lean node. A client that does not tell whether it keeps up is taken at its \
    health's word."
)]
pub(crate) struct StatusArgs {
    /// The node's HTTP address.
    #[arg(default_value = "http://127.0.0.1:5052", value_parser = address)]
    url: ServerUrl,
    /// One JSON object, whose members are always there, and null where the node does not tell.
    #[arg(long)]
    json: bool,
}

/// The output of `--json`.
#[derive(Serialize)]
struct Report<'a> {
    url: &'a str,
    answers: bool,
    healthy: bool,
    error: Option<String>,
    #[serde(flatten)]
    facts: &'a Facts,
}

impl StatusArgs {
    /// Asks, and prints the answer.
    ///
    /// # Errors
    /// When the answer cannot be printed.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let reader = Reader::new().context("cannot set up TLS")?;
        let asked = reader.ask_all(&self.url).await;
        let url = self.url.to_string();
        let said = match (self.json, &asked) {
            (true, asked) => json(&url, asked)?,
            (false, Ok(facts)) => text::lines(&url, facts, wants_colour()),
            (false, Err(why)) => {
                eprintln!("error: {url}: {why}");
                String::new()
            }
        };
        let mut stdout = io::stdout().lock();
        stdout.write_all(said.as_bytes())?;
        stdout.flush()?;
        Ok(match asked {
            Err(_) => NO_ANSWER.into(),
            Ok(facts) if facts.condition.is_healthy() => ExitCode::SUCCESS,
            Ok(_) => NOT_READY.into(),
        })
    }
}

fn wants_colour() -> bool {
    io::stdout().is_terminal() && crate::watch::colour_is_wanted(|name| env::var_os(name))
}

fn json(url: &str, asked: &Result<Facts, Failure>) -> serde_json::Result<String> {
    let nothing = Facts::default();
    let facts = asked.as_ref().unwrap_or(&nothing);
    let mut report = serde_json::to_value(Report {
        url,
        answers: asked.is_ok(),
        healthy: asked.is_ok() && facts.condition.is_healthy(),
        error: asked.as_ref().err().map(ToString::to_string),
        facts,
    })?;
    if asked.is_err() {
        report["condition"] = serde_json::Value::Null;
    }
    Ok(format!("{report}\n"))
}
