//! All nodes, and the messages between them.

use crate::{
    action::{Action, Body, Forgery, Reach, Sent},
    block::{Block, Blocks, Envelope, Vote},
    journal::Journal,
    names::{Root, RootSet, Slot, Validator},
    node::{Context, Node},
    publication::sealed,
    scope::{Scope, goal},
};

/// What is decided next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// What is proposed, and whom it reaches.
    Propose,
    /// Whom the attestations reach.
    Attest,
    /// What the Byzantine validators send.
    Misbehave,
    /// Nothing: all slots are over, and all that was on its way has arrived.
    Over,
}

/// A message that arrives at the start of the next slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Late {
    Block {
        root: Root,
        sender: Validator,
        receiver: Validator,
    },
    Vote {
        vote: Vote,
        receiver: Validator,
    },
}

/// A state of the model.
#[derive(Debug, Clone, PartialEq, Hash)]
pub struct World {
    /// The current slot.
    pub slot: Slot,
    /// What is decided next.
    pub phase: Phase,
    /// Every block ever made.
    pub blocks: Blocks,
    /// One node per validator; those of the Byzantine ones hear everything in time.
    pub nodes: Vec<Node>,
    /// Blocks that a Byzantine validator made and did not send.
    pub withheld: RootSet,
    /// The oldest vote of each validator that was ever sent, for a stranger to replay.
    pub oldest: Vec<Option<Vote>>,
    /// The finalized slot when messages began to arrive in time, once they do.
    pub finalized_at_heal: Option<Slot>,
    /// The slot in which every honest node first held more final than anybody did then, if that was before the quiet
    /// slots at the end.
    pub recovered: Option<Slot>,
    /// Blocks that a validator other than their proposer voted for or from.
    pub named: RootSet,
    /// The last slot, once it is known.
    pub last: Option<Slot>,
    late: Vec<Late>,
}

impl World {
    /// The state in which a run begins: the first slot, and nothing but genesis.
    #[must_use]
    pub fn new(scope: &Scope) -> Self {
        let nodes = (0..scope.validators).map(|_| Node::new(scope.validators));
        let mut world = Self {
            slot: 0,
            phase: Phase::Propose,
            blocks: Blocks::new(),
            nodes: nodes.collect(),
            withheld: RootSet::default(),
            oldest: vec![None; usize::from(scope.validators)],
            finalized_at_heal: None,
            recovered: None,
            named: RootSet::default(),
            last: None,
            late: Vec::new(),
        };
        world.begin_slot(scope);
        world
    }

    /// The same, with a journal for each node.
    #[must_use]
    pub fn recorded(scope: &Scope) -> Self {
        let mut world = Self::new(scope);
        for node in &mut world.nodes {
            node.journal = Journal::begin();
        }
        world
    }

