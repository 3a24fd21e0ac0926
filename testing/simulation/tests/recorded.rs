//! What a node has recorded, replayed: the same decisions, whatever has happened to it.

// Helpers outside of test functions may fail, too.
#![allow(clippy::unwrap_used)]

use std::{env, path::Path};

use quartet_recording::{
    Decision, Frame, Limits, Note, RecordedVerdict, Recorder, Recording, SegmentReader, Taken,
};
use quartet_replay::{
    Beginning, ExplainTarget, ReplayEvent, ReplayOptions, ReplayOutcome, Rules, SlotLine, play,
};
use quartet_simulation::{
    Conditions, Simulation, SimulationError, World,
    fuzz::{Plan, play_as},
};
use quartet_types::Checkpoint;
use quartet_xmss::{KeyMaterial, Scheme};
use rand::{SeedableRng as _, rngs::StdRng};
use tempfile::tempdir;

/// Random plans where nothing is said.
const PLANS: u64 = 6;

const OPTIONS: ReplayOptions = ReplayOptions::new(&Scheme::Test);

/// What a replay reports.
#[derive(Default)]
struct Heard {
    lines: Vec<SlotLine>,
    notices: Vec<String>,
    in_the_middle: usize,
}

fn replay(directory: &Path, node: usize) -> (ReplayOutcome, Heard) {
    let recording = Recording::open(&directory.join(format!("node-{node}"))).unwrap();
    let mut heard = Heard::default();
    let outcome = play(&recording, OPTIONS, |told| match told {
        ReplayEvent::Slot(line) => heard.lines.push(*line),
        ReplayEvent::Notice(notice) => heard.notices.push(notice),
        ReplayEvent::Begins(Beginning::InTheMiddle, _) => heard.in_the_middle += 1,
        _ => {}
    });
    (outcome, heard)
}

/// Messages get lost, a node is killed and comes back, another one is cut off for a while.
fn eventful(simulation: Simulation, slots: u64) -> Vec<quartet_chain::ForkChoiceView> {
    let conditions = Conditions {
        latency_ms: 20..=400,
        loss: 0.1,
    };
    let simulation = simulation.validators(8).conditions(conditions);
    let mut views = Vec::new();
    let scenario = async |world: &mut World| -> Result<(), SimulationError> {
        world.at(6, 700).await?;
        world.kill(2).await?;
        world.part(&[0]);
        world.end_of(10).await?;
        world.start(2)?;
        world.heal(&[0]);
        world.end_of(slots).await?;
        views = world.views();
        Ok(())
    };
    simulation.run(scenario).unwrap();
    views
}

#[test]
fn every_node_of_an_eventful_run_decides_the_same_again() {
    let directory = tempdir().unwrap();
    let simulation = Simulation::new(7).recorded(directory.path(), Limits::of(1 << 28));
    let views = eventful(simulation, 24);
    for (node, view) in views.into_iter().enumerate() {
        let (outcome, heard) = replay(directory.path(), node);
        assert_eq!(outcome.first, None, "node {node}");
        assert!(
            outcome.is_identical() && !outcome.is_incomplete,
            "{:?}",
            heard.notices
        );
        assert_eq!(outcome.sessions, if node == 2 { 2 } else { 1 });
        assert_eq!((outcome.unknown, heard.in_the_middle), (0, 0));
        assert!(outcome.agreeing > 200, "{outcome:?}");
        let last = heard.lines.last().unwrap();
        assert_eq!(
            (last.head, last.finalized),
            (view.head, view.finalized),
            "node {node}"
        );
    }
}

#[test]
fn random_faults_and_adversaries_are_replayed() {
    let plans = env::var("QUARTET_PLANS")
        .ok()
        .and_then(|plans| plans.parse().ok());
    for seed in 0..plans.unwrap_or(PLANS) {
        let directory = tempdir().unwrap();
        let plan = Plan::draw(seed);
        let recorded =
            |simulation: Simulation| simulation.recorded(directory.path(), Limits::of(1 << 30));
        play_as(&plan, recorded, |_| {});
        for node in 0..plan.nodes {
            let (outcome, heard) = replay(directory.path(), node);
            assert_eq!(
                outcome.first, None,
                "seed {seed}, node {node}: {:?}",
                heard.notices
            );
            assert!(outcome.is_identical(), "seed {seed}, node {node}");
        }
    }
}

