//! Where a recording's segments begin, and with what.

use std::{collections::BTreeSet, time::Duration};

use quartet_chain::{LeanChain, SyncState};
use quartet_recording::{Keyframe, Limits, Taken};
use quartet_types::{Attestation, Root, Slot};
use quartet_world::{World, node::Setup};
use tempfile::{TempDir, tempdir};

use super::Segment;

/// How long an interval lasts.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long a test waits after what it says.
const A_MOMENT: Duration = Duration::from_millis(20);

/// What a keyframe says of a chain that does not depend on which blocks are in memory.
fn is_like(keyframe: &Keyframe, chain: &LeanChain) {
    let view = chain.view();
    assert_eq!(keyframe.time, chain.time());
    assert_eq!(
        (
            keyframe.head,
            keyframe.safe_target,
            keyframe.justified,
            keyframe.finalized
        ),
        (view.head, view.safe_target, view.justified, view.finalized)
    );
    let tree = chain.fork_choice();
    assert_eq!(keyframe.anchor.root, tree.oldest_block().root);
    let roots = std::iter::once(&keyframe.anchor).chain(&keyframe.blocks);
    let roots: Vec<Root> = roots.map(|block| block.root).collect();
    let blocks: Vec<Root> = tree.blocks().map(|weighed| weighed.block.root).collect();
    assert_eq!(roots, blocks);
    for block in &keyframe.blocks {
        let checkpoints = tree.checkpoints_of(&block.root).unwrap();
        assert_eq!(
            (block.justified, block.finalized),
            (checkpoints.justified, checkpoints.finalized)
        );
    }
    let votes: Vec<Attestation> = tree.known_attestations().collect();
    assert_eq!(keyframe.votes, votes);
    let volatile = tree.volatile_state();
    assert_eq!(keyframe.new_votes, volatile.new_votes);
    assert_eq!(keyframe.equivocated, volatile.equivocated);
    assert_eq!(keyframe.is_synced, chain.sync_state() == SyncState::Synced);
    // All that is known of is in the keyframe's chain.
    assert_eq!(keyframe.remembered, []);
}

/// The segments of a recording, which are short, of a chain with a block in every slot. If `an_orphan_waits`, there is always a block that
/// waits for one that does not come.
async fn in_short_segments(directory: &TempDir, an_orphan_waits: bool) -> Vec<Segment> {
    let mut world = World::new(4);
    let limits = Limits::with_segments(1 << 20, 16 << 10);
    let setup = Setup {
        recording: Some((directory.path().to_owned(), limits)),
        ..Setup::among_peers(0)
    };
    let node = setup.start(&world).await;
    node.status(&world, "peer", world.genesis().checkpoint())
        .await;
    let mut tip = 0;
    for slot in 1..90 {
        let missing = world.propose(tip, slot, &[world.vote(3, tip, slot)]);
        let orphan = world.propose(missing.unwrap(), slot + 1, &[]).unwrap();
        tip = world.grow(tip, [slot]);
        node.until(slot, 0).await;
        node.import(&world, &[tip]).await;
        // They are gathered while the last interval begins.
        node.until(slot, 2).await;
        tokio::time::sleep(INTERVAL - A_MOMENT - Duration::from_millis(2)).await;
        let votes = [world.vote(0, tip, slot), world.vote(2, tip, slot)];
        node.votes(&world, "peer", &votes).await;
        if an_orphan_waits {
            node.until(slot + 1, 0).await;
            node.block("peer", &world.made[orphan].block).await;
        }
    }
    node.stop().await;
    Segment::all(directory)
}

/// The slot in which a segment ends, in its last interval.
fn ends(segment: &Segment) -> Slot {
    let ticks = segment.events.iter().rev();
    let mut ticks = ticks.filter_map(|(event, _)| match event.taken {
        Taken::Tick { slot, interval, .. } => Some((slot, interval)),
        _ => None,
    });
    let (slot, interval) = ticks.next().unwrap();
    assert_eq!(interval, 3);
    slot
}

#[tokio::test(start_paused = true)]
async fn a_segment_begins_where_the_one_before_ends() {
    let directory = tempdir().unwrap();
    let segments = in_short_segments(&directory, false).await;
    assert!(segments.len() > 9, "{}", segments.len());
    for (segment, next) in segments.iter().zip(&segments[1..]) {
        let replayed = segment.replayed();
        is_like(&next.keyframe, &replayed.chain());
        assert_eq!(replayed.standing().sync, SyncState::Synced);
        ends(segment);
    }
}

#[tokio::test(start_paused = true)]
async fn a_segment_begins_although_something_waits_but_some_slots_later() {
    let [quiet, waiting] = [tempdir().unwrap(), tempdir().unwrap()];
    let quiet = in_short_segments(&quiet, false).await;
    let waiting = in_short_segments(&waiting, true).await;
    let slots = |segments: &[Segment]| {
        let (_, segments) = segments.split_last().unwrap();
        segments.iter().map(ends).collect::<Vec<_>>()
    };
    let gaps = |slots: Vec<Slot>| {
        let gaps = slots.windows(2).map(|pair| pair[1] - pair[0]);
        gaps.collect::<BTreeSet<_>>()
    };
    assert_eq!(gaps(slots(&quiet)), BTreeSet::from([1]));
    assert_eq!(gaps(slots(&waiting)), BTreeSet::from([3]));
}
