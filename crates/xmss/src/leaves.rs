//! The leaves of a key: all chains of many epochs, walked from their secret starts to their ends.

use crate::{
    context::Context,
    field::Digest,
    hash::{LeafSponge, ParameterLanes, chain_step, tweaks},
    lanes::{Kernel, Lanes, broadcast, scatter},
    parameters::PARAMETER_ELEMENTS,
    prf::{ChainStarts, Derivation, KEY_BYTES},
    tweak,
};

/// Computes the leaves of `count` epochs from `first_epoch` on, one epoch per lane: a chain's ends go into the
/// leaves' sponges as they come, without ever leaving their lanes.
pub(crate) struct Leaves<'a> {
    pub(crate) context: &'a Context,
    pub(crate) derivation: Derivation,
    pub(crate) prf_key: &'a [u8; KEY_BYTES],
    pub(crate) parameter: &'a [u32; PARAMETER_ELEMENTS],
    pub(crate) first_epoch: u64,
    pub(crate) count: usize,
}

impl Kernel for Leaves<'_> {
    type Output = Vec<Digest>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Vec<Digest> {
        let Context {
            parameters,
            constants,
            ..
        } = self.context;
        let starts = ChainStarts::new(self.derivation, self.prf_key);
        let parameter: ParameterLanes<L> = broadcast(self.parameter);
        let mut leaves = Vec::with_capacity(self.count);
        for start in (0..self.count).step_by(L::WIDTH) {
            let epoch = |lane: usize| self.first_epoch + (start + lane).min(self.count - 1) as u64;
            let mut sponge = LeafSponge::<L>::new(
                self.context,
                &parameter,
                tweaks(|lane| tweak::tree(0, epoch(lane))),
            );
            for chain in 0..parameters.dimension {
                let mut value = starts.get::<L>(|lane| (epoch(lane), chain));
                for step in 1..parameters.base {
                    let tweak = tweaks::<L>(|lane| tweak::chain(epoch(lane), chain, step));
                    value = chain_step(constants, &parameter, tweak, &value);
                }
                sponge.absorb(&value);
            }
            scatter(&sponge.finish(), |lane, leaf| {
                if start + lane < self.count {
                    leaves.push(leaf);
                }
            });
        }
        leaves
    }
}
