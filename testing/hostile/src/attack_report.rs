//! What an attack did, and whether that is within the limits.

use std::collections::BTreeMap;

use quartet_types::Slot;
use serde::Serialize;

use crate::{
    limits::{DISK_SLOTS, Limits, MIB},
    node_report::NodeReport,
};

/// Whether a network has stood an attack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AttackOutcome {
    /// Every limit holds.
    #[default]
    Held,
    /// At least one does not.
    Broken,
}

/// What an attack did. Bytes are bytes, and those of a node are those of the node that has most, unless said
/// otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AttackReport {
    /// The attack's name.
    pub attack: &'static str,
    /// Whether the network has stood it.
    pub verdict: AttackOutcome,
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
    /// Memory when it had settled, a minute after the attack at the latest.
    pub rss_after: u64,
    /// The most that a node's memory grew by.
    pub rss_growth: u64,
    /// The most by which a node's memory was larger in the end than before.
    pub rss_left: u64,
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
    /// all, what it has not received says little.
    pub heard_nodes: u64,
    /// Slots from the attack's start to the end of the aftermath.
    pub slots: Slot,
    /// Whether nodes can tell the attacker from honest peers.
    pub told_apart: bool,
    /// The longest that a node kept an identity connected after its first offence, up to the attack's end; null
    /// when none was let in.
    pub gone_after_seconds: Option<f64>,
    /// When an honest node that was started during the attack said that it was synced, with the head that
    /// others have; null when it did not.
    pub join_seconds: Option<f64>,
    /// How often it said that it was synced with a head that no other node had.
    pub join_false_claims: u64,
    /// Honest questions that were asked by HTTP during the attack.
    pub http_asked: u64,
    /// How many of them were answered within two seconds.
    pub http_answered: u64,
    /// In this time, 99 of 100 were answered; null when fewer were.
    pub http_p99_seconds: Option<f64>,
    /// Lines that the node which logs most has logged per second of attack.
    pub log_lines_per_second: f64,
    /// What else the attack has counted.
    pub counts: BTreeMap<&'static str, u64>,
    /// What must not have happened and did.
    pub faults: BTreeMap<&'static str, u64>,
    /// The nodes, one by one.
    pub nodes: Vec<NodeReport>,
}

impl AttackReport {
    /// Whether every limit holds.
    pub fn holds(&self) -> bool {
        self.verdict == AttackOutcome::Held
    }

    /// Compares what was seen with the limits.
    pub(crate) fn judge(&mut self, limits: &Limits) {
        let mut reasons = self.chain_reasons(limits);
        reasons.extend(self.machine_reasons(limits));
        reasons.extend(self.service_reasons(limits));
        for node in &self.nodes {
            reasons.extend(node.reasons(self.forged_sent));
        }
        self.verdict = if reasons.is_empty() {
            AttackOutcome::Held
        } else {
            AttackOutcome::Broken
        };
        self.reasons = reasons;
    }

    fn chain_reasons(&self, limits: &Limits) -> Vec<String> {
        let found = [
            (
                self.forged_imported,
                limits.forged_imported,
                "forged blocks imported",
            ),
            (self.missed, limits.missed, "duties missed"),
            (self.late, limits.late, "attestations late"),
        ];
        let mut reasons: Vec<_> = found.into_iter().filter_map(beyond).collect();
        for (lag, limit, when) in [
            (self.lag_during, limits.lag_during, "during"),
            (self.lag_after, limits.lag_after, "after"),
        ] {
            let what = format!("slots without finality {when} the attack");
            match lag {
                Some(lag) => reasons.extend(beyond((lag, limit, &what))),
                None => reasons.push(format!(
                    "no node says how far finality is {when} the attack"
                )),
            }
        }
        if !self.heads_agree {
            reasons.push("the nodes have different heads".to_owned());
        }
        reasons
    }

    fn machine_reasons(&self, limits: &Limits) -> Vec<String> {
        // A file grows in large steps.
        let disk = limits.disk_per_slot * self.slots.max(DISK_SLOTS);
        let found = [
            (
                self.rss_growth / MIB,
                limits.rss_growth / MIB,
                "MiB more in a node",
            ),
            (
                self.rss_left / MIB,
                limits.rss_left / MIB,
                "MiB more in a node when all is over",
            ),
            (self.disk_growth >> 10, disk >> 10, "KiB more on a disk"),
            (
                self.log_lines_per_second.ceil() as u64,
                limits.log_lines as u64,
                "lines logged per second",
            ),
        ];
        let mut reasons: Vec<_> = found.into_iter().filter_map(beyond).collect();
        if let Some(stay) = self.gone_after_seconds
            && self.told_apart
            && stay > limits.gone_after
        {
            reasons.push(format!("an attacker had a place for {stay:.1} s"));
        }
        let faults = self.faults.iter();
        reasons.extend(faults.map(|(what, times)| format!("{what}: {times}")));
        reasons
    }

    fn service_reasons(&self, limits: &Limits) -> Vec<String> {
        let mut reasons = Vec::new();
        match self.join_seconds {
            None => reasons.push("an honest node could not join".to_owned()),
            Some(time) if time > limits.join => {
                reasons.push(format!("an honest node was synced after {time:.1} s"));
            }
            Some(_) => {}
        }
        if self.http_answered + limits.http_unanswered < self.http_asked {
            let (answered, asked) = (self.http_answered, self.http_asked);
            reasons.push(format!("{answered} of {asked} questions answered"));
        }
        if let Some(time) = self.http_p99_seconds
            && time > limits.http_p99
        {
            reasons.push(format!("99 of 100 questions answered within {time:.1} s"));
        }
        reasons
    }
}

