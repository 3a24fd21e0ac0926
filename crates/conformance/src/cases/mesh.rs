//! How the node keeps its mesh, and how it treats control messages.

use futures::AsyncWriteExt as _;
use tokio::time::{Instant, sleep};

use super::{case, liveness, source};
use crate::{
    case::{Case, Group},
    context::CaseContext,
    frames::varint,
    gossip::Gossip,
    gossip_log::rpc::Rpc,
    peer::MESHSUB,
    verdict::{CaseResult, Failure, differs, fail, pass, pass_if},
};

const GROUP: Group = Group::Mesh;

pub(super) const CASES: &[Case] = &[
    case(
        GROUP,
        "M01",
        "who subscribes and grafts hears what the node publishes",
        source::GOSSIPSUB_10,
        |s| Box::pin(grafts(s)),
    ),
    case(
        GROUP,
        "M02",
        "who has unsubscribed hears nothing any more",
        source::PUBSUB,
        |s| Box::pin(unsubscribed(s)),
    ),
    case(
        GROUP,
        "M03",
        "who grafts before its own backoff is over is pruned",
        source::GOSSIPSUB_11,
        |s| Box::pin(backoff(s)),
    ),
    case(
        GROUP,
        "M04",
        "GRAFT and subscriptions for an unknown topic do no harm",
        source::GOSSIPSUB_11,
        |s| Box::pin(unknown_topic(s)),
    ),
    case(
        GROUP,
        "M05",
        "IDONTWANT does no harm",
        source::GOSSIPSUB_12,
        |s| Box::pin(idontwant(s)),
    ),
    case(
        GROUP,
        "M06",
        "IWANT for what nobody has is not answered, and does no harm",
        source::GOSSIPSUB_10,
        |s| Box::pin(iwant_unknown(s)),
    ),
    case(
        GROUP,
        "M07",
        "who has an unknown message (IHAVE) is asked for it (IWANT)",
        source::GOSSIPSUB_10,
        |s| Box::pin(ihave(s)),
    ),
    case(
        GROUP,
        "M08",
        "bytes that are no protocol buffers do others no harm",
        source::PUBSUB,
        |s| Box::pin(garbage(s)),
    ),
    case(
        GROUP,
        "M09",
        "an RPC of 2^40 bytes is not waited for",
        source::PUBSUB,
        |s| Box::pin(endless(s)),
    ),
    case(
        GROUP,
        "M10",
        "fields that the node does not know are passed over",
        source::PUBSUB,
        |s| Box::pin(unknown_fields(s)),
    ),
    case(
        GROUP,
        "M11",
        "gossip goes on when a peer closes its stream and opens another one",
        source::PUBSUB,
        |s| Box::pin(new_stream(s)),
    ),
    case(GROUP, "M90", liveness::RULE, source::ROBUST, |s| {
        Box::pin(liveness::listens(s))
    }),
];

/// Says an RPC; then whether the node is still there, and answers.
async fn says(
    context: &CaseContext,
    sent: &str,
    rpc: &Rpc,
) -> Result<(Gossip, Result<(), String>), Failure> {
    let gossip = context.new_gossip_peer().await?;
    gossip.send(rpc).await;
    sleep(context.silence() / 4).await;
    let status = context.serves(&gossip.peer).await;
    Ok((
        gossip,
        status
            .map(drop)
            .map_err(|error| format!("after {sent}: {error}")),
    ))
}

async fn tolerated(context: &CaseContext, sent: &str, rpc: &Rpc) -> CaseResult {
    let (_, after) = says(context, sent, rpc).await?;
    pass_if(
        after.is_ok(),
        sent,
        after.err().unwrap_or("the next status is answered".into()),
    )
}

async fn grafts(context: &CaseContext) -> CaseResult {
    let gossip = context.new_gossip_peer().await?;
    let message = context.hear(&gossip, "block").await?;
    let pruned = gossip.log().look(|sounds| sounds.prune.clone());
    let sent = "subscriptions and GRAFT";
    if pruned.is_empty() {
        return pass(sent, format!("a message of {} bytes", message.data.len()));
    }
    // A mesh may be full; messages that the node itself publishes still come.
    let seen = format!("PRUNE for {}, but messages", pruned.join(" "));
    differs(sent, seen)
}

async fn unsubscribed(context: &CaseContext) -> CaseResult {
    let gossip = context.new_gossip_peer().await?;
    context.hear(&gossip, "block").await?;
    let subscriptions = context
        .topics()
        .into_iter()
        .map(|topic| (false, topic))
        .collect();
    gossip
        .send(&Rpc {
            subscriptions,
            ..Rpc::default()
        })
        .await;
    // Messages that are under way still come.
    sleep(context.silence() / 2).await;
    let since = Instant::now();
    let listener = context.listener().await?;
    context.hear_next(&listener, "block").await?;
    sleep(context.silence() / 4).await;
    let more = gossip.log().look(|sounds| {
        sounds
            .messages
            .iter()
            .filter(|heard| heard.at > since)
            .count()
    });
    pass_if(
        more == 0,
        "the end of both subscriptions",
        format!("{more} messages while others heard a block"),
    )
}

