//! A peer that sends whatever bytes a test wants.

use std::{future::pending, io, time::Duration};

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _};
use libp2p::{
    Multiaddr, StreamProtocol, Swarm, SwarmBuilder, gossipsub, identify,
    identity::Keypair,
    request_response::{self, Codec, Event, Message, ProtocolSupport},
    swarm::{NetworkBehaviour, SwarmEvent, dial_opts::DialOpts},
};
use quartet_network::{BLOCKS_BY_RANGE_PROTOCOL, BLOCKS_BY_ROOT_PROTOCOL, STATUS_PROTOCOL};

use tokio::sync::mpsc;

use super::within;

/// Bytes that may be under way to a rogue on a stream.
const WINDOW: u32 = 10_000_000;

/// What a rogue answers to a request.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub bytes: Vec<u8>,
    /// Whether the stream stays open after them.
    pub stays_open: bool,
}

/// Passes bytes through.
#[derive(Clone, Copy)]
pub struct RawCodec {
    /// Whether it reads answers; otherwise it leaves them on their streams.
    reads: bool,
    /// Whether it ends its requests; otherwise it leaves their streams open.
    ends: bool,
}

impl RawCodec {
    const POLITE: Self = Self {
        reads: true,
        ends: true,
    };
}

impl Codec for RawCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Answer;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
    ) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        protocol: &StreamProtocol,
        stream: &mut T,
    ) -> io::Result<Answer> {
        if !self.reads {
            pending::<()>().await;
        }
        Ok(Answer {
            bytes: self.read_request(protocol, stream).await?,
            stays_open: false,
        })
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        stream.write_all(&bytes).await?;
        if !self.ends {
            stream.flush().await?;
            pending::<()>().await;
        }
        Ok(())
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        answer: Answer,
    ) -> io::Result<()> {
        stream.write_all(&answer.bytes).await?;
        stream.flush().await?;
        if answer.stays_open {
            pending::<()>().await;
        }
        Ok(())
    }
}

#[derive(NetworkBehaviour)]
pub struct Behaviour {
    identify: identify::Behaviour,
    gossip: gossipsub::Behaviour,
    status: request_response::Behaviour<RawCodec>,
    blocks: request_response::Behaviour<RawCodec>,
    ranges: request_response::Behaviour<RawCodec>,
}

/// A peer without manners.
pub struct Rogue {
    pub swarm: Swarm<Behaviour>,
    /// What it answers to requests for blocks.
    pub blocks: Answer,
}

impl Rogue {
    /// A rogue that is connected to the node at `address`.
    pub async fn connect(address: &str) -> Self {
        Self::new(ProtocolSupport::Full).dial(address).await
    }

    /// A rogue that is connected to the node at `address` and takes a thousand bytes of each answer.
    pub async fn connect_without_reading(address: &str) -> Self {
        let codec = RawCodec {
            reads: false,
            ..RawCodec::POLITE
        };
        let rogue = Self::with(ProtocolSupport::Full, codec, 1_000);
        rogue.dial(address).await
    }

    /// A rogue that is connected to the node at `address` and closes no stream after a request.
    pub async fn connect_without_ending(address: &str) -> Self {
        let codec = RawCodec {
            ends: false,
            ..RawCodec::POLITE
        };
        let rogue = Self::with(ProtocolSupport::Full, codec, WINDOW);
        rogue.dial(address).await
    }

    async fn dial(self, address: &str) -> Self {
        let mut rogue = self;
        rogue
            .swarm
            .dial(address.parse::<Multiaddr>().unwrap())
            .unwrap();
        let connected = async {
            while !matches!(
                rogue.swarm.select_next_some().await,
                SwarmEvent::ConnectionEstablished { .. }
            ) {}
        };
        within(connected).await;
        rogue
    }

    /// A rogue that listens; returns its address as well.
    pub async fn listen(requests: ProtocolSupport) -> (Self, String) {
        let mut rogue = Self::new(requests);
        let address = "/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap();
        rogue.swarm.listen_on(address).unwrap();
        let listening = async {
            loop {
                if let SwarmEvent::NewListenAddr { address, .. } =
                    rogue.swarm.select_next_some().await
                {
                    return address;
                }
            }
        };
        let address = within(listening).await;
        let name = *rogue.swarm.local_peer_id();
        (rogue, format!("{address}/p2p/{name}"))
    }

    pub fn new(requests: ProtocolSupport) -> Self {
        Self::with(requests, RawCodec::POLITE, WINDOW)
    }

    fn with(requests: ProtocolSupport, codec: RawCodec, window: u32) -> Self {
        let gossip = gossipsub::ConfigBuilder::default()
            .validation_mode(gossipsub::ValidationMode::Anonymous)
            .max_transmit_size(64 << 20)
            .message_id_fn(|message| message.data.clone().into())
            .build()
            .unwrap();
        let privacy = gossipsub::MessageAuthenticity::Anonymous;
        let raw = |protocol| {
            let protocols = [(StreamProtocol::new(protocol), requests.clone())];
            request_response::Behaviour::with_codec(
                codec,
                protocols,
                request_response::Config::default(),
            )
        };
        let identity = Keypair::generate_secp256k1();
        let version = "eth2/1.0.0".to_owned();
        let behaviour = Behaviour {
            identify: identify::Behaviour::new(identify::Config::new(version, identity.public())),
            gossip: gossipsub::Behaviour::new(privacy, gossip).unwrap(),
            status: raw(STATUS_PROTOCOL),
            blocks: raw(BLOCKS_BY_ROOT_PROTOCOL),
            ranges: raw(BLOCKS_BY_RANGE_PROTOCOL),
        };
        let swarm = SwarmBuilder::with_existing_identity(identity)
            .with_tokio()
            .with_quic_config(|mut quic| {
                quic.max_stream_data = window;
                quic
            })
            .with_behaviour(|_| behaviour)
            .unwrap()
            .with_swarm_config(|swarm| {
                swarm.with_idle_connection_timeout(Duration::from_secs(1_000))
            })
            .build();
        Self {
            swarm,
            blocks: Answer::default(),
        }
    }

