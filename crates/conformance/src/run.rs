//! Plays cases against a node.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use futures::future::join_all;
use tokio::time::{Instant, timeout};

use crate::{
    Case, Options, Played, Report, Verdict,
    context::CaseContext,
    peer::OpenError,
    verdict::{CaseResult, Failure},
};

/// No case takes longer, whatever the node does: a validator of a small network has its turn meanwhile, twice.
const LONGEST: Duration = Duration::from_secs(90);
/// Lanes that are played side by side, before the last one.
const LANES: usize = 4;

/// The node cannot be reached.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(String);

/// Plays these cases, some groups side by side; tells of them in their order, as soon as they are over.
///
/// # Errors
/// When the node cannot be reached at the start.
pub async fn run(
    options: Options,
    cases: &[Case],
    told: impl FnMut(&Played),
) -> Result<Report, Unreachable> {
    let context = CaseContext::new(options).await;
    let context = context.map_err(|error| Unreachable(error.to_string()))?;
    let ordered = RefCell::new(OrderedReport {
        told,
        waiting: BTreeMap::new(),
        report: Report::default(),
    });
    let lane = |lane: usize| {
        let cases = cases.iter().enumerate();
        let cases = cases.filter(move |(_, case)| case.group.lane() == lane);
        let (context, ordered) = (&context, &ordered);
        async move {
            for (number, case) in cases {
                let played = play(context, case).await;
                ordered.borrow_mut().take(number, played);
            }
        }
    };
    join_all((0..LANES).map(&lane)).await;
    lane(LANES).await;
    Ok(ordered.into_inner().report)
}

/// Puts the results of several lanes into the order of the cases.
struct OrderedReport<T> {
    told: T,
    waiting: BTreeMap<usize, Played>,
    report: Report,
}

impl<T: FnMut(&Played)> OrderedReport<T> {
    fn take(&mut self, number: usize, played: Played) {
        self.waiting.insert(number, played);
        while let Some(played) = self.waiting.remove(&self.report.cases.len()) {
            (self.told)(&played);
            self.report.add(played);
        }
    }
}

async fn play(context: &CaseContext, case: &Case) -> Played {
    let started = Instant::now();
    let outcome = timeout(LONGEST, (case.play)(context)).await;
    let (verdict, sent, seen) = match outcome {
        Ok(outcome) => unless_gone(context, verdict_of(outcome)).await,
        Err(_) => (
            Verdict::Fail,
            String::new(),
            format!("the case was not over after {LONGEST:?}"),
        ),
    };
    let mut played = Played::new(case, verdict, sent, seen);
    played.seconds = started.elapsed().as_secs();
    played
}

/// What a node does may be allowed; that it is gone afterwards never is.
async fn unless_gone(
    context: &CaseContext,
    (verdict, sent, seen): (Verdict, String, String),
) -> (Verdict, String, String) {
    if verdict != Verdict::Differs {
        return (verdict, sent, seen);
    }
    match context.serves_others().await {
        Ok(()) => (verdict, sent, seen),
        Err(error) => {
            let seen = format!("{seen}; then the node serves nobody any more: {error}");
            (Verdict::Fail, sent, seen)
        }
    }
}

fn verdict_of(outcome: CaseResult) -> (Verdict, String, String) {
    match outcome {
        Ok(finding) => (finding.verdict, finding.sent, finding.seen),
        Err(Failure::Unsupported(why)) => (Verdict::Unsupported, String::new(), why),
        // Whether it should is for cases of their own.
        Err(Failure::Open(OpenError::Unsupported)) => {
            let why = OpenError::Unsupported.to_string();
            (Verdict::Unsupported, String::new(), why)
        }
        Err(failure) => (Verdict::Fail, String::new(), failure.to_string()),
    }
}
