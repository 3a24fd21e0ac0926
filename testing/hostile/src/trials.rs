//! Bad links: how a network without any attacker fares on them.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result};
use quartet_clock::Stopwatch;
use quartet_relay::Conditions;
use quartet_types::{SECONDS_PER_SLOT, Slot};
use serde::Serialize;

use crate::{
    attack_report::AttackOutcome,
    watch::{agree, lag, views},
    wide::WideNetwork,
};

/// What links between continents are like.
const DELAY: Duration = Duration::from_millis(50);
const JITTER: Duration = Duration::from_millis(20);
const LOSS: f64 = 0.02;

/// From this slot on, a network that started at genesis finalizes in each slot.
const IN_STRIDE: Slot = 8;

/// By then, the nodes have counted a slot's votes, slow links included.
const SLOT_END: Duration = Duration::from_millis(3_700);

/// Most slots that finality may be behind over bad links.
const MAX_LAG: Slot = 4;

/// After this many slots, the halves of a network that has healed have one head.
const ONE_HEAD: f64 = 2.0;

/// The slot in which a network is cut in halves.
const CUT: Slot = 10;

/// How often it is looked whether it has healed.
const LOOK: Duration = Duration::from_millis(100);

/// What came of a trial.
#[derive(Clone, Debug, Serialize)]
pub struct Trial {
    /// `links` or `partition`.
    pub trial: &'static str,
    /// Whether every limit holds.
    pub verdict: AttackOutcome,
    /// Each limit that does not hold, in words.
    pub reasons: Vec<String>,
    /// How many slots finality was behind at the end of each slot; null where no node answered.
    pub lags: Vec<Option<Slot>>,
    /// Slots at whose end the nodes had different heads.
    pub splits: u64,
    /// Slots from the healing until all nodes had one head.
    pub one_head_slots: Option<f64>,
    /// Slots from the healing until finality moved on all nodes.
    pub finality_slots: Option<f64>,
    /// Slots in which it has to.
    pub finality_bound: Option<f64>,
    /// Datagrams that passed the relays, and those that were lost.
    pub datagrams: (u64, u64),
}

impl Trial {
    /// Whether every limit holds.
    pub fn holds(&self) -> bool {
        self.verdict == AttackOutcome::Held
    }

    fn concluded(mut self, reasons: Vec<String>) -> Self {
        if !reasons.is_empty() {
            self.verdict = AttackOutcome::Broken;
        }
        self.reasons = reasons;
        self
    }

    fn new(
        trial: &'static str,
        network: &WideNetwork,
        lags: Vec<Option<Slot>>,
        splits: u64,
    ) -> Self {
        let stats = network.stats();
        Self {
            trial,
            verdict: AttackOutcome::Held,
            reasons: Vec::new(),
            lags,
            splits,
            one_head_slots: None,
            finality_slots: None,
            finality_bound: None,
            datagrams: (stats.passed, stats.lost),
        }
    }
}

/// Four nodes whose links have 50 ± 20 ms and lose 2 %: finality stays at most `MAX_LAG` slots behind.
///
/// # Errors
/// When the network cannot be started.
pub async fn links(program: &Path, slots: Slot) -> Result<Trial> {
    let conditions = Conditions {
        delay: DELAY,
        jitter: JITTER,
        loss: LOSS,
        cuts: Vec::new(),
    };
    let network = WideNetwork::start(program, &conditions, 1).await?;
    let (lags, splits) = watch_slots(&network, IN_STRIDE, IN_STRIDE + slots).await;
    let mut reasons = Vec::new();
    let worst = lags.iter().map(|lag| lag.unwrap_or(Slot::MAX)).max();
    if let Some(worst) = worst
        && worst > MAX_LAG
    {
        reasons.push(format!(
            "finality was {worst} slots behind, {MAX_LAG} allowed"
        ));
    }
    Ok(Trial::new("links", &network, lags, splits).concluded(reasons))
}

/// Four nodes of which two cannot reach the others for some slots, and then can again.
///
/// # Errors
/// When the network cannot be started, or finalizes nothing before.
pub async fn partition(program: &Path, slots: Slot) -> Result<Trial> {
    let network = WideNetwork::start(program, &Conditions::default(), 1).await?;
    network.reaches(CUT, Duration::ZERO).await;
    network.part(true);
    let (lags, splits) = watch_slots(&network, CUT, CUT + slots).await;
    let healed_in = CUT + slots;
    network.reaches(healed_in, Duration::ZERO).await;
    let (before, _) = views(network.nodes()).await;
    let finalized = before.iter().map(|view| view.finalized.slot).max();
    let finalized = finalized.context("no node answers")?;
    network.part(false);
    let since = Stopwatch::start();
    let bound = finality_bound(healed_in - finalized);
    let mut trial = Trial::new("partition", &network, lags, splits);
    trial.finality_bound = Some(bound);
    // Twice as long as it may take, so that it is known by how much it is missed.
    while since.seconds() < 2.0 * bound * SECONDS_PER_SLOT as f64 {
        tokio::time::sleep(LOOK).await;
        let (views, unanswered) = views(network.nodes()).await;
        let slots = since.seconds() / SECONDS_PER_SLOT as f64;
        if unanswered == 0 && agree(&views) {
            trial.one_head_slots.get_or_insert(slots);
        }
        if unanswered == 0 && views.iter().all(|view| view.finalized.slot > finalized) {
            trial.finality_slots = Some(slots);
            break;
        }
    }
    let stats = network.stats();
    trial.datagrams = (stats.passed, stats.lost);
    let late = |what: &str, found: Option<f64>, limit: f64| match found {
        Some(slots) if slots <= limit => None,
        Some(slots) => Some(format!("{what} took {slots:.1} slots, {limit:.1} allowed")),
        None => Some(format!("{what} did not come, {limit:.1} slots allowed")),
    };
    let reasons = [
        late("one head", trial.one_head_slots, ONE_HEAD),
        late("finality", trial.finality_slots, bound),
    ];
    Ok(trial.concluded(reasons.into_iter().flatten().collect()))
}

/// Slots in which finality moves again after it was `behind` slots behind: votes for a target that may follow
/// the finalized slot lie some √d apart, two of them are needed, and a few slots until votes are counted.
fn finality_bound(behind: Slot) -> f64 {
    2.0 * (behind as f64).sqrt() + 8.0
}

/// How far finality is behind at the end of each of these slots, and at the end of how many the heads differ.
async fn watch_slots(network: &WideNetwork, first: Slot, end: Slot) -> (Vec<Option<Slot>>, u64) {
    let mut lags = Vec::new();
    let mut splits = 0;
    for slot in first..end {
        network.reaches(slot, SLOT_END).await;
        let (views, unanswered) = views(network.nodes()).await;
        lags.push(lag(&views, slot).filter(|_| unanswered == 0));
        splits += u64::from(!agree(&views));
    }
    (lags, splits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_finality_was_away_the_longer_it_may_take() {
        assert_eq!(finality_bound(36), 20.0);
        assert!(finality_bound(100) > finality_bound(36));
    }
}
