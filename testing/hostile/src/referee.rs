//! Plays attacks and watches what they do to the nodes.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Result, bail};
use futures::future::join_all;
use quartet_clock::Clock;
use quartet_types::{INTERVALS_PER_SLOT, SECONDS_PER_SLOT, Slot};

use crate::{
    attacks::Attack,
    devnet::Devnet,
    node::{Counters, Node, View},
    stranger::{Deeds, Stranger},
    verdict::{Limits, NodeVerdict, Verdict},
};

/// In this slot at the latest, a devnet finalizes in each slot what lies three slots back.
const IN_STRIDE: Slot = 6;

/// How long the stranger may take to learn the chain.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often memory is looked at.
const SAMPLE: Duration = Duration::from_millis(200);

/// By then, the nodes have counted a slot's votes.
const SLOT_END: Duration = Duration::from_millis(3_400);

/// A block may just be on its way when the nodes are asked; after this long they are asked again.
const SECOND_LOOK: Duration = Duration::from_millis(200);

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
        self.seconds / SECONDS_PER_SLOT + self.slots_after + 60
    }
}

/// Plays attacks on one devnet.
#[derive(Debug)]
pub struct Referee<'a> {
    devnet: &'a Devnet,
    stranger: Stranger,
    clock: Clock,
    validators: u64,
}

/// What was seen while the nodes were watched.
#[derive(Clone, Debug, Default)]
struct Watched {
    /// The most memory of each node.
    peaks: Vec<u64>,
    /// How many slots finality was behind at the end of each slot, on the node that is furthest behind.
    lags: Vec<Slot>,
    /// Slots at whose end the nodes had different heads.
    splits: u64,
    /// Questions to which a node gave no answer.
    unanswered: u64,
    /// Whether all had the same head in the end.
    agree: bool,
}

