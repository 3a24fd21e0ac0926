//! Whether the node names its messages as the specification does.

use std::collections::HashSet;

use tokio::time::{Instant, sleep};

use super::GOSSIP_SLOTS;
use crate::{
    context::CaseContext,
    frames::unblock,
    gossip::{Gossip, message_id, mistaken_ids},
    gossip_log::{Sounds, rpc::Rpc},
    verdict::{CaseResult, differs, pass, pass_if},
};

pub(super) async fn by_id(context: &CaseContext) -> CaseResult {
    let listener = context.listener().await?;
    let other = context.new_gossip_peer().await?;
    let message = context.hear_next(&listener, "block").await?;
    let id = message_id(&message.topic, &message.data);
    let since = Instant::now();
    let ssz = unblock(&message.data).unwrap_or_default();
    let before = other
        .log()
        .look(|sounds| sounds.count(&message.topic, &ssz));
    let rpc = Rpc {
        iwant: vec![id.clone()],
        ..Rpc::default()
    };
    other.send(&rpc).await;
    let until = since + context.answer_timeout;
    // What came before on the way of the mesh is not the answer.
    let asked = other.log().wait(until, |sounds| {
        (sounds.count(&message.topic, &ssz) > before.max(1)).then_some(())
    });
    let came = asked.await.is_some();
    let sent = format!("IWANT {}", hex(&id));
    if came {
        return pass(sent, "the message");
    }
    // Perhaps the mesh was slower than the request.
    let count = other
        .log()
        .look(|sounds| sounds.count(&message.topic, &ssz));
    pass_if(
        count > before,
        sent,
        match count {
            0 => "nothing".into(),
            _ => format!("the message, {count} times in all"),
        },
    )
}

pub(super) async fn told_ids(context: &CaseContext) -> CaseResult {
    let listener = context.listener().await?;
    context.hear(&listener, "block").await?;
    // Ids are announced to peers that subscribe and are in no mesh.
    let lazy = Gossip::begin(context.new_peer().await?).await?;
    let subscriptions = context
        .topics()
        .into_iter()
        .map(|topic| (true, topic))
        .collect();
    let prune: Vec<_> = context
        .topics()
        .into_iter()
        .map(|topic| (topic, 600))
        .collect();
    lazy.send(&Rpc {
        subscriptions,
        prune: prune.clone(),
        ..Rpc::default()
    })
    .await;
    let until = Instant::now() + context.slots(GOSSIP_SLOTS).max(context.answer_timeout);
    let mut refused = 0;
    let mut told = Vec::new();
    while Instant::now() < until && told.len() < 3 {
        sleep(context.slot.slot() / 8).await;
        let grafts = lazy.log().look(|sounds| sounds.graft.len());
        if grafts > refused {
            refused = grafts;
            lazy.send(&Rpc {
                prune: prune.clone(),
                ..Rpc::default()
            })
            .await;
        }
        told = lazy.log().look(|sounds| sounds.ihave.clone());
    }
    if told.is_empty() {
        return differs("subscriptions, and PRUNE for each GRAFT", "no IHAVE");
    }
    // The listener has heard all that the node has said meanwhile, or is about to.
    sleep(context.silence()).await;
    let known: HashSet<_> = listener.log().look(|sounds| {
        let ids = sounds
            .messages
            .iter()
            .map(|heard| message_id(&heard.message.topic, &heard.message.data));
        ids.collect()
    });
    let strange: Vec<_> = told
        .iter()
        .filter(|(_, id)| !known.contains(id))
        .map(|(_, id)| hex(id))
        .collect();
    let mut seen = format!(
        "{} ids, {} of them of no message that was heard {}",
        told.len(),
        strange.len(),
        strange.first().map_or("", String::as_str)
    );
    if let Some(mistake) = listener.log().look(|sounds| mistake(sounds, &told)) {
        seen = format!("{seen}: {mistake}");
    }
    // Some may be of messages from before the listener came.
    pass_if(
        strange.len() * 2 < told.len(),
        "subscriptions, and PRUNE for each GRAFT",
        seen,
    )
}

/// The known mistake that these ids come of.
fn mistake(sounds: &Sounds, told: &[(String, Vec<u8>)]) -> Option<&'static str> {
    let mut mistakes = (sounds.messages.iter())
        .flat_map(|heard| mistaken_ids(&heard.message.topic, &heard.message.data));
    let found = mistakes.find(|(_, id)| told.iter().any(|(_, other)| other == id));
    found.map(|(mistake, _)| mistake)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
