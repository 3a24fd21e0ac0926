//! What must not be passed on, made without any key: bytes that are nothing, and what was heard, altered.

use quartet_types::{Signature, SignedAttestation};
use ssz::Encode as _;
use tokio::time::{Instant, sleep};

use super::{case, hearing::votes, liveness, source};
use crate::{
    case::{Case, Group},
    context::CaseContext,
    frames::{self, block, varint},
    gossip_log::rpc::Message,
    verdict::{CaseResult, fail, pass, pass_if, unsupported},
};

const GROUP: Group = Group::Invalid;

pub(super) const CASES: &[Case] = &[
    case(
        GROUP,
        "I01",
        "data that do not decompress are not passed on",
        source::LEAN_MESSAGE_ID,
        |s| Box::pin(no_snappy(s)),
    ),
    case(
        GROUP,
        "I02",
        "no data at all are not passed on",
        source::LEAN_ENCODING,
        |s| Box::pin(no_data(s)),
    ),
    case(
        GROUP,
        "I03",
        "what is no attestation is not passed on as one",
        source::LEAN_ENCODING,
        |s| Box::pin(no_vote(s)),
    ),
    case(
        GROUP,
        "I04",
        "what is no block is not passed on as one",
        source::LEAN_ENCODING,
        |s| Box::pin(no_block(s)),
    ),
    case(
        GROUP,
        "I05",
        "an attestation with a byte behind it is not passed on",
        source::LEAN_ENCODING,
        |s| Box::pin(longer_vote(s)),
    ),
    case(
        GROUP,
        "I06",
        "an attestation whose signature is not valid is not passed on",
        source::LEAN_VOTE_SIGNATURE,
        |s| Box::pin(bad_signature(s)),
    ),
    case(
        GROUP,
        "I07",
        "an attestation by a validator that there is not is not passed on",
        source::LEAN_VOTE_SIGNATURE,
        |s| Box::pin(nobody(s)),
    ),
    case(
        GROUP,
        "I08",
        "an attestation of a far slot, whose signature is another slot's, is not passed on",
        source::LEAN_ATTESTATION,
        |s| Box::pin(far_slot(s)),
    ),
    case(
        GROUP,
        "I09",
        "a block with a byte behind it is not passed on",
        source::LEAN_ENCODING,
        |s| Box::pin(longer_block(s)),
    ),
    case(
        GROUP,
        "I10",
        "a block whose proposer's signature is not valid is not passed on",
        source::LEAN_BLOCK,
        |s| Box::pin(bad_block(s)),
    ),
    case(
        GROUP,
        "I11",
        "a block with another state root under the same signatures is not passed on",
        source::LEAN_STATE,
        |s| Box::pin(other_state(s)),
    ),
    case(
        GROUP,
        "I12",
        "a block without its signatures is not passed on",
        source::LEAN_BLOCK,
        |s| Box::pin(unsigned(s)),
    ),
    case(
        GROUP,
        "I13",
        "an attestation in framed snappy is not passed on",
        source::LEAN_ENCODING,
        |s| Box::pin(framed(s)),
    ),
    case(
        GROUP,
        "I14",
        "a message of more than 10 MiB is not passed on, and the node stands it",
        source::ETH2_REQUESTS,
        |s| Box::pin(oversized(s)),
    ),
    case(
        GROUP,
        "I15",
        "data that announce four gigabytes are not passed on, and the node stands it",
        source::ROBUST,
        |s| Box::pin(bomb(s)),
    ),
    case(
        GROUP,
        "I16",
        "what is published on an unknown topic is not passed on",
        source::LEAN_TOPIC,
        |s| Box::pin(unknown_topic(s)),
    ),
    case(
        GROUP,
        "I17",
        "an attestation that was heard before is not passed on again",
        source::LEAN_SEEN,
        |s| Box::pin(heard_vote(s)),
    ),
    case(
        GROUP,
        "I18",
        "a block that was heard before is not passed on again",
        source::LEAN_SEEN,
        |s| Box::pin(heard_block(s)),
    ),
    case(GROUP, "I90", liveness::RULE, source::ROBUST, |s| {
        Box::pin(liveness::listens(s))
    }),
];

