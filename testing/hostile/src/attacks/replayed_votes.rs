//! Votes that come a second time, when all have forgotten that they were there.

use std::time::Duration;

use quartet_types::Slot;

use super::votes_before;
use crate::attacker::Stage;

/// Slots after which gossip no longer knows a message by its id: 24 seconds, and a slot more.
pub(super) const AGE: Slot = 7;

/// The nodes have counted the slot's new votes by then, so that nothing newer stands in an old one's way.
const JUST_AFTER: Duration = Duration::from_millis(100);

/// Sends the votes of [`AGE`] slots ago again, just after the last interval's start.
pub(super) async fn replay(stage: Stage) {
    let mut ticks = stage.clock.ticks();
    loop {
        let tick = ticks.next().await;
        let Some(old) = tick.slot.checked_sub(AGE) else {
            continue;
        };
        if tick.interval != 2 {
            continue;
        }
        let speaker = stage.speaker().await;
        let last = ticks.next().await;
        tokio::time::sleep(JUST_AFTER.saturating_sub(last.late)).await;
        for vote in votes_before(&stage, old + 1, 1) {
            stage.send_vote(&speaker, &vote).await;
        }
        speaker.leave().await;
    }
}
