//! Episodes of the state transition alone: trees of states, with votes that no store would take too.

use anyhow::{Result, bail, ensure};
use quartet_oracle::{State as Naive, TransitionError};
use quartet_state_transition::{apply_block, replay_block, state_transition};
use quartet_types::{Block, Checkpoint, PublicKey, Root, State};
use tree_hash::TreeHash as _;

use crate::{
    count::Counts,
    draw::{self, Ground, HISTORY_LIMIT},
    random::Random,
    refusal,
};

/// Slots after which only short gaps are left, so that no single state gets too long for a naive hash.
const LONG: u64 = 800;

struct Tip {
    root: Root,
    naive: Naive,
    ours: State,
}

/// Distinct keys for a registry.
pub(crate) fn keys(validators: usize) -> Vec<PublicKey> {
    let key = |index: usize| {
        let mut bytes = [7; 52];
        bytes[..8].copy_from_slice(&(index as u64).to_le_bytes());
        PublicKey(bytes)
    };
    (0..validators).map(key).collect()
}

/// Both genesis states, and the root of their block.
pub(crate) fn genesis(validators: usize, time: u64) -> Result<(Naive, State, Block)> {
    let keys = keys(validators);
    let naive = Naive::genesis(time, &keys);
    let ours = State::genesis(time, &keys)?;
    ensure!(
        naive.root() == ours.tree_hash_root(),
        "genesis states differ"
    );
    let block = Block::genesis(&ours);
    ensure!(
        quartet_oracle::merkle::block(&block) == block.tree_hash_root(),
        "genesis blocks differ"
    );
    Ok((naive, ours, block))
}

/// Plays an episode of at most `blocks` blocks and returns how many there were.
pub(crate) fn play(random: &mut Random, blocks: u64, counts: &mut Counts) -> Result<u64> {
    let fills = random.chance(1);
    let validators = if fills { 3 } else { draw::validators(random) };
    note_size(validators, counts);
    let (naive, ours, block) = genesis(validators, random.next() >> 32)?;
    let root = block.tree_hash_root();
    let mut tips = vec![Tip { root, naive, ours }];
    let most = match validators {
        4096 => 6,
        _ if fills => 5,
        _ => random.within(10, 70),
    };
    let most = most.min(blocks);
    for number in 0..most {
        let fill = (fills && number + 2 >= most).then(|| random.below(2));
        if let Some(tip) = step(random, &tips, fill, counts)? {
            tips.push(tip);
        }
    }
    Ok(most)
}

pub(crate) fn note_size(validators: usize, counts: &mut Counts) {
    counts.when("4,096 validators", validators == 4096);
    counts.when("one validator", validators == 1);
}

/// One block on one of the states; the new state, if both take the block. `fill` is how far beyond the last place in
/// the history the block's parents may go.
fn step(
    random: &mut Random,
    tips: &[Tip],
    fill: Option<u64>,
    counts: &mut Counts,
) -> Result<Option<Tip>> {
    let place = if random.chance(850) {
        tips.len() - 1
    } else {
        random.below(tips.len() as u64) as usize
    };
    counts.when("fork", place + 1 < tips.len());
    let tip = &tips[place];
    let before = &tip.naive;
    let room = LONG.saturating_sub(before.slot);
    let mut slot = before.slot + 1 + draw::gap(random, room);
    if let Some(beyond) = fill {
        slot = (HISTORY_LIMIT + beyond).max(before.slot + 1);
    }
    counts.when("a hundred slots skipped", slot > before.slot + 100);
    let ground = Ground::new(before, tip.root, slot);
    let mut votes = Vec::new();
    let groups = if fill.is_some() {
        0
    } else {
        random.weighted(&[10, 45, 30, 15])
    };
    for _ in 0..groups {
        votes.extend(ground.group(random, true));
    }
    if random.chance(90)
        && let Some(mut vote) = random.pick(&votes).copied()
    {
        ground.flaw(random, &mut vote);
        votes.insert(random.below(votes.len() as u64 + 1) as usize, vote);
    }
    if random.chance(30)
        && let Some(vote) = random.pick(&votes).copied()
    {
        votes.push(vote);
    }
    let Some(mut block) = draw::block(&ground, votes) else {
        return Ok(None);
    };
    if random.chance(70) && fill.is_none() {
        spoil(random, before, &mut block);
    }
    compare(random, tip, block, counts)
}

fn spoil(random: &mut Random, before: &Naive, block: &mut Block) {
    match random.below(4) {
        0 => block.proposer_index = random.within(0, before.validators as u64 + 1),
        1 => block.parent_root = Root::repeat_byte(random.below(255) as u8),
        2 => block.slot = before.slot - random.below(2).min(before.slot),
        _ => {
            // Another block's proposer, which is right for a single validator.
            block.slot += 1;
        }
    }
}

