//! What the chain service records of itself, and that it decides the same again from that.

mod segments;

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use quartet_chain::{
    ChainMessage, ChainServiceConfig, LeanChain, PeerName, ReplayedService, Verdict,
    VerifySignatures,
};
use quartet_fork_choice::Rules;
use quartet_recording::{
    Answer, Decision, Event, Frame, Job, Keyframe, Limits, MIN_LIMIT, Recording, SegmentReader,
    Start, Taken,
};
use quartet_storage::Database;
use quartet_types::{Block, Root, Signature, SignedBlockWithAttestation, State};
use quartet_world::{
    StandIn, World, forged,
    node::{Setup, Wanted, served},
};
use quartet_xmss::Verification;
use tempfile::{TempDir, tempdir};

use crate::disk::Disk;

/// A segment of a recording.
struct Segment {
    start: Start,
    keyframe: Keyframe,
    events: Vec<(Event, Vec<Decision>)>,
}

impl Segment {
    fn read(path: &Path) -> Self {
        let mut frames = SegmentReader::open(path).unwrap().map(Result::unwrap);
        let (Some(Frame::Start(start)), Some(Frame::Keyframe(keyframe))) =
            (frames.next(), frames.next())
        else {
            panic!("a segment begins otherwise");
        };
        let mut segment = Self {
            start,
            keyframe: *keyframe,
            events: Vec::new(),
        };
        for frame in frames {
            match frame {
                Frame::Event(event) => segment.events.push((event, Vec::new())),
                Frame::Decided(decided) => segment.events.last_mut().unwrap().1 = decided,
                Frame::End => {}
                other => panic!("{other:?}"),
            }
        }
        segment
    }

    fn all(directory: &TempDir) -> Vec<Self> {
        let recording = Recording::open(directory.path()).unwrap();
        let segments = recording.sessions.iter().flat_map(|run| &run.segments);
        segments.map(|segment| Self::read(&segment.path)).collect()
    }

    /// The service after all of it, if it has decided the same.
    fn replayed(&self) -> ReplayedService {
        let (start, keyframe) = (&self.start, &self.keyframe);
        let mut service =
            ReplayedService::begin(start, keyframe, &StandIn, Rules::QUARTET).unwrap();
        for (event, recorded) in &self.events {
            let decided = service.take(event, recorded).unwrap();
            let decided = decided.expect("what is finished has been begun");
            let agree = |(one, other): (&Decision, &Decision)| one.agrees_with(other);
            assert!(
                decided.len() == recorded.len() && decided.iter().zip(recorded).all(agree),
                "{:?}: {decided:?} instead of {recorded:?}",
                event.taken
            );
        }
        assert_eq!(service.held_jobs(), []);
        service
    }

    /// What was taken, in short, and under each what was decided. Blocks are called by their places in the world.
    fn told(&self, world: &World) -> Vec<String> {
        let mut lines = Vec::new();
        for (event, decided) in &self.events {
            lines.push(taken(&event.taken));
            lines.extend(decided.iter().map(|decision| format!("  {decision:?}")));
        }
        for line in &mut lines {
            for (place, made) in world.made.iter().enumerate() {
                *line = line.replace(&format!("{:?}", made.root), &format!("block {place}"));
            }
        }
        lines
    }
}

fn taken(taken: &Taken) -> String {
    let root = |block: &SignedBlockWithAttestation| {
        tree_hash::TreeHash::tree_hash_root(&block.message.block)
    };
    match taken {
        Taken::Tick {
            slot,
            interval,
            missed,
        } => format!("tick {slot}.{interval}, {missed} missed"),
        Taken::Attestations(votes) => format!("{} votes", votes.len()),
        Taken::Block { block, peer } => format!("{:?} from {peer}", root(block)),
        Taken::OwnBlock(block) => format!("own {:?}", root(block)),
        Taken::OwnAttestations(votes) => format!("{} own votes", votes.len()),
        Taken::Status { peer, .. } => format!("status of {peer}"),
        Taken::Requested { request, result } => {
            let result = result.as_ref().map(Vec::len);
            format!("answer to {request}: {result:?}")
        }
        other => format!("{other:?}"),
    }
}

