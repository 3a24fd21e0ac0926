//! Walking many chains of different lengths side by side.

use crate::{
    context::Context,
    field::Digest,
    hash::{ParameterLanes, chain_step, tweaks},
    lanes::{Lanes, Row, gather, scatter},
    parameters::PARAMETER_ELEMENTS,
    tweak,
};

/// A range of one chain that is to be walked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChainWalk {
    pub(crate) epoch: u64,
    pub(crate) chain: u8,
    /// Steps that lie behind the value given.
    pub(crate) from: u8,
    /// Steps to take.
    pub(crate) steps: u8,
    /// Which of the parameters applies.
    pub(crate) parameter: u16,
    /// Which of the values to move.
    pub(crate) value: u32,
}

/// Moves every value along its walk. The walks are sorted by length first, so that the lanes of a group end together;
/// where they do not, the finished lanes keep their values.
#[inline(always)]
pub(crate) fn walk_all<L: Lanes>(
    context: &Context,
    parameters: &[[u32; PARAMETER_ELEMENTS]],
    walks: &[ChainWalk],
    values: &mut [Digest],
) {
    let walks = longest_first(walks);
    for group in walks.chunks(L::WIDTH) {
        // Lanes past the end repeat the last walk.
        let of_lane = |lane: usize| &group[lane.min(group.len() - 1)];
        let parameter: ParameterLanes<L> = gather::<L, PARAMETER_ELEMENTS>(|lane| {
            &parameters[usize::from(of_lane(lane).parameter)]
        });
        let mut value = gather::<L, 8>(|lane| &values[of_lane(lane).value as usize]);
        let shortest = of_lane(L::WIDTH - 1).steps;
        for step in 0..group[0].steps {
            let tweak = tweaks::<L>(|lane| {
                let walk = of_lane(lane);
                tweak::chain(
                    walk.epoch,
                    usize::from(walk.chain),
                    usize::from(walk.from + step) + 1,
                )
            });
            let next = chain_step(context.constants, &parameter, tweak, &value);
            if step < shortest {
                value = next;
            } else {
                let mut mask = Row::ZERO;
                for lane in 0..L::WIDTH {
                    mask.0[lane] = if step < of_lane(lane).steps {
                        u32::MAX
                    } else {
                        0
                    };
                }
                let mask = L::load(&mask.0);
                for (value, next) in value.iter_mut().zip(next) {
                    *value = value.select(mask, next);
                }
            }
        }
        scatter(&value, |lane, digest| {
            if let Some(walk) = group.get(lane) {
                values[walk.value as usize] = digest;
            }
        });
    }
}

/// The walks of at least one step, sorted by length, the longest first.
fn longest_first(walks: &[ChainWalk]) -> Vec<ChainWalk> {
    let mut places = [0; u8::MAX as usize + 1];
    for walk in walks {
        places[usize::from(walk.steps)] += 1;
    }
    // Where the walks of each length begin.
    let mut total = 0;
    for count in places[1..].iter_mut().rev() {
        (*count, total) = (total, total + *count);
    }
    let Some(any) = walks.first() else {
        return Vec::new();
    };
    let mut sorted = vec![*any; total];
    for walk in walks.iter().filter(|walk| walk.steps > 0) {
        let place = &mut places[usize::from(walk.steps)];
        sorted[*place] = *walk;
        *place += 1;
    }
    sorted
}
