//! Why a block was head at the end of a slot, which votes weighed, what waited for what, and why nothing was justified.

use std::collections::BTreeMap;

use quartet_chain::{ReplayedService, Standing, Waiting};
use quartet_types::{
    Attestation, Checkpoint, Root, Slot, State, ValidatorIndex, is_justifiable_after,
};

use crate::journey::Step;

/// Why the chain is as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The slot at whose end it was looked at.
    pub slot: Slot,
    /// What led there.
    pub steps: Vec<Step>,
    /// Where the service stood.
    pub standing: Standing,
    /// The forks on the way from the justified block to the head.
    pub forks: Vec<Fork>,
    /// The votes that weighed, by the head that they name.
    pub votes: Vec<VotesFor>,
    /// The votes that were not counted yet.
    pub new_votes: Vec<VotesFor>,
    /// What waited.
    pub waiting: Waiting,
    /// The block that was asked for: whether it was in the tree, on the head's chain, or known to be invalid.
    pub block: Option<(Root, &'static str)>,
    /// How far the targets were that the head's chain has votes for.
    pub tallies: Vec<Tally>,
    /// Validators in the registry.
    pub validators: u64,
}

/// A block with several children: the one with the most votes is on the way to the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The block.
    pub at: Checkpoint,
    /// Its children and the votes for them and what builds on them.
    pub children: Vec<(Checkpoint, u64)>,
    /// Which of them is on the way to the head.
    pub taken: Root,
}

/// Votes that name one head and one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VotesFor {
    /// The head.
    pub head: Checkpoint,
    /// The target.
    pub target: Checkpoint,
    /// The source.
    pub source: Checkpoint,
    /// Who votes so.
    pub validators: Vec<ValidatorIndex>,
}

/// The votes for a target that the head's chain has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The target; its slot is 0 where the tree does not know it.
    pub target: Checkpoint,
    /// How many validators have voted for it.
    pub votes: u64,
    /// Why it is not justified.
    pub reason: String,
}

pub(crate) fn explain(
    service: &ReplayedService,
    slot: Slot,
    root: Option<Root>,
    steps: Vec<Step>,
) -> Explanation {
    let standing = service.standing();
    let chain = service.chain();
    let fork_choice = chain.fork_choice();
    let block = root.map(|root| (root, state_of(service, &chain, &root)));
    let (votes, new_votes) = (
        grouped(fork_choice.known_attestations()),
        grouped(fork_choice.new_attestations()),
    );
    let forks = forks(&chain, &standing);
    let validators = chain.validator_count();
    let slots: BTreeMap<Root, Slot> = fork_choice
        .blocks()
        .map(|weighed| (weighed.block.root, weighed.block.slot))
        .collect();
    // It is read again below.
    drop(chain);
    let state = service.state(standing.view.head.root);
    let tallies = state.map_or_else(Vec::new, |state| tallies(&state, validators, &slots));
    Explanation {
        slot,
        steps,
        forks,
        votes,
        new_votes,
        waiting: service.waiting(),
        block,
        tallies,
        validators,
        standing,
    }
}

fn state_of(
    service: &ReplayedService,
    chain: &quartet_chain::LeanChain,
    root: &Root,
) -> &'static str {
    let head = chain.head().root;
    if chain.fork_choice().is_ancestor(root, &head) {
        "on the head's chain"
    } else if chain.contains(root) {
        "on another branch"
    } else if service.is_condemned(root) {
        "known to be invalid"
    } else if service
        .waiting()
        .blocks
        .iter()
        .any(|(block, _)| block.root == *root)
    {
        "waiting for another block"
    } else if chain.fork_choice().is_known(root) {
        "behind finality"
    } else {
        "not here"
    }
}

fn forks(chain: &quartet_chain::LeanChain, standing: &Standing) -> Vec<Fork> {
    let fork_choice = chain.fork_choice();
    let block = |root: &Root| fork_choice.block(root);
    let head = standing.view.head.root;
    let start = block(&standing.view.justified.root).unwrap_or_else(|| fork_choice.oldest_block());
    let parent = |root: &Root| fork_choice.parent_of(root);
    let up = std::iter::successors(Some(head), parent);
    let mut way: Vec<Root> = up.take_while(|root| *root != start.parent_root).collect();
    way.reverse();
    let mut forks = Vec::new();
    for pair in way.windows(2) {
        let children: Vec<_> = fork_choice.children_of(&pair[0]).collect();
        let Some(at) = block(&pair[0]).filter(|_| children.len() > 1) else {
            continue;
        };
        let weight = |root| fork_choice.weight_of(root).unwrap_or_default();
        let weighed = children
            .iter()
            .map(|child| (child.checkpoint(), weight(&child.root)));
        forks.push(Fork {
            at: at.checkpoint(),
            children: weighed.collect(),
            taken: pair[1],
        });
    }
    forks
}

fn grouped(votes: impl Iterator<Item = Attestation>) -> Vec<VotesFor> {
    let mut groups: BTreeMap<(Slot, Root, Slot, Root, Slot, Root), VotesFor> = BTreeMap::new();
    for Attestation { validator_id, data } in votes {
        let (head, target, source) = (data.head, data.target, data.source);
        let key = (
            head.slot,
            head.root,
            target.slot,
            target.root,
            source.slot,
            source.root,
        );
        let group = groups.entry(key).or_insert_with(|| VotesFor {
            head,
            target,
            source,
            validators: Vec::new(),
        });
        group.validators.push(validator_id);
    }
    let mut groups: Vec<VotesFor> = groups.into_values().collect();
    for group in &mut groups {
        group.validators.sort_unstable();
    }
    groups
}

fn tallies(state: &State, validators: u64, slots: &BTreeMap<Root, Slot>) -> Vec<Tally> {
    let (needed, finalized) = ((2 * validators).div_ceil(3), state.latest_finalized.slot);
    let count = |index: usize| -> u64 {
        let bits = (0..validators as usize).map(|bit| index * validators as usize + bit);
        let set = bits.filter(|bit| state.justifications_validators.get(*bit) == Some(true));
        set.count() as u64
    };
    let roots = state.justifications_roots.iter().enumerate();
    let tallies = roots.map(|(index, root)| {
        let (slot, votes) = (slots.get(root).copied(), count(index));
        let may_be = slot.is_none_or(|slot| {
            slot > finalized && is_justifiable_after(slot, finalized).unwrap_or(false)
        });
        let reason = if !may_be {
            format!("no slot that may be justified while slot {finalized} is final")
        } else if votes < needed {
            format!("{votes} of the {needed} votes that it needs")
        } else {
            "it has the votes".to_owned()
        };
        Tally {
            target: Checkpoint {
                root: *root,
                slot: slot.unwrap_or_default(),
            },
            votes,
            reason,
        }
    });
    tallies.collect()
}