async fn backoff(context: &CaseContext) -> CaseResult {
    let gossip = context.new_gossip_peer().await?;
    sleep(context.silence() / 4).await;
    let topics = context.topics();
    let prune = topics.iter().map(|topic| (topic.clone(), 60)).collect();
    gossip
        .send(&Rpc {
            prune,
            ..Rpc::default()
        })
        .await;
    gossip
        .send(&Rpc {
            graft: topics,
            ..Rpc::default()
        })
        .await;
    let until = Instant::now() + context.silence();
    let pruned = gossip
        .log()
        .wait(until, |sounds| (!sounds.prune.is_empty()).then_some(()))
        .await;
    let sent = "PRUNE with a backoff of a minute, then GRAFT";
    match pruned {
        Some(()) => pass(sent, "PRUNE"),
        None => differs(sent, "no PRUNE"),
    }
}

async fn unknown_topic(context: &CaseContext) -> CaseResult {
    let topic = "/leanconsensus/nowhere/nothing/ssz_snappy".to_owned();
    let rpc = Rpc {
        subscriptions: vec![(true, topic.clone())],
        graft: vec![topic],
        ..Rpc::default()
    };
    tolerated(
        context,
        "a subscription and GRAFT for an unknown topic",
        &rpc,
    )
    .await
}

async fn idontwant(context: &CaseContext) -> CaseResult {
    let rpc = Rpc {
        idontwant: (0..100u8).map(|number| vec![number; 20]).collect(),
        ..Rpc::default()
    };
    tolerated(context, "IDONTWANT for 100 ids", &rpc).await
}

async fn iwant_unknown(context: &CaseContext) -> CaseResult {
    let rpc = Rpc {
        iwant: (0..100u8).map(|number| vec![number; 20]).collect(),
        ..Rpc::default()
    };
    tolerated(context, "IWANT for 100 ids that nobody has", &rpc).await
}

async fn ihave(context: &CaseContext) -> CaseResult {
    let id = vec![0x3c; 20];
    let sent = "IHAVE with an unknown id";
    let rpc = Rpc {
        ihave: vec![(context.topic("block"), vec![id.clone()])],
        ..Rpc::default()
    };
    let (gossip, after) = says(context, sent, &rpc).await?;
    if let Err(why) = after {
        return fail(sent, why);
    }
    let until = Instant::now() + context.silence();
    let asked = gossip
        .log()
        .wait(until, |sounds| sounds.iwant.contains(&id).then_some(()))
        .await;
    match asked {
        Some(()) => pass(sent, "IWANT with it"),
        None => differs(sent, "no IWANT"),
    }
}

async fn garbage(context: &CaseContext) -> CaseResult {
    let gossip = context.new_gossip_peer().await?;
    let bytes = [0xff; 64];
    gossip
        .send_bytes(&[varint(64), bytes.to_vec()].concat())
        .await;
    others_are_served(context, "an RPC of 64 bytes 0xff").await
}

async fn endless(context: &CaseContext) -> CaseResult {
    let gossip = context.new_gossip_peer().await?;
    gossip
        .send_bytes(&[varint(1 << 40), vec![0; 1024]].concat())
        .await;
    sleep(context.silence() / 4).await;
    others_are_served(context, "the length 2^40 and 1,024 bytes").await
}

async fn others_are_served(context: &CaseContext, sent: &str) -> CaseResult {
    let listener = context.listener().await?;
    let heard = context.hear_next(&listener, "block").await;
    let status = context.serves_others().await;
    let seen = match (&status, &heard) {
        (Err(error), _) => format!("somebody new: {error}"),
        (_, Err(error)) => format!("the listener: {error}"),
        _ => "somebody new is answered, and the listener hears".into(),
    };
    // Without proposers there is no gossip.
    let is_silent = matches!(heard, Err(Failure::Unsupported(_)))
        && listener.log().look(|sounds| sounds.messages.is_empty());
    pass_if(status.is_ok() && (heard.is_ok() || is_silent), sent, seen)
}

async fn unknown_fields(context: &CaseContext) -> CaseResult {
    let listener = context.listener().await?;
    context.hear(&listener, "block").await?;
    let gossip = Gossip::begin(context.new_peer().await?).await?;
    let subscriptions = context.topics().into_iter().map(|topic| (true, topic));
    let mut bytes = Rpc {
        subscriptions: subscriptions.collect(),
        graft: context.topics(),
        ..Rpc::default()
    }
    .encode();
    // Fields number 5,000 and 5,001, far from what extensions of gossipsub have taken: bytes, and a number.
    for field in [
        [varint(5_000 << 3 | 2), varint(5), b"later".to_vec()],
        [varint(5_001 << 3), varint(42), Vec::new()],
    ] {
        bytes.extend(field.concat());
    }
    gossip
        .send_bytes(&[varint(bytes.len() as u64), bytes].concat())
        .await;
    let sent = "subscriptions with two fields that nobody knows";
    let heard = context.hear(&gossip, "block").await;
    match heard {
        Ok(heard) => pass(sent, format!("a message of {} bytes", heard.data.len())),
        Err(error) => fail(sent, format!("{error}, while others hear")),
    }
}

async fn new_stream(context: &CaseContext) -> CaseResult {
    let gossip = context.new_gossip_peer().await?;
    context.hear(&gossip, "block").await?;
    let mut first = gossip.peer.open(MESHSUB[1]).await?;
    first.close().await.ok();
    drop(first);
    let listener = context.listener().await?;
    context.hear_next(&listener, "block").await?;
    let heard = context.hear_next(&gossip, "block").await;
    let is_there = gossip.peer.is_connected() && context.serves(&gossip.peer).await.is_ok();
    pass_if(
        is_there && heard.is_ok(),
        "another stream of gossip beside the first, closed at once",
        heard.map_or_else(|error| error.to_string(), |_| "blocks still come".into()),
    )
}
