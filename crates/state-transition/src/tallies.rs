//! The running tallies of targets that are voted for and not justified yet.
//!
//! A state keeps them flattened: the targets sorted by root, and behind one another one run of bits per
//! target, a bit per validator. Here a target's run is unpacked only when a vote touches it, and the
//! state is written to only where something changed.

use std::collections::BTreeMap;

use quartet_types::{JustificationRoots, JustificationValidators, Root, State, ValidatorIndex};

use crate::Error;

/// The tallies of one state while a block's attestations are counted.
pub(crate) struct Tallies {
    validators: usize,
    rows: BTreeMap<Root, Row>,
    /// The runs as the state has them.
    packed: JustificationValidators,
    /// Whether targets came or went, so that runs move.
    reshaped: bool,
}

/// One target's votes; unpacked once a vote touches them.
struct Row {
    /// Position of the run in the state, if the target was there.
    packed_at: Option<usize>,
    unpacked: Option<Votes>,
}

struct Votes {
    bits: Vec<bool>,
    count: usize,
}

impl Tallies {
    /// Reads which targets have tallies; the votes stay packed until needed.
    pub(crate) fn read(state: &State) -> Result<Self, Error> {
        let validators = state.validators.len();
        let targets = state.justifications_roots.len();
        let packed = state.justifications_validators.clone();
        if targets.checked_mul(validators) != Some(packed.len()) {
            return Err(Error::DamagedTallies {
                targets,
                validators,
                found: packed.len(),
            });
        }
        let roots = || state.justifications_roots.iter().copied();
        let rows: BTreeMap<Root, Row> = roots().zip((0..).map(Row::packed)).collect();
        // Every state that this crate wrote is sorted. Another is put in order, as the specification does.
        let reshaped = !roots().eq(rows.keys().copied());
        Ok(Self {
            validators,
            rows,
            packed,
            reshaped,
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
            .ok_or(Error::BeyondRegistry {
                attestation,
                validator,
                length: self.validators,
            })?;
        let row = self.rows.entry(target).or_insert_with(|| {
            self.reshaped = true;
            Row {
                packed_at: None,
                unpacked: None,
            }
        });
        let packed_at = row.packed_at;
        let votes = row
            .unpacked
            .get_or_insert_with(|| Votes::unpack(&self.packed, packed_at, self.validators));
        if !votes.bits[index] {
            votes.bits[index] = true;
            votes.count += 1;
        }
        Ok(votes.count)
    }

    /// Drops the tally of a target that has been justified.
    pub(crate) fn remove(&mut self, target: Root) {
        self.reshaped |= self.rows.remove(&target).is_some();
    }

    /// Writes the tallies back into the state they were read from.
    pub(crate) fn write(self, state: &mut State) -> Result<(), Error> {
        if !self.reshaped {
            for row in self.rows.values() {
                if let (Some(position), Some(votes)) = (row.packed_at, &row.unpacked) {
                    votes.write(&mut state.justifications_validators, position)?;
                }
            }
            return Ok(());
        }
        let mut bits = JustificationValidators::new();
        bits.extend_zeros(self.rows.len() * self.validators)?;
        for (position, row) in self.rows.values().enumerate() {
            match &row.unpacked {
                Some(votes) => votes.write(&mut bits, position)?,
                None => Votes::unpack(&self.packed, row.packed_at, self.validators)
                    .write(&mut bits, position)?,
            }
        }
        state.justifications_roots = JustificationRoots::try_from_iter(self.rows.into_keys())?;
        state.justifications_validators = bits;
        Ok(())
    }
}

impl Row {
    fn packed(position: usize) -> Self {
        Self {
            packed_at: Some(position),
            unpacked: None,
        }
    }
}

impl Votes {
    /// The run at `position`, or nobody's votes if there is none.
    fn unpack(
        packed: &JustificationValidators,
        position: Option<usize>,
        validators: usize,
    ) -> Self {
        let voted = |bit| packed.get(bit) == Some(true);
        let bits: Vec<bool> = match position {
            Some(position) => {
                let start = position * validators;
                (start..start + validators).map(voted).collect()
            }
            None => vec![false; validators],
        };
        let count = bits.iter().filter(|bit| **bit).count();
        Self { bits, count }
    }

    /// Sets the votes in the run at `position`; votes are only ever added, so no bit needs clearing.
    fn write(&self, bits: &mut JustificationValidators, position: usize) -> Result<(), Error> {
        let start = position * self.bits.len();
        for (offset, _) in self.bits.iter().enumerate().filter(|(_, bit)| **bit) {
            bits.set(start + offset, true)?;
        }
        Ok(())
    }
}
