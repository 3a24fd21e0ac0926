//! A transport whose handshakes make way for new ones when there are many, the oldest first.
//!
//! Whoever sends the first packet of a handshake and no other costs us a place for as long as we wait. With
//! a limit that refuses, a dozen such packets a second keep everyone out; here an honest handshake, which
//! takes some round trips, gets through unless thousands of others begin in the meantime. libp2p's QUIC
//! accepts every handshake at once, so that Retry, by which a server has addresses confirmed, is not to be had.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures::{
    FutureExt as _,
    channel::oneshot::{Receiver, Sender, channel},
};
use libp2p::{
    Multiaddr, Transport, TransportError,
    core::transport::{DialOpts, ListenerId, TransportEvent},
};
use metrics::counter;

/// Passes dials through; of the handshakes that others begin, at most so many last.
pub(crate) struct PendingHandshakes<T> {
    inner: T,
    most: usize,
    /// Handshakes, the oldest first; those that have ended are dropped from time to time.
    pending: VecDeque<Sender<()>>,
}

impl<T> PendingHandshakes<T> {
    pub(crate) fn new(inner: T, most: usize) -> Self {
        let pending = VecDeque::new();
        Self {
            inner,
            most,
            pending,
        }
    }

    fn begin(&mut self) -> Receiver<()> {
        if self.pending.len() >= self.most {
            self.pending.retain(|handshake| !handshake.is_canceled());
        }
        while self.pending.len() >= self.most
            && let Some(oldest) = self.pending.pop_front()
        {
            counter!("quartet_handshakes_given_up_total").increment(1);
            let _ = oldest.send(());
        }
        let (sender, receiver) = channel();
        self.pending.push_back(sender);
        receiver
    }
}

impl<T> Transport for PendingHandshakes<T>
where
    T: Transport<Error: From<io::Error>> + Unpin,
    T::ListenerUpgrade: Send + Unpin + 'static,
{
    type Output = T::Output;
    type Error = T::Error;
    type ListenerUpgrade = Handshake<T::ListenerUpgrade>;
    type Dial = T::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<Self::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<Self::Error>> {
        self.inner.dial(address, options)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, Self::Error>> {
        let event = std::task::ready!(Pin::new(&mut self.inner).poll(context));
        Poll::Ready(event.map_upgrade(|upgrade| Handshake {
            upgrade,
            given_up: self.begin(),
        }))
    }
}

/// A handshake that somebody else has begun.
pub(crate) struct Handshake<F> {
    upgrade: F,
    given_up: Receiver<()>,
}

impl<F, O, E> Future for Handshake<F>
where
    F: Future<Output = Result<O, E>> + Unpin,
    E: From<io::Error>,
{
    type Output = Result<O, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(done) = self.upgrade.poll_unpin(context) {
            return Poll::Ready(done);
        }
        match self.given_up.poll_unpin(context) {
            Poll::Ready(Ok(())) => {
                let error = io::Error::new(io::ErrorKind::TimedOut, "too many handshakes");
                Poll::Ready(Err(error.into()))
            }
            // The hallway is gone, as the whole transport is.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}