#[test]
fn a_ring_that_has_lost_its_beginning_is_replayed_from_the_middle() {
    let directory = tempdir().unwrap();
    let limits = Limits::with_segments(1 << 20, 64 << 10);
    let views = eventful(Simulation::new(9).recorded(directory.path(), limits), 60);
    for (node, view) in views.into_iter().enumerate() {
        let path = directory.path().join(format!("node-{node}"));
        let files = std::fs::read_dir(&path).unwrap();
        let bytes: u64 = files
            .map(|file| file.unwrap().metadata().unwrap().len())
            .sum();
        assert!(bytes <= 1 << 20, "{bytes}");
        let (outcome, heard) = replay(directory.path(), node);
        assert_eq!(outcome.first, None, "node {node}: {:?}", heard.notices);
        assert!(outcome.is_identical());
        assert!(heard.in_the_middle == 1, "{:?}", heard.notices);
        let last = heard.lines.last().unwrap();
        assert_eq!(
            (last.head, last.finalized),
            (view.head, view.finalized),
            "node {node}"
        );
    }
}

/// Writes a recording anew, with its frames changed.
fn rewrite(from: &Path, to: &Path, mut change: impl FnMut(&mut Frame)) {
    let recording = Recording::open(from).unwrap();
    for session in recording.sessions {
        let limits = Limits::of(1 << 30);
        let mut recorder = Recorder::start_blocking(to, limits, session.start).unwrap();
        for segment in session.segments {
            for frame in SegmentReader::open(&segment.path).unwrap() {
                let mut frame = frame.unwrap();
                change(&mut frame);
                match frame {
                    Frame::Keyframe(keyframe) => {
                        recorder.note(Note::Keyframe(Box::new(move || Some(*keyframe))));
                    }
                    Frame::Event(event) => recorder.note(Note::Event(event)),
                    Frame::Decided(decisions) => recorder.note(Note::Decided(decisions)),
                    Frame::Start(_) | Frame::Gap | Frame::End => {}
                }
            }
        }
    }
}

#[test]
fn the_first_decision_that_differs_is_named_by_slot_and_block() {
    let directory = tempdir().unwrap();
    let simulation = Simulation::new(3).recorded(directory.path(), Limits::of(1 << 28));
    eventful(simulation, 16);
    let from = directory.path().join("node-1");
    let mut changed: Option<Checkpoint> = None;
    rewrite(&from, &directory.path().join("node-11"), |frame| {
        let Frame::Decided(decisions) = frame else {
            return;
        };
        for decision in decisions {
            if let Decision::Imported(block) = decision
                && block.slot >= 9
                && changed.is_none()
            {
                changed = Some(*block);
                *decision = Decision::NotImported {
                    block: *block,
                    error: "another rule".to_owned(),
                };
            }
        }
    });
    let (outcome, _) = replay(directory.path(), 11);
    let (first, changed) = (outcome.first.unwrap(), changed.unwrap());
    assert_eq!((first.slot, first.root), (changed.slot, Some(changed.root)));
    assert_eq!(first.replayed, Some(Decision::Imported(changed)));
    assert_eq!(outcome.differences, 1);

    // A vote that is valid here, and was not there.
    let mut validator = None;
    rewrite(&from, &directory.path().join("node-12"), |frame| {
        let Frame::Decided(decisions) = frame else {
            return;
        };
        for decision in decisions {
            if let Decision::Vote {
                validator: whose,
                slot: 7,
                verdict,
            } = decision
                && *verdict == RecordedVerdict::Accept
                && validator.is_none()
            {
                (validator, *verdict) = (Some(*whose), RecordedVerdict::Reject);
            }
        }
    });
    let (outcome, _) = replay(directory.path(), 12);
    let replayed = outcome.first.unwrap().replayed;
    let is_it = |whose: u64| matches!(replayed, Some(Decision::Vote { validator, slot: 7, .. }) if validator == whose);
    assert!(is_it(validator.unwrap()), "{replayed:?}");

    // A vote that never came.
    let mut lost = false;
    rewrite(&from, &directory.path().join("node-13"), |frame| {
        if let Frame::Event(event) = frame
            && let Taken::Attestations(items) = &mut event.taken
            && items.iter().any(|(vote, _)| vote.message.data.slot == 8)
            && !lost
        {
            items.pop();
            lost = true;
        }
    });
    let (outcome, _) = replay(directory.path(), 13);
    assert!(lost && outcome.first.is_some_and(|first| first.slot == 8));
}