    /// Begins connections to an address, a hundred a second, and says so of each; what becomes of them does not matter.
    pub async fn begin_handshakes(&mut self, address: &str, begun: mpsc::Sender<()>) {
        let address: Multiaddr = address.parse().unwrap();
        let mut pace = tokio::time::interval(Duration::from_millis(10));
        loop {
            let options = DialOpts::unknown_peer_id().address(address.clone());
            self.swarm.dial(options.build()).unwrap();
            // Who counts them may have seen enough.
            let _ = begun.try_send(());
            loop {
                tokio::select! {
                    _ = pace.tick() => break,
                    _ = self.swarm.select_next_some() => {}
                }
            }
        }
    }

    /// Gossips raw data as soon as the other side wants it.
    pub async fn gossip(&mut self, topic: &str, data: Vec<u8>) {
        let topic = gossipsub::TopicHash::from_raw(topic);
        let sent = async {
            loop {
                let gossip = &mut self.swarm.behaviour_mut().gossip;
                if gossip.publish(topic.clone(), data.clone()).is_ok() {
                    break;
                }
                self.swarm.select_next_some().await;
            }
        };
        within(sent).await;
    }

    /// Asks the other side for blocks with these bytes; returns the bytes of the answer.
    pub async fn ask_for_blocks(&mut self, request: Vec<u8>) -> Vec<u8> {
        let node = *self.swarm.connected_peers().next().unwrap();
        (self.swarm.behaviour_mut().blocks).send_request(&node, request);
        self.next_answer().await
    }

    /// Asks the other side for a range of blocks with these bytes; returns the bytes of the answer.
    pub async fn ask_for_range(&mut self, request: Vec<u8>) -> Vec<u8> {
        let node = *self.swarm.connected_peers().next().unwrap();
        (self.swarm.behaviour_mut().ranges).send_request(&node, request);
        self.next_answer().await
    }

    /// Asks for a range without waiting for the answer.
    pub fn send_range_request(&mut self, request: Vec<u8>) {
        let node = *self.swarm.connected_peers().next().unwrap();
        (self.swarm.behaviour_mut().ranges).send_request(&node, request);
    }

    /// Tells a status without waiting for the answer.
    pub fn send_status(&mut self, status: Vec<u8>) {
        let node = *self.swarm.connected_peers().next().unwrap();
        (self.swarm.behaviour_mut().status).send_request(&node, status);
    }

    /// Tells the other side who it is, unless it has been sent away.
    pub async fn tell_identity(&mut self) {
        let nodes: Vec<_> = self.swarm.connected_peers().copied().collect();
        self.swarm.behaviour_mut().identify.push(nodes);
        while self.swarm.connected_peers().next().is_some() {
            if let SwarmEvent::Behaviour(BehaviourEvent::Identify(
                identify::Event::Pushed { .. } | identify::Event::Error { .. },
            )) = self.swarm.select_next_some().await
            {
                return;
            }
        }
    }

    /// Waits until the other side has sent it away.
    pub async fn sent_away(&mut self) {
        while self.swarm.connected_peers().next().is_some() {
            self.swarm.select_next_some().await;
        }
    }

    async fn next_answer(&mut self) -> Vec<u8> {
        let answered = async {
            loop {
                if let SwarmEvent::Behaviour(
                    BehaviourEvent::Blocks(Event::Message {
                        message: Message::Response { response, .. },
                        ..
                    })
                    | BehaviourEvent::Ranges(Event::Message {
                        message: Message::Response { response, .. },
                        ..
                    }),
                ) = self.swarm.select_next_some().await
                {
                    return response.bytes;
                }
            }
        };
        within(answered).await
    }

    /// Tells the other side a status with these bytes; returns the bytes of the answer.
    pub async fn tell_status(&mut self, request: Vec<u8>) -> Vec<u8> {
        let node = *self.swarm.connected_peers().next().unwrap();
        (self.swarm.behaviour_mut().status).send_request(&node, request);
        let answered = async {
            loop {
                if let SwarmEvent::Behaviour(BehaviourEvent::Status(Event::Message {
                    message: Message::Response { response, .. },
                    ..
                })) = self.swarm.select_next_some().await
                {
                    return response.bytes;
                }
            }
        };
        within(answered).await
    }

    /// Goes on answering requests for blocks, for ever.
    pub async fn run(&mut self) {
        loop {
            if let SwarmEvent::Behaviour(
                BehaviourEvent::Blocks(Event::Message {
                    message: Message::Request { channel, .. },
                    ..
                })
                | BehaviourEvent::Ranges(Event::Message {
                    message: Message::Request { channel, .. },
                    ..
                }),
            ) = self.swarm.select_next_some().await
            {
                let answer = self.blocks.clone();
                let _ = (self.swarm.behaviour_mut().blocks).send_response(channel, answer);
            }
        }
    }
}
