//! What the fuzz targets reach in here: decoders of streams, and the rules by which peers are measured.

use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};
use libp2p::{PeerId, multihash::Multihash, request_response::Codec};
use quartet_clock::Clock;
use quartet_types::{BlocksByRangeRequest, Root};

use crate::{
    byte_budget::ByteBudget,
    gossip::{Admission, Meters},
    peer_slots::{Stranger, headroom, stranger_to_evict},
    penalties::{GRAYLIST_SCORE, PeerAction, Penalties},
    protocol::{
        BLOCKS_BY_RANGE, BLOCKS_BY_ROOT, BlocksCodec, BlocksQuery, BlocksResponse, STATUS,
        StatusCodec,
    },
    wire::Topic,
};

/// Chooses a number below the one given.
pub type Choose<'a> = &'a mut dyn FnMut(u64) -> u64;

/// What is asked of a peer.
#[derive(Clone, Debug)]
pub enum Question {
    /// Its status.
    Status,
    /// Blocks, by their roots.
    Roots(Vec<Root>),
    /// Blocks, by their slots.
    Range(BlocksByRangeRequest),
}

/// Reads a request for what the question is; what was understood, or why not, as text.
pub async fn read_request<T>(question: &Question, stream: &mut T) -> String
where
    T: AsyncRead + Unpin + Send,
{
    match question {
        Question::Status => format!("{:?}", StatusCodec.read_request(&STATUS, stream).await),
        Question::Roots(_) => {
            let mut codec = BlocksCodec::default();
            format!("{:?}", codec.read_request(&BLOCKS_BY_ROOT, stream).await)
        }
        Question::Range(_) => {
            let mut codec = BlocksCodec::default();
            format!("{:?}", codec.read_request(&BLOCKS_BY_RANGE, stream).await)
        }
    }
}

/// Writes a question and reads the answer; what was understood, or why not, as text.
pub async fn read_answer<T, W>(question: &Question, sent: &mut W, stream: &mut T) -> String
where
    T: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    let (asked, protocol) = match question {
        Question::Status => {
            return format!("{:?}", StatusCodec.read_response(&STATUS, stream).await);
        }
        Question::Roots(roots) => (BlocksQuery::Roots(roots.clone()), &BLOCKS_BY_ROOT),
        Question::Range(range) => (BlocksQuery::Range(*range), &BLOCKS_BY_RANGE),
    };
    let mut codec = BlocksCodec::default();
    if let Err(error) = codec.write_request(protocol, sent, Ok(asked)).await {
        return format!("{error:?}");
    }
    match codec.read_response(protocol, stream).await {
        Ok(BlocksResponse::Received(received)) => format!("{:?}", received.blocks),
        other => format!("{other:?}"),
    }
}

fn peer(number: u64) -> PeerId {
    let digest = Multihash::wrap(0, &number.to_be_bytes());
    digest
        .ok()
        .and_then(|digest| PeerId::from_multihash(digest).ok())
        .unwrap_or_else(PeerId::random)
}

/// The meters of gossip under any calls: what is held adds up, and when all has been released nothing is.
pub fn meters(choose: Choose<'_>, steps: usize) {
    let clock = Clock::manual(0, Duration::from_secs(1));
    let meters = Meters::new(clock.clone());
    let mut held: Vec<(PeerId, Topic, usize)> = Vec::new();
    for _ in 0..steps {
        let peer = peer(choose(5));
        let topic = Topic::ALL[choose(2) as usize];
        let bytes = (choose(256) << choose(18)) as usize;
        match choose(10) {
            0 | 1 => {
                if meters.begin(peer) && meters.admit(topic, bytes) == Admission::Admitted {
                    meters.hold(peer, topic, bytes);
                    held.push((peer, topic, bytes));
                }
                meters.end();
            }
            2 => {
                meters.hold(peer, topic, bytes);
                held.push((peer, topic, bytes));
            }
            3 | 4 => {
                if !held.is_empty() {
                    let at = choose(held.len() as u64) as usize;
                    let (peer, topic, bytes) = held.swap_remove(at);
                    meters.release(&peer, topic, bytes);
                }
            }
            5 => meters.set_known(peer, choose(2) == 0),
            6 => meters.forget(&peer),
            7 => meters.mute(&peer),
            8 => clock.step(choose(4_000) as i64 - 1_000),
            _ => {
                if meters.begin(peer) {
                    meters.undecodable("reason");
                }
                meters.end();
                while meters.next_faults().is_some() {}
            }
        }
        let sum: usize = held.iter().map(|(.., bytes)| bytes).sum();
        let (all, strangers) = meters.held();
        assert_eq!(all, sum, "what is held does not add up");
        assert!(strangers <= all);
    }
    for (peer, topic, bytes) in held {
        meters.release(&peer, topic, bytes);
    }
    assert_eq!(meters.held(), (0, 0), "something is held for ever");
}

