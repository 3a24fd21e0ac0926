//! The running tallies of targets that are voted for and not justified yet.
//!
//! A state keeps them flattened: the targets sorted by root, and behind one another one run of bits per
//! target, a bit per validator. Here a target's run is read only when a vote touches it, and the state is
//! written to only where something changed. Runs that merely move, because targets come or go before them, are
//! moved in words, or in whole chunks where they fill them.

use std::collections::BTreeMap;

use quartet_types::{JustificationRoots, JustificationValidators, Root, State, ValidatorIndex};

use crate::{Error, votes::Votes};

/// The tallies of one state while a block's attestations are counted.
pub(crate) struct Tallies {
    validators: usize,
    /// The targets that the state has, in order, with the positions of their runs.
    packed: Vec<(Root, usize)>,
    /// The state's runs.
    runs: JustificationValidators,
    /// The targets that votes have touched; `None` is one that has been justified.
    touched: BTreeMap<Root, Option<Votes>>,
    /// Whether all runs must be written, and not only votes added: they were out of order, or one was begun again.
    rewritten: bool,
}

impl Tallies {
    /// Reads which targets have tallies; the votes stay packed until needed.
    pub(crate) fn read(state: &State) -> Result<Self, Error> {
        let validators = state.validators.len();
        let targets = state.justifications_roots.len();
        let runs = state.justifications_validators.clone();
        if targets.checked_mul(validators) != Some(runs.len()) {
            return Err(Error::DamagedTallies {
                targets,
                validators,
                found: runs.len(),
            });
        }
        let mut packed: Vec<(Root, usize)> = state
            .justifications_roots
            .iter()
            .copied()
            .zip(0..)
            .collect();
        // Every state that this crate wrote is sorted. Another is put in order, as the specification does.
        let rewritten = !packed.is_sorted_by(|(a, _), (b, _)| a < b);
        if rewritten {
            let last_of_each: BTreeMap<Root, usize> = packed.into_iter().collect();
            packed = last_of_each.into_iter().collect();
        }
        Ok(Self {
            validators,
            packed,
            runs,
            touched: BTreeMap::new(),
            rewritten,
        })
    }

    /// Validators in the registry.
    pub(crate) fn validators(&self) -> usize {
        self.validators
    }

    /// Marks `validator`'s vote for `target`, which gets a tally if it has none, and returns its votes.
    ///
    /// `attestation` is the position that an error reports.
    pub(crate) fn add_vote(
        &mut self,
        target: Root,
        validator: ValidatorIndex,
        attestation: usize,
    ) -> Result<usize, Error> {
        let index = usize::try_from(validator)
            .ok()
            .filter(|index| *index < self.validators)
            .ok_or(Error::ValidatorNotInRegistry {
                attestation,
                validator,
                validators: self.validators,
            })?;
        let validators = self.validators;
        let read = || match position(&self.packed, &target) {
            Some(position) => Votes::read(&self.runs, position * validators, validators),
            None => Votes::none(validators),
        };
        let tally = self.touched.entry(target);
        let votes = tally
            .or_insert_with(|| Some(read()))
            .get_or_insert_with(|| {
                // Of an empty slot: its root has been justified at another one.
                self.rewritten = true;
                Votes::none(validators)
            });
        Ok(votes.add(index))
    }

    /// Drops the tally of a target that has been justified.
    pub(crate) fn remove(&mut self, target: Root) {
        self.touched.insert(target, None);
    }

    /// Writes the tallies back into the state they were read from.
    pub(crate) fn write(self, state: &mut State) -> Result<(), Error> {
        let comes_or_goes = |(target, tally): (&Root, &Option<Votes>)| {
            tally.is_some() != position(&self.packed, target).is_some()
        };
        if self.rewritten || self.touched.iter().any(comes_or_goes) {
            return self.write_anew(state);
        }
        for (target, tally) in &self.touched {
            if let (Some(position), Some(votes)) = (position(&self.packed, target), tally) {
                votes.write(
                    &mut state.justifications_validators,
                    position * self.validators,
                )?;
            }
        }
        Ok(())
    }

    /// Writes all targets, those between which nothing came or went together.
    fn write_anew(self, state: &mut State) -> Result<(), Error> {
        let mut roots: Vec<Root> = Vec::with_capacity(self.packed.len() + self.touched.len());
        let mut bits = JustificationValidators::new();
        let mut untouched = self.packed.as_slice();
        let run = |position: usize| position * self.validators..(position + 1) * self.validators;
        let copy = |bits: &mut JustificationValidators, targets: &[(Root, usize)]| {
            targets
                .iter()
                .try_for_each(|(_, position)| bits.extend_from(&self.runs, run(*position)))
        };
        for (target, tally) in &self.touched {
            let before = untouched.partition_point(|(root, _)| root < target);
            let (moved, rest) = untouched.split_at(before);
            copy(&mut bits, moved)?;
            roots.extend(moved.iter().map(|(root, _)| *root));
            if let Some(votes) = tally {
                let start = bits.len();
                bits.extend_zeros(self.validators)?;
                votes.write(&mut bits, start)?;
                roots.push(*target);
            }
            untouched = match rest.split_first() {
                Some(((root, _), behind)) if root == target => behind,
                _ => rest,
            };
        }
        copy(&mut bits, untouched)?;
        roots.extend(untouched.iter().map(|(root, _)| *root));
        state.justifications_roots = JustificationRoots::new(roots)?;
        state.justifications_validators = bits;
        Ok(())
    }
}

/// Position of a target's run among those that the state has.
fn position(packed: &[(Root, usize)], target: &Root) -> Option<usize> {
    let found = packed.binary_search_by(|(root, _)| root.cmp(target));
    found.ok().map(|index| packed[index].1)
}
