//! What adversaries do: one type per behaviour, one purpose each.

mod equivocation;
mod forgeries;
mod lateness;
mod private;
mod replays;
mod usurpation;
mod views;
mod withholding;

use super::{
    duties::{Duties, OURS},
    plan::{AdversaryPlan, Behaviour},
    scene::Scene,
};
use crate::SimulationError;

/// The moments of a slot at which adversaries act, in milliseconds: after its beginning, when the honest
/// proposer's block is under way; before, at and after t=¼, t=½ and t=¾.
pub(super) const MOMENTS: [u64; 8] = [
    START, MORNING, 1_050, ATTESTED, 2_050, 2_900, ACCEPTED, 3_900,
];
/// Just after the slot has begun.
const START: u64 = 20;
/// When all have the honest proposer's block.
const MORNING: u64 = 500;
/// When the honest validators' attestations have arrived.
const ATTESTED: u64 = 1_900;
/// Just after t=¾, when new votes have been accepted.
const ACCEPTED: u64 = 3_050;
/// When honest validators vote, or a little later.
const VOTE: u64 = 1_050;

/// A behaviour of an adversary, which may act at every moment.
pub(super) trait Act {
    /// Does what is to be done now.
    fn act(&mut self, scene: &mut Scene<'_>) -> Result<(), SimulationError>;
}

/// Makes an adversary of its plan.
pub(super) fn behave(plan: &AdversaryPlan) -> Box<dyn Act> {
    let validators = plan.validators.clone();
    match plan.behaviour.clone() {
        Behaviour::ReplayVotes { age } => Box::new(replays::ReplayVotes { age }),
        Behaviour::ForgeBlocks { body, tries, count } => {
            Box::new(forgeries::ForgeBlocks { body, tries, count })
        }
        Behaviour::ReuseParentVotes => Box::new(forgeries::ReuseParentVotes),
        Behaviour::ProposeTwice { blocks } => {
            Box::new(equivocation::ProposeTwice { validators, blocks })
        }
        Behaviour::VoteTwice { ms } => Box::new(equivocation::VoteTwice { validators, ms }),
        Behaviour::Withhold { slots, to_half } => Box::new(withholding::Withhold {
            validators,
            slots,
            to_half,
            held: Vec::new(),
        }),
        Behaviour::Linger { ms } => Box::new(lateness::Linger {
            validators,
            ms,
            ready: None,
        }),
        Behaviour::HoldVotes { slots } => Box::new(lateness::HoldVotes {
            validators,
            slots,
            held: Vec::new(),
        }),
        Behaviour::BuildInPrivate { blocks } => Box::new(private::BuildInPrivate {
            validators,
            blocks,
            chain: Vec::new(),
            tip: None,
            votes: Vec::new(),
        }),
        Behaviour::NameSibling => Box::new(views::NameSibling {
            validators,
            late: Vec::new(),
        }),
        Behaviour::VoteAhead { slots } => Box::new(views::VoteAhead {
            validators,
            slots,
            late: Vec::new(),
        }),
        Behaviour::InventRoots => Box::new(views::InventRoots { validators }),
        Behaviour::ReviveOldest => Box::new(withholding::ReviveOldest {
            validators,
            revived: Vec::new(),
        }),
        Behaviour::ProposeForAll => Box::new(usurpation::ProposeForAll { validators }),
        Behaviour::VoteToSome => Box::new(equivocation::VoteToSome { validators }),
        Behaviour::Silence => Box::new(usurpation::Silence),
        Behaviour::SkipSquares => Box::new(usurpation::SkipSquares {
            duties: Duties::new(validators, None, OURS),
        }),
    }
}
