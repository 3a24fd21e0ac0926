//! The status.

use std::time::Duration;

use quartet_types::{Checkpoint, Root, Slot, Status};
use ssz::Encode as _;
use tokio::time::{Instant, sleep};

use super::{case, liveness, source};
use crate::{
    case::{Case, Group},
    context::CaseContext,
    frames::{self, varint},
    peer::{Peer, STATUS},
    requests::End,
    verdict::{CaseResult, Failure, broken, differs, fail, pass, pass_if, unsupported},
};

const GROUP: Group = Group::Status;
/// Bytes of a status.
const STATUS_BYTES: u64 = 80;
/// How many blocks are walked from the head towards the finalized one.
const MAX_WALK: usize = 64;
/// Slots in which a network that has just begun finalizes something.
const FINALITY_SLOTS: u32 = 6;

pub(super) const CASES: &[Case] = &[
    case(
        GROUP,
        "S01",
        "a status is answered first thing on a connection, by one chunk of success with 80 bytes",
        source::LEAN_STATUS,
        |s| Box::pin(first(s)),
    ),
    case(
        GROUP,
        "S02",
        "an answer announces the length of its SSZ, not of what is compressed",
        source::ETH2_REQUESTS,
        |s| Box::pin(announced(s)),
    ),
    case(
        GROUP,
        "S03",
        "nothing follows the one chunk, and the node closes the stream",
        source::LEAN_STATUS,
        |s| Box::pin(one_chunk(s)),
    ),
    case(
        GROUP,
        "S04",
        "statuses may be told again on the same connection",
        source::LEAN_STATUS,
        |s| Box::pin(again(s)),
    ),
    case(
        GROUP,
        "S05",
        "a malformed status is not answered with success, and the next one is answered",
        source::LEAN_STATUS,
        |s| Box::pin(after_a_bad_one(s)),
    ),
    case(
        GROUP,
        "S06",
        "the finalized slot is not after the head's",
        source::LEAN_STATUS,
        |s| Box::pin(consistent(s)),
    ),
    case(
        GROUP,
        "S07",
        "the block that is told as head is served by root, and has the slot that is told",
        source::LEAN_DIRECT,
        |s| Box::pin(head_is_served(s)),
    ),
    case(
        GROUP,
        "S08",
        "the finalized block that is told is an ancestor of the head, in the slot that is told",
        source::LEAN_STATUS,
        |s| Box::pin(finalized_is_ancestor(s)),
    ),
    case(GROUP, "S09", "the head goes on", source::LEAN_STATUS, |s| {
        Box::pin(goes_on(s))
    }),
    case(
        GROUP,
        "S10",
        "who tells another finalized block for a slot that is final is sent away",
        source::LEAN_STATUS,
        |s| Box::pin(another_chain(s)),
    ),
    case(
        GROUP,
        "S11",
        "a peer that tells a newer head is asked for its block",
        source::LEAN_STATUS,
        |s| Box::pin(newer_head(s)),
    ),
    case(GROUP, "S90", liveness::RULE, source::ROBUST, |s| {
        Box::pin(liveness::is_alive(s))
    }),
];

async fn first(context: &CaseContext) -> CaseResult {
    let peer = context.connect_silently(context.config()).await?;
    let answer = context
        .ask(&peer, STATUS, &context.status_request())
        .await?;
    let chunks = answer.chunks().map_err(|error| broken(error.to_string()))?;
    let holds = matches!(chunks.as_slice(), [chunk] if chunk.code == 0 && chunk.ssz.len() as u64 == STATUS_BYTES);
    pass_if(
        holds,
        "a status, the connection's first message",
        answer.to_string(),
    )
}

async fn announced(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let answer = context
        .ask(&new_peer, STATUS, &context.status_request())
        .await?;
    let bytes = answer.bytes.get(1..).unwrap_or_default();
    let length = bytes
        .iter()
        .position(|byte| byte & 0x80 == 0)
        .map_or(0, |last| last + 1);
    let said = &bytes[..length];
    let seen = format!("the length prefix {said:02x?}");
    if said == varint(STATUS_BYTES) {
        pass("a status", seen)
    } else {
        // The specification does not say which; all clients but one have the length of the SSZ.
        differs("a status", seen)
    }
}

async fn one_chunk(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let answer = context
        .ask(&new_peer, STATUS, &context.status_request())
        .await?;
    let chunks = answer.chunks().map_err(|error| broken(error.to_string()))?;
    let (sent, seen) = ("a status", answer.to_string());
    match (chunks.len(), &answer.end) {
        (1, End::Closed) => pass(sent, seen),
        (1, _) => differs(sent, seen),
        _ => fail(sent, seen),
    }
}

async fn again(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    for number in 2..=5 {
        if let Err(error) = context.status_of(&new_peer).await {
            return fail(format!("{number} statuses"), error.to_string());
        }
    }
    pass("five statuses, one after another", "all answered")
}

