//! Plays attacks and watches what they do to the nodes.

use std::time::Duration;

use anyhow::{Result, bail};
use futures::future::join_all;
use quartet_clock::{Clock, Stopwatch};
use quartet_types::{INTERVALS_PER_SLOT, SECONDS_PER_SLOT, Slot};

use crate::{
    attack_report::AttackReport,
    attacker::Attacker,
    attacks::Attack,
    devnet::Devnet,
    gap,
    honest::Answers,
    limits::{self, Limits},
    newcomer::{self, Arrival},
    node::{Counters, Node},
    node_report::NodeReport,
    watch::{SECOND_LOOK, lag, rss, views, watch},
};

/// In this slot at the latest, a devnet finalizes in each slot what lies three slots back.
const IN_STRIDE: Slot = 6;

/// How long the stranger may take to learn the chain.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long memory may take to come back, and connections to be gone.
const SETTLING: Duration = Duration::from_secs(60);

/// How often it is looked whether they have.
const LOOK: Duration = Duration::from_secs(1);

/// A newcomer joins when this fraction of an attack is over: one third.
const JOINS_AFTER: u32 = 3;

/// How long a newcomer is waited for at most.
const JOIN_PATIENCE: Duration = Duration::from_secs(30);

/// Slots before an empty one in which an attack can settle in.
const BEFORE_EMPTY: Slot = 2;

/// How long an attack lasts, and how long its aftermath is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Seconds of attack.
    pub seconds: u64,
    /// Slots after it.
    pub slots_after: Slot,
}

impl Plan {
    /// More slots than a devnet needs for an attack of this plan.
    pub fn slots(&self) -> Slot {
        self.seconds / SECONDS_PER_SLOT + self.slots_after + 90
    }
}

/// Plays attacks on one devnet.
#[derive(Debug)]
pub struct Referee<'a> {
    devnet: &'a Devnet,
    attacker: Attacker,
    clock: Clock,
    /// Honest ones.
    validators: u64,
}

impl<'a> Referee<'a> {
    /// A referee on this devnet, with a stranger that has joined it and knows its chain.
    ///
    /// # Errors
    /// When the stranger cannot join, or does not learn the chain in time.
    pub async fn on(devnet: &'a Devnet) -> Result<Self> {
        let genesis = devnet.genesis()?;
        let traitors = u64::from(devnet.traitor().is_some());
        let validators = genesis.validator_count() - traitors;
        let attacker = Attacker::join(devnet, genesis)?;
        if !attacker
            .is_informed(PATIENCE + devnet.clock().until_genesis())
            .await
        {
            bail!(
                "the stranger has not learnt the chain within {} s",
                PATIENCE.as_secs()
            );
        }
        Ok(Self {
            devnet,
            attacker,
            clock: devnet.clock(),
            validators,
        })
    }

