//! What an attack did, and whether that is within the limits.

use std::{collections::BTreeMap, fmt::Write as _};

use quartet_types::Slot;
use serde::Serialize;

/// One MiB, in bytes.
const MIB: u64 = 1 << 20;

/// What strangers may do to a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Forged blocks that a node may import.
    pub forged_imported: u64,
    /// Most slots that finality may be behind, at any time.
    pub lag: Slot,
    /// Duties that may be missed, by all validators together.
    pub missed: u64,
    /// Attestations that may leave after the middle of their slot.
    pub late: u64,
    /// Most bytes by which a node's memory may grow; not judged where there is none.
    pub rss_growth: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            forged_imported: 0,
            lag: 4,
            missed: 0,
            late: 0,
            rss_growth: None,
        }
    }
}

/// Whether a network has stood an attack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every limit holds.
    #[default]
    Held,
    /// At least one does not.
    Broken,
}

/// What an attack did. Bytes are bytes, and those of a node are those of the node that has most, unless said
/// otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// The attack's name.
    pub attack: &'static str,
    /// Whether the network has stood it.
    pub verdict: Outcome,
    /// Each limit that does not hold, in words.
    pub reasons: Vec<String>,
    /// How long it lasted.
    pub seconds: u64,
    /// Messages sent, each to all nodes that took it.
    pub sent: u64,
    /// Messages that no node took.
    pub unsent: u64,
    /// Identities that the attacker has used to send them.
    pub identities: u64,
    /// Blocks among them that no validator has made.
    pub forged_sent: u64,
    /// How many of those a node has imported.
    pub forged_imported: u64,
    /// Blocks that a node has imported meanwhile, honest ones included.
    pub blocks_imported: u64,
    /// Memory before.
    pub rss_before: u64,
    /// The most memory, during the attack and after it.
    pub rss_peak: u64,
    /// Memory at the end of the aftermath.
    pub rss_after: u64,
    /// The most that a node's memory grew by.
    pub rss_growth: u64,
    /// The most that a node's database grew by.
    pub disk_growth: u64,
    /// Slots that finality was behind before; null when no node answered.
    pub lag_before: Option<Slot>,
    /// The most slots that it was behind at the end of a slot of the attack.
    pub lag_during: Option<Slot>,
    /// Slots that it was behind at the end of the aftermath.
    pub lag_after: Option<Slot>,
    /// Duties that were not done, from the attack's start to the end of the aftermath: those for which no node
    /// says that it has signed, or proposals that nodes say they have missed, whichever is more.
    pub missed: u64,
    /// Duties of which the stranger has heard nothing. It is not judged: he may just be hard of hearing.
    pub unheard: u64,
    /// Attestations that left after the middle of their slot, as the nodes say.
    pub late: u64,
    /// Slots at whose end not all nodes had the same head.
    pub splits: u64,
    /// Whether all had the same one at the end of the aftermath.
    pub heads_agree: bool,
    /// Questions to which a node gave no answer.
    pub unanswered: u64,
    /// Nodes that the stranger's listening identity was connected with at the attack's end. With fewer than
    /// all, what it has not heard says little.
    pub heard_nodes: u64,
    /// What else the attack has counted.
    pub counts: BTreeMap<&'static str, u64>,
    /// The nodes, one by one.
    pub nodes: Vec<NodeVerdict>,
}

/// What an attack did to one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NodeVerdict {
    /// The node's name.
    pub name: String,
    /// Whether its process runs.
    pub alive: bool,
    /// Memory before, in bytes.
    pub rss_before: u64,
    /// The most memory, in bytes.
    pub rss_peak: u64,
    /// Memory at the end, in bytes.
    pub rss_after: u64,
    /// Bytes by which its database has grown.
    pub disk_growth: u64,
    /// Blocks imported, as it says.
    pub blocks_imported: u64,
    /// Reorganisations, as it says.
    pub reorgs: u64,
    /// Proposals missed, as it says.
    pub missed_proposals: u64,
    /// Late attestations, as it says.
    pub late: u64,
    /// Attestations signed, one for each duty done, as it says.
    pub signed: u64,
    /// Forged blocks that it has.
    pub forged_imported: u64,
    /// Forged blocks that it has answered for.
    pub forged_asked: u64,
}

impl Verdict {
    /// Whether every limit holds.
    pub fn holds(&self) -> bool {
        self.verdict == Outcome::Held
    }

    /// Compares what was seen with the limits.
    pub(crate) fn judge(&mut self, limits: &Limits) {
        let mut reasons = Vec::new();
        let mut most = |found: u64, limit: u64, what: &str| {
            if found > limit {
                reasons.push(format!("{found} {what}, at most {limit} allowed"));
            }
        };
        most(
            self.forged_imported,
            limits.forged_imported,
            "forged blocks imported",
        );
        most(self.missed, limits.missed, "duties missed");
        most(self.late, limits.late, "attestations late");
        for (lag, when) in [(self.lag_during, "during"), (self.lag_after, "after")] {
            // A network that does not say how far it is counts as not having come anywhere.
            let lag = lag.unwrap_or(Slot::MAX);
            most(
                lag,
                limits.lag,
                &format!("slots without finality {when} the attack"),
            );
        }
        if let Some(limit) = limits.rss_growth {
            most(self.rss_growth / MIB, limit / MIB, "MiB more in a node");
        }
        for node in &self.nodes {
            if !node.alive {
                reasons.push(format!("{} has died", node.name));
            }
            if node.forged_asked < self.forged_sent {
                let unknown = self.forged_sent - node.forged_asked;
                reasons.push(format!(
                    "{} does not say whether it has {unknown} forged blocks",
                    node.name
                ));
            }
        }
        if !self.heads_agree {
            reasons.push("the nodes have different heads".to_owned());
        }
        self.verdict = match reasons.is_empty() {
            true => Outcome::Held,
            false => Outcome::Broken,
        };
        self.reasons = reasons;
    }
}

