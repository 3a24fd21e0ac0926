//! Votes that come and go: what each block has of them, and which leaf is the heaviest.

use crate::{
    nodes::{NOBODY, NodeIndex, Nodes},
    paths::{Attachment, BlockPlace, Paths},
    sums::{Rival, Sum},
};

/// Votes on their way to the top, at a block.
#[derive(Debug, Clone, Copy)]
struct Step {
    path: u32,
    position: u32,
    /// Which rival of the block they come from, or [`NOBODY`] where they are for the block itself.
    rivals: u32,
    rival: u32,
    votes: i32,
}

/// The votes on their way to the top, by the number of paths above them. The lowest paths come first: they bring votes
/// to those above, so each path is visited once.
#[derive(Debug, Default)]
struct Steps(Vec<Vec<Step>>);

impl Steps {
    /// What is on its way from these blocks, each named once.
    fn from(paths: &Paths, votes: &[(NodeIndex, i32)]) -> Self {
        let mut steps = Self::default();
        for (index, votes) in votes {
            let BlockPlace { path, position, .. } = paths.place(*index);
            let itself = Attachment {
                level: paths.paths.get(path).attachment.level + 1,
                path,
                position,
                rivals: NOBODY,
                rival: NOBODY,
            };
            steps.push(itself, *votes);
        }
        steps
    }

    /// Brings votes to the block where their path is attached.
    fn push(&mut self, attachment: Attachment, votes: i32) {
        let Some(level) = attachment.level.checked_sub(1).filter(|_| votes != 0) else {
            return;
        };
        let level = level as usize;
        if self.0.len() <= level {
            self.0.resize_with(level + 1, Vec::new);
        }
        self.0[level].push(Step {
            path: attachment.path,
            position: attachment.position,
            rivals: attachment.rivals,
            rival: attachment.rival,
            votes,
        });
    }

    /// The steps of the lowest paths, path by path, of each the lowest block first.
    fn pop(&mut self) -> Option<Vec<Step>> {
        let mut steps = self.0.pop()?;
        steps.sort_unstable_by_key(|step| !(u64::from(step.path) << 32 | u64::from(step.position)));
        Some(steps)
    }
}

/// Sums up what is for the same block.
fn by_block(votes: &mut Vec<(NodeIndex, i32)>) {
    votes.sort_unstable_by_key(|(index, _)| *index);
    votes.dedup_by(|later, first| {
        let is_same = later.0 == first.0;
        first.1 += if is_same { later.1 } else { 0 };
        is_same
    });
}

impl Paths {
    /// Adds votes to blocks, or takes them away, and empties the list.
    pub(crate) fn add_votes(&mut self, nodes: &Nodes, votes: &mut Vec<(NodeIndex, i32)>) {
        by_block(votes);
        for (index, votes) in votes.iter() {
            let place = &mut self.places[*index as usize];
            place.votes = place.votes.saturating_add_signed(*votes);
        }
        let mut steps = Steps::from(self, votes);
        votes.clear();
        let mut scratch = Vec::new();
        while let Some(lowest) = steps.pop() {
            for on_path in lowest.chunk_by(|one, other| one.path == other.path) {
                self.add_on_path(nodes, on_path, &mut scratch);
                let sum = on_path.iter().map(|step| step.votes).sum();
                steps.push(self.paths.get(on_path[0].path).attachment, sum);
            }
        }
    }

    fn add_on_path(&mut self, nodes: &Nodes, steps: &[Step], scratch: &mut Vec<u32>) {
        let path = self.paths.get_mut(steps[0].path);
        for at_block in steps.chunk_by(|one, other| one.position == other.position) {
            let position = at_block[0].position;
            let mut sum = path.sums.get(position);
            let votes = at_block.iter().map(|step| step.votes).sum();
            sum.votes = sum.votes.saturating_add_signed(votes);
            let from_rivals = at_block.iter().filter(|step| step.rivals != NOBODY);
            for step in from_rivals.clone() {
                let rivals = self.rivals.get_mut(step.rivals);
                rivals.set(step.rival, rivals.get(step.rival).add(step.votes));
                scratch.push(step.rival);
            }
            if let Some(step) = from_rivals.clone().next() {
                let rivals = self.rivals.get_mut(step.rivals);
                scratch.sort_unstable();
                rivals.repair(scratch, |one, other| Rival::best(nodes, one, other));
                sum.lead = rivals.all().lead;
            }
            path.sums.set(position, sum);
        }
        scratch.extend(steps.iter().map(|step| step.position));
        path.sums.repair(scratch, Sum::then);
    }

    /// Votes for a block and all that descends from it.
    pub(crate) fn weight(&self, index: NodeIndex) -> u32 {
        let BlockPlace { path, position, .. } = self.place(index);
        self.paths.get(path).sums.votes_from(position)
    }

    /// The same for all blocks, by position.
    pub(crate) fn weights(&self, nodes: &Nodes) -> Vec<u32> {
        let mut weights: Vec<u32> = self.places.iter().map(|place| place.votes).collect();
        for index in (0..nodes.len()).rev() {
            if let Some(parent) = nodes.parent(index) {
                weights[parent as usize] += weights[index as usize];
            }
        }
        weights
    }

    /// The leaf that is reached from `start` by the heaviest child at each fork, ties by the larger root.
    pub(crate) fn heaviest_leaf(&self, start: NodeIndex) -> NodeIndex {
        let mut index = start;
        loop {
            let path = self.path_of(index);
            let exit = path.sums.first_exit(self.place(index).position);
            let Some(fork) = exit.map(|position| path.member(position)) else {
                return path.tip();
            };
            index = self.rivals.get(fork.rivals).all().child;
        }
    }

    /// The newest block that so many of the votes are for, each for one of these blocks and its ancestors. They have to
    /// be more than half of the votes, so that no two branches have as many.
    pub(crate) fn newest_with(
        &self,
        votes: impl Iterator<Item = NodeIndex>,
        threshold: u64,
    ) -> Option<NodeIndex> {
        let mut votes: Vec<_> = votes.map(|index| (index, 1)).collect();
        by_block(&mut votes);
        let mut steps = Steps::from(self, &votes);
        while let Some(lowest) = steps.pop() {
            for on_path in lowest.chunk_by(|one, other| one.path == other.path) {
                let path = self.paths.get(on_path[0].path);
                let mut sum = 0;
                for step in on_path {
                    sum += step.votes;
                    if i64::from(sum) >= threshold as i64 {
                        return Some(path.member(step.position).node);
                    }
                }
                steps.push(path.attachment, sum);
            }
        }
        None
    }
}
