//! Ethereum node records (EIP-778) as this network uses them: an address, a QUIC port, a key.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use enr::{Enr, EnrPublicKey as _, k256::ecdsa::SigningKey};

use crate::NodeKey;

/// Where a node listens, and the key that it proves itself with; the record's signature is verified.
#[derive(Clone, PartialEq, Eq)]
pub struct NodeRecord {
    enr: Enr<SigningKey>,
    address: Option<SocketAddr>,
}

/// Not a record, or one that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeRecordError {
    /// Neither begins like a record nor like a multiaddr.
    #[error("not an ENR (it would begin with `enr:`): {found:?}")]
    NotARecord {
        /// Its beginning.
        found: String,
    },
    /// Does not decode, or its signature is wrong.
    #[error("not a valid ENR: {reason}")]
    Invalid {
        /// What the decoder says.
        reason: String,
    },
    /// Has a port that is none.
    #[error("the ENR's field `{field}` is no port: 0x{}", const_hex::encode(found))]
    NotAPort {
        /// Which field.
        field: &'static str,
        /// Its encoding.
        found: Vec<u8>,
    },
    /// The record could not be made.
    #[error("the record cannot be signed: {reason}")]
    Unsigned {
        /// Why.
        reason: String,
    },
}

impl NodeRecord {
    /// A record of our own, for a node that listens for QUIC at `address`.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn new(key: &NodeKey, address: SocketAddr, seq: u64) -> Result<Self, NodeRecordError> {
        let unsigned = |reason: String| NodeRecordError::Unsigned { reason };
        let signing = (key.signing_key()).map_err(|error| unsigned(error.to_string()))?;
        let port = if address.is_ipv4() { "quic" } else { "quic6" };
        let enr = Enr::builder()
            .seq(seq)
            .ip(address.ip())
            .add_value(port, &address.port())
            .build(&signing)
            .map_err(|error| unsigned(error.to_string()))?;
        Ok(Self {
            enr,
            address: Some(address),
        })
    }

    /// The UDP address at which the node listens for QUIC (`quic`, or else `udp`), if the record tells;
    /// the one of IPv4 where there are both. A record without is valid, but nobody can dial it.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The node's secp256k1 public key, compressed.
    pub fn public_key(&self) -> [u8; 33] {
        self.enr.public_key().encode().into()
    }

    /// The record's sequence number: of two records of a node, the higher one is in force.
    pub fn seq(&self) -> u64 {
        self.enr.seq()
    }
}

impl FromStr for NodeRecord {
    type Err = NodeRecordError;

    fn from_str(text: &str) -> Result<Self, NodeRecordError> {
        if !text.starts_with("enr:") {
            return Err(NodeRecordError::NotARecord {
                found: text.chars().take(16).collect(),
            });
        }
        let enr: Enr<SigningKey> =
            (text.parse()).map_err(|reason| NodeRecordError::Invalid { reason })?;
        let address = address(&enr)?;
        Ok(Self { enr, address })
    }
}

fn address(enr: &Enr<SigningKey>) -> Result<Option<SocketAddr>, NodeRecordError> {
    let candidates = [
        (enr.ip4().map(IpAddr::from), ["quic", "udp"]),
        (enr.ip6().map(IpAddr::from), ["quic6", "udp6"]),
    ];
    for (ip, fields) in candidates {
        let Some(ip) = ip else { continue };
        for field in fields {
            if let Some(rlp) = enr.get_raw_rlp(field) {
                return Ok(Some(SocketAddr::new(ip, port(field, rlp)?)));
            }
        }
    }
    Ok(None)
}

/// A port as an RLP string: big-endian, at most two bytes. Unlike RLP's integers, leading zeros are
/// taken, since some writers give ports two bytes always.
fn port(field: &'static str, rlp: &[u8]) -> Result<u16, NodeRecordError> {
    let port = match *rlp {
        [low @ 0..=0x7f] | [0x81, low] => Some(u16::from(low)),
        [0x82, high, low] => Some(u16::from_be_bytes([high, low])),
        _ => None,
    };
    port.filter(|port| *port != 0)
        .ok_or_else(|| NodeRecordError::NotAPort {
            field,
            found: rlp.to_vec(),
        })
}

impl fmt::Display for NodeRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.enr.to_base64())
    }
}