fn compare(
    random: &mut Random,
    tip: &Tip,
    mut block: Block,
    counts: &mut Counts,
) -> Result<Option<Tip>> {
    let expected = tip.naive.apply(&block);
    let mut right = Root::ZERO;
    if let Ok(post) = &expected {
        right = post.root();
        block.state_root = right;
    }
    let has_wrong_root = random.chance(20);
    if has_wrong_root {
        block.state_root.0[random.below(32) as usize] ^= 1 << random.below(8);
    }
    let expected = match expected {
        Ok(_) if has_wrong_root => Err(TransitionError::StateRoot),
        other => other,
    };
    let found = state_transition(&tip.ours, &block);
    match (expected, found) {
        (Ok(naive), Ok(ours)) => {
            counts.add("block accepted");
            note_progress(&tip.naive, &naive, &block, counts);
            ensure!(
                naive.latest_justified == ours.latest_justified
                    && naive.latest_finalized == ours.latest_finalized,
                "checkpoints differ: {naive:?} and {ours:?}"
            );
            ensure!(
                naive.highest_justified() == ours.highest_justified(),
                "highest justified checkpoints differ"
            );
            let root = block.tree_hash_root();
            ensure!(
                root == quartet_oracle::merkle::block(&block),
                "block roots differ"
            );
            if random.chance(60) {
                ensure!(naive == Naive::of(&ours), "states differ");
                let parent_state_root = tip.naive.root();
                let replayed = replay_block(&tip.ours, parent_state_root, &block)?;
                ensure!(replayed.tree_hash_root() == right, "replayed states differ");
            }
            Ok(Some(Tip { root, naive, ours }))
        }
        (Err(expected), Err(found)) => {
            counts.add(refusal::transition_name(&expected));
            ensure!(
                refusal::transition(&found) == Some(expected),
                "the specification says {expected:?}, we say {found:?}"
            );
            if expected != TransitionError::StateRoot {
                ensure!(
                    apply_block(&tip.ours, &block).is_err(),
                    "taken without its root"
                );
            }
            Ok(None)
        }
        (Ok(_), Err(found)) => bail!("we refuse a valid block: {found}"),
        (Err(expected), Ok(_)) => bail!("we accept an invalid block: {expected}"),
    }
}

/// What a valid block has done.
pub(crate) fn note_progress(before: &Naive, after: &Naive, block: &Block, counts: &mut Counts) {
    counts.when(
        "history filled to its limit",
        after.historical_block_hashes.len() as u64 == HISTORY_LIMIT,
    );
    counts.when("several targets with votes", after.justifications.len() > 1);
    let votes = |state: &Naive, root: &Root| {
        let votes = state.justifications.get(root);
        votes.map_or(0, |votes| votes.iter().filter(|vote| **vote).count())
    };
    for root in after.justifications.keys() {
        let votes = votes(after, root) + 1;
        counts.when(
            "one vote short of two thirds",
            3 * votes >= 2 * after.validators,
        );
    }
    for vote in &block.body.attestations {
        let (source, target) = (vote.data.source.slot, vote.data.target.slot);
        let justified = |slot: u64| after.justified_slots.get(slot as usize) == Some(&true);
        let finalized = before.latest_finalized.slot;
        counts.when(
            "vote from a source that is not justified",
            !justified(source),
        );
        counts.when(
            "vote for a target that is not justifiable",
            target < block.slot
                && quartet_oracle::is_justifiable_after(target, finalized) == Some(false),
        );
    }
    let now = |slot: &usize| {
        after.justified_slots[*slot] && before.justified_slots.get(*slot) != Some(&true)
    };
    let first = if before.justified_slots.is_empty() {
        1
    } else {
        0
    };
    for slot in (first..after.justified_slots.len()).filter(now) {
        counts.add("justified");
        let root = after.historical_block_hashes[slot];
        counts.when("justified an empty slot", root.is_zero());
        let target = Checkpoint {
            root,
            slot: slot as u64,
        };
        let mut voters: Vec<u64> = block
            .body
            .attestations
            .iter()
            .filter(|vote| vote.data.target == target)
            .map(|vote| vote.validator_id)
            .collect();
        voters.sort_unstable();
        voters.dedup();
        let had = before
            .justifications
            .get(&root)
            .map_or(Vec::new(), Clone::clone);
        let new = voters
            .iter()
            .filter(|voter| had.get(**voter as usize) != Some(&true));
        let all = votes(before, &root) + new.count();
        counts.when(
            "justified by exactly two thirds",
            3 * all < 2 * after.validators + 3,
        );
    }
    let moved = after.latest_justified.slot != before.latest_justified.slot;
    counts.when(
        "justified again further back",
        after.latest_justified.slot < before.latest_justified.slot,
    );
    let is_short = block.body.attestations.len() <= 200 && after.slot < 2 * LONG;
    if is_short && (first..after.justified_slots.len()).filter(now).count() > 1 {
        let finalized = |count: usize| {
            let mut part = block.clone();
            let votes = block.body.attestations[..count].to_vec();
            part.body.attestations = votes.try_into().unwrap_or_default();
            before
                .apply(&part)
                .map_or(0, |state| state.latest_finalized.slot)
        };
        let highest = (0..block.body.attestations.len()).map(finalized).max();
        counts.when(
            "finalized further back within a block",
            highest > Some(after.latest_finalized.slot),
        );
    }
    if after.latest_finalized.slot > before.latest_finalized.slot {
        counts.add("finalized");
        counts.when(
            "finalized across a gap",
            after.latest_justified.slot > after.latest_finalized.slot + 1,
        );
    } else {
        counts.when("justified without finalizing", moved);
    }
}
