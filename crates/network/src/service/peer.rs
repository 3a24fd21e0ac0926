//! What the service knows of a connected peer.

use std::time::Duration;

use libp2p::swarm::ConnectionId;
use quartet_chain::{Direction, PeerName};
use quartet_types::MAX_REQUEST_BLOCKS;

use crate::{limiter::Bucket, server::Allowance};

/// Statuses that a peer may send in a burst, and per second; real clients send one every few seconds.
const STATUS_BURST: u32 = 8;
const STATUSES_PER_SECOND: u32 = 1;
/// Roots that a peer may ask for in a burst, and per second. A request costs one besides its roots, so
/// that a node that catches up parent by parent gets half as many blocks.
const ROOTS_BURST: u32 = 4 * MAX_REQUEST_BLOCKS as u32;
const ROOTS_PER_SECOND: u32 = 2 * MAX_REQUEST_BLOCKS as u32;

/// A connected peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) name: PeerName,
    /// Its connections, the oldest first; at least one.
    pub(super) links: Vec<Link>,
    /// The software it says it runs.
    pub(super) agent: Option<String>,
    /// When it last told us its status.
    pub(super) heard: Option<Duration>,
    /// Whether it may answer if we ask for its status.
    pub(super) tells_status: bool,
    /// Points off its score.
    pub(super) penalty: f64,
    pub(super) statuses: Bucket,
    /// What looking up what it asks for may cost, in roots.
    pub(super) roots: Bucket,
    /// What it may be sent.
    pub(super) allowance: Allowance,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: ConnectionId,
    pub(super) direction: Direction,
    pub(super) since: Duration,
}

impl Peer {
    pub(super) fn new(name: PeerName, link: Link) -> Self {
        let now = link.since;
        Self {
            name,
            links: vec![link],
            agent: None,
            heard: None,
            tells_status: true,
            penalty: 0.0,
            statuses: Bucket::new(STATUS_BURST, STATUSES_PER_SECOND, now),
            roots: Bucket::new(ROOTS_BURST, ROOTS_PER_SECOND, now),
            allowance: Allowance::default(),
        }
    }
}
