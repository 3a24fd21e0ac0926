//! How the node keeps its mesh, and what it makes of control messages.

use futures::AsyncWriteExt as _;
use tokio::time::{Instant, sleep};

use super::{case, lives, source};
use crate::{
    case::{Case, Failure, Group, Outcome, differs, fail, judge, pass},
    frames::varint,
    gossip::{Gossip, Rpc},
    peer::MESHSUB,
    scene::Scene,
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
    case(GROUP, "M90", lives::RULE, source::ROBUST, |s| {
        Box::pin(lives::listens(s))
    }),
];

/// Says an RPC; then whether the node is still there, and answers.
async fn says(
    scene: &Scene,
    sent: &str,
    rpc: &Rpc,
) -> Result<(Gossip, Result<(), String>), Failure> {
    let gossip = scene.gossiper().await?;
    gossip.send(rpc).await;
    sleep(scene.silence() / 4).await;
    let status = scene.serves(&gossip.peer).await;
    Ok((
        gossip,
        status
            .map(drop)
            .map_err(|error| format!("after {sent}: {error}")),
    ))
}

async fn tolerated(scene: &Scene, sent: &str, rpc: &Rpc) -> Outcome {
    let (_, after) = says(scene, sent, rpc).await?;
    judge(
        after.is_ok(),
        sent,
        after.err().unwrap_or("the next status is answered".into()),
    )
}

async fn grafts(scene: &Scene) -> Outcome {
    let gossip = scene.gossiper().await?;
    let message = scene.hear(&gossip, "block").await?;
    let pruned = gossip.log().look(|sounds| sounds.prune.clone());
    let sent = "subscriptions and GRAFT";
    match pruned.is_empty() {
        true => pass(sent, format!("a message of {} bytes", message.data.len())),
        // A mesh may be full; what the node makes itself comes all the same.
        false => differs(
            sent,
            format!("PRUNE for {}, but messages", pruned.join(" ")),
        ),
    }
}

async fn unsubscribed(scene: &Scene) -> Outcome {
    let gossip = scene.gossiper().await?;
    scene.hear(&gossip, "block").await?;
    let subscriptions = scene
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
    // What is under way still comes.
    sleep(scene.silence() / 2).await;
    let since = Instant::now();
    let ears = scene.ears().await?;
    scene.hear_next(&ears, "block").await?;
    sleep(scene.silence() / 4).await;
    let more = gossip.log().look(|sounds| {
        sounds
            .messages
            .iter()
            .filter(|heard| heard.at > since)
            .count()
    });
    judge(
        more == 0,
        "the end of both subscriptions",
        format!("{more} messages while others heard a block"),
    )
}

async fn backoff(scene: &Scene) -> Outcome {
    let gossip = scene.gossiper().await?;
    sleep(scene.silence() / 4).await;
    let topics = scene.topics();
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
    let until = Instant::now() + scene.silence();
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

async fn unknown_topic(scene: &Scene) -> Outcome {
    let topic = "/leanconsensus/nowhere/nothing/ssz_snappy".to_owned();
    let rpc = Rpc {
        subscriptions: vec![(true, topic.clone())],
        graft: vec![topic],
        ..Rpc::default()
    };
    tolerated(scene, "a subscription and GRAFT for an unknown topic", &rpc).await
}

async fn idontwant(scene: &Scene) -> Outcome {
    let rpc = Rpc {
        idontwant: (0..100u8).map(|number| vec![number; 20]).collect(),
        ..Rpc::default()
    };
    tolerated(scene, "IDONTWANT for 100 ids", &rpc).await
}

async fn iwant_unknown(scene: &Scene) -> Outcome {
    let rpc = Rpc {
        iwant: (0..100u8).map(|number| vec![number; 20]).collect(),
        ..Rpc::default()
    };
    tolerated(scene, "IWANT for 100 ids that nobody has", &rpc).await
}

async fn ihave(scene: &Scene) -> Outcome {
    let id = vec![0x3c; 20];
    let sent = "IHAVE with an unknown id";
    let rpc = Rpc {
        ihave: vec![(scene.topic("block"), vec![id.clone()])],
        ..Rpc::default()
    };
    let (gossip, after) = says(scene, sent, &rpc).await?;
    if let Err(why) = after {
        return fail(sent, why);
    }
    let until = Instant::now() + scene.silence();
    let asked = gossip
        .log()
        .wait(until, |sounds| sounds.iwant.contains(&id).then_some(()))
        .await;
    match asked {
        Some(()) => pass(sent, "IWANT with it"),
        None => differs(sent, "no IWANT"),
    }
}

async fn garbage(scene: &Scene) -> Outcome {
    let gossip = scene.gossiper().await?;
    let bytes = [0xff; 64];
    gossip
        .send_bytes(&[varint(64), bytes.to_vec()].concat())
        .await;
    others_are_served(scene, "an RPC of 64 bytes 0xff").await
}

async fn endless(scene: &Scene) -> Outcome {
    let gossip = scene.gossiper().await?;
    gossip
        .send_bytes(&[varint(1 << 40), vec![0; 1024]].concat())
        .await;
    sleep(scene.silence() / 4).await;
    others_are_served(scene, "the length 2^40 and 1,024 bytes").await
}

async fn others_are_served(scene: &Scene, sent: &str) -> Outcome {
    let ears = scene.ears().await?;
    let heard = scene.hear_next(&ears, "block").await;
    let status = scene.serves_others().await;
    let seen = match (&status, &heard) {
        (Err(error), _) => format!("somebody new: {error}"),
        (_, Err(error)) => format!("the listener: {error}"),
        _ => "somebody new is answered, and the listener hears".into(),
    };
    // Where nobody proposes, nothing can be heard.
    let is_silent = matches!(heard, Err(Failure::Unsupported(_)))
        && ears.log().look(|sounds| sounds.messages.is_empty());
    judge(status.is_ok() && (heard.is_ok() || is_silent), sent, seen)
}

async fn unknown_fields(scene: &Scene) -> Outcome {
    let ears = scene.ears().await?;
    scene.hear(&ears, "block").await?;
    let gossip = Gossip::begin(scene.guest().await?).await?;
    let subscriptions = scene.topics().into_iter().map(|topic| (true, topic));
    let mut bytes = Rpc {
        subscriptions: subscriptions.collect(),
        graft: scene.topics(),
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
    let heard = scene.hear(&gossip, "block").await;
    match heard {
        Ok(heard) => pass(sent, format!("a message of {} bytes", heard.data.len())),
        Err(error) => fail(sent, format!("{error}, while others hear")),
    }
}

async fn new_stream(scene: &Scene) -> Outcome {
    let gossip = scene.gossiper().await?;
    scene.hear(&gossip, "block").await?;
    let mut first = gossip.peer.open(MESHSUB[1]).await?;
    first.close().await.ok();
    drop(first);
    let ears = scene.ears().await?;
    scene.hear_next(&ears, "block").await?;
    let heard = scene.hear_next(&gossip, "block").await;
    let is_there = gossip.peer.is_connected() && scene.serves(&gossip.peer).await.is_ok();
    judge(
        is_there && heard.is_ok(),
        "another stream of gossip beside the first, closed at once",
        heard.map_or_else(|error| error.to_string(), |_| "blocks still come".into()),
    )
}
