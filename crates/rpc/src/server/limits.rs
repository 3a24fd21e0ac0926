//! Limits on what clients can hold of the node's resources.

use std::time::Duration;

/// Limits on the connections of one address that is listened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time, 256 by default. When all are taken, the one that keeps us waiting the longest is closed for a
    /// new one.
    pub connections: usize,
    /// Subscribers, which may stay for as long as they like, beside these connections; 1,024 by default. More are refused.
    pub subscribers: usize,
    /// Connections at a time from one remote address, 32 by default; an IPv6 network of 64 bits counts as one address,
    /// and the loopback has no such limit.
    pub per_address: usize,
    /// From the accept, or from a request's first byte on a connection that was kept, to the end of its head;
    /// 5 seconds by default.
    /// (Of a request that was begun before the answer to the last one, the next byte counts as the first.)
    pub head: Duration,
    /// From the end of the head to the end of the body; 10 seconds by default.
    pub body: Duration,
    /// From the end of the head until the client has taken the answer; 30 seconds by default.
    pub exchange: Duration,
    /// How long a subscriber may take nothing of what is sent to it; 30 seconds by default.
    pub stall: Duration,
    /// Between two requests on a connection; 30 seconds by default.
    pub idle: Duration,
    /// Bytes of answers that clients have not taken, 32 MiB by default. When they are more, the client that has been
    /// at its answer the longest is cut off.
    pub answer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Scrapers, dashboards and scripts are dozens at most. With 16 KiB of buffer and some
            // kilobytes of state for each, all of them together stay below 8 MiB.
            connections: 256,
            // A page or a tool has one. Each costs some 50 KiB of memory and no processor time while it reads.
            subscribers: 1024,
            // A browser opens six, a batch job as many as it has threads.
            per_address: 32,
            // A head is one packet or two; a retransmission or three are forgiven.
            head: Duration::from_secs(5),
            // 64 KiB at the speed of a modem.
            body: Duration::from_secs(10),
            // The largest answers are states of some 20 MB, at 1 MB/s.
            exchange: Duration::from_secs(30),
            // A laptop that is closed for a moment stays; one that is carried away does not.
            stall: Duration::from_secs(30),
            // Twice the usual interval of scrapes, so that a scraper may keep its connection.
            idle: Duration::from_secs(30),
            // Half of the memory that untrusted clients may cost a node; one large state, or several batches.
            answer_bytes: 32 << 20,
        }
    }
}
