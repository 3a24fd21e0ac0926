//! Which pages may read what the node answers, and open WebSockets to it.
//!
//! A browser lets every page send requests, but only pages whose origin the answer names may read it (the Fetch standard's CORS).
//! It lets every page open WebSockets, so there the node itself refuses.

use std::{collections::BTreeSet, net::IpAddr};

use axum::{
    http::{
        HeaderMap, HeaderValue, Method, StatusCode, Uri,
        header::{
            ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
            ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
            HOST, ORIGIN, VARY,
        },
    },
    response::{IntoResponse, Response},
};

use super::AllowedHosts;
use crate::error::ApiError;

/// Origins whose pages may read the node's answers, beside those of this machine and of the node's own host names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedOrigins {
    origins: BTreeSet<String>,
    any: bool,
}

impl AllowedOrigins {
    /// Allows these origins, such as `https://dash.example:3000`, in any case; `*` allows every one.
    pub fn new(origins: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let origins = origins.into_iter();
        let origins: BTreeSet<_> = origins
            .map(|origin| origin.as_ref().to_ascii_lowercase())
            .collect();
        let any = origins.contains("*");
        Self { origins, any }
    }
}

/// All that decides about a page.
#[derive(Clone, Debug, Default)]
pub(super) struct Pages {
    pub(super) hosts: AllowedHosts,
    pub(super) origins: AllowedOrigins,
}

/// The page that a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// None: the client is no browser, or a browser that follows a link.
    NotABrowser,
    /// One that may read the answer, with the value of the header that says so.
    Allowed(HeaderValue),
    /// Any other one.
    Forbidden(String),
}

impl Pages {
    /// Finds the page that a request comes from. It is allowed if it is ours, of this machine, or of an allowed host name or
    /// origin. An IP address alone is not enough, as any page can have one.
    pub(super) fn page_of(&self, headers: &HeaderMap) -> Page {
        let Some(origin) = headers.get(ORIGIN) else {
            return Page::NotABrowser;
        };
        if self.origins.any {
            return Page::Allowed(HeaderValue::from_static("*"));
        }
        let text = origin.to_str().unwrap_or_default();
        let same =
            |host: &HeaderValue| text.split_once("://").is_some_and(|(_, page)| page == host);
        let known = || self.origins.origins.contains(&text.to_ascii_lowercase());
        if headers.get(HOST).is_some_and(same) || self.is_local_or_named(text) || known() {
            Page::Allowed(origin.clone())
        } else {
            Page::Forbidden(text.to_owned())
        }
    }

    /// Whether an origin is of this machine or of a name of the node.
    fn is_local_or_named(&self, origin: &str) -> bool {
        let Ok(uri) = origin.parse::<Uri>() else {
            return false;
        };
        // Without a scheme it is `null`: a page of nowhere.
        let Some(host) = uri.host().filter(|_| uri.scheme().is_some()) else {
            return false;
        };
        let address = host.trim_start_matches('[').trim_end_matches(']');
        match address.parse::<IpAddr>() {
            Ok(address) => address.is_loopback() || self.hosts.names("*"),
            Err(_) => {
                host.trim_end_matches('.').eq_ignore_ascii_case("localhost")
                    || self.hosts.names(host)
            }
        }
    }
}

