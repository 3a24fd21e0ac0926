//! What the chain service records of itself is enough to do it all again.
// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use quartet_chain::{ChainMessage, ChainServiceConfig, PeerName, RequestError, Verdict};
use quartet_recording::{Limits, MIN_LIMIT, Recording};
use quartet_replay::{Beginning, ReplayEvent, ReplayOptions, ReplayOutcome, Rules, play};
use quartet_types::Root;
use quartet_world::{
    StandIn, World, forged,
    node::{Node, Setup, Wanted, served},
};
use tempfile::tempdir;

/// What a replay has told.
#[derive(Default)]
struct Heard {
    in_the_middle: usize,
    head: Option<Root>,
    notices: Vec<String>,
}

fn replay(directory: &Path, rules: Rules) -> (ReplayOutcome, Heard) {
    let options = ReplayOptions {
        rules,
        ..ReplayOptions::new(&StandIn)
    };
    let mut heard = Heard::default();
    let recording = Recording::open(directory).unwrap();
    let outcome = play(&recording, options, |told| match told {
        ReplayEvent::Begins(Beginning::InTheMiddle, _) => heard.in_the_middle += 1,
        ReplayEvent::Slot(line) => heard.head = Some(line.head.root),
        ReplayEvent::Notice(notice) => heard.notices.push(notice),
        _ => {}
    });
    (outcome, heard)
}

fn recorded(directory: &Path, setup: Setup) -> Setup {
    Setup {
        recording: Some((directory.to_owned(), Limits::of(MIN_LIMIT))),
        ..setup
    }
}

/// The node's own validators propose a block and vote.
async fn own_duties(world: &World, node: &Node, block: usize) {
    let made = &world.made[block];
    let slot = made.slot();
    node.prepare(slot).await;
    node.own_block(made).await;
    node.until(slot, 1).await;
    let data = node.chain.read().attestation_data(slot);
    let mut unknown = world.vote(1, block, slot);
    unknown.data.head.root = Root::repeat_byte(0xee);
    let own = quartet_types::Attestation {
        validator_id: 0,
        data,
    };
    let votes = vec![world.sign(own), world.sign(unknown)];
    assert_eq!(node.own_votes(votes).await, [true, false]);
}

