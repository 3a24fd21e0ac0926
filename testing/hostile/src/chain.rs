//! The chain as a stranger knows it: from gossip, from blocks that it asks for, and from genesis.
//!
//! It verifies no signatures and judges nothing. It replays blocks, so that the states are there on which
//! others can be forged, and remembers what was signed by whom, so that it can be sent again.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use quartet_state_transition::state_transition;
use quartet_types::{
    Attestation, Block, Root, SignedAttestation, SignedBlockWithAttestation, Slot, State,
    ValidatorIndex, is_proposer,
};
use tree_hash::TreeHash as _;

/// Slots of which states and votes are kept. Any attack needs fewer.
const KEPT_SLOTS: Slot = 128;

/// Most blocks that wait for their parents.
const MAX_WAITING: usize = 4096;

/// A block with its signatures, shared.
pub(crate) type Envelope = Arc<SignedBlockWithAttestation>;

/// A block and the state after it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) root: Root,
    pub(crate) slot: Slot,
    pub(crate) state: Arc<State>,
    parent: Root,
}

/// What the attacker knows of the chain.
#[derive(Debug)]
pub(crate) struct Chain {
    blocks: HashMap<Root, Known>,
    /// Blocks whose parents are not known, by root.
    waiting: HashMap<Root, Envelope>,
    /// The first that each validator has signed in each slot, whether gossiped or in a block's envelope.
    votes: BTreeMap<(Slot, ValidatorIndex), SignedAttestation>,
    /// The newest honest block.
    newest: Option<Envelope>,
    forged: HashSet<Root>,
}

impl Chain {
    /// The chain that starts with this genesis state.
    pub(crate) fn new(genesis: State) -> Self {
        let root = Block::genesis(&genesis).tree_hash_root();
        let known = Known {
            root,
            slot: 0,
            state: Arc::new(genesis),
            parent: Root::ZERO,
        };
        Self {
            blocks: HashMap::from([(root, known)]),
            waiting: HashMap::new(),
            votes: BTreeMap::new(),
            newest: None,
            forged: HashSet::new(),
        }
    }

    /// Takes note of a vote that was heard.
    pub(crate) fn hear_vote(&mut self, vote: SignedAttestation) {
        let Attestation { validator_id, data } = vote.message;
        self.votes.entry((data.slot, validator_id)).or_insert(vote);
    }

    /// Takes note of a block that was heard, which has this root. Returns the root of the oldest ancestor that
    /// is missing, if any.
    pub(crate) fn hear_block(&mut self, root: Root, envelope: Envelope) -> Option<Root> {
        let block = envelope.block();
        if self.forged.contains(&root) || self.blocks.contains_key(&root) {
            return None;
        }
        self.hear_proposer(&envelope);
        if (self.newest.as_ref()).is_none_or(|newest| newest.block().slot < block.slot) {
            self.newest = Some(envelope.clone());
        }
        if self.waiting.len() < MAX_WAITING {
            self.waiting.insert(root, envelope.clone());
        }
        let mut missing = block.parent_root;
        while let Some(waiting) = self.waiting.get(&missing) {
            missing = waiting.block().parent_root;
        }
        if !self.blocks.contains_key(&missing) {
            return Some(missing);
        }
        self.join_waiting(missing);
        None
    }

    /// Adds a block that we have forged: it does not count as an honest one, but others may build on it.
    pub(crate) fn add_forged(&mut self, block: &Block, root: Root, state: Option<State>) {
        self.forged.insert(root);
        if let Some(state) = state {
            self.insert(block, root, state);
        }
    }

    /// The newest honest block.
    pub(crate) fn newest(&self) -> Option<Envelope> {
        self.newest.clone()
    }

    /// The block that most of the newest votes name as head; without votes, the newest block.
    pub(crate) fn head(&self) -> Option<Known> {
        let slot = self.votes.last_key_value().map(|((slot, _), _)| *slot);
        let mut tally: BTreeMap<Root, usize> = BTreeMap::new();
        for vote in slot.into_iter().flat_map(|slot| self.votes_of(slot)) {
            let head = vote.message.data.head.root;
            if self.blocks.contains_key(&head) {
                *tally.entry(head).or_default() += 1;
            }
        }
        let named = tally
            .into_iter()
            .max_by_key(|(root, count)| (*count, *root));
        let newest = || {
            self.blocks
                .values()
                .max_by_key(|known| (known.slot, known.root))
        };
        match named {
            Some((root, _)) => self.blocks.get(&root).cloned(),
            None => newest().cloned(),
        }
    }

