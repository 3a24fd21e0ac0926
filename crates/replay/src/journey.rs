//! What happened to one block, or in one slot, step by step.

use std::time::Duration;

use quartet_recording::{Decision, Event, Taken};
use quartet_types::{Root, Slot};

use crate::{RootPattern, compare::describe};

/// Most steps that are kept.
const MAX_STEPS: usize = 4096;

/// An event that the service took, and its decisions.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The slot it was in.
    pub slot: Slot,
    /// Time since the slot began.
    pub since: Duration,
    /// What it took.
    pub taken: String,
    /// Its decisions, as far as they are of interest.
    pub decisions: Vec<Decision>,
}

/// What is looked for.
#[derive(Debug)]
pub(crate) struct Journey {
    pub(crate) slot: Option<Slot>,
    pub(crate) root: Option<RootPattern>,
    /// The first root that fits it: it means that one from then on.
    pub(crate) found: Option<Root>,
    pub(crate) steps: Vec<Step>,
}

impl Journey {
    pub(crate) fn of_slot(slot: Slot) -> Self {
        Self {
            slot: Some(slot),
            root: None,
            found: None,
            steps: Vec::new(),
        }
    }

    pub(crate) fn of_block(root: RootPattern) -> Self {
        Self {
            slot: None,
            root: Some(root),
            found: root.exact(),
            steps: Vec::new(),
        }
    }

    /// Notes a step, if it is one. `since` is the time since the slot began.
    pub(crate) fn note(
        &mut self,
        slot: Slot,
        since: Duration,
        event: &Event,
        decisions: &[Decision],
    ) {
        if self.steps.len() >= MAX_STEPS {
            return;
        }
        if let (Some(wanted), None) = (self.root, self.found) {
            let named = |decision: &Decision| [decision.root(), waits_for(decision)];
            let mut named = decisions.iter().flat_map(named).flatten();
            self.found = named.find(|root| wanted.matches(root));
        }
        let is_of_interest = |decision: &&Decision| match self.root {
            // Verdicts on single votes are counted, not told one by one.
            None => !matches!(decision, Decision::Vote { .. }),
            Some(_) => {
                let found = |root: Option<Root>| root.is_some() && root == self.found;
                found(decision.root()) || found(waits_for(decision))
            }
        };
        let is_its_slot = self.slot.is_none_or(|wanted| wanted == slot);
        let told: Vec<Decision> = decisions.iter().filter(is_of_interest).cloned().collect();
        let is_block = matches!(&event.taken, Taken::Block { .. } | Taken::OwnBlock(_));
        if is_its_slot && (!told.is_empty() || self.root.is_none() && is_block) {
            self.steps.push(Step {
                slot,
                since,
                taken: describe(&event.taken),
                decisions: told,
            });
        }
    }
}

fn waits_for(decision: &Decision) -> Option<Root> {
    match decision {
        Decision::Parked { waits_for, .. } | Decision::ParkedVote { waits_for, .. } => {
            Some(*waits_for)
        }
        _ => None,
    }
}
