//! Plans written by hand, or printed as tests.

use std::ops::RangeInclusive;

use quartet_types::{Slot, ValidatorIndex};

use super::plan::{AdversaryPlan, Behaviour, Fault, FaultKind, Foreigners, Manners, Moment, Plan};
use crate::Conditions;

impl Plan {
    /// A network of this many nodes in which nothing goes wrong for this many slots; validators are dealt out to the nodes in turn,
    /// and the specification's store judges.
    pub fn calm(nodes: usize, validators: usize, slots: Slot) -> Self {
        Self {
            seed: 1,
            nodes,
            assignment: (0..validators).map(|index| Some(index % nodes)).collect(),
            chaos: slots,
            conditions: Conditions::default(),
            faults: Vec::new(),
            adversaries: Vec::new(),
            falls_silent: false,
            foreigners: Vec::new(),
            skews: Vec::new(),
            oracle: true,
        }
    }

    /// With this seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// With each validator on the node of its entry; those of adversaries and foreign clients have none.
    #[must_use]
    pub fn assigned(mut self, assignment: impl IntoIterator<Item = Option<usize>>) -> Self {
        self.assignment = assignment.into_iter().collect();
        self
    }

    /// With packets that take this many milliseconds, and this share of them lost.
    #[must_use]
    pub fn links(mut self, latency_ms: RangeInclusive<u64>, loss: f64) -> Self {
        self.conditions = Conditions { latency_ms, loss };
        self
    }

    /// With clocks that are off by this many milliseconds, node by node.
    #[must_use]
    pub fn skewed(mut self, skews: impl IntoIterator<Item = i64>) -> Self {
        self.skews = skews.into_iter().collect();
        self
    }

    /// With a fault, from one slot and millisecond to another.
    #[must_use]
    pub fn fault(mut self, from: (Slot, u64), until: (Slot, u64), what: FaultKind) -> Self {
        let moment = |(slot, ms)| Moment { slot, ms };
        let (from, until) = (moment(from), moment(until));
        self.faults.push(Fault { from, until, what });
        self
    }

    /// With an adversary, which takes the keys of some validators from the nodes.
    #[must_use]
    pub fn adversary(
        mut self,
        behaviour: Behaviour,
        validators: impl IntoIterator<Item = ValidatorIndex>,
        dutiful: bool,
    ) -> Self {
        let validators = self.take(validators);
        self.adversaries.push(AdversaryPlan {
            behaviour,
            validators,
            dutiful,
        });
        self
    }

    /// With validators of another client, which sees what a node sees.
    #[must_use]
    pub fn foreign(
        mut self,
        validators: impl IntoIterator<Item = ValidatorIndex>,
        host: usize,
        manners: Manners,
    ) -> Self {
        let validators = self.take(validators);
        self.foreigners.push(Foreigners {
            validators,
            host,
            manners,
        });
        self
    }

    /// With adversaries that end with the chaos.
    #[must_use]
    pub fn falls_silent(mut self) -> Self {
        self.falls_silent = true;
        self
    }

    /// Without the specification's store.
    #[must_use]
    pub fn without_oracle(mut self) -> Self {
        self.oracle = false;
        self
    }

    fn take(
        &mut self,
        validators: impl IntoIterator<Item = ValidatorIndex>,
    ) -> Vec<ValidatorIndex> {
        let validators: Vec<_> = validators.into_iter().collect();
        for validator in &validators {
            self.assignment[*validator as usize] = None;
        }
        validators
    }
}
