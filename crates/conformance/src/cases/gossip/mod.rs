//! The node's gossip.

mod ids;

use std::collections::{BTreeMap, HashMap, HashSet};

use tokio::time::{Instant, sleep};
use tree_hash::TreeHash as _;

use super::{
    blocks::unsigned,
    case,
    hearing::{blocks, votes},
    liveness, source,
};
use crate::{
    case::{Case, Group},
    context::CaseContext,
    frames::{IDENTIFIER, unblock},
    gossip::message_id,
    gossip_log::Sounds,
    signing::is_signed,
    verdict::{CaseResult, fail, pass, pass_if, unsupported},
};

const GROUP: Group = Group::Gossip;
/// Slots in which the node announces its messages.
const GOSSIP_SLOTS: u32 = 4;

pub(super) const CASES: &[Case] = &[
    case(
        GROUP,
        "G01",
        "the node subscribes to the topics of blocks and attestations, by their names",
        source::LEAN_TOPIC,
        |s| Box::pin(subscribes(s)),
    ),
    case(
        GROUP,
        "G02",
        "blocks come on their topic",
        source::LEAN_TOPIC,
        |s| Box::pin(blocks_come(s)),
    ),
    case(
        GROUP,
        "G03",
        "attestations come on their topic",
        source::LEAN_TOPIC,
        |s| Box::pin(votes_come(s)),
    ),
    case(
        GROUP,
        "G04",
        "data are SSZ in snappy's block format, not framed",
        source::LEAN_ENCODING,
        |s| Box::pin(encoding(s)),
    ),
    case(
        GROUP,
        "G05",
        "messages have neither author nor number nor signature nor key",
        source::LEAN_NO_SIGN,
        |s| Box::pin(anonymous(s)),
    ),
    case(
        GROUP,
        "G06",
        "a message is had by the id that the specification gives it (IWANT)",
        source::LEAN_MESSAGE_ID,
        |s| Box::pin(ids::by_id(s)),
    ),
    case(
        GROUP,
        "G07",
        "the ids that the node tells (IHAVE) are those that the specification gives its messages",
        source::LEAN_MESSAGE_ID,
        |s| Box::pin(ids::told_ids(s)),
    ),
    case(
        GROUP,
        "G08",
        "no message comes twice",
        source::LEAN_SEEN,
        |s| Box::pin(once(s)),
    ),
    case(
        GROUP,
        "G09",
        "a block that comes is served by its root",
        source::LEAN_DIRECT,
        |s| Box::pin(served(s)),
    ),
    case(
        GROUP,
        "G10",
        "attestations that come are signed",
        source::LEAN_VOTE_SIGNATURE,
        |s| Box::pin(votes_signed(s)),
    ),
    case(
        GROUP,
        "G11",
        "blocks that come have a signature for each attestation and the proposer's, all of them valid",
        source::LEAN_BLOCK,
        |s| Box::pin(blocks_signed(s)),
    ),
    case(
        GROUP,
        "G12",
        "nothing comes on other topics than were subscribed to",
        source::PUBSUB,
        |s| Box::pin(other_topics(s)),
    ),
    case(GROUP, "G90", liveness::RULE, source::ROBUST, |s| {
        Box::pin(liveness::listens(s))
    }),
];

async fn subscribes(context: &CaseContext) -> CaseResult {
    let listener = context.listener().await?;
    let topics = context.topics();
    let until = Instant::now() + context.answer_timeout;
    let all = |sounds: &Sounds| {
        topics
            .iter()
            .all(|topic| sounds.topics.get(topic) == Some(&true))
    };
    listener
        .log()
        .wait(until, |sounds| all(sounds).then_some(()))
        .await;
    let (holds, said) = listener.log().look(|sounds| {
        let said: Vec<_> = sounds
            .topics
            .iter()
            .filter(|(_, on)| **on)
            .map(|(name, _)| name.clone())
            .collect();
        (all(sounds), said)
    });
    pass_if(
        holds,
        format!("subscriptions to {}", topics.join(" ")),
        format!("subscriptions to {}", said.join(" ")),
    )
}

async fn blocks_come(context: &CaseContext) -> CaseResult {
    let listener = context.listener().await?;
    context.hear(&listener, "block").await?;
    let found = context.heard_block(&listener).await;
    let sent = "a place in the topic's mesh";
    match found {
        Ok((block, _)) => pass(sent, format!("a block of slot {}", block.block().slot)),
        Err(error) => fail(sent, error.to_string()),
    }
}

async fn votes_come(context: &CaseContext) -> CaseResult {
    let listener = context.listener().await?;
    context.hear(&listener, "attestation").await?;
    let found = context.heard_vote(&listener).await;
    let sent = "a place in the topic's mesh";
    match found {
        Ok((vote, _)) => pass(sent, format!("a vote of slot {}", vote.message.data.slot)),
        Err(error) => fail(sent, error.to_string()),
    }
}

