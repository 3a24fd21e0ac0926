//! Signed attestations that must not be passed on.

use quartet_types::{Attestation, AttestationData, Root, SignedAttestation};
use ssz::Encode as _;

use super::{super::ballots::Ballot, super::invalid::spoil, compressed, ready, said};
use crate::{
    context::CaseContext,
    frames::{self, block},
    gossip_log::rpc::Message,
    verdict::{CaseResult, Failure, fail, pass, pass_if},
};

/// Publishes a vote made from a valid one, which must not be passed on.
async fn kept_back(
    context: &CaseContext,
    sent: &str,
    make: impl AsyncFnOnce(Ballot) -> Result<SignedAttestation, Failure>,
) -> CaseResult {
    let ballot = ready(context).await?;
    let vote = make(ballot).await?;
    let message = Message::new(&context.topic("attestation"), compressed(&vote));
    let (passed_on, _culprit) = context.passes_on(message).await?;
    let sent = format!("{sent}: {}", said(&vote.message.data));
    pass_if(
        !passed_on,
        sent,
        if passed_on {
            "it comes out"
        } else {
            "nothing comes out"
        },
    )
}

pub(super) async fn foreign_signature(context: &CaseContext) -> CaseResult {
    kept_back(
        context,
        "a vote with one bit of its signature turned",
        async |ballot| {
            let mut vote = context.keys.sign(ballot.validator, ballot.data).await?;
            vote.signature = spoil(&vote.signature);
            Ok(vote)
        },
    )
    .await
}

pub(super) async fn other_epoch(context: &CaseContext) -> CaseResult {
    kept_back(
        context,
        "a vote signed in the epoch after its slot",
        async |ballot| {
            let message = Attestation {
                validator_id: ballot.validator,
                data: ballot.data,
            };
            context
                .keys
                .sign_as(ballot.validator, message, ballot.data.slot + 1)
                .await
        },
    )
    .await
}

pub(super) async fn other_name(context: &CaseContext) -> CaseResult {
    let validators = context
        .genesis
        .as_ref()
        .map_or(0, |genesis| genesis.validators.len() as u64);
    kept_back(
        context,
        "a vote in the name of the next validator",
        async |ballot| {
            let message = Attestation {
                validator_id: (ballot.validator + 1) % validators.max(1),
                data: ballot.data,
            };
            context
                .keys
                .sign_as(ballot.validator, message, ballot.data.slot)
                .await
        },
    )
    .await
}

/// As [`kept_back`], with other data that are signed as they should be.
async fn kept_back_data(
    context: &CaseContext,
    sent: &str,
    alter: impl FnOnce(&mut AttestationData),
) -> CaseResult {
    kept_back(context, sent, async |ballot| {
        let mut data = ballot.data;
        alter(&mut data);
        context.keys.sign(ballot.validator, data).await
    })
    .await
}

pub(super) async fn backwards(context: &CaseContext) -> CaseResult {
    kept_back_data(
        context,
        "a vote whose source is its head, and whose target is older",
        |data| {
            data.target = data.source;
            data.source = data.head;
        },
    )
    .await
}

pub(super) async fn wrong_slot(context: &CaseContext) -> CaseResult {
    kept_back_data(
        context,
        "a vote that gives its target's block the next slot",
        |data| data.target.slot += 1,
    )
    .await
}

pub(super) async fn unknown_head(context: &CaseContext) -> CaseResult {
    kept_back_data(context, "a vote for a head that there is not", |data| {
        data.head.root = Root::repeat_byte(0x91)
    })
    .await
}

pub(super) async fn unknown_target(context: &CaseContext) -> CaseResult {
    kept_back_data(context, "a vote with a target that there is not", |data| {
        data.target.root = Root::repeat_byte(0x92)
    })
    .await
}

pub(super) async fn far_future(context: &CaseContext) -> CaseResult {
    kept_back_data(context, "a vote a hundred slots ahead", |data| {
        data.slot += 100
    })
    .await
}

pub(super) async fn signed_message(context: &CaseContext) -> CaseResult {
    let ballot = ready(context).await?;
    context.cast(&ballot);
    let vote = context.keys.sign(ballot.validator, ballot.data).await?;
    let listener = context.listener().await?;
    let culprit = context.new_gossip_peer().await?;
    let key = culprit.peer.key.clone();
    let mut message = Message::new(&context.topic("attestation"), compressed(&vote));
    message.from = Some(key.public().to_peer_id().to_bytes());
    message.seqno = Some(vec![0, 0, 0, 0, 0, 0, 0, 7]);
    message.signature = key.sign(b"libp2p-pubsub:").ok();
    message.key = Some(key.public().encode_protobuf());
    let passed_on = context.passes_on_from(&culprit, &listener, message).await;
    pass_if(
        !passed_on,
        "a valid vote in a message with from, seqno, signature and key",
        if passed_on {
            "it comes out"
        } else {
            "nothing comes out"
        },
    )
}

pub(super) async fn wrapped(context: &CaseContext) -> CaseResult {
    let ballot = ready(context).await?;
    let vote = context.keys.sign(ballot.validator, ballot.data).await?;
    let topic = context.topic("attestation");
    let ssz = vote.as_ssz_bytes();
    let sent = "a valid vote, framed; and one with a byte behind it";
    for (name, data) in [
        ("framed", frames::framed(&ssz)),
        ("longer", block(&[&ssz[..], &[0]].concat())),
    ] {
        let (passed_on, _culprit) = context.passes_on(Message::new(&topic, data)).await?;
        if passed_on {
            return fail(sent, format!("the {name} one comes out"));
        }
    }
    pass(sent, "nothing comes out")
}
