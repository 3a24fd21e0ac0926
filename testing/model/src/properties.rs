//! What must hold, in every state or at the end of every run.

use stateright::{Model as _, Property};

use crate::{
    block::Envelope,
    model::Consensus,
    names::Root,
    node::Node,
    world::{Phase, World},
};

/// No two honest nodes finalize checkpoints of which neither is on the chain of the other.
pub const SAFETY: &str = "no two honest nodes finalize conflicting checkpoints";
/// At the end of the timely slots each honest node has finalized more than anybody had when they began.
pub const RECOVERY: &str = "finality moves again once messages arrive in time";
/// In the end all honest nodes have the same head.
pub const ONE_HEAD: &str = "all honest nodes end on one head";
/// No honest node condemns a block that another one imported.
pub const NO_VIEW: &str = "no root is condemned that an honest node imported";
/// In the end each honest node has imported the heads of the others.
pub const SAME_CHAIN: &str = "all honest nodes import each other's heads in the end";
/// A vote in the fork choice is replaced only by a newer one.
pub const NEWER: &str = "votes only get newer";
/// An honest node imports no block that neither its proposer nor any other validator stands for.
pub const AUTHENTIC: &str = "no block is imported that no validator stands for";
/// Of several blocks of one proposer and slot a node imports one, and those that others build on or vote for.
pub const ONE_BLOCK: &str = "one proposer and slot costs one import, unless others need more";

pub(crate) fn properties(model: &Consensus) -> Vec<Property<Consensus>> {
    let mut properties: Vec<Property<Consensus>> = vec![
        Property::always(SAFETY, is_safe),
        Property::always(NO_VIEW, |model: &Consensus, world: &World| {
            let honest = || world.honest(&model.scope);
            honest().all(|node| {
                let refused = |root| honest().any(|other| other.imported.contains(root));
                !node.condemned.iter().any(refused)
            })
        }),
        Property::always(NEWER, |model: &Consensus, world: &World| {
            !world.honest(&model.scope).any(|node| node.votes_went_back)
        }),
        Property::always(AUTHENTIC, |model: &Consensus, world: &World| {
            let mut honest = world.honest(&model.scope);
            honest.all(|node| {
                let forged = |root: &Root| {
                    let block = world.blocks.get(*root);
                    block.is_some_and(|block| block.envelope == Envelope::Unbound)
                };
                node.imported
                    .iter()
                    .filter(forged)
                    .all(|root| stands(world, root))
            })
        }),
        Property::always(ONE_BLOCK, |model: &Consensus, world: &World| {
            let mut honest = world.honest(&model.scope);
            honest.all(|node| !imports_idly(world, node))
        }),
    ];
    if model.scope.timely != Some(0) {
        properties.push(Property::eventually(RECOVERY, has_recovered));
        properties.push(Property::always(
            ONE_HEAD,
            |model: &Consensus, world: &World| {
                let mut heads = world.honest(&model.scope).map(|node| node.head);
                let first = heads.next();
                world.phase != Phase::Over || heads.all(|head| Some(head) == first)
            },
        ));
        properties.push(Property::always(
            SAME_CHAIN,
            |model: &Consensus, world: &World| {
                let heads: Vec<Root> = world.honest(&model.scope).map(|node| node.head).collect();
                let has_all = |node: &Node| heads.iter().all(|head| node.imported.contains(*head));
                world.phase != Phase::Over || world.honest(&model.scope).all(has_all)
            },
        ));
    }
    properties
}

/// A function of the state that stays true once it is: so a state that two paths join in is judged alike for both.
fn has_recovered(_: &Consensus, world: &World) -> bool {
    world.recovered.is_some()
}

fn is_safe(model: &Consensus, world: &World) -> bool {
    let finalized: Vec<Root> = world
        .honest(&model.scope)
        .map(|node| node.finalized)
        .collect();
    finalized.iter().enumerate().all(|(index, one)| {
        let others = &finalized[index + 1..];
        !others
            .iter()
            .any(|other| world.blocks.conflict(*one, *other))
    })
}

/// Whether a proposer signed a descendant of a block, or a validator other than its proposer a vote that names it.
fn stands(world: &World, root: Root) -> bool {
    let blocks = &world.blocks;
    let signed = |other: Root| {
        let block = blocks.get(other);
        block.is_some_and(|block| block.proposer_vote.is_some()) && blocks.is_ancestor(root, other)
    };
    world.named.contains(root) || blocks.roots().any(signed)
}

/// Whether a node imported two bound blocks of a slot of which nobody needs either.
fn imports_idly(world: &World, node: &Node) -> bool {
    let blocks = &world.blocks;
    let idle = |root: &Root| {
        let child = |other| blocks.get(other).is_some_and(|other| other.parent == *root);
        !world.named.contains(*root) && !blocks.roots().any(child)
    };
    let bound = |root: &Root| {
        let block = blocks.get(*root);
        block.is_some_and(|block| block.envelope != Envelope::Unbound)
    };
    let mut slots: Vec<u8> = node
        .imported
        .iter()
        .filter(|root| bound(root) && idle(root))
        .map(|root| blocks.slot(root))
        .collect();
    let count = slots.len();
    slots.dedup();
    slots.len() < count
}

/// The names of the properties that a scope is checked for.
#[must_use]
pub fn names(model: &Consensus) -> Vec<&'static str> {
    model
        .properties()
        .iter()
        .map(|property| property.name)
        .collect()
}
