//! The page for people: plain files that are part of the binary, and the list of nodes that it shows.
//!
//! Nothing here asks the chain. The page is fed by the WebSocket of each node in the list.

use std::{io::Write, sync::OnceLock};

use axum::{
    Json, Router,
    extract::Path,
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{
            ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY,
            CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::{IntoResponse, Response},
    routing::get,
};
use flate2::{Compression, write::GzEncoder};
use serde::Serialize;

use crate::error::ApiError;

/// Scripts and styles are files of ours alone; the page connects to nodes at any address, and no other site frames it.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self' http: https: ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'",
);

/// A node that the page shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PageNode {
    /// Its name on the page.
    pub name: String,
    /// The URL of its RPC for a browser; `/` is the server of the page.
    pub url: String,
}

/// A file of the page.
struct Asset {
    name: &'static str,
    body: &'static [u8],
    /// The body in gzip, made when it is first asked for.
    packed: OnceLock<Vec<u8>>,
}

macro_rules! assets {
    ($($name:literal),* $(,)?) => {
        [$(Asset { name: $name, body: include_bytes!(concat!("../assets/", $name)), packed: OnceLock::new() }),*]
    };
}

static INDEX: Asset = Asset {
    name: "index.html",
    body: include_bytes!("../assets/index.html"),
    packed: OnceLock::new(),
};

static ASSETS: [Asset; 31] = assets![
    "agree.js",
    "app.js",
    "chain.js",
    "condition.js",
    "details.js",
    "dom.js",
    "duties.js",
    "feed.js",
    "finality.js",
    "format.js",
    "hero.js",
    "icon.svg",
    "layout.js",
    "log.js",
    "marks.js",
    "one.js",
    "panel.js",
    "peers.js",
    "pen.js",
    "resources.js",
    "seats.js",
    "several.js",
    "slots.js",
    "store.js",
    "strip.js",
    "style.css",
    "theme.js",
    "tree.js",
    "validators.js",
    "votes.js",
    "waterfall.js",
];

impl Asset {
    fn content_type(&self) -> &'static str {
        match self.name.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "application/octet-stream",
        }
    }

    /// Changes with the content: its FNV-1a hash, which need not withstand attackers.
    fn tag(&self) -> String {
        let hash = self
            .body
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            });
        format!("\"{hash:016x}\"")
    }

    /// The body in gzip, about a third of it.
    fn packed(&self) -> &Vec<u8> {
        self.packed.get_or_init(|| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            // Writing to a vector does not fail.
            let _ = encoder.write_all(self.body);
            encoder.finish().unwrap_or_default()
        })
    }

    /// The file, or 304 where the browser has it. It asks each time, so that a new version is seen at once.
    fn answer(&'static self, request: &HeaderMap) -> Response {
        let tag = self.tag();
        let known = request.get(IF_NONE_MATCH).map(HeaderValue::as_bytes);
        let mut response = if known == Some(tag.as_bytes()) {
            StatusCode::NOT_MODIFIED.into_response()
        } else if takes_gzip(request) {
            let packed = self.packed().as_slice();
            let headers = [
                (CONTENT_TYPE, self.content_type()),
                (CONTENT_ENCODING, "gzip"),
            ];
            (headers, packed).into_response()
        } else {
            ([(CONTENT_TYPE, self.content_type())], self.body).into_response()
        };
        let headers = response.headers_mut();
        let fixed: [(HeaderName, HeaderValue); 5] = [
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            (VARY, HeaderValue::from_static("accept-encoding")),
        ];
        headers.extend(fixed);
        if let Ok(tag) = HeaderValue::try_from(tag) {
            headers.insert(ETAG, tag);
        }
        response
    }
}

/// The files of the page: `/assets/{file}`, and `/nodes.json` with the nodes that it shows.
///
/// `/` is left to the caller, which may serve other things there: see [`wants_page`] and [`index`].
pub(crate) fn page_files<S>(nodes: Vec<PageNode>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new().route("/assets/{file}", get(asset)).route(
        "/nodes.json",
        get(move || async move { ([(CACHE_CONTROL, "no-store")], Json(nodes)) }),
    )
}

/// The whole page with `/`, for a process that is no node: a devnet's supervisor.
pub(crate) fn page_site<S>(nodes: Vec<PageNode>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    page_files(nodes).route("/", get(async |headers: HeaderMap| index(&headers)))
}

/// The page itself.
pub(crate) fn index(request: &HeaderMap) -> Response {
    INDEX.answer(request)
}

/// Whether a browser asks for a page: `Accept` names `text/html`.
pub(crate) fn wants_page(request: &HeaderMap) -> bool {
    request.get_all(ACCEPT).iter().any(|value| {
        value.to_str().is_ok_and(|value| {
            value
                .split(',')
                .filter_map(|range| range.split(';').next())
                .any(|range| range.trim().eq_ignore_ascii_case("text/html"))
        })
    })
}

/// Whether the browser takes gzip; all do, unless something between forbids it.
fn takes_gzip(request: &HeaderMap) -> bool {
    let named = request.get_all(ACCEPT_ENCODING).iter();
    let named = named.filter_map(|value| value.to_str().ok());
    named.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next() == Some("gzip");
        is_gzip
            && !parts.any(|q| q.starts_with("q=0") && q[2..].trim_matches(['0', '.']).is_empty())
    })
}

async fn asset(Path(file): Path<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    let found = ASSETS.iter().find(|asset| asset.name == file);
    let asset = found.ok_or_else(|| ApiError::not_found("the page has no such file"))?;
    Ok(asset.answer(&headers))
}

#[cfg(test)]
mod tests;
