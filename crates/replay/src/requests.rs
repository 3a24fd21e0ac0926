//! After a beginning in the middle, requests have other numbers, and some were made before.

use std::collections::BTreeMap;

use quartet_recording::{Decision, Event, Request, Taken};
use quartet_sync::PeerName;
use quartet_types::{Root, Slot};

/// Most requests that wait for their answers; there are never more than some dozen.
const MAX_OPEN: usize = 1024;

/// By the recording's number of a request, the number that it has here.
#[derive(Debug, Default)]
pub(crate) struct Requests(BTreeMap<u64, u64>);

impl Requests {
    /// Finds out which requests are the same.
    pub(crate) fn note(&mut self, recorded: &[Decision], replayed: &[Decision]) {
        let mut here: Vec<_> = replayed.iter().filter_map(request).collect();
        for (number, what) in recorded.iter().filter_map(request) {
            if let Some(place) = here.iter().position(|(_, other)| *other == what) {
                self.0.insert(number, here.remove(place).0);
            }
        }
        while self.0.len() > MAX_OPEN {
            self.0.pop_first();
        }
    }

    /// The events for the replayed service. Blocks of a request that it did not make come as if by gossip.
    pub(crate) fn translate(&mut self, event: &Event) -> Vec<Event> {
        let Taken::Requested { request, result } = &event.taken else {
            return vec![event.clone()];
        };
        let like = |taken| Event {
            taken,
            ..event.clone()
        };
        if let Some(number) = self.0.remove(request) {
            let result = result.clone();
            return vec![like(Taken::Requested {
                request: number,
                result,
            })];
        }
        let blocks = result.as_ref().map_or(&[][..], Vec::as_slice).iter();
        let blocks = blocks.map(|block| {
            like(Taken::Block {
                block: block.clone(),
                peer: PeerName::new("an earlier request"),
            })
        });
        blocks.collect()
    }
}

#[derive(PartialEq)]
enum What<'a> {
    Roots(&'a PeerName, &'a [Root]),
    Range(&'a PeerName, Slot, u64),
}

fn request(decision: &Decision) -> Option<(u64, What<'_>)> {
    let Decision::Asked { peer, request, .. } = decision else {
        return None;
    };
    match request {
        Request::Roots(number, roots) => Some((*number, What::Roots(peer, roots))),
        Request::Range(number, start, count) => Some((*number, What::Range(peer, *start, *count))),
        Request::Leave(_) | Request::Penalty(_) => None,
    }
}
