//! An observer of the stages of applying a block, which can time them: this crate has no clock.

/// A stage of applying a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Advancing the state to the block's slot.
    Slots,
    /// The block: its header, and its attestations within.
    Block,
    /// The body's attestations; a part of [`Self::Block`].
    Attestations,
}

/// Observes the stages, and changes no result.
pub trait Observer {
    /// Does the work of a stage, once, and returns what it returns.
    fn watch<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T;
}

/// Observes nothing.
pub(crate) struct NoObserver;

impl Observer for NoObserver {
    fn watch<T>(&self, _: Stage, work: impl FnOnce() -> T) -> T {
        work()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use quartet_types::{Block, PublicKey, State};

    use super::*;
    use crate::{Selection, apply_block, apply_block_observed, build_block};

    /// The stages in the order of their beginnings and ends.
    #[derive(Default)]
    struct Diary(RefCell<Vec<(Stage, bool)>>);

    impl Observer for Diary {
        fn watch<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
            self.0.borrow_mut().push((stage, true));
            let result = work();
            self.0.borrow_mut().push((stage, false));
            result
        }
    }

    #[test]
    fn each_stage_is_seen_once_and_nothing_is_different() {
        let genesis = State::genesis(0, &[PublicKey::default()]).unwrap();
        let (block, _) = build_block(&genesis, 3, &[], Selection::AllThatCount).unwrap();
        let diary = Diary::default();
        let observed = apply_block_observed(&genesis, &block, &diary);
        assert_eq!(observed, apply_block(&genesis, &block));
        let expected = [
            (Stage::Slots, true),
            (Stage::Slots, false),
            (Stage::Block, true),
            (Stage::Attestations, true),
            (Stage::Attestations, false),
            (Stage::Block, false),
        ];
        assert_eq!(*diary.0.borrow(), expected);
        let invalid = Block { slot: 0, ..block };
        assert!(apply_block_observed(&genesis, &invalid, &diary).is_err());
    }
}
