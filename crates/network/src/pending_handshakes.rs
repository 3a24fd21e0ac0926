//! A transport that drops the oldest pending handshake for a new one when there are many.
//!
//! An attacker that sends the first packet of a handshake and no other takes a place until the handshake times out. If new
//! handshakes were refused at the limit, a dozen such packets a second would keep everyone out. Here an honest handshake,
//! which takes some round trips, gets through unless hundreds of others begin in the meantime, or a dozen from its own address.
//! libp2p's QUIC accepts every handshake at once, so we cannot use Retry, by which a server has addresses confirmed.

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

use crate::{address::AddressGroup, config::AddressLimits, connection_limits::limited_group};

/// Handshakes from one address that may be under way at a time, if limits by address apply to it.
const MAX_FROM_ADDRESS: usize = 16;

/// Passes dials through, and limits the number of handshakes that others have begun.
pub(crate) struct PendingHandshakes<T> {
    inner: T,
    most: usize,
    limits: Option<AddressLimits>,
    /// Handshakes, the oldest first; those that have ended are dropped from time to time.
    pending: VecDeque<(Option<AddressGroup>, Sender<()>)>,
}

impl<T> PendingHandshakes<T> {
    pub(crate) fn new(inner: T, most: usize, limits: Option<AddressLimits>) -> Self {
        let pending = VecDeque::new();
        Self {
            inner,
            most,
            limits,
            pending,
        }
    }

    fn begin(&mut self, from: &Multiaddr) -> Receiver<()> {
        let group = limited_group(self.limits, from);
        if self.in_the_way(group).is_some() {
            self.pending
                .retain(|(_, handshake)| !handshake.is_canceled());
        }
        while let Some((_, oldest)) =
            (self.in_the_way(group)).and_then(|at| self.pending.remove(at))
        {
            counter!("quartet_handshakes_given_up_total").increment(1);
            let _ = oldest.send(());
        }
        let (sender, receiver) = channel();
        self.pending.push_back((group, sender));
        receiver
    }

    /// The handshake that makes way for a new one from an address, if there are too many.
    fn in_the_way(&self, group: Option<AddressGroup>) -> Option<usize> {
        let pending = self.pending.iter();
        let mut alike = pending
            .enumerate()
            .filter(|(_, (other, _))| *other == group);
        let oldest = alike.next().map(|(at, _)| at);
        if group.is_some() && alike.count() + 1 >= MAX_FROM_ADDRESS {
            return oldest;
        }
        (self.pending.len() >= self.most).then_some(0)
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
        let given_up = match &event {
            TransportEvent::Incoming { send_back_addr, .. } => self.begin(send_back_addr),
            _ => channel().1,
        };
        Poll::Ready(event.map_upgrade(|upgrade| Handshake { upgrade, given_up }))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_handshake_of_an_address_makes_way_and_all_others_stay() {
        let address = |host: u8| -> Multiaddr {
            let address = format!("/ip4/8.8.8.{host}/udp/9/quic-v1");
            address.parse().unwrap()
        };
        let mut handshakes = PendingHandshakes::new((), 40, Some(AddressLimits::default()));
        let mut others: Vec<_> = (1..=20)
            .map(|host| handshakes.begin(&address(host)))
            .collect();
        let mut begun: Vec<_> = (0..20).map(|_| handshakes.begin(&address(99))).collect();
        let is_given_up =
            |handshake: &mut Receiver<()>| matches!(handshake.try_recv(), Ok(Some(())));
        assert!(!others.iter_mut().any(is_given_up));
        let given_up: Vec<usize> = (0..20).filter(|at| is_given_up(&mut begun[*at])).collect();
        assert_eq!(given_up, [0, 1, 2, 3]);
        // What has ended makes room first.
        drop(begun.split_off(18));
        let _more = [(); 2].map(|()| handshakes.begin(&address(99)));
        assert!(!begun[4..].iter_mut().any(is_given_up));
        // In all, the oldest of any address.
        for host in 100..110 {
            others.push(handshakes.begin(&address(host)));
        }
        let given_up = others
            .iter_mut()
            .map(is_given_up)
            .filter(|given_up| *given_up);
        assert_eq!(given_up.count(), 6);
        assert_eq!(handshakes.pending.len(), 40);
    }
}
