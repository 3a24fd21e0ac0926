//! A run of the model, followed by the node's own state transition and fork choice.

use quartet_fork_choice::{
    AttestationError, AttestationOrigin, BlockInfo, Checkpoints, ForkChoice, NamedBlocks,
};
use quartet_model::{
    Rules, Scope,
    block::{Block as ModelBlock, Vote},
    journal::NodeEvent,
    names::{Root as Name, Slot},
    node::Node,
    world::{Phase, World},
};
use quartet_state_transition::seal_block;
use quartet_types::{
    Attestation, AttestationData, Block, BlockBody, Checkpoint, PublicKey, Root, State,
};
use tree_hash::TreeHash as _;

/// What the node's code makes of a run.
#[derive(Clone)]
pub(crate) struct Replay {
    /// By the model's names: the real block's root, and the state after it.
    blocks: Vec<(Root, State)>,
    /// One fork choice for each honest node; none any more for one whose run can be followed no further.
    stores: Vec<Option<ForkChoice>>,
    /// Whether the model has two blocks that are one: then all ends.
    has_twins: bool,
    /// Blocks imported, and comparisons of a node.
    pub(crate) imported: u64,
    pub(crate) compared: u64,
    /// Fork choices that were followed no further.
    pub(crate) left: u64,
}

/// The node's rules where the model has the same.
fn rules(rules: Rules) -> quartet_fork_choice::Rules {
    quartet_fork_choice::Rules {
        votes_build_on_the_head: rules.source_of_the_head,
        votes_only_get_newer: rules.votes_only_get_newer,
        justified_is_the_highest: false,
        equivocations_have_no_weight: false,
        ..quartet_fork_choice::Rules::QUARTET
    }
}

/// Whether the model's nodes follow rules that the node has.
fn has_rules_of_the_node(scope: &Scope) -> bool {
    let proposed = scope.rules.finality_counts_one_source
        || scope.rules.finality_needs_adjacent_slots
        || scope.rules.equivocators_weigh_nothing
        || scope.rules.one_target_per_slot
        || scope.rules.no_surround;
    scope.first_proposer == 0 && !proposed
}

impl Replay {
    pub(crate) fn new(scope: &Scope) -> Self {
        let keys: Vec<_> = (0..scope.validators)
            .map(|index| PublicKey([index; 52]))
            .collect();
        let genesis = State::genesis(0, &keys).unwrap();
        let root = Block::genesis(&genesis).tree_hash_root();
        let anchor = checkpoint(scope, Name::GENESIS, 0);
        let anchored = Checkpoints {
            justified: anchor,
            finalized: anchor,
        };
        let info = BlockInfo {
            root: anchor.root,
            parent_root: Root::ZERO,
            slot: 0,
        };
        let validators = u64::from(scope.validators);
        let store = ForkChoice::new(info, anchored, validators, rules(scope.rules));
        let is_followed = has_rules_of_the_node(scope);
        let stores = scope
            .honest()
            .iter()
            .map(|_| is_followed.then(|| store.clone()));
        Self {
            blocks: vec![(root, genesis)],
            stores: stores.collect(),
            has_twins: false,
            imported: 0,
            compared: 0,
            left: 0,
        }
    }

    /// Does what the nodes of the model did since, and compares.
    pub(crate) fn follow(&mut self, scope: &Scope, world: &mut World) {
        if !has_rules_of_the_node(scope) || self.has_twins {
            return;
        }
        for number in self.blocks.len()..world.blocks.count() {
            self.transition(world, Name(number as u8));
            if self.has_twins {
                self.left += self.stores.iter_mut().filter_map(Option::take).count() as u64;
                return;
            }
        }
        for index in 0..self.stores.len() {
            let events = world.nodes[index].journal.take();
            for (slot, event) in events {
                self.act(scope, world, index, slot, event);
            }
            self.compare(scope, world, index);
        }
    }

    /// Whether a node's fork choice has come to the end of the run, and so has seen what its node in the model has.
    pub(crate) fn has_followed(&self, node: usize) -> bool {
        self.stores[node].is_some()
    }

