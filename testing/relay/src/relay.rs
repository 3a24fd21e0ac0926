//! The relay itself: one task that owns the table, the queue and what is drawn for each datagram.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::UdpSocket,
    sync::{mpsc, watch},
    task::{AbortHandle, JoinHandle},
    time::{Instant, sleep_until},
};

use crate::{
    conditions::{Conditions, PacketFate, PacketFates},
    flows::Flows,
    queue::Queue,
};

/// The longest datagram that UDP has.
const MAX_DATAGRAM: usize = 65_535;

/// Clients at a time; a socket each.
const MAX_FLOWS: usize = 256;

/// Bytes under way at a time, in both directions: a second of 250 Mbit/s.
const MAX_QUEUED_BYTES: usize = 32 << 20;

/// Answers of the target that may wait for the relay's task.
const ANSWERS: usize = 1024;

/// How far away the next look is while nothing is under way.
const NEVER: Duration = Duration::from_secs(3600);

/// The configuration of a relay.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// Where clients find it; port 0 is any free port.
    pub listen: SocketAddr,
    /// Where it sends what they send.
    pub target: SocketAddr,
    /// What the link is like.
    pub conditions: Conditions,
    /// What the delays and losses are drawn from.
    pub seed: u64,
}

/// Statistics of a relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Datagrams that were handed on.
    pub passed: u64,
    /// Datagrams that were lost: by chance, by a cut, or because the queue was full.
    pub lost: u64,
    /// Clients that are known.
    pub flows: usize,
}

/// A running relay. Dropped, it ends.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    cut: watch::Sender<bool>,
    stats: watch::Receiver<Stats>,
    task: JoinHandle<()>,
}

impl Relay {
    /// Starts a relay.
    ///
    /// # Errors
    /// When its address cannot be bound.
    pub async fn start(config: RelayConfig) -> io::Result<Self> {
        let socket = UdpSocket::bind(config.listen).await?;
        let address = socket.local_addr()?;
        let (cut, is_cut) = watch::channel(false);
        let (stats, stats_receiver) = watch::channel(Stats::default());
        let (answers, answered) = mpsc::channel(ANSWERS);
        let router = Router {
            socket: Arc::new(socket),
            target: config.target,
            fates: PacketFates::new(config.conditions, config.seed),
            start: Instant::now(),
            flows: Flows::new(MAX_FLOWS),
            queue: Queue::new(MAX_QUEUED_BYTES),
            answers,
            is_cut,
            stats,
        };
        let task = tokio::spawn(router.run(answered));
        Ok(Self {
            address,
            cut,
            stats: stats_receiver,
            task,
        })
    }

    /// Where clients find it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts the link, or mends it. Datagrams under way still arrive.
    pub fn cut(&self, is_cut: bool) {
        self.cut.send_replace(is_cut);
    }

    /// The statistics so far.
    pub fn stats(&self) -> Stats {
        *self.stats.borrow()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A client's socket towards the target. Dropped, it is closed.
#[derive(Debug)]
struct Flow {
    socket: Arc<UdpSocket>,
    reader: AbortHandle,
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Where a datagram goes.
#[derive(Debug)]
enum Way {
    /// To the target, from a client's socket.
    There(Arc<UdpSocket>),
    /// To a client.
    Back(SocketAddr),
}

struct Router {
    socket: Arc<UdpSocket>,
    target: SocketAddr,
    fates: PacketFates,
    start: Instant,
    flows: Flows<Flow>,
    queue: Queue<Way>,
    answers: mpsc::Sender<(SocketAddr, Vec<u8>)>,
    is_cut: watch::Receiver<bool>,
    stats: watch::Sender<Stats>,
}

impl Router {
    async fn run(mut self, mut answered: mpsc::Receiver<(SocketAddr, Vec<u8>)>) {
        let mut buffer = vec![0; MAX_DATAGRAM];
        let socket = self.socket.clone();
        loop {
            let next = self
                .queue
                .next_due()
                .unwrap_or_else(|| Instant::now() + NEVER);
            tokio::select! {
                () = sleep_until(next) => self.deliver().await,
                Some((client, datagram)) = answered.recv() => {
                    // An answer does not keep a flow alive: a client that is gone is answered for long.
                    self.consign(Way::Back(client), datagram);
                }
                // An error of an earlier datagram (ICMP) is reported here; the socket still works.
                Ok((length, client)) = socket.recv_from(&mut buffer) => {
                    if let Ok(flow) = self.flow(client).await {
                        self.consign(Way::There(flow), buffer[..length].to_vec());
                    }
                }
            }
        }
    }

    /// The client's socket towards the target, made where there is none.
    async fn flow(&mut self, client: SocketAddr) -> io::Result<Arc<UdpSocket>> {
        if let Some(flow) = self.flows.touch(client) {
            return Ok(flow.socket.clone());
        }
        let own = SocketAddr::new(self.socket.local_addr()?.ip(), 0);
        let socket = UdpSocket::bind(own).await?;
        socket.connect(self.target).await?;
        let socket = Arc::new(socket);
        let reader = tokio::spawn(read(socket.clone(), client, self.answers.clone()));
        let flow = Flow {
            socket: socket.clone(),
            reader: reader.abort_handle(),
        };
        self.flows.insert(client, flow);
        Ok(socket)
    }

    /// Puts a datagram on its way.
    fn consign(&mut self, way: Way, datagram: Vec<u8>) {
        let now = Instant::now();
        let fate = self.fates.next(now.duration_since(self.start));
        let is_under_way = match fate {
            PacketFate::After(delay) if !*self.is_cut.borrow() => {
                self.queue.push(now + delay, way, datagram)
            }
            _ => false,
        };
        let flows = self.flows.len();
        self.stats.send_modify(|stats| {
            stats.lost += u64::from(!is_under_way);
            stats.flows = flows;
        });
    }

    /// Hands on what has arrived.
    async fn deliver(&mut self) {
        while let Some((way, datagram)) = self.queue.pop(Instant::now()) {
            // If nothing listens there, the datagram is lost, as always with UDP.
            let _ = match way {
                Way::There(socket) => socket.send(&datagram).await,
                Way::Back(client) => self.socket.send_to(&datagram, client).await,
            };
            self.stats.send_modify(|stats| stats.passed += 1);
        }
    }
}

/// Reads the target's answers to one client.
async fn read(
    socket: Arc<UdpSocket>,
    client: SocketAddr,
    answers: mpsc::Sender<(SocketAddr, Vec<u8>)>,
) {
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        // An error says that nothing listened there a moment ago.
        if let Ok(length) = socket.recv(&mut buffer).await
            && answers
                .send((client, buffer[..length].to_vec()))
                .await
                .is_err()
        {
            return;
        }
    }
}
