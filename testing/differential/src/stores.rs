//! Episodes of whole stores: blocks, votes and ticks in any order, and everything that can be seen compared after each.

mod compare;
mod events;
mod imports;
mod proposals;
mod votes;

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context as _, Result};
use quartet_oracle::{Chain, Deviations};
use quartet_state_transition::seal_block;
use quartet_types::{Attestation, Block, Root, State};
use tree_hash::TreeHash as _;

use crate::{
    count::Counts,
    draw::{self, Ground},
    pool::Pool,
    random::Random,
    subject::Subject,
    transitions::{genesis, note_size},
};

/// Votes that are remembered to be used again.
const CAST: usize = 400;

/// Both sides, and what has happened.
struct Episode<'a> {
    random: &'a mut Random,
    counts: &'a mut Counts,
    oracle: Chain,
    subject: Subject,
    /// Post-states on our side.
    states: BTreeMap<Root, Arc<State>>,
    /// All blocks that both have taken, to be sent again.
    blocks: Vec<(Block, Attestation)>,
    /// Votes that have been cast.
    cast: Vec<Attestation>,
    /// By what the node's chain notices equivocations.
    pool: Pool,
    prunes: bool,
    left: u64,
}

/// Plays an episode of at most `blocks` blocks and returns how many there were.
pub(crate) fn play(random: &mut Random, blocks: u64, counts: &mut Counts) -> Result<u64> {
    let validators = draw::validators(random);
    note_size(validators, counts);
    let deviations = deviations(random, counts);
    let (naive, ours, block) = genesis(validators, random.next() >> 32)?;
    let (mut anchor, mut state) = (block, ours);
    let mut oracle = Chain::new(&anchor, naive, deviations);
    let is_checkpoint = validators < 100 && random.chance(60);
    if is_checkpoint {
        counts.add("checkpoint start");
        (anchor, state) = checkpoint(random, anchor, state)?;
        oracle = Chain::new(&anchor, quartet_oracle::State::of(&state), deviations);
    }
    let prunes = random.chance(500);
    // Votes that name what came before the anchor are known to the node's chain, and not to the specification's.
    let subject = if is_checkpoint || random.chance(500) {
        counts.add("bare fork choice");
        Subject::bare(&anchor, &state, deviations)
    } else {
        counts.add("node's chain");
        Subject::node(&anchor, &state, deviations)?
    };
    let most = match validators {
        4096 => 4,
        _ => random.within(8, 90),
    };
    let most = most.min(blocks);
    let mut episode = Episode {
        random,
        counts,
        oracle,
        subject,
        states: BTreeMap::from([(anchor.tree_hash_root(), Arc::new(state))]),
        blocks: Vec::new(),
        cast: Vec::new(),
        pool: Pool::default(),
        prunes,
        left: most,
    };
    while episode.left > 0 {
        let event = episode.event()?;
        episode
            .compare()
            .with_context(|| format!("after {event}"))?;
    }
    Ok(most)
}

/// Which deviations are on.
fn deviations(random: &mut Random, counts: &mut Counts) -> Deviations {
    let all = Deviations {
        votes_build_on_the_head: true,
        targets_never_precede_sources: true,
        votes_only_get_newer: true,
        votes_follow_one_chain: true,
        justified_is_the_highest: true,
        equivocations_have_no_weight: true,
    };
    match random.weighted(&[40, 40, 20]) {
        0 => {
            counts.add("rules: the specification's");
            Deviations::default()
        }
        1 => {
            counts.add("rules: all deviations");
            all
        }
        _ => {
            counts.add("rules: some deviations");
            Deviations {
                votes_build_on_the_head: random.chance(500),
                targets_never_precede_sources: random.chance(500),
                votes_only_get_newer: random.chance(500),
                votes_follow_one_chain: random.chance(500),
                justified_is_the_highest: random.chance(500),
                equivocations_have_no_weight: random.chance(500),
            }
        }
    }
}

/// A block some way up a chain, and its state.
fn checkpoint(random: &mut Random, mut block: Block, mut state: State) -> Result<(Block, State)> {
    for _ in 0..random.within(1, 12) {
        let naive = quartet_oracle::State::of(&state);
        let slot = state.slot + 1 + draw::gap(random, 40);
        let ground = Ground::new(&naive, block.tree_hash_root(), slot);
        let votes = ground.group(random, false);
        let Some(next) = draw::block(&ground, votes) else {
            break;
        };
        if let Ok(sealed) = seal_block(&state, next) {
            (block, state) = sealed;
        }
    }
    Ok((block, state))
}