    /// The head, or its newest ancestor from before `slot`: what a block of that slot can build on.
    pub(crate) fn base_for(&self, slot: Slot) -> Option<Known> {
        let mut known = self.head()?;
        while known.slot >= slot {
            known = self.known(&known.parent)?;
        }
        Some(known)
    }

    /// The block with this root, if it is known.
    pub(crate) fn known(&self, root: &Root) -> Option<Known> {
        self.blocks.get(root).cloned()
    }

    /// The roots of all blocks that are known and that others have, the newest first.
    pub(crate) fn roots(&self) -> Vec<Root> {
        let honest = self.blocks.values();
        let honest = honest.filter(|known| known.slot > 0 && !self.forged.contains(&known.root));
        let mut roots: Vec<_> = honest.map(|known| (known.slot, known.root)).collect();
        roots.sort_unstable_by(|one, other| other.cmp(one));
        roots.into_iter().map(|(_, root)| root).collect()
    }

    /// What was signed in `slot`, by whomever.
    pub(crate) fn votes_of(&self, slot: Slot) -> impl Iterator<Item = &SignedAttestation> {
        let range = (slot, 0)..=(slot, ValidatorIndex::MAX);
        self.votes.range(range).map(|(_, vote)| vote)
    }

    /// What this validator has signed in `slot`.
    pub(crate) fn vote(&self, slot: Slot, validator: ValidatorIndex) -> Option<&SignedAttestation> {
        self.votes.get(&(slot, validator))
    }

    /// How many of the `validators` were not heard of in `slot`.
    pub(crate) fn silent(&self, slot: Slot, validators: u64) -> u64 {
        let heard = self.votes_of(slot).count() as u64;
        validators.saturating_sub(heard)
    }

    /// A proposer's attestation is its vote of the slot, wherever it travels.
    fn hear_proposer(&mut self, envelope: &Envelope) {
        let message = envelope.message.proposer_attestation;
        let slot = envelope.block().slot;
        let own = message.validator_id == envelope.block().proposer_index;
        if let (true, Some(signature)) =
            (own && message.data.slot == slot, envelope.signature.last())
        {
            let signature = signature.clone();
            self.hear_vote(SignedAttestation { message, signature });
        }
    }

    /// Replays what waited for `parent`, and what waited for that.
    fn join_waiting(&mut self, parent: Root) {
        let mut parents = vec![parent];
        while let Some(parent) = parents.pop() {
            let children: Vec<_> = (self.waiting.iter())
                .filter(|(_, envelope)| envelope.block().parent_root == parent)
                .map(|(root, _)| *root)
                .collect();
            let Some(pre) = self.known(&parent) else {
                continue;
            };
            for root in children {
                let Some(envelope) = self.waiting.remove(&root) else {
                    continue;
                };
                // An invalid block is dropped, and so are its descendants.
                if let Ok(state) = state_transition(&pre.state, envelope.block()) {
                    self.insert(envelope.block(), root, state);
                    parents.push(root);
                }
            }
        }
    }

    fn insert(&mut self, block: &Block, root: Root, state: State) {
        let known = Known {
            root,
            slot: block.slot,
            state: Arc::new(state),
            parent: block.parent_root,
        };
        self.blocks.insert(root, known);
        if let Some(oldest) = block.slot.checked_sub(KEPT_SLOTS) {
            self.blocks.retain(|_, known| known.slot >= oldest);
            self.votes = self.votes.split_off(&(oldest, 0));
            self.waiting
                .retain(|_, waiting| waiting.block().slot >= oldest);
        }
    }
}

/// Whether an attestation names its validator as the proposer of its own slot.
pub(crate) fn is_by_proposer(attestation: &Attestation, validators: u64) -> bool {
    is_proposer(attestation.validator_id, attestation.data.slot, validators)
}

