//! A reader that gives up when a stream is silent for too long.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::AsyncRead;
use tokio::time::{Sleep, sleep};

/// Fails with `TimedOut` when no byte comes for some time, however long the whole takes.
pub(crate) struct Patient<'a, R> {
    stream: &'a mut R,
    patience: Duration,
    silence: Option<Pin<Box<Sleep>>>,
}

impl<'a, R> Patient<'a, R> {
    pub(crate) fn new(stream: &'a mut R, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            silence: None,
        }
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
            return Poll::Ready(read);
        }
        let patience = self.patience;
        let silence = (self.silence).get_or_insert_with(|| Box::pin(sleep(patience)));
        let timed_out = silence.as_mut().poll(context);
        timed_out.map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}
