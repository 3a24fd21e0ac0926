//! A replay for scripts: one JSON object a line, with its kind in `type`.

use std::io::{self, Write};

use quartet_chain::SyncState;
use quartet_recording::Decision;
use quartet_replay::{Beginning, Difference, Explanation, ReplayEvent, SlotLine, VotesFor};
use serde_json::{Value, json};

use super::End;

pub(super) fn told(to: &mut impl Write, told: &ReplayEvent<'_>) -> io::Result<()> {
    let value = match told {
        ReplayEvent::Session(start) => json!({
            "type": "session", "node": start.node, "software": start.software,
            "network": start.network, "genesisTime": start.genesis_time,
            "slotDurationMs": start.slot_milliseconds,
        }),
        ReplayEvent::Begins(beginning, slot) => json!({
            "type": "begins", "slot": slot, "inTheMiddle": *beginning == Beginning::InTheMiddle,
        }),
        ReplayEvent::Slot(line) => slot(line),
        ReplayEvent::Notice(text) => json!({ "type": "notice", "text": text }),
        ReplayEvent::Difference(difference) => differs(difference),
        ReplayEvent::Explanation(explanation) => explains(explanation),
    };
    writeln!(to, "{value}")
}

fn slot(line: &SlotLine) -> Value {
    let counts = &line.counts;
    json!({
        "type": "slot", "slot": line.slot, "head": line.head, "justified": line.justified,
        "finalized": line.finalized, "safeTarget": line.safe_target, "sync": sync(line.sync),
        "events": counts.events, "blocks": counts.blocks, "votes": counts.votes,
        "rejected": counts.rejected, "parked": counts.parked, "reorged": counts.reorged,
        "differences": counts.differences,
    })
}

fn sync(state: SyncState) -> &'static str {
    match state {
        SyncState::Starting => "starting",
        SyncState::Syncing { .. } => "syncing",
        SyncState::Synced => "synced",
    }
}

fn differs(difference: &Difference) -> Value {
    let said = |decision: &Option<Decision>| decision.as_ref().map(ToString::to_string);
    json!({
        "type": "difference", "session": difference.session, "event": difference.event,
        "slot": difference.slot, "root": difference.root, "taken": difference.taken,
        "recorded": said(&difference.recorded), "replayed": said(&difference.replayed),
    })
}

fn explains(explanation: &Explanation) -> Value {
    let view = &explanation.standing.view;
    let steps = explanation.steps.iter().map(|step| {
        let decisions: Vec<String> = step.decisions.iter().map(ToString::to_string).collect();
        json!({
            "slot": step.slot, "sinceMs": step.since.as_millis() as u64, "taken": step.taken,
            "decisions": decisions,
        })
    });
    let forks = explanation.forks.iter().map(|fork| {
        let child = |(block, weight): &(quartet_types::Checkpoint, u64)| json!({ "block": block, "weight": weight });
        let children: Vec<Value> = fork.children.iter().map(child).collect();
        json!({ "at": fork.at, "taken": fork.taken, "children": children })
    });
    let waiting = explanation.waiting.blocks.iter();
    let waiting = waiting.map(|(block, other)| json!({ "block": block, "waitsFor": other }));
    let votes_wait = explanation.waiting.votes.iter();
    let votes_wait = votes_wait.map(|(root, count)| json!({ "root": root, "votes": count }));
    let tallies = explanation.tallies.iter().map(
        |tally| json!({ "target": tally.target, "votes": tally.votes, "reason": tally.reason }),
    );
    let block = explanation
        .block
        .map(|(root, place)| json!({ "root": root, "place": place }));
    json!({
        "type": "explanation", "slot": explanation.slot, "block": block,
        "steps": steps.collect::<Vec<_>>(), "head": view.head, "safeTarget": view.safe_target,
        "justified": view.justified, "finalized": view.finalized,
        "forks": forks.collect::<Vec<_>>(), "votes": votes(&explanation.votes),
        "newVotes": votes(&explanation.new_votes), "waiting": waiting.collect::<Vec<_>>(),
        "votesWaiting": votes_wait.collect::<Vec<_>>(), "tallies": tallies.collect::<Vec<_>>(),
        "validators": explanation.validators,
    })
}

fn votes(groups: &[VotesFor]) -> Vec<Value> {
    let group = |group: &VotesFor| {
        json!({
            "head": group.head, "target": group.target, "source": group.source,
            "validators": group.validators,
        })
    };
    groups.iter().map(group).collect()
}

pub(super) fn end(to: &mut impl Write, end: &End<'_>) -> io::Result<()> {
    let outcome = end.outcome;
    let first = outcome.first.as_ref();
    let value = json!({
        "type": "end", "identical": outcome.is_identical(), "sessions": outcome.sessions,
        "slots": outcome.slots, "events": outcome.events, "agreeing": outcome.agreeing,
        "differences": outcome.differences, "unknown": outcome.unknown,
        "incomplete": outcome.is_incomplete, "firstDifferentSlot": first.map(|first| first.slot),
        "firstDifferentRoot": first.and_then(|first| first.root),
        "seconds": end.took.as_secs_f64(), "recordedSeconds": outcome.recorded.as_secs_f64(),
        "timesRealTime": end.speed(),
    });
    writeln!(to, "{value}")
}
