//! The last case of each group: the node still answers.

use crate::{
    context::CaseContext,
    verdict::{CaseResult, Verdict, fail, pass_if},
};

/// The rule, in one sentence.
pub(super) const RULE: &str =
    "after all that, the node lets somebody new in, tells its status, and its head goes on";

/// A newcomer asks for the status; listeners that have done nothing wrong are still there.
pub(super) async fn is_alive(context: &CaseContext) -> CaseResult {
    let sent = "a status by somebody new";
    let new_peer = context.connect_silently(context.config()).await?;
    if !context.supports_status {
        let gone = new_peer.is_disconnected_within(context.silence()).await;
        let seen = if gone {
            "the connection is closed"
        } else {
            "it stays connected; the node has never told a status"
        };
        return pass_if(!gone, "a connection by somebody new", seen);
    }
    let status = context.status_of(&new_peer).await?;
    new_peer.disconnect().await;
    if status.finalized.slot > status.head.slot {
        return fail(
            sent,
            format!(
                "finalized slot {} after head slot {}",
                status.finalized.slot, status.head.slot
            ),
        );
    }
    let goes_on = context.head_goes_on(status.head);
    let at = format!(
        "head at slot {}, finalized {}",
        status.head.slot, status.finalized.slot
    );
    pass_if(goes_on.is_ok(), sent, goes_on.err().unwrap_or(at))
}

/// As [`is_alive`]; and the listener, which has done nothing wrong, still gets gossip.
pub(super) async fn listens(context: &CaseContext) -> CaseResult {
    let finding = is_alive(context).await?;
    let listener = context.listener().await?;
    let topics = context.topics();
    let heard = listener
        .log()
        .look(|sounds| topics.iter().any(|topic| sounds.of(topic).next().is_some()));
    if finding.verdict != Verdict::Pass || !heard {
        return Ok(finding);
    }
    let next = context.hear_next(&listener, "block").await;
    pass_if(
        next.is_ok(),
        finding.sent,
        match next {
            Ok(_) => format!("{}; the listener hears blocks", finding.seen),
            Err(error) => format!("{}; the listener: {error}", finding.seen),
        },
    )
}
