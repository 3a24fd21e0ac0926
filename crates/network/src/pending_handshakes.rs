//! A transport that drops the oldest pending handshake for a new one when there are many.
//!
//! An attacker that sends the first packet of a handshake and no other takes a place until the handshake times out. If new
//! handshakes were refused at the limit, a dozen such packets a second would keep everyone out. Here an honest handshake,
//! which takes some round trips, gets through unless hundreds of others begin in the meantime. libp2p's QUIC accepts every
//! handshake at once, so we cannot use Retry, by which a server has addresses confirmed.

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

/// Passes dials through, and limits the number of handshakes that others have begun.
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

/// A handshake that another node has begun.
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
            // The transport has been dropped.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}
