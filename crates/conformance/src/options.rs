//! The options of the checker.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use libp2p::{Multiaddr, multiaddr::Protocol};
use quartet_types::{SlotDuration, State, ValidatorIndex};
use quartet_xmss::SecretKey;

use crate::signing::Keys;

/// Where a node listens for QUIC, with its identity or without: `/ip4/127.0.0.1/udp/9000/quic-v1/p2p/16Uiu2…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(pub(crate) Multiaddr);

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str =
            "expected a multiaddress like /ip4/127.0.0.1/udp/9000/quic-v1, with /p2p/… or without";
        let address: Multiaddr = text.parse().map_err(|_| EXPECTED)?;
        let parts: Vec<_> = address.iter().collect();
        let is_quic = matches!(
            parts.as_slice(),
            [
                Protocol::Ip4(_) | Protocol::Ip6(_),
                Protocol::Udp(_),
                Protocol::QuicV1
            ] | [
                Protocol::Ip4(_) | Protocol::Ip6(_),
                Protocol::Udp(_),
                Protocol::QuicV1,
                Protocol::P2p(_)
            ]
        );
        is_quic.then_some(Self(address)).ok_or(EXPECTED)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The options of the checker.
pub struct Options {
    /// The node's address.
    pub address: Address,
    /// How long an answer may take; 5 seconds unless set.
    pub answer_timeout: Duration,
    /// The fork's name in the names of topics; `devnet0` unless set.
    pub fork_name: String,
    /// The slot duration; by default the one that the node states, or four seconds.
    pub slot: Option<SlotDuration>,
    /// The network's genesis; without it, signatures and states are not looked at.
    pub genesis: Option<Arc<State>>,
    /// A command that restarts the node and returns.
    pub restart_command: Option<String>,
    pub(crate) keys: Keys,
}

impl Options {
    /// The check of the node at this address, without genesis and keys.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            answer_timeout: Duration::from_secs(5),
            fork_name: "devnet0".into(),
            slot: None,
            genesis: None,
            restart_command: None,
            keys: Keys::default(),
        }
    }

    /// Gives the checker keys of validators. It signs with them what must never be signed: **they are of no further use**.
    #[must_use]
    pub fn with_keys(mut self, keys: Vec<(ValidatorIndex, SecretKey)>) -> Self {
        self.keys = Keys::new(keys);
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_of_quic() {
        let whole = "/ip4/127.0.0.1/udp/9000/quic-v1/p2p/16Uiu2HAmQj1RDNAxopeeeCFPRr3zhJYmH6DEPHYKmxLViLahWcFE";
        for right in [whole, "/ip6/::1/udp/9000/quic-v1"] {
            assert_eq!(right.parse::<Address>().unwrap().to_string(), right);
        }
        for wrong in [
            "",
            "127.0.0.1:9000",
            "/ip4/127.0.0.1/tcp/9000",
            "/ip4/127.0.0.1/udp/9000",
        ] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }
}
