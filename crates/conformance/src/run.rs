//! Plays cases against a node, one after another.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::{
    Case, Options, Played, Report, Verdict,
    case::{Failure, Outcome},
    scene::Scene,
};

/// No case takes longer, whatever the node does.
const LONGEST: Duration = Duration::from_secs(90);

/// The node cannot be reached.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(String);

/// Plays these cases in their order; tells of each when it is over.
///
/// # Errors
/// When the node cannot be reached at the start.
pub async fn run(
    options: Options,
    cases: &[Case],
    mut told: impl FnMut(&Played),
) -> Result<Report, Unreachable> {
    let scene = Scene::set(options).await;
    let scene = scene.map_err(|error| Unreachable(error.to_string()))?;
    let mut report = Report::default();
    for case in cases {
        let started = Instant::now();
        let outcome = timeout(LONGEST, (case.play)(&scene)).await;
        let (verdict, sent, seen) = match outcome {
            Ok(outcome) => taken(outcome),
            Err(_) => (
                Verdict::Fail,
                String::new(),
                format!("the case was not over after {LONGEST:?}"),
            ),
        };
        let mut played = Played::new(case, verdict, sent, seen);
        played.seconds = started.elapsed().as_secs();
        told(&played);
        report.add(played);
    }
    Ok(report)
}

fn taken(outcome: Outcome) -> (Verdict, String, String) {
    match outcome {
        Ok(finding) => (finding.verdict, finding.sent, finding.seen),
        Err(Failure::Unsupported(why)) => (Verdict::Unsupported, String::new(), why),
        Err(failure) => (Verdict::Fail, String::new(), failure.to_string()),
    }
}
