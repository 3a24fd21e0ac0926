//! The hashing of a batch: codewords, chains, leaves, and the climbs up the trees, a signature in each lane.

use super::{
    batch::{BATCH, Batch, Outcome},
    path_cache::PathEnd,
};
use crate::{
    chains::{ChainWalk, walk_all},
    context::Context,
    field::DIGEST_ELEMENTS,
    hash::{self, LeafSponge, node, tweaks},
    hypercube::HASH_ELEMENTS,
    lanes::{Kernel, Lanes, Row, Vector, all_to_montgomery, gather, scatter, store_rows},
    parameters::PARAMETER_ELEMENTS,
    tweak,
};

/// Finds out the outcome of every signature of a batch.
pub(super) struct VerifyBatch<'a> {
    pub(super) context: &'a Context,
    pub(super) batch: &'a mut Batch,
}

/// A signature's path from one level to another one.
#[derive(Clone, Copy)]
struct Climb {
    place: usize,
    from: usize,
    to: PathEnd,
}

impl Kernel for VerifyBatch<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { context, batch } = self;
        let (height, dimension, count) = (batch.height, batch.dimension, batch.count());
        all_to_montgomery::<L>(batch.randomness.as_flattened_mut());
        all_to_montgomery::<L>(batch.paths[..height * count].as_flattened_mut());
        all_to_montgomery::<L>(batch.chains[..dimension * count].as_flattened_mut());
        let mut places: Vec<usize> = (0..count).collect();
        let mut walks = Vec::with_capacity(count * dimension);
        let mut encoded = [false; BATCH];
        for (lanes, group) in groups::<L, _>(&places) {
            let (walks, encoded) = (&mut walks, &mut encoded);
            match lanes {
                Used::OneOrTwo => {
                    for one in group.chunks(1) {
                        codewords::<L::Single>(context, batch, one, walks, encoded);
                    }
                }
                Used::Few => codewords::<L::Narrow>(context, batch, group, walks, encoded),
                Used::Many => codewords::<L>(context, batch, group, walks, encoded),
            }
        }
        walk_all::<L>(context, &batch.parameters, &walks, &mut batch.chains);
        // A signature without a codeword is invalid.
        places.retain(|place| encoded[*place]);
        for (lanes, group) in groups::<L, _>(&places) {
            match lanes {
                Used::OneOrTwo => {
                    for one in group.chunks(1) {
                        leaves::<L::Single>(context, batch, one);
                    }
                }
                Used::Few => leaves::<L::Narrow>(context, batch, group),
                Used::Many => leaves::<L>(context, batch, group),
            }
        }
        let mut climbs: Vec<Climb> = (places.iter())
            .map(|place| Climb {
                place: *place,
                from: 0,
                to: batch.stop(*place),
            })
            .collect();
        climb_all::<L>(context, batch, &mut climbs);
        // Where the cached node is another one, hashing up to the root decides.
        let mut on_to_the_root: Vec<Climb> = (climbs.iter())
            .filter(|climb| climb.to.level < height && batch.outcomes[climb.place].is_none())
            .map(|climb| Climb {
                place: climb.place,
                from: climb.to.level,
                to: batch.at_root(climb.place),
            })
            .collect();
        climb_all::<L>(context, batch, &mut on_to_the_root);
    }
}

/// How many lanes a group of signatures fills. A vector takes as long however few are in use: few are done sooner
/// in a narrower one, and one or two one by one.
#[derive(Clone, Copy)]
enum Used {
    OneOrTwo,
    Few,
    Many,
}

/// Cuts signatures into groups with a lane for each.
fn groups<L: Lanes, T>(all: &[T]) -> impl Iterator<Item = (Used, &[T])> {
    all.chunks(L::WIDTH).map(|group| {
        let used = match group.len() {
            1 | 2 => Used::OneOrTwo,
            used if used <= <L::Narrow as Vector>::WIDTH => Used::Few,
            _ => Used::Many,
        };
        (used, group)
    })
}

/// What a lane works on; lanes past the end repeat the last.
#[inline(always)]
fn in_lane<T: Copy>(group: &[T], lane: usize) -> T {
    group[lane.min(group.len() - 1)]
}

