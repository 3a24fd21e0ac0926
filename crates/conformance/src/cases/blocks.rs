//! Blocks by their roots.

use std::collections::HashSet;

use quartet_types::{Root, SignedBlockWithAttestation, State};
use sha2::{Digest as _, Sha256};

use super::{case, liveness, source};
use crate::{
    case::{Case, Group},
    chain::Envelope,
    context::CaseContext,
    frames::MAX_ERROR,
    peer::Peer,
    requests::{Answer, End},
    signing::is_signed,
    verdict::{CaseResult, Failure, broken, differs, fail, pass, pass_if, unsupported},
};

const GROUP: Group = Group::Blocks;
/// Most roots in a request.
const MAX_ROOTS: usize = 1024;
/// Blocks that are asked for together.
const SEVERAL: usize = 6;

pub(super) const CASES: &[Case] = &[
    case(
        GROUP,
        "B01",
        "a request for no roots is answered with no blocks, or refused",
        source::LEAN_BLOCKS,
        |s| Box::pin(none(s)),
    ),
    case(
        GROUP,
        "B02",
        "a block is served by its root, and hashes to it",
        source::LEAN_BLOCKS,
        |s| Box::pin(one(s)),
    ),
    case(
        GROUP,
        "B03",
        "several blocks are served, each in a chunk of its own, each hashes to a root that was asked for",
        source::LEAN_BLOCKS,
        |s| Box::pin(several(s)),
    ),
    case(
        GROUP,
        "B04",
        "a request for 1,024 roots is answered with what the node has of them",
        source::LEAN_MAX_BLOCKS,
        |s| Box::pin(most(s)),
    ),
    case(
        GROUP,
        "B05",
        "a request for 1,025 roots is refused",
        source::LEAN_MAX_BLOCKS,
        |s| Box::pin(too_many(s)),
    ),
    case(
        GROUP,
        "B06",
        "for a root that nobody has there is no block",
        source::LEAN_BLOCKS,
        |s| Box::pin(unknown(s)),
    ),
    case(
        GROUP,
        "B07",
        "roots that nobody has do not hide those that the node has",
        source::LEAN_BLOCKS,
        |s| Box::pin(mixed(s)),
    ),
    case(
        GROUP,
        "B08",
        "a root that is asked for twice is served once",
        source::LEAN_BLOCKS,
        |s| Box::pin(doubled(s)),
    ),
    case(
        GROUP,
        "B09",
        "blocks come in the order in which they were asked for",
        source::LEAN_BLOCKS,
        |s| Box::pin(ordered(s)),
    ),
    case(
        GROUP,
        "B10",
        "each block has a signature for each attestation and the proposer's, all of them valid",
        source::LEAN_BLOCK,
        |s| Box::pin(signed(s)),
    ),
    case(
        GROUP,
        "B11",
        "an error has a code from 1 to 3 and at most 256 bytes of text",
        source::ETH2_REQUESTS,
        |s| Box::pin(errors(s)),
    ),
    case(
        GROUP,
        "B12",
        "blocks follow each other from genesis to the head by the state transition",
        source::LEAN_STATE,
        |s| Box::pin(transition(s)),
    ),
    case(
        GROUP,
        "B13",
        "an answer ends with its last chunk: the node closes the stream",
        source::ETH2_REQUESTS,
        |s| Box::pin(ends(s)),
    ),
    case(GROUP, "B90", liveness::RULE, source::ROBUST, |s| {
        Box::pin(liveness::is_alive(s))
    }),
];

