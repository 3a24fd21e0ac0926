use std::time::Duration;

use futures::FutureExt as _;
use quartet_chain::{ChainWriter, LeanChain};
use quartet_storage::{Database, StoredBlock};
use quartet_types::{
    BlocksByRangeRequest, Checkpoint, HistoricalBlockHashes, PublicKey, Root, Signature,
    SignedBlockWithAttestation, Slot, State,
};
use ssz::Decode as _;
use tokio::time::{Instant, timeout};
use tree_hash::TreeHash as _;

use super::*;
use crate::{
    protocol::ErrorReply,
    wire::{MAX_MESSAGE_BYTES, ResultCode, read_payload, read_result_code},
};

/// A block with this many signatures of 3,112 bytes.
fn block(slot: Slot, signatures: usize) -> SignedBlockWithAttestation {
    let mut block = SignedBlockWithAttestation::default();
    block.message.block.slot = slot;
    block.signature = vec![Signature::default(); signatures].try_into().unwrap();
    block
}

fn root(block: &SignedBlockWithAttestation) -> Root {
    block.block().tree_hash_root()
}

fn stored(block: &SignedBlockWithAttestation) -> StoredBlock {
    StoredBlock {
        root: root(block),
        block: Arc::new(block.clone()),
        justified: Checkpoint::default(),
        finalized: Checkpoint::default(),
        state: None,
    }
}

/// A server of a chain that ends with an unsigned block in the slot `end`, whose history has `blocks` of which
/// the first `missing` are not at hand.
fn server(
    blocks: &[SignedBlockWithAttestation],
    missing: usize,
    end: Slot,
) -> (BlockServer, Arc<Database>) {
    let store = Arc::new(Database::in_memory(Root::ZERO).unwrap());
    let mut history = vec![Root::ZERO; end as usize];
    for block in blocks {
        history[block.block().slot as usize] = root(block);
    }
    for block in &blocks[missing..] {
        store.put(stored(block)).unwrap();
    }
    let mut state = State::genesis(0, &[PublicKey::default()]).unwrap();
    state.historical_block_hashes = HistoricalBlockHashes::try_from_iter(history).unwrap();
    let anchor = SignedBlockWithAttestation {
        signature: Vec::new().try_into().unwrap(),
        ..block(end, 0)
    };
    let chain = ChainWriter::new(LeanChain::from_anchor(anchor, state)).reader();
    (
        BlockServer::new(ChainReader::new(chain, store.clone())),
        store,
    )
}

fn range(start_slot: Slot, count: u64) -> BlocksQuery {
    BlocksQuery::Range(BlocksByRangeRequest { start_slot, count })
}

/// The slots of an answer's blocks, piece by piece, or its error.
async fn read(mut response: Pieces) -> Result<Vec<Vec<Slot>>, ErrorReply> {
    let mut pieces = Vec::new();
    while let Some(piece) = response.next().await {
        let mut bytes = futures::io::Cursor::new(piece?.bytes);
        let mut slots = Vec::new();
        while read_result_code(&mut bytes).await.unwrap() == Some(ResultCode::Success) {
            let ssz = read_payload(&mut bytes, 0, MAX_MESSAGE_BYTES)
                .await
                .unwrap();
            let block = SignedBlockWithAttestation::from_ssz_bytes(&ssz).unwrap();
            slots.push(block.block().slot);
        }
        pieces.push(slots);
    }
    Ok(pieces)
}

async fn slots(server: &BlockServer, query: BlocksQuery) -> Result<Vec<Slot>, ErrorReply> {
    let pieces = read(server.respond(query, &PeerQuota::default())).await?;
    Ok(pieces.concat())
}

#[tokio::test]
async fn the_chains_blocks_are_served_in_order_and_others_are_not() {
    let blocks: Vec<_> = [1, 2, 5, 6, 9].map(|slot| block(slot, 1)).into();
    let (server, store) = server(&blocks, 0, 12);
    // One that is in the store and not of this chain.
    let abandoned = block(3, 2);
    store.put(stored(&abandoned)).unwrap();
    for (query, expected) in [
        (range(0, 1024), vec![1, 2, 5, 6, 9]),
        (range(2, 5), vec![2, 5, 6]),
        (range(3, 2), vec![]),
        (range(9, 1), vec![9]),
        // The one that the node started from is not signed.
        (range(10, 100), vec![]),
        (range(13, 9), vec![]),
        (range(u64::MAX, 9), vec![]),
    ] {
        assert_eq!(slots(&server, query.clone()).await, Ok(expected), "{query}");
    }
}

#[tokio::test]
async fn an_answer_has_no_hole() {
    let blocks: Vec<_> = (1..=9).map(|slot| block(slot, 1)).collect();
    let (server, store) = server(&blocks, 3, 12);
    // Its first blocks are not there: it would seem that their slots are empty.
    for query in [range(0, 100), range(3, 5), range(2, 1)] {
        let error = slots(&server, query).await.unwrap_err();
        assert_eq!(error.code, ResultCode::ResourceUnavailable);
    }
    assert_eq!(slots(&server, range(4, 3)).await, Ok(vec![4, 5, 6]));
    // Asked for by its root, what is not there is left out.
    let roots = blocks.iter().map(root).collect();
    let found = slots(&server, BlocksQuery::Roots(roots)).await;
    assert_eq!(found, Ok((4..=9).collect()));
    drop(store);
}