    /// Plays one attack and reports what it did.
    ///
    /// # Errors
    /// When the attack cannot be started.
    pub async fn judge(
        &self,
        attack: &Attack,
        plan: Plan,
        limits: &Limits,
    ) -> Result<AttackReport> {
        let ready = IN_STRIDE.max(self.attacker.ready_for(attack));
        let first = self.wait_for_duties(ready).await;
        let nodes = self.devnet.nodes();
        let before = self.snapshot().await;
        let lag_before = lag(&views(nodes).await.0, self.clock.slot());

        let Some(playing) = self.attacker.play(attack) else {
            bail!("the stranger has left");
        };
        let duration = Duration::from_secs(plan.seconds);
        let (during, answers, arrival, ()) = tokio::join!(
            watch(nodes, &self.clock, duration),
            Answers::collect(nodes, duration),
            self.let_join(duration),
            self.leave_empty(attack),
        );
        let heard_nodes = self.attacker.heard_nodes();
        let gone_after = self.attacker.longest_stay();
        let log_lines: Vec<_> = nodes.iter().map(Node::log_lines).collect();
        drop(playing);
        let deeds = self.attacker.take_deeds();
        let aftermath = Duration::from_secs(plan.slots_after * SECONDS_PER_SLOT);
        let since_end = Stopwatch::start();
        let afterwards = watch(nodes, &self.clock, aftermath).await;
        let last = self.wait_for_duties(first).await;
        let after = self.snapshot().await;
        let unheard = self.attacker.unheard(first + 1..=last, self.validators);
        let settled = self.settle(&before, &since_end, limits).await;
        let forged = join_all(nodes.iter().map(|node| node.imported(&deeds.forged))).await;

        let node_report = |at: usize| {
            let (before, after, settled) = (&before[at], &after[at], &settled[at]);
            let counted = after.counters.since(before.counters);
            NodeReport {
                name: nodes[at].name.clone(),
                alive: nodes[at].rss().is_some(),
                rss_before: before.rss,
                rss_peak: during.peaks[at].max(afterwards.peaks[at]).max(after.rss),
                rss_after: settled.rss,
                disk_growth: after.disk.saturating_sub(before.disk),
                blocks_imported: counted.imported_blocks,
                reorgs: counted.reorgs,
                missed_proposals: counted.missed_proposals,
                late: counted.late_attestations,
                signed: counted.signed,
                forged_imported: forged[at].0,
                forged_asked: forged[at].1,
                peers_before: before.counters.peers,
                peers_after: settled.counters.peers,
                files_before: before.files,
                files_after: settled.files,
                log_lines: log_lines[at].saturating_sub(before.log_lines),
            }
        };
        let nodes: Vec<_> = (0..nodes.len()).map(node_report).collect();
        let most = |of: fn(&NodeReport) -> u64| nodes.iter().map(of).max().unwrap_or_default();
        let sum = |of: fn(&NodeReport) -> u64| nodes.iter().map(of).sum::<u64>();
        let duties = (last - first) * self.validators;
        let unsigned = duties.saturating_sub(sum(|node| node.signed));
        let mut report = AttackReport {
            attack: attack.name,
            seconds: plan.seconds,
            sent: deeds.sent,
            unsent: deeds.unsent,
            identities: deeds.identities,
            counts: deeds.counts,
            faults: deeds.faults,
            forged_sent: deeds.forged.len() as u64,
            forged_imported: most(|node| node.forged_imported),
            blocks_imported: most(|node| node.blocks_imported),
            slots: last - first,
            rss_before: most(|node| node.rss_before),
            rss_peak: most(|node| node.rss_peak),
            rss_after: most(|node| node.rss_after),
            rss_growth: most(|node| node.rss_peak.saturating_sub(node.rss_before)),
            rss_left: most(|node| node.rss_after.saturating_sub(node.rss_before)),
            disk_growth: most(|node| node.disk_growth),
            lag_before,
            lag_during: during.lags.iter().copied().max(),
            lag_after: afterwards.lags.last().copied(),
            missed: unsigned.max(sum(|node| node.missed_proposals)),
            unheard,
            late: sum(|node| node.late),
            splits: during.splits + afterwards.splits,
            unanswered: during.unanswered + afterwards.unanswered,
            heads_agree: afterwards.agree,
            heard_nodes: heard_nodes as u64,
            told_apart: attack.told_apart,
            gone_after_seconds: gone_after.map(|stay| stay.as_secs_f64()),
            join_seconds: arrival.joined.map(|time| time.as_secs_f64()),
            join_false_claims: arrival.false_claims,
            http_asked: answers.asked,
            http_answered: answers.answered(),
            http_p99_seconds: answers.p99().map(|time| time.as_secs_f64()),
            log_lines_per_second: most(|node| node.log_lines) as f64 / plan.seconds as f64,
            nodes,
            verdict: Default::default(),
            reasons: Vec::new(),
        };
        report.judge(limits);
        Ok(report)
    }

    /// Lets an honest node join during an attack of this length. One that cannot be started has not joined.
    async fn let_join(&self, attack: Duration) -> Arrival {
        tokio::time::sleep(attack / JOINS_AFTER).await;
        let patience = attack.min(JOIN_PATIENCE);
        newcomer::arrive(self.devnet, patience)
            .await
            .unwrap_or_default()
    }

    /// Leaves slots empty, if that is part of the attack.
    async fn leave_empty(&self, attack: &Attack) {
        if attack.empty_slots {
            let first = self.clock.slot() + BEFORE_EMPTY;
            let tell = |node: &Node, lasted| self.attacker.note_standstill(node.quic, lasted);
            let nodes = self.devnet.nodes();
            gap::leave_empty(nodes, &self.clock, self.validators, first, tell).await;
        }
    }

    /// Waits until memory is back and connections are gone, as long as that may take, and looks at what is left.
    async fn settle(
        &self,
        before: &[Snapshot],
        since_end: &Stopwatch,
        limits: &Limits,
    ) -> Vec<Snapshot> {
        loop {
            let now = self.snapshot().await;
            let is_back = |(before, now): (&Snapshot, &Snapshot)| {
                now.rss <= before.rss.saturating_add(limits.rss_left)
                    && now.counters.peers <= before.counters.peers
                    && now.files <= before.files + limits::FILES_SLACK
            };
            if before.iter().zip(&now).all(is_back) || since_end.elapsed() >= SETTLING {
                return now;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the duties of a slot are done, of `slot` or a later one, and says which it is.
    async fn wait_for_duties(&self, slot: Slot) -> Slot {
        let mut ticks = self.clock.ticks();
        loop {
            let tick = ticks.next().await;
            if tick.slot >= slot && tick.interval == INTERVALS_PER_SLOT / 2 {
                tokio::time::sleep(SECOND_LOOK).await;
                return tick.slot;
            }
        }
    }

    /// What each node tells and takes at this moment. One that does not answer has counted nothing.
    async fn snapshot(&self) -> Vec<Snapshot> {
        let look = async |node: &Node| Snapshot {
            counters: node.counters().await.unwrap_or_default(),
            rss: rss(node),
            disk: node.disk(),
            files: node.files(),
            log_lines: node.log_lines(),
        };
        join_all(self.devnet.nodes().iter().map(look)).await
    }
}

/// A node's answers and resources at a moment.
#[derive(Clone, Copy, Debug, Default)]
struct Snapshot {
    counters: Counters,
    rss: u64,
    disk: u64,
    files: u64,
    log_lines: u64,
}