/// Hashes the messages, maps the hashes to codewords, and lists how far each chain is from its end.
#[inline(always)]
fn codewords<L: Lanes>(
    context: &Context,
    batch: &Batch,
    group: &[usize],
    walks: &mut Vec<ChainWalk>,
    encoded: &mut [bool; BATCH],
) {
    let (dimension, base) = (batch.dimension, context.parameters.base);
    let mut output = hash::message::<L>(
        context.constants,
        &gather(|lane| &batch.randomness[in_lane(group, lane)]),
        &gather(|lane| &batch.parameters[in_lane(group, lane)]),
        gather(|lane| &batch.epoch_elements[in_lane(group, lane)]),
        &gather(|lane| &batch.messages[in_lane(group, lane)]),
    );
    for element in &mut output {
        *element = element.to_canonical();
    }
    let rows = store_rows::<L, HASH_ELEMENTS>(&output);
    for (lane, place) in group.iter().enumerate() {
        let Some(codeword) = context.hypercube.codeword(&rows.map(|row| row.0[lane])) else {
            continue;
        };
        encoded[*place] = true;
        for (chain, digit) in codeword.into_iter().enumerate() {
            walks.push(ChainWalk {
                epoch: batch.epochs[*place],
                chain: chain as u8,
                from: digit,
                steps: base as u8 - 1 - digit,
                parameter: *place as u16,
                value: (place * dimension + chain) as u32,
            });
        }
    }
}

/// Hashes the chain ends to leaves.
#[inline(always)]
fn leaves<L: Lanes>(context: &Context, batch: &mut Batch, group: &[usize]) {
    let dimension = batch.dimension;
    let parameter = parameters::<L>(batch, |lane| in_lane(group, lane));
    let tweak = tweaks::<L>(|lane| tweak::tree(0, batch.epochs[in_lane(group, lane)]));
    let mut sponge = LeafSponge::new(context, &parameter, tweak);
    for chain in 0..dimension {
        sponge.absorb(&gather(|lane| {
            &batch.chains[in_lane(group, lane) * dimension + chain]
        }));
    }
    scatter(&sponge.finish(), |lane, leaf| {
        if let Some(place) = group.get(lane) {
            batch.set_node(*place, 0, leaf);
        }
    });
}

#[inline(always)]
fn parameters<L: Lanes>(batch: &Batch, place: impl Fn(usize) -> usize) -> [L; PARAMETER_ELEMENTS] {
    gather(|lane| &batch.parameters[place(lane)])
}

/// Hashes all climbs up to their ends, those of the same length together, and stores the outcome of those that end at
/// the expected node. One that does not is invalid if its end is the root; otherwise nothing is known yet.
#[inline(always)]
fn climb_all<L: Lanes>(context: &Context, batch: &mut Batch, climbs: &mut [Climb]) {
    climbs.sort_unstable_by_key(|climb| (climb.from, climb.to.level, climb.place));
    for same_start in climbs.chunk_by(|one, other| one.from == other.from) {
        for (lanes, group) in groups::<L, _>(same_start) {
            match lanes {
                Used::OneOrTwo => {
                    for one in group.chunks(1) {
                        climb::<L::Single>(context, batch, one);
                    }
                }
                Used::Few => climb::<L::Narrow>(context, batch, group),
                Used::Many => climb::<L>(context, batch, group),
            }
        }
    }
    for each in climbs {
        let PathEnd { level, node } = each.to;
        if *batch.node(each.place, level) == node {
            batch.outcomes[each.place] = Some(Outcome::Valid(level));
        } else if level == batch.height {
            batch.outcomes[each.place] = Some(Outcome::Invalid);
        }
    }
}

/// Hashes from the level at which a group's climbs begin up to the highest at which one ends.
#[inline(always)]
fn climb<L: Lanes>(context: &Context, batch: &mut Batch, group: &[Climb]) {
    let (height, first) = (batch.height, group[0].from);
    let last = group
        .iter()
        .map(|climb| climb.to.level)
        .max()
        .unwrap_or(first);
    if first == last {
        return;
    }
    let place = |lane| in_lane(group, lane).place;
    let parameter = parameters::<L>(batch, place);
    let mut current = gather::<L, DIGEST_ELEMENTS>(|lane| batch.node(place(lane), first));
    for level in first..last {
        let sibling =
            gather::<L, DIGEST_ELEMENTS>(|lane| &batch.paths[place(lane) * height + level]);
        let mut is_right = Row::ZERO;
        for lane in 0..L::WIDTH {
            is_right.0[lane] = 0u32.wrapping_sub((batch.epochs[place(lane)] >> level) as u32 & 1);
        }
        let is_right = L::load(&is_right.0);
        let (mut left, mut right) = (current, sibling);
        for i in 0..DIGEST_ELEMENTS {
            left[i] = current[i].select(is_right, sibling[i]);
            right[i] = sibling[i].select(is_right, current[i]);
        }
        let tweak = tweaks::<L>(|lane| {
            tweak::tree(level as u32 + 1, batch.epochs[place(lane)] >> (level + 1))
        });
        current = node(context.constants, &parameter, tweak, &left, &right);
        // Above its own end the nodes of a climb mean nothing, and are never read.
        scatter(&current, |lane, node| {
            if let Some(climb) = group.get(lane) {
                batch.set_node(climb.place, level + 1, node);
            }
        });
    }
}