#[test]
fn by_other_rules_the_chain_goes_another_way() {
    let directory = tempdir().unwrap();
    let simulation = Simulation::new(7).recorded(directory.path(), Limits::of(1 << 28));
    eventful(simulation, 24);
    let recording = Recording::open(&directory.path().join("node-0")).unwrap();
    let options = ReplayOptions {
        rules: Rules {
            votes_follow_one_chain: false,
            votes_only_get_newer: false,
            justified_is_the_highest: false,
            ..Rules::QUARTET
        },
        ..OPTIONS
    };
    let mut told = 0;
    let outcome = play(&recording, options, |it| {
        told += u32::from(matches!(it, ReplayEvent::Difference(_)));
    });
    assert_eq!(told, u32::from(outcome.first.is_some()));
    assert!(outcome.slots > 20, "it goes on: {outcome:?}");
}

#[test]
fn a_slot_and_a_block_are_explained() {
    let directory = tempdir().unwrap();
    let simulation = Simulation::new(7).recorded(directory.path(), Limits::of(1 << 28));
    eventful(simulation, 24);
    let recording = Recording::open(&directory.path().join("node-1")).unwrap();
    let explained = |wanted| {
        let mut found = None;
        let explain = Some(wanted);
        let outcome = play(&recording, ReplayOptions { explain, ..OPTIONS }, |told| {
            if let ReplayEvent::Explanation(explanation) = told {
                found = Some(explanation);
            }
        });
        assert_eq!(outcome.is_explained, found.is_some());
        found
    };
    let slot = explained(ExplainTarget::Slot(9)).unwrap();
    assert_eq!((slot.slot, slot.validators), (9, 8));
    assert!(!slot.steps.is_empty() && slot.steps.iter().all(|step| step.slot == 9));
    let voters: usize = slot.votes.iter().map(|group| group.validators.len()).sum();
    assert!(voters > 0 && voters <= 8);
    let head = slot.standing.view.head;
    let block = explained(ExplainTarget::Block(head.root.into())).unwrap();
    let first_digits = head.root.to_string()[..10].parse().unwrap();
    let by_digits = explained(ExplainTarget::Block(first_digits)).unwrap();
    assert_eq!(by_digits.block, block.block);
    assert_eq!(block.block, Some((head.root, "on the head's chain")));
    let imported = |step: &quartet_replay::Step| step.decisions.contains(&Decision::Imported(head));
    assert!(block.steps.iter().any(imported), "{:?}", block.steps);
    assert_eq!(explained(ExplainTarget::Slot(900)), None);
}

/// What the node signs with is drawn from the seed.
#[test]
fn no_secret_is_in_a_recording() {
    let directory = tempdir().unwrap();
    let seed = 5;
    let simulation = Simulation::new(seed).recorded(directory.path(), Limits::of(1 << 28));
    eventful(simulation, 12);
    let mut random = StdRng::seed_from_u64(seed);
    let lifetime = Scheme::Test.lifetime();
    let material = KeyMaterial::generate(Scheme::Test, 0, lifetime, &mut random).unwrap();
    let recording = Recording::open(&directory.path().join("node-0")).unwrap();
    let (secret, public) = (material.prf_key(), material.parameter());
    let (mut secrets, mut publics) = (0, 0);
    for segment in recording
        .sessions
        .iter()
        .flat_map(|session| &session.segments)
    {
        for frame in SegmentReader::open(&segment.path).unwrap() {
            let Frame::Keyframe(keyframe) = frame.unwrap() else {
                continue;
            };
            // The registry is there, so that what is looked for would be found.
            let bytes = ssz::Encode::as_ssz_bytes(&*keyframe.state);
            publics += bytes
                .windows(public.len())
                .filter(|it| *it == public)
                .count();
        }
        let raw = std::fs::read(&segment.path).unwrap();
        secrets += raw.windows(secret.len()).filter(|it| it == secret).count();
        for frame in SegmentReader::open(&segment.path).unwrap() {
            let text = format!("{:?}", frame.unwrap());
            let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
            secrets += usize::from(text.contains(&hex));
        }
    }
    assert_eq!(secrets, 0);
    assert!(publics > 0);
}
