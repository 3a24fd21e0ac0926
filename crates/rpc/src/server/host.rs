//! Which `Host` a request may name. A page that a browser has loaded from anywhere can ask a server of
//! the local network once its own name resolves to that server's address (DNS rebinding); the `Host` is
//! then the page's. An address cannot be rebound, a name can.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr},
};

use axum::http::{
    HeaderMap, Uri, Version,
    header::{HOST, HeaderValue},
};

use crate::error::ApiError;

/// Names by which clients may call this node, beside its addresses and `localhost`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts {
    names: BTreeSet<String>,
    any: bool,
}

impl AllowedHosts {
    /// Allows these names, on any port and in any case; `*` allows every name.
    pub fn new(names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let names: BTreeSet<_> = names.into_iter().map(|name| plain(name.as_ref())).collect();
        let any = names.contains("*");
        Self { names, any }
    }

    /// Judges the name that a request asks for.
    ///
    /// # Errors
    /// 400 when there is none or more than one, 403 when it is not allowed.
    pub(crate) fn check(
        &self,
        version: Version,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), ApiError> {
        let mut values = headers.get_all(HOST).iter();
        match (values.next(), values.next()) {
            (Some(host), None) => self.check_host(host)?,
            // HTTP/1.0 has no such header; no browser sends HTTP/1.0.
            (None, _) if version < Version::HTTP_11 => {}
            _ => return Err(ApiError::bad_request("expected one Host header")),
        }
        // In the form for proxies, the target names a host too, and that one counts (RFC 9112, section 3.2.2).
        match uri.authority() {
            Some(authority) if !self.allows(authority.as_str()) => {
                Err(ApiError::unknown_host(authority.as_str()))
            }
            _ => Ok(()),
        }
    }

    /// Whether this is one of the names, or all are.
    pub(super) fn names(&self, name: &str) -> bool {
        self.any || self.names.contains(&plain(name))
    }

    fn check_host(&self, host: &HeaderValue) -> Result<(), ApiError> {
        match host.to_str() {
            Ok(host) if self.allows(host) => Ok(()),
            Ok(host) => Err(ApiError::unknown_host(host)),
            Err(_) => Err(ApiError::bad_request("the Host header is not a name")),
        }
    }

    /// Whether `host`, with or without a port, is an address, `localhost` or an allowed name.
    fn allows(&self, host: &str) -> bool {
        if self.any {
            return true;
        }
        if let Some(rest) = host.strip_prefix('[') {
            let Some((address, port)) = rest.split_once(']') else {
                return false;
            };
            return address.parse::<Ipv6Addr>().is_ok() && is_port(port);
        }
        let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
        if !is_port(port) {
            return false;
        }
        let name = plain(name);
        name == "localhost" || name.parse::<Ipv4Addr>().is_ok() || self.names.contains(&name)
    }
}

/// `name` as it is compared: in lower case, without the dot of the root.
fn plain(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    name.strip_suffix('.').map(str::to_owned).unwrap_or(name)
}

/// Nothing, or a colon and digits.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(hosts: &AllowedHosts, version: Version, uri: &str, host: &[&str]) -> u16 {
        let mut headers = HeaderMap::new();
        for value in host {
            headers.append(HOST, value.parse().unwrap());
        }
        let judged = hosts.check(version, &uri.parse().unwrap(), &headers);
        judged.map_or_else(|error| error.status().as_u16(), |()| 200)
    }

    #[test]
    fn addresses_localhost_and_given_names_pass() {
        let some = AllowedHosts::new(["Quartet_0", "node.example"]);
        let table = [
            ("127.0.0.1:5052", 200),
            ("10.1.2.3", 200),
            ("[::1]:5052", 200),
            ("[fe80::1]", 200),
            ("localhost", 200),
            ("LocalHost:5052", 200),
            ("localhost.", 200),
            ("quartet_0:5052", 200),
            ("NODE.example.", 200),
            ("evil.example", 403),
            ("evil.example:5052", 403),
            ("localhost.evil.example", 403),
            ("127.0.0.1.evil.example", 403),
            ("xnode.example", 403),
            ("evil.example@localhost", 403),
            ("localhost:80@evil.example", 403),
            ("[::1", 403),
            ("[evil.example]", 403),
            ("[::1]evil.example", 403),
            ("::1", 403),
            ("*", 403),
            ("", 403),
        ];
        for (host, expected) in table {
            let found = status(&some, Version::HTTP_11, "/", &[host]);
            assert_eq!(found, expected, "{host:?}");
        }
        let any = AllowedHosts::new(["*"]);
        assert_eq!(status(&any, Version::HTTP_11, "/", &["evil.example"]), 200);
    }

    #[test]
    fn the_host_header_and_the_target_have_to_be_allowed() {
        let (none, new, old) = (AllowedHosts::default(), Version::HTTP_11, Version::HTTP_10);
        assert_eq!(status(&none, new, "/", &[]), 400);
        assert_eq!(status(&none, old, "/", &[]), 200);
        assert_eq!(status(&none, old, "/", &["evil.example"]), 403);
        assert_eq!(status(&none, new, "/", &["localhost", "localhost"]), 400);
        let elsewhere = "http://evil.example/metrics";
        assert_eq!(status(&none, new, elsewhere, &["localhost"]), 403);
        let here = "http://localhost:5052/metrics";
        assert_eq!(status(&none, new, here, &["localhost"]), 200);
    }
}
