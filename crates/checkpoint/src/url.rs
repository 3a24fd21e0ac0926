//! Where a server is: what `--checkpoint-sync-url` takes.

use std::{fmt, str::FromStr};

use hyper::Uri;

/// As leanSpec's API has them.
pub(crate) const STATE_PATH: &str = "/lean/v0/states/finalized";
pub(crate) const BLOCK_PATH: &str = "/lean/v0/blocks/finalized";

/// A server's base URL, `http://host:port` or `https://host`, with a path before `/lean/v0` where a proxy has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    pub(crate) is_tls: bool,
    /// A name or an address, an IPv6 address without its brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Host and port as in the URL.
    pub(crate) authority: String,
    /// The path without a slash at its end.
    prefix: String,
}

/// What was given is not a server's URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is no URL.
    #[error("expected http://host:port or https://host, found {0:?}")]
    Malformed(String),
    /// It has a part that means nothing here.
    #[error("expected a URL without {part}, found {url:?}")]
    Unexpected {
        /// The part.
        part: &'static str,
        /// The whole.
        url: String,
    },
}

impl ServerUrl {
    /// The path to ask for, of what the API calls `path`.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.prefix)
    }
}

impl FromStr for ServerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let malformed = || UrlError::Malformed(text.to_owned());
        let unexpected = |part| UrlError::Unexpected {
            part,
            url: text.to_owned(),
        };
        if text.contains('#') {
            return Err(unexpected("a fragment"));
        }
        let uri: Uri = text.parse().map_err(|_| malformed())?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(malformed()),
        };
        let authority = uri.authority().ok_or_else(malformed)?;
        if authority.as_str().contains('@') {
            return Err(unexpected("a user name"));
        }
        if uri.query().is_some() {
            return Err(unexpected("a query"));
        }
        let host = authority.host().trim_matches(['[', ']']);
        // `http` takes a port that is no number for none.
        let has_port = authority.as_str().len() > authority.host().len();
        let port = match authority.port_u16() {
            Some(0) => return Err(malformed()),
            Some(port) => port,
            None if has_port => return Err(malformed()),
            None if is_tls => 443,
            None => 80,
        };
        if host.is_empty() {
            return Err(malformed());
        }
        // Devnet scripts give the whole path of the state, as other clients take it.
        let path = uri.path().trim_end_matches('/');
        let path = path.strip_suffix(STATE_PATH).unwrap_or(path);
        let path = path.strip_suffix(BLOCK_PATH).unwrap_or(path);
        Ok(Self {
            is_tls,
            host: host.to_owned(),
            port,
            authority: authority.to_string(),
            prefix: path.trim_end_matches('/').to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ServerUrl, UrlError> {
        text.parse()
    }

    #[test]
    fn server_urls_of_all_kinds_are_understood() {
        let cases = [
            ("http://127.0.0.1:5052", "127.0.0.1", 5052, ""),
            ("http://node.example/", "node.example", 80, ""),
            ("https://node.example", "node.example", 443, ""),
            ("http://[::1]:5052/", "::1", 5052, ""),
            ("https://x.example:8443/a/b//", "x.example", 8443, "/a/b"),
            (
                "http://quartet_0:5052/lean/v0/states/finalized",
                "quartet_0",
                5052,
                "",
            ),
            ("http://a:1/x/lean/v0/blocks/finalized/", "a", 1, "/x"),
        ];
        for (text, host, port, prefix) in cases {
            let url = parse(text).unwrap();
            assert_eq!(
                (url.host.as_str(), url.port, url.prefix.as_str()),
                (host, port, prefix),
                "{text}"
            );
            assert_eq!(url.is_tls, text.starts_with("https"));
            assert_eq!(parse(&url.to_string()), Ok(url));
        }
        let url = parse("http://a:1/x/").unwrap();
        assert_eq!(url.path("/lean/v0/health"), "/x/lean/v0/health");
    }

    #[test]
    fn what_is_no_server_url_is_refused() {
        for text in [
            "",
            "node.example",
            "node.example:5052",
            "/lean/v0",
            "ftp://node.example",
            "http://",
            "http://:80",
            "http://a:b",
            "http://a:0",
            "http://a:65536",
            "http://a b",
            "http://user:secret@a",
            "http://a/?x=1",
            "http://a/#x",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
