//! Statuses and requests for blocks, between services and with peers without manners.

#![allow(clippy::unwrap_used, reason = "everything here is a test")]

mod support;

use libp2p::request_response::ProtocolSupport;
use quartet_chain::{Direction, NetworkMessage, RequestError};
use quartet_network::wire::{
    ResultCode, decode_chunk, encode_chunk, encode_frames, encode_payload, encode_varint,
};
use quartet_types::{Checkpoint, MAX_REQUEST_BLOCKS, Root, SignedBlockWithAttestation, Status};
use ssz::{Decode as _, Encode as _};
use support::{
    Block, Node, block, block_with_signatures,
    rogue::{Answer, Rogue},
    root, within,
};
use tree_hash::TreeHash as _;

fn chunk(block: &Block) -> Vec<u8> {
    encode_chunk(ResultCode::Success, &block.as_ssz_bytes()).unwrap()
}

/// A node that is connected to another one.
async fn pair() -> (Node, Node) {
    let mut server = Node::start(2, &[]).await;
    let mut client = Node::start(1, &[&server.multiaddr]).await;
    assert_eq!(client.next_status().await.0, server.name);
    assert_eq!(server.next_status().await.0, client.name);
    (client, server)
}

/// A node, and a rogue that it has dialled, which answers requests for blocks with `answer`.
async fn node_with_rogue(answer: Answer) -> (Node, quartet_chain::PeerName) {
    let (mut rogue, address) = Rogue::listen(ProtocolSupport::Full).await;
    rogue.blocks = answer;
    let node = Node::start(1, &[&address]).await;
    tokio::spawn(async move { rogue.run().await });
    let connected = async {
        while node.peers.count() == 0 {
            tokio::task::yield_now().await;
        }
    };
    within(connected).await;
    let (name, _) = node.peers.list().remove(0);
    (node, name)
}

#[tokio::test]
async fn connected_nodes_know_each_others_status_and_software() {
    let (client, server) = pair().await;
    for (node, other, direction) in [
        (&client, &server, Direction::Outbound),
        (&server, &client, Direction::Inbound),
    ] {
        let identified = async {
            loop {
                let (name, info) = node.peers.list().remove(0);
                if let Some(agent) = info.agent.clone() {
                    return (name, info, agent);
                }
                tokio::task::yield_now().await;
            }
        };
        let (name, info, agent) = within(identified).await;
        assert_eq!((name, info.direction), (other.name.clone(), direction));
        assert!(info.status.is_some());
        assert!(agent.starts_with("quartet/"), "{agent}");
    }
}

#[tokio::test]
async fn a_node_serves_the_blocks_it_has_and_says_nothing_of_others() {
    let (mut client, server) = pair().await;
    let blocks = [block(1), block(2)];
    let anchor = Block::new(SignedBlockWithAttestation::default());
    server.keep(&[&blocks[0], &blocks[1], &anchor]);
    let unknown = Root::repeat_byte(9);
    let [one, two] = [root(&blocks[0]), root(&blocks[1])];

    let got = client.request(&server.name, vec![two, unknown, one]).await;
    assert_eq!(got.unwrap(), [blocks[1].clone(), blocks[0].clone()]);
    // The one it started from has no signatures, so that nobody could verify it.
    let got = client
        .request(&server.name, vec![unknown, root(&anchor)])
        .await;
    assert_eq!(got.unwrap(), Vec::<Block>::new());
    let got = client.request(&server.name, vec![]).await;
    assert_eq!(got.unwrap(), Vec::<Block>::new());
    let stranger = quartet_chain::PeerName::new("nobody");
    let got = client.request(&stranger, vec![one]).await;
    assert_eq!(got.unwrap_err(), RequestError::NoAnswer);
}

#[tokio::test]
async fn as_many_blocks_as_may_be_asked_for_are_served() {
    let (mut client, server) = pair().await;
    let blocks: Vec<_> = (0..MAX_REQUEST_BLOCKS as u64).map(block).collect();
    server.keep(&blocks.iter().collect::<Vec<_>>());
    let roots: Vec<_> = blocks.iter().map(root).collect();
    let got = client.request(&server.name, roots).await.unwrap();
    assert!(got == blocks, "{} blocks", got.len());
}

