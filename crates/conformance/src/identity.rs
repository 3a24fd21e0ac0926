//! What a node says of itself by identify, read by hand: the checker asks before it answers, since nodes send away whoever
//! says that its slots last longer or shorter.

use std::time::Duration;

use futures::AsyncReadExt as _;
use libp2p::{PeerId, identity::PublicKey};
use tokio::time::timeout;

use crate::{frames::read_varint, gossip_log::rpc::fields, peer::Peer};

/// Identify's protocol.
pub(crate) const IDENTIFY: &str = "/ipfs/id/1.0.0";
/// The longest message that is read; libp2p's own take 4 KiB.
const MAX_MESSAGE: u64 = 64 << 10;

/// A node's identify message.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) protocol_version: String,
    pub(crate) agent: String,
    pub(crate) protocols: Vec<String>,
    /// Its public key as libp2p encodes it.
    pub(crate) public_key: Vec<u8>,
}

impl About {
    /// The peer id that the public key gives, and the key's kind.
    pub(crate) fn key(&self) -> Option<(PeerId, String)> {
        let key = PublicKey::try_decode_protobuf(&self.public_key).ok()?;
        Some((key.to_peer_id(), key.key_type().to_string()))
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut about = Self::default();
        for (number, value) in fields(bytes)? {
            let Some(value) = value.bytes() else { continue };
            let text = || String::from_utf8_lossy(value).into_owned();
            match number {
                1 => about.public_key = value.to_vec(),
                3 => about.protocols.push(text()),
                5 => about.protocol_version = text(),
                6 => about.agent = text(),
                _ => {}
            }
        }
        Some(about)
    }
}

/// Asks; `None` when the node does not speak identify, or not in time.
pub(crate) async fn ask(peer: &Peer, answer_timeout: Duration) -> Option<About> {
    let asked = async {
        let mut stream = peer.open(IDENTIFY).await.ok()?;
        let length = read_varint(&mut stream).await.ok()?;
        let mut bytes = vec![0; usize::try_from(length.min(MAX_MESSAGE)).ok()?];
        stream.read_exact(&mut bytes).await.ok()?;
        About::decode(&bytes)
    };
    timeout(answer_timeout, asked).await.ok()?
}
