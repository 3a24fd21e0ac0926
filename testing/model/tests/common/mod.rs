//! A run that is written down decision by decision.

#![allow(dead_code, clippy::unwrap_used)]

pub(crate) mod replay;

use quartet_model::{
    Scope,
    action::{Action, Body, Forgery, Reach, Sent},
    block::{Envelope, Vote},
    names::{Root, Slot, Validator, Validators},
    world::World,
};

use replay::Replay;

/// Four validators of which the last is Byzantine, in an asynchronous network that loses or delays what the schedule
/// says.
pub(crate) struct Schedule {
    pub(crate) scope: Scope,
    pub(crate) world: World,
    cast: Vec<Vote>,
    replay: Replay,
}

/// What a Byzantine proposer makes, and whom it shows it.
#[derive(Default)]
pub(crate) struct ByzantineBlock<'a> {
    pub(crate) parent: Root,
    pub(crate) body: &'a [Vote],
    /// Source and target of its attestation, if they are not an honest proposer's.
    pub(crate) link: Option<(Root, Root)>,
    pub(crate) to: &'a [Validator],
    pub(crate) late: &'a [Validator],
}

pub(crate) const GENESIS: Root = Root::GENESIS;

pub(crate) fn block(number: u8) -> Root {
    Root(number)
}

impl Schedule {
    pub(crate) fn new(scope: Scope) -> Self {
        let world = World::recorded(&scope);
        Self {
            replay: Replay::new(&scope),
            scope,
            world,
            cast: Vec::new(),
        }
    }

    fn take(&mut self, action: Action) {
        if matches!(action, Action::Attest(_)) {
            let context = self.world.context(&self.scope);
            let votes =
                (0..3).map(|one| self.world.nodes[usize::from(one)].attestation(context, one));
            self.cast
                .extend(votes.filter(|vote| vote.validator != context.slot % 4));
        }
        let next = self.world.after(&self.scope, action.clone());
        self.world = next.unwrap_or_else(|| panic!("{action:?} makes an invalid block"));
        self.replay.follow(&self.scope, &mut self.world);
        let newest = self
            .world
            .blocks
            .roots()
            .last()
            .and_then(|root| self.world.blocks.get(root));
        self.cast
            .extend(newest.and_then(|block| block.proposer_vote));
    }

    /// The honest proposer's block reaches only `to`.
    pub(crate) fn propose(&mut self, slot: Slot, to: &[Validator]) {
        self.propose_late(slot, to, &[]);
    }

    /// The honest proposer's block reaches only `to`, and `late` when the next slot begins.
    pub(crate) fn propose_late(&mut self, slot: Slot, to: &[Validator], late: &[Validator]) {
        assert_eq!(self.world.slot, slot);
        self.take(Action::Propose(reach(to, late)));
    }

    /// The Byzantine proposer keeps silent.
    pub(crate) fn no_proposal(&mut self, slot: Slot) {
        assert_eq!(self.world.slot, slot);
        self.take(Action::ProposeByzantine(Vec::new()));
    }

    /// The Byzantine proposer makes a block of votes that were cast.
    pub(crate) fn propose_byzantine(&mut self, slot: Slot, block: ByzantineBlock<'_>) {
        assert_eq!(self.world.slot, slot);
        let honest = self.scope.honest();
        for vote in block
            .body
            .iter()
            .filter(|vote| honest.contains(vote.validator))
        {
            assert!(self.cast.contains(vote), "nobody cast {vote:?}");
        }
        self.take(Action::ProposeByzantine(vec![Forgery {
            parent: block.parent,
            body: Body::Votes(block.body.to_vec()),
            envelope: Envelope::Bound,
            link: block.link,
            reach: Some(reach(block.to, block.late)),
        }]));
    }

    /// The honest attesters' votes reach only these nodes.
    pub(crate) fn attest(&mut self, to: [&[Validator]; 3]) {
        self.attest_late(to, [&[], &[], &[]]);
    }

    /// The honest attesters' votes reach only these nodes, and those in `late` when the next slot begins.
    pub(crate) fn attest_late(&mut self, to: [&[Validator]; 3], late: [&[Validator]; 3]) {
        let reaches = to.iter().zip(late).map(|(to, late)| reach(to, late));
        self.take(Action::Attest(reaches.collect()));
    }

    /// The Byzantine validator's votes, each with those that ever get it; the slot ends.
    pub(crate) fn byzantine(&mut self, votes: &[(Vote, &[Validator])]) {
        self.byzantine_passing_on(votes, None);
    }

    /// The same; a block that reached the Byzantine validator alone is passed on to one node as the next slot begins.
    pub(crate) fn byzantine_passing_on(
        &mut self,
        votes: &[(Vote, &[Validator])],
        block: Option<(Root, Validator)>,
    ) {
        let sent = |(vote, to): &(Vote, &[Validator])| Sent::Vote(*vote, reach(to, &[]));
        let mut all: Vec<Sent> = votes.iter().map(sent).collect();
        if let Some((root, to)) = block {
            all.push(Sent::Release(root, reach(&[], &[to])));
        }
        self.take(Action::Misbehave(all));
    }

    /// The Byzantine validator votes as an honest one that hears everything, and these ever get it; the slot ends.
    pub(crate) fn byzantine_as_if_honest(&mut self, to: &[Validator]) {
        let vote = self.world.nodes[3].attestation(self.world.context(&self.scope), 3);
        self.byzantine(&[(vote, to)]);
    }

    /// Whether the node's own fork choice has followed to the end.
    pub(crate) fn has_followed(&self, node: usize) -> bool {
        self.replay.has_followed(node)
    }

    /// What a node holds final.
    pub(crate) fn finalized(&self, node: usize) -> Root {
        self.world.nodes[node].finalized
    }
}

fn reach(in_time: &[Validator], late: &[Validator]) -> Reach {
    Reach {
        in_time: Validators::of(in_time),
        late: Validators::of(late),
    }
}

pub(crate) fn vote(
    validator: Validator,
    slot: Slot,
    head: Root,
    source: Root,
    target: Root,
) -> Vote {
    Vote {
        validator,
        slot,
        head,
        source,
        target,
    }
}
