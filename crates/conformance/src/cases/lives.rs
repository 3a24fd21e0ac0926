//! The last case of each group: whatever was done to the node, it lives.

use crate::{
    case::{Outcome, Verdict, fail, judge},
    scene::Scene,
};

/// What it is, in one sentence.
pub(super) const RULE: &str =
    "after all that, the node lets somebody new in, tells its status, and its head goes on";

/// A newcomer asks for the status; listeners that have done nothing wrong are still there.
pub(super) async fn lives(scene: &Scene) -> Outcome {
    let sent = "a status by somebody new";
    let guest = scene.stranger(scene.manners()).await?;
    if !scene.tells_status {
        let gone = guest.is_sent_away(scene.silence()).await;
        let seen = match gone {
            true => "the connection is closed",
            false => "it stays connected; the node has never told a status",
        };
        return judge(!gone, "a connection by somebody new", seen);
    }
    let status = scene.status_of(&guest).await?;
    guest.leave().await;
    if status.finalized.slot > status.head.slot {
        return fail(
            sent,
            format!(
                "finalized slot {} after head slot {}",
                status.finalized.slot, status.head.slot
            ),
        );
    }
    let goes_on = scene.head_goes_on(status.head);
    let at = format!(
        "head at slot {}, finalized {}",
        status.head.slot, status.finalized.slot
    );
    judge(goes_on.is_ok(), sent, goes_on.err().unwrap_or(at))
}

/// As [`lives`]; and the listener, who has done nothing wrong, still hears what it heard before.
pub(super) async fn listens(scene: &Scene) -> Outcome {
    let finding = lives(scene).await?;
    let ears = scene.ears().await?;
    let topics = scene.topics();
    let heard = ears
        .log()
        .look(|sounds| topics.iter().any(|topic| sounds.of(topic).next().is_some()));
    if finding.verdict != Verdict::Pass || !heard {
        return Ok(finding);
    }
    let next = scene.hear_next(&ears, "block").await;
    judge(
        next.is_ok(),
        finding.sent,
        match next {
            Ok(_) => format!("{}; the listener hears blocks", finding.seen),
            Err(error) => format!("{}; the listener: {error}", finding.seen),
        },
    )
}