#[cfg(test)]
pub(crate) mod tests {
    use quartet_state_transition::{Selection, build_block};
    use quartet_types::{
        AttestationData, BlockSignatures, BlockWithAttestation, Checkpoint, PublicKey, Signature,
    };

    use super::*;

    pub(crate) fn genesis() -> State {
        State::genesis(0, &[PublicKey([1; 52]); 4]).unwrap()
    }

    /// A vote of `validator` in `slot` for this head; source and target are the genesis block.
    pub(crate) fn vote(validator: u64, slot: Slot, head: Checkpoint) -> SignedAttestation {
        let genesis = Block::genesis(&genesis()).checkpoint();
        SignedAttestation {
            message: Attestation {
                validator_id: validator,
                data: AttestationData {
                    slot,
                    head,
                    target: genesis,
                    source: genesis,
                },
            },
            signature: Signature::default(),
        }
    }

    /// Blocks of slots 1, 2, … on genesis, bound to their proposers.
    pub(crate) fn blocks(count: u64) -> Vec<Envelope> {
        let mut state = genesis();
        let mut envelopes = Vec::new();
        for slot in 1..=count {
            let (block, post) = build_block(&state, slot, &[], Selection::LatestSource).unwrap();
            state = post;
            let own = vote(block.proposer_index, slot, block.checkpoint());
            let message = BlockWithAttestation {
                block,
                proposer_attestation: own.message,
            };
            let signature = BlockSignatures::try_from(vec![own.signature]).unwrap();
            envelopes.push(Arc::new(SignedBlockWithAttestation { message, signature }));
        }
        envelopes
    }

    fn hear(chain: &mut Chain, envelope: &Envelope) -> Option<Root> {
        chain.hear_block(envelope.block().tree_hash_root(), envelope.clone())
    }

    #[test]
    fn blocks_that_come_before_their_parents_wait_for_the_oldest_one_missing() {
        let blocks = blocks(4);
        let root = |index: usize| blocks[index].block().tree_hash_root();
        let mut chain = Chain::new(genesis());
        assert_eq!(hear(&mut chain, &blocks[3]), Some(root(2)));
        assert_eq!(hear(&mut chain, &blocks[1]), Some(root(0)));
        assert_eq!(hear(&mut chain, &blocks[2]), Some(root(0)));
        assert!(chain.known(&root(3)).is_none());
        assert_eq!(hear(&mut chain, &blocks[0]), None);
        assert_eq!(chain.head().unwrap().root, root(3));
        assert_eq!(chain.base_for(3).unwrap().root, root(1));
        assert_eq!(chain.newest().unwrap().block().slot, 4);
    }

    #[test]
    fn the_head_is_what_most_of_the_newest_votes_name() {
        let blocks = blocks(2);
        let mut chain = Chain::new(genesis());
        for block in &blocks {
            hear(&mut chain, block);
        }
        let first = blocks[0].block().checkpoint();
        chain.hear_vote(vote(0, 3, first));
        chain.hear_vote(vote(1, 3, first));
        chain.hear_vote(vote(2, 3, blocks[1].block().checkpoint()));
        assert_eq!(chain.head().unwrap().root, first.root);
        assert_eq!(chain.silent(3, 4), 1);
    }

    #[test]
    fn a_proposer_is_heard_through_its_block_and_only_its_first_vote_counts() {
        let blocks = blocks(1);
        let mut chain = Chain::new(genesis());
        hear(&mut chain, &blocks[0]);
        let first = chain.vote(1, 1).unwrap().clone();
        assert_eq!(first.message, blocks[0].message.proposer_attestation);
        chain.hear_vote(vote(1, 1, Checkpoint::default()));
        assert_eq!(chain.vote(1, 1), Some(&first));
        assert!(is_by_proposer(&first.message, 4));
    }

    #[test]
    fn what_we_have_forged_ourselves_is_no_news() {
        let blocks = blocks(1);
        let mut chain = Chain::new(genesis());
        let root = blocks[0].block().tree_hash_root();
        chain.add_forged(blocks[0].block(), root, None);
        assert_eq!(hear(&mut chain, &blocks[0]), None);
        assert!(chain.newest().is_none());
        assert_eq!(chain.silent(1, 4), 4);
    }
}
