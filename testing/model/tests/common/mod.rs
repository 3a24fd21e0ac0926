//! A run that is written down decision by decision.

#![allow(dead_code)]

use quartet_model::{
    Scope,
    action::{Action, Body, Forgery, Reach, Sent},
    block::{Envelope, Vote},
    names::{Root, Slot, Validator, Validators},
    world::World,
};

/// Four validators of which the last is Byzantine, in an asynchronous network that loses or delays what the schedule
/// says.
pub(crate) struct Schedule {
    pub(crate) scope: Scope,
    pub(crate) world: World,
}

pub(crate) const GENESIS: Root = Root::GENESIS;

pub(crate) fn block(number: u8) -> Root {
    Root(number)
}

impl Schedule {
    pub(crate) fn new(scope: Scope) -> Self {
        let world = World::new(&scope);
        Self { scope, world }
    }

    fn take(&mut self, action: Action) {
        let next = self.world.after(&self.scope, action.clone());
        self.world = next.unwrap_or_else(|| panic!("{action:?} makes an invalid block"));
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

    /// The Byzantine proposer makes a block.
    pub(crate) fn propose_byzantine(&mut self, slot: Slot, parent: Root, body: &[Vote], to: &[Validator]) {
        assert_eq!(self.world.slot, slot);
        let reach = reach(to, &[]);
        self.take(Action::ProposeByzantine(vec![Forgery {
            parent,
            body: Body::Votes(body.to_vec()),
            envelope: Envelope::Bound,
            reach: Some(reach),
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
        let sent = |(vote, to): &(Vote, &[Validator])| Sent::Vote(*vote, reach(to, &[]));
        self.take(Action::Misbehave(votes.iter().map(sent).collect()));
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

pub(crate) fn vote(validator: Validator, slot: Slot, head: Root, source: Root, target: Root) -> Vote {
    Vote {
        validator,
        slot,
        head,
        source,
        target,
    }
}