/// Roots and blocks from the head back, at most this many.
async fn recent(
    context: &CaseContext,
    new_peer: &Peer,
    most: usize,
) -> Result<Vec<(Root, Envelope)>, Failure> {
    let mut root = context.status_of(new_peer).await?.head.root;
    let mut blocks = Vec::new();
    while blocks.len() < most {
        match context.block(new_peer, root).await {
            Ok(block) => {
                let parent = block.block().parent_root;
                blocks.push((root, block));
                root = parent;
            }
            // Genesis has no signatures, and older blocks may have been deleted.
            Err(_) if !blocks.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(blocks)
}

async fn roots(context: &CaseContext, new_peer: &Peer, most: usize) -> Result<Vec<Root>, Failure> {
    if context.status_of(new_peer).await?.head.slot == 0 {
        return Err(unsupported(
            "the node's head is genesis: there is no block to ask for",
        ));
    }
    let blocks = recent(context, new_peer, most).await?;
    Ok(blocks.into_iter().map(|(root, _)| root).collect())
}

fn served(answer: &Answer) -> Result<Vec<Root>, Failure> {
    let blocks = answer.blocks().map_err(broken)?;
    Ok(blocks.into_iter().map(|(root, _)| root).collect())
}

/// Roots of nothing, as long on the wire as those of blocks are: they cannot be compressed.
fn unknown_roots(count: usize) -> impl Iterator<Item = Root> {
    (0..count).map(|number| Root::from_slice(&Sha256::digest(number.to_le_bytes())))
}

async fn none(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let answer = context.ask_blocks(&new_peer, &[]).await?;
    let sent = "a request for no roots";
    if answer.succeeds() || answer.end == End::Open {
        fail(sent, answer.to_string())
    } else {
        pass(sent, answer.to_string())
    }
}

async fn one(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let roots = roots(context, &new_peer, 1).await?;
    let answer = context.ask_blocks(&new_peer, &roots).await?;
    let found = served(&answer)?;
    pass_if(
        found == roots,
        format!("a request for {}", roots[0]),
        format!("{found:?}"),
    )
}

async fn several(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let roots = roots(context, &new_peer, SEVERAL).await?;
    let answer = context.ask_blocks(&new_peer, &roots).await?;
    let found: HashSet<_> = served(&answer)?.into_iter().collect();
    let asked: HashSet<_> = roots.iter().copied().collect();
    pass_if(
        found == asked,
        format!("a request for {} roots", roots.len()),
        format!(
            "{} blocks, {} of them asked for",
            found.len(),
            found.intersection(&asked).count()
        ),
    )
}

async fn most(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let known = roots(context, &new_peer, SEVERAL).await?;
    let all: Vec<_> = known
        .iter()
        .copied()
        .chain(unknown_roots(MAX_ROOTS - known.len()))
        .collect();
    let answer = context.ask_blocks(&new_peer, &all).await?;
    let found = served(&answer)?;
    let is_there = known.iter().all(|root| found.contains(root));
    pass_if(
        is_there,
        format!(
            "a request for 1,024 roots, {} of them the node's",
            known.len()
        ),
        format!("{} blocks", found.len()),
    )
}

async fn too_many(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let known = roots(context, &new_peer, SEVERAL).await?;
    let all: Vec<_> = known
        .iter()
        .copied()
        .chain(unknown_roots(MAX_ROOTS + 1 - known.len()))
        .collect();
    let answer = context.ask_blocks(&new_peer, &all).await?;
    let sent = format!(
        "a request for 1,025 roots, {} of them the node's",
        known.len()
    );
    if answer.succeeds() {
        fail(sent, answer.to_string())
    } else {
        pass(sent, answer.to_string())
    }
}

async fn unknown(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let root = Root::repeat_byte(0x77);
    let answer = context.ask_blocks(&new_peer, &[root]).await?;
    let sent = format!("a request for {root}");
    if answer.succeeds() || answer.end == End::Open {
        fail(sent, answer.to_string())
    } else {
        pass(sent, answer.to_string())
    }
}

async fn mixed(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let known = roots(context, &new_peer, 2).await?;
    let all: Vec<_> = unknown_roots(3)
        .chain(known.iter().copied())
        .chain(unknown_roots(5).skip(3))
        .collect();
    let answer = context.ask_blocks(&new_peer, &all).await?;
    let sent = format!(
        "a request for three unknown roots, {} known ones and two unknown ones",
        known.len()
    );
    match served(&answer) {
        Ok(found) => pass_if(
            known.iter().all(|root| found.contains(root)),
            sent,
            format!("{} blocks", found.len()),
        ),
        Err(error) => fail(sent, error.to_string()),
    }
}

async fn doubled(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let root = roots(context, &new_peer, 1).await?[0];
    let answer = context.ask_blocks(&new_peer, &[root, root, root]).await?;
    let sent = format!("a request for {root}, three times");
    match served(&answer)?.len() {
        1 => pass(sent, "one block"),
        0 => differs(sent, answer.to_string()),
        count => differs(sent, format!("{count} blocks")),
    }
}

async fn ordered(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let mut roots = roots(context, &new_peer, SEVERAL).await?;
    if roots.len() < 3 {
        return Err(unsupported("there are fewer than three blocks"));
    }
    // Neither that of the chain nor its reverse.
    roots.rotate_left(1);
    roots.swap(0, 1);
    let found = served(&context.ask_blocks(&new_peer, &roots).await?)?;
    let sent = format!("a request for {} roots in an order of its own", roots.len());
    if found == roots {
        pass(sent, "the same order")
    } else {
        differs(sent, "another order")
    }
}

async fn signed(context: &CaseContext) -> CaseResult {
    let genesis = context.genesis.clone();
    let genesis =
        genesis.ok_or_else(|| unsupported("the network's genesis was not given (--genesis)"))?;
    let new_peer = context.new_peer().await?;
    let blocks = recent(context, &new_peer, SEVERAL).await?;
    let sent = format!("requests for {} blocks from the head back", blocks.len());
    let mut signatures = 0;
    for (root, block) in &blocks {
        match unsigned(&genesis, block) {
            None => signatures += block.signature.len(),
            Some(what) => {
                return fail(
                    sent,
                    format!("block {root} of slot {}: {what}", block.block().slot),
                );
            }
        }
    }
    pass(sent, format!("{signatures} valid signatures"))
}

/// What of a block's signatures is missing or wrong.
pub(super) fn unsigned(genesis: &State, block: &SignedBlockWithAttestation) -> Option<String> {
    let (expected, found) = (block.attestations().count(), block.signature.len());
    if expected != found {
        return Some(format!("{found} signatures for {expected} attestations"));
    }
    let mut pairs = block.attestations().zip(block.signature.iter());
    let wrong = pairs.find(|(attestation, signature)| !is_signed(genesis, attestation, signature));
    wrong.map(|(attestation, _)| {
        format!(
            "the signature of validator {} is not valid",
            attestation.validator_id
        )
    })
}

async fn errors(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let roots: Vec<_> = unknown_roots(MAX_ROOTS + 1).collect();
    let answer = context.ask_blocks(&new_peer, &roots).await?;
    let sent = "a request for 1,025 roots";
    let chunks = answer.chunks().map_err(|error| broken(error.to_string()))?;
    match chunks.as_slice() {
        [] => Err(unsupported(format!("the node says no error: {answer}"))),
        [error] => pass_if(
            (1..=3).contains(&error.code) && error.ssz.len() <= MAX_ERROR,
            sent,
            answer.to_string(),
        ),
        _ => fail(sent, answer.to_string()),
    }
}

async fn transition(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let head = context.status_of(&new_peer).await?.head;
    let state = context.state(&new_peer, head.root).await;
    let sent = format!("requests for all blocks from {head} back to genesis");
    match state {
        Ok(state) => pass_if(
            state.slot == head.slot,
            sent,
            format!("a state of slot {}", state.slot),
        ),
        Err(Failure::Broken(why)) => fail(sent, why),
        Err(error) => Err(error),
    }
}

async fn ends(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let roots = roots(context, &new_peer, 2).await?;
    let answer = context.ask_blocks(&new_peer, &roots).await?;
    let (sent, seen) = (
        format!("a request for {} roots", roots.len()),
        answer.to_string(),
    );
    match answer.end {
        End::Closed => pass(sent, seen),
        End::Broken(_) => fail(sent, seen),
        End::Open => differs(sent, seen),
    }
}