async fn after_a_bad_one(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let bad = frames::payload(&[7; 13]);
    let answer = context.ask(&new_peer, STATUS, &bad).await?;
    let sent = "a status of 13 bytes, then a good one";
    if answer.succeeds() {
        return fail(sent, answer.to_string());
    }
    let next = context.status_of(&new_peer).await;
    let seen = format!(
        "{answer}; then {}",
        next.as_ref()
            .err()
            .map_or("a status".into(), ToString::to_string)
    );
    pass_if(next.is_ok(), sent, seen)
}

async fn consistent(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let Status { finalized, head } = context.status_of(&new_peer).await?;
    let same = finalized.slot == head.slot && finalized.root != head.root;
    pass_if(
        finalized.slot <= head.slot && !same,
        "a status",
        format!("finalized {finalized}, head {head}"),
    )
}

async fn head_is_served(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let head = context.status_of(&new_peer).await?.head;
    if head.slot == 0 {
        return Err(unsupported(
            "the node's head is genesis, which nobody has signed",
        ));
    }
    let sent = format!("a status, then a request for {}", head.root);
    match context.block(&new_peer, head.root).await {
        Ok(block) => pass_if(
            block.block().slot == head.slot,
            sent,
            format!(
                "told slot {}, served slot {}",
                head.slot,
                block.block().slot
            ),
        ),
        Err(error) => fail(sent, error.to_string()),
    }
}

/// The status once something is final; it may be that the network has just begun.
async fn final_status(context: &CaseContext, new_peer: &Peer) -> Result<Status, Failure> {
    let until = Instant::now() + context.slots(FINALITY_SLOTS);
    loop {
        let status = context.status_of(new_peer).await?;
        if status.finalized.slot > 0 {
            return Ok(status);
        }
        if Instant::now() > until || status.head.slot > 4 * Slot::from(FINALITY_SLOTS) {
            return Err(unsupported("nothing but genesis is final"));
        }
        sleep(context.slots(1).max(Duration::from_secs(1))).await;
    }
}

async fn finalized_is_ancestor(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let Status { finalized, head } = final_status(context, &new_peer).await?;
    let (mut at, mut steps) = (head, 0);
    while at.slot > finalized.slot {
        if steps == MAX_WALK {
            return Err(unsupported(format!(
                "finality is more than {MAX_WALK} blocks behind"
            )));
        }
        let parent = context.block(&new_peer, at.root).await?.block().parent_root;
        let slot = context.block(&new_peer, parent).await?.block().slot;
        at = Checkpoint { root: parent, slot };
        steps += 1;
    }
    pass_if(
        at == finalized,
        format!("requests for {steps} blocks from the head back"),
        format!("at the finalized slot: {at}; told: {finalized}"),
    )
}

async fn goes_on(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let before = context.status_of(&new_peer).await?.head;
    let until = Instant::now() + context.slots(8);
    let sent = "statuses for eight slots";
    loop {
        // Statuses have a limit of one a second at some nodes.
        sleep(context.slots(1).max(Duration::from_secs(1))).await;
        let now = context.status_of(&new_peer).await?.head;
        if now.slot > before.slot {
            return pass(sent, format!("from slot {} to {}", before.slot, now.slot));
        }
        if Instant::now() > until {
            return differs(sent, format!("the head stays at slot {}", before.slot));
        }
    }
}

async fn another_chain(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let Status { finalized, head } = final_status(context, &new_peer).await?;
    let root = Root::repeat_byte(0x5a);
    let other = Status {
        finalized: Checkpoint { root, ..finalized },
        head,
    };
    let answer = context
        .ask(&new_peer, STATUS, &frames::payload(&other.as_ssz_bytes()))
        .await;
    let sent = format!(
        "a status with another block as finalized in slot {}",
        finalized.slot
    );
    // It is a SHOULD, and nothing but a claim.
    if new_peer.is_disconnected_within(context.silence()).await {
        pass(sent, "the connection is closed")
    } else {
        differs(
            sent,
            format!(
                "{}, and the connection stays",
                answer.map_or_else(|error| error.to_string(), |answer| answer.to_string())
            ),
        )
    }
}

async fn newer_head(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let Status { finalized, head } = context.status_of(&new_peer).await?;
    // A slot that the node's clock has reached, or nearly.
    let slot = match &context.clock {
        Some(clock) => clock.slot().max(head.slot + 1),
        None => head.slot + 1,
    };
    let root = Root::repeat_byte(0xa5);
    let claim = Status {
        finalized,
        head: Checkpoint { root, slot },
    };
    context
        .ask(&new_peer, STATUS, &frames::payload(&claim.as_ssz_bytes()))
        .await?;
    let until = Instant::now() + context.slots(2).max(context.answer_timeout);
    let sent = format!("a status with an unknown head in slot {slot}");
    while Instant::now() < until {
        if new_peer.served.lock().asked.contains(&root) {
            return pass(sent, "a request for it by root");
        }
        sleep(context.silence() / 20).await;
    }
    differs(sent, "no request for it by root")
}
