//! The answer for people: a few aligned lines.

use std::fmt::Write as _;

use crate::{
    lean_api::{Condition, Facts, Place},
    words::count,
};

/// The width of the labels.
const LABEL: usize = 11;
/// Validators that are named one by one.
const NAMED: usize = 8;

/// The lines, each with its end.
pub(super) fn lines(url: &str, facts: &Facts, colour: bool) -> String {
    let mut text = String::new();
    let mut line = |label: &str, fact: &str| {
        let _ = writeln!(text, "{label:LABEL$}{fact}");
    };
    let condition = facts.condition;
    let (meaning, advice) = condition.in_words(facts);
    line(
        "node",
        &match &facts.name {
            Some(name) => format!("{name} at {url}"),
            None => url.to_owned(),
        },
    );
    if let Some(client) = client(facts) {
        line("client", &client);
    }
    line(
        "condition",
        &format!("{}: {meaning}", painted(condition, colour)),
    );
    if let Some(advice) = advice {
        line("", &advice);
    }
    line(
        "slot",
        &or_unknown(facts.current_slot.map(|slot| slot.to_string())),
    );
    for (label, place) in [
        ("head", &facts.head),
        ("justified", &facts.justified),
        ("finalized", &facts.finalized),
    ] {
        line(label, &or_unknown(place.as_ref().map(|it| at(it, facts))));
    }
    line(
        "peers",
        &or_unknown(facts.peers.map(|peers| peers.to_string())),
    );
    if let Some(validators) = validators(facts) {
        line("validators", &validators);
    }
    if let Some(duties) = &facts.duties {
        line(
            "votes",
            &format!(
                "{} on time, {} late, {} missed",
                duties.votes_on_time, duties.votes_late, duties.votes_missed
            ),
        );
        line(
            "proposals",
            &format!(
                "{} done, {} missed",
                duties.proposals_done, duties.proposals_missed
            ),
        );
    }
    if let Some(uptime) = facts.uptime_seconds {
        line("uptime", &duration(uptime));
    }
    text
}

fn or_unknown(fact: Option<String>) -> String {
    fact.unwrap_or_else(|| "unknown: it does not tell".to_owned())
}

fn painted(condition: Condition, colour: bool) -> String {
    let name = match condition {
        Condition::CutOff => "cut off",
        other => other.name(),
    };
    let code = match condition {
        Condition::Synced => 32,
        Condition::Starting | Condition::Syncing | Condition::Unknown => 33,
        _ => 31,
    };
    if colour {
        format!("\x1b[1;{code}m{name}\x1b[0m")
    } else {
        name.to_owned()
    }
}

fn client(facts: &Facts) -> Option<String> {
    let version = facts.version.as_deref();
    let commit = facts.commit.as_ref().map(|commit| format!(" ({commit})"));
    let commit = commit.unwrap_or_default();
    match (facts.client.as_deref(), version) {
        // The version says the name too.
        (Some(client), Some(version)) if version.starts_with(client) => Some(version.to_owned()),
        (Some(client), Some(version)) => Some(format!("{client} {version}{commit}")),
        (Some(name), None) | (None, Some(name)) => Some(name.to_owned()),
        (None, None) => None,
    }
}

/// A place with its distance.
fn at(place: &Place, facts: &Facts) -> String {
    let behind = facts.behind(Some(place)).unwrap_or_default();
    let from = if facts.current_slot.is_some() {
        "the clock"
    } else {
        "the head"
    };
    let behind = match behind {
        0 => String::new(),
        behind => format!("{behind} behind {from}"),
    };
    let line = format!("{:<9} {:<20} {}", place.slot, behind, place.short());
    line.trim_end().to_owned()
}

fn validators(facts: &Facts) -> Option<String> {
    let of = |number: usize| match facts.validator_count {
        Some(all) => format!("{number} of {all}"),
        None => number.to_string(),
    };
    let own = facts.validators.as_ref();
    match (own, facts.validator_count) {
        (Some(own), _) if own.is_empty() || own.len() > NAMED => Some(of(own.len())),
        (Some(own), _) => {
            let names: Vec<_> = own.iter().map(ToString::to_string).collect();
            Some(format!("{}: {}", of(own.len()), names.join(", ")))
        }
        (None, Some(all)) => Some(format!("{all} in the network")),
        (None, None) => None,
    }
}

/// The two units that matter.
fn duration(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, left) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => count(seconds, "second"),
        (0, 0, _) => format!("{minutes} min {left} s"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lean_api::Tally;

    fn place(slot: u64) -> Option<Place> {
        Some(Place {
            root: format!("0x{slot:064x}"),
            slot,
        })
    }

    #[test]
    fn a_healthy_node_is_a_few_aligned_lines() {
        let facts = Facts {
            condition: Condition::Synced,
            name: Some("quartet_0".to_owned()),
            client: Some("quartet".to_owned()),
            version: Some("0.1.0".to_owned()),
            commit: Some("abc1234".to_owned()),
            current_slot: Some(120),
            head: place(120),
            justified: place(118),
            finalized: place(117),
            peers: Some(3),
            validator_count: Some(4),
            validators: Some(vec![0]),
            duties: Some(Tally {
                votes_on_time: 88,
                votes_late: 1,
                votes_missed: 2,
                proposals_done: 30,
                proposals_missed: 0,
            }),
            uptime_seconds: Some(4_100),
            ..Facts::default()
        };
        let expected = "\
node       quartet_0 at http://a:1
client     quartet 0.1.0 (abc1234)
condition  synced: in step with the network
slot       120
head       120                            0x00000000
justified  118       2 behind the clock   0x00000000
finalized  117       3 behind the clock   0x00000000
peers      3
validators 1 of 4: 0
votes      88 on time, 1 late, 2 missed
proposals  30 done, 0 missed
uptime     1 h 8 min
";
        assert_eq!(lines("http://a:1", &facts, false), expected);
        assert!(lines("", &facts, true).contains("\x1b[1;32msynced\x1b[0m:"));
    }

    #[test]
    fn what_a_node_does_not_tell_is_said_to_be_unknown() {
        let facts = Facts {
            head: place(8),
            finalized: place(5),
            version: Some("lean/1".to_owned()),
            ..Facts::default()
        };
        let expected = "\
node       http://a:1
client     lean/1
condition  unknown: it answers, but does not tell whether it keeps up
slot       unknown: it does not tell
head       8                              0x00000000
justified  unknown: it does not tell
finalized  5         3 behind the head    0x00000000
peers      unknown: it does not tell
";
        assert_eq!(lines("http://a:1", &facts, false), expected);
    }

    #[test]
    fn troubles_come_with_advice() {
        let facts = Facts {
            condition: Condition::CutOff,
            current_slot: Some(20),
            ..Facts::default()
        };
        let said = lines("x", &facts, false);
        assert!(said.contains("condition  cut off: no peers"), "{said}");
        assert!(
            said.contains("\n           see that bootnodes are up"),
            "{said}"
        );
    }

    #[test]
    fn durations_have_two_units() {
        let said = [1, 59, 61, 3_600, 90_000].map(duration);
        assert_eq!(
            said,
            [
                "1 second",
                "59 seconds",
                "1 min 1 s",
                "1 h 0 min",
                "1 d 1 h"
            ]
        );
    }
}