impl fmt::Debug for NodeRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "NodeRecord({} at {:?}, seq {})",
            const_hex::encode(self.public_key()),
            self.address,
            self.seq()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The first record of a devnet made by other tools; its key is the public test key beside it.
    const SAMPLE: &str = "enr:-IW4QNwg6Ia_S8UM2gJHk1nTxPjUdmb4MJnuFyV53o4pKA_YbjNEx91gpSwRFmhN8zlkWxdd5RzsF1IGiPku9zFNqeoBgmlkgnY0gmlwhH8AAAGEcXVpY4IjKIlzZWNwMjU2azGhArds2AYVd_hboM28eJc_MPAdRN4uUYM7sTEJ7zCoP3aU";
    const SAMPLE_KEY: &str = "173649b269abc07e621f76ec3928ae3abdb82e31ae1f953262c8fb8bec98995c";

    fn signed(build: impl Fn(&mut enr::Builder<SigningKey>)) -> String {
        let key = NodeKey::from_hex(SAMPLE_KEY).unwrap();
        let mut builder = Enr::builder();
        build(&mut builder);
        (builder.build(&key.signing_key().unwrap()).unwrap()).to_base64()
    }

    #[test]
    fn a_record_of_other_tools_is_read() {
        let record: NodeRecord = SAMPLE.parse().unwrap();
        assert_eq!(record.address(), "127.0.0.1:9000".parse().ok());
        assert_eq!(record.seq(), 1);
        let key = NodeKey::from_hex(SAMPLE_KEY).unwrap();
        assert_eq!(record.public_key(), key.public_key());
        assert_eq!(record.to_string(), SAMPLE);
    }

    #[test]
    fn our_own_records_are_read_back_over_both_families_of_addresses() {
        let key = NodeKey::from_hex(SAMPLE_KEY).unwrap();
        for address in ["127.0.0.1:9000", "[::1]:65535", "10.1.2.3:80"] {
            let address: SocketAddr = address.parse().unwrap();
            let record = NodeRecord::new(&key, address, 7).unwrap();
            let read: NodeRecord = record.to_string().parse().unwrap();
            assert_eq!(read, record);
            assert_eq!((read.address(), read.seq()), (Some(address), 7));
        }
    }

    #[test]
    fn udp_stands_in_for_a_missing_quic_port_and_ipv4_comes_first() {
        let ip4: IpAddr = [10, 0, 0, 1].into();
        let ip6: IpAddr = std::net::Ipv6Addr::LOCALHOST.into();
        let udp = signed(|b| {
            b.ip(ip4).udp4(5).ip(ip6).udp6(6);
        });
        assert_eq!(
            udp.parse::<NodeRecord>().unwrap().address(),
            Some(SocketAddr::new(ip4, 5))
        );
        let six = signed(|b| {
            b.ip(ip4).ip(ip6).add_value("quic6", &6u16);
        });
        assert_eq!(
            six.parse::<NodeRecord>().unwrap().address(),
            Some(SocketAddr::new(ip6, 6))
        );
    }

    #[test]
    fn a_record_that_does_not_tell_where_to_dial_is_still_a_record() {
        let ip: IpAddr = [10, 0, 0, 1].into();
        let address_only = signed(|b| {
            b.ip(ip);
        });
        for text in [signed(|_| {}), address_only] {
            assert_eq!(text.parse::<NodeRecord>().unwrap().address(), None);
        }
    }

    #[test]
    fn wrong_records_are_refused_with_the_reason() {
        let ip: IpAddr = [10, 0, 0, 1].into();
        let error = |text: &str| text.parse::<NodeRecord>().unwrap_err();
        assert!(matches!(
            error("/ip4/1.2.3.4"),
            NodeRecordError::NotARecord { .. }
        ));
        assert!(matches!(
            error("enr:hello!"),
            NodeRecordError::Invalid { .. }
        ));
        let tampered = SAMPLE.replacen("-IW4QNwg", "-IW4QNwh", 1);
        assert!(matches!(error(&tampered), NodeRecordError::Invalid { .. }));
        let wide = signed(|b| {
            b.ip(ip).add_value("quic", &70_000u32);
        });
        assert!(matches!(
            error(&wide),
            NodeRecordError::NotAPort { field: "quic", .. }
        ));
    }
}