/// The points of a peer under any actions: never negative, zero after some time, and too many mean that it is disconnected.
pub fn penalties(choose: Choose<'_>, steps: usize) {
    let mut penalties = Penalties::default();
    let mut now = Duration::ZERO;
    for _ in 0..steps {
        let action = match choose(5) {
            0 => PeerAction::Faults(choose(1 << 16) as u32),
            1 => PeerAction::Delivery,
            2 => PeerAction::Offence,
            3 => PeerAction::Slowness,
            _ => PeerAction::Excess,
        };
        let before = penalties.points();
        let leaves = penalties.record(action, now);
        assert!(penalties.points() >= 0.0 && penalties.points().is_finite());
        assert!(penalties.score(now) <= 0.0);
        assert_eq!(leaves, penalties.score(now) <= GRAYLIST_SCORE);
        assert!(action != PeerAction::Delivery || penalties.points() <= before);
        now = match choose(8) {
            // The clock was set back.
            0 => now.saturating_sub(Duration::from_millis(choose(10_000))),
            _ => now + Duration::from_millis(choose(30_000)),
        };
    }
    let ages = Duration::from_secs(1 << 40);
    assert_eq!(
        penalties.score(now + ages),
        0.0,
        "nothing is remembered for ever"
    );
}

/// Evictions: a connected stranger as long as there are too many, and none otherwise.
pub fn peer_slots(choose: Choose<'_>) {
    let now = Duration::from_secs(choose(10_000));
    let places = choose(12) as usize;
    let moment = |choose: &mut dyn FnMut(u64) -> u64| Duration::from_secs(choose(10_020));
    let mut strangers: Vec<Stranger> = (0..choose(40))
        .map(|number| Stranger {
            peer: peer(number),
            since: moment(choose),
            last_useful: (choose(2) == 0).then(|| moment(choose)),
            usefulness: choose(100) as f64,
            talks: choose(2) == 0,
        })
        .collect();
    let before = strangers.len();
    while let Some((goes, _)) = stranger_to_evict(&strangers, places, now) {
        assert!(
            strangers.len() > places,
            "somebody goes though there is room"
        );
        let left = strangers.len();
        strangers.retain(|stranger| stranger.peer != goes);
        assert_eq!(strangers.len(), left - 1, "who goes was not there");
    }
    assert!(strangers.len() <= (places + headroom(places)).min(before).max(places));
}

/// A budget under any calls: never exceeded, and all of it free in the end.
pub fn byte_budget(choose: Choose<'_>, steps: usize) {
    let size = choose(1 << 16) as u32;
    let budget = ByteBudget::new(size, "quartet_received_response_bytes");
    let mut held = Vec::new();
    for _ in 0..steps {
        match choose(4) {
            0 if !held.is_empty() => drop(held.swap_remove(choose(held.len() as u64) as usize)),
            1 if held.len() > 1 => {
                if let (Some(more), Some(first)) = (held.pop(), held.first_mut()) {
                    crate::byte_budget::ReservedBytes::merge(first, more);
                }
            }
            _ => held.extend(budget.try_reserve(choose(1 << 17) as usize)),
        }
        assert!(budget.reserved() <= size as usize);
    }
    drop(held);
    assert_eq!(budget.reserved(), 0);
}
