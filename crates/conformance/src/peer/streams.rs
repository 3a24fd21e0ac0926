//! A behaviour that opens streams of any protocol and hands over those that the other side opens, as raw bytes.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
    vec,
};

use futures::channel::oneshot;
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{
        Endpoint, UpgradeInfo,
        transport::PortUse,
        upgrade::{InboundUpgrade, ReadyUpgrade},
    },
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, NotifyHandler, StreamUpgradeError, SubstreamProtocol, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm,
        handler::{
            ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
        },
    },
};

/// How long the other side may take to agree on a stream's protocol.
const NEGOTIATION: Duration = Duration::from_secs(5);

/// Why there is no stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("the node does not speak the protocol")]
    Unsupported,
    #[error("the node says nothing to the proposed protocol")]
    Silent,
    #[error("the connection is gone")]
    Gone,
    #[error("the stream failed: {0}")]
    Stream(String),
}

/// Where an opened stream goes.
pub(crate) type Opened = oneshot::Sender<Result<Stream, OpenError>>;

/// A stream that is wanted.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) protocol: StreamProtocol,
    pub(crate) opened: Opened,
}

/// A stream that the other side has opened.
#[derive(Debug)]
pub(crate) struct Arrived {
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "only who has many peers needs it")
    )]
    pub(crate) peer: PeerId,
    pub(crate) protocol: StreamProtocol,
    pub(crate) stream: Stream,
}

/// The behaviour.
#[derive(Debug)]
pub(crate) struct Streams {
    accepts: Accepts,
    actions: VecDeque<ToSwarm<Arrived, Wanted>>,
}

impl Streams {
    /// One that takes streams of these protocols.
    pub(crate) fn new(accepts: &[&'static str]) -> Self {
        let accepts = accepts.iter().map(|name| StreamProtocol::new(name));
        Self {
            accepts: Accepts(accepts.collect()),
            actions: VecDeque::new(),
        }
    }

    /// Opens a stream on a connection with this peer.
    pub(crate) fn open(&mut self, peer_id: PeerId, connection: NotifyHandler, wanted: Wanted) {
        self.actions.push_back(ToSwarm::NotifyHandler {
            peer_id,
            handler: connection,
            event: wanted,
        });
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = Arrived;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(self.accepts.clone()))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(self.accepts.clone()))
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        _: ConnectionId,
        (protocol, stream): THandlerOutEvent<Self>,
    ) {
        self.actions.push_back(ToSwarm::GenerateEvent(Arrived {
            peer,
            protocol,
            stream,
        }));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Arrived, THandlerInEvent<Self>>> {
        match self.actions.pop_front() {
            Some(action) => Poll::Ready(action),
            None => Poll::Pending,
        }
    }
}

/// One connection's part.
pub(crate) struct Handler {
    accepts: Accepts,
    wanted: VecDeque<Wanted>,
    arrived: VecDeque<(StreamProtocol, Stream)>,
}

impl Handler {
    fn new(accepts: Accepts) -> Self {
        Self {
            accepts,
            wanted: VecDeque::new(),
            arrived: VecDeque::new(),
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Wanted;
    type ToBehaviour = (StreamProtocol, Stream);
    type InboundProtocol = Accepts;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Opened;

    fn listen_protocol(&self) -> SubstreamProtocol<Accepts> {
        SubstreamProtocol::new(self.accepts.clone(), ()).with_timeout(NEGOTIATION)
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Opened, Self::ToBehaviour>> {
        if let Some(arrived) = self.arrived.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(arrived));
        }
        if let Some(Wanted { protocol, opened }) = self.wanted.pop_front() {
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(protocol), opened);
            let protocol = protocol.with_timeout(NEGOTIATION);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, wanted: Wanted) {
        self.wanted.push_back(wanted);
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Accepts, Self::OutboundProtocol, (), Opened>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            }) => self.arrived.push_back(protocol),
            // The receiver may have been dropped.
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol,
                info,
            }) => drop(info.send(Ok(protocol))),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                drop(info.send(Err(why(error))));
            }
            _ => {}
        }
    }
}

fn why(error: StreamUpgradeError<Infallible>) -> OpenError {
    match error {
        StreamUpgradeError::Timeout => OpenError::Silent,
        StreamUpgradeError::NegotiationFailed => OpenError::Unsupported,
        StreamUpgradeError::Io(error) => OpenError::Stream(error.to_string()),
        StreamUpgradeError::Apply(never) => match never {},
    }
}

/// The protocols of streams that are taken.
#[derive(Clone, Debug)]
pub(crate) struct Accepts(Arc<[StreamProtocol]>);

impl UpgradeInfo for Accepts {
    type Info = StreamProtocol;
    type InfoIter = vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        Vec::from(&*self.0).into_iter()
    }
}

impl InboundUpgrade<Stream> for Accepts {
    type Output = (StreamProtocol, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((protocol, stream)))
    }
}