impl<'a> Referee<'a> {
    /// A referee on this devnet, with a stranger that has joined it and knows its chain.
    ///
    /// # Errors
    /// When the stranger cannot join, or does not learn the chain in time.
    pub async fn on(devnet: &'a Devnet) -> Result<Self> {
        let genesis = devnet.genesis()?;
        let validators = genesis.validator_count();
        let stranger = Stranger::join(devnet, genesis)?;
        if !stranger
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
            stranger,
            clock: devnet.clock(),
            validators,
        })
    }

    /// Plays one attack and says what it did.
    ///
    /// # Errors
    /// When the attack cannot be started.
    pub async fn judge(&self, attack: &Attack, plan: Plan, limits: &Limits) -> Result<Verdict> {
        let ready = IN_STRIDE.max(self.stranger.ready_for(attack));
        let first = self.wait_for_duties(ready).await;
        let nodes = self.devnet.nodes();
        let before = self.snapshot().await;
        let rss_before: Vec<_> = nodes.iter().map(rss).collect();
        let lag_before = lag(&self.views().await.0, self.clock.slot());

        let Some(playing) = self.stranger.play(attack) else {
            bail!("the stranger has left");
        };
        let during = self.watch(Duration::from_secs(plan.seconds)).await;
        let heard_nodes = self.stranger.heard_nodes();
        drop(playing);
        let deeds = self.stranger.deeds();
        let aftermath = Duration::from_secs(plan.slots_after * SECONDS_PER_SLOT);
        let afterwards = self.watch(aftermath).await;

        let last = self.wait_for_duties(first).await;
        let unheard = self.stranger.unheard(first + 1..=last, self.validators);
        let after = self.snapshot().await;
        let rss_after: Vec<_> = nodes.iter().map(rss).collect();
        let forged = join_all(nodes.iter().map(|node| node.imported(&deeds.forged))).await;
        let node_verdict = |at: usize| NodeVerdict {
            name: nodes[at].name.clone(),
            alive: nodes[at].rss().is_some(),
            rss_before: rss_before[at],
            rss_peak: (during.peaks[at].max(afterwards.peaks[at])).max(rss_after[at]),
            rss_after: rss_after[at],
            disk_growth: after[at].1.saturating_sub(before[at].1),
            blocks_imported: counted(&before[at], &after[at]).imported_blocks,
            reorgs: counted(&before[at], &after[at]).reorgs,
            missed_proposals: counted(&before[at], &after[at]).missed_proposals,
            late: counted(&before[at], &after[at]).late_attestations,
            signed: counted(&before[at], &after[at]).signed,
            forged_imported: forged[at].0,
            forged_asked: forged[at].1,
        };
        let nodes: Vec<_> = (0..nodes.len()).map(node_verdict).collect();
        let most = |of: fn(&NodeVerdict) -> u64| nodes.iter().map(of).max().unwrap_or_default();
        let sum = |of: fn(&NodeVerdict) -> u64| nodes.iter().map(of).sum::<u64>();
        let duties = (last - first) * self.validators;
        let unsigned = duties.saturating_sub(sum(|node| node.signed));
        let Deeds {
            forged,
            sent,
            unsent,
            identities,
            counts,
        } = deeds;
        let mut verdict = Verdict {
            attack: attack.name,
            seconds: plan.seconds,
            sent,
            unsent,
            identities,
            counts,
            forged_sent: forged.len() as u64,
            forged_imported: most(|node| node.forged_imported),
            blocks_imported: most(|node| node.blocks_imported),
            rss_before: most(|node| node.rss_before),
            rss_peak: most(|node| node.rss_peak),
            rss_after: most(|node| node.rss_after),
            rss_growth: most(|node| node.rss_peak.saturating_sub(node.rss_before)),
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
            nodes,
            verdict: Default::default(),
            reasons: Vec::new(),
        };
        verdict.judge(limits);
        Ok(verdict)
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

    /// Watches the nodes for so long.
    async fn watch(&self, duration: Duration) -> Watched {
        let nodes = self.devnet.nodes();
        let mut watched = Watched {
            peaks: nodes.iter().map(rss).collect(),
            ..Watched::default()
        };
        let end = self.clock.now() + duration;
        let mut last_slot = None;
        while self.clock.now() < end {
            tokio::time::sleep(SAMPLE).await;
            for (peak, node) in watched.peaks.iter_mut().zip(nodes) {
                *peak = rss(node).max(*peak);
            }
            let slot = self.clock.slot();
            if last_slot != Some(slot) && self.clock.since_slot(slot) >= SLOT_END {
                last_slot = Some(slot);
                let (views, unanswered) = self.views().await;
                watched.lags.extend(lag(&views, slot));
                watched.agree = agree(&views);
                watched.splits += u64::from(!watched.agree);
                watched.unanswered += unanswered;
            }
        }
        watched
    }

    /// What the nodes see, at a second look when they do not agree at the first; and how many do not say.
    async fn views(&self) -> (Vec<View>, u64) {
        let nodes = self.devnet.nodes();
        let ask = || async {
            let views = join_all(nodes.iter().map(Node::view)).await;
            views.into_iter().flatten().collect::<Vec<_>>()
        };
        let mut views = ask().await;
        if views.len() < nodes.len() || !agree(&views) {
            tokio::time::sleep(SECOND_LOOK).await;
            views = ask().await;
        }
        let unanswered = nodes.len() - views.len();
        (views, unanswered as u64)
    }

    /// Each node's counters, and what it takes on disk. A node that does not answer has counted nothing.
    async fn snapshot(&self) -> Vec<(Counters, u64)> {
        let look = async |node: &Node| (node.counters().await.unwrap_or_default(), node.disk());
        join_all(self.devnet.nodes().iter().map(look)).await
    }
}

fn counted(before: &(Counters, u64), after: &(Counters, u64)) -> Counters {
    after.0.since(before.0)
}

fn rss(node: &Node) -> u64 {
    node.rss().unwrap_or_default()
}

/// How far the node that is furthest behind has finality behind `slot`.
fn lag(views: &[View], slot: Slot) -> Option<Slot> {
    let finalized = views.iter().map(|view| view.finalized.slot).min()?;
    Some(slot.saturating_sub(finalized))
}

fn agree(views: &[View]) -> bool {
    let heads: BTreeSet<_> = views.iter().map(|view| view.head.root).collect();
    heads.len() == 1
}

#[cfg(test)]
mod tests {
    use quartet_types::{Checkpoint, Root};

    use super::*;

    fn view(head: u8, finalized: Slot) -> View {
        let checkpoint = |byte, slot| Checkpoint {
            root: Root::repeat_byte(byte),
            slot,
        };
        View {
            head: checkpoint(head, 9),
            finalized: checkpoint(1, finalized),
        }
    }

    #[test]
    fn the_lag_is_that_of_the_node_furthest_behind() {
        assert_eq!(lag(&[view(1, 6), view(1, 4), view(1, 6)], 9), Some(5));
        assert_eq!(lag(&[], 9), None);
    }

    #[test]
    fn nodes_agree_when_all_have_one_head() {
        assert!(agree(&[view(1, 6), view(1, 5)]));
        assert!(!agree(&[view(1, 6), view(2, 6)]));
        assert!(!agree(&[]));
    }
}
