//! `quartet replay`: runs the chain service through what a node has recorded.

mod json;
mod text;

use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
    sync::LazyLock,
    time::Duration,
};

use clap::Args;
use quartet_chain::VerifySignatures;
use quartet_clock::Stopwatch;
use quartet_recording::{RecordedScheme, Recording};
use quartet_replay::{ExplainTarget, ReplayEvent, ReplayOptions, ReplayOutcome, RootPattern, play};
use quartet_types::{Slot, VALIDATOR_REGISTRY_LIMIT};
use quartet_xmss::{Scheme, Verifier};

/// The exit code when the slot or block is not in the recording.
const NOT_THERE: u8 = 2;
/// As a node verifies signatures.
static VERIFIER: LazyLock<Verifier> =
    LazyLock::new(|| Verifier::new(Scheme::Production, VALIDATOR_REGISTRY_LIMIT as usize));

/// Run the chain through a node's recording, and say where it decides otherwise.
#[derive(Debug, Args)]
#[command(
    long_about = "Run the chain through a node's recording, as fast as it goes, and say where it decides otherwise.\n\n\
    The chain service of this program takes what the recorded one took, at the same times by its clock: a line for each slot, and the first \
    decision that differs from the recorded one, by slot and block. Nothing is sent, and nothing is written.\n\n\
    The exit code is 0 if all decisions are the recorded ones, 1 if not, and 2 if there is nothing to replay or to explain."
)]
pub(crate) struct ReplayArgs {
    /// The directory that was given to the node as --record, or one file of it.
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Print nothing before this slot. What comes before is played all the same.
    #[arg(long, value_name = "SLOT")]
    from: Option<Slot>,
    /// End after this slot.
    #[arg(long, value_name = "SLOT")]
    until: Option<Slot>,
    /// Explain a slot or a block: what happened, why the head was head, which votes weighed, what waited for what, and why
    /// nothing more was justified.
    #[arg(long, value_name = "SLOT|ROOT", value_parser = wanted)]
    explain: Option<ExplainTarget>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

impl ReplayArgs {
    /// Replays.
    ///
    /// # Errors
    /// When there is no recording, or the output cannot be written.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let recording = match Recording::open(&self.path) {
            Ok(recording) => recording,
            Err(error) => {
                eprintln!("error: {error}");
                return Ok(NOT_THERE.into());
            }
        };
        let of_tests =
            |session: &quartet_recording::Session| session.start.scheme == RecordedScheme::Test;
        let verifier: &dyn VerifySignatures = if recording.sessions.iter().any(of_tests) {
            &Scheme::Test
        } else {
            &*VERIFIER
        };
        let options = ReplayOptions {
            from: self.from,
            until: self.until,
            explain: self.explain,
            ..ReplayOptions::new(verifier)
        };
        let mut output = BufWriter::new(io::stdout().lock());
        let mut failed = None;
        let begun = Stopwatch::start();
        let outcome = play(&recording, options, |told| {
            if failed.is_none() {
                failed = self.print(&mut output, &told).err();
            }
        });
        if let Some(error) = failed {
            return Err(error.into());
        }
        let end = End {
            outcome: &outcome,
            took: begun.elapsed(),
        };
        if self.json {
            json::end(&mut output, &end)?
        } else {
            text::end(&mut output, &end)?
        }
        output.flush()?;
        Ok(self.exit_code(&outcome))
    }

    fn print(&self, to: &mut impl Write, told: &ReplayEvent<'_>) -> io::Result<()> {
        // With `--explain`, the lines of the slots are left out.
        let is_line = matches!(told, ReplayEvent::Slot(_));
        if self.explain.is_some() && is_line {
            return Ok(());
        }
        if self.json {
            json::told(to, told)
        } else {
            text::told(to, told)
        }
    }

    fn exit_code(&self, outcome: &ReplayOutcome) -> ExitCode {
        let is_there = self.explain.is_none() || outcome.is_explained;
        if outcome.events == 0 || !is_there {
            NOT_THERE.into()
        } else if outcome.is_identical() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// The outcome of a replay, and how long it took.
struct End<'a> {
    outcome: &'a ReplayOutcome,
    took: Duration,
}

impl End<'_> {
    /// How many times faster than the node it was.
    fn speed(&self) -> f64 {
        self.outcome.recorded.as_secs_f64() / self.took.as_secs_f64().max(1e-9)
    }

    fn slots_per_second(&self) -> f64 {
        self.outcome.slots as f64 / self.took.as_secs_f64().max(1e-9)
    }
}

fn wanted(text: &str) -> Result<ExplainTarget, String> {
    let slot = text.parse().map(ExplainTarget::Slot);
    slot.or_else(|_| text.parse::<RootPattern>().map(ExplainTarget::Block))
        .map_err(|_| {
            "expected a slot, or the root of a block, whole or by its first digits".to_owned()
        })
}

#[cfg(test)]
mod tests {
    use quartet_types::Root;

    use super::*;

    #[test]
    fn a_slot_or_a_root_is_explained() {
        let root = Root::repeat_byte(0xab);
        assert_eq!(wanted("17"), Ok(ExplainTarget::Slot(17)));
        assert_eq!(
            wanted(&root.to_string()),
            Ok(ExplainTarget::Block(root.into()))
        );
        assert!(wanted("head").is_err() && wanted("0xab").is_err() && wanted("-1").is_err());
    }
}
