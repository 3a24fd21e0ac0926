//! How much of the world a run looks at.

use crate::{
    names::{Slot, Validator, Validators},
    rules::Rules,
};

/// Which messages of honest nodes may be delayed or lost in an asynchronous slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// None.
    Timely,
    /// In each half of a slot those of and to one node.
    OneApart,
    /// In each half of a slot those between the parts of any partition into two, or of all from all.
    Partitions,
    /// The block reaches any set of nodes, and any set of nodes hears no votes.
    Subsets,
    /// All of them, in every slot: nobody hears anybody.
    Nothing,
}

/// What becomes of messages that do not arrive in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misses {
    /// They arrive at the start of the next slot.
    Late,
    /// Votes never arrive, blocks only when somebody asks for them by root.
    Lost,
    /// Either.
    Either,
}

/// What Byzantine validators may do besides what honest ones do, and besides keeping silent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mischief {
    /// Be silent throughout, as one that crashed: then nothing else of this is done.
    pub crashed: bool,
    /// Vote for any leaf of the tree.
    pub any_leaf: bool,
    /// Show a vote or a block in time to some only.
    pub show_to_some: bool,
    /// Cast two votes in a slot, one shown to some, the other to the others.
    pub equivocate_votes: bool,
    /// Make two blocks in a slot.
    pub equivocate_blocks: bool,
    /// Build on the parent of the head.
    pub old_parent: bool,
    /// Make a block in secret, and release it in any later slot.
    pub withhold: bool,
    /// Put a vote that names an invented root into a block.
    pub invent: bool,
    /// A stranger without a key forges blocks and replays old votes.
    pub stranger: bool,
}

impl Mischief {
    /// Nothing but silence now and then.
    pub const SILENCE: Self = Self {
        crashed: false,
        any_leaf: false,
        show_to_some: false,
        equivocate_votes: false,
        equivocate_blocks: false,
        old_parent: false,
        withhold: false,
        invent: false,
        stranger: false,
    };

    /// Nothing is sent at all.
    pub const CRASHED: Self = Self {
        crashed: true,
        ..Self::SILENCE
    };

    /// All of it.
    pub const ALL: Self = Self {
        crashed: false,
        any_leaf: true,
        show_to_some: true,
        equivocate_votes: true,
        equivocate_blocks: true,
        old_parent: true,
        withhold: true,
        invent: true,
        stranger: true,
    };
}

/// A run's limits and its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// How many validators there are, at most 8.
    pub validators: u8,
    /// How many of them, the last ones, are Byzantine.
    pub byzantine: u8,
    /// For so many slots messages may be delayed or lost.
    pub asynchronous: Slot,
    /// For so many slots afterwards honest nodes are timely; without a number for as many as the goal allows, see
    /// [`goal`].
    pub timely: Option<Slot>,
    /// For so many further slots the Byzantine validators keep silent.
    pub quiet: Slot,
    /// What may be delayed or lost.
    pub network: Network,
    /// What becomes of it.
    pub misses: Misses,
    /// Whether who receives a block in an asynchronous slot can fetch from its sender what it builds on and names.
    pub fetch: bool,
    /// Whose turn slot 0 would be.
    pub first_proposer: Validator,
    /// Whether ties of the fork choice go to the older block; roots are hashes, so one is as likely as the other.
    pub older_wins_ties: bool,
    /// What Byzantine validators may do in asynchronous slots.
    pub mischief: Mischief,
    /// What they may do in timely slots.
    pub timely_mischief: Mischief,
    /// The rules of honest nodes.
    pub rules: Rules,
}

impl Scope {
    /// Four validators of which one is Byzantine, in a timely network, with Quartet's rules.
    #[must_use]
    pub const fn new(asynchronous: Slot, timely: Option<Slot>) -> Self {
        Self {
            validators: 4,
            byzantine: 1,
            asynchronous,
            timely,
            quiet: 0,
            network: Network::Timely,
            misses: Misses::Either,
            fetch: true,
            first_proposer: 0,
            older_wins_ties: false,
            mischief: Mischief::SILENCE,
            timely_mischief: Mischief::SILENCE,
            rules: Rules::quartet(),
        }
    }

    /// Whether the model can hold the scope.
    ///
    /// # Errors
    /// When there are too many validators or slots, or no honest validator.
    pub fn validate(&self) -> anyhow::Result<()> {
        let (validators, byzantine) = (self.validators, self.byzantine);
        anyhow::ensure!(
            (1..=8).contains(&validators) && byzantine < validators,
            "{validators} validators of which {byzantine} are Byzantine: 1 to 8, and one of them honest, are possible"
        );
        let slots = u32::from(self.asynchronous) + u32::from(self.timely.unwrap_or(40));
        anyhow::ensure!(slots <= 100, "{slots} slots: at most 100 are possible");
        Ok(())
    }

    /// The honest validators.
    #[must_use]
    pub fn honest(&self) -> Validators {
        Validators::first(self.validators - self.byzantine)
    }

    /// Everybody.
    #[must_use]
    pub fn everybody(&self) -> Validators {
        Validators::first(self.validators)
    }

    /// Whose turn it is to propose.
    #[must_use]
    pub fn proposer(&self, slot: Slot) -> Validator {
        (slot + self.first_proposer) % self.validators
    }

    /// Whether honest nodes are timely in a slot.
    #[must_use]
    pub fn is_timely(&self, slot: Slot) -> bool {
        slot > self.asynchronous
    }
}

/// Slots in which finality is to move once messages arrive in time, when it was `behind` slots behind: 2·√d + 8,
/// rounded up.
#[must_use]
pub fn goal(behind: Slot) -> Slot {
    let twice = 4 * u32::from(behind);
    let mut root = 0_u8;
    while u32::from(root) * u32::from(root) < twice {
        root += 1;
    }
    root + 8
}
