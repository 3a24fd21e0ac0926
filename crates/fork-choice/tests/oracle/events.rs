//! What may happen to a store.

use proptest::{prelude::*, sample::Index};

/// A vote to be, for blocks that exist when it is cast.
#[derive(Debug, Clone)]
pub(crate) struct Vote {
    pub(crate) validator: u64,
    pub(crate) slots_back: u64,
    pub(crate) slots_ahead: u64,
    pub(crate) head: Index,
    pub(crate) target: Index,
    pub(crate) source: Index,
    pub(crate) flaw: Flaw,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Flaw {
    None,
    UnknownHead,
    UnknownSource,
    WrongTargetSlot,
}

#[derive(Debug, Clone)]
pub(crate) enum Event {
    Block {
        parent: Index,
        near_the_tip: bool,
        gap: u64,
        tie_breaker: u8,
        justified_back: Option<Index>,
        finalized_back: Option<Index>,
        zero_root: bool,
        body: Vec<Vote>,
        proposer: Vote,
    },
    Gossip(Vote),
    /// Blocks without votes, one after the other, in the shape of a chain, a comb or a bush.
    Run {
        parent: Index,
        blocks: usize,
        /// How far back from the newest block of the run each block of it builds, by turns.
        back: (usize, usize),
        tie_breaker: u8,
    },
    Tick {
        intervals: u64,
        has_proposal: bool,
    },
    Prune,
}

fn vote() -> impl Strategy<Value = Vote> {
    let flaw = prop_oneof![
        60 => Just(Flaw::None),
        1 => Just(Flaw::UnknownHead),
        1 => Just(Flaw::UnknownSource),
        1 => Just(Flaw::WrongTargetSlot),
    ];
    let validator = prop_oneof![80 => 0u64..7, 1 => Just(7u64)];
    let ahead = prop_oneof![20 => Just(0u64), 1 => 1u64..3];
    let indices = (any::<Index>(), any::<Index>(), any::<Index>());
    (validator, 0u64..4, ahead, indices, flaw).prop_map(
        |(validator, slots_back, slots_ahead, (head, target, source), flaw)| Vote {
            validator,
            slots_back,
            slots_ahead,
            head,
            target,
            source,
            flaw,
        },
    )
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    let checkpoints = (
        prop::option::weighted(0.3, any::<Index>()),
        prop::option::weighted(0.3, any::<Index>()),
    );
    let place = (any::<Index>(), any::<bool>(), 1u64..4, 0u8..4);
    let votes = (prop::collection::vec(vote(), 0..5), vote());
    let block = (place, checkpoints, prop::bool::weighted(0.03), votes).prop_map(
        |(
            (parent, near_the_tip, gap, tie_breaker),
            (justified_back, finalized_back),
            zero_root,
            (body, proposer),
        )| {
            Event::Block {
                parent,
                near_the_tip,
                gap,
                tie_breaker,
                justified_back,
                finalized_back,
                zero_root,
                body,
                proposer,
            }
        },
    );
    let run = (any::<Index>(), 4usize..14, (0usize..3, 0usize..3), 0u8..4);
    let run = run.prop_map(|(parent, blocks, back, tie_breaker)| Event::Run {
        parent,
        blocks,
        back,
        tie_breaker,
    });
    prop_oneof![
        1 => run,
        4 => block,
        8 => vote().prop_map(Event::Gossip),
        4 => (prop_oneof![8 => 1u64..5, 1 => 5u64..40], any::<bool>())
            .prop_map(|(intervals, has_proposal)| Event::Tick { intervals, has_proposal }),
        1 => Just(Event::Prune),
    ]
}
