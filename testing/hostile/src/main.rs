//! Attacks a devnet and says what came of it.
//!
//! `cargo run --release -p quartet-hostile -- all --seconds 30 --json reports.json`

// The program prints a table on standard output, and its progress on standard error.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use quartet_hostile::{
    Attack, AttackReport, Devnet, Kind, Limits, Plan, Referee, Trial, links, partition, program,
    table,
};
use serde::Serialize;

/// Attack a devnet of real nodes and say what came of it
#[derive(Debug, Parser)]
#[command(after_help = "\
Each attack has a fresh devnet of four nodes on the loopback address, unless --devnet names one that runs.
The exit code is 0 only if every limit holds: no forged block imported, finality at most 5 slots behind and 3
in the end, nothing missed or late beyond a run without an attack, one head, at most 64 MiB more and 32 MiB a
minute later, attackers gone in 10 s where they can be told from honest peers, an honest node synced in 10 s
during the attack, all honest HTTP requests answered and 99 of 100 within a second, 5 lines of log a second.

The attacks from `silence` on have the key of one validator of seven, on a devnet of their own. There finality may
be 7 slots behind and 5 in the end, and a node may import 17 of the blocks that were signed for one slot.

`all` plays `nothing` first, and compares with it. `links` and `partition` play no attack: they run four nodes
whose links are bad, or cut for a while.")]
struct Arguments {
    /// The attack to play, `all` of them, or `list` to see their names; or `links` or `partition`
    attack: String,

    /// How long each attack lasts
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,

    /// Slots for which the nodes are watched after it
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=100))]
    slots_after: u64,

    /// For how many slots the links are bad, or cut [default: 50, or 30]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    slots: Option<u64>,

    /// Where the verdicts are written, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Attack the devnet that runs in this directory, rather than one of our own
    #[arg(long, value_name = "DIR")]
    devnet: Option<PathBuf>,

    /// The program whose nodes are attacked [default: the `quartet` beside this one]
    #[arg(long, value_name = "FILE")]
    quartet: Option<PathBuf>,
}

fn main() -> ExitCode {
    let outcome = run(&Arguments::parse());
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every limit holds.
fn run(arguments: &Arguments) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    if let "links" | "partition" = arguments.attack.as_str() {
        let trial = runtime.block_on(try_links(arguments))?;
        println!("{}", serde_json::to_string_pretty(&trial)?);
        write(arguments.json.as_deref(), &trial)?;
        return Ok(trial.holds());
    }
    let mut attacks: Vec<&Attack> = match arguments.attack.as_str() {
        "list" => {
            for attack in Attack::all() {
                println!("{:<16} {}", attack.name, attack.about);
            }
            return Ok(true);
        }
        "all" => Attack::all().collect(),
        name => match Attack::named(name) {
            Some(attack) => vec![attack],
            None => bail!("there is no attack {name:?}: `list` names them"),
        },
    };
    if arguments.devnet.is_some() {
        attacks.retain(|attack| attack.kind != Kind::Treason);
        if attacks.is_empty() {
            bail!(
                "{} has a devnet of its own, in which a node is gone",
                arguments.attack
            );
        }
    }
    let reports = runtime.block_on(play(arguments, &attacks))?;
    print!("{}", table(&reports));
    Ok(reports.iter().all(AttackReport::holds))
}

async fn try_links(arguments: &Arguments) -> Result<Trial> {
    let program = program(arguments)?;
    match arguments.attack.as_str() {
        "links" => links(&program, arguments.slots.unwrap_or(50)).await,
        _ => partition(&program, arguments.slots.unwrap_or(30)).await,
    }
}

fn program(arguments: &Arguments) -> Result<PathBuf> {
    match &arguments.quartet {
        Some(program) => Ok(program.clone()),
        None => program::beside_this_one(),
    }
}

async fn play(arguments: &Arguments, attacks: &[&Attack]) -> Result<Vec<AttackReport>> {
    let plan = Plan {
        seconds: arguments.seconds,
        slots_after: arguments.slots_after,
    };
    let mut reports: Vec<AttackReport> = Vec::new();
    if let Some(directory) = &arguments.devnet {
        let devnet = Devnet::running_in(directory)?;
        let referee = Referee::on(&devnet).await?;
        for attack in attacks {
            eprintln!("{}: {}", attack.name, attack.about);
            let limits = limits(attack, plan, &reports);
            reports.push(referee.judge(attack, plan, &limits).await?);
            write(arguments.json.as_deref(), &reports)?;
        }
        return Ok(reports);
    }
    let program = program(arguments)?;
    for attack in attacks {
        eprintln!("{}: {}", attack.name, attack.about);
        let devnet = Devnet::start_for(attack.kind, &program, plan.slots()).await?;
        let referee = Referee::on(&devnet).await?;
        let limits = limits(attack, plan, &reports);
        reports.push(referee.judge(attack, plan, &limits).await?);
        drop(referee);
        devnet.stop().await?;
        write(arguments.json.as_deref(), &reports)?;
    }
    Ok(reports)
}

/// The limits for an attack, given the reports so far.
fn limits(attack: &Attack, plan: Plan, played: &[AttackReport]) -> Limits {
    let limits = match attack.kind {
        Kind::Treason => Limits::default().with_a_traitor(plan.seconds),
        _ if attack.empty_slots => Limits::default().with_empty_slots(),
        _ => Limits::default(),
    };
    let baseline = (played.iter())
        .find(|report| report.attack == attack.baseline() && report.attack != attack.name);
    baseline.map_or(limits, |baseline| limits.beyond(baseline))
}

/// Writes the reports so far, so that they are kept when the program is stopped halfway.
fn write(json: Option<&Path>, reports: &(impl Serialize + ?Sized)) -> Result<()> {
    let Some(path) = json else {
        return Ok(());
    };
    let mut text = serde_json::to_vec_pretty(reports)?;
    text.push(b'\n');
    fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}
