use quartet_types::{Checkpoint, Root};

use super::*;
use crate::{BlockInfo, Checkpoints};

/// A tree that grows block by block; the numbers stand for blocks in order of arrival.
struct Tree {
    nodes: Nodes,
    paths: Paths,
}

impl Tree {
    fn new() -> Self {
        let mut tree = Self {
            nodes: Nodes::default(),
            paths: Paths::default(),
        };
        tree.append(None);
        tree.paths = Paths::of(&tree.nodes, [0].into_iter());
        tree
    }

    fn append(&mut self, parent: Option<NodeIndex>) -> NodeIndex {
        let number = self.nodes.len();
        let root = |number: NodeIndex| Root::left_padding_from(&number.to_be_bytes());
        let block = BlockInfo {
            root: root(number),
            parent_root: parent.map(root).unwrap_or_default(),
            slot: number.into(),
        };
        let checkpoint = Checkpoint {
            root: Root::ZERO,
            slot: 0,
        };
        let checkpoints = Checkpoints {
            justified: checkpoint,
            finalized: checkpoint,
        };
        self.nodes.push(block, checkpoints, parent)
    }

    fn push(&mut self, parent: NodeIndex) -> NodeIndex {
        let index = self.append(Some(parent));
        self.paths.push(&self.nodes, index, parent);
        index
    }

    fn level(&self, index: NodeIndex) -> u32 {
        self.paths.path_of(index).attachment.level
    }

    /// Every block is where its path has it, every path is attached where it says, and none is too large for the path
    /// above it.
    fn check(&self) {
        let mut sizes = vec![1; self.nodes.len() as usize];
        for index in (1..self.nodes.len()).rev() {
            let parent = self.nodes.parent(index).unwrap();
            sizes[parent as usize] += sizes[index as usize];
        }
        for index in 0..self.nodes.len() {
            let BlockPlace { path, position, .. } = self.paths.place(index);
            let path = self.paths.paths.get(path);
            let member = path.member(position);
            assert_eq!(member.node, index);
            let parent = self.nodes.parent(index);
            if position > 0 {
                assert_eq!(parent, Some(path.member(position - 1).node));
                continue;
            }
            assert_eq!(path.size, sizes[index as usize]);
            let Attachment {
                level,
                path: above,
                position,
                rivals,
                rival,
            } = path.attachment;
            let Some(parent) = parent else {
                assert_eq!(level, 0);
                continue;
            };
            let place = self.paths.place(parent);
            assert_eq!((above, position), (place.path, place.position));
            let above = self.paths.paths.get(above);
            assert_eq!(level, above.attachment.level + 1);
            assert_eq!(rivals, above.member(position).rivals);
            assert_eq!(self.paths.rivals.get(rivals).get(rival).child, index);
            assert!(3 * path.size <= 2 * above.size);
            // Hence the number of paths above a block has a limit.
            let limit = f64::from(self.nodes.len()).log(1.5);
            assert!(f64::from(level) <= limit, "{level} of {limit}");
        }
    }
}

/// A number that looks random.
fn mix(number: u32) -> u32 {
    let mixed = number.wrapping_mul(0x9e37_79b1) ^ (number >> 7);
    (mixed ^ (mixed >> 15)).wrapping_mul(0x85eb_ca77) >> 3
}

#[test]
fn no_block_has_many_paths_above_its_own_whatever_the_shape() {
    type Parent = fn(u32) -> u32;
    let shapes: [Parent; 7] = [
        |number| number - 1,
        |number| (number - 1) / 2 * 2,
        |number| (number - 1) / 2,
        |_| 0,
        |number| number.saturating_sub(2),
        |number| number - 1 - mix(number) % number.min(16),
        |number| mix(number) % number,
    ];
    for parent in shapes {
        let mut tree = Tree::new();
        for number in 1..2_000 {
            tree.push(parent(number));
            if number % 97 == 0 {
                tree.check();
            }
        }
        tree.check();
    }
}

#[test]
fn a_chain_that_always_goes_on_with_the_second_child_is_rebuilt() {
    let mut tree = Tree::new();
    let mut tip = 0;
    let mut highest = 0;
    for _ in 0..1_000 {
        tree.push(tip);
        tip = tree.push(tip);
        highest = highest.max(tree.level(tip));
        tree.check();
    }
    // Never rebuilt, it would have a thousand paths above it.
    assert!(highest < 20, "{highest}");
}

#[test]
fn rebuilding_paths_costs_a_bounded_number_of_blocks_for_each_that_arrived() {
    // The worst that was found: at each step a second child on the tip, or on the newest block beside the tip's path.
    let (mut tree, mut rebuilt) = (Tree::new(), 0);
    let mut tip = 0;
    for number in 0..20_000_u32 {
        let parent = match number % 3 {
            0 => tip,
            1 => tree.nodes.parent(tip).unwrap_or(tip),
            _ => tree.nodes.len() - 1,
        };
        let before = tree.paths.rebuilt;
        tip = tree.push(parent);
        rebuilt += tree.paths.rebuilt - before;
    }
    let each = rebuilt / 20_000;
    assert!(
        (1..=20).contains(&each),
        "{each} blocks built anew for each that arrived"
    );
}
