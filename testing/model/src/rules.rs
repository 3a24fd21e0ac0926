//! The rules that can be switched, one field each.

/// Which rules the honest nodes follow. [`Rules::quartet`] has those that the node has; each of the first group can be
/// turned off to see what it is for, each of the second can be turned on to see what it would give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Attest `latest_justified` of the head's post-state as source. Off: the store's highest justified checkpoint, as
    /// 050fa4a does.
    pub source_of_the_head: bool,
    /// Propose every vote at hand that would count on this chain, also those of abandoned branches. Off: only the
    /// newest ones whose source is the post-state's latest justified checkpoint, as 050fa4a does.
    pub carry_votes: bool,
    /// A vote by gossip counts only if it is newer than all that is held of its validator. Off: newer than the one not
    /// yet accepted, and accepting replaces a newer known one, as in 050fa4a.
    pub votes_only_get_newer: bool,
    /// Unbound blocks by gossip are refused. Off: any valid block is imported, as in 050fa4a, whose envelope proves
    /// nothing.
    pub refuse_unbound: bool,
    /// A second block of a proposer and slot is imported only when it is needed. Off: at once.
    pub one_block_per_slot: bool,
    /// A block that names what is unknown waits. Off: its root is condemned, as 050fa4a's error is read literally.
    pub unknown_names_wait: bool,
    /// A block that waits for names is imported without them once more than a third of the validators vote for it or
    /// for a descendant. Off: it waits forever if nobody serves them.
    pub vouching: bool,

    /// *Proposed.* Never attest two different targets of one slot.
    pub one_target_per_slot: bool,
    /// *Proposed.* Never attest a target older than one attested before, nor a source older than one attested before:
    /// with the rule above, the two commandments of Casper FFG.
    pub no_surround: bool,
    /// *Proposed.* A node holds a checkpoint final only when two thirds gave their votes from that very source.
    pub finality_counts_one_source: bool,
    /// *Proposed*, with the rule above. A node holds a checkpoint final only when the target's slot is the next one:
    /// branches that finalized different checkpoints have different ideas of what lies between.
    pub finality_needs_adjacent_slots: bool,
    /// *Proposed.* The votes of a validator that was seen to attest twice in a slot weigh nothing in the fork choice,
    /// and the pair is passed on once as evidence.
    pub equivocators_weigh_nothing: bool,
}

impl Rules {
    /// The node's rules.
    #[must_use]
    pub const fn quartet() -> Self {
        Self {
            source_of_the_head: true,
            carry_votes: true,
            votes_only_get_newer: true,
            refuse_unbound: true,
            one_block_per_slot: true,
            unknown_names_wait: true,
            vouching: true,
            one_target_per_slot: false,
            no_surround: false,
            finality_counts_one_source: false,
            finality_needs_adjacent_slots: false,
            equivocators_weigh_nothing: false,
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::quartet()
    }
}
