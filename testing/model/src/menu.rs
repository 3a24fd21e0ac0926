//! Which decisions a scope allows in a state.

use crate::{
    action::{Action, Body, Forgery, Reach, Sent},
    block::Envelope,
    names::{Root, Validators},
    scope::{Mischief, Misses, Network, Scope},
    world::{Phase, World},
};

/// Every decision that is allowed in a state.
pub(crate) fn decisions(scope: &Scope, world: &World, actions: &mut Vec<Action>) {
    let menu = Menu { scope, world };
    match world.phase {
        Phase::Propose if menu.proposer_is_honest() => actions.extend(menu.proposals()),
        Phase::Propose if menu.is_silent() => {
            actions.push(Action::ProposeByzantine(Vec::new()));
        }
        Phase::Misbehave if menu.is_silent() => actions.push(Action::Misbehave(Vec::new())),
        Phase::Propose => {
            actions.extend(menu.forgeries().into_iter().map(Action::ProposeByzantine))
        }
        Phase::Attest => actions.extend(menu.attestations()),
        Phase::Misbehave => actions.extend(menu.mischief().into_iter().map(Action::Misbehave)),
        Phase::Over => {}
    }
}

struct Menu<'a> {
    scope: &'a Scope,
    world: &'a World,
}

impl Menu<'_> {
    fn proposer_is_honest(&self) -> bool {
        let proposer = self.scope.proposer(self.world.slot);
        self.scope.honest().contains(proposer)
    }

    fn is_silent(&self) -> bool {
        self.allowed().crashed || self.world.is_quiet(self.scope)
    }

    fn is_timely(&self) -> bool {
        self.scope.is_timely(self.world.slot)
    }

    fn allowed(&self) -> Mischief {
        if self.is_timely() {
            self.scope.timely_mischief
        } else {
            self.scope.mischief
        }
    }

    /// Which of those that a message does not reach in time it reaches late.
    fn fates(&self, others: Validators) -> Vec<Validators> {
        match self.scope.misses {
            _ if self.is_timely() => vec![others],
            Misses::Late => vec![others],
            Misses::Lost => vec![Validators::NONE],
            Misses::Either => vec![others, Validators::NONE],
        }
    }

    fn to_all(&self) -> Reach {
        Reach::all(self.scope.everybody())
    }

    /// In time for some, and for the others whatever the scope allows.
    fn to_some(&self, in_time: Validators) -> Vec<Reach> {
        let others = self.scope.honest().without(in_time);
        let reach = |late: &Validators| Reach {
            in_time,
            late: *late,
        };
        let mut late: Vec<Validators> = self.fates(others);
        late.dedup();
        late.iter().map(reach).collect()
    }

    /// The parts in which nodes hear each other, one list for each way to part them.
    fn partitions(&self) -> Vec<Vec<Validators>> {
        let honest = self.scope.honest();
        let mut all = vec![vec![honest]];
        match self.scope.network {
            _ if self.is_timely() => {}
            Network::Timely | Network::Subsets => {}
            Network::Nothing => {
                return vec![honest.iter().map(|one| Validators::of(&[one])).collect()];
            }
            Network::OneApart => {
                for one in honest.iter().map(|one| Validators::of(&[one])) {
                    all.push(vec![one, honest.without(one)]);
                }
            }
            Network::Partitions => {
                // Each pair of parts once: validator 0 is in the second one.
                let pairs = honest.subsets().filter(|part| *part != Validators::NONE);
                for part in pairs.filter(|part| !part.contains(0)) {
                    all.push(vec![part, honest.without(part)]);
                }
                all.push(honest.iter().map(|one| Validators::of(&[one])).collect());
            }
        }
        all
    }

    /// Sets of honest nodes that a message may reach in time, everybody first.
    fn reached(&self, sender: Option<u8>) -> Vec<Validators> {
        let honest = self.scope.honest();
        let mut sets = vec![honest];
        if self.scope.network == Network::Nothing && !self.is_timely() {
            sets.clear();
        }
        if self.scope.network == Network::Subsets && !self.is_timely() {
            sets.extend(honest.subsets().filter(|set| *set != honest));
            if let Some(sender) = sender {
                sets.retain(|set| set.contains(sender));
            }
            return sets;
        }
        for partition in self.partitions() {
            let part = partition
                .into_iter()
                .find(|part| sender.is_none_or(|sender| part.contains(sender)));
            sets.extend(part.filter(|part| !sets.contains(part)));
        }
        sets
    }

    fn proposals(&self) -> Vec<Action> {
        let proposer = self.scope.proposer(self.world.slot);
        let sets = self.reached(Some(proposer)).into_iter();
        sets.flat_map(|set| self.to_some(set))
            .map(Action::Propose)
            .collect()
    }

    fn attestations(&self) -> Vec<Action> {
        let honest = self.scope.honest();
        let mut patterns: Vec<Vec<Validators>> = Vec::new();
        if self.scope.network == Network::Subsets && !self.is_timely() {
            for deaf in honest.subsets() {
                patterns.push(honest.iter().map(|_| honest.without(deaf)).collect());
            }
        } else {
            for partition in self.partitions() {
                let part_of = |one| partition.iter().find(|part| part.contains(one)).copied();
                patterns.push(honest.iter().filter_map(part_of).collect());
            }
        }
        let mut actions = Vec::new();
        for heard in patterns {
            let reaches: Vec<Vec<Reach>> = heard.iter().map(|set| self.to_some(*set)).collect();
            let choices = reaches.iter().map(Vec::len).max().unwrap_or_default();
            for choice in 0..choices {
                let of_each =
                    |reaches: &Vec<Reach>| reaches.get(choice).or(reaches.last()).copied();
                actions.push(Action::Attest(reaches.iter().filter_map(of_each).collect()));
            }
        }
        actions
    }

    /// Sets of honest nodes that a Byzantine validator may choose, neither none nor all.
    fn some(&self) -> impl Iterator<Item = Validators> + use<> {
        let honest = self.scope.honest();
        let proper = move |set: &Validators| *set != honest && *set != Validators::NONE;
        honest.subsets().filter(proper)
    }

    fn forgeries(&self) -> Vec<Vec<Forgery>> {
        let allowed = self.allowed();
        let proposer = self.scope.proposer(self.world.slot);
        let head = self.world.nodes[usize::from(proposer)].head;
        let block = |parent, body, reach| Forgery {
            parent,
            body,
            envelope: Envelope::Bound,
            link: None,
            reach,
        };
        let some = |in_time: Validators| Reach {
            in_time,
            late: self.scope.honest().without(in_time),
        };
        let all = Some(self.to_all());
        let mut choices = vec![Vec::new(), vec![block(head, Body::Honest, all)]];
        if allowed.show_to_some {
            for set in self.some() {
                choices.push(vec![block(head, Body::Honest, Some(some(set)))]);
            }
        }
        if allowed.equivocate_blocks {
            for set in self.some() {
                let rest = self.scope.honest().without(set);
                choices.push(vec![
                    block(head, Body::Honest, Some(some(set))),
                    block(head, Body::Empty, Some(some(rest))),
                ]);
            }
        }
        let parent = self.world.blocks.get(head).map(|block| block.parent);
        if let Some(parent) = parent.filter(|root| allowed.old_parent && *root != Root::INVENTED) {
            choices.push(vec![block(parent, Body::Honest, all)]);
        }
        if allowed.withhold {
            choices.push(vec![block(head, Body::Honest, None)]);
        }
        if allowed.invent {
            choices.push(vec![block(head, Body::Inventing, all)]);
        }
        choices
    }

    fn mischief(&self) -> Vec<Vec<Sent>> {
        let allowed = self.allowed();
        let byzantine = self.scope.everybody().without(self.scope.honest());
        let context = self.world.context(self.scope);
        let mut choices = vec![Vec::new()];
        for validator in byzantine.iter() {
            let node = &self.world.nodes[usize::from(validator)];
            let heads = if allowed.any_leaf || allowed.equivocate_votes {
                self.leaves()
            } else {
                vec![node.head]
            };
            let vote = |head| node.attestation_for(context, validator, head);
            let votes: Vec<_> = heads.into_iter().map(vote).collect();
            let some = |in_time: Validators| Reach {
                in_time,
                late: self.fates(self.scope.honest().without(in_time))[0],
            };
            let mut options: Vec<Vec<Sent>> = vec![Vec::new()];
            for vote in &votes {
                options.push(vec![Sent::Vote(*vote, self.to_all())]);
                if allowed.show_to_some {
                    options.extend(self.some().map(|set| vec![Sent::Vote(*vote, some(set))]));
                }
                let rivals = votes.iter().filter(|rival| *rival != vote);
                for rival in rivals.filter(|_| allowed.equivocate_votes) {
                    for set in self.some() {
                        let rest = self.scope.honest().without(set);
                        options.push(vec![
                            Sent::Vote(*vote, some(set)),
                            Sent::Vote(*rival, some(rest)),
                        ]);
                    }
                }
            }
            choices = product(&choices, &options);
        }
        if allowed.withhold {
            let mut options = vec![Vec::new()];
            for root in self.world.withheld.iter() {
                options.push(vec![Sent::Release(root, self.to_all())]);
            }
            choices = product(&choices, &options);
        }
        if allowed.stranger {
            choices = product(&choices, &self.strangers());
        }
        choices
    }

    /// What a stranger without a key may send: a block on some leaf, or an old vote.
    fn strangers(&self) -> Vec<Vec<Sent>> {
        let mut options = vec![Vec::new()];
        let newest = self.leaves().into_iter().max();
        let open = newest.filter(|root| self.world.blocks.slot(*root) < self.world.slot);
        let parent = open.or_else(|| {
            let newest = self.world.blocks.get(newest?)?;
            (newest.parent != Root::INVENTED).then_some(newest.parent)
        });
        if let Some(parent) = parent {
            options.push(vec![Sent::Forged(Forgery {
                parent,
                body: Body::Honest,
                envelope: Envelope::Unbound,
                link: None,
                reach: Some(self.to_all()),
            })]);
        }
        for vote in self.world.oldest.iter().flatten() {
            options.push(vec![Sent::Vote(*vote, self.to_all())]);
        }
        options
    }

    fn leaves(&self) -> Vec<Root> {
        let blocks = &self.world.blocks;
        let is_parent = |root: Root| {
            let child = |other| blocks.get(other).is_some_and(|block| block.parent == root);
            blocks.roots().any(child)
        };
        blocks.roots().filter(|root| !is_parent(*root)).collect()
    }
}

fn product(choices: &[Vec<Sent>], options: &[Vec<Sent>]) -> Vec<Vec<Sent>> {
    let pair = |choice: &Vec<Sent>| {
        let choice = choice.clone();
        options
            .iter()
            .map(move |option| [choice.as_slice(), option].concat())
            .collect::<Vec<_>>()
    };
    choices.iter().flat_map(pair).collect()
}
