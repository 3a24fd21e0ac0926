//! What a user writes on the command line: addresses of peers and servers, keys, durations.

use quartet_checkpoint::ServerUrl;
use quartet_config::{Bootnode, NodeKey, NodeRecord};
use quartet_network::StaticPeer;
use quartet_rpc::{AllowedHosts, AllowedOrigins};
use quartet_types::{PublicKey, SlotDuration};

use crate::input::Input;

/// Any text: what is understood is written as it was meant, so that reading that again gives the same.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.below(8);
    let Ok(text) = str::from_utf8(input.rest()) else {
        return;
    };
    match kind {
        0 => {
            if let Ok(record) = text.parse::<NodeRecord>() {
                same(&record.to_string(), record.clone());
                if let Some(address) = record.address() {
                    let _ = StaticPeer::new(address, &record.public_key())
                        .unwrap()
                        .name();
                }
            }
        }
        1 => {
            if let Ok(peer) = text.parse::<StaticPeer>() {
                same(&peer.to_string(), peer);
            }
        }
        2 => {
            if let Ok(url) = text.parse::<ServerUrl>() {
                same(&url.to_string(), url);
            }
        }
        // Anything else is a path, and would be read.
        3 if text.starts_with("enr:") || text.starts_with("/ip4/") => {
            let _ = Bootnode::parse_argument(text);
        }
        4 => {
            if let Ok(key) = NodeKey::from_hex(text) {
                assert_eq!(
                    NodeKey::from_bytes(key.secret_bytes())
                        .unwrap()
                        .public_key(),
                    key.public_key()
                );
            }
        }
        5 => {
            if let Ok(duration) = text.parse::<SlotDuration>() {
                assert_eq!(duration.interval() * 4, duration.slot());
            }
        }
        6 => {
            let _ = AllowedHosts::new(text.split(','));
            let _ = AllowedOrigins::new(text.split(','));
        }
        _ => {
            if let Ok(key) = serde_json::from_str::<PublicKey>(text) {
                assert_eq!(
                    serde_json::from_str::<PublicKey>(&serde_json::to_string(&key).unwrap())
                        .unwrap(),
                    key
                );
            }
        }
    }
}

fn same<T: std::str::FromStr + PartialEq + std::fmt::Debug>(text: &str, value: T) {
    assert_eq!(text.parse::<T>().ok(), Some(value), "{text}");
}