impl Page {
    /// # Errors
    /// 403 when it may not read what is answered.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        match self {
            Self::NotABrowser | Self::Allowed(_) => Ok(()),
            Self::Forbidden(origin) => Err(ApiError::unknown_origin(origin)),
        }
    }

    /// The answer to a browser that asks whether its page may ask, if this is one.
    pub(super) fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response> {
        let asks = method == Method::OPTIONS
            && *self != Self::NotABrowser
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        asks.then(|| match self.check() {
            Ok(()) => (StatusCode::NO_CONTENT, PREFLIGHT).into_response(),
            Err(error) => error.into_response(),
        })
    }

    /// Adds the headers that say which page may read an answer.
    pub(super) fn add_cors_headers(&self, headers: &mut HeaderMap) {
        if *self != Self::NotABrowser {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        if let Self::Allowed(origin) = self {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
    }
}

/// All headers may be sent: no request changes anything, and there is no sign-in.
const PREFLIGHT: [(axum::http::HeaderName, &str); 3] = [
    (ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST"),
    (ACCESS_CONTROL_ALLOW_HEADERS, "*"),
    // Ten minutes: a flag may have changed.
    (ACCESS_CONTROL_MAX_AGE, "600"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(pages: &Pages, origin: &str) -> Page {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, "10.1.2.3:5052".parse().unwrap());
        headers.insert(ORIGIN, origin.parse().unwrap());
        pages.page_of(&headers)
    }

    fn pages(hosts: &[&str], origins: &[&str]) -> Pages {
        Pages {
            hosts: AllowedHosts::new(hosts),
            origins: AllowedOrigins::new(origins),
        }
    }

    #[test]
    fn pages_of_this_machine_and_of_what_is_allowed_may_read() {
        let some = pages(&["node.example"], &["https://Dash.example:3000"]);
        let table = [
            ("http://10.1.2.3:5052", true),
            ("http://127.0.0.1:80", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:3000", true),
            ("http://localhost:3000", true),
            ("http://LOCALHOST.", true),
            ("https://node.example", true),
            ("https://NODE.example:8443", true),
            ("https://dash.example:3000", true),
            ("https://dash.example", false),
            ("http://dash.example:3000", false),
            ("https://dash.example:3000.evil.example", false),
            ("http://10.1.2.3:5053", false),
            ("http://6.6.6.6", false),
            ("https://evil.example", false),
            ("http://localhost.evil.example", false),
            ("http://127.0.0.1.evil.example", false),
            ("http://localhost@evil.example", false),
            ("null", false),
            ("file://", false),
            ("*", false),
            ("", false),
        ];
        for (origin, expected) in table {
            let page = judge(&some, origin);
            assert_eq!(page.check().is_ok(), expected, "{origin:?}");
            if expected {
                assert_eq!(page, Page::Allowed(origin.parse().unwrap()));
            }
        }
        assert_eq!(some.page_of(&HeaderMap::new()), Page::NotABrowser);
    }

    #[test]
    fn every_page_may_read_where_that_was_asked_for() {
        for origin in ["https://evil.example", "http://6.6.6.6", "null"] {
            let page = judge(&pages(&[], &["*"]), origin);
            assert_eq!(page, Page::Allowed("*".parse().unwrap()), "{origin}");
        }
        // If any host name is allowed, a page of any host name may read.
        for (origin, expected) in [
            ("https://evil.example", true),
            ("http://6.6.6.6", true),
            ("null", false),
        ] {
            let page = judge(&pages(&["*"], &[]), origin);
            assert_eq!(page.check().is_ok(), expected, "{origin}");
        }
    }

    #[test]
    fn only_preflight_requests_get_preflight_answers() {
        let here = judge(&pages(&[], &[]), "http://localhost");
        let evil = judge(&pages(&[], &[]), "http://evil.example");
        let asks = HeaderMap::from_iter([(ACCESS_CONTROL_REQUEST_METHOD, "POST".parse().unwrap())]);
        let told = here.preflight(&Method::OPTIONS, &asks).unwrap();
        assert_eq!(told.status(), 204);
        assert_eq!(
            told.headers()[ACCESS_CONTROL_ALLOW_METHODS],
            "GET, HEAD, POST"
        );
        let refused = evil.preflight(&Method::OPTIONS, &asks).unwrap();
        assert_eq!(refused.status(), 403);
        assert!(here.preflight(&Method::GET, &asks).is_none());
        assert!(
            here.preflight(&Method::OPTIONS, &HeaderMap::new())
                .is_none()
        );
        assert!(
            Page::NotABrowser
                .preflight(&Method::OPTIONS, &asks)
                .is_none()
        );

        let mut headers = HeaderMap::new();
        evil.add_cors_headers(&mut headers);
        assert!(headers.contains_key(VARY) && headers.len() == 1);
        here.add_cors_headers(&mut headers);
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "http://localhost");
    }
}
