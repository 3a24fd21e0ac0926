//! Where others can reach this node.

use std::net::{IpAddr, SocketAddr};

use quartet_config::{NodeKey, NodeRecord};
use tracing::info;

/// The node's addresses, as others write them down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Advertised {
    /// Its Ethereum node record, for `--bootnodes` of others.
    pub(crate) enr: Option<String>,
    /// Multiaddresses with its identity, for the same.
    pub(crate) multiaddrs: Vec<String>,
}

impl Advertised {
    /// Of a node that listens at `listens`, and that others reach at the address `given`, if it is another one. A node that listens
    /// on all addresses does not know which of them is meant.
    pub(crate) fn new(
        key: &NodeKey,
        peer_id: &str,
        listens: SocketAddr,
        given: Option<IpAddr>,
    ) -> anyhow::Result<Self> {
        let known = (!listens.ip().is_unspecified()).then(|| listens.ip());
        let Some(ip) = given.or(known) else {
            return Ok(Self::default());
        };
        let address = SocketAddr::new(ip, listens.port());
        let (kind, port) = (if ip.is_ipv4() { "ip4" } else { "ip6" }, listens.port());
        Ok(Self {
            enr: Some(NodeRecord::new(key, address, 1)?.to_string()),
            multiaddrs: vec![format!("/{kind}/{ip}/udp/{port}/quic-v1/p2p/{peer_id}")],
        })
    }

    /// Tells the operator.
    pub(crate) fn log(&self) {
        match (&self.enr, self.multiaddrs.first()) {
            (Some(enr), Some(multiaddr)) => info!(%enr, %multiaddr, "others reach this node at"),
            _ => info!(
                "others cannot be told where this node is: it listens on all addresses; say which with --advertise-address"
            ),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]
mod tests {
    use super::*;

    #[test]
    fn the_address_given_goes_before_the_one_listened_on() {
        let key = NodeKey::from_bytes(&[1; 32]).unwrap();
        let at = |listens: &str, given: Option<&str>| {
            let given = given.map(|ip| ip.parse().unwrap());
            let found = Advertised::new(&key, "ID", listens.parse().unwrap(), given).unwrap();
            let enr = found.enr.map(|enr| {
                let record: NodeRecord = enr.parse().unwrap();
                record.address().unwrap().to_string()
            });
            (enr, found.multiaddrs)
        };
        let cases = [
            (
                "127.0.0.1:9000",
                None,
                "127.0.0.1:9000",
                "/ip4/127.0.0.1/udp/9000/quic-v1/p2p/ID",
            ),
            (
                "0.0.0.0:9000",
                Some("10.1.2.3"),
                "10.1.2.3:9000",
                "/ip4/10.1.2.3/udp/9000/quic-v1/p2p/ID",
            ),
            (
                "127.0.0.1:9",
                Some("::1"),
                "[::1]:9",
                "/ip6/::1/udp/9/quic-v1/p2p/ID",
            ),
        ];
        for (listens, given, address, multiaddr) in cases {
            let expected = (Some(address.to_owned()), vec![multiaddr.to_owned()]);
            assert_eq!(at(listens, given), expected);
        }
        assert_eq!(at("0.0.0.0:9000", None), (None, Vec::new()));
    }
}
