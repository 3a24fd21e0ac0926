//! Reading that gives up when a stream is silent for too long, or brings too little.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::AsyncRead;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::wire::WireError;

/// How long a peer may be silent before and within what it sends.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// Bytes per second that a peer brings, and takes, at least beyond that: half a megabit, with which nobody
/// follows a chain.
pub(super) const MIN_RATE: u32 = 64 << 10;

/// Fails with `TimedOut` when no byte comes for [`IDLE_TIMEOUT`], or when fewer have come than [`MIN_RATE`]
/// brings in the time that has passed beyond that.
pub(crate) struct IdleTimeoutReader<'a, R> {
    stream: &'a mut R,
    started: Instant,
    bytes: usize,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<'a, R> IdleTimeoutReader<'a, R> {
    pub(crate) fn new(stream: &'a mut R) -> Self {
        Self {
            stream,
            started: Instant::now(),
            bytes: 0,
            timer: None,
        }
    }

    /// When it gives up if nothing comes any more.
    fn deadline(&self) -> Instant {
        let paid = Duration::from_secs_f64(self.bytes as f64 / f64::from(MIN_RATE));
        let too_slow = self.started + IDLE_TIMEOUT + paid;
        too_slow.min(Instant::now() + IDLE_TIMEOUT)
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for IdleTimeoutReader<'_, R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(read) = Pin::new(&mut *self.stream).poll_read(context, buffer) {
            self.timer = None;
            self.bytes += read.as_ref().copied().unwrap_or_default();
            return Poll::Ready(read);
        }
        let deadline = self.deadline();
        let timer = (self.timer).get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        let timed_out = timer.as_mut().poll(context);
        timed_out.map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// A request as it was read. One that breaks the wire's rules, or that its peer has begun and not ended, is
/// passed on, so that the peer can be told and judged: of a read that fails, libp2p says nothing. Only a stream
/// that broke is an error.
pub(super) fn as_request<T>(read: Result<T, WireError>) -> io::Result<Result<T, WireError>> {
    match read {
        Err(error @ WireError::Stream(kind)) if kind != io::ErrorKind::TimedOut => {
            Err(error.into())
        }
        request => Ok(request),
    }
}