    /// Makes the real block of a block of the model, and compares the states after both.
    fn transition(&mut self, world: &World, name: Name) {
        let block = world.blocks.get(name).unwrap();
        let (parent_root, pre) = self.blocks[usize::from(block.parent.0)].clone();
        let validators = pre.validator_count();
        let vote = |vote: &Vote| {
            let real = |name: Name| Checkpoint {
                root: self.real(name),
                slot: world.blocks.slot(name).into(),
            };
            attestation(vote, real)
        };
        let attestations: Vec<_> = block.body.iter().map(vote).collect();
        let unsealed = Block {
            slot: block.slot.into(),
            proposer_index: u64::from(block.slot) % validators,
            parent_root,
            state_root: Root::ZERO,
            body: BlockBody {
                attestations: attestations.try_into().unwrap(),
            },
        };
        let (sealed, post) = seal_block(&pre, unsealed).unwrap();
        let root = sealed.tree_hash_root();
        // Two blocks of a proposer with the same votes are one block in earnest, and two in the model.
        self.has_twins |= self.blocks.iter().any(|(other, _)| *other == root);
        if self.has_twins {
            return;
        }
        self.blocks.push((root, post.clone()));
        self.compare_states(world, block, &post);
    }

    fn compare_states(&self, world: &World, block: &ModelBlock, post: &State) {
        let real = |name: Name| Checkpoint {
            root: self.real(name),
            slot: world.blocks.slot(name).into(),
        };
        assert_eq!(post.latest_justified, real(block.post.justified));
        assert_eq!(post.latest_finalized, real(block.post.finalized));
        for slot in 0..block.slot {
            let is_justified = post.justified_slots.get(usize::from(slot));
            assert_eq!(
                is_justified,
                Some(block.post.is_justified(slot)),
                "slot {slot}"
            );
        }
        let mut tallies: Vec<(Root, Vec<bool>)> = Vec::new();
        for (target, voters) in &block.post.tallies {
            let voters = (0..post.validator_count()).map(|one| voters.contains(one as u8));
            tallies.push((self.real(*target), voters.collect()));
        }
        tallies.sort();
        let (roots, runs): (Vec<_>, Vec<_>) = tallies.into_iter().unzip();
        assert!(
            post.justifications_roots.iter().eq(&roots),
            "targets with votes"
        );
        let voters: Vec<bool> = post.justifications_validators.iter().collect();
        assert_eq!(
            voters,
            runs.concat(),
            "who has voted for {roots:?}: {block:?}"
        );
    }

    fn real(&self, name: Name) -> Root {
        let block = self.blocks.get(usize::from(name.0));
        block.map_or(Root::repeat_byte(0xee), |(root, _)| *root)
    }

    fn act(&mut self, scope: &Scope, world: &World, index: usize, slot: Slot, event: NodeEvent) {
        let Some(store) = &mut self.stores[index] else {
            return;
        };
        let start = 4 * u64::from(slot);
        store.advance_to(start);
        let named = |name: Name| checkpoint(scope, name, world.blocks.slot(name));
        match event {
            // The second interval, and the third.
            NodeEvent::SafeTarget => store.advance_to(start + 2),
            NodeEvent::Accepted if store.time() == start + 2 => store.advance_to(start + 3),
            NodeEvent::Accepted => store.accept_new_attestations(),
            NodeEvent::Heard(vote) => {
                let found =
                    store.on_attestation(&attestation(&vote, named), AttestationOrigin::Gossip);
                let is_on_chain = world.blocks.is_ancestor(vote.source, vote.target)
                    && world.blocks.is_ancestor(vote.target, vote.head);
                let is_off_chain = matches!(
                    found,
                    Err(AttestationError::OffChain { .. }
                        | AttestationError::SourceAfterTarget { .. })
                );
                assert_eq!(is_off_chain, !is_on_chain, "{found:?} for {vote:?}");
                assert!(found.is_ok() || is_off_chain, "{found:?} for {vote:?}");
            }
            NodeEvent::Imported(name) => self.import(scope, world, index, name),
        }
    }

