//! Attestations made with a validator's key: valid ones come out on the other side, others do not.

mod kept_back;
mod meshes;

use quartet_types::{AttestationData, Checkpoint, SignedAttestation};
use ssz::Encode as _;
use tokio::time::Instant;

use super::{ballots::Ballot, case, hearing::blocks, liveness, source};
use crate::{
    case::{Case, Group},
    context::CaseContext,
    frames::block,
    gossip_log::rpc::Message,
    verdict::{CaseResult, Failure, differs, fail, pass, pass_if, unsupported},
};

const GROUP: Group = Group::Votes;
/// Slots in which a vote is carried by a block.
const CARRIED_WITHIN: u32 = 6;

pub(super) const CASES: &[Case] = &[
    case(
        GROUP,
        "V01",
        "a valid attestation is passed on",
        source::LEAN_ATTESTATION,
        |s| Box::pin(valid(s)),
    ),
    case(
        GROUP,
        "V02",
        "a valid attestation that somebody else brings again is not passed on again",
        source::LEAN_SEEN,
        |s| Box::pin(again(s)),
    ),
    case(
        GROUP,
        "V03",
        "a valid attestation is in a block soon",
        source::LEAN_PRODUCE,
        |s| Box::pin(carried(s)),
    ),
    case(
        GROUP,
        "V04",
        "an attestation with another one's signature is not passed on",
        source::LEAN_VOTE_SIGNATURE,
        |s| Box::pin(kept_back::foreign_signature(s)),
    ),
    case(
        GROUP,
        "V05",
        "an attestation that is signed in another epoch than its slot is not passed on",
        source::LEAN_VOTE_SIGNATURE,
        |s| Box::pin(kept_back::other_epoch(s)),
    ),
    case(
        GROUP,
        "V06",
        "an attestation in another validator's name is not passed on",
        source::LEAN_VOTE_SIGNATURE,
        |s| Box::pin(kept_back::other_name(s)),
    ),
    case(
        GROUP,
        "V07",
        "an attestation whose source is after its target is not passed on",
        source::LEAN_ATTESTATION,
        |s| Box::pin(kept_back::backwards(s)),
    ),
    case(
        GROUP,
        "V08",
        "an attestation that gives a block another slot is not passed on",
        source::LEAN_ATTESTATION,
        |s| Box::pin(kept_back::wrong_slot(s)),
    ),
    case(
        GROUP,
        "V09",
        "an attestation whose head nobody knows is not passed on as long as it is unknown",
        source::LEAN_ATTESTATION,
        |s| Box::pin(kept_back::unknown_head(s)),
    ),
    case(
        GROUP,
        "V10",
        "an attestation whose target nobody knows is not passed on as long as it is unknown",
        source::LEAN_ATTESTATION,
        |s| Box::pin(kept_back::unknown_target(s)),
    ),
    case(
        GROUP,
        "V11",
        "an attestation of a slot far ahead is not passed on",
        source::LEAN_ATTESTATION,
        |s| Box::pin(kept_back::far_future(s)),
    ),
    case(
        GROUP,
        "V12",
        "an attestation that is older than the validator's newest is not passed on",
        source::LEAN_ATTESTATION,
        |s| Box::pin(old(s)),
    ),
    case(
        GROUP,
        "V13",
        "a message with author, number and signature is not passed on, though its attestation is valid",
        source::LEAN_NO_SIGN,
        |s| Box::pin(kept_back::signed_message(s)),
    ),
    case(
        GROUP,
        "V14",
        "a valid attestation in framed snappy, or with a byte behind it, is not passed on",
        source::LEAN_ENCODING,
        |s| Box::pin(kept_back::wrapped(s)),
    ),
    case(
        GROUP,
        "V15",
        "the second of two attestations of a slot may be passed on, a third is not",
        source::ROBUST,
        |s| Box::pin(equivocation(s)),
    ),
    case(
        GROUP,
        "V16",
        "who has left the mesh (PRUNE) is not sent what others publish",
        source::GOSSIPSUB_10,
        |s| Box::pin(meshes::pruned(s)),
    ),
    case(
        GROUP,
        "V17",
        "who has said that it does not want a message (IDONTWANT) is not sent it",
        source::GOSSIPSUB_12,
        |s| Box::pin(meshes::unwanted(s)),
    ),
    case(
        GROUP,
        "V18",
        "what is passed on has the id of what came: it is told and had by it",
        source::LEAN_MESSAGE_ID,
        |s| Box::pin(meshes::same_id(s)),
    ),
    case(
        GROUP,
        "V89",
        "after all that, a valid attestation by somebody new is passed on",
        source::LEAN_ATTESTATION,
        |s| Box::pin(valid(s)),
    ),
    case(GROUP, "V90", liveness::RULE, source::ROBUST, |s| {
        Box::pin(liveness::listens(s))
    }),
];

fn compressed(vote: &SignedAttestation) -> Vec<u8> {
    block(&vote.as_ssz_bytes())
}

fn said(data: &AttestationData) -> String {
    format!(
        "slot {}, head slot {}, target slot {}, source slot {}",
        data.slot, data.head.slot, data.target.slot, data.source.slot
    )
}

/// A ballot and the listener, once it hears.
async fn ready(context: &CaseContext) -> Result<Ballot, Failure> {
    context.listener().await?;
    context.ballot().await
}

