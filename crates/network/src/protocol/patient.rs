//! A reader that gives up when a stream is silent for too long, or brings too little.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::AsyncRead;
use tokio::time::{Instant, Sleep, sleep_until};

/// Fails with `TimedOut` when no byte comes for some time, or when fewer have come than the least rate
/// brings in the time that has passed beyond that.
pub(crate) struct Patient<'a, R> {
    stream: &'a mut R,
    patience: Duration,
    /// Bytes per second.
    least_rate: u32,
    started: Instant,
    bytes: usize,
    silence: Option<Pin<Box<Sleep>>>,
}

impl<'a, R> Patient<'a, R> {
    pub(crate) fn new(stream: &'a mut R, patience: Duration, least_rate: u32) -> Self {
        Self {
            stream,
            patience,
            least_rate,
            started: Instant::now(),
            bytes: 0,
            silence: None,
        }
    }

    /// When it gives up if nothing comes any more.
    fn deadline(&self) -> Instant {
        let paid = Duration::from_secs_f64(self.bytes as f64 / f64::from(self.least_rate));
        let too_slow = self.started + self.patience + paid;
        too_slow.min(Instant::now() + self.patience)
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Patient<'_, R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(read) = Pin::new(&mut *self.stream).poll_read(context, buffer) {
            self.silence = None;
            self.bytes += read.as_ref().copied().unwrap_or_default();
            return Poll::Ready(read);
        }
        let deadline = self.deadline();
        let silence = (self.silence).get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        let timed_out = silence.as_mut().poll(context);
        timed_out.map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}