impl Limits {
    /// The limits for an attack, given what a run without one has shown: nothing is missed, late or unanswered
    /// beyond that, and finality is as far behind as two empty slots alone leave it. Only nodes that are stopped,
    /// so that slots stay empty, miss anything there.
    pub fn beyond(self, baseline: &AttackReport) -> Self {
        Self {
            missed: self.missed.max(baseline.missed),
            late: self.late.max(baseline.late),
            http_unanswered: (self.http_unanswered)
                .max(baseline.http_asked.saturating_sub(baseline.http_answered)),
            lag_during: self.lag_during.max(baseline.lag_during.unwrap_or_default()),
            ..self
        }
    }
}

fn beyond((found, limit, what): (u64, u64, &str)) -> Option<String> {
    (found > limit).then(|| format!("{found} {what}, at most {limit} allowed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> AttackReport {
        let node = NodeReport {
            name: "quartet_0".into(),
            alive: true,
            forged_asked: 5,
            ..NodeReport::default()
        };
        AttackReport {
            attack: "nothing",
            forged_sent: 5,
            lag_during: Some(5),
            lag_after: Some(3),
            heads_agree: true,
            told_apart: true,
            gone_after_seconds: Some(9.0),
            join_seconds: Some(3.0),
            http_asked: 100,
            http_answered: 100,
            http_p99_seconds: Some(0.2),
            nodes: vec![node],
            ..AttackReport::default()
        }
    }

    /// The reasons after one thing has gone wrong.
    fn reasons(wrong: impl Fn(&mut AttackReport)) -> Vec<String> {
        let mut verdict = good();
        wrong(&mut verdict);
        verdict.judge(&Limits::default());
        assert_eq!(verdict.holds(), verdict.reasons.is_empty());
        verdict.reasons
    }

    #[test]
    fn a_network_that_stands_an_attack_is_told_so() {
        assert_eq!(reasons(|_| {}), [""; 0]);
    }

    #[test]
    fn each_limit_breaks_the_verdict_by_itself() {
        type Mishap = fn(&mut AttackReport);
        let cases: [(Mishap, &str); 21] = [
            (
                |v| v.forged_imported = 1,
                "1 forged blocks imported, at most 0 allowed",
            ),
            (|v| v.missed = 1, "1 duties missed"),
            (|v| v.late = 2, "2 attestations late"),
            (
                |v| v.lag_during = Some(6),
                "6 slots without finality during",
            ),
            (|v| v.lag_after = Some(9), "9 slots without finality after"),
            (
                |v| v.lag_after = None,
                "no node says how far finality is after",
            ),
            (|v| v.rss_growth = 65 * MIB, "65 MiB more"),
            (|v| v.nodes[0].alive = false, "quartet_0 has died"),
            (
                |v| v.nodes[0].forged_asked = 3,
                "does not say whether it has 2 forged blocks",
            ),
            (|v| v.heads_agree = false, "different heads"),
            (|v| v.rss_left = 33 * MIB, "33 MiB more in a node when all"),
            (|v| v.disk_growth = 3 * MIB, "3072 KiB more on a disk"),
            (|v| v.log_lines_per_second = 5.2, "6 lines logged"),
            (|v| v.gone_after_seconds = Some(10.1), "a place for 10.1 s"),
            (|v| v.join_seconds = None, "could not join"),
            (|v| v.join_seconds = Some(10.5), "synced after 10.5 s"),
            (|v| v.http_answered = 99, "99 of 100 questions answered"),
            (|v| v.http_p99_seconds = Some(1.5), "within 1.5 s"),
            (|v| v.nodes[0].peers_after = 1, "1 more peers"),
            (|v| v.nodes[0].files_after = 9, "9 more files"),
            (
                |v| v.faults = BTreeMap::from([("foreign_hosts_answered", 2)]),
                "foreign_hosts_answered: 2",
            ),
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
            "http_answered",
        ] {
            assert!(json[field].is_u64(), "{field}");
        }
        for field in ["gone_after_seconds", "join_seconds", "http_p99_seconds"] {
            assert!(json[field].is_f64(), "{field}");
        }
    }

    #[test]
    fn an_attacker_that_cannot_be_told_apart_may_stay() {
        let tolerated_times = |v: &mut AttackReport| {
            v.told_apart = false;
            v.gone_after_seconds = Some(60.0);
        };
        assert_eq!(reasons(tolerated_times), [""; 0]);
    }

    #[test]
    fn what_is_missed_without_an_attack_is_not_held_against_one() {
        let baseline = AttackReport {
            missed: 2,
            late: 1,
            lag_during: Some(7),
            ..AttackReport::default()
        };
        let limits = Limits::default().beyond(&baseline);
        assert_eq!((limits.missed, limits.late, limits.lag_during), (2, 1, 7));
        assert_eq!(limits.rss_growth, Limits::default().rss_growth);
        assert_eq!(
            Limits::default().beyond(&AttackReport::default()),
            Limits::default()
        );
    }
}