/// Publishes data that must not be passed on, and checks that the node still answers.
async fn kept_back(context: &CaseContext, sent: &str, topic: &str, data: Vec<u8>) -> CaseResult {
    let (passed_on, culprit) = context.passes_on(Message::new(topic, data)).await?;
    let gone = !culprit.peer.is_connected();
    if passed_on {
        return fail(sent, "it is passed on");
    }
    let status = context.serves_others().await;
    let seen = if gone {
        "nothing comes out, and its sender is sent away"
    } else {
        "nothing comes out"
    };
    pass_if(
        status.is_ok(),
        sent,
        status.map_or_else(|error| error.to_string(), |_| seen.into()),
    )
}

async fn no_snappy(context: &CaseContext) -> CaseResult {
    let topic = context.topic("attestation");
    kept_back(context, "100 bytes 0xa7", &topic, vec![0xa7; 100]).await
}

async fn no_data(context: &CaseContext) -> CaseResult {
    let topic = context.topic("attestation");
    kept_back(context, "a message without data", &topic, Vec::new()).await
}

async fn no_vote(context: &CaseContext) -> CaseResult {
    let topic = context.topic("attestation");
    kept_back(
        context,
        "100 bytes, compressed",
        &topic,
        block(&[0x5b; 100]),
    )
    .await
}

async fn no_block(context: &CaseContext) -> CaseResult {
    let topic = context.topic("block");
    kept_back(
        context,
        "1,000 bytes, compressed",
        &topic,
        block(&[0x5c; 1_000]),
    )
    .await
}

/// Publishes a heard vote after something was done to it.
async fn altered_vote(
    context: &CaseContext,
    sent: &str,
    alter: impl FnOnce(&mut SignedAttestation),
) -> CaseResult {
    let listener = context.listener().await?;
    let (mut vote, _) = context.heard_vote(&listener).await?;
    alter(&mut vote);
    let topic = context.topic("attestation");
    kept_back(context, sent, &topic, block(&vote.as_ssz_bytes())).await
}

async fn longer_vote(context: &CaseContext) -> CaseResult {
    let listener = context.listener().await?;
    let (_, raw) = context.heard_vote(&listener).await?;
    let topic = context.topic("attestation");
    kept_back(
        context,
        "a vote that was heard, and a byte",
        &topic,
        block(&[&raw.ssz[..], &[0]].concat()),
    )
    .await
}

/// Turns a bit in the middle of a signature.
pub(super) fn spoil(signature: &Signature) -> Signature {
    let mut bytes = *signature.as_bytes();
    bytes[1_500] ^= 1;
    bytes.into()
}

async fn bad_signature(context: &CaseContext) -> CaseResult {
    altered_vote(
        context,
        "a vote that was heard, with one bit of its signature turned",
        |vote| {
            vote.signature = spoil(&vote.signature);
        },
    )
    .await
}

async fn nobody(context: &CaseContext) -> CaseResult {
    altered_vote(
        context,
        "a vote that was heard, of validator 4,095",
        |vote| {
            vote.message.validator_id = 4_095;
        },
    )
    .await
}

async fn far_slot(context: &CaseContext) -> CaseResult {
    altered_vote(
        context,
        "a vote that was heard, a million slots later",
        |vote| {
            vote.message.data.slot += 1_000_000;
        },
    )
    .await
}

async fn longer_block(context: &CaseContext) -> CaseResult {
    let listener = context.listener().await?;
    let (_, raw) = context.heard_block(&listener).await?;
    let topic = context.topic("block");
    kept_back(
        context,
        "a block that was heard, and a byte",
        &topic,
        block(&[&raw.ssz[..], &[0]].concat()),
    )
    .await
}

async fn bad_block(context: &CaseContext) -> CaseResult {
    let listener = context.listener().await?;
    let (mut envelope, _) = context.heard_block(&listener).await?;
    let mut signatures: Vec<_> = envelope.signature.iter().cloned().collect();
    if let Some(last) = signatures.last_mut() {
        *last = spoil(last);
    }
    envelope.signature = signatures.try_into().unwrap_or_default();
    let topic = context.topic("block");
    kept_back(
        context,
        "a block that was heard, with one bit of its last signature turned",
        &topic,
        block(&envelope.as_ssz_bytes()),
    )
    .await
}

