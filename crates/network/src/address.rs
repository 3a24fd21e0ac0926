//! What counts as one address: an attacker has many ports and, with IPv6, many addresses.

use std::net::{IpAddr, Ipv4Addr};

use libp2p::{Multiaddr, multiaddr::Protocol};

/// An IPv4 address, or the /64 that one customer has of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AddressGroup {
    V4(Ipv4Addr),
    V6([u16; 4]),
}

impl AddressGroup {
    pub(crate) fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip),
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

/// The IP address that a multiaddr begins with.
pub(crate) fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    }
}

/// Whether an address is one of the internet. Many nodes may share one that is not: a machine's own, or
/// those of a laboratory or a cluster behind one router.
pub(crate) fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            // The addresses that carriers share among customers (RFC 6598).
            let shared = a == 100 && (64..128).contains(&b);
            let own = ip.is_loopback() || ip.is_unspecified();
            !(own || ip.is_private() || ip.is_link_local() || shared)
        }
        IpAddr::V6(ip) => {
            let own = ip.is_loopback() || ip.is_unspecified();
            !(own || ip.is_unique_local() || ip.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_of_one_machine_or_one_site_are_not_public() {
        let cases = [
            ("127.0.0.1", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("10.1.2.3", false),
            ("192.168.0.1", false),
            ("172.16.0.1", false),
            ("172.32.0.1", true),
            ("169.254.1.1", false),
            ("100.64.0.1", false),
            ("100.128.0.1", true),
            ("fe80::1", false),
            ("fd00::1", false),
            ("8.8.8.8", true),
            ("2001:db8::1", true),
            ("::ffff:8.8.8.8", true),
        ];
        for (address, public) in cases {
            assert_eq!(is_public(ip(address)), public, "{address}");
        }
    }

    #[test]
    fn a_network_of_one_customer_is_one_group() {
        let of = |text| AddressGroup::of(ip(text));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:8.8.8.8"), of("8.8.8.8"));
        assert_ne!(of("8.8.8.8"), of("8.8.8.9"));
    }
}
