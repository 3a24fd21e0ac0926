//! The report of a run.

use serde::Serialize;

use crate::{Case, Group, Verdict};

/// How many cases came to which verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The node keeps the rule.
    pub pass: usize,
    /// It breaks it.
    pub fail: usize,
    /// It does something else than most.
    pub differs: usize,
    /// It was not tried.
    pub unsupported: usize,
}

/// A case that was played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Played {
    /// The case's id.
    pub id: &'static str,
    /// Its group.
    pub group: Group,
    /// The rule.
    pub rule: &'static str,
    /// Where the rule stands.
    #[serde(rename = "where")]
    pub source: &'static str,
    /// What came of it.
    pub verdict: Verdict,
    /// What was sent.
    pub sent: String,
    /// What came back.
    pub seen: String,
    /// How long it took, in seconds.
    #[serde(skip)]
    pub seconds: u64,
}

/// All cases that were played, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many came to which verdict.
    pub summary: Summary,
    /// The cases.
    pub cases: Vec<Played>,
}

impl Report {
    /// Adds a case.
    pub(crate) fn add(&mut self, played: Played) {
        let Summary {
            pass,
            fail,
            differs,
            unsupported,
        } = &mut self.summary;
        *match played.verdict {
            Verdict::Pass => pass,
            Verdict::Fail => fail,
            Verdict::Differs => differs,
            Verdict::Unsupported => unsupported,
        } += 1;
        self.cases.push(played);
    }
}

impl Played {
    pub(crate) fn new(case: &Case, verdict: Verdict, sent: String, seen: String) -> Self {
        Self {
            id: case.id,
            group: case.group,
            rule: case.rule,
            source: case.source,
            verdict,
            sent,
            seen,
            seconds: 0,
        }
    }
}
