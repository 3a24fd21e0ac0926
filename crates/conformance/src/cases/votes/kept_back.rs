//! Attestations that somebody has signed and that must not be passed on.

use quartet_types::{Attestation, AttestationData, Root, SignedAttestation};
use ssz::Encode as _;

use super::{super::ballots::Ballot, super::invalid::spoil, compressed, ready, said};
use crate::{
    case::{Failure, Outcome, fail, judge, pass},
    frames::{self, block},
    gossip::Message,
    scene::Scene,
};

/// Publishes a vote that is made from one that would be valid; nobody is to hear it.
async fn kept_back(
    scene: &Scene,
    sent: &str,
    make: impl AsyncFnOnce(Ballot) -> Result<SignedAttestation, Failure>,
) -> Outcome {
    let ballot = ready(scene).await?;
    let vote = make(ballot).await?;
    let message = Message::new(&scene.topic("attestation"), compressed(&vote));
    let (passed_on, _culprit) = scene.passes_on(message).await?;
    let sent = format!("{sent}: {}", said(&vote.message.data));
    judge(
        !passed_on,
        sent,
        if passed_on {
            "it comes out"
        } else {
            "nothing comes out"
        },
    )
}

pub(super) async fn foreign_signature(scene: &Scene) -> Outcome {
    kept_back(
        scene,
        "a vote with one bit of its signature turned",
        async |ballot| {
            let mut vote = scene.keys.sign(ballot.validator, ballot.data).await?;
            vote.signature = spoil(&vote.signature);
            Ok(vote)
        },
    )
    .await
}

pub(super) async fn other_epoch(scene: &Scene) -> Outcome {
    kept_back(
        scene,
        "a vote signed in the epoch after its slot",
        async |ballot| {
            let message = Attestation {
                validator_id: ballot.validator,
                data: ballot.data,
            };
            scene
                .keys
                .sign_as(ballot.validator, message, ballot.data.slot + 1)
                .await
        },
    )
    .await
}

pub(super) async fn other_name(scene: &Scene) -> Outcome {
    let validators = scene
        .genesis
        .as_ref()
        .map_or(0, |genesis| genesis.validators.len() as u64);
    kept_back(
        scene,
        "a vote in the name of the next validator",
        async |ballot| {
            let message = Attestation {
                validator_id: (ballot.validator + 1) % validators.max(1),
                data: ballot.data,
            };
            scene
                .keys
                .sign_as(ballot.validator, message, ballot.data.slot)
                .await
        },
    )
    .await
}

/// As [`kept_back`], with other data that are signed as they should be.
async fn kept_back_data(
    scene: &Scene,
    sent: &str,
    alter: impl FnOnce(&mut AttestationData),
) -> Outcome {
    kept_back(scene, sent, async |ballot| {
        let mut data = ballot.data;
        alter(&mut data);
        scene.keys.sign(ballot.validator, data).await
    })
    .await
}

pub(super) async fn backwards(scene: &Scene) -> Outcome {
    kept_back_data(
        scene,
        "a vote whose source is its head, and whose target is older",
        |data| {
            data.target = data.source;
            data.source = data.head;
        },
    )
    .await
}

pub(super) async fn wrong_slot(scene: &Scene) -> Outcome {
    kept_back_data(
        scene,
        "a vote that gives its target's block the next slot",
        |data| data.target.slot += 1,
    )
    .await
}

pub(super) async fn unknown_head(scene: &Scene) -> Outcome {
    kept_back_data(scene, "a vote for a head that there is not", |data| {
        data.head.root = Root::repeat_byte(0x91)
    })
    .await
}

pub(super) async fn unknown_target(scene: &Scene) -> Outcome {
    kept_back_data(scene, "a vote with a target that there is not", |data| {
        data.target.root = Root::repeat_byte(0x92)
    })
    .await
}

pub(super) async fn far_future(scene: &Scene) -> Outcome {
    kept_back_data(scene, "a vote a hundred slots ahead", |data| {
        data.slot += 100
    })
    .await
}

pub(super) async fn signed_message(scene: &Scene) -> Outcome {
    let ballot = ready(scene).await?;
    scene.cast(&ballot);
    let vote = scene.keys.sign(ballot.validator, ballot.data).await?;
    let ears = scene.ears().await?;
    let culprit = scene.gossiper().await?;
    let key = culprit.peer.key.clone();
    let mut message = Message::new(&scene.topic("attestation"), compressed(&vote));
    message.from = Some(key.public().to_peer_id().to_bytes());
    message.seqno = Some(vec![0, 0, 0, 0, 0, 0, 0, 7]);
    message.signature = key.sign(b"libp2p-pubsub:").ok();
    message.key = Some(key.public().encode_protobuf());
    let passed_on = scene.passes_on_from(&culprit, &ears, message).await;
    judge(
        !passed_on,
        "a valid vote in a message with from, seqno, signature and key",
        if passed_on {
            "it comes out"
        } else {
            "nothing comes out"
        },
    )
}

pub(super) async fn wrapped(scene: &Scene) -> Outcome {
    let ballot = ready(scene).await?;
    let vote = scene.keys.sign(ballot.validator, ballot.data).await?;
    let topic = scene.topic("attestation");
    let ssz = vote.as_ssz_bytes();
    let sent = "a valid vote, framed; and one with a byte behind it";
    for (name, data) in [
        ("framed", frames::framed(&ssz)),
        ("longer", block(&[&ssz[..], &[0]].concat())),
    ] {
        let (passed_on, _culprit) = scene.passes_on(Message::new(&topic, data)).await?;
        if passed_on {
            return fail(sent, format!("the {name} one comes out"));
        }
    }
    pass(sent, "nothing comes out")
}