#[tokio::test]
async fn two_nodes_get_all_that_each_asks_the_other_for_at_once() {
    let (mut client, mut server) = pair().await;
    // As many as sync and backfilling have under way, and long enough for that.
    let blocks: Vec<_> = (1..=5)
        .map(|slot| block_with_signatures(slot, 1_000))
        .collect();
    for node in [&client, &server] {
        node.keep(&blocks.iter().collect::<Vec<_>>());
    }
    for block in &blocks {
        for (node, other) in [(&client, &server), (&server, &client)] {
            node.send(NetworkMessage::RequestBlocks {
                request: block.block().slot,
                peer: other.name.clone(),
                roots: vec![root(block)],
            })
            .await;
        }
    }
    for node in [&mut client, &mut server] {
        for _ in &blocks {
            let (request, result) = node.next_answer().await;
            let slots: Vec<_> = result.iter().flatten().map(|it| it.block().slot).collect();
            assert_eq!(slots, [request], "{result:?}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_never_closes_is_not_waited_for_once_all_is_there() {
    let wanted = block(1);
    let (mut node, rogue) = node_with_rogue(Answer {
        bytes: chunk(&wanted),
        stays_open: true,
    })
    .await;
    let got = node.request(&rogue, vec![root(&wanted)]).await;
    assert_eq!(got.unwrap(), std::slice::from_ref(&wanted));
    // It brings one of two, and then nothing more.
    let roots = vec![root(&block(2)), root(&wanted)];
    let got = node.request(&rogue, roots).await;
    assert_eq!(got.unwrap(), [wanted]);
}

#[tokio::test]
async fn answers_that_break_the_rules_are_malformed() {
    let wanted = block(1);
    let announced = [vec![0], encode_varint(u64::MAX)].concat();
    for bytes in [chunk(&block(2)), vec![7, 7, 7], announced] {
        let stays_open = false;
        let (mut node, rogue) = node_with_rogue(Answer { bytes, stays_open }).await;
        let got = node.request(&rogue, vec![root(&wanted)]).await;
        assert_eq!(got.unwrap_err(), RequestError::Malformed);
    }
    let refusal = encode_chunk(ResultCode::ServerError, b"not today").unwrap();
    for bytes in [refusal, vec![0, 0xff]] {
        let stays_open = false;
        let (mut node, rogue) = node_with_rogue(Answer { bytes, stays_open }).await;
        let got = node.request(&rogue, vec![root(&wanted)]).await;
        assert_eq!(got.unwrap_err(), RequestError::NoAnswer);
    }
}

#[tokio::test]
async fn a_peer_that_answers_no_requests_is_kept() {
    let (mut rogue, address) = Rogue::listen(ProtocolSupport::Outbound).await;
    let mut node = Node::start(1, &[&address]).await;
    let rogue = tokio::spawn(async move { rogue.run().await });
    let connected = async {
        while node.peers.count() == 0 {
            tokio::task::yield_now().await;
        }
    };
    within(connected).await;
    let (name, _) = node.peers.list().remove(0);
    for _ in 0..3 {
        let got = node.request(&name, vec![Root::ZERO]).await;
        assert_eq!(got.unwrap_err(), RequestError::Unsupported);
    }
    assert_eq!(node.peers.count(), 1);
    rogue.abort();
}

#[tokio::test]
async fn malformed_requests_are_answered_with_an_error() {
    let node = Node::start(1, &[]).await;
    let mut rogue = Rogue::connect(&node.multiaddr).await;
    let too_many = vec![Root::ZERO; MAX_REQUEST_BLOCKS + 1].as_ssz_bytes();
    for request in [
        encode_payload(&too_many).unwrap(),
        encode_payload(&[1; 33]).unwrap(),
        vec![0xff; 20],
        [encode_varint(32), vec![1; 50]].concat(),
        vec![],
    ] {
        let answer = rogue.ask_for_blocks(request).await;
        assert_eq!(
            decode_chunk(&answer).unwrap().code,
            ResultCode::InvalidRequest
        );
    }
}

#[tokio::test]
async fn a_peer_that_asks_too_much_is_told_so() {
    let node = Node::start(1, &[]).await;
    let mut rogue = Rogue::connect(&node.multiaddr).await;
    let many = vec![Root::ZERO; MAX_REQUEST_BLOCKS].as_ssz_bytes();
    let request = encode_payload(&many).unwrap();
    let limited = async {
        loop {
            let answer = rogue.ask_for_blocks(request.clone()).await;
            if !answer.is_empty() {
                return answer;
            }
        }
    };
    let chunk = decode_chunk(&within(limited).await).unwrap();
    assert_eq!(chunk.code, ResultCode::ResourceUnavailable);
}

#[tokio::test]
async fn an_early_clients_status_is_understood_and_answered() {
    let mut node = Node::start(1, &[]).await;
    let mut rogue = Rogue::connect(&node.multiaddr).await;
    let head = Checkpoint {
        root: Root::repeat_byte(7),
        slot: 7,
    };
    let finalized = Checkpoint::default();
    let status = Status { finalized, head };
    // It announces the compressed length.
    let frames = encode_frames(&status.as_ssz_bytes()).unwrap();
    let request = [encode_varint(frames.len() as u64), frames].concat();
    let answer = decode_chunk(&rogue.tell_status(request).await).unwrap();
    assert_eq!(answer.code, ResultCode::Success);
    assert!(Status::from_ssz_bytes(&answer.payload).is_ok());
    assert_eq!(node.next_status().await.1, status);
}

#[tokio::test]
async fn the_root_of_a_block_is_that_of_its_message() {
    let block = block(5);
    assert_eq!(root(&block), block.message.block.tree_hash_root());
}

#[tokio::test]
async fn a_peer_that_never_ends_its_requests_is_disconnected() {
    let node = Node::start(1, &[]).await;
    let half = |payload: Vec<u8>| payload[..payload.len() / 2].to_vec();
    let range = half(encode_payload(&[7; 16]).unwrap());
    let status = half(encode_payload(&[7; 80]).unwrap());
    for (send, bytes) in [
        (Rogue::send_range_request as fn(&mut Rogue, _), range),
        (Rogue::send_status, status),
    ] {
        let mut rogue = Rogue::connect_without_ending(&node.multiaddr).await;
        for _ in 0..6 {
            send(&mut rogue, bytes.clone());
        }
        within(rogue.sent_away()).await;
    }
}