/// A table of verdicts, with the reasons below it.
pub fn table(verdicts: &[Verdict]) -> String {
    let mut table = format!(
        "{:<16} {:<7} {:>6} {:>7} {:>8} {:>13} {:>6} {:>5} {:>7} {:>15} {:>8}  heads\n",
        "attack",
        "verdict",
        "sent",
        "forged",
        "imported",
        "lag b/d/a",
        "missed",
        "late",
        "reorgs",
        "MiB b/p/a",
        "disk MiB",
    );
    for verdict in verdicts {
        let outcome = if verdict.holds() { "held" } else { "BROKEN" };
        let lags = [verdict.lag_before, verdict.lag_during, verdict.lag_after];
        let lags = lags.map(|lag| lag.map_or("-".to_owned(), |lag| lag.to_string()));
        let memory = [verdict.rss_before, verdict.rss_peak, verdict.rss_after];
        let memory = memory.map(|bytes| (bytes / MIB).to_string());
        let reorgs = verdict.nodes.iter().map(|node| node.reorgs).max();
        // Writing to a string does not fail.
        let _ = writeln!(
            table,
            "{:<16} {:<7} {:>6} {:>7} {:>8} {:>13} {:>6} {:>5} {:>7} {:>15} {:>8}  {}",
            verdict.attack,
            outcome,
            verdict.sent,
            verdict.forged_sent,
            verdict.forged_imported,
            lags.join("/"),
            verdict.missed,
            verdict.late,
            reorgs.unwrap_or_default(),
            memory.join("/"),
            verdict.disk_growth / MIB,
            if verdict.heads_agree {
                "agree"
            } else {
                "DIFFER"
            },
        );
    }
    for verdict in verdicts.iter().filter(|verdict| !verdict.holds()) {
        let _ = writeln!(table, "{}: {}", verdict.attack, verdict.reasons.join("; "));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Verdict {
        let node = NodeVerdict {
            name: "quartet_0".into(),
            alive: true,
            forged_asked: 5,
            ..NodeVerdict::default()
        };
        Verdict {
            attack: "nothing",
            forged_sent: 5,
            lag_during: Some(4),
            lag_after: Some(3),
            heads_agree: true,
            nodes: vec![node],
            ..Verdict::default()
        }
    }

    /// The reasons after one thing has gone wrong.
    fn reasons(wrong: impl Fn(&mut Verdict)) -> Vec<String> {
        let mut verdict = good();
        wrong(&mut verdict);
        let rss_growth = Some(64 * MIB);
        verdict.judge(&Limits {
            rss_growth,
            ..Limits::default()
        });
        assert_eq!(verdict.holds(), verdict.reasons.is_empty());
        verdict.reasons
    }

    #[test]
    fn a_network_that_stands_an_attack_is_told_so() {
        assert_eq!(reasons(|_| {}), [""; 0]);
    }

    #[test]
    fn each_limit_breaks_the_verdict_by_itself() {
        type Mishap = fn(&mut Verdict);
        let cases: [(Mishap, &str); 10] = [
            (
                |v| v.forged_imported = 1,
                "1 forged blocks imported, at most 0 allowed",
            ),
            (|v| v.missed = 1, "1 duties missed"),
            (|v| v.late = 2, "2 attestations late"),
            (
                |v| v.lag_during = Some(5),
                "5 slots without finality during",
            ),
            (|v| v.lag_after = Some(9), "9 slots without finality after"),
            (|v| v.lag_after = None, "without finality after"),
            (|v| v.rss_growth = 65 * MIB, "65 MiB more"),
            (|v| v.nodes[0].alive = false, "quartet_0 has died"),
            (
                |v| v.nodes[0].forged_asked = 3,
                "does not say whether it has 2 forged blocks",
            ),
            (|v| v.heads_agree = false, "different heads"),
        ];
        for (wrong, expected) in cases {
            let reasons = reasons(wrong);
            assert_eq!(reasons.len(), 1, "{reasons:?}");
            assert!(
                reasons[0].contains(expected),
                "{} lacks {expected}",
                reasons[0]
            );
        }
    }

    #[test]
    fn the_report_has_the_fields_that_scripts_read() {
        let json = serde_json::to_value(good()).unwrap();
        assert_eq!(json["attack"], "nothing");
        assert_eq!(json["verdict"], "held");
        for field in [
            "rss_before",
            "rss_peak",
            "rss_after",
            "lag_during",
            "lag_after",
            "missed",
            "late",
            "forged_imported",
        ] {
            assert!(json[field].is_u64(), "{field}");
        }
    }

    #[test]
    fn the_table_has_a_line_for_each_attack_and_for_each_that_broke_something() {
        let mut bad = good();
        bad.missed = 7;
        bad.judge(&Limits::default());
        let table = table(&[good(), bad]);
        assert_eq!(table.lines().count(), 4);
        assert!(
            table.lines().last().unwrap().contains("7 duties missed"),
            "{table}"
        );
    }
}
