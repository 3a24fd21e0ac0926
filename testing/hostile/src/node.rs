//! One node of a devnet, seen from outside: its answers, and the resources of its process.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use quartet_types::{Checkpoint, Root};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{http, process};

/// Calls in one batch; a node takes a hundred.
const BATCH: usize = 50;

/// A node, as `devnet.json` describes it.
#[derive(Clone, Debug, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its process.
    pub pid: u32,
    /// Where its database and log are.
    pub directory: PathBuf,
    /// Where it serves JSON-RPC.
    pub http: SocketAddr,
    /// Where it serves its metrics.
    pub metrics: SocketAddr,
    /// Where it listens for QUIC.
    pub quic: SocketAddr,
    /// Where its log is.
    pub log: PathBuf,
    /// What started it, program first.
    pub command: Vec<String>,
}

/// A node's view of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChainStatus {
    pub(crate) head: Checkpoint,
    pub(crate) finalized: Checkpoint,
}

/// Counters of a node that only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) missed_proposals: u64,
    pub(crate) late_attestations: u64,
    pub(crate) imported_blocks: u64,
    pub(crate) reorgs: u64,
    /// Attestations signed, those for blocks of its own included: one for each duty done.
    pub(crate) signed: u64,
    /// Peers that are connected at this moment.
    pub(crate) peers: u64,
}

#[derive(Deserialize)]
struct Answer {
    id: usize,
    #[serde(default)]
    result: Value,
    error: Option<Value>,
}

impl Node {
    /// A node of which no more is known than its process and where it serves JSON-RPC.
    pub(crate) fn at(name: &str, pid: u32, directory: &Path, http: SocketAddr) -> Self {
        Self {
            name: name.to_owned(),
            pid,
            directory: directory.to_owned(),
            http,
            metrics: http,
            quic: http,
            log: directory.join("log"),
            command: Vec::new(),
        }
    }

    /// Whether it says that it is synced.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn is_synced(&self) -> Result<bool> {
        let answers = self.ask(&[("lean_syncing", json!([]))]).await?;
        let answer = answers.first().context("no answer to lean_syncing")?;
        Ok(answer.result["state"] == "synced")
    }

    /// How many lines its log has.
    pub(crate) fn log_lines(&self) -> u64 {
        process::lines(&self.log)
    }

    /// Its view of the chain.
    ///
    /// # Errors
    /// When it does not answer, or otherwise than expected.
    pub(crate) async fn view(&self) -> Result<ChainStatus> {
        let calls = [("lean_head", json!([])), ("lean_finality", json!([]))];
        let answers = self.ask(&calls).await?;
        let result = |id| {
            answers
                .iter()
                .find(|answer| answer.id == id)
                .map(|answer| &answer.result)
        };
        let head = result(0).context("no answer to lean_head")?;
        let finality = result(1).context("no answer to lean_finality")?;
        Ok(ChainStatus {
            head: Checkpoint::deserialize(head)?,
            finalized: Checkpoint::deserialize(&finality["finalized"])?,
        })
    }

    /// Its counters.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn counters(&self) -> Result<Counters> {
        let text = http::get(self.metrics, "/metrics").await?;
        Ok(Counters::parse(&text))
    }

    /// How many of these blocks it has imported. One that it does not answer for counts as not imported and
    /// is missing in the second number, that of the blocks that were asked for.
    pub(crate) async fn imported(&self, roots: &[Root]) -> (u64, u64) {
        let (mut imported, mut asked) = (0, 0);
        for roots in roots.chunks(BATCH) {
            let calls: Vec<_> = roots
                .iter()
                .map(|root| ("lean_block", json!([root])))
                .collect();
            let mut answered = vec![false; roots.len()];
            for answer in self.ask(&calls).await.unwrap_or_default() {
                if answer.error.is_none() && answer.id < roots.len() {
                    answered[answer.id] = true;
                    imported += u64::from(!answer.result.is_null());
                    asked += 1;
                }
            }
            // Answers that together are too long come one by one.
            let alone = roots.iter().zip(answered).filter(|(_, answered)| !answered);
            for (root, _) in alone {
                if let Ok(answers) = self.ask(&[("lean_block", json!([root]))]).await
                    && let [
                        Answer {
                            result,
                            error: None,
                            ..
                        },
                    ] = &answers[..]
                {
                    imported += u64::from(!result.is_null());
                    asked += 1;
                }
            }
        }
        (imported, asked)
    }

    /// Its open files and sockets; zero when it has ended.
    pub(crate) fn files(&self) -> u64 {
        process::open_files(self.pid)
    }

    /// Its resident memory, in bytes; `None` when it has ended.
    pub(crate) fn rss(&self) -> Option<u64> {
        process::rss(self.pid)
    }

    /// What its database takes on disk, in bytes.
    pub(crate) fn disk(&self) -> u64 {
        process::disk_usage(&self.directory.join("data"))
    }

    async fn ask(&self, calls: &[(&str, Value)]) -> Result<Vec<Answer>> {
        let call = |(id, (method, params)): (usize, &(&str, Value))| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let calls: Value = calls.iter().enumerate().map(call).collect();
        let answers = http::post(self.http, &calls.to_string()).await?;
        serde_json::from_str(&answers).context("not an answer of JSON-RPC")
    }
}

impl Counters {
    fn parse(metrics: &str) -> Self {
        let values = sums(metrics);
        let value = |name| values.get(name).copied().unwrap_or_default();
        Self {
            missed_proposals: value("quartet_proposals_missed_total"),
            late_attestations: value("quartet_attestations_late_total"),
            imported_blocks: value("quartet_blocks_imported_total"),
            reorgs: value("lean_fork_choice_reorgs_total"),
            signed: value("lean_pq_sig_attestation_signatures_total"),
            peers: value("lean_connected_peers"),
        }
    }

    /// The increase since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        let grown = |now: u64, before: u64| now.saturating_sub(before);
        Self {
            missed_proposals: grown(self.missed_proposals, before.missed_proposals),
            late_attestations: grown(self.late_attestations, before.late_attestations),
            imported_blocks: grown(self.imported_blocks, before.imported_blocks),
            reorgs: grown(self.reorgs, before.reorgs),
            signed: grown(self.signed, before.signed),
            peers: self.peers,
        }
    }
}

/// The value of each metric in Prometheus' text form, over all its labels.
fn sums(metrics: &str) -> BTreeMap<&str, u64> {
    let mut sums = BTreeMap::new();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let value = line
            .rsplit_once(' ')
            .and_then(|(_, value)| value.parse::<f64>().ok());
        *sums.entry(name).or_default() += value.unwrap_or_default() as u64;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = "\
# TYPE quartet_proposals_missed_total counter
quartet_proposals_missed_total 2
quartet_proposals_missed_total_since 9
quartet_attestations_late_total{reason=\"a\"} 3
quartet_attestations_late_total{reason=\"b\"} 4
quartet_blocks_imported_total 12
lean_connected_peers{client=\"quartet\"} 3
lean_connected_peers{client=\"unknown\"} 2
";

    #[test]
    fn counters_are_summed_over_their_labels_and_zero_when_absent() {
        let counters = Counters::parse(METRICS);
        let expected = Counters {
            missed_proposals: 2,
            late_attestations: 7,
            imported_blocks: 12,
            reorgs: 0,
            signed: 0,
            peers: 5,
        };
        assert_eq!(counters, expected);
        let peers = counters.peers;
        let none = Counters {
            peers,
            ..Counters::default()
        };
        assert_eq!(counters.since(counters), none, "peers are no count");
        assert_eq!(counters.since(Counters::default()), expected);
    }
}
