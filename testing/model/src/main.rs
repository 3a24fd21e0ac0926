//! Checks a scope and prints what was covered and what was found.
//!
//! `cargo run --release -p quartet-model -- --asynchronous 3 --network one-apart --misses late --timely 0`

// A report is what this program is for.
#![allow(clippy::print_stdout)]

use clap::{Parser, ValueEnum};
use quartet_model::{
    Mischief, Misses, Network, Rules, Scope,
    check::{Search, check},
    names::Slot,
};

/// Checks the consensus rules in a scope.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many validators there are, each with a node of its own.
    #[arg(long, default_value_t = 4)]
    validators: u8,
    /// How many of them, the last ones, are Byzantine.
    #[arg(long, default_value_t = 1)]
    byzantine: u8,
    /// Slots in which messages may be delayed or lost.
    #[arg(long, default_value_t = 3)]
    asynchronous: Slot,
    /// Timely slots afterwards; as many as the goal for recovery allows, unless given.
    #[arg(long)]
    timely: Option<Slot>,
    /// Further slots in which Byzantine validators keep silent.
    #[arg(long, default_value_t = 0)]
    quiet: Slot,
    /// Which messages of honest nodes may be delayed or lost.
    #[arg(long, value_enum, default_value_t = NetworkName::OneApart)]
    network: NetworkName,
    /// What becomes of them.
    #[arg(long, value_enum, default_value_t = MissesName::Late)]
    misses: MissesName,
    /// What Byzantine validators may do besides silence, in any slot.
    #[arg(long, value_delimiter = ',')]
    mischief: Vec<MischiefName>,
    /// What they may do in timely slots; the same, unless given.
    #[arg(long, value_delimiter = ',')]
    timely_mischief: Option<Vec<MischiefName>>,
    /// Rules to do without.
    #[arg(long, value_delimiter = ',')]
    without: Vec<RuleName>,
    /// Proposed rules to follow.
    #[arg(long, value_delimiter = ',')]
    with: Vec<ProposedName>,
    /// Who receives a block in an asynchronous slot cannot fetch what it needs.
    #[arg(long)]
    no_fetch: bool,
    /// Whose turn slot 0 would be.
    #[arg(long, default_value_t = 0)]
    first_proposer: u8,
    /// Ties of the fork choice go to the older block.
    #[arg(long)]
    older_wins_ties: bool,
    /// Search at random from this seed rather than exhaustively.
    #[arg(long)]
    seed: Option<u64>,
    /// States to generate, repeated ones included, before the search ends.
    #[arg(long, default_value_t = 10_000_000)]
    states: usize,
    /// Stop at the first counterexample.
    #[arg(long)]
    first: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum NetworkName {
    Timely,
    OneApart,
    Partitions,
    Subsets,
    Nothing,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MissesName {
    Late,
    Lost,
    Either,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MischiefName {
    None,
    Crashed,
    AnyLeaf,
    ShowToSome,
    EquivocateVotes,
    EquivocateBlocks,
    OldParent,
    Withhold,
    Invent,
    Stranger,
    All,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RuleName {
    SourceOfTheHead,
    CarryVotes,
    VotesOnlyGetNewer,
    RefuseUnbound,
    OneBlockPerSlot,
    UnknownNamesWait,
    Vouching,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProposedName {
    OneTargetPerSlot,
    NoSurround,
    FinalityCountsOneSource,
    FinalityNeedsAdjacentSlots,
    EquivocatorsWeighNothing,
}

fn mischief(names: &[MischiefName]) -> Mischief {
    let mut mischief = Mischief::SILENCE;
    for name in names {
        match name {
            MischiefName::None => {}
            MischiefName::Crashed => mischief.crashed = true,
            MischiefName::AnyLeaf => mischief.any_leaf = true,
            MischiefName::ShowToSome => mischief.show_to_some = true,
            MischiefName::EquivocateVotes => mischief.equivocate_votes = true,
            MischiefName::EquivocateBlocks => mischief.equivocate_blocks = true,
            MischiefName::OldParent => mischief.old_parent = true,
            MischiefName::Withhold => mischief.withhold = true,
            MischiefName::Invent => mischief.invent = true,
            MischiefName::Stranger => mischief.stranger = true,
            MischiefName::All => mischief = Mischief::ALL,
        }
    }
    mischief
}

fn rules(without: &[RuleName], with: &[ProposedName]) -> Rules {
    let mut rules = Rules::quartet();
    for name in without {
        match name {
            RuleName::SourceOfTheHead => rules.source_of_the_head = false,
            RuleName::CarryVotes => rules.carry_votes = false,
            RuleName::VotesOnlyGetNewer => rules.votes_only_get_newer = false,
            RuleName::RefuseUnbound => rules.refuse_unbound = false,
            RuleName::OneBlockPerSlot => rules.one_block_per_slot = false,
            RuleName::UnknownNamesWait => rules.unknown_names_wait = false,
            RuleName::Vouching => rules.vouching = false,
        }
    }
    for name in with {
        match name {
            ProposedName::OneTargetPerSlot => rules.one_target_per_slot = true,
            ProposedName::NoSurround => rules.no_surround = true,
            ProposedName::FinalityCountsOneSource => rules.finality_counts_one_source = true,
            ProposedName::FinalityNeedsAdjacentSlots => {
                rules.finality_needs_adjacent_slots = true;
            }
            ProposedName::EquivocatorsWeighNothing => rules.equivocators_weigh_nothing = true,
        }
    }
    rules
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let timely_mischief = arguments.timely_mischief.as_ref();
    let scope = Scope {
        validators: arguments.validators,
        byzantine: arguments.byzantine,
        asynchronous: arguments.asynchronous,
        timely: arguments.timely,
        quiet: arguments.quiet,
        network: match arguments.network {
            NetworkName::Timely => Network::Timely,
            NetworkName::OneApart => Network::OneApart,
            NetworkName::Partitions => Network::Partitions,
            NetworkName::Subsets => Network::Subsets,
            NetworkName::Nothing => Network::Nothing,
        },
        misses: match arguments.misses {
            MissesName::Late => Misses::Late,
            MissesName::Lost => Misses::Lost,
            MissesName::Either => Misses::Either,
        },
        fetch: !arguments.no_fetch,
        first_proposer: arguments.first_proposer,
        older_wins_ties: arguments.older_wins_ties,
        mischief: mischief(&arguments.mischief),
        timely_mischief: mischief(timely_mischief.unwrap_or(&arguments.mischief)),
        rules: rules(&arguments.without, &arguments.with),
    };
    scope.validate()?;
    let search = match arguments.seed {
        Some(seed) => Search::Random {
            seed,
            states: arguments.states,
        },
        None => Search::Exhaustive,
    };
    println!("{scope:?}");
    println!(
        "{}",
        check(scope, search, arguments.states, arguments.first)
    );
    Ok(())
}
