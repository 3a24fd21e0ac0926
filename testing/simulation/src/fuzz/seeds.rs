//! Many seeds, on several threads.

use std::{
    fmt,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use parking_lot::Mutex;
use quartet_clock::Stopwatch;
use quartet_types::Slot;

use super::{
    outcome::{Failure, Outcome},
    plan::Plan,
    play::play,
};
use crate::Violation;

/// What many runs came to.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How many seeds were played.
    pub seeds: u64,
    /// How many of them failed in any way.
    pub failed: u64,
    /// How many had finality stand still.
    pub stalled: u64,
    /// How many finalized conflicting checkpoints.
    pub forks: u64,
    /// How many did not come to one head.
    pub diverged: u64,
    /// The longest recovery, in slots.
    pub worst_recovery: Option<Worst>,
    /// The most that a recovery took longer than 2·√d.
    pub worst_excess: Option<Worst>,
    /// The same among the seeds without adversaries, in which every validator is reliable.
    pub worst_honest_excess: Option<Worst>,
    /// The longest that a recovery took from the slot that made it possible on.
    pub worst_after_possible: Option<Worst>,
    /// How many seeds ended before the protocol's rule allowed finality to move.
    pub blocked: u64,
    /// How many forged blocks were imported.
    pub forged_imported: usize,
    /// Slots that were played.
    pub slots: Slot,
    /// How long it took.
    pub seconds: f64,
}

/// The highest value that was seen, and the seed to replay to see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worst {
    /// The value.
    pub value: f64,
    /// The seed that came to it; of several the first.
    pub seed: u64,
}

impl Worst {
    fn of(worst: Option<Self>, value: f64, seed: u64) -> Option<Self> {
        let goes_before = |worst: &Self| {
            if worst.value == value {
                worst.seed < seed
            } else {
                worst.value > value
            }
        };
        Some(worst.filter(goes_before).unwrap_or(Self { value, seed }))
    }
}

/// Plays the plans of a range of seeds, as `draw` makes them, on this many threads, and tells of each that fails.
pub fn play_seeds(
    seeds: Range<u64>,
    threads: usize,
    draw: impl Fn(u64) -> Plan + Sync,
    tell: impl Fn(&Plan, &Outcome) + Sync,
) -> Summary {
    let watch = Stopwatch::start();
    let next = AtomicU64::new(seeds.start);
    let summary = Mutex::new(Summary::default());
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let plan = draw(seed);
                    let outcome = play(&plan, |_| {});
                    let mut summary = summary.lock();
                    summary.add(&plan, &outcome);
                    if !outcome.is_good() {
                        tell(&plan, &outcome);
                    }
                }
            });
        }
    });
    let mut summary = summary.into_inner();
    summary.seconds = watch.seconds();
    summary
}

impl Summary {
    fn add(&mut self, plan: &Plan, outcome: &Outcome) {
        self.seeds += 1;
        self.slots += outcome.slots;
        self.failed += u64::from(!outcome.is_good());
        let fails = |is: fn(&Failure) -> bool| u64::from(outcome.failures.iter().any(is));
        self.stalled += fails(|failure| matches!(failure, Failure::Stalled { .. }));
        self.diverged += fails(|failure| matches!(failure, Failure::Diverged));
        self.forks += fails(|failure| matches!(failure, Failure::Violation(Violation::Fork, _)));
        self.forged_imported += outcome.forged_imported;
        self.blocked += u64::from(outcome.blocked);
        if let Some(recovery) = outcome.recovery {
            let seed = plan.seed;
            self.worst_recovery = Worst::of(self.worst_recovery, recovery.slots as f64, seed);
            let possible_after = recovery.possible_after.unwrap_or(recovery.slots);
            let since = recovery.slots.saturating_sub(possible_after);
            self.worst_after_possible = Worst::of(self.worst_after_possible, since as f64, seed);
            let excess = recovery.excess();
            self.worst_excess = Worst::of(self.worst_excess, excess, seed);
            if plan.adversaries.is_empty() && plan.unreliable_validators() == 0 {
                self.worst_honest_excess = Worst::of(self.worst_honest_excess, excess, seed);
            }
        }
    }

    /// The summary as one JSON object.
    pub fn json(&self) -> String {
        let value = |worst: Option<Worst>| worst.map_or(0.0, |worst| worst.value);
        format!(
            "{{\"seeds\": {}, \"stalled\": {}, \"forks\": {}, \"diverged\": {}, \
             \"worst_recovery_slots\": {:.0}, \"worst_recovery_excess\": {:.2}, \
             \"worst_recovery_after_possible\": {:.0}, \"blocked\": {}, \"forged_imported\": {}, \"seconds\": {:.1}}}",
            self.seeds,
            self.stalled,
            self.forks,
            self.diverged,
            value(self.worst_recovery),
            value(self.worst_excess),
            value(self.worst_after_possible),
            self.blocked,
            self.forged_imported,
            self.seconds
        )
    }
}

impl fmt::Display for Worst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)?;
        write!(f, " (seed {})", self.seed)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seeds,
            slots,
            seconds,
            ..
        } = self;
        writeln!(
            f,
            "{seeds} seeds, {slots} slots, {seconds:.1} s: {:.1} ms per slot",
            1000.0 * seconds / (*slots).max(1) as f64
        )?;
        writeln!(
            f,
            "failed: {} ({} stalled, {} forks, {} diverged)",
            self.failed, self.stalled, self.forks, self.diverged
        )?;
        let recoveries = [
            ("worst recovery, slots", self.worst_recovery),
            ("over 2·√d", self.worst_excess),
            ("over 2·√d without adversaries", self.worst_honest_excess),
            ("slots after it was possible", self.worst_after_possible),
        ];
        for (name, worst) in recoveries {
            if let Some(worst) = worst {
                writeln!(f, "{name}: {worst:.2}")?;
            }
        }
        write!(f, "forged blocks imported: {}", self.forged_imported)
    }
}
