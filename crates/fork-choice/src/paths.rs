//! The tree as paths from some block down to a leaf, so that few paths lead from any block to the top.
//!
//! A block that is the first child of its parent continues its parent's path; any other child begins a new path, which
//! is attached to the parent's. So a path may become as large as the one above it. Where a path has more than two
//! thirds of the blocks of the path above it, each counted with everything attached below, the upper one is rebuilt
//! with everything below it: each block is then followed by its child with the most descendants. Hence no block has
//! more than log₁.₅ n paths above its own: 28 among 100,000 blocks.
//!
//! Rebuilding *m* blocks takes time in proportion to *m*, and at least m/3 of them have arrived since they were last
//! rebuilt: a block costs O(log n) in the long run, whoever chooses its parent.

use crate::{
    nodes::{NOBODY, NodeIndex, Nodes, OLDEST},
    plan::Plan,
    slab::{Slab, push_sparingly},
    sums::{Rival, Rivals, Sum, Sums},
};

/// A path from some block down to a leaf.
#[derive(Debug, Clone, Default)]
pub(crate) struct Path {
    top: NodeIndex,
    /// From the top down; empty where there is but one, as many paths have it.
    members: Vec<Member>,
    pub(crate) sums: Sums,
    pub(crate) attachment: Attachment,
    /// Blocks that descend from its top one, and that one.
    size: u32,
}

/// A block of a path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    pub(crate) node: NodeIndex,
    /// Its children that are not on the path, or [`NOBODY`].
    pub(crate) rivals: u32,
}

/// Where a path is attached; the topmost path is attached nowhere.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Attachment {
    /// How many paths are above.
    pub(crate) level: u32,
    /// The path that it is attached to, and at which block.
    pub(crate) path: u32,
    pub(crate) position: u32,
    /// That block's rivals, and which of them it begins with.
    pub(crate) rivals: u32,
    pub(crate) rival: u32,
}

/// Where a block is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockPlace {
    pub(crate) path: u32,
    pub(crate) position: u32,
    /// Votes for this very block.
    pub(crate) votes: u32,
}

/// The paths of a tree and the votes on them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Paths {
    pub(crate) places: Vec<BlockPlace>,
    pub(crate) paths: Slab<Path>,
    pub(crate) rivals: Slab<Rivals>,
    /// Blocks that have been rebuilt.
    #[cfg(test)]
    rebuilt: u64,
}

impl Paths {
    /// Builds the paths of a whole tree. `votes` has those for each block itself, by position.
    pub(crate) fn of(nodes: &Nodes, votes: impl ExactSizeIterator<Item = u32>) -> Self {
        let place = |votes| BlockPlace {
            path: NOBODY,
            position: NOBODY,
            votes,
        };
        let mut paths = Self {
            places: votes.map(place).collect(),
            ..Self::default()
        };
        paths.build_below(nodes, OLDEST, Attachment::default());
        paths
    }

    pub(crate) fn place(&self, index: NodeIndex) -> BlockPlace {
        self.places[index as usize]
    }

    /// The path that a block is on.
    pub(crate) fn path_of(&self, index: NodeIndex) -> &Path {
        self.paths.get(self.place(index).path)
    }

    /// Places the block that the tree got last.
    pub(crate) fn push(&mut self, nodes: &Nodes, index: NodeIndex, parent: NodeIndex) {
        let above = self.place(parent);
        let path = self.paths.get_mut(above.path);
        let is_first_child = above.position + 1 == path.len();
        let (path, position) = if is_first_child {
            path.push(index);
            (above.path, above.position + 1)
        } else {
            let level = path.attachment.level + 1;
            let (rivals, rival) = self.add_rival(nodes, above, index);
            let attachment = Attachment {
                level,
                path: above.path,
                position: above.position,
                rivals,
                rival,
            };
            let sums = Sums::new(&[Sum::default()], Sum::then);
            let path = Path::new(vec![Member::new(index)], sums, attachment, 0);
            (self.paths.insert(path), 0)
        };
        let place = BlockPlace {
            path,
            position,
            votes: 0,
        };
        push_sparingly(&mut self.places, place);
        if let Some(overgrown) = self.count(path) {
            self.rebuild(nodes, overgrown);
        }
    }

    /// Notes a child that has no votes and is not on its parent's path; returns which rival of which it is.
    fn add_rival(&mut self, nodes: &Nodes, parent: BlockPlace, child: NodeIndex) -> (u32, u32) {
        let path = self.paths.get_mut(parent.path);
        let at = parent.position as usize;
        let next = path.members[at + 1].node;
        let rival = Rival::new(nodes, child, next, 0);
        let member = &mut path.members[at];
        let best = |one, other| Rival::best(nodes, one, other);
        if member.rivals == NOBODY {
            member.rivals = self.rivals.insert(Rivals::new(&[rival], best));
        } else {
            self.rivals.get_mut(member.rivals).push(rival, best);
        }
        let id = member.rivals;
        let rivals = self.rivals.get(id);
        let votes = path.sums.get(parent.position).votes;
        let lead = rivals.all().lead;
        path.sums.set(parent.position, Sum { votes, lead });
        path.sums.repair(&mut vec![parent.position], Sum::then);
        (id, rivals.len() - 1)
    }

    /// Counts a new block in its path and all above. Returns the highest path that something nearly as large is
    /// attached to: it has to be rebuilt.
    fn count(&mut self, path: u32) -> Option<u32> {
        let below = self.paths.get_mut(path);
        below.size += 1;
        let (mut size, mut attachment) = (below.size, below.attachment);
        let mut overgrown = None;
        while attachment.level > 0 {
            let above = self.paths.get_mut(attachment.path);
            above.size += 1;
            if 3 * u64::from(size) > 2 * u64::from(above.size) {
                overgrown = Some(attachment.path);
            }
            (size, attachment) = (above.size, above.attachment);
        }
        overgrown
    }