async fn encoding(context: &CaseContext) -> CaseResult {
    let listener = context.listener().await?;
    context.hear(&listener, "block").await?;
    let (all, framed, wrong) = listener.log().look(|sounds| {
        let data = || sounds.of_others().map(|heard| &heard.message.data);
        let framed = data().filter(|data| data.starts_with(&IDENTIFIER)).count();
        let wrong = data().filter(|data| unblock(data).is_none()).count();
        (data().count(), framed, wrong)
    });
    pass_if(
        framed + wrong == 0,
        "nothing",
        format!("{all} messages, {framed} of them framed, {wrong} do not decompress"),
    )
}

async fn anonymous(context: &CaseContext) -> CaseResult {
    let listener = context.listener().await?;
    context.hear(&listener, "block").await?;
    let (all, filled) = listener.log().look(|sounds| {
        let filled: HashSet<_> = sounds
            .of_others()
            .flat_map(|heard| heard.message.forbidden())
            .collect();
        (sounds.of_others().count(), filled)
    });
    pass_if(
        filled.is_empty(),
        "nothing",
        format!("{all} messages, with the fields {filled:?}"),
    )
}

async fn once(context: &CaseContext) -> CaseResult {
    let listener = context.listener().await?;
    context.hear(&listener, "block").await?;
    // A copy may come some time after the first.
    sleep(context.silence()).await;
    let (all, twice) = listener.log().look(|sounds| {
        let mut counts: HashMap<Vec<u8>, (usize, &str)> = HashMap::new();
        for heard in sounds.of_others() {
            let id = message_id(&heard.message.topic, &heard.message.data);
            counts.entry(id).or_insert((0, &heard.message.topic)).0 += 1;
        }
        let mut twice: BTreeMap<String, usize> = BTreeMap::new();
        for (_, topic) in counts.values().filter(|(count, _)| *count > 1) {
            *twice.entry((*topic).to_owned()).or_default() += 1;
        }
        (sounds.of_others().count(), twice)
    });
    pass_if(
        twice.is_empty(),
        "nothing",
        format!("{all} messages, more than once: {twice:?}"),
    )
}

async fn served(context: &CaseContext) -> CaseResult {
    let listener = context.listener().await?;
    let (block, _) = context.heard_block(&listener).await?;
    let root = block.block().tree_hash_root();
    let new_peer = context.new_peer().await?;
    let sent = format!("a request for {root}, which was heard");
    let until = Instant::now() + context.answer_timeout;
    loop {
        // It may still be on its way into the node's own chain.
        match context.block(&new_peer, root).await {
            Ok(served) => {
                return pass_if(
                    *served == block,
                    sent,
                    if *served == block {
                        "the same"
                    } else {
                        "the block in another envelope"
                    },
                );
            }
            Err(error) if Instant::now() > until => return fail(sent, error.to_string()),
            Err(_) => sleep(context.slot.slot() / 4).await,
        }
    }
}

async fn votes_signed(context: &CaseContext) -> CaseResult {
    let genesis = context.genesis.clone();
    let genesis =
        genesis.ok_or_else(|| unsupported("the network's genesis was not given (--genesis)"))?;
    let listener = context.listener().await?;
    context.hear(&listener, "attestation").await?;
    let topic = context.topic("attestation");
    let votes = listener.log().look(|sounds| votes(sounds, &topic));
    let wrong = votes
        .iter()
        .take(64)
        .find(|(vote, _)| !is_signed(&genesis, &vote.message, &vote.signature));
    match wrong {
        None => pass("nothing", format!("{} votes, signed", votes.len().min(64))),
        Some((vote, _)) => fail(
            "nothing",
            format!(
                "validator {} has not signed its vote of slot {}",
                vote.message.validator_id, vote.message.data.slot
            ),
        ),
    }
}

async fn blocks_signed(context: &CaseContext) -> CaseResult {
    let genesis = context.genesis.clone();
    let genesis =
        genesis.ok_or_else(|| unsupported("the network's genesis was not given (--genesis)"))?;
    let listener = context.listener().await?;
    context.hear(&listener, "block").await?;
    let topic = context.topic("block");
    let blocks = listener.log().look(|sounds| blocks(sounds, &topic));
    for (block, _) in blocks.iter().take(8) {
        if let Some(what) = unsigned(&genesis, block) {
            return fail(
                "nothing",
                format!("block of slot {}: {what}", block.block().slot),
            );
        }
    }
    pass("nothing", format!("{} blocks, signed", blocks.len().min(8)))
}

async fn other_topics(context: &CaseContext) -> CaseResult {
    let listener = context.listener().await?;
    context.hear(&listener, "block").await?;
    let topics = context.topics();
    let others = listener.log().look(|sounds| {
        let topics_heard = sounds.of_others().map(|heard| heard.message.topic.clone());
        topics_heard
            .filter(|topic| !topics.contains(topic))
            .collect::<HashSet<_>>()
    });
    pass_if(
        others.is_empty(),
        format!("subscriptions to {}", topics.join(" ")),
        format!("others: {others:?}"),
    )
}
