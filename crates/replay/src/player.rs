//! Plays a recording.

use std::{path::Path, time::Duration};

use quartet_chain::{ForkChoiceView, ReplayedService, StoreError};
use quartet_recording::{
    Damage, Decision, Event, Frame, Keyframe, Recording, SegmentReader, Session, Start,
};
use quartet_types::{INTERVALS_PER_SLOT, Slot};

use crate::{
    compare::{Difference, describe, first_difference, root_of},
    explain::explain,
    journey::Journey,
    options::{Beginning, ExplainTarget, ReplayEvent, ReplayOptions, ReplayOutcome},
    requests::Requests,
    run::Run,
    slot_line::Counts,
};

/// Slots after a beginning in the middle in which differences are put down to what was under way.
const SETTLING: Slot = 8;

/// A replay under way.
#[derive(Debug)]
struct Player<F> {
    options: ReplayOptions,
    tell: F,
    outcome: ReplayOutcome,
    session: usize,
}

/// Plays a recording, and tells what happens on the way.
pub fn play(
    recording: &Recording,
    options: ReplayOptions,
    tell: impl FnMut(ReplayEvent<'_>),
) -> ReplayOutcome {
    let mut play = Player {
        options,
        tell,
        outcome: ReplayOutcome::default(),
        session: 0,
    };
    for (path, damage) in &recording.unreadable {
        play.notice_damage(path, damage);
    }
    for (number, session) in recording.sessions.iter().enumerate() {
        play.session = number;
        (play.tell)(ReplayEvent::Session(&session.start));
        play.outcome.sessions += 1;
        if play.play_session(session) {
            break;
        }
    }
    play.outcome
}

impl<F: FnMut(ReplayEvent<'_>)> Player<F> {
    /// True when the end was asked for.
    fn play_session(&mut self, session: &Session) -> bool {
        let mut run: Option<Run> = None;
        let mut next_part = 0;
        for segment in &session.segments {
            if segment.part != next_part {
                let from = segment.part;
                self.notice(format!(
                    "parts {next_part} to {} of the recording are gone: it begins with part {from}",
                    from.saturating_sub(1)
                ));
                self.end_run(&mut run);
            }
            next_part = segment.part + 1;
            let frames = match SegmentReader::open(&segment.path) {
                Ok(frames) => frames,
                Err(damage) => {
                    self.notice_damage(&segment.path, &damage);
                    self.end_run(&mut run);
                    continue;
                }
            };
            for frame in frames {
                match frame {
                    Ok(Frame::Start(_)) => {}
                    Ok(Frame::Keyframe(keyframe)) => {
                        if run.is_none() {
                            run = self.begin(&session.start, &keyframe);
                        }
                    }
                    Ok(Frame::Event(event)) => {
                        let is_last = |run: &Run| {
                            let until = self.options.until;
                            until.is_some_and(|last| run.slot_at(event.at) > last)
                        };
                        if run.as_ref().is_some_and(is_last) {
                            self.end_run(&mut run);
                            return true;
                        }
                        if let Some(run) = &mut run {
                            run.event = Some(event);
                        }
                    }
                    Ok(Frame::Decided(recorded)) => self.decided(&mut run, &recorded),
                    Ok(Frame::Gap) => {
                        self.notice("what came next was not recorded: the disk or the processor was too slow".to_owned());
                        self.outcome.is_incomplete = true;
                        self.end_run(&mut run);
                    }
                    Ok(Frame::End) => {}
                    Err(damage) => {
                        self.notice_damage(&segment.path, &damage);
                        self.end_run(&mut run);
                    }
                }
            }
        }
        self.end_run(&mut run);
        false
    }

    fn decided(&mut self, run: &mut Option<Run>, recorded: &[Decision]) {
        let event = run.as_mut().and_then(|run| run.event.take());
        let Some((going, event)) = run.as_mut().zip(event) else {
            return;
        };
        if let Err(StoreError(why)) = self.step(going, &event, Some(recorded)) {
            self.notice(format!("the service ends in slot {}: {why}", going.slot));
            self.end_run(run);
        }
    }

    fn begin(&mut self, start: &Start, keyframe: &Keyframe) -> Option<Run> {
        let service = match ReplayedService::begin(
            start,
            keyframe,
            self.options.verifier,
            self.options.rules,
        ) {
            Ok(service) => service,
            Err(StoreError(why)) => {
                self.notice(format!("a keyframe cannot be taken up: {why}"));
                self.outcome.is_incomplete = true;
                return None;
            }
        };
        let slot = keyframe.time / INTERVALS_PER_SLOT;
        let beginning = if keyframe.is_beginning {
            Beginning::OfTheSession
        } else {
            Beginning::InTheMiddle
        };
        (self.tell)(ReplayEvent::Begins(beginning, slot));
        if service.standing().view != view(keyframe) {
            self.notice("what it begins with does not stand where the node stood: its blocks and votes alone do not lead there".to_owned());
            self.outcome.is_incomplete = true;
        }
        let journey = self.options.explain.map(|wanted| match wanted {
            ExplainTarget::Slot(slot) => Journey::of_slot(slot),
            ExplainTarget::Block(root) => Journey::of_block(root),
        });
        Some(Run {
            service,
            event: None,
            number: 0,
            slot,
            settled: (!keyframe.is_beginning).then_some(slot + SETTLING),
            requests: Requests::default(),
            counts: Counts::default(),
            journey,
            imported_in: None,
            forgotten: Vec::new(),
            began: keyframe.at,
            at: keyframe.at,
            genesis: Duration::from_secs(start.genesis_time),
            slot_length: Duration::from_millis(start.slot_milliseconds.max(1)),
        })
    }

    fn step(
        &mut self,
        run: &mut Run,
        event: &Event,
        recorded: Option<&[Decision]>,
    ) -> Result<(), StoreError> {
        run.at = event.at;
        let slot = run.slot_at(event.at);
        if slot != run.slot {
            self.end_slot(run);
            run.slot = slot;
        }
        self.outcome.events += 1;
        let events = match run.settled {
            Some(_) => run.requests.translate(event),
            None => vec![event.clone()],
        };
        let mut replayed = Vec::new();
        let mut is_unknown_job = false;
        for event in &events {
            match run.service.take(event, recorded.unwrap_or_default())? {
                Some(decisions) => replayed.extend(decisions),
                None => is_unknown_job = true,
            }
        }
        if let Some(recorded) = recorded {
            if run.settled.is_some() {
                run.requests.note(recorded, &replayed);
            }
            self.compare(run, event, recorded, &replayed, is_unknown_job);
        }
        if run.settled.is_some() || self.outcome.first.is_some() {
            run.finish_forgotten(&event.taken)?;
        }
        run.counts.count(&replayed);
        run.note_journey(event, &replayed);
        run.number += 1;
        Ok(())
    }

    fn compare(
        &mut self,
        run: &mut Run,
        event: &Event,
        recorded: &[Decision],
        replayed: &[Decision],
        is_unknown_job: bool,
    ) {
        let of_the_chain = run.settled.is_some();
        let differs = match first_difference(recorded, replayed, of_the_chain) {
            // It was not begun here, which is no decision of its own unless all was the same before.
            None if is_unknown_job && !of_the_chain => (None, None),
            None => {
                self.outcome.agreeing += recorded.len() as u64;
                return;
            }
            Some(differs) => differs,
        };
        if run.settled.is_some_and(|settled| run.slot < settled) {
            self.outcome.unknown += 1;
            return;
        }
        run.counts.differences += 1;
        self.outcome.differences += 1;
        if self.outcome.first.is_some() {
            return;
        }
        let (recorded, replayed) = differs;
        let root = |decision: &Option<Decision>| decision.as_ref().and_then(Decision::root);
        let mut taken = describe(&event.taken);
        if is_unknown_job {
            taken.push_str(", which was not begun in the replay");
        }
        let difference = Difference {
            session: self.session,
            event: run.number,
            slot: run.slot,
            root: root(&recorded)
                .or_else(|| root(&replayed))
                .or_else(|| root_of(event)),
            taken,
            recorded,
            replayed,
        };
        (self.tell)(ReplayEvent::Difference(&difference));
        self.outcome.first = Some(difference);
    }

    fn end_slot(&mut self, run: &mut Run) {
        let counts = std::mem::take(&mut run.counts);
        if counts.events == 0 {
            return;
        }
        self.outcome.slots += 1;
        if self.options.from.is_none_or(|first| run.slot >= first) {
            let line = counts.line(run.slot, &run.service.standing());
            (self.tell)(ReplayEvent::Slot(Box::new(line)));
        }
        let is_time = match self.options.explain {
            Some(ExplainTarget::Slot(slot)) => run.slot == slot,
            Some(ExplainTarget::Block(_)) => run.imported_in == Some(run.slot),
            None => false,
        };
        if is_time {
            self.explain(run);
        }
    }

    fn explain(&mut self, run: &mut Run) {
        if let Some(journey) = run.journey.take() {
            let explanation = explain(&run.service, run.slot, journey.found, journey.steps);
            (self.tell)(ReplayEvent::Explanation(Box::new(explanation)));
            self.outcome.is_explained = true;
        }
    }

    fn end_run(&mut self, run: &mut Option<Run>) {
        let Some(mut run) = run.take() else {
            return;
        };
        if let Some(event) = run.event.take() {
            self.notice(format!(
                "the recording ends while the service deals with this: {}",
                describe(&event.taken)
            ));
            if let Err(StoreError(why)) = self.step(&mut run, &event, None) {
                self.notice(format!("the service ends in slot {}: {why}", run.slot));
            }
        }
        self.end_slot(&mut run);
        let is_met = run
            .journey
            .as_ref()
            .is_some_and(|journey| !journey.steps.is_empty());
        if matches!(self.options.explain, Some(ExplainTarget::Block(_))) && is_met {
            self.explain(&mut run);
        }
        self.outcome.recorded += run.at.saturating_sub(run.began);
    }

    fn notice_damage(&mut self, path: &Path, damage: &Damage) {
        self.outcome.is_incomplete = true;
        self.notice(format!("{}: {damage}", path.display()));
    }

    fn notice(&mut self, text: String) {
        (self.tell)(ReplayEvent::Notice(text));
    }
}

/// Where the node stood.
fn view(keyframe: &Keyframe) -> ForkChoiceView {
    ForkChoiceView {
        head: keyframe.head,
        safe_target: keyframe.safe_target,
        justified: keyframe.justified,
        finalized: keyframe.finalized,
    }
}