/// A setup that is recorded, in segments as long as they usually are.
fn recorded(directory: &TempDir, setup: Setup) -> Setup {
    Setup {
        recording: Some((directory.path().to_owned(), Limits::of(MIN_LIMIT))),
        ..setup
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_by_gossip_is_recorded_with_what_was_decided_of_it() {
    let directory = tempdir().unwrap();
    let mut world = World::new(4);
    let mut node = recorded(&directory, Setup::among_peers(1))
        .start(&world)
        .await;
    let first = world.grow(0, [1]);
    let second = world.propose(first, 2, &[]).unwrap();
    let other = world.propose(first, 2, &[world.vote(3, first, 1)]).unwrap();
    let missing = world.grow(second, [3]);
    let orphan = world.grow(missing, [4]);
    node.status(&world, "peer", world.genesis().checkpoint())
        .await;
    node.import(&world, &[first]).await;
    node.until(2, 0).await;
    node.block("forger", &forged(&world.made[second].block).into())
        .await;
    node.import(&world, &[second]).await;
    node.block("peer", &world.made[other].block).await;
    let mut nowhere = world.vote(2, second, 2);
    nowhere.data.head.root = Root::repeat_byte(0xee);
    let mut bad = world.sign(world.vote(1, second, 2));
    bad.signature = Signature::default();
    let votes = vec![
        world.sign(world.vote(0, second, 2)),
        bad,
        world.sign(nowhere),
    ];
    node.signed_votes("peer", votes).await;
    node.until(4, 0).await;
    node.fill_network().await;
    node.block("peer", &world.made[orphan].block).await;
    node.messages();
    node.tell(ChainMessage::Disconnected {
        peer: PeerName::new("peer"),
    })
    .await;
    node.stop().await;
    let segments = Segment::all(&directory);
    let told = segments[0].told(&world).join("\n");
    assert_eq!(
        told,
        include_str!("recording/gossip.txt").trim_end(),
        "{told}"
    );
    let replayed = segments[0].replayed();
    assert_eq!(replayed.waiting().blocks.len(), 1);
}

/// Breaks down while it is told to.
#[derive(Debug)]
struct Broken(AtomicBool);

impl VerifySignatures for Broken {
    fn verify_many(&self, items: &[Verification<'_>]) -> Vec<bool> {
        assert!(!self.0.load(Ordering::Relaxed), "the verifier breaks down");
        StandIn.verify_many(items)
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_machine_could_not_check_is_nobodys_fault_and_the_same_in_the_replay() {
    static BROKEN: Broken = Broken(AtomicBool::new(false));
    let is_broken = |is_broken| BROKEN.0.store(is_broken, Ordering::Relaxed);
    let directory = tempdir().unwrap();
    let mut world = World::new(4);
    let mut setup = Setup::at(80);
    setup.verifier = &BROKEN;
    let mut node = recorded(&directory, setup).start(&world).await;
    let tip = world.grow(0, 1..=79);
    let due = world.grow(tip, [80]);
    let other = world.propose(tip, 80, &[]).unwrap();
    let orphan = world.grow(due, [81, 82]);
    node.status(&world, "peer", world.made[tip].checkpoint())
        .await;
    // The claimed head, a range, then all that comes one by one.
    is_broken(true);
    let first = node.requests();
    for request in &first {
        let blocks = served(&world, tip, &request.wanted);
        node.answer(request.number, Ok(blocks)).await;
    }
    is_broken(false);
    node.status(&world, "peer", world.made[tip].checkpoint())
        .await;
    let mut is_first = true;
    node.serve_by(|request| {
        let is_range = matches!(request.wanted, Wanted::Slots(_));
        is_broken(is_range && is_first);
        is_first &= !is_range;
        Ok(served(&world, tip, &request.wanted))
    })
    .await;
    assert_eq!(node.head(), world.made[tip].root);
    node.until(82, 0).await;
    is_broken(true);
    node.block("peer", &world.made[due].block).await;
    node.block("peer", &world.made[orphan].block).await;
    node.votes(&world, "peer", &[world.vote(1, tip, 82)]).await;
    is_broken(false);
    node.import(&world, &[due]).await;
    is_broken(true);
    node.block("peer", &world.made[other].block).await;
    is_broken(false);
    assert_eq!(node.chain.read().equivocations().total(), 0);
    node.messages();
    assert!(node.penalized.is_empty());
    node.stop().await;
    let segments = Segment::all(&directory);
    let failed = segments[0]
        .events
        .iter()
        .filter_map(|(event, _)| match &event.taken {
            Taken::Done {
                job,
                answer: Answer::Failed(_),
            } => Some(*job),
            _ => None,
        });
    let root = |block: usize| world.made[block].root;
    let failed: Vec<Job> = failed.collect();
    let number = |job: &Job| match job {
        Job::RangeChecked(number) => Some(*number),
        _ => None,
    };
    let expected = [
        Job::Authentic(root(tip)),
        Job::RangeChecked(failed.iter().find_map(number).unwrap()),
        Job::Block(root(due)),
        Job::Authentic(root(orphan)),
        Job::Attestations(1, 82, 1),
        Job::Witnessed(root(other)),
    ];
    assert_eq!(failed, expected);
    let replayed = segments[0].replayed();
    assert_eq!(replayed.standing().view.head, world.made[due].checkpoint());
}

#[tokio::test(start_paused = true)]
async fn own_duties_are_recorded() {
    let directory = tempdir().unwrap();
    let mut world = World::new(4);
    let node = recorded(&directory, Setup::at(1)).start(&world).await;
    let first = world.grow(0, [1]);
    node.prepare(1).await;
    node.own_block(&world.made[first]).await;
    let votes = [0, 2, 7].map(|validator| world.sign(world.vote(validator, first, 1)));
    assert_eq!(node.own_votes(votes.to_vec()).await, [true, true, false]);
    node.until(2, 0).await;
    node.stop().await;
    let segments = Segment::all(&directory);
    let told = segments[0].told(&world).join("\n");
    assert_eq!(
        told,
        include_str!("recording/duties.txt").trim_end(),
        "{told}"
    );
    segments[0].replayed();
}

#[tokio::test(start_paused = true)]
async fn what_the_database_said_is_recorded() {
    let directory = tempdir().unwrap();
    let mut world = World::new(4);
    let head = world.grow(0, 1..=7);
    let anchor = &world.made[6];
    let chain = LeanChain::from_anchor((*anchor.block).clone(), State::clone(&anchor.state));
    let store = Database::in_memory(world.genesis().root).unwrap();
    chain.write_anchor(&store).unwrap();
    let setup = Setup {
        config: ChainServiceConfig {
            backfill: true,
            ..ChainServiceConfig::default()
        },
        store: Some(store.into()),
        ..Setup::at(7)
    };
    let mut node = recorded(&directory, setup).start(&world).await;
    node.import(&world, &[head]).await;
    node.status(&world, "peer", world.made[head].checkpoint())
        .await;
    node.serve(&world, head).await;
    node.stop().await;
    let segments = Segment::all(&directory);
    let told = segments[0].told(&world).join("\n");
    assert_eq!(
        told,
        include_str!("recording/past.txt").trim_end(),
        "{told}"
    );
    segments[0].replayed();
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_ends_the_replay_where_it_ended_the_node() {
    let directory = tempdir().unwrap();
    let mut world = World::new(4);
    let disk = Disk::default();
    let setup = Setup {
        store: Some(disk.database(&world)),
        ..Setup::at(2)
    };
    let node = recorded(&directory, setup).start(&world).await;
    let head = world.grow(0, 1..=2);
    node.import(&world, &[1]).await;
    disk.fail();
    node.import(&world, &[head]).await;
    assert!(node.ended().await.is_err());
    let segments = Segment::all(&directory);
    let segment = &segments[0];
    let (last, before) = segment.events.split_last().unwrap();
    let answers_why = |taken: &Taken| {
        matches!(
            taken,
            Taken::Done {
                job: Job::Stored,
                answer: Answer::Failed(_)
            }
        )
    };
    assert!(answers_why(&last.0.taken), "{:?}", last.0.taken);
    let mut service =
        ReplayedService::begin(&segment.start, &segment.keyframe, &StandIn, Rules::QUARTET)
            .unwrap();
    for (event, recorded) in before {
        assert_eq!(
            service.take(event, recorded).unwrap().as_ref(),
            Some(recorded)
        );
    }
    assert!(service.take(&last.0, &last.1).is_err());
}

#[tokio::test(start_paused = true)]
async fn what_votes_vouch_for_is_recorded() {
    let directory = tempdir().unwrap();
    let mut world = World::new(4);
    let first = world.grow(0, [1]);
    let parent = world.propose(first, 2, &[]).unwrap();
    let nowhere = world.propose(0, 2, &[]).unwrap();
    let names = [world.vote(3, nowhere, 2)];
    let block = world.propose(parent, 3, &names).unwrap();
    let node = recorded(&directory, Setup::at(3)).start(&world).await;
    node.import(&world, &[first, parent]).await;
    node.block("peer", &world.made[block].block).await;
    let votes = [0, 1].map(|voter| world.vote(voter, block, 3));
    node.votes(&world, "peer", &votes).await;
    node.until(4, 0).await;
    assert_eq!(node.head(), world.made[block].root);
    node.stop().await;
    let segments = Segment::all(&directory);
    let told = segments[0].told(&world).join("\n");
    assert_eq!(
        told,
        include_str!("recording/vouching.txt").trim_end(),
        "{told}"
    );
    segments[0].replayed();
}

#[tokio::test(start_paused = true)]
async fn a_recording_that_ends_in_the_middle_of_a_check_can_be_looked_into() {
    let directory = tempdir().unwrap();
    let mut world = World::new(4);
    let node = recorded(&directory, Setup::at(2)).start(&world).await;
    let first = world.grow(0, [1]);
    let last = world.grow(first, [2]);
    // Its proposer has signed it.
    let mut invalid = Block::clone(world.made[last].block.block());
    invalid.state_root = Root::repeat_byte(9);
    let root = tree_hash::TreeHash::tree_hash_root(&invalid);
    let mut own = world.vote(2, last, 2);
    (own.data.head.root, own.data.target) = (root, world.made[first].checkpoint());
    node.import(&world, &[first]).await;
    let mut awaited = node
        .block("peer", &world.envelope(invalid, own).into())
        .await;
    assert_eq!(awaited.verdict(), Some(Verdict::Reject));
    node.import(&world, &[last]).await;
    node.stop().await;
    let segment = Segment::all(&directory).remove(0);
    let is_last = |(event, _): &(Event, Vec<Decision>)| matches!(&event.taken, Taken::Block { block, .. } if *block == world.made[last].block);
    let end = segment.events.iter().position(is_last).unwrap();
    let (start, keyframe) = (&segment.start, &segment.keyframe);
    let mut service = ReplayedService::begin(start, keyframe, &StandIn, Rules::QUARTET).unwrap();
    for (event, recorded) in &segment.events[..=end] {
        service.take(event, recorded).unwrap().unwrap();
    }
    let [first, last] = [first, last].map(|block| world.made[block].root);
    assert_eq!(service.held_jobs(), [Job::Block(last)]);
    assert_eq!(service.chain().head().root, first);
    service.finish(Job::Block(last)).unwrap();
    assert_eq!(service.chain().head().root, last);
    assert_eq!(
        service.state(last).as_deref(),
        Some(&*world.find(&last).unwrap().state)
    );
    assert_eq!(
        [first, last, root].map(|block| service.is_condemned(&block)),
        [false, false, true]
    );
}
