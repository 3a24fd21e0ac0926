//! One request and its answer, bounded in bytes and time.

use std::{error::Error, future::poll_fn, pin::Pin, time::Duration};

use hyper::{
    HeaderMap, Request, Response,
    body::{Body as _, Incoming},
    client::conn::http1,
    header::{
        ACCEPT, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION,
        USER_AGENT,
    },
    http::request::Builder,
};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

use crate::{Limits, Refusal, ServerUrl, Stage, client::Client, limits::MAX_HEAD};

const SSZ: &str = "application/octet-stream";
const JSON: &str = "application/json";
/// Characters of what a server says that are repeated to the operator.
const SHOWN: usize = 100;
/// How often a slow download is told of.
const PROGRESS: Duration = Duration::from_secs(5);

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BoundedRequest<'a> {
    /// What the errors call it.
    pub(crate) name: &'static str,
    /// Its path on the server.
    pub(crate) path: &'a str,
    /// Most bytes that it can have.
    pub(crate) limit: usize,
    /// When the time for everything is over.
    pub(crate) end: Instant,
}

impl Client {
    /// Gets SSZ bytes.
    pub(crate) async fn get(
        &self,
        url: &ServerUrl,
        ask: BoundedRequest<'_>,
    ) -> Result<Vec<u8>, Refusal> {
        let request = Request::get(ask.path).header(ACCEPT, SSZ);
        self.exchange(url, ask, SSZ, request, String::new()).await
    }

    /// Gets JSON of at most so many bytes.
    ///
    /// # Errors
    /// When the server cannot be reached, takes too long, sends too much, or has no such JSON.
    pub async fn get_json(
        &self,
        url: &ServerUrl,
        path: &'static str,
        limit: usize,
    ) -> Result<Vec<u8>, Refusal> {
        let path_there = url.path(path);
        let request = Request::get(&path_there).header(ACCEPT, JSON);
        let ask = self.json_request(path, &path_there, limit);
        self.exchange(url, ask, JSON, request, String::new()).await
    }

    /// Posts JSON, and takes JSON of at most so many bytes as the answer.
    ///
    /// # Errors
    /// As [`Client::get_json`].
    pub async fn post_json(
        &self,
        url: &ServerUrl,
        path: &'static str,
        json: String,
        limit: usize,
    ) -> Result<Vec<u8>, Refusal> {
        let path_there = url.path(path);
        let request = Request::post(&path_there)
            .header(ACCEPT, JSON)
            .header(CONTENT_TYPE, JSON)
            .header(CONTENT_LENGTH, json.len());
        let ask = self.json_request(path, &path_there, limit);
        self.exchange(url, ask, JSON, request, json).await
    }

    fn json_request<'a>(
        &self,
        name: &'static str,
        path: &'a str,
        limit: usize,
    ) -> BoundedRequest<'a> {
        BoundedRequest {
            name,
            path,
            limit,
            end: Instant::now() + self.limits.total,
        }
    }

    /// One connection serves one request.
    async fn exchange(
        &self,
        url: &ServerUrl,
        ask: BoundedRequest<'_>,
        form: &'static str,
        request: Builder,
        body: String,
    ) -> Result<Vec<u8>, Refusal> {
        let stream = self.connect(url, ask.end).await?;
        let clock = Deadlines {
            limits: self.limits,
            end: ask.end,
        };
        let failed = |error: hyper::Error| Refusal::Exchange {
            path: ask.name,
            error: causes(&error),
        };
        let request = request
            .header(HOST, &url.authority)
            .header(USER_AGENT, concat!("quartet/", env!("CARGO_PKG_VERSION")))
            .header(CONNECTION, "close")
            .body(body)
            .map_err(|error| Refusal::Failed(error.to_string()))?;
        let exchange = async {
            let (mut sender, connection) = http1::Builder::new()
                .max_buf_size(MAX_HEAD)
                .handshake::<_, String>(TokioIo::new(stream))
                .await?;
            // A failure of the connection fails the request, too.
            let driver = AbortOnDropHandle::new(tokio::spawn(async move {
                let _ = connection.await;
            }));
            let response = sender.send_request(request).await?;
            Ok((response, sender, driver))
        };
        let (response, _sender, _driver) =
            clock.within(Stage::Head, exchange).await?.map_err(failed)?;
        check_head(&response, ask.name, form)?;
        read(url, response.into_body(), ask, clock).await
    }
}

#[derive(Clone, Copy, Debug)]
struct Deadlines {
    limits: Limits,
    end: Instant,
}

impl Deadlines {
    async fn within<T>(&self, stage: Stage, work: impl Future<Output = T>) -> Result<T, Refusal> {
        let limit = match stage {
            Stage::Body => self.limits.idle,
            _ => self.limits.head,
        };
        let own = Instant::now() + limit;
        timeout_at(own.min(self.end), work).await.map_err(|_| {
            let (stage, limit) = if own <= self.end {
                (stage, limit)
            } else {
                (Stage::Total, self.limits.total)
            };
            Refusal::TimedOut { stage, limit }
        })
    }
}

/// Whether the answer's head promises what was asked for.
fn check_head(
    response: &Response<Incoming>,
    path: &'static str,
    expected: &'static str,
) -> Result<(), Refusal> {
    let (status, headers) = (response.status(), response.headers());
    let text = |name| text(headers, name);
    if status.is_redirection() {
        let to = text(LOCATION).unwrap_or_else(|| "nowhere".to_owned());
        return Err(Refusal::Redirect { path, to });
    }
    if status != hyper::StatusCode::OK {
        return Err(Refusal::Status { path, status });
    }
    // Nothing compressed was asked for, and a few bytes could unfold to any number.
    let encoding = text(CONTENT_ENCODING).filter(|encoding| encoding != "identity");
    let kind = text(CONTENT_TYPE).unwrap_or_else(|| "no content type".to_owned());
    let media_type = kind.split(';').next().unwrap_or_default().trim();
    match encoding {
        Some(found) => Err(Refusal::Form {
            path,
            expected,
            found,
        }),
        None if media_type.eq_ignore_ascii_case(expected) => Ok(()),
        None => Err(Refusal::Form {
            path,
            expected,
            found: kind,
        }),
    }
}

/// Reads a body that has at most so many bytes.
async fn read(
    url: &ServerUrl,
    mut body: Incoming,
    ask: BoundedRequest<'_>,
    clock: Deadlines,
) -> Result<Vec<u8>, Refusal> {
    let too_large = || Refusal::TooLarge {
        path: ask.name,
        limit: ask.limit,
    };
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > ask.limit {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(announced);
    let mut told = Instant::now();
    loop {
        let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context));
        let Some(frame) = clock.within(Stage::Body, frame).await? else {
            return Ok(bytes);
        };
        let frame = frame.map_err(|error| Refusal::Exchange {
            path: ask.name,
            error: causes(&error),
        })?;
        // Trailers say nothing that matters.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if data.len() > ask.limit - bytes.len() {
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            let of = Some(announced).filter(|announced| *announced > 0);
            info!(server = %url, what = ask.name, bytes = bytes.len(), of, "still downloading");
        }
    }
}

/// A header's value, shortened, without control characters.
fn text(headers: &HeaderMap, name: hyper::header::HeaderName) -> Option<String> {
    let value = headers.get(name)?.as_bytes();
    let text = String::from_utf8_lossy(value);
    Some(
        text.chars()
            .filter(|c| !c.is_control())
            .take(SHOWN)
            .collect(),
    )
}

fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
