//! What the fuzz targets reach in here: decoders of streams, and the rules by which peers are measured.

use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};
use libp2p::{PeerId, multihash::Multihash, request_response::Codec};
use quartet_clock::Clock;
use quartet_types::{BlocksByRangeRequest, Root};

use crate::{
    conduct::{Conduct, Deed, GRAYLIST},
    gossip::Meters,
    places::{Stranger, headroom, to_go},
    protocol::{
        BLOCKS_BY_RANGE, BLOCKS_BY_ROOT, BlocksCodec, BlocksQuery, BlocksResponse, STATUS,
        StatusCodec,
    },
    room::Room,
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
    let mut held: Vec<(PeerId, usize)> = Vec::new();
    for _ in 0..steps {
        let peer = peer(choose(5));
        let bytes = (choose(256) << choose(18)) as usize;
        match choose(10) {
            0 | 1 => {
                if meters.begin(peer) && meters.admit(bytes) == crate::gossip::Admission::Admitted {
                    meters.hold(peer, bytes);
                    held.push((peer, bytes));
                }
                meters.end();
            }
            2 => {
                meters.hold(peer, bytes);
                held.push((peer, bytes));
            }
            3 | 4 => {
                if !held.is_empty() {
                    let at = choose(held.len() as u64) as usize;
                    let (peer, bytes) = held.swap_remove(at);
                    meters.release(&peer, bytes);
                }
            }
            5 => meters.set_known(peer, choose(2) == 0),
            6 => meters.forget(&peer),
            7 => meters.mute(peer),
            8 => clock.step(choose(4_000) as i64 - 1_000),
            _ => {
                if meters.begin(peer) {
                    meters.undecodable("reason");
                }
                meters.end();
                while meters.next_faults().is_some() {}
            }
        }
        let sum: usize = held.iter().map(|(_, bytes)| bytes).sum();
        let (all, strangers) = meters.held();
        assert_eq!(all, sum, "what is held does not add up");
        assert!(strangers <= all);
    }
    for (peer, bytes) in held {
        meters.release(&peer, bytes);
    }
    assert_eq!(meters.held(), (0, 0), "something is held for ever");
}

/// The points of a peer under any deeds: never negative, forgotten in time, and too many of them end in leave.
pub fn conduct(choose: Choose<'_>, steps: usize) {
    let mut conduct = Conduct::default();
    let mut now = Duration::ZERO;
    for _ in 0..steps {
        let deed = match choose(5) {
            0 => Deed::Faults(choose(1 << 16) as u32),
            1 => Deed::Delivery,
            2 => Deed::Offence,
            3 => Deed::Slowness,
            _ => Deed::Excess,
        };
        let before = conduct.points();
        let leaves = conduct.note(deed, now);
        assert!(conduct.points() >= 0.0 && conduct.points().is_finite());
        assert!(conduct.score(now) <= 0.0);
        assert_eq!(leaves, conduct.score(now) <= GRAYLIST);
        assert!(deed != Deed::Delivery || conduct.points() <= before);
        now = match choose(8) {
            // The clock was set back.
            0 => now.saturating_sub(Duration::from_millis(choose(10_000))),
            _ => now + Duration::from_millis(choose(30_000)),
        };
    }
    let ages = Duration::from_secs(1 << 40);
    assert_eq!(
        conduct.score(now + ages),
        0.0,
        "nothing is remembered for ever"
    );
}

/// Who has to go: somebody who is there, as long as there are too many, and nobody when there are not.
pub fn places(choose: Choose<'_>) {
    let now = Duration::from_secs(choose(10_000));
    let places = choose(12) as usize;
    let moment = |choose: &mut dyn FnMut(u64) -> u64| Duration::from_secs(choose(10_020));
    let mut strangers: Vec<Stranger> = (0..choose(40))
        .map(|number| Stranger {
            peer: peer(number),
            since: moment(choose),
            useful: (choose(2) == 0).then(|| moment(choose)),
            deeds: choose(100) as f64,
            talks: choose(2) == 0,
        })
        .collect();
    let before = strangers.len();
    while let Some((goes, _)) = to_go(&strangers, places, now) {
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

/// Room under any calls: never more than there is, all of it free in the end.
pub fn room(choose: Choose<'_>, steps: usize) {
    let size = choose(1 << 16) as u32;
    let room = Room::new(size, "quartet_received_response_bytes");
    let mut held = Vec::new();
    for _ in 0..steps {
        match choose(4) {
            0 if !held.is_empty() => drop(held.swap_remove(choose(held.len() as u64) as usize)),
            1 if held.len() > 1 => {
                if let (Some(more), Some(first)) = (held.pop(), held.first_mut()) {
                    crate::room::Held::merge(first, more);
                }
            }
            _ => held.extend(room.try_take(choose(1 << 17) as usize)),
        }
        assert!(room.taken() <= size as usize);
    }
    drop(held);
    assert_eq!(room.taken(), 0);
}
