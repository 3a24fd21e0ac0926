//! Peers that keep requests waiting.

#![allow(clippy::unwrap_used, reason = "everything here is a test")]

mod support;

use libp2p::request_response::ProtocolSupport;
use quartet_chain::NetworkMessage;
use quartet_types::Root;
use support::{
    Node, block,
    rogue::{Answer, Rogue},
    root, within,
};

/// Those who do not answer, and what each is asked for at a time.
const SILENT: usize = 8;
const REQUESTS: u64 = 4;

#[tokio::test]
async fn peers_that_do_not_answer_take_no_request_from_those_that_do() {
    let wanted = block(1);
    let server = Node::start(2, &[]).await;
    server.keep(&[&wanted]);
    let mut addresses = vec![server.multiaddr.clone()];
    for _ in 0..SILENT {
        let (mut rogue, address) = Rogue::listen(ProtocolSupport::Full).await;
        rogue.blocks = Answer {
            bytes: Vec::new(),
            stays_open: true,
        };
        tokio::spawn(async move { rogue.run().await });
        addresses.push(address);
    }
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let mut node = Node::start(1, &addresses).await;
    let connected = async {
        while node.peers.count() <= SILENT {
            tokio::task::yield_now().await;
        }
    };
    within(connected).await;
    for peer in node.peer_names() {
        for request in 100..100 + REQUESTS {
            if peer != server.name {
                let (peer, roots) = (peer.clone(), vec![Root::ZERO]);
                let request = NetworkMessage::RequestBlocks {
                    request,
                    peer,
                    roots,
                };
                node.send(request).await;
            }
        }
    }
    let got = node.request(&server.name, vec![root(&wanted)]).await;
    assert_eq!(got.unwrap(), [wanted]);
}