async fn valid(context: &CaseContext) -> CaseResult {
    let ballot = ready(context).await?;
    context.cast(&ballot);
    let vote = context.keys.sign(ballot.validator, ballot.data).await?;
    let message = Message::new(&context.topic("attestation"), compressed(&vote));
    let (passed_on, _culprit) = context.brings_out(message).await?;
    let sent = format!(
        "a vote of validator {}: {}",
        ballot.validator,
        said(&ballot.data)
    );
    pass_if(
        passed_on,
        sent,
        if passed_on {
            "it comes out"
        } else {
            "nothing comes out"
        },
    )
}

async fn again(context: &CaseContext) -> CaseResult {
    let ballot = ready(context).await?;
    context.cast(&ballot);
    let vote = context.keys.sign(ballot.validator, ballot.data).await?;
    let topic = context.topic("attestation");
    let (first, _one) = context
        .brings_out(Message::new(&topic, compressed(&vote)))
        .await?;
    if !first {
        return Err(unsupported("a valid vote is not passed on"));
    }
    let (second, _other) = context
        .passes_on(Message::new(&topic, compressed(&vote)))
        .await?;
    pass_if(
        !second,
        "the same vote by two peers, one after the other",
        if second {
            "it comes out twice"
        } else {
            "it comes out once"
        },
    )
}

async fn carried(context: &CaseContext) -> CaseResult {
    let ballot = ready(context).await?;
    context.cast(&ballot);
    let vote = context.keys.sign(ballot.validator, ballot.data).await?;
    let message = Message::new(&context.topic("attestation"), compressed(&vote));
    let (_, _culprit) = context.brings_out(message).await?;
    let listener = context.listener().await?;
    let topic = context.topic("block");
    let until = Instant::now() + context.slots(CARRIED_WITHIN);
    let found = listener.log().wait(until, |sounds| {
        let blocks = blocks(sounds, &topic);
        let carrier = blocks.iter().find(|(block, _)| {
            block.block().body.attestations.iter().any(|carried| {
                // A newer vote of the same validator, such as that in its own block, counts as well.
                carried.validator_id == ballot.validator && carried.data.slot >= ballot.data.slot
            })
        });
        carrier.map(|(block, _)| block.block().slot)
    });
    let sent = format!(
        "a vote of validator {}: {}",
        ballot.validator,
        said(&ballot.data)
    );
    match found.await {
        Some(slot) => pass(sent, format!("it is in the block of slot {slot}")),
        None => differs(
            sent,
            format!("no block that was heard in {CARRIED_WITHIN} slots carries it"),
        ),
    }
}

async fn old(context: &CaseContext) -> CaseResult {
    let ballot = ready(context).await?;
    let earlier = ballot.data;
    // It is kept until a newer one is there.
    while context.ballot().await?.data.slot == ballot.data.slot {
        context.pause(0.1).await;
    }
    let newer = context.ballot().await?;
    if newer.validator != ballot.validator {
        return Err(unsupported(
            "the slots fall so that another key votes first",
        ));
    }
    context.cast(&newer);
    context.cast(&ballot);
    let topic = context.topic("attestation");
    let vote = context.keys.sign(newer.validator, newer.data).await?;
    let (first, _one) = context
        .brings_out(Message::new(&topic, compressed(&vote)))
        .await?;
    let vote = context.keys.sign(ballot.validator, earlier).await?;
    let (second, _other) = context
        .passes_on(Message::new(&topic, compressed(&vote)))
        .await?;
    let sent = format!(
        "votes of validator {} of slot {}, then of slot {}",
        ballot.validator, newer.data.slot, earlier.slot
    );
    match (first, second) {
        (false, _) => Err(unsupported("a valid vote is not passed on")),
        (true, false) => pass(sent, "the newer one comes out"),
        // No rule says that it is too old.
        (true, true) => differs(sent, "both come out"),
    }
}

async fn equivocation(context: &CaseContext) -> CaseResult {
    let ballot = ready(context).await?;
    context.cast(&ballot);
    let topic = context.topic("attestation");
    let source = ballot.data.source;
    let older = |target: Checkpoint| AttestationData {
        target,
        ..ballot.data
    };
    let heads = AttestationData {
        head: ballot.data.target,
        ..ballot.data
    };
    let mut passed = Vec::new();
    for data in [ballot.data, older(source), heads] {
        let vote = context.keys.sign(ballot.validator, data).await?;
        let (passed_on, _culprit) = context
            .passes_on(Message::new(&topic, compressed(&vote)))
            .await?;
        passed.push(passed_on);
    }
    let sent = format!(
        "three votes of validator {} in slot {}: for its target, for its source as target, for an older head",
        ballot.validator, ballot.data.slot
    );
    let status = context.serves_others().await;
    let seen = format!("they come out: {passed:?}");
    match (status, passed.as_slice()) {
        (Err(error), _) => fail(sent, error.to_string()),
        (Ok(_), [.., true]) => differs(sent, seen),
        (Ok(_), passed) if !passed.contains(&true) => {
            Err(unsupported("a valid vote is not passed on: see V01"))
        }
        (Ok(_), [false, ..]) => fail(sent, seen),
        (Ok(_), _) => pass(sent, seen),
    }
}
