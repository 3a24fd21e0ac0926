//! Whether a node runs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether a node runs, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum NodeState {
    Running,
    /// It starts late.
    Waiting,
    /// By command.
    Killed,
    /// By itself.
    Died,
    /// With its devnet.
    Stopped,
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Killed => "killed",
            Self::Died => "died",
            Self::Stopped => "stopped",
        })
    }
}
