//! Watches the nodes during an attack.

use std::{collections::BTreeSet, time::Duration};

use futures::future::join_all;
use quartet_clock::Clock;
use quartet_types::Slot;

use crate::node::{ChainStatus, Node};

/// How often memory is looked at.
const SAMPLE: Duration = Duration::from_millis(200);

/// By then, the nodes have counted a slot's votes.
const SLOT_END: Duration = Duration::from_millis(3_400);

/// A block may just be on its way when the nodes are asked; after this long they are asked again.
pub(crate) const SECOND_LOOK: Duration = Duration::from_millis(200);

/// What was seen while the nodes were watched.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watched {
    /// The most memory of each node.
    pub(crate) peaks: Vec<u64>,
    /// How many slots finality was behind at the end of each slot, on the node that is furthest behind.
    pub(crate) lags: Vec<Slot>,
    /// Slots at whose end the nodes had different heads.
    pub(crate) splits: u64,
    /// Questions to which a node gave no answer.
    pub(crate) unanswered: u64,
    /// Whether all had the same head in the end.
    pub(crate) agree: bool,
}

/// Watches the nodes for so long.
pub(crate) async fn watch(nodes: &[Node], clock: &Clock, duration: Duration) -> Watched {
    let mut watched = Watched {
        peaks: nodes.iter().map(rss).collect(),
        ..Watched::default()
    };
    let end = clock.now() + duration;
    let mut last_slot = None;
    while clock.now() < end {
        tokio::time::sleep(SAMPLE).await;
        for (peak, node) in watched.peaks.iter_mut().zip(nodes) {
            *peak = rss(node).max(*peak);
        }
        let slot = clock.slot();
        if last_slot != Some(slot) && clock.since_slot(slot) >= SLOT_END {
            last_slot = Some(slot);
            let (views, unanswered) = views(nodes).await;
            watched.lags.extend(lag(&views, slot));
            watched.agree = agree(&views);
            watched.splits += u64::from(!watched.agree);
            watched.unanswered += unanswered;
        }
    }
    watched
}

/// The nodes' views, taken a second time if they do not agree the first time; and how many nodes do not answer.
pub(crate) async fn views(nodes: &[Node]) -> (Vec<ChainStatus>, u64) {
    let ask = || async {
        let views = join_all(nodes.iter().map(Node::view)).await;
        views.into_iter().flatten().collect::<Vec<_>>()
    };
    let mut views = ask().await;
    if views.len() < nodes.len() || !agree(&views) {
        tokio::time::sleep(SECOND_LOOK).await;
        views = ask().await;
    }
    let unanswered = nodes.len() - views.len();
    (views, unanswered as u64)
}

/// A node's memory, in bytes; that of one that has ended is none.
pub(crate) fn rss(node: &Node) -> u64 {
    node.rss().unwrap_or_default()
}

/// How far the node that is furthest behind has finality behind `slot`.
pub(crate) fn lag(views: &[ChainStatus], slot: Slot) -> Option<Slot> {
    let finalized = views.iter().map(|view| view.finalized.slot).min()?;
    Some(slot.saturating_sub(finalized))
}

/// Whether all have the same head.
pub(crate) fn agree(views: &[ChainStatus]) -> bool {
    let heads: BTreeSet<_> = views.iter().map(|view| view.head.root).collect();
    heads.len() == 1
}

#[cfg(test)]
mod tests {
    use quartet_types::{Checkpoint, Root};

    use super::*;

    fn view(head: u8, finalized: Slot) -> ChainStatus {
        let checkpoint = |byte, slot| Checkpoint {
            root: Root::repeat_byte(byte),
            slot,
        };
        ChainStatus {
            head: checkpoint(head, 9),
            finalized: checkpoint(1, finalized),
        }
    }

    #[test]
    fn the_lag_is_that_of_the_node_furthest_behind() {
        assert_eq!(lag(&[view(1, 6), view(1, 4), view(1, 6)], 9), Some(5));
        assert_eq!(lag(&[], 9), None);
    }

    #[test]
    fn nodes_agree_when_all_have_one_head() {
        assert!(agree(&[view(1, 6), view(1, 5)]));
        assert!(!agree(&[view(1, 6), view(2, 6)]));
        assert!(!agree(&[]));
    }
}
