//! What one node holds: blocks, votes, and what it concludes from them.

use crate::{
    Scope,
    block::{Block, Blocks, Vote},
    journal::{Journal, NodeEvent},
    names::{Root, RootSet, Slot, Validator, Validators},
    rules::Rules,
};

/// What a node's rules are applied to.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Every block ever made; a node reads only those that it has.
    pub blocks: &'a Blocks,
    /// The rules of honest nodes.
    pub rules: Rules,
    /// How many validators there are.
    pub validators: u8,
    /// The current slot.
    pub slot: Slot,
    /// Whether ties of the fork choice go to the older block.
    pub older_wins_ties: bool,
    /// Whose turn slot 0 would be.
    pub first_proposer: Validator,
}

impl<'a> Context<'a> {
    pub(crate) const fn new(scope: &Scope, blocks: &'a Blocks, slot: Slot) -> Self {
        Self {
            blocks,
            rules: scope.rules,
            validators: scope.validators,
            slot,
            older_wins_ties: scope.older_wins_ties,
            first_proposer: scope.first_proposer,
        }
    }

    /// Whose turn it is to propose.
    #[must_use]
    pub fn proposer(&self, slot: Slot) -> Validator {
        (slot + self.first_proposer) % self.validators
    }
}

/// The store of one node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Node {
    /// Blocks that it has and did not import (yet).
    pub arrived: RootSet,
    /// Blocks in its tree.
    pub imported: RootSet,
    /// Roots that it refuses for good.
    pub condemned: RootSet,
    /// Each validator's vote in the fork choice.
    pub known: Vec<Option<Vote>>,
    /// Each validator's vote that waits to be accepted.
    pub new: Vec<Option<Vote>>,
    /// Each validator's newest vote that names what is unknown.
    pub waiting: Vec<Option<Vote>>,
    /// Votes to carry in blocks: the newest of each validator, source and target.
    pub kept: Vec<Vote>,
    /// Validators seen to attest twice in a slot.
    pub equivocators: Validators,
    /// The head.
    pub head: Root,
    /// The safe target.
    pub safe_target: Root,
    /// The highest justified checkpoint of any post-state.
    pub justified: Root,
    /// The highest finalized checkpoint of any post-state.
    pub finalized: Root,
    /// Targets that its validator attested, where a rule looks at them.
    pub attested_targets: RootSet,
    /// The newest source that its validator attested, where a rule looks at it.
    pub attested_source: Root,
    /// Whether a vote was ever replaced by an older one.
    pub votes_went_back: bool,
    /// What it did, if that is written down.
    pub journal: Journal,
}

impl Node {
    /// A node that knows genesis.
    #[must_use]
    pub fn new(validators: u8) -> Self {
        let nobody = vec![None; usize::from(validators)];
        let mut imported = RootSet::default();
        imported.insert(Root::GENESIS);
        Self {
            arrived: RootSet::default(),
            imported,
            condemned: RootSet::default(),
            known: nobody.clone(),
            new: nobody.clone(),
            waiting: nobody,
            kept: Vec::new(),
            equivocators: Validators::NONE,
            head: Root::GENESIS,
            safe_target: Root::GENESIS,
            justified: Root::GENESIS,
            finalized: Root::GENESIS,
            attested_targets: RootSet::default(),
            attested_source: Root::GENESIS,
            votes_went_back: false,
            journal: Journal::default(),
        }
    }

    /// Whether the node has a block's bytes.
    #[must_use]
    pub fn holds(&self, root: Root) -> bool {
        self.imported.contains(root) || self.arrived.contains(root)
    }

    /// Whether the node answers for a block: it imported it, and finality did not prune it.
    #[must_use]
    pub fn serves(&self, blocks: &Blocks, root: Root) -> bool {
        self.imported.contains(root) && !blocks.conflict(root, self.finalized)
    }

    /// LMD-GHOST from the highest justified checkpoint: the heaviest child again and again, ties by the larger root.
    fn ghost(&self, context: Context<'_>, votes: &[Option<Vote>], least: u32) -> Root {
        let blocks = context.blocks;
        let discounted = context.rules.equivocators_weigh_nothing;
        let weight = |root| {
            let supports = |vote: &&Vote| {
                blocks.is_ancestor(root, vote.head)
                    && !(discounted && self.equivocators.contains(vote.validator))
            };
            votes.iter().flatten().filter(supports).count() as u32
        };
        let mut head = self.justified;
        loop {
            let children = self
                .imported
                .iter()
                .filter(|root| blocks.get(*root).is_some_and(|block| block.parent == head));
            let heaviest = children
                .map(|root| (weight(root), root))
                .filter(|(weight, _)| *weight >= least)
                .max_by_key(|(weight, root)| {
                    let flipped = if context.older_wins_ties { u8::MAX } else { 0 };
                    (*weight, root.0 ^ flipped)
                });
            match heaviest {
                Some((_, child)) => head = child,
                None => return head,
            }
        }
    }

