//! Peers that come again, and the node itself.

use std::{process::Stdio, time::Duration};

use libp2p::identity::Keypair;
use tokio::{
    process::Command,
    time::{Instant, sleep, timeout},
};

use super::{case, liveness, source};
use crate::{
    case::{Case, Group},
    context::CaseContext,
    gossip::Gossip,
    peer::Peer,
    verdict::{CaseResult, Failure, broken, fail, pass, pass_if, unsupported},
};

const GROUP: Group = Group::Restarts;
/// How long a peer that comes again may have to wait.
const AGAIN: Duration = Duration::from_secs(15);
/// How long the node may take to restart.
const RESTART: Duration = Duration::from_secs(60);

pub(super) const CASES: &[Case] = &[
    case(
        GROUP,
        "R01",
        "a peer that comes again while its former connection is open is served",
        source::ROBUST,
        |s| Box::pin(beside(s)),
    ),
    case(
        GROUP,
        "R02",
        "a peer that was killed and comes again at once is served",
        source::ROBUST,
        |s| Box::pin(killed(s)),
    ),
    case(
        GROUP,
        "R03",
        "a peer that leaves and comes ten times in a row is served each time",
        source::ROBUST,
        |s| Box::pin(often(s)),
    ),
    case(
        GROUP,
        "R04",
        "a peer that comes again hears gossip again",
        source::PUBSUB,
        |s| Box::pin(hears_again(s)),
    ),
    case(
        GROUP,
        "R05",
        "a node that is restarted has its identity, its head and its finality",
        source::LEAN_STATUS,
        |s| Box::pin(node(s)),
    ),
    case(GROUP, "R90", liveness::RULE, source::ROBUST, |s| {
        Box::pin(liveness::listens(s))
    }),
];

/// Comes with this identity until it is answered; how long that took.
async fn come(context: &CaseContext, key: &Keypair) -> Result<(Peer, Duration), Failure> {
    let since = Instant::now();
    loop {
        let mut config = context.config();
        config.key = key.clone();
        let tried = async {
            let peer = context.connect_silently(config).await?;
            context.serves(&peer).await?;
            Ok::<_, Failure>(peer)
        };
        match tried.await {
            Ok(peer) => return Ok((peer, since.elapsed())),
            Err(error) if since.elapsed() > AGAIN => return Err(error),
            Err(_) => sleep(Duration::from_millis(250)).await,
        }
    }
}

async fn beside(context: &CaseContext) -> CaseResult {
    let key = Keypair::generate_secp256k1();
    let (first, _) = come(context, &key).await?;
    // Not as two that dial each other at once.
    sleep(Duration::from_millis(2_500)).await;
    let (_second, took) = come(context, &key).await?;
    drop(first);
    pass(
        "a second connection with the same identity",
        format!("its status is answered after {:.1} s", took.as_secs_f64()),
    )
}

async fn killed(context: &CaseContext) -> CaseResult {
    let key = Keypair::generate_secp256k1();
    let (first, _) = come(context, &key).await?;
    first.kill();
    let (_second, took) = come(context, &key).await?;
    pass(
        "a connection that falls silent, and another with the same identity",
        format!("its status is answered after {:.1} s", took.as_secs_f64()),
    )
}

async fn often(context: &CaseContext) -> CaseResult {
    let key = Keypair::generate_secp256k1();
    let mut longest = Duration::ZERO;
    for number in 1..=10 {
        match come(context, &key).await {
            Ok((peer, took)) => {
                longest = longest.max(took);
                peer.disconnect().await;
            }
            Err(error) => {
                return fail(
                    "ten connections one after another",
                    format!("number {number}: {error}"),
                );
            }
        }
    }
    pass(
        "ten connections one after another",
        format!("all answered, within {:.1} s", longest.as_secs_f64()),
    )
}

async fn hears_again(context: &CaseContext) -> CaseResult {
    let key = Keypair::generate_secp256k1();
    let (first, _) = come(context, &key).await?;
    let first = Gossip::begin(first).await?;
    first.join(&context.topics()).await;
    context.hear(&first, "block").await?;
    first.peer.disconnect().await;
    let (second, _) = come(context, &key).await?;
    let second = Gossip::begin(second).await?;
    second.join(&context.topics()).await;
    let heard = context.hear(&second, "block").await;
    pass_if(
        heard.is_ok(),
        "a connection that ends, and another with the same identity, with subscriptions",
        heard.map_or_else(|error| error.to_string(), |_| "a block".into()),
    )
}

async fn node(context: &CaseContext) -> CaseResult {
    let command = context.restart.clone();
    let command = command.ok_or_else(|| {
        unsupported("no command was given that restarts the node (--restart-command)")
    })?;
    let before = context.status_of(&context.new_peer().await?).await?;
    let ran = Command::new("sh")
        .args(["-c", &command])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .status();
    let ran = timeout(RESTART, ran).await;
    match ran {
        Ok(Ok(status)) if status.success() => {}
        Ok(Ok(status)) => {
            return Err(unsupported(format!(
                "the command that restarts the node fails: {status}"
            )));
        }
        Ok(Err(error)) => {
            return Err(unsupported(format!(
                "the command that restarts the node: {error}"
            )));
        }
        Err(_) => {
            return Err(unsupported(format!(
                "the command that restarts the node takes longer than {RESTART:?}"
            )));
        }
    }
    let since = Instant::now();
    let after = loop {
        let told = async {
            let peer = context.connect_silently(context.config()).await?;
            let status = context.status_of(&peer).await?;
            Ok::<_, Failure>((peer.node, status))
        };
        match told.await {
            Ok(told) => break told,
            Err(error) if since.elapsed() > RESTART => {
                return Err(broken(format!("after the restart: {error}")));
            }
            Err(_) => sleep(Duration::from_millis(250)).await,
        }
    };
    let (id, status) = after;
    pass_if(
        id == context.node
            && status.finalized.slot >= before.finalized.slot
            && status.head.slot.saturating_add(4) >= before.head.slot,
        format!("{command:?}"),
        format!(
            "{id} with finalized slot {} (before: {}) and head slot {} (before: {})",
            status.finalized.slot, before.finalized.slot, status.head.slot, before.head.slot
        ),
    )
}
