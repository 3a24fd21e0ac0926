//! The verdict of a case, and why a case could not be played.

use std::fmt;

use serde::Serialize;

use crate::peer::{ConnectError, OpenError};

/// The verdict of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It keeps the rule.
    Pass,
    /// It breaks the rule.
    Fail,
    /// Its behaviour is allowed, or not specified, and differs from most clients.
    Differs,
    /// The node lacks the tested feature, or the checker lacks the keys or files to try it.
    Unsupported,
}

impl Verdict {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Differs => "differs",
            Self::Unsupported => "unsupported",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What was tried and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    pub(crate) sent: String,
    pub(crate) seen: String,
}

/// Why a case could not be played to its end.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The checker, or the node, lacks something.
    #[error("{0}")]
    Unsupported(String),
    /// No connection with the node.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A stream that should be there is not.
    #[error("cannot open a stream: {0}")]
    Open(#[from] OpenError),
    /// The preparation of the case failed.
    #[error("{0}")]
    Broken(String),
}

pub(crate) type CaseResult = Result<Finding, Failure>;

/// The node keeps the rule.
pub(crate) fn pass(sent: impl Into<String>, seen: impl Into<String>) -> CaseResult {
    finding(Verdict::Pass, sent, seen)
}

/// The node breaks the rule.
pub(crate) fn fail(sent: impl Into<String>, seen: impl Into<String>) -> CaseResult {
    finding(Verdict::Fail, sent, seen)
}

/// The node does something else than most.
pub(crate) fn differs(sent: impl Into<String>, seen: impl Into<String>) -> CaseResult {
    finding(Verdict::Differs, sent, seen)
}

/// It passes if `holds`, and fails otherwise.
pub(crate) fn pass_if(holds: bool, sent: impl Into<String>, seen: impl Into<String>) -> CaseResult {
    if holds {
        pass(sent, seen)
    } else {
        fail(sent, seen)
    }
}

/// Something is missing.
pub(crate) fn unsupported(why: impl Into<String>) -> Failure {
    Failure::Unsupported(why.into())
}

/// Something that should work does not.
pub(crate) fn broken(why: impl Into<String>) -> Failure {
    Failure::Broken(why.into())
}

fn finding(verdict: Verdict, sent: impl Into<String>, seen: impl Into<String>) -> CaseResult {
    let (sent, seen) = (sent.into(), seen.into());
    Ok(Finding {
        verdict,
        sent,
        seen,
    })
}
