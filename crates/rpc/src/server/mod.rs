//! Serves a router on a listener, so that no client can hold much of the node, or hold it for long.

mod body;
mod host;
mod limits;
mod origin;
mod stream;
mod table;

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, HttpBody as _},
    http::{HeaderMap, HeaderValue, StatusCode, header::UPGRADE},
    response::IntoResponse as _,
};
use hyper::{
    Request, Response,
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use metrics::counter;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{error::ApiError, pieces::HeldBytes};
use body::WatchedBody;
use origin::{Page, Pages};
use stream::WatchedStream;
use table::{Connection, ConnectionSlot, ConnectionTable, count_closed};

pub use host::AllowedHosts;
pub use limits::Limits;
pub use origin::AllowedOrigins;

/// Bytes of a request's head, and of pipelined requests.
const MAX_HEAD: usize = 16 << 10;
/// Bytes of an answer that the kernel takes from us before the client does. It would take megabytes of each.
const SEND_BUFFER: u32 = 128 << 10;
/// Connections that the kernel keeps until we accept them.
const BACKLOG: u32 = 1024;
/// How long to wait with the next accept when there are no more files to open.
const ACCEPT_RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Takes the address.
///
/// # Errors
/// When it is in use or not ours.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Old connections of an earlier run must not keep us from binding.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    // Connections have that of their listener.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The slot of a connection that has become a WebSocket, in the extensions of its request.
#[derive(Clone, Debug)]
pub(crate) struct Upgraded(#[expect(dead_code, reason = "held for its drop")] Arc<ConnectionSlot>);

/// Marks an answer without an end, in its extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endless;

/// The server of one address.
#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
    router: Router,
    pages: Arc<Pages>,
    limits: Limits,
}

impl Server {
    /// A server for clients that call the node by one of these names, and for pages of these origins.
    pub(crate) fn new(
        listener: TcpListener,
        router: Router,
        hosts: AllowedHosts,
        origins: AllowedOrigins,
        limits: Limits,
    ) -> Self {
        Self {
            listener,
            router,
            pages: Arc::new(Pages { hosts, origins }),
            limits,
        }
    }

    /// Serves until told to stop, then until all connections have ended.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let table = ConnectionTable::new(self.limits);
        let mut running = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(_) = running.join_next() => continue,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => match table.admit(address.ip(), Instant::now()) {
                    Ok(place) => {
                        running.spawn(self.serve(stream, place, stop.clone()));
                    }
                    Err(reason) => {
                        count_closed(reason);
                        debug!(%address, reason, "refused a connection");
                    }
                },
                Err(error) if is_client_error(&error) => {}
                Err(error) => {
                    debug!(%error, "cannot accept connections");
                    sleep(ACCEPT_RETRY_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        while running.join_next().await.is_some() {}
    }

    /// Serves a connection until the client ends it, its deadline passes, or its slot is given to another.
    fn serve(
        &self,
        stream: TcpStream,
        place: ConnectionSlot,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<> {
        // Answers are written whole; waiting for more to send would only delay them.
        let _ = stream.set_nodelay(true);
        let place = Arc::new(place);
        let stream = WatchedStream::new(stream, &place);
        let holder = Arc::downgrade(&place);
        let (router, pages) = (
            TowerToHyperService::new(self.router.clone()),
            Arc::clone(&self.pages),
        );
        let service = service_fn(move |request| {
            let place = holder.upgrade();
            answer(router.clone(), Arc::clone(&pages), place, request)
        });
        let http = http1::Builder::new()
            // The table has the deadlines: of heads and of everything else.
            .header_read_timeout(None)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        async move {
            let mut http = pin!(http);
            let mut stopping = false;
            loop {
                let ended = run_until_deadline(http.as_mut(), &place.connection);
                tokio::select! {
                    biased;
                    () = place.close.cancelled() => break,
                    () = stop.cancelled(), if !stopping => {
                        if place.connection.is_subscriber() {
                            // Its answer has no end to wait for.
                            break;
                        }
                        stopping = true;
                    }
                    () = ended => break,
                }
                http.as_mut().graceful_shutdown();
            }
            // A WebSocket goes on without us, and keeps the slot.
            drop(place);
        }
    }
}

/// Whether the client went away before it was accepted, which says nothing about the next one.
fn is_client_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// Runs a connection to its end or its deadline, which depends on its phase.
async fn run_until_deadline(mut http: impl Future + Unpin, connection: &Connection) {
    let mut alarm = pin!(sleep_until(Instant::now()));
    poll_fn(|context| {
        if std::pin::Pin::new(&mut http).poll(context).is_ready() {
            return std::task::Poll::Ready(());
        }
        // Only the poll above moves the deadline.
        let Some((phase, deadline)) = connection.deadline() else {
            return std::task::Poll::Ready(());
        };
        let Some(deadline) = deadline else {
            return std::task::Poll::Pending;
        };
        if alarm.deadline() != deadline {
            alarm.as_mut().reset(deadline);
        }
        alarm.as_mut().poll(context).map(|()| {
            count_closed(phase.name());
            debug!(
                phase = phase.name(),
                "closing a connection that is too slow"
            );
        })
    })
    .await;
}

/// Answers a request, and records its phases in the table.
async fn answer(
    router: TowerToHyperService<Router>,
    pages: Arc<Pages>,
    place: Option<Arc<ConnectionSlot>>,
    request: Request<Incoming>,
) -> Result<Response<WatchedBody<Body>>, Infallible> {
    let Some(place) = place else {
        // The connection is being closed.
        let nothing = Response::new(Body::empty());
        return Ok(nothing.map(|body| WatchedBody::new(body, || {})));
    };
    let connection = place.connection.clone();
    connection.asked(!request.body().is_end_stream(), Instant::now());
    let page = pages.page_of(request.headers());
    let judged = pages
        .hosts
        .check(request.version(), request.uri(), request.headers());
    let reader = connection.clone();
    let mut request =
        request.map(|body| WatchedBody::new(body, move || reader.body_done(Instant::now())));
    let judged = match judged {
        Ok(()) if is_upgrade(request.headers()) => subscribe(&page, &place, &mut request),
        judged => judged.map_err(|error| (error, "host")),
    };
    let preflight = page.preflight(request.method(), request.headers());
    let mut response = match judged {
        Ok(()) => match preflight {
            Some(told) => told,
            None => router.call(request).await?,
        },
        Err((error, reason)) => {
            count_refused(reason);
            error.into_response()
        }
    };
    page.add_cors_headers(response.headers_mut());
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(response.map(|body| WatchedBody::new(body, || {})));
    }
    if response.extensions().get::<Endless>().is_some() && connection.subscribe().is_err() {
        count_refused("subscribers");
        let mut refused = too_many_subscribers().into_response();
        page.add_cors_headers(refused.headers_mut());
        return Ok(refused.map(|body| WatchedBody::new(body, move || connection.buffered())));
    }
    let bytes = match response.extensions().get() {
        Some(HeldBytes(bytes)) => *bytes,
        None => usize::try_from(response.body().size_hint().lower()).unwrap_or(usize::MAX),
    };
    connection.answered(bytes, Instant::now());
    Ok(response.map(|body| WatchedBody::new(body, move || connection.buffered())))
}

/// Whether a request is one for a WebSocket.
fn is_upgrade(headers: &HeaderMap) -> bool {
    let is_websocket = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    headers.get(UPGRADE).is_some_and(is_websocket)
}

/// Makes a connection a subscriber's. Its slot lasts as long as the request's extensions are held.
fn subscribe<B>(
    page: &Page,
    place: &Arc<ConnectionSlot>,
    request: &mut Request<B>,
) -> Result<(), (ApiError, &'static str)> {
    page.check().map_err(|error| (error, "origin"))?;
    place
        .connection
        .subscribe()
        .map_err(|()| (too_many_subscribers(), "subscribers"))?;
    request.extensions_mut().insert(Upgraded(Arc::clone(place)));
    Ok(())
}

fn count_refused(reason: &'static str) {
    counter!("quartet_http_requests_refused_total", "reason" => reason).increment(1);
}

/// The error when the limit of subscribers is reached.
fn too_many_subscribers() -> ApiError {
    ApiError::unavailable("there are too many subscribers already, try again later")
}