    /// Chooses the head anew.
    pub fn update_head(&mut self, context: Context<'_>) {
        self.head = self.ghost(context, &self.known, 0);
    }

    /// What happens at three quarters of a slot, and before a proposal.
    pub fn accept_new_votes(&mut self, context: Context<'_>) {
        self.journal.note(context.slot, NodeEvent::Accepted);
        for index in 0..self.new.len() {
            let Some(vote) = self.new[index].take() else {
                continue;
            };
            let held = self.known[index].map(|vote| vote.slot);
            if held.is_none_or(|slot| slot < vote.slot) {
                self.known[index] = Some(vote);
            } else if !context.rules.votes_only_get_newer {
                self.votes_went_back |= held > Some(vote.slot);
                self.known[index] = Some(vote);
            }
        }
        self.update_head(context);
    }

    /// What happens at half a slot.
    pub fn update_safe_target(&mut self, context: Context<'_>) {
        self.journal.note(context.slot, NodeEvent::SafeTarget);
        let quorum = (2 * u32::from(context.validators)).div_ceil(3);
        self.safe_target = self.ghost(context, &self.new, quorum);
    }

    /// A vote by gossip, or one from an envelope.
    pub fn receive_vote(&mut self, context: Context<'_>, vote: Vote) {
        let index = usize::from(vote.validator);
        if vote.slot > context.slot {
            return;
        }
        self.notice_equivocation(vote);
        let known = |root: &Root| self.imported.contains(*root);
        if !vote.names().iter().all(known) {
            if self.waiting[index].is_none_or(|held| held.slot < vote.slot) {
                self.waiting[index] = Some(vote);
            }
            return;
        }
        self.journal.note(context.slot, NodeEvent::Heard(vote));
        let blocks = context.blocks;
        if blocks.is_ancestor(vote.source, vote.target)
            && blocks.is_ancestor(vote.target, vote.head)
        {
            self.record_new(context, vote);
        }
    }

    /// A vote that may be counted at the end of the slot.
    fn record_new(&mut self, context: Context<'_>, vote: Vote) {
        let index = usize::from(vote.validator);
        let newer = |held: Option<Vote>| held.is_none_or(|held| held.slot < vote.slot);
        let newer_than_known = !context.rules.votes_only_get_newer || newer(self.known[index]);
        if newer(self.new[index]) && newer_than_known {
            self.new[index] = Some(vote);
        }
        self.store_for_proposals(context, vote);
    }

    /// A vote from an imported block's body.
    fn receive_carried_vote(&mut self, context: Context<'_>, vote: Vote) {
        let index = usize::from(vote.validator);
        self.notice_equivocation(vote);
        if !vote
            .names()
            .iter()
            .all(|root| self.imported.contains(*root))
        {
            return;
        }
        if self.known[index].is_none_or(|held| held.slot < vote.slot) {
            self.known[index] = Some(vote);
        }
        if self.new[index].is_some_and(|held| held.slot <= vote.slot) {
            self.new[index] = None;
        }
        self.store_for_proposals(context, vote);
    }

    fn notice_equivocation(&mut self, vote: Vote) {
        let index = usize::from(vote.validator);
        let same_slot = |held: &Vote| held.slot == vote.slot && *held != vote;
        let held = [self.known[index], self.new[index], self.waiting[index]];
        if held.iter().flatten().any(same_slot) {
            self.equivocators.insert(vote.validator);
        }
    }

    /// Keeps a vote for proposals, if it may still justify something.
    fn store_for_proposals(&mut self, context: Context<'_>, vote: Vote) {
        let slot = |root| context.blocks.slot(root);
        if slot(vote.target) <= slot(vote.source) || slot(vote.target) <= slot(self.finalized) {
            return;
        }
        let same = |held: &&mut Vote| {
            (held.validator, held.source, held.target) == (vote.validator, vote.source, vote.target)
        };
        match self.kept.iter_mut().find(same) {
            Some(held) if held.slot < vote.slot => *held = vote,
            Some(_) => {}
            None => self.kept.push(vote),
        }
        self.kept.sort_unstable();
    }

    /// A block, by gossip or by sync: it is held, and imported as soon as the rules allow.
    pub fn receive_block(&mut self, context: Context<'_>, root: Root) {
        if !self.holds(root) && !self.condemned.contains(root) {
            self.arrived.insert(root);
            let vote = context
                .blocks
                .get(root)
                .and_then(|block| block.proposer_vote);
            self.settle(context);
            if let Some(vote) = vote {
                self.receive_vote(context, vote);
                self.settle(context);
            }
        }
    }

