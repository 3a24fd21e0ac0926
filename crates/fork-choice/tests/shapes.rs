//! Large trees of every shape, against the tree that is walked block by block.
#![allow(clippy::unwrap_used)]

mod common;

use common::{
    FAR, import,
    shapes::{SHAPES, Shape, mix},
    store_of, unjustified, vote,
    walking::WalkingTree,
};
use quartet_fork_choice::{AttestationOrigin, BlockInfo, Checkpoints, ForkChoice, Rules};
use quartet_types::{Attestation, Checkpoint};

/// What is played out, number by number.
struct Play {
    shape: Shape,
    seed: u64,
    /// Blocks that have been imported, pruned ones too.
    blocks: Vec<BlockInfo>,
    store: ForkChoice,
    walking: WalkingTree,
    /// Of the last vote; after that of any block.
    slot: u64,
}

impl Play {
    fn new(shape: Shape, validators: u64, seed: u64) -> Self {
        let blocks = shape.blocks(1);
        let anchor = blocks[0].checkpoint();
        let mut store = ForkChoice::new(blocks[0], unjustified(anchor), validators, Rules::QUARTET);
        store.advance_to(FAR);
        let walking = WalkingTree::new(blocks.iter().copied());
        Self {
            shape,
            seed,
            blocks,
            store,
            walking,
            slot: 1 << 20,
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed = mix(self.seed);
        self.seed % below
    }

    /// Imports the next block of the shape, if what it builds on is still there, and with a chance of one in `chance`
    /// lets it justify one ancestor and finalize another. The checkpoints of its post-state, if it is imported.
    fn grow(&mut self, chance: u64) -> Option<Checkpoints> {
        let number = self.blocks.len() as u64;
        let block = self.shape.block(number);
        self.blocks.push(block);
        if !self.store.contains(&block.parent_root) {
            return None;
        }
        let parent = self.store.block(&block.parent_root).unwrap();
        let mut checkpoints = Checkpoints {
            justified: self.store.latest_justified(),
            finalized: self.store.latest_finalized(),
        };
        if self.random(chance) == 0 {
            let chain: Vec<_> = self.chain(parent.checkpoint()).collect();
            let justified = self.random(chain.len() as u64) as usize;
            let finalized = justified + self.random((chain.len() - justified) as u64) as usize;
            checkpoints.justified = chain[justified];
            checkpoints.finalized = chain[finalized];
        }
        import(&mut self.store, block, checkpoints);
        self.walking.insert(block);
        Some(checkpoints)
    }

    fn chain(&self, tip: Checkpoint) -> impl Iterator<Item = Checkpoint> {
        let tip = self.walking.find(&tip.root).unwrap();
        let chain = self.walking.chain(tip);
        chain.map(|index| self.walking.block(index).checkpoint())
    }

    /// A vote for any block of the tree, or one of the newest.
    fn vote(&mut self, origin: AttestationOrigin) {
        let validators = self.store.validators();
        let validator = self.random(validators);
        let count = self.walking.len() as u64;
        let back = match self.random(3) {
            0 => self.random(count),
            _ => self.random(count.min(6)),
        };
        let head = self.walking.block((count - 1 - back) as usize).checkpoint();
        let oldest = self.store.oldest_block().checkpoint();
        self.slot += 1;
        let vote = vote(validator, self.slot, head, oldest);
        self.store.on_attestation(&vote, origin).unwrap();
    }

    fn prune(&mut self) -> usize {
        let pruned = self.store.prune().len();
        if pruned > 0 {
            self.walking = WalkingTree::new(self.store.blocks().map(|node| node.block));
        }
        pruned
    }

    fn compare(&mut self) {
        self.store.update_head();
        self.store.update_safe_target();
        let walking = &mut self.walking;
        let positions = |votes: &mut dyn Iterator<Item = Attestation>| -> Vec<usize> {
            votes
                .filter_map(|vote| walking.find(&vote.data.head.root))
                .collect()
        };
        let known = positions(&mut self.store.known_attestations());
        let new = positions(&mut self.store.new_attestations());
        walking.recount(known.into_iter());

        let start = walking.find(&self.store.latest_justified().root).unwrap();
        let head = walking.heaviest_leaf(start);
        assert_eq!(self.store.head(), walking.block(head).checkpoint());
        let threshold = (2 * self.store.validators()).div_ceil(3);
        let safe = walking
            .newest_supported(start, new.into_iter(), threshold)
            .filter(|index| walking.chain(*index).any(|index| index == start))
            .unwrap_or(start);
        assert_eq!(self.store.safe_target(), walking.block(safe).checkpoint());
        for (index, node) in self.store.blocks().enumerate() {
            assert_eq!(node.block, *walking.block(index));
            assert_eq!(node.weight, walking.weight(index));
            assert_eq!(self.store.weight_of(&node.block.root), Some(node.weight));
        }
    }
}

#[test]
fn head_safe_target_and_weights_are_what_a_walk_finds() {
    for (seed, shape) in (0..).zip(SHAPES) {
        for validators in [3, 40] {
            let mut play = Play::new(shape, validators, seed);
            for step in 0..600 {
                play.grow(u64::MAX);
                for _ in 0..step % 5 {
                    play.vote(AttestationOrigin::Block);
                    play.vote(AttestationOrigin::Gossip);
                }
                if step % 7 == 0 {
                    play.compare();
                }
                if step % 61 == 0 {
                    play.store.accept_new_attestations();
                    play.compare();
                }
            }
        }
    }
}

#[test]
fn head_safe_target_and_weights_stay_right_when_the_tree_is_pruned() {
    let mut pruned = 0;
    for (seed, shape) in (100..).zip(SHAPES) {
        let mut play = Play::new(shape, 10, seed);
        for step in 0..800 {
            play.grow(40);
            play.vote(AttestationOrigin::Block);
            play.vote(AttestationOrigin::Gossip);
            if step % 30 == 0 {
                pruned += play.prune();
                play.compare();
            }
        }
    }
    assert!(pruned > 1_000, "{pruned}");
}

#[test]
fn any_number_of_votes_may_move_at_once() {
    const VALIDATORS: u64 = 512;
    for shape in SHAPES {
        let mut play = Play::new(shape, VALIDATORS, 7);
        (0..3_000).for_each(|_| _ = play.grow(u64::MAX));
        for _ in 0..6 {
            (0..2 * VALIDATORS).for_each(|_| play.vote(AttestationOrigin::Gossip));
            play.store.update_safe_target();
            play.store.accept_new_attestations();
            play.compare();
        }
    }
}

#[test]
fn two_thirds_are_found_wherever_they_agree() {
    // Votes at random never agree in a large tree; these do on one chain, at different heights.
    for shape in SHAPES {
        let mut play = Play::new(shape, 30, 3);
        (0..500).for_each(|_| _ = play.grow(u64::MAX));
        let mut agreed = 0;
        for tip in (20..500).step_by(7) {
            let chain: Vec<_> = play.chain(play.blocks[tip].checkpoint()).collect();
            play.slot += 1;
            for validator in 0..30 {
                let back = play.random(chain.len().min(20) as u64) as usize;
                let oldest = play.store.oldest_block().checkpoint();
                let vote = vote(validator, play.slot, chain[back], oldest);
                play.store
                    .on_attestation(&vote, AttestationOrigin::Gossip)
                    .unwrap();
            }
            play.compare();
            agreed += usize::from(play.store.safe_target().slot > 0);
        }
        let reaches = !matches!(shape, Shape::Star | Shape::Binary | Shape::Random);
        assert!(!reaches || agreed > 50, "{shape:?}: {agreed}");
    }
}

#[test]
fn a_reorganization_is_as_deep_as_a_walk_finds() {
    for shape in SHAPES {
        let blocks = shape.blocks(900);
        let store = store_of(&blocks, 1);
        let walking = WalkingTree::new(blocks.iter().copied());
        for number in 0..2_000 {
            let pick = |salt: u64| (mix(2 * number + salt) % 900) as usize;
            let (old, new) = (pick(0), pick(1));
            let kept: Vec<_> = walking.chain(new).collect();
            let left = walking.chain(old).filter(|index| !kept.contains(index));
            let depth = store.reorg_depth(&blocks[old].root, &blocks[new].root);
            assert_eq!(depth, left.count() as u64);
            let unknown = quartet_types::Root::repeat_byte(0xee);
            let chain = walking.chain(old).count() as u64;
            assert_eq!(store.reorg_depth(&blocks[old].root, &unknown), chain);
            assert_eq!(store.reorg_depth(&unknown, &blocks[new].root), 0);
        }
    }
}

#[test]
fn ancestors_children_and_checkpoints_are_what_a_walk_finds() {
    for (seed, shape) in (200..).zip(SHAPES) {
        let mut play = Play::new(shape, 4, seed);
        let mut given = vec![play.store.checkpoints_of(&play.blocks[0].root)];
        for step in 0..400 {
            given.push(play.grow(25));
            if step % 90 == 89 {
                play.prune();
            }
        }
        let (store, walking) = (&play.store, &play.walking);
        assert_eq!(store.block_count(), walking.len());
        for (block, checkpoints) in play.blocks.iter().zip(given) {
            let Some(index) = walking.find(&block.root) else {
                assert_eq!(store.checkpoints_of(&block.root), None);
                assert_eq!(store.ancestor_at(&block.root, FAR), None);
                continue;
            };
            assert_eq!(store.checkpoints_of(&block.root), checkpoints);
            let children = walking.children(index).iter();
            let children = children.map(|child| walking.block(*child));
            assert!(store.children_of(&block.root).eq(children));
            for slot in [0, 1, 7, 60, block.slot.saturating_sub(1), block.slot, FAR] {
                let mut chain = walking.chain(index).map(|index| walking.block(index));
                let ancestor = chain.find(|ancestor| ancestor.slot <= slot);
                assert_eq!(store.ancestor_at(&block.root, slot), ancestor.copied());
            }
        }
    }
}
