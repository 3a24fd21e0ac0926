//! A socket that tells the table when something comes and when nothing is left to send, and that breaks off when its place is
//! needed or when a subscriber takes nothing for too long.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::table::{Connection, ConnectionSlot, count_closed};

pub(super) struct WatchedStream {
    stream: TcpStream,
    connection: Connection,
    /// Completes when the slot is given to another connection.
    close: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Completes when bytes have waited for too long to be sent.
    stall: Option<Pin<Box<Sleep>>>,
    /// Whether it has.
    has_stalled: bool,
}

impl WatchedStream {
    pub(super) fn new(stream: TcpStream, place: &ConnectionSlot) -> Self {
        Self {
            stream,
            connection: place.connection.clone(),
            close: Box::pin(place.close.clone().cancelled_owned()),
            stall: None,
            has_stalled: false,
        }
    }

    /// Fails a write when a subscriber has taken nothing for too long.
    fn fail_when_stalled(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let timed_out = || Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        if self.has_stalled {
            return timed_out();
        }
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let connection = &self.connection;
        let stall = self
            .stall
            .get_or_insert_with(|| Box::pin(sleep(connection.stall())));
        ready!(stall.as_mut().poll(context));
        self.has_stalled = true;
        count_closed("stall");
        timed_out()
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.close.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.connection.received(Instant::now());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.fail_when_stalled(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.fail_when_stalled(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// The server flushes the socket only once its own buffer is empty.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.connection.flushed(Instant::now());
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
