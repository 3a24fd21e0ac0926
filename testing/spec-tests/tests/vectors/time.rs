//! Slots: who proposes in them, and when they are.

use std::time::Duration;

use anyhow::{Result, ensure};
use quartet_clock::Clock;
use quartet_spec_tests::{Report, VectorFile};
use quartet_types::{INTERVALS_PER_SLOT, is_proposer, proposer_index};

use crate::fixture::{list, parse};

pub(crate) fn replay_proposers(file: &VectorFile, report: &mut Report) -> Result<()> {
    for case in list(&file.json()?, "cases")? {
        let (slot, count): (u64, u64) = (parse(case, "slot")?, parse(case, "num_validators")?);
        report.case(format!("slot {slot} of {count}"), || {
            let expected: u64 = parse(case, "proposer_index")?;
            ensure!(
                proposer_index(slot, count) == Some(expected),
                "should be {expected}"
            );
            ensure!(
                is_proposer(expected, slot, count),
                "{expected} should propose"
            );
            Ok(())
        });
    }
    Ok(())
}

pub(crate) fn replay_clock(file: &VectorFile, report: &mut Report) -> Result<()> {
    for case in list(&file.json()?, "cases")? {
        let genesis: u64 = parse(case, "genesis_time")?;
        let now: u64 = parse(case, "unix_time")?;
        report.case(format!("{now} since {genesis}"), || {
            let clock = Clock::manual(genesis, Duration::from_secs(now));
            let intervals = clock.intervals();
            ensure!(
                intervals == parse::<u64>(case, "store_time_intervals")?,
                "{intervals} intervals"
            );
            ensure!(
                clock.slot() == parse::<u64>(case, "slot")?,
                "slot {}",
                clock.slot()
            );
            let interval = intervals % INTERVALS_PER_SLOT;
            ensure!(
                interval == parse::<u64>(case, "interval")?,
                "interval {interval}"
            );
            Ok(())
        });
    }
    Ok(())
}
