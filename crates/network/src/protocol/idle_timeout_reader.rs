//! A reader with an idle time-out and a minimum rate.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::AsyncRead;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::wire::WireError;

/// How long a peer may send nothing, before its first byte and between two bytes.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// Least bytes per second that a peer has to send, and to take: half a megabit, too slow to follow a chain.
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

    /// When the read fails if no byte comes any more.
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

/// A request as it was read. One that breaks the rules of the wire, or that the peer has begun and not ended, is passed on,
/// so that it can be answered and counted: libp2p reports no failed reads. Only a broken stream is an error.
pub(super) fn as_request<T>(read: Result<T, WireError>) -> io::Result<Result<T, WireError>> {
    match read {
        Err(error @ WireError::Stream(kind)) if kind != io::ErrorKind::TimedOut => {
            Err(error.into())
        }
        request => Ok(request),
    }
}
