//! Blocks made with a validator's key.

use quartet_types::{Root, SignedBlockWithAttestation};
use ssz::Encode as _;
use tokio::time::{Instant, sleep};
use tree_hash::TreeHash as _;

use super::{ballots::Draft, case, invalid::spoil, liveness, source};
use crate::{
    case::{Case, Group},
    context::CaseContext,
    frames::block,
    gossip::Gossip,
    gossip_log::rpc::Message,
    verdict::{CaseResult, Failure, differs, fail, pass, pass_if, unsupported},
};

const GROUP: Group = Group::Proposals;

/// The part of its slot by which a block has to be made to be in time, and by which one that is not to be passed on is.
const IN_TIME: f64 = 0.25;
/// See [`IN_TIME`].
const LATE: f64 = 0.8;

pub(super) const CASES: &[Case] = &[
    case(
        GROUP,
        "P01",
        "a valid block is passed on, and served by its root",
        source::LEAN_ON_BLOCK,
        |s| Box::pin(valid(s)),
    ),
    case(
        GROUP,
        "P02",
        "a valid block in time becomes the head, or the head's ancestor",
        source::LEAN_ON_BLOCK,
        |s| Box::pin(becomes_head(s)),
    ),
    case(
        GROUP,
        "P03",
        "of two blocks of a slot the second is not passed on, or both are; the node stands it",
        source::ROBUST,
        |s| Box::pin(second(s)),
    ),
    case(
        GROUP,
        "P04",
        "a block whose proposer's signature is not valid is not passed on",
        source::LEAN_BLOCK,
        |s| Box::pin(bad_signature(s)),
    ),
    case(
        GROUP,
        "P05",
        "a block with a wrong state root is not passed on, though its proposer has signed it",
        source::LEAN_STATE,
        |s| Box::pin(wrong_state(s)),
    ),
    case(
        GROUP,
        "P06",
        "a block by a validator whose turn it is not is not passed on",
        source::LEAN_STATE,
        |s| Box::pin(wrong_proposer(s)),
    ),
    case(
        GROUP,
        "P07",
        "a block of a slot far ahead is not passed on",
        source::LEAN_ON_BLOCK,
        |s| Box::pin(far_future(s)),
    ),
    case(
        GROUP,
        "P08",
        "a block whose parent is unknown is not passed on, and its parent is asked for",
        source::LEAN_DIRECT,
        |s| Box::pin(unknown_parent(s)),
    ),
    case(GROUP, "P90", liveness::RULE, source::ROBUST, |s| {
        Box::pin(liveness::listens(s))
    }),
];

fn message(context: &CaseContext, envelope: &SignedBlockWithAttestation) -> Message {
    Message::new(&context.topic("block"), block(&envelope.as_ssz_bytes()))
}

/// A valid block of a slot of the checker's own, from now on used.
async fn own_block(context: &CaseContext) -> Result<SignedBlockWithAttestation, Failure> {
    context.listener().await?;
    let (slot, proposer) = context.own_slot(IN_TIME).await?;
    let draft = context.draft(slot).await?;
    context.used.lock().insert((slot, proposer));
    context.seal(draft, proposer).await
}

async fn valid(context: &CaseContext) -> CaseResult {
    let envelope = own_block(context).await?;
    let root = envelope.block().tree_hash_root();
    let (passed_on, _culprit) = context.brings_out(message(context, &envelope)).await?;
    *context.proposed.lock() = Some(envelope.clone());
    let sent = format!("block {root} of slot {}", envelope.block().slot);
    if !passed_on {
        return fail(sent, "nothing comes out");
    }
    let new_peer = context.new_peer().await?;
    match context.block(&new_peer, root).await {
        Ok(served) => pass_if(*served == envelope, sent, "it comes out, and is served"),
        Err(error) => fail(sent, format!("it comes out, but: {error}")),
    }
}

async fn becomes_head(context: &CaseContext) -> CaseResult {
    let last = context.proposed.lock().clone();
    let envelope = match last {
        Some(envelope) => envelope,
        None => {
            let envelope = own_block(context).await?;
            context.passes_on(message(context, &envelope)).await?;
            envelope
        }
    };
    let (slot, root) = (envelope.block().slot, envelope.block().tree_hash_root());
    let sent = format!("block {root} of slot {slot}");
    let new_peer = context.new_peer().await?;
    let until = Instant::now() + context.slots(3);
    loop {
        let mut at = context.status_of(&new_peer).await?.head;
        while at.slot > slot {
            at.root = context.block(&new_peer, at.root).await?.block().parent_root;
            at.slot = context.block(&new_peer, at.root).await?.block().slot;
        }
        if at.root == root {
            return pass(sent, "it is in the head's chain");
        }
        if Instant::now() > until {
            return differs(sent, format!("the head's chain has {at}"));
        }
        sleep(context.slot.slot() / 2).await;
    }
}

