//! Attestations made with a validator's key: valid ones come out on the other side, others do not.

use std::time::Duration;

use quartet_types::{Attestation, AttestationData, Checkpoint, Root, SignedAttestation};
use ssz::Encode as _;
use tokio::time::{Instant, sleep};

use super::{ballots::Ballot, case, hearing::blocks, invalid::spoil, lives, source};
use crate::{
    case::{Case, Failure, Group, Outcome, differs, fail, judge, pass, unsupported},
    frames::{self, block},
    gossip::{Message, Rpc, message_id},
    scene::Scene,
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
        |s| Box::pin(foreign_signature(s)),
    ),
    case(
        GROUP,
        "V05",
        "an attestation that is signed in another epoch than its slot is not passed on",
        source::LEAN_VOTE_SIGNATURE,
        |s| Box::pin(other_epoch(s)),
    ),
    case(
        GROUP,
        "V06",
        "an attestation in another validator's name is not passed on",
        source::LEAN_VOTE_SIGNATURE,
        |s| Box::pin(other_name(s)),
    ),
    case(
        GROUP,
        "V07",
        "an attestation whose source is after its target is not passed on",
        source::LEAN_ATTESTATION,
        |s| Box::pin(backwards(s)),
    ),
    case(
        GROUP,
        "V08",
        "an attestation that gives a block another slot is not passed on",
        source::LEAN_ATTESTATION,
        |s| Box::pin(wrong_slot(s)),
    ),
    case(
        GROUP,
        "V09",
        "an attestation whose head nobody knows is not passed on as long as it is unknown",
        source::LEAN_ATTESTATION,
        |s| Box::pin(unknown_head(s)),
    ),
    case(
        GROUP,
        "V10",
        "an attestation whose target nobody knows is not passed on as long as it is unknown",
        source::LEAN_ATTESTATION,
        |s| Box::pin(unknown_target(s)),
    ),
    case(
        GROUP,
        "V11",
        "an attestation of a slot far ahead is not passed on",
        source::LEAN_ATTESTATION,
        |s| Box::pin(far_future(s)),
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
        |s| Box::pin(signed_message(s)),
    ),
    case(
        GROUP,
        "V14",
        "a valid attestation in framed snappy, or with a byte behind it, is not passed on",
        source::LEAN_ENCODING,
        |s| Box::pin(wrapped(s)),
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
        |s| Box::pin(pruned(s)),
    ),
    case(
        GROUP,
        "V17",
        "who has said that it does not want a message (IDONTWANT) is not sent it",
        source::GOSSIPSUB_12,
        |s| Box::pin(unwanted(s)),
    ),
    case(
        GROUP,
        "V18",
        "what is passed on has the id of what came: it is told and had by it",
        source::LEAN_MESSAGE_ID,
        |s| Box::pin(same_id(s)),
    ),
    case(
        GROUP,
        "V89",
        "after all that, a valid attestation by somebody new is passed on",
        source::LEAN_ATTESTATION,
        |s| Box::pin(valid(s)),
    ),
    case(GROUP, "V90", lives::RULE, source::ROBUST, |s| {
        Box::pin(lives::listens(s))
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
async fn ready(scene: &Scene) -> Result<Ballot, Failure> {
    scene.ears().await?;
    scene.ballot().await
}

async fn valid(scene: &Scene) -> Outcome {
    let ballot = ready(scene).await?;
    scene.cast(&ballot);
    let vote = scene.keys.sign(ballot.validator, ballot.data).await?;
    let message = Message::new(&scene.topic("attestation"), compressed(&vote));
    let (passed_on, _culprit) = scene.passes_on(message).await?;
    let sent = format!(
        "a vote of validator {}: {}",
        ballot.validator,
        said(&ballot.data)
    );
    judge(
        passed_on,
        sent,
        if passed_on {
            "it comes out"
        } else {
            "nothing comes out"
        },
    )
}

async fn again(scene: &Scene) -> Outcome {
    let ballot = ready(scene).await?;
    scene.cast(&ballot);
    let vote = scene.keys.sign(ballot.validator, ballot.data).await?;
    let topic = scene.topic("attestation");
    let (first, _one) = scene
        .passes_on(Message::new(&topic, compressed(&vote)))
        .await?;
    if !first {
        return Err(unsupported("a valid vote is not passed on"));
    }
    let (second, _other) = scene
        .passes_on(Message::new(&topic, compressed(&vote)))
        .await?;
    judge(
        !second,
        "the same vote by two peers, one after the other",
        if second {
            "it comes out twice"
        } else {
            "it comes out once"
        },
    )
}

async fn carried(scene: &Scene) -> Outcome {
    let ballot = ready(scene).await?;
    scene.cast(&ballot);
    let vote = scene.keys.sign(ballot.validator, ballot.data).await?;
    let message = Message::new(&scene.topic("attestation"), compressed(&vote));
    let (_, _culprit) = scene.passes_on(message).await?;
    let ears = scene.ears().await?;
    let topic = scene.topic("block");
    let until = Instant::now() + scene.slots(CARRIED_WITHIN);
    let found = ears.log().wait(until, |sounds| {
        let blocks = blocks(sounds, &topic);
        let carrier = blocks.iter().find(|(block, _)| {
            block
                .block()
                .body
                .attestations
                .iter()
                .any(|carried| *carried == vote.message)
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

async fn foreign_signature(scene: &Scene) -> Outcome {
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

async fn other_epoch(scene: &Scene) -> Outcome {
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

async fn other_name(scene: &Scene) -> Outcome {
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

async fn backwards(scene: &Scene) -> Outcome {
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

async fn wrong_slot(scene: &Scene) -> Outcome {
    kept_back_data(
        scene,
        "a vote that gives its target's block the next slot",
        |data| data.target.slot += 1,
    )
    .await
}

async fn unknown_head(scene: &Scene) -> Outcome {
    kept_back_data(scene, "a vote for a head that there is not", |data| {
        data.head.root = Root::repeat_byte(0x91)
    })
    .await
}

async fn unknown_target(scene: &Scene) -> Outcome {
    kept_back_data(scene, "a vote with a target that there is not", |data| {
        data.target.root = Root::repeat_byte(0x92)
    })
    .await
}

async fn far_future(scene: &Scene) -> Outcome {
    kept_back_data(scene, "a vote a hundred slots ahead", |data| {
        data.slot += 100
    })
    .await
}

async fn old(scene: &Scene) -> Outcome {
    let ballot = ready(scene).await?;
    let earlier = ballot.data;
    // It is kept until a newer one is there.
    while scene.ballot().await?.data.slot == ballot.data.slot {
        scene.pause(0.1).await;
    }
    let newer = scene.ballot().await?;
    if newer.validator != ballot.validator {
        return Err(unsupported(
            "the slots fall so that another key votes first",
        ));
    }
    scene.cast(&newer);
    scene.cast(&ballot);
    let topic = scene.topic("attestation");
    let vote = scene.keys.sign(newer.validator, newer.data).await?;
    let (first, _one) = scene
        .passes_on(Message::new(&topic, compressed(&vote)))
        .await?;
    let vote = scene.keys.sign(ballot.validator, earlier).await?;
    let (second, _other) = scene
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

async fn signed_message(scene: &Scene) -> Outcome {
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

async fn wrapped(scene: &Scene) -> Outcome {
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

async fn equivocation(scene: &Scene) -> Outcome {
    let ballot = ready(scene).await?;
    scene.cast(&ballot);
    let topic = scene.topic("attestation");
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
        let vote = scene.keys.sign(ballot.validator, data).await?;
        let (passed_on, _culprit) = scene
            .passes_on(Message::new(&topic, compressed(&vote)))
            .await?;
        passed.push(passed_on);
    }
    let sent = format!(
        "three votes of validator {} in slot {}: for its target, for its source as target, for an older head",
        ballot.validator, ballot.data.slot
    );
    let status = scene.status_of(&scene.guest().await?).await;
    let seen = format!("they come out: {passed:?}");
    match (status, passed.as_slice()) {
        (Err(error), _) => fail(sent, error.to_string()),
        (Ok(_), [.., true]) => differs(sent, seen),
        (Ok(_), [false, ..]) => fail(sent, seen),
        (Ok(_), _) => pass(sent, seen),
    }
}

async fn pruned(scene: &Scene) -> Outcome {
    let ballot = ready(scene).await?;
    scene.cast(&ballot);
    let leaver = scene.gossiper().await?;
    let topic = scene.topic("attestation");
    sleep(scene.silence() / 4).await;
    leaver
        .send(&Rpc {
            prune: vec![(topic.clone(), 60)],
            ..Rpc::default()
        })
        .await;
    sleep(Duration::from_millis(100)).await;
    let vote = scene.keys.sign(ballot.validator, ballot.data).await?;
    let ssz = vote.as_ssz_bytes();
    let (passed_on, _culprit) = scene.passes_on(Message::new(&topic, block(&ssz))).await?;
    let came = leaver.log().look(|sounds| sounds.count(&topic, &ssz));
    let sent = "PRUNE by one peer, then a valid vote by another";
    match (passed_on, came) {
        (false, _) => Err(unsupported("a valid vote is not passed on")),
        (true, 0) => pass(sent, "the listener hears it, the one who left does not"),
        (true, _) => fail(sent, "it is sent to the one who left, too"),
    }
}

async fn unwanted(scene: &Scene) -> Outcome {
    let ballot = ready(scene).await?;
    let refuser = scene.gossiper().await?;
    if refuser.version != "/meshsub/1.2.0" {
        return Err(unsupported(format!("the node speaks {}", refuser.version)));
    }
    scene.cast(&ballot);
    let topic = scene.topic("attestation");
    let vote = scene.keys.sign(ballot.validator, ballot.data).await?;
    let ssz = vote.as_ssz_bytes();
    let data = block(&ssz);
    refuser
        .send(&Rpc {
            idontwant: vec![message_id(&topic, &data)],
            ..Rpc::default()
        })
        .await;
    sleep(Duration::from_millis(100)).await;
    let (passed_on, _culprit) = scene.passes_on(Message::new(&topic, data)).await?;
    let came = refuser.log().look(|sounds| sounds.count(&topic, &ssz));
    let sent = "IDONTWANT by one peer, then the vote by another";
    match (passed_on, came) {
        (false, _) => Err(unsupported("a valid vote is not passed on")),
        (true, 0) => pass(sent, "the listener hears it, the other does not"),
        (true, _) => differs(sent, "it is sent all the same"),
    }
}

async fn same_id(scene: &Scene) -> Outcome {
    let ballot = ready(scene).await?;
    scene.cast(&ballot);
    let topic = scene.topic("attestation");
    let vote = scene.keys.sign(ballot.validator, ballot.data).await?;
    let ssz = vote.as_ssz_bytes();
    let data = block(&ssz);
    let id = message_id(&topic, &data);
    let (passed_on, _culprit) = scene.passes_on(Message::new(&topic, data)).await?;
    if !passed_on {
        return Err(unsupported("a valid vote is not passed on"));
    }
    let asker = scene.gossiper().await?;
    asker
        .send(&Rpc {
            iwant: vec![id],
            ..Rpc::default()
        })
        .await;
    let until = Instant::now() + scene.silence();
    let came = asker
        .log()
        .wait(until, |sounds| {
            (sounds.count(&topic, &ssz) > 0).then_some(())
        })
        .await;
    judge(
        came.is_some(),
        "a valid vote, then IWANT by somebody new with the id that the specification gives it",
        if came.is_some() {
            "the vote"
        } else {
            "nothing"
        },
    )
}
