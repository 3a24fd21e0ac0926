//! Where this store deviates from the specification's: each deviation is a switch.

/// The deviations from the specification's store (leanSpec `050fa4a`). All are local choices: what this node publishes
/// and which votes of gossip it takes. Which blocks are valid is the same with any of them.
///
/// `docs/protocol.md` has the table of deviations with their reasons; the reference vectors are checked with
/// [`Rules::SPECIFICATION`], the node runs with [`Rules::QUARTET`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Votes take source and finalized slot from the post-state of the head, in place of the store's highest ones.
    ///
    /// The store's may come from a block that the head has left. The head's chain may be unable to justify them ever,
    /// and then counts no vote that builds on them.
    pub votes_build_on_the_head: bool,
    /// A vote never has a target before its source: the source is the target then, and the vote for the head is heard.
    pub targets_never_precede_sources: bool,
    /// Gossip must be newer than what counts for the validator already, and not only than what waits.
    ///
    /// Otherwise anybody who repeats old votes can take newer ones away.
    pub votes_only_get_newer: bool,
    /// In gossip, source, target and head must lie on one chain in this order.
    pub votes_follow_one_chain: bool,
    /// Justified means the highest slot that a chain has justified, in place of the one that it has justified last.
    ///
    /// One proposer can move the latter back with the order of a body's votes.
    pub justified_is_the_highest: bool,
    /// Two votes of one validator for one slot have no weight for head and safe target, whichever came first.
    ///
    /// Otherwise a validator that shows them in different order to two halves of the network keeps these apart.
    pub equivocations_have_no_weight: bool,
    /// A proposal carries every vote at hand that brings a target closer to being justified, and not only those with
    /// the latest justified source.
    ///
    /// Otherwise votes that a proposer left out are lost once newer ones replace them.
    pub proposals_carry_all_that_counts: bool,
}

impl Rules {
    /// The specification's store, to the letter.
    pub const SPECIFICATION: Self = Self {
        votes_build_on_the_head: false,
        targets_never_precede_sources: false,
        votes_only_get_newer: false,
        votes_follow_one_chain: false,
        justified_is_the_highest: false,
        equivocations_have_no_weight: false,
        proposals_carry_all_that_counts: false,
    };

    /// What the node runs with.
    pub const QUARTET: Self = Self {
        votes_build_on_the_head: true,
        targets_never_precede_sources: true,
        votes_only_get_newer: true,
        votes_follow_one_chain: true,
        justified_is_the_highest: true,
        equivocations_have_no_weight: true,
        proposals_carry_all_that_counts: true,
    };
}