    /// What a node's rules are applied to.
    #[must_use]
    pub fn context(&self, scope: &Scope) -> Context<'_> {
        Context::new(scope, &self.blocks, self.slot)
    }

    /// The honest nodes.
    pub fn honest(&self, scope: &Scope) -> impl Iterator<Item = &Node> {
        let count = usize::from(scope.validators - scope.byzantine);
        self.nodes[..count].iter()
    }

    /// Lets a node do something that needs the blocks.
    fn with_node(
        &mut self,
        scope: &Scope,
        index: Validator,
        act: impl FnOnce(&mut Node, Context<'_>),
    ) {
        let context = Context::new(scope, &self.blocks, self.slot);
        act(&mut self.nodes[usize::from(index)], context);
    }

    /// What an action leads to; `None` if a Byzantine block in it is invalid.
    #[must_use]
    pub fn after(&self, scope: &Scope, action: Action) -> Option<Self> {
        let mut world = self.clone();
        match action {
            Action::Propose(reach) => {
                world.propose(scope, reach)?;
                world.phase = Phase::Attest;
            }
            Action::ProposeByzantine(forgeries) => {
                for forgery in forgeries {
                    world.forge(scope, scope.proposer(self.slot), forgery)?;
                }
                world.phase = Phase::Attest;
            }
            Action::Attest(reaches) => {
                world.attest(scope, &reaches);
                world.phase = Phase::Misbehave;
            }
            Action::Misbehave(all) => {
                for sent in all {
                    world.misbehave(scope, sent)?;
                }
                world.end_slot(scope);
            }
        }
        if world.phase != Phase::Over {
            world.fetch_if_timely(scope);
        }
        Some(world)
    }

    fn propose(&mut self, scope: &Scope, reach: Reach) -> Option<()> {
        let proposer = scope.proposer(self.slot);
        self.with_node(scope, proposer, Node::accept_new_votes);
        let block = self.nodes[usize::from(proposer)].proposal(self.context(scope))?;
        let vote = block.proposer_vote;
        let root = self.push(block)?;
        self.send_block(scope, proposer, root, reach);
        if let Some(vote) = vote {
            self.note_names(scope, vote);
            self.with_node(scope, proposer, |node, context| {
                node.note_own_vote(context, vote);
            });
        }
        Some(())
    }

    /// Makes a block that no honest validator made, and sends it if it is not withheld.
    fn forge(&mut self, scope: &Scope, maker: Validator, forgery: Forgery) -> Option<()> {
        let node = &self.nodes[usize::from(maker)];
        let context = self.context(scope);
        let honest = node.proposal_on(context, forgery.parent)?;
        let proposer = scope.proposer(self.slot);
        let votes = match forgery.body {
            Body::Honest => honest.body.clone(),
            Body::Empty => Vec::new(),
            Body::Inventing => {
                let mut votes = honest.body.clone();
                votes.push(Vote {
                    validator: proposer,
                    slot: self.slot,
                    head: Root::INVENTED,
                    source: Root::GENESIS,
                    target: Root::GENESIS,
                });
                votes
            }
            Body::Votes(votes) => votes,
        };
        let mut block = sealed(context, forgery.parent, votes, forgery.envelope)?;
        let signed = honest.proposer_vote.map(|vote| {
            let (source, target) = forgery.link.unwrap_or((vote.source, vote.target));
            Vote {
                source,
                target,
                ..vote
            }
        });
        block.proposer_vote = match forgery.envelope {
            Envelope::Bound => signed,
            Envelope::HalfBound => signed.map(|vote| Vote {
                head: forgery.parent,
                ..vote
            }),
            Envelope::Unbound => None,
        };
        let root = self.push(block)?;
        if let Some(vote) = self.blocks.get(root).and_then(|block| block.proposer_vote) {
            self.note_names(scope, vote);
        }
        match forgery.reach {
            Some(reach) => self.send_block(scope, maker, root, reach),
            None => {
                self.withheld.insert(root);
                self.deliver_block(scope, maker, maker, root);
            }
        }
        Some(())
    }

    fn push(&mut self, block: Block) -> Option<Root> {
        (self.blocks.count() < RootSet::CAPACITY).then(|| self.blocks.push(block))
    }

    fn attest(&mut self, scope: &Scope, reaches: &[Reach]) {
        let context = self.context(scope);
        let proposer = scope.proposer(self.slot);
        let attesters = scope.honest().iter().filter(|index| *index != proposer);
        let votes: Vec<Vote> = attesters
            .map(|index| self.nodes[usize::from(index)].attestation(context, index))
            .collect();
        for vote in votes {
            let reach = reaches.get(usize::from(vote.validator)).copied();
            let reach = reach.unwrap_or_else(|| Reach::all(scope.everybody()));
            self.send_vote(scope, vote, reach);
            self.with_node(scope, vote.validator, |node, context| {
                node.receive_vote(context, vote);
                node.note_own_vote(context, vote);
            });
        }
    }

    fn misbehave(&mut self, scope: &Scope, sent: Sent) -> Option<()> {
        match sent {
            Sent::Vote(vote, reach) => self.send_vote(scope, vote, reach),
            Sent::Release(root, reach) => {
                self.withheld.remove(root);
                self.send_block(scope, scope.validators - 1, root, reach);
            }
            Sent::Forged(forgery) => self.forge(scope, scope.validators - 1, forgery)?,
        }
        Some(())
    }

    fn note_names(&mut self, scope: &Scope, vote: Vote) {
        let real = |name: &Root| *name != Root::INVENTED;
        for name in vote.names().into_iter().filter(real) {
            if scope.proposer(self.blocks.slot(name)) != vote.validator {
                self.named.insert(name);
            }
        }
    }

    fn send_vote(&mut self, scope: &Scope, vote: Vote, reach: Reach) {
        self.note_names(scope, vote);
        let oldest = &mut self.oldest[usize::from(vote.validator)];
        if scope.mischief.stranger || scope.timely_mischief.stranger {
            oldest.get_or_insert(vote);
        }
        for index in scope.everybody().iter() {
            if reach.in_time.contains(index) || !scope.honest().contains(index) {
                self.with_node(scope, index, |node, context| {
                    node.receive_vote(context, vote)
                });
            } else if reach.late.contains(index) {
                self.late.push(Late::Vote {
                    vote,
                    receiver: index,
                });
            }
        }
    }

    fn send_block(&mut self, scope: &Scope, sender: Validator, root: Root, reach: Reach) {
        for index in scope.everybody().iter() {
            let honest = scope.honest().contains(index);
            if reach.in_time.contains(index) || index == sender || !honest {
                self.deliver_block(scope, sender, index, root);
            } else if reach.late.contains(index) {
                self.late.push(Late::Block {
                    root,
                    sender,
                    receiver: index,
                });
            }
        }
    }

    /// Gives a block to a node, after what it builds on and names, if that can be fetched.
    fn deliver_block(&mut self, scope: &Scope, sender: Validator, index: Validator, root: Root) {
        let lacks = |world: &Self, root| !world.nodes[usize::from(index)].holds(root);
        while scope.fetch || scope.is_timely(self.slot) {
            let has = |world: &Self, root| {
                let node = &world.nodes[usize::from(sender)];
                node.serves(&world.blocks, root)
                    || (node.holds(root) && !scope.honest().contains(sender))
            };
            let needs = needs(&self.blocks, root);
            let missing = needs
                .iter()
                .find(|root| lacks(self, *root) && has(self, *root));
            let Some(missing) = missing else {
                break;
            };
            self.with_node(scope, index, |node, context| {
                node.receive_block(context, missing)
            });
            if lacks(self, missing) {
                break;
            }
        }
        self.with_node(scope, index, |node, context| {
            node.receive_block(context, root)
        });
    }

    fn end_slot(&mut self, scope: &Scope) {
        for index in scope.everybody().iter() {
            self.with_node(scope, index, Node::update_safe_target);
            self.with_node(scope, index, Node::accept_new_votes);
        }
        self.note_recovery(scope);
        self.begin_slot(scope);
    }

    fn begin_slot(&mut self, scope: &Scope) {
        if self.last == Some(self.slot) {
            self.phase = Phase::Over;
        } else {
            self.slot += 1;
            self.phase = Phase::Propose;
        }
        let mut late = std::mem::take(&mut self.late);
        late.sort_unstable();
        for message in late {
            match message {
                Late::Block {
                    root,
                    sender,
                    receiver,
                } => self.deliver_block(scope, sender, receiver, root),
                Late::Vote { vote, receiver } => {
                    self.with_node(scope, receiver, |node, context| {
                        node.receive_vote(context, vote);
                    });
                }
            }
        }
        self.fetch_if_timely(scope);
        if self.phase == Phase::Over {
            for index in scope.honest().iter() {
                self.with_node(scope, index, Node::accept_new_votes);
            }
            self.fetch_if_timely(scope);
        } else if self.slot == scope.asynchronous + 1 {
            self.heal(scope);
        }
    }

    fn note_recovery(&mut self, scope: &Scope) {
        let (Some(before), Some(last)) = (self.finalized_at_heal, self.last) else {
            return;
        };
        let slot = |node: &Node| self.blocks.slot(node.finalized);
        let moved = self.honest(scope).all(|node| slot(node) > before);
        if moved && self.recovered.is_none() && self.slot + scope.quiet <= last {
            self.recovered = Some(self.slot);
        }
    }

    /// Whether Byzantine validators keep silent, so that the honest ones can settle.
    #[must_use]
    pub fn is_quiet(&self, scope: &Scope) -> bool {
        self.last.is_some_and(|last| self.slot + scope.quiet > last)
    }

    /// From now on messages of honest nodes arrive in time.
    fn heal(&mut self, scope: &Scope) {
        let finalized = self
            .honest(scope)
            .map(|node| self.blocks.slot(node.finalized));
        let finalized = finalized.max().unwrap_or_default();
        self.finalized_at_heal = Some(finalized);
        let timely = scope.timely.unwrap_or_else(|| goal(self.slot - finalized));
        self.last = Some(scope.asynchronous + timely + scope.quiet);
        if timely + scope.quiet == 0 {
            self.slot -= 1;
            self.phase = Phase::Over;
        }
    }

    /// Sync between honest nodes: each asks the others for what it misses, and for their heads.
    fn fetch_if_timely(&mut self, scope: &Scope) {
        if !scope.is_timely(self.slot) {
            return;
        }
        loop {
            let mut changed = false;
            for index in scope.honest().iter() {
                for root in self.wanted(scope, index) {
                    let served = |node: &Node| node.serves(&self.blocks, root);
                    if self.honest(scope).any(served) {
                        let node = &self.nodes[usize::from(index)];
                        changed |= !node.condemned.contains(root);
                        self.with_node(scope, index, |node, context| {
                            node.receive_block(context, root);
                        });
                    }
                }
                let before = self.nodes[usize::from(index)].imported;
                self.with_node(scope, index, Node::settle);
                changed |= before != self.nodes[usize::from(index)].imported;
            }
            if !changed {
                return;
            }
        }
    }

    /// Blocks that a node lacks and has reason to ask for.
    fn wanted(&self, scope: &Scope, index: Validator) -> Vec<Root> {
        let node = &self.nodes[usize::from(index)];
        let mut wanted = RootSet::default();
        let mut want = |root: Root| {
            if root != Root::INVENTED && !node.holds(root) {
                wanted.insert(root);
            }
        };
        for other in self.honest(scope) {
            want(other.head);
        }
        for root in node.arrived.iter() {
            needs(&self.blocks, root).iter().for_each(&mut want);
        }
        for vote in node.waiting.iter().flatten() {
            vote.names().into_iter().for_each(&mut want);
        }
        wanted.iter().collect()
    }
}

/// What a block builds on and what its body names, genesis and invented names left out.
fn needs(blocks: &Blocks, root: Root) -> RootSet {
    let mut needs = RootSet::default();
    for ancestor in blocks.chain(root).filter(|ancestor| *ancestor != root) {
        needs.insert(ancestor);
    }
    let body = blocks.get(root).map(|block| &block.body);
    for name in body.into_iter().flatten().flat_map(Vote::names) {
        if name != Root::INVENTED {
            needs.insert(name);
        }
    }
    needs
}
