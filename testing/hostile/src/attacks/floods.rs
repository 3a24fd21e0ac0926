//! Floods of blocks, or of large ones. All are valid except for their proposers' signatures.

use std::time::Duration;

use quartet_types::{SignedAttestation, Slot};
use tokio::time::{MissedTickBehavior, interval};

use super::votes_before;
use crate::{
    attacker::Stage,
    forge::{Draft, arrangement},
};

/// Copies of a vote in a fat block: with their signatures, some 9.7 MB, just below what gossip takes.
const COPIES: usize = 3000;

/// Small blocks a second.
const RATE: u64 = 400;

/// Small blocks are sent in this many batches a second, so that they come evenly.
const BATCHES: u64 = 20;

/// An identity that sends only invalid blocks is soon cut off; after this long another one goes on.
const LIFETIME: Duration = Duration::from_secs(1);

/// Slots whose votes go into the bodies.
const BODY_SLOTS: Slot = 4;

/// What blocks of a slot are made from.
struct Material {
    slot: Slot,
    draft: Draft,
    votes: Vec<SignedAttestation>,
    /// Blocks made of it so far.
    made: u64,
}

impl Material {
    /// Material for the current slot, if enough was heard.
    fn gather(stage: &Stage) -> Option<Self> {
        let slot = stage.clock.slot();
        let base = stage.chain().base_for(slot)?;
        let draft = Draft::new(&base.state, slot).ok()?;
        let votes = draft.fitting(votes_before(stage, slot, BODY_SLOTS));
        (!votes.is_empty()).then_some(Self {
            slot,
            draft,
            votes,
            made: 0,
        })
    }

    /// Brings itself up to date in a new slot.
    fn refresh(&mut self, stage: &Stage) {
        if self.slot != stage.clock.slot()
            && let Some(fresh) = Self::gather(stage)
        {
            *self = fresh;
        }
    }
}

/// Sends blocks with thousands of copies of one vote.
pub(super) async fn fat_blocks(stage: Stage) {
    let mut pace = interval(LIFETIME);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut material = None;
    loop {
        pace.tick().await;
        let Some(material) = up_to_date(&mut material, &stage) else {
            continue;
        };
        let speaker = stage.speaker().await;
        let vote = material.votes[0].clone();
        material.made += 1;
        // No two of a slot have the same number of copies, so that no two are the same.
        let copies = COPIES + material.made as usize;
        if let Ok(forged) = material.draft.forge(vec![vote.clone(); copies]) {
            stage.send_forged(&speaker, forged, &vote).await;
        }
        speaker.leave().await;
    }
}

/// Sends small blocks, hundreds a second.
pub(super) async fn many_blocks(stage: Stage) {
    let mut pace = interval(Duration::from_millis(1000 / BATCHES));
    // What was missed is made up for, so that the rate is kept on average.
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut material = None;
    let mut speaker = stage.speaker().await;
    let mut batches = 0;
    loop {
        pace.tick().await;
        let Some(material) = up_to_date(&mut material, &stage) else {
            continue;
        };
        for _ in 0..RATE / BATCHES {
            material.made += 1;
            let body = arrangement(&material.votes, material.made);
            let proposer = material.votes[0].clone();
            if let Ok(forged) = material.draft.forge(body) {
                stage.send_forged(&speaker, forged, &proposer).await;
            }
        }
        batches += 1;
        if batches % BATCHES == 0 {
            let next = stage.speaker().await;
            tokio::spawn(std::mem::replace(&mut speaker, next).leave());
        }
    }
}

fn up_to_date<'a>(material: &'a mut Option<Material>, stage: &Stage) -> Option<&'a mut Material> {
    match material {
        Some(material) => material.refresh(stage),
        None => *material = Material::gather(stage),
    }
    material.as_mut()
}