async fn second(context: &CaseContext) -> CaseResult {
    let (slot, proposer) = context.own_slot(IN_TIME).await?;
    let draft = context.draft(slot).await?;
    context.used.lock().insert((slot, proposer));
    // The same without votes is another block.
    let new_peer = context.new_peer().await?;
    let parent = context.state(&new_peer, draft.block.parent_root).await?;
    let bare = quartet_state_transition::build_block(
        &parent,
        slot,
        &[],
        quartet_state_transition::Selection::LatestSource,
    );
    let Ok((bare, _)) = bare else {
        return Err(unsupported("no second block can be built"));
    };
    if bare == draft.block {
        return Err(unsupported(
            "there are no votes with which the two would differ",
        ));
    }
    let other = Draft {
        block: bare,
        votes: Vec::new(),
        data: draft.data,
    };
    let (one, other) = (
        context.seal(draft, proposer).await?,
        context.seal(other, proposer).await?,
    );
    let (first, _one) = context.brings_out(message(context, &one)).await?;
    let (second, _other) = context.passes_on(message(context, &other)).await?;
    let status = context.serves_others().await;
    let sent = format!("two blocks of slot {slot}, both signed by validator {proposer}");
    let seen = format!("they come out: {first}, {second}");
    match status {
        Err(error) => fail(sent, format!("{seen}; then {error}")),
        Ok(_) if !first => Err(unsupported("a valid block is not passed on: see P01")),
        Ok(_) if second => differs(sent, seen),
        Ok(_) => pass(sent, seen),
    }
}

/// Publishes a block that must not be passed on, and says whether the node still answers. Also returns the publisher.
async fn kept_back(
    context: &CaseContext,
    envelope: &SignedBlockWithAttestation,
) -> Result<(bool, Gossip), Failure> {
    let (passed_on, culprit) = context.passes_on(message(context, envelope)).await?;
    context.serves_others().await?;
    Ok((!passed_on, culprit))
}

fn judged(kept_back: bool, sent: String) -> CaseResult {
    pass_if(
        kept_back,
        sent,
        if kept_back {
            "nothing comes out"
        } else {
            "it comes out"
        },
    )
}

async fn bad_signature(context: &CaseContext) -> CaseResult {
    // A proposer that signs nothing does not use its slot up: the next case may use it.
    let (slot, proposer) = context.own_slot(IN_TIME).await?;
    let draft = context.draft(slot).await?;
    let mut envelope = context.seal(draft, proposer).await?;
    let mut signatures: Vec<_> = envelope.signature.iter().cloned().collect();
    if let Some(last) = signatures.last_mut() {
        *last = spoil(last);
    }
    envelope.signature = signatures.try_into().unwrap_or_default();
    let (kept, _culprit) = kept_back(context, &envelope).await?;
    judged(
        kept,
        format!("a block of slot {slot} with one bit of its proposer's signature turned"),
    )
}

async fn wrong_proposer(context: &CaseContext) -> CaseResult {
    let ballot = context.ballot().await?;
    let slot = ballot.data.slot;
    let mut draft = context.draft(slot).await?;
    draft.block.proposer_index = ballot.validator;
    let envelope = context.seal(draft, ballot.validator).await?;
    let (kept, _culprit) = kept_back(context, &envelope).await?;
    judged(
        kept,
        format!("a block of slot {slot} by validator {}", ballot.validator),
    )
}

async fn far_future(context: &CaseContext) -> CaseResult {
    let ballot = context.ballot().await?;
    let validators = context
        .genesis
        .as_ref()
        .map_or(1, |genesis| genesis.validators.len() as u64);
    let ahead = ballot.data.slot + 100;
    let slot = ahead - ahead % validators + ballot.validator;
    let draft = context.draft(slot).await?;
    let envelope = context.seal(draft, ballot.validator).await?;
    let (kept, _culprit) = kept_back(context, &envelope).await?;
    judged(
        kept,
        format!("a valid block of slot {slot} in slot {}", ballot.data.slot),
    )
}

async fn wrong_state(context: &CaseContext) -> CaseResult {
    let (slot, proposer) = context.own_slot(LATE).await?;
    let mut draft = context.draft(slot).await?;
    context.used.lock().insert((slot, proposer));
    draft.block.state_root = Root::repeat_byte(0x93);
    let envelope = context.seal(draft, proposer).await?;
    let (kept, _culprit) = kept_back(context, &envelope).await?;
    judged(
        kept,
        format!("a block of slot {slot} with a state root of its own"),
    )
}

async fn unknown_parent(context: &CaseContext) -> CaseResult {
    let (slot, proposer) = context.own_slot(IN_TIME).await?;
    let mut draft = context.draft(slot).await?;
    context.used.lock().insert((slot, proposer));
    let parent = Root::repeat_byte(0x94);
    draft.block.parent_root = parent;
    let envelope = context.seal(draft, proposer).await?;
    let (kept, culprit) = kept_back(context, &envelope).await?;
    let sent = format!("a block of slot {slot} on {parent}");
    if !kept {
        return fail(sent, "it comes out");
    }
    let until = Instant::now() + context.answer_timeout;
    while Instant::now() < until {
        if culprit.peer.served.lock().asked.contains(&parent) {
            return pass(sent, "nothing comes out, and the parent is asked for");
        }
        sleep(context.silence() / 20).await;
    }
    differs(sent, "nothing comes out, and the parent is not asked for")
}
