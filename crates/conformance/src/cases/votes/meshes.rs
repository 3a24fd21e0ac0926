//! Which peers get a valid attestation, and under which id.

use std::time::Duration;

use ssz::Encode as _;
use tokio::time::{Instant, sleep};

use super::ready;
use crate::{
    context::CaseContext,
    frames::block,
    gossip::message_id,
    gossip_log::rpc::{Message, Rpc},
    verdict::{CaseResult, differs, fail, pass, pass_if, unsupported},
};

pub(super) async fn pruned(context: &CaseContext) -> CaseResult {
    let ballot = ready(context).await?;
    context.cast(&ballot);
    let leaver = context.new_gossip_peer().await?;
    let topic = context.topic("attestation");
    sleep(context.silence() / 4).await;
    leaver
        .send(&Rpc {
            prune: vec![(topic.clone(), 60)],
            ..Rpc::default()
        })
        .await;
    sleep(Duration::from_millis(100)).await;
    let vote = context.keys.sign(ballot.validator, ballot.data).await?;
    let ssz = vote.as_ssz_bytes();
    let (passed_on, _culprit) = context
        .brings_out(Message::new(&topic, block(&ssz)))
        .await?;
    let came = leaver.log().look(|sounds| sounds.count(&topic, &ssz));
    let sent = "PRUNE by one peer, then a valid vote by another";
    match (passed_on, came) {
        (false, _) => Err(unsupported("a valid vote is not passed on")),
        (true, 0) => pass(sent, "the listener hears it, the one who left does not"),
        (true, _) => fail(sent, "it is sent to the one who left, too"),
    }
}

pub(super) async fn unwanted(context: &CaseContext) -> CaseResult {
    let ballot = ready(context).await?;
    let refuser = context.new_gossip_peer().await?;
    if refuser.version != "/meshsub/1.2.0" {
        return Err(unsupported(format!("the node speaks {}", refuser.version)));
    }
    context.cast(&ballot);
    let topic = context.topic("attestation");
    let vote = context.keys.sign(ballot.validator, ballot.data).await?;
    let ssz = vote.as_ssz_bytes();
    let data = block(&ssz);
    refuser
        .send(&Rpc {
            idontwant: vec![message_id(&topic, &data)],
            ..Rpc::default()
        })
        .await;
    sleep(Duration::from_millis(100)).await;
    let (passed_on, _culprit) = context.brings_out(Message::new(&topic, data)).await?;
    let came = refuser.log().look(|sounds| sounds.count(&topic, &ssz));
    let sent = "IDONTWANT by one peer, then the vote by another";
    match (passed_on, came) {
        (false, _) => Err(unsupported("a valid vote is not passed on")),
        (true, 0) => pass(sent, "the listener hears it, the other does not"),
        (true, _) => differs(sent, "it is sent all the same"),
    }
}

pub(super) async fn same_id(context: &CaseContext) -> CaseResult {
    let ballot = ready(context).await?;
    context.cast(&ballot);
    let topic = context.topic("attestation");
    let vote = context.keys.sign(ballot.validator, ballot.data).await?;
    let ssz = vote.as_ssz_bytes();
    let data = block(&ssz);
    let id = message_id(&topic, &data);
    let (passed_on, _culprit) = context.brings_out(Message::new(&topic, data)).await?;
    if !passed_on {
        return Err(unsupported("a valid vote is not passed on"));
    }
    let asker = context.new_gossip_peer().await?;
    asker
        .send(&Rpc {
            iwant: vec![id],
            ..Rpc::default()
        })
        .await;
    let until = Instant::now() + context.silence();
    let came = asker
        .log()
        .wait(until, |sounds| {
            (sounds.count(&topic, &ssz) > 0).then_some(())
        })
        .await;
    pass_if(
        came.is_some(),
        "a valid vote, then IWANT by somebody new with the id that the specification gives it",
        if came.is_some() {
            "the vote"
        } else {
            "nothing"
        },
    )
}
