//! The node's state transition and fork choice against the specification's naive transcription, on random chains.
//!
//! A run is a sequence of episodes, each of which is played from the seed and its number alone. In one half the state
//! transition is compared on trees of states, in the other whole stores: blocks, votes, ticks, equivocations, prunings
//! and proposals in any order, by the specification's rules, by ours, and by mixtures. Of each block it is compared
//! whether it is valid, which rule it breaks first if it is not, and the root of its post-state; of stores, after each
//! event, all that can be seen of them. State roots on the oracle's side are by its own hashing.
//!
//! [`Counts`] say what a run has covered; what is missing there has not been tested.
//!
//! Not here: signatures, names that are vouched for, votes that name what came before the anchor, and what a store does
//! with blocks that wait. Blocks on branches that the node has dropped are refused there, and the specification would
//! go on with them; they are not shown to the oracle.

mod count;
mod draw;
mod pool;
mod random;
mod refusal;
mod stores;
mod subject;
mod transitions;

use anyhow::{Context as _, Result};

pub use count::Counts;

use random::Random;

/// How much to play.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// What everything depends on.
    pub seed: u64,
    /// Blocks in total.
    pub blocks: u64,
    /// The one episode to play, for a look at what failed there.
    pub only: Option<u64>,
}

/// What was played.
#[derive(Debug)]
pub struct Report {
    /// Blocks, valid or not.
    pub blocks: u64,
    /// Episodes.
    pub episodes: u64,
    /// What happened in them.
    pub counts: Counts,
}

/// Plays until there were so many blocks.
///
/// # Errors
/// At the first difference, with the number of its episode.
pub fn run(run: Run) -> Result<Report> {
    let mut report = Report {
        blocks: 0,
        episodes: 0,
        counts: Counts::default(),
    };
    let mut episode = run.only.unwrap_or_default();
    while report.blocks < run.blocks {
        let left = match run.only {
            Some(_) => u64::MAX,
            None => run.blocks - report.blocks,
        };
        let mut random = Random::of(run.seed, episode);
        let counts = &mut report.counts;
        let played = if random.chance(450) {
            transitions::play(&mut random, left, counts)
        } else {
            stores::play(&mut random, left, counts)
        };
        let (seed, number) = (run.seed, episode);
        report.blocks += played.with_context(|| format!("seed {seed}, episode {number}"))?;
        report.episodes += 1;
        episode += 1;
        if run.only.is_some() {
            break;
        }
    }
    Ok(report)
}
