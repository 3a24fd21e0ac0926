// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used)]

use quartet_clock::Clock;
use quartet_types::{SECONDS_PER_SLOT, SIGNATURE_BYTES, Signature, Status};
use tokio::sync::mpsc::Receiver;

use super::{
    triage::tests::{chain, due, envelope},
    *,
};
use crate::{
    MemoryStore, PeerName, chain_channel, network_channel, verification::invalid_signature,
};

fn service() -> (ChainService, Receiver<NetworkMessage>) {
    let chain = chain();
    let now = Duration::from_secs(chain.current_slot() * SECONDS_PER_SLOT);
    let (_, inbox) = chain_channel();
    let (network, messages) = network_channel();
    let service = ChainService::new(ChainServiceConfig {
        chain: Arc::new(parking_lot::RwLock::new(chain)),
        inbox,
        network,
        store: Arc::new(MemoryStore::default()),
        events: EventBus::default(),
        processor: Processor::inline(),
        clock: Clock::manual(0, now),
        scheme: Scheme::Test,
        expects_peers: true,
    });
    (service.unwrap(), messages)
}

#[test]
fn a_copy_that_came_while_a_bad_one_was_checked_is_asked_for() {
    let (mut service, mut messages) = service();
    let good = due(&service.chain.read());
    let [forger, neighbour, other] = ["a forger", "a neighbour", "other"].map(PeerName::new);
    for peer in [&forger, &neighbour, &other] {
        service.on_message(ChainMessage::Status {
            peer: peer.clone(),
            status: Status::default(),
        });
    }
    let good = envelope(good);
    let root = crate::persistence::block_root(&good);
    let mut bad = good.as_ref().clone();
    bad.signature[0] = Signature::from([1; SIGNATURE_BYTES]);
    let error = invalid_signature(&bad.message.proposer_attestation);
    service.on_block(Arc::new(bad), Origin::Gossip(forger), None);
    service.on_block(good, Origin::Gossip(neighbour.clone()), None);
    assert!(messages.try_recv().is_err());
    service.on_block_checked(root, Err(error));
    match messages.try_recv() {
        Ok(NetworkMessage::RequestBlocks { peer, roots, .. }) => {
            assert_eq!((peer, roots), (neighbour, vec![root]));
        }
        other => panic!("{other:?}"),
    }
}
