//! Blocks by ranges of slots, between services and with peers without manners.

#![allow(clippy::unwrap_used, reason = "everything here is a test")]

mod support;

use libp2p::request_response::ProtocolSupport;
use quartet_chain::RequestError;
use quartet_network::wire::{ResultCode, decode_chunk, encode_chunk, encode_payload};
use quartet_types::{BlocksByRangeRequest, MAX_REQUEST_BLOCKS, Slot};
use ssz::Encode as _;
use support::{
    Block, Node, block, block_with_signatures,
    rogue::{Answer, Rogue},
    within,
};

/// A node that is connected to one with these blocks.
async fn pair(blocks: &[Block]) -> (Node, Node) {
    let server = Node::with_blocks(2, blocks).await;
    let mut client = Node::start(1, &[&server.multiaddr]).await;
    assert_eq!(client.next_status().await.0, server.name);
    (client, server)
}

fn slots(blocks: &[Block]) -> Vec<Slot> {
    blocks.iter().map(|block| block.block().slot).collect()
}

async fn connected(node: &Node) -> quartet_chain::PeerName {
    let connected = async {
        while node.peers.count() == 0 {
            tokio::task::yield_now().await;
        }
    };
    within(connected).await;
    node.peers.list().remove(0).0
}

#[tokio::test]
async fn a_node_serves_the_slots_of_its_chain() {
    let blocks = [1, 2, 5, 6, 9].map(block);
    let (mut client, server) = pair(&blocks).await;
    for (start, count, expected) in [
        (0, 1024, &[1, 2, 5, 6, 9][..]),
        (2, 4, &[2, 5]),
        (3, 2, &[]),
        (100, 100, &[]),
        (5, 0, &[]),
        (u64::MAX, 1, &[]),
    ] {
        let got = client.request_range(&server.name, start, count).await;
        assert_eq!(slots(&got.unwrap()), expected, "{count} from {start}");
    }
    let stranger = quartet_chain::PeerName::new("nobody");
    let got = client.request_range(&stranger, 1, 1).await;
    assert_eq!(got.unwrap_err(), RequestError::NoAnswer);
}

#[tokio::test]
async fn as_many_slots_as_may_be_asked_for_are_served_and_no_more_are_asked_for() {
    let blocks: Vec<_> = (0..2_000).map(block).collect();
    let (mut client, server) = pair(&blocks).await;
    let most = MAX_REQUEST_BLOCKS as u64;
    for count in [most, u64::MAX] {
        let got = client.request_range(&server.name, 100, count).await;
        assert!(slots(&got.unwrap()).into_iter().eq(100..100 + most));
    }
}

#[tokio::test]
async fn a_peer_without_the_protocol_is_known_by_its_answer() {
    let (mut rogue, address) = Rogue::listen(ProtocolSupport::Outbound).await;
    let mut node = Node::start(1, &[&address]).await;
    let rogue = tokio::spawn(async move { rogue.run().await });
    let name = connected(&node).await;
    let got = node.request_range(&name, 1, 9).await;
    assert_eq!(got.unwrap_err(), RequestError::Unsupported);
    assert_eq!(node.peers.count(), 1);
    rogue.abort();
}

#[tokio::test]
async fn answers_that_break_the_rules_are_malformed() {
    let chunks = |slots: &[Slot]| -> Vec<u8> {
        let chunk = |slot| encode_chunk(ResultCode::Success, &block(slot).as_ssz_bytes()).unwrap();
        slots.iter().flat_map(|slot| chunk(*slot)).collect()
    };
    let refusal = encode_chunk(ResultCode::ResourceUnavailable, b"gone").unwrap();
    for (bytes, expected) in [
        (chunks(&[6, 5]), Err(RequestError::Malformed)),
        (chunks(&[5, 5]), Err(RequestError::Malformed)),
        (chunks(&[4]), Err(RequestError::Malformed)),
        (chunks(&[5, 9]), Err(RequestError::Malformed)),
        (refusal, Err(RequestError::NoAnswer)),
        (chunks(&[5, 7, 8]), Ok(vec![5, 7, 8])),
    ] {
        let (mut rogue, address) = Rogue::listen(ProtocolSupport::Full).await;
        let stays_open = false;
        rogue.blocks = Answer { bytes, stays_open };
        let mut node = Node::start(1, &[&address]).await;
        let rogue = tokio::spawn(async move { rogue.run().await });
        let name = connected(&node).await;
        let got = node.request_range(&name, 5, 4).await;
        assert_eq!(got.map(|blocks| slots(&blocks)), expected);
        rogue.abort();
    }
}

#[tokio::test]
async fn requests_for_no_slots_or_too_many_are_answered_with_an_error() {
    let node = Node::with_blocks(1, &[block(1)]).await;
    let mut rogue = Rogue::connect(&node.multiaddr).await;
    for (start_slot, count) in [(1, 0), (1, MAX_REQUEST_BLOCKS as u64 + 1), (1, u64::MAX)] {
        let request = BlocksByRangeRequest { start_slot, count };
        let request = encode_payload(&request.as_ssz_bytes()).unwrap();
        let answer = rogue.ask_for_range(request).await;
        let code = decode_chunk(&answer).unwrap().code;
        assert_eq!(code, ResultCode::InvalidRequest);
    }
    let answer = rogue.ask_for_range(vec![0xff; 30]).await;
    let code = decode_chunk(&answer).unwrap().code;
    assert_eq!(code, ResultCode::InvalidRequest);
}

#[tokio::test]
async fn a_peer_that_reads_no_answers_is_sent_away_and_nobody_waits_for_it() {
    let blocks: Vec<_> = (1..=600)
        .map(|slot| block_with_signatures(slot, 10))
        .collect();
    let (mut client, server) = pair(&blocks).await;
    let mut rogue = Rogue::connect_without_reading(&server.multiaddr).await;
    let (start_slot, count) = (1, 600);
    let request = BlocksByRangeRequest { start_slot, count };
    let request = encode_payload(&request.as_ssz_bytes()).unwrap();
    for _ in 0..8 {
        rogue.send_range_request(request.clone());
    }
    let sent_away = rogue.sent_away();
    let served = async {
        // As many as it may ask for at once.
        for _ in 0..200 {
            let got = client.request_range(&server.name, 1, 9).await;
            assert_eq!(got.unwrap().len(), 9);
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = within(sent_away) => {}
        () = served => {}
    }
}
