//! Connections that count what passes through their streams: what this node sends and receives, all protocols together,
//! without what QUIC and UDP add.

use std::{
    io::{self, IoSlice, IoSliceMut},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use metrics::{Counter, counter};

use crate::traffic::PeerBytes;

const NAME: &str = "quartet_network_bytes_total";

/// A connection, or one of its streams.
#[derive(Clone)]
pub(crate) struct ByteCounter<T> {
    inner: T,
    received: Counter,
    sent: Counter,
    /// The same of the peer at the other end.
    peer: Arc<PeerBytes>,
}

impl<T> ByteCounter<T> {
    /// Counts from now on, for the peer as well.
    pub(crate) fn new(inner: T, peer: Arc<PeerBytes>) -> Self {
        Self {
            inner,
            peer,
            received: counter!(NAME, "direction" => "received"),
            sent: counter!(NAME, "direction" => "sent"),
        }
    }

    fn stream<S>(&self, inner: S) -> ByteCounter<S> {
        ByteCounter {
            inner,
            received: self.received.clone(),
            sent: self.sent.clone(),
            peer: Arc::clone(&self.peer),
        }
    }

    fn received(&self, passed: io::Result<usize>) -> io::Result<usize> {
        if let Ok(bytes) = &passed {
            self.received.increment(*bytes as u64);
            self.peer.receive(*bytes);
        }
        passed
    }

    fn sent(&self, passed: io::Result<usize>) -> io::Result<usize> {
        if let Ok(bytes) = &passed {
            self.sent.increment(*bytes as u64);
            self.peer.send(*bytes);
        }
        passed
    }
}

impl<M: StreamMuxer<Substream: Unpin> + Unpin> StreamMuxer for ByteCounter<M> {
    type Substream = ByteCounter<M::Substream>;
    type Error = M::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let stream = ready!(Pin::new(&mut self.inner).poll_inbound(context));
        Poll::Ready(stream.map(|stream| self.stream(stream)))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let stream = ready!(Pin::new(&mut self.inner).poll_outbound(context));
        Poll::Ready(stream.map(|stream| self.stream(stream)))
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.inner).poll_close(context)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        Pin::new(&mut self.inner).poll(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ByteCounter<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = ready!(Pin::new(&mut self.inner).poll_read(context, buffer));
        Poll::Ready(self.received(read))
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let read = ready!(Pin::new(&mut self.inner).poll_read_vectored(context, buffers));
        Poll::Ready(self.received(read))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ByteCounter<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(context, buffer));
        Poll::Ready(self.sent(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(context, buffers));
        Poll::Ready(self.sent(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(context)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use futures::{AsyncReadExt as _, AsyncWriteExt as _, io::Cursor};

    use super::*;

    #[tokio::test]
    async fn bytes_in_both_directions_are_counted() {
        let [received, sent] = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
        let mut stream = ByteCounter {
            inner: Cursor::new(vec![7; 100]),
            received: Counter::from_arc(received.clone()),
            sent: Counter::from_arc(sent.clone()),
            peer: Arc::default(),
        };
        stream.read_exact(&mut [0; 60]).await.unwrap();
        stream.write_all(&[1; 25]).await.unwrap();
        let counts = [&received, &sent].map(|count| count.load(Ordering::Relaxed));
        assert_eq!(counts, [60, 25]);
        assert_eq!(stream.peer.so_far(), (60, 25));
    }
}