    /// Rebuilds a path and everything attached below it.
    fn rebuild(&mut self, nodes: &Nodes, path: u32) {
        let Path {
            top, attachment, ..
        } = *self.paths.get(path);
        #[cfg(test)]
        {
            self.rebuilt += u64::from(self.paths.get(path).size);
        }
        self.clear(path);
        self.build_below(nodes, top, attachment);
    }

    /// Removes a path and everything attached below it.
    fn clear(&mut self, path: u32) {
        let mut stack = vec![path];
        while let Some(path) = stack.pop() {
            for member in self.paths.remove(path).members {
                if member.rivals != NOBODY {
                    let rivals = self.rivals.remove(member.rivals);
                    let tops = (0..rivals.len()).map(|rival| rivals.get(rival).child);
                    stack.extend(tops.map(|top| self.place(top).path));
                }
            }
        }
    }

    /// Builds the paths of `top` and all its descendants, which have none yet. The first is attached at `attachment`.
    fn build_below(&mut self, nodes: &Nodes, top: NodeIndex, attachment: Attachment) {
        let plan = Plan::of(nodes, top);
        let mut built = Vec::new();
        for at in plan.tops() {
            let members: Vec<_> = plan.path(at).map(Member::new).collect();
            let parent = nodes.parent(members[0].node).filter(|_| at > 0);
            let attachment = parent.map_or(attachment, |parent| {
                let BlockPlace { path, position, .. } = self.place(parent);
                Attachment {
                    level: self.paths.get(path).attachment.level + 1,
                    path,
                    position,
                    // Known when the path above is summed up.
                    rivals: NOBODY,
                    rival: NOBODY,
                }
            });
            built.push(self.insert_path(members, attachment, plan.sizes[at]));
        }
        // In the plan, attached paths come after the path above them.
        for path in built.into_iter().rev() {
            self.sum_up(nodes, path);
        }
    }

    fn insert_path(&mut self, members: Vec<Member>, attachment: Attachment, size: u32) -> u32 {
        let path = self.paths.insert(Path::default());
        for (position, member) in (0..).zip(&members) {
            let place = &mut self.places[member.node as usize];
            (place.path, place.position) = (path, position);
        }
        *self.paths.get_mut(path) = Path::new(members, Sums::default(), attachment, size);
        path
    }

    /// Sums up the votes of a path whose attached paths are summed up already.
    fn sum_up(&mut self, nodes: &Nodes, path: u32) {
        let length = self.paths.get(path).len();
        let mut sums = Vec::with_capacity(length as usize);
        for position in 0..length {
            let node = self.paths.get(path).member(position).node;
            let mut sum = Sum {
                votes: self.place(node).votes,
                lead: 0,
            };
            if position + 1 < length {
                let next = self.paths.get(path).member(position + 1).node;
                let rivals = self.gather_rivals(nodes, node, next);
                if !rivals.is_empty() {
                    sum.votes += rivals.iter().map(|rival| rival.votes()).sum::<u32>();
                    let (id, lead) = self.insert_rivals(nodes, &rivals);
                    self.paths.get_mut(path).members[position as usize].rivals = id;
                    sum.lead = lead;
                }
            }
            sums.push(sum);
        }
        self.paths.get_mut(path).sums = Sums::new(&sums, Sum::then);
    }

    /// The children of a block but `next`, which is on its path.
    fn gather_rivals(&self, nodes: &Nodes, node: NodeIndex, next: NodeIndex) -> Vec<Rival> {
        let mut rivals = Vec::new();
        for child in nodes.children(node).filter(|child| *child != next) {
            let votes = self.path_of(child).sums.all().votes;
            rivals.push(Rival::new(nodes, child, next, votes));
        }
        rivals
    }

    /// Attaches the paths of all rivals of a block. Returns where these are kept, and the lead of the best one.
    fn insert_rivals(&mut self, nodes: &Nodes, rivals: &[Rival]) -> (u32, u32) {
        let kept = Rivals::new(rivals, |one, other| Rival::best(nodes, one, other));
        let lead = kept.all().lead;
        let id = self.rivals.insert(kept);
        for (rival, child) in (0..).zip(rivals.iter().map(|rival| rival.child)) {
            let below = self.paths.get_mut(self.places[child as usize].path);
            (below.attachment.rivals, below.attachment.rival) = (id, rival);
        }
        (id, lead)
    }
}

impl Path {
    fn new(members: Vec<Member>, sums: Sums, attachment: Attachment, size: u32) -> Self {
        Self {
            top: members.first().map_or(NOBODY, |top| top.node),
            members: if members.len() > 1 {
                members
            } else {
                Vec::new()
            },
            sums,
            attachment,
            size,
        }
    }

    fn len(&self) -> u32 {
        self.members.len().max(1) as u32
    }

    /// The block at this position.
    pub(crate) fn member(&self, position: u32) -> Member {
        let member = self.members.get(position as usize).copied();
        member.unwrap_or(Member::new(self.top))
    }

    pub(crate) fn tip(&self) -> NodeIndex {
        self.member(self.len() - 1).node
    }

    fn push(&mut self, node: NodeIndex) {
        if self.members.is_empty() {
            self.members.push(Member::new(self.top));
        }
        self.members.push(Member::new(node));
        self.sums.push(Sum::default(), Sum::then);
    }
}

impl Member {
    fn new(node: NodeIndex) -> Self {
        Self {
            node,
            rivals: NOBODY,
        }
    }
}

#[cfg(test)]
mod tests;
