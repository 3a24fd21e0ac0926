//! To whom a valid attestation is passed on, and under which id.

use std::time::Duration;

use ssz::Encode as _;
use tokio::time::{Instant, sleep};

use super::ready;
use crate::{
    case::{Outcome, differs, fail, judge, pass, unsupported},
    frames::block,
    gossip::{Message, Rpc, message_id},
    scene::Scene,
};

pub(super) async fn pruned(scene: &Scene) -> Outcome {
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
    let (passed_on, _culprit) = scene.brings_out(Message::new(&topic, block(&ssz))).await?;
    let came = leaver.log().look(|sounds| sounds.count(&topic, &ssz));
    let sent = "PRUNE by one peer, then a valid vote by another";
    match (passed_on, came) {
        (false, _) => Err(unsupported("a valid vote is not passed on")),
        (true, 0) => pass(sent, "the listener hears it, the one who left does not"),
        (true, _) => fail(sent, "it is sent to the one who left, too"),
    }
}

pub(super) async fn unwanted(scene: &Scene) -> Outcome {
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
    let (passed_on, _culprit) = scene.brings_out(Message::new(&topic, data)).await?;
    let came = refuser.log().look(|sounds| sounds.count(&topic, &ssz));
    let sent = "IDONTWANT by one peer, then the vote by another";
    match (passed_on, came) {
        (false, _) => Err(unsupported("a valid vote is not passed on")),
        (true, 0) => pass(sent, "the listener hears it, the other does not"),
        (true, _) => differs(sent, "it is sent all the same"),
    }
}

pub(super) async fn same_id(scene: &Scene) -> Outcome {
    let ballot = ready(scene).await?;
    scene.cast(&ballot);
    let topic = scene.topic("attestation");
    let vote = scene.keys.sign(ballot.validator, ballot.data).await?;
    let ssz = vote.as_ssz_bytes();
    let data = block(&ssz);
    let id = message_id(&topic, &data);
    let (passed_on, _culprit) = scene.brings_out(Message::new(&topic, data)).await?;
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