    /// Imports what can be imported and takes up the votes that waited for it, until nothing changes.
    pub fn settle(&mut self, context: Context<'_>) {
        loop {
            let ready = self.arrived.iter().find_map(|root| {
                let block = context.blocks.get(root)?;
                match self.admission(context, root, block) {
                    Admission::Wait => None,
                    decision => Some((root, block, decision)),
                }
            });
            let Some((root, block, decision)) = ready else {
                return;
            };
            self.arrived.remove(root);
            if decision == Admission::Condemn {
                self.condemned.insert(root);
            } else {
                self.import(context, root, block);
            }
        }
    }

    fn import(&mut self, context: Context<'_>, root: Root, block: &Block) {
        let slot = |root| context.blocks.slot(root);
        self.journal.note(context.slot, NodeEvent::Imported(root));
        self.imported.insert(root);
        if slot(block.post.justified) > slot(self.justified) {
            self.justified = block.post.justified;
        }
        let finalized = if context.rules.finality_needs_adjacent_slots {
            block.post.adjacent_finalized
        } else if context.rules.finality_counts_one_source {
            block.post.link_finalized
        } else {
            block.post.finalized
        };
        if slot(finalized) > slot(self.finalized) {
            self.finalized = finalized;
            let of_use = |vote: &Vote| slot(vote.target) > slot(finalized);
            self.kept.retain(of_use);
        }
        for vote in &block.body {
            self.receive_carried_vote(context, *vote);
        }
        self.update_head(context);
        // The store takes it with the block, and does not ask for one chain.
        let known = |root: &Root| self.imported.contains(*root);
        let vote = block.proposer_vote;
        if let Some(vote) = vote.filter(|vote| vote.names().iter().all(known)) {
            self.notice_equivocation(vote);
            self.record_new(context, vote);
        }
        for index in 0..self.waiting.len() {
            if let Some(vote) = self.waiting[index].take() {
                self.receive_vote(context, vote);
            }
        }
    }

    /// What to do with a block that is held.
    fn admission(&self, context: Context<'_>, root: Root, block: &Block) -> Admission {
        let blocks = context.blocks;
        if !self.imported.contains(block.parent) || block.slot > context.slot {
            return Admission::Wait;
        }
        // Ruled out by finality: not imported, and not condemned either.
        if blocks.conflict(root, self.finalized) {
            return Admission::Wait;
        }
        let known = |vote: &Vote| {
            vote.names()
                .iter()
                .all(|root| self.imported.contains(*root))
        };
        let names_known = block.body.iter().all(known);
        if !names_known && !context.rules.unknown_names_wait {
            return Admission::Condemn;
        }
        let names_settled =
            names_known || (context.rules.vouching && self.is_vouched(context, root));
        if names_settled && (self.is_welcome(context, root, block) || self.is_needed(context, root))
        {
            Admission::Import
        } else {
            Admission::Wait
        }
    }

    /// Whether gossip alone is reason enough to import a block.
    fn is_welcome(&self, context: Context<'_>, root: Root, block: &Block) -> bool {
        use crate::block::Envelope::{Bound, HalfBound, Unbound};
        let rivals = |bound_only: bool| {
            self.imported.iter().any(|other| {
                other != root
                    && context.blocks.get(other).is_some_and(|other| {
                        other.slot == block.slot
                            && other.envelope != Unbound
                            && (!bound_only || other.envelope == Bound)
                    })
            })
        };
        match block.envelope {
            Unbound => !context.rules.refuse_unbound,
            Bound => !context.rules.one_block_per_slot || !rivals(true),
            HalfBound => !context.rules.one_block_per_slot || !rivals(false),
        }
    }

    /// Whether an authentic descendant or another validator's vote needs a block.
    fn is_needed(&self, context: Context<'_>, root: Root) -> bool {
        let blocks = context.blocks;
        let proposer = context.proposer(blocks.slot(root));
        let descends = |other: Root| {
            let authentic = |block: &Block| block.proposer_vote.is_some();
            other != root
                && blocks.is_ancestor(root, other)
                && blocks.get(other).is_some_and(authentic)
        };
        let named = |vote: &Vote| vote.validator != proposer && vote.names().contains(&root);
        let in_body = |other: Root| {
            blocks
                .get(other)
                .is_some_and(|block| block.body.iter().any(named))
        };
        self.arrived
            .iter()
            .any(|other| descends(other) || in_body(other))
            || self.votes().any(|vote| named(&vote))
    }

    /// Whether more than a third of the validators vote for a block or for one of its descendants.
    fn is_vouched(&self, context: Context<'_>, root: Root) -> bool {
        let mut vouching = Validators::NONE;
        for vote in self.votes() {
            if context.blocks.is_ancestor(root, vote.head) {
                vouching.insert(vote.validator);
            }
        }
        3 * vouching.count() > u32::from(context.validators)
    }

    fn votes(&self) -> impl Iterator<Item = Vote> {
        let held = [&self.known, &self.new, &self.waiting];
        held.into_iter().flatten().flatten().copied()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Admission {
    Import,
    Wait,
    Condemn,
}