    fn import(&mut self, scope: &Scope, world: &World, index: usize, name: Name) {
        let post = &self.blocks[usize::from(name.0)].1;
        let named = |name: Name| checkpoint(scope, name, world.blocks.slot(name));
        // The fork choice gets names whose order is that of the model's.
        let known = |real: Checkpoint| {
            let number = self.blocks.iter().position(|(root, _)| *root == real.root);
            checkpoint(scope, Name(number.unwrap() as u8), real.slot as u8)
        };
        let checkpoints = Checkpoints {
            justified: known(post.latest_justified),
            finalized: known(post.latest_finalized),
        };
        let block = world.blocks.get(name).unwrap();
        let info = BlockInfo {
            root: named(name).root,
            parent_root: named(block.parent).root,
            slot: block.slot.into(),
        };
        let body: Vec<_> = block
            .body
            .iter()
            .map(|vote| attestation(vote, named))
            .collect();
        let Some(store) = &mut self.stores[index] else {
            return;
        };
        // An envelope that a stranger made has an old vote: one that waits or, by the node's rules, counts changes
        // nothing.
        let counted = store
            .known_attestations()
            .filter(|_| scope.rules.votes_only_get_newer);
        let old = store.new_attestations().chain(counted).next();
        let proposer = block
            .proposer_vote
            .map(|vote| attestation(&vote, named))
            .or(old);
        let names_are_known = body.iter().chain(&proposer).all(|vote| {
            let data = vote.data;
            let names = [data.source.root, data.target.root, data.head.root];
            names
                .iter()
                .all(|root| store.contains(root) || *root == info.root)
        });
        match proposer {
            Some(proposer) if names_are_known => {
                store
                    .on_block(info, checkpoints, &body, &proposer, NamedBlocks::Known)
                    .unwrap();
                self.imported += 1;
            }
            _ => {
                self.stores[index] = None;
                self.left += 1;
            }
        }
    }

    fn compare(&mut self, scope: &Scope, world: &World, index: usize) {
        let Some(store) = &self.stores[index] else {
            return;
        };
        let node: &Node = &world.nodes[index];
        let named = |name: Name| checkpoint(scope, name, world.blocks.slot(name));
        assert_eq!(store.latest_justified(), named(node.justified), "justified");
        assert_eq!(store.latest_finalized(), named(node.finalized), "finalized");
        assert_eq!(store.head(), named(node.head), "head");
        assert_eq!(store.safe_target(), named(node.safe_target), "safe target");
        let of = |votes: &[Option<Vote>]| -> Vec<Attestation> {
            let votes = votes.iter().flatten();
            votes.map(|vote| attestation(vote, named)).collect()
        };
        let sorted = |mut votes: Vec<Attestation>| {
            votes.sort_by_key(|vote| vote.validator_id);
            votes
        };
        assert_eq!(
            sorted(store.known_attestations().collect()),
            of(&node.known),
            "known votes"
        );
        assert_eq!(
            sorted(store.new_attestations().collect()),
            of(&node.new),
            "new votes"
        );
        if world.phase != Phase::Over {
            let vote = node.attestation(world.context(scope), index as u8);
            let data = store.attestation_data(world.slot.into());
            assert_eq!(data, attestation(&vote, named).data, "what is attested");
        }
        self.compared += 1;
    }
}

/// A checkpoint of the fork choice: the order of roots is that of the model's names, or the other way round.
fn checkpoint(scope: &Scope, name: Name, slot: Slot) -> Checkpoint {
    let mut root = Root::ZERO;
    root.0[0] = 1;
    root.0[31] = if scope.older_wins_ties {
        u8::MAX - name.0
    } else {
        name.0
    };
    if name == Name::INVENTED {
        root = Root::repeat_byte(0xee);
    }
    Checkpoint {
        root,
        slot: slot.into(),
    }
}

fn attestation(vote: &Vote, named: impl Fn(Name) -> Checkpoint) -> Attestation {
    Attestation {
        validator_id: vote.validator.into(),
        data: AttestationData {
            slot: vote.slot.into(),
            head: named(vote.head),
            target: named(vote.target),
            source: named(vote.source),
        },
    }
}