async fn other_state(context: &CaseContext) -> CaseResult {
    let listener = context.listener().await?;
    let (mut envelope, _) = context.heard_block(&listener).await?;
    envelope.message.block.state_root.0[0] ^= 1;
    let topic = context.topic("block");
    kept_back(
        context,
        "a block that was heard, with one bit of its state root turned",
        &topic,
        block(&envelope.as_ssz_bytes()),
    )
    .await
}

async fn unsigned(context: &CaseContext) -> CaseResult {
    let listener = context.listener().await?;
    let (mut envelope, _) = context.heard_block(&listener).await?;
    envelope.signature = Vec::new().try_into().unwrap_or_default();
    let topic = context.topic("block");
    kept_back(
        context,
        "a block that was heard, with an empty list of signatures",
        &topic,
        block(&envelope.as_ssz_bytes()),
    )
    .await
}

async fn framed(context: &CaseContext) -> CaseResult {
    let listener = context.listener().await?;
    let (_, raw) = context.heard_vote(&listener).await?;
    let topic = context.topic("attestation");
    kept_back(
        context,
        "a vote that was heard, framed",
        &topic,
        frames::framed(&raw.ssz),
    )
    .await
}

async fn oversized(context: &CaseContext) -> CaseResult {
    let topic = context.topic("block");
    // It does not get shorter by compression.
    let mut bytes = vec![0; (10 << 20) + 1024];
    rand::RngExt::fill(&mut rand::rng(), &mut bytes[..]);
    kept_back(
        context,
        "10 MiB and 1,024 bytes, random and compressed",
        &topic,
        block(&bytes),
    )
    .await
}

async fn bomb(context: &CaseContext) -> CaseResult {
    let topic = context.topic("block");
    let data = [varint(u64::from(u32::MAX)), vec![0; 100]].concat();
    kept_back(
        context,
        "100 bytes that announce four gigabytes",
        &topic,
        data,
    )
    .await
}

async fn unknown_topic(context: &CaseContext) -> CaseResult {
    let topic = "/leanconsensus/nowhere/block/ssz_snappy";
    let listener = context.listener().await?;
    listener.join(&[topic.to_owned()]).await;
    let outcome = kept_back(
        context,
        &format!("100 bytes on {topic}"),
        topic,
        block(&[0x5d; 100]),
    )
    .await;
    let subscriptions = vec![(false, topic.to_owned())];
    listener
        .send(&crate::gossip_log::rpc::Rpc {
            subscriptions,
            ..Default::default()
        })
        .await;
    outcome
}

/// What was heard some slots ago, and is still remembered by any node.
async fn heard_vote(context: &CaseContext) -> CaseResult {
    let listener = context.listener().await?;
    context.heard_vote(&listener).await?;
    let topic = context.topic("attestation");
    let oldest = listener.log().look(|sounds| {
        let recent = sounds
            .of(&topic)
            .filter(|heard| heard.at.elapsed() < context.slots(3));
        recent.map(|heard| heard.message.data.clone()).next()
    });
    let data = match oldest {
        Some(data) => data,
        None => listener
            .log()
            .look(|sounds| votes(sounds, &topic).pop())
            .map(|(_, raw)| raw.data)
            .ok_or_else(|| unsupported("no vote was heard"))?,
    };
    repeated(context, "a vote that was heard", &topic, data).await
}

async fn heard_block(context: &CaseContext) -> CaseResult {
    let listener = context.listener().await?;
    let (_, raw) = context.heard_block(&listener).await?;
    let topic = context.topic("block");
    repeated(context, "a block that was heard", &topic, raw.data).await
}

async fn repeated(context: &CaseContext, sent: &str, topic: &str, data: Vec<u8>) -> CaseResult {
    let listener = context.listener().await?;
    let culprit = context.new_gossip_peer().await?;
    // By now the node has sent all of its own announcements of the message.
    sleep(context.silence() / 4).await;
    let since = Instant::now();
    culprit.publish(topic, data.clone()).await;
    sleep(context.silence()).await;
    let again = listener.log().look(|sounds| {
        let later = sounds.of(topic).filter(|heard| heard.at > since);
        later.filter(|heard| heard.message.data == data).count()
    });
    match again {
        0 => pass(sent, "nothing comes out"),
        _ => fail(sent, "it comes out once more"),
    }
}
