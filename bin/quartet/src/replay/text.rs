//! A replay for people.

use std::io::{self, Write};

use quartet_chain::SyncState;
use quartet_recording::Decision;
use quartet_replay::{Beginning, Difference, Explanation, ReplayEvent, SlotLine, VotesFor};
use quartet_types::{Checkpoint, Root, ValidatorIndex};

use super::End;

pub(super) fn told(to: &mut impl Write, told: &ReplayEvent<'_>) -> io::Result<()> {
    match told {
        ReplayEvent::Session(start) => writeln!(
            to,
            "node {}, {}, network {}",
            start.node,
            start.software,
            short(&start.network)
        ),
        ReplayEvent::Begins(Beginning::OfTheSession, slot) => {
            writeln!(to, "begins in slot {slot}, as the node did")
        }
        ReplayEvent::Begins(Beginning::InTheMiddle, slot) => writeln!(
            to,
            "begins in slot {slot}, in the middle: what was under way is not known, so that what differs in the first slots is only \
             counted, and later only blocks, head, justification and finality are compared"
        ),
        ReplayEvent::Slot(line) => slot(to, line),
        ReplayEvent::Notice(text) => writeln!(to, "! {text}"),
        ReplayEvent::Difference(difference) => differs(to, difference),
        ReplayEvent::Explanation(explanation) => explains(to, explanation),
    }
}

fn slot(to: &mut impl Write, line: &SlotLine) -> io::Result<()> {
    let counts = &line.counts;
    write!(
        to,
        "slot {:>6}  head {}  justified {:>6}  finalized {:>6}  {} blocks  {:>4} votes",
        line.slot,
        at(&line.head),
        line.justified.slot,
        line.finalized.slot,
        counts.blocks,
        counts.votes,
    )?;
    let rest = [
        (counts.rejected, "rejected"),
        (counts.parked, "parked"),
        (counts.reorged, "left by the head"),
        (counts.differences, "different"),
    ];
    for (count, what) in rest.into_iter().filter(|(count, _)| *count > 0) {
        write!(to, "  {count} {what}")?;
    }
    match line.sync {
        SyncState::Synced => writeln!(to),
        SyncState::Starting => writeln!(to, "  starting"),
        SyncState::Syncing { target } => writeln!(to, "  syncing to {target}"),
    }
}

fn differs(to: &mut impl Write, difference: &Difference) -> io::Result<()> {
    let Difference {
        slot, event, taken, ..
    } = difference;
    let said = |decision: &Option<Decision>| match decision {
        Some(decision) => decision.to_string(),
        None => "nothing more".to_owned(),
    };
    let of_block = match &difference.root {
        Some(root) => format!(", block {root}"),
        None => String::new(),
    };
    writeln!(to, "FIRST DIFFERENCE in slot {slot}{of_block}")?;
    writeln!(to, "  event {event}: {taken}")?;
    writeln!(to, "  recorded: {}", said(&difference.recorded))?;
    writeln!(to, "  replayed: {}", said(&difference.replayed))
}

pub(super) fn end(to: &mut impl Write, end: &End<'_>) -> io::Result<()> {
    let outcome = end.outcome;
    let verdict = match (&outcome.first, outcome.events) {
        (_, 0) => "nothing was replayed".to_owned(),
        (None, _) => "identical".to_owned(),
        (Some(first), _) => format!(
            "different from slot {} on, in {} events",
            first.slot, outcome.differences
        ),
    };
    write!(
        to,
        "{verdict}: {} slots, {} events, {} decisions agree",
        outcome.slots, outcome.events, outcome.agreeing
    )?;
    if outcome.unknown > 0 {
        write!(to, ", {} events not comparable", outcome.unknown)?;
    }
    if outcome.is_incomplete {
        write!(to, ", the recording is not whole")?;
    }
    writeln!(
        to,
        "; {:.2} s, {:.0} slots a second, {:.0} x real time",
        end.took.as_secs_f64(),
        end.slots_per_second(),
        end.speed()
    )
}

fn explains(to: &mut impl Write, explanation: &Explanation) -> io::Result<()> {
    let view = &explanation.standing.view;
    if let Some((root, place)) = &explanation.block {
        writeln!(
            to,
            "block {root}: {place} at the end of slot {}",
            explanation.slot
        )?;
    }
    writeln!(to, "what happened:")?;
    for step in &explanation.steps {
        let since = step.since.as_secs_f64();
        writeln!(to, "  slot {} +{since:.3} s  {}", step.slot, step.taken)?;
        for decision in &step.decisions {
            writeln!(to, "      {decision}")?;
        }
    }
    writeln!(to, "at the end of slot {}:", explanation.slot)?;
    writeln!(to, "  head         {}", view.head)?;
    writeln!(to, "  safe target  {}", view.safe_target)?;
    writeln!(to, "  justified    {}", view.justified)?;
    writeln!(to, "  finalized    {}", view.finalized)?;
    if explanation.forks.is_empty() {
        writeln!(to, "  no fork between the justified block and the head")?
    } else {
        writeln!(to, "  forks between the justified block and the head:")?
    }
    for fork in &explanation.forks {
        writeln!(to, "    at {}:", at(&fork.at))?;
        for (child, weight) in &fork.children {
            let mark = if child.root == fork.taken { "->" } else { "  " };
            writeln!(to, "    {mark} {}  {weight} votes", at(child))?;
        }
    }
    votes(to, "votes that weigh", &explanation.votes)?;
    votes(
        to,
        "votes that wait for the end of the slot",
        &explanation.new_votes,
    )?;
    let waiting = &explanation.waiting;
    for (block, waits_for) in &waiting.blocks {
        writeln!(to, "  block {} waits for block {waits_for}", at(block))?;
    }
    for (root, count) in &waiting.votes {
        writeln!(to, "  {count} votes wait for block {root}")?;
    }
    if explanation.tallies.is_empty() {
        writeln!(
            to,
            "  the head's chain has no votes for targets that are not justified"
        )?;
    } else {
        writeln!(
            to,
            "  targets that the head's chain has votes for, of {} validators:",
            explanation.validators
        )?;
    }
    for tally in &explanation.tallies {
        let (target, votes) = (at(&tally.target), tally.votes);
        writeln!(to, "    {target}  {votes} votes: {}", tally.reason)?;
    }
    Ok(())
}

fn votes(to: &mut impl Write, what: &str, groups: &[VotesFor]) -> io::Result<()> {
    if groups.is_empty() {
        return writeln!(to, "  {what}: none");
    }
    writeln!(to, "  {what}:")?;
    for group in groups {
        writeln!(
            to,
            "    {:>4} for head {}, target {}, source {}: validators {}",
            group.validators.len(),
            at(&group.head),
            at(&group.target),
            at(&group.source),
            ranges(&group.validators)
        )?;
    }
    Ok(())
}

fn at(checkpoint: &Checkpoint) -> String {
    format!("{}@{}", short(&checkpoint.root), checkpoint.slot)
}

fn short(root: &Root) -> String {
    let text = root.to_string();
    text.chars().take(10).collect()
}

/// Numbers in ascending order, runs of them as `3-7`.
fn ranges(numbers: &[ValidatorIndex]) -> String {
    let mut runs: Vec<(ValidatorIndex, ValidatorIndex)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let run = |(first, last): &(ValidatorIndex, ValidatorIndex)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    };
    runs.iter().map(run).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_validators_are_short() {
        assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), "0-2,5,7-8");
        assert_eq!(ranges(&[]), "");
    }
}