#[tokio::test]
async fn a_block_is_served_once_though_it_is_asked_for_twice() {
    let blocks = [block(1, 1), block(2, 1)];
    let (server, _) = server(&blocks, 0, 3);
    let roots = [1, 0, 1].map(|index| root(&blocks[index])).to_vec();
    assert_eq!(
        slots(&server, BlocksQuery::Roots(roots)).await,
        Ok(vec![2, 1])
    );
}

#[tokio::test]
async fn answers_are_made_in_small_pieces_and_end_when_they_are_long() {
    // Some 31 KB each.
    let blocks: Vec<_> = (1..=600).map(|slot| block(slot, 10)).collect();
    let (server, _) = server(&blocks, 0, 601);
    let pieces = read(server.respond(range(1, 1024), &PeerQuota::default()));
    let pieces = pieces.await.unwrap();
    assert!(pieces.iter().all(|piece| piece.len() <= 3));
    let served = pieces.concat();
    let expected = (8 << 20) / (10 * 3112) + 1;
    assert!(served.len().abs_diff(expected) <= 5, "{}", served.len());
    assert!(served.iter().copied().eq(1..=served.len() as u64));
}

#[tokio::test]
async fn an_unread_response_holds_one_piece_until_it_is_dropped() {
    let blocks: Vec<_> = (1..=600).map(|slot| block(slot, 10)).collect();
    let (server, _) = server(&blocks, 0, 601);
    let mut unread = Vec::new();
    for _ in 0..18 {
        let quota = PeerQuota::default();
        for _ in 0..RESPONSES_PER_PEER {
            let mut response = server.respond(range(1, 1024), &quota);
            let piece = response.next().await.unwrap().unwrap();
            unread.push((response, piece));
        }
        // The next of its requests waits, though there is room.
        let mut more = server.respond(range(1, 1024), &quota);
        assert!(more.next().now_or_never().is_none());
    }
    let taken = server.0.budget.reserved();
    let longest = (64 << 10) + 10 * 3200 + 1024;
    assert!(taken <= 18 * RESPONSES_PER_PEER * longest, "{taken}");
    // Others are served all the while.
    assert_eq!(slots(&server, range(1, 9)).await.unwrap().len(), 9);
    drop(unread);
    assert_eq!(server.0.budget.reserved(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_budget_makes_others_wait_until_the_slow_are_cut_off() {
    let blocks = [block(1, 1)];
    let (server, _) = server(&blocks, 0, 2);
    let held = server.0.budget.reserve(MAX_BYTES as usize).await;
    let quota = PeerQuota::default();
    let mut response = server.respond(range(1, 1), &quota);
    let waited = timeout(Duration::from_secs(1), response.next()).await;
    assert!(waited.is_err());
    drop(held);
    assert_eq!(slots(&server, range(1, 1)).await, Ok(vec![1]));
}

#[tokio::test(start_paused = true)]
async fn a_peer_is_served_at_its_pace_and_another_is_not_held_up() {
    let blocks: Vec<_> = (1..=300).map(|slot| block(slot, 10)).collect();
    let (server, _) = server(&blocks, 0, 301);
    let quota = PeerQuota::default();
    let start = Instant::now();
    let mut served = 0;
    while start.elapsed() < Duration::from_secs(2) {
        let pieces = read(server.respond(range(1, 1024), &quota)).await.unwrap();
        served += pieces.concat().len();
        if start.elapsed() > Duration::from_secs(1) {
            let before = Instant::now();
            slots(&server, range(1, 2)).await.unwrap();
            assert!(before.elapsed() < Duration::from_millis(100));
        }
    }
    let most = (PEER_BURST + 2 * PEER_BYTES_PER_SECOND) as usize + (16 << 20);
    let bytes = served * 10 * 3112;
    assert!((most / 2..=most).contains(&bytes), "{bytes} of {most}");
}

#[tokio::test(start_paused = true)]
async fn strangers_with_many_requests_do_not_keep_others_from_being_served() {
    let blocks: Vec<_> = (1..=600).map(|slot| block(slot, 10)).collect();
    let (server, _) = server(&blocks, 0, 601);
    // Eight at a time, all of which are read as fast as they come.
    let greedy = PeerQuota::default();
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let responses: Vec<_> = (0..20)
            .map(|_| server.respond(range(1, 1024), &greedy))
            .collect();
        readers.spawn(async move {
            for response in responses {
                read(response).await.unwrap();
            }
        });
    }
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    // A piece of each of the other's answers comes before each piece of this one, at most.
    let start = Instant::now();
    assert_eq!(slots(&server, range(1, 20)).await.unwrap().len(), 20);
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    assert!(!readers.is_empty());
    readers.shutdown().await;
}