/// A node comes late, catches up from peers of which some fail, does duties, hears what is forged, early, or names what is not
/// there, and is stopped.
async fn eventful(world: &mut World, node: &mut Node) -> usize {
    let tip = world.grow(0, 1..=30);
    let (good, bad) = ("good", "bad");
    node.status(world, bad, world.made[tip].checkpoint()).await;
    for request in node.requests() {
        node.answer(request.number, Err(RequestError::NoAnswer))
            .await;
    }
    node.status(world, good, world.made[tip].checkpoint()).await;
    // One answer is broken: its last block is in a bad envelope.
    let mut is_broken = true;
    for _ in 0..8 {
        for request in node.requests() {
            let mut blocks = served(world, tip, &request.wanted);
            if let (Wanted::Slots(_), true, Some(last)) = (&request.wanted, is_broken, blocks.pop())
            {
                blocks.push(forged(&last).into());
                is_broken = false;
            } else {
                blocks = served(world, tip, &request.wanted);
            }
            node.answer(request.number, Ok(blocks)).await;
        }
        let slot = node.clock.slot();
        node.until(slot + 1, 0).await;
    }
    assert!(!is_broken);
    assert_eq!(node.head(), world.made[tip].root);

    let slot = node.clock.slot() + 1;
    node.until(slot, 0).await;
    let own = world.propose(tip, slot, &[]).unwrap();
    own_duties(world, node, own).await;
    // The next slot has two blocks, votes for both of one validator, and a forged vote.
    let [first, second] = [own, tip].map(|parent| {
        let votes = [world.vote(2, parent, slot)];
        world.propose(parent, slot + 1, &votes).unwrap()
    });
    let early = node.block(good, &world.made[first].block).await;
    node.until(slot + 1, 0).await;
    let _ = (early, node.block(bad, &world.made[second].block).await);
    let votes = [
        world.vote(1, first, slot + 1),
        world.vote(1, second, slot + 1),
        world.vote(3, first, slot + 2),
    ];
    node.votes(world, good, &votes).await;
    let mut forged_vote = node
        .block(bad, &forged(&world.made[second].block).into())
        .await;
    assert!(matches!(
        forged_vote.verdict(),
        Some(Verdict::Ignore | Verdict::Reject)
    ));
    // A block without its parent, and a vote for one that nobody has.
    let missing = world.grow(first, [slot + 2]);
    let child = world.grow(missing, [slot + 3]);
    node.until(slot + 3, 0).await;
    let _waits = node.block(good, &world.made[child].block).await;
    let mut nowhere = world.vote(0, child, slot + 3);
    nowhere.data.head.root = Root::repeat_byte(0xdd);
    node.votes(world, bad, &[nowhere]).await;
    node.tell(ChainMessage::Disconnected {
        peer: PeerName::new(bad),
    })
    .await;
    node.serve(world, child).await;
    assert_eq!(node.head(), world.made[child].root);
    child
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_replayed_decides_the_same_in_each_of_its_sessions() {
    let directory = tempdir().unwrap();
    let mut world = World::new(4);
    let config = ChainServiceConfig {
        expects_peers: true,
        backfill: true,
    };
    let setup = Setup {
        config,
        ..Setup::at(31)
    };
    let mut node = recorded(directory.path(), setup).start(&world).await;
    let head = eventful(&mut world, &mut node).await;
    let slot = node.clock.slot();
    let store = node.stop().await;
    let (first, heard) = replay(directory.path(), Rules::QUARTET);
    assert!(
        first.is_identical() && !first.is_incomplete,
        "{first:#?} {:?}",
        heard.notices
    );
    assert_eq!(heard.head, Some(world.made[head].root));
    assert!(first.agreeing > 100, "{first:#?}");

    let setup = Setup {
        config,
        store: Some(store),
        ..Setup::at(slot + 2)
    };
    let node = recorded(directory.path(), setup).start(&world).await;
    assert_eq!(node.head(), world.made[head].root);
    let next = world.grow(head, slot + 2..slot + 6);
    for block in head + 1..=next {
        node.until(world.made[block].slot(), 0).await;
        node.import(&world, &[block]).await;
    }
    node.stop().await;
    let (both, heard) = replay(directory.path(), Rules::QUARTET);
    assert!(
        both.is_identical() && !both.is_incomplete,
        "{both:#?} {:?}",
        heard.notices
    );
    assert_eq!((both.sessions, heard.in_the_middle), (2, 0));
    assert!(both.agreeing > first.agreeing);
    assert_eq!(heard.head, Some(world.made[next].root));
}

#[tokio::test(start_paused = true)]
async fn a_recording_that_has_lost_its_beginning_is_replayed_from_the_middle() {
    let directory = tempdir().unwrap();
    let mut world = World::new(4);
    let limits = Limits::with_segments(256 << 10, 32 << 10);
    let setup = Setup {
        recording: Some((directory.path().to_owned(), limits)),
        ..Setup::at(0)
    };
    let node = setup.start(&world).await;
    let tip = world.grow(0, 1..=120);
    for block in 1..=tip {
        node.until(world.made[block].slot(), 0).await;
        node.import(&world, &[block]).await;
        let votes = [world.vote(0, block, world.made[block].slot())];
        node.until(world.made[block].slot(), 1).await;
        node.votes(&world, "peer", &votes).await;
    }
    node.stop().await;
    let (outcome, heard) = replay(directory.path(), Rules::QUARTET);
    assert_eq!(outcome.first, None, "{:?}", heard.notices);
    assert!(outcome.is_identical(), "{:?}", heard.notices);
    assert_eq!(heard.in_the_middle, 1, "{:?}", heard.notices);
    assert_eq!(heard.head, Some(world.made[tip].root));
    let told = heard.notices.join("\n");
    assert!(told.contains("of the recording are gone"), "{told}");
    assert!(!told.contains("does not stand where"), "{told}");
}
