use std::{fs, path::Path, sync::Arc, time::Duration};

use proptest::prelude::*;
use quartet_sync::{PeerName, RequestError, SyncState};
use quartet_types::{
    Attestation, AttestationData, Block, BlockWithAttestation, Checkpoint, PublicKey, Root,
    SIGNATURE_BYTES, Signature, SignedAttestation, SignedBlockWithAttestation, State, Status,
};
use tempfile::tempdir;

use crate::{
    codec::{Decoder, Encoder, Tables},
    *,
};

fn start() -> Start {
    Start {
        software: "0.1.0".to_owned(),
        node: "someone".to_owned(),
        session: 77,
        part: 0,
        network: Root::repeat_byte(7),
        genesis_time: 1_700_000_000,
        slot_milliseconds: 4_000,
        scheme: Scheme::Test,
        expects_peers: true,
        backfill: false,
        memory: [1, 2, 3],
    }
}

fn checkpoint(slot: u64) -> Checkpoint {
    let root = Root::left_padding_from(&slot.to_be_bytes());
    Checkpoint { root, slot }
}

fn vote(validator_id: u64, slot: u64) -> SignedAttestation {
    let data = AttestationData {
        slot,
        head: checkpoint(slot),
        target: checkpoint(slot.saturating_sub(1)),
        source: checkpoint(slot.saturating_sub(2)),
    };
    let mut signature = [0; SIGNATURE_BYTES];
    for (index, byte) in signature.iter_mut().enumerate() {
        let mixed = (index as u64 + 1) * (validator_id * 7919 + slot * 104_729 + 13);
        *byte = (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8;
    }
    SignedAttestation {
        message: Attestation { validator_id, data },
        signature: Signature::from(signature),
    }
}

fn block(slot: u64) -> Arc<SignedBlockWithAttestation> {
    let votes: Vec<_> = (0..4).map(|validator| vote(validator, slot - 1)).collect();
    let own = vote(4, slot);
    let mut block = Block {
        slot,
        proposer_index: 4,
        parent_root: checkpoint(slot - 1).root,
        ..Block::default()
    };
    let messages: Vec<_> = votes.iter().map(|vote| vote.message).collect();
    block.body.attestations = messages.try_into().unwrap();
    let signatures = votes.into_iter().chain([own.clone()]);
    let signatures: Vec<_> = signatures.map(|vote| vote.signature).collect();
    Arc::new(SignedBlockWithAttestation {
        message: BlockWithAttestation {
            block,
            proposer_attestation: own.message,
        },
        signature: signatures.try_into().unwrap(),
    })
}

fn keyframe(slot: u64) -> Keyframe {
    let keys = [PublicKey([5; 52]); 3];
    let key_block = |slot| KeyBlock {
        root: checkpoint(slot).root,
        message: block(slot).message.clone(),
        justified: checkpoint(1),
        finalized: checkpoint(0),
    };
    Keyframe {
        at: Duration::from_millis(slot * 4_000 + 3),
        is_beginning: slot == 1,
        is_synced: true,
        time: slot * 4,
        head: checkpoint(slot),
        safe_target: checkpoint(slot),
        justified: checkpoint(1),
        finalized: checkpoint(0),
        anchor: key_block(slot),
        state: Arc::new(State::genesis(1_700_000_000, &keys).unwrap()),
        blocks: vec![key_block(slot + 1), key_block(slot + 2)],
        votes: vec![vote(1, slot).message],
        new_votes: vec![vote(2, slot).message],
        equivocated: vec![(3, slot)],
        remembered: vec![checkpoint(900)],
    }
}

/// An event of each kind.
fn events(slot: u64) -> Vec<Event> {
    let peer = PeerName::new("a peer");
    let status = Status {
        finalized: checkpoint(slot - 1),
        head: checkpoint(slot),
    };
    let done = |job, answer| Taken::Done { job, answer };
    let root = checkpoint(slot).root;
    let taken = vec![
        Taken::Tick {
            slot,
            interval: 3,
            missed: 1,
        },
        Taken::Attestations(vec![
            (vote(1, slot), peer.clone()),
            (vote(2, slot), peer.clone()),
        ]),
        Taken::BatchDue,
        Taken::Block {
            block: block(slot),
            peer: peer.clone(),
        },
        Taken::OwnBlock(block(slot + 1)),
        Taken::OwnAttestations(vec![vote(9, slot)]),
        Taken::PrepareProposal(slot),
        Taken::Status {
            peer: peer.clone(),
            status,
        },
        Taken::Disconnected(peer),
        Taken::Requested {
            request: 5,
            result: Ok(vec![block(slot)]),
        },
        Taken::Requested {
            request: 6,
            result: Err(RequestError::NoAnswer),
        },
        done(Job::Block(root), Answer::Computed),
        done(Job::Authentic(root), Answer::Failed("why".to_owned())),
        done(Job::Witnessed(root), Answer::Computed),
        done(Job::Vouched(root), Answer::Computed),
        done(Job::HeadState(root), Answer::Computed),
        done(Job::RangeChecked(4), Answer::Computed),
        done(Job::RangeApplied(Some(4)), Answer::Computed),
        done(Job::Attestations(1, slot, 2), Answer::Computed),
        done(Job::Recalled(root), Answer::Slot(Some(3))),
        done(
            Job::Stored,
            Answer::Written {
                roots: vec![root],
                more_to_prune: true,
            },
        ),
        done(
            Job::Past,
            Answer::Missing {
                blocks: vec![checkpoint(3)],
                next: None,
                kept_from: 2,
            },
        ),
        done(
            Job::Past,
            Answer::Kept {
                request: 3,
                roots: [root].into(),
                bytes: 12,
                kept_from: 2,
            },
        ),
        Taken::Stop,
    ];
    let event = |taken| Event {
        at: Duration::from_millis(slot * 4_000),
        monotonic: Duration::from_micros(slot * 31),
        taken,
    };
    taken.into_iter().map(event).collect()
}

/// A decision of each kind.
fn decisions(slot: u64) -> Vec<Decision> {
    let (block, peer) = (checkpoint(slot), PeerName::new("another"));
    let asked = |request, is_sent| Decision::Asked {
        peer: peer.clone(),
        request,
        is_sent,
    };
    vec![
        Decision::Vote {
            validator: 3,
            slot,
            verdict: Verdict::Accept,
        },
        Decision::Block {
            block,
            verdict: Verdict::Reject,
        },
        Decision::ParkedVote {
            validator: 3,
            slot,
            waits_for: block.root,
        },
        Decision::Parked {
            block,
            waits_for: Root::ZERO,
            by_name: true,
        },
        Decision::Checked {
            job: Job::Block(block.root),
            error: Some("wrong".to_owned()),
        },
        Decision::Invalid(vec![1, 2]),
        Decision::Imported(block),
        Decision::NotImported {
            block,
            error: "late".to_owned(),
        },
        Decision::OwnVotes {
            counted: 3,
            refused: 1,
        },
        Decision::Head {
            head: block,
            reorg_depth: 2,
        },
        Decision::Justified(block),
        Decision::Finalized(block),
        Decision::SafeTarget(block),
        Decision::Sync(SyncState::Syncing { target: 9 }),
        Decision::Equivocation { validator: 1, slot },
        asked(Request::Roots(1, vec![block.root]), true),
        asked(Request::Range(2, 3, 64), false),
        asked(Request::Leave("other network".to_owned()), true),
        asked(Request::Penalty("invalid block".to_owned()), true),
    ]
}

/// What a recorder writes down of some slots, without keyframes.
fn frames(slots: std::ops::Range<u64>) -> Vec<Frame> {
    let of_slot = |slot| {
        let events = events(slot).into_iter();
        events.flat_map(move |event| [Frame::Event(event), Frame::Decided(decisions(slot))])
    };
    slots.flat_map(of_slot).collect()
}

fn record(directory: &Path, limits: Limits, slots: std::ops::Range<u64>) {
    let mut recorder = Recorder::patient(directory, limits, start()).unwrap();
    recorder.note(Note::Keyframe(Box::new(|| Some(keyframe(1)))));
    for slot in slots {
        if recorder.wants_keyframe() {
            recorder.note(Note::Keyframe(Box::new(move || Some(keyframe(slot)))));
        }
        for event in events(slot) {
            recorder.note(Note::Event(event));
            recorder.note(Note::Decided(decisions(slot)));
        }
    }
    recorder.note(Note::End);
}

fn files(directory: &Path) -> Vec<(std::path::PathBuf, u64)> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let files = entries.map(|entry| (entry.path(), entry.metadata().unwrap().len()));
    files.collect()
}

/// All frames of a recording as far as it is whole, and what is wrong with it.
fn read(path: &Path) -> (Vec<Frame>, Vec<Damage>) {
    let (mut frames, mut damages) = (Vec::new(), Vec::new());
    let recording = Recording::open(path).unwrap();
    damages.extend(recording.unreadable.into_iter().map(|(_, damage)| damage));
    let segments = recording
        .sessions
        .into_iter()
        .flat_map(|session| session.segments);
    for segment in segments {
        for frame in SegmentReader::open(&segment.path).unwrap() {
            match frame {
                Ok(frame) => frames.push(frame),
                Err(damage) => damages.push(damage),
            }
        }
    }
    (frames, damages)
}

#[test]
fn what_was_noted_is_read_again() {
    let directory = tempdir().unwrap();
    record(directory.path(), Limits::of(1 << 28), 2..6);
    let (found, damages) = read(directory.path());
    assert_eq!(damages, []);
    let mut expected = vec![
        Frame::Start(start()),
        Frame::Keyframe(Box::new(keyframe(1))),
    ];
    expected.extend(frames(2..6));
    expected.push(Frame::End);
    assert_eq!(found, expected);
}

#[test]
fn a_signature_is_there_once_in_a_segment() {
    let bytes = |repetitions: usize| {
        let mut encoder = Encoder::default();
        for _ in 0..repetitions {
            encoder.block(&block(5));
            encoder.signed_attestation(&vote(2, 4));
        }
        crate::chunk::chunk(&mut encoder).unwrap().len()
    };
    assert!(bytes(1) > 5 * SIGNATURE_BYTES && bytes(1) < 6 * SIGNATURE_BYTES);
    assert!(bytes(9) < bytes(1) + 9 * 300);
}

#[test]
fn the_files_together_never_take_more_than_the_limit() {
    let directory = tempdir().unwrap();
    let limits = Limits::with_segments(2 << 20, 128 << 10);
    record(directory.path(), limits, 2..400);
    let bytes: u64 = files(directory.path())
        .into_iter()
        .map(|(_, bytes)| bytes)
        .sum();
    assert!(bytes <= 2 << 20 && bytes > 1 << 20, "{bytes}");
    let recording = Recording::open(directory.path()).unwrap();
    let [session] = &recording.sessions[..] else {
        panic!("{recording:?}");
    };
    let first = session.segments.first().unwrap().part;
    assert!(first > 0 && session.segments.len() > 4, "{session:?}");
    let last = session.segments.last().unwrap();
    let frames: Vec<_> = SegmentReader::open(&last.path)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(matches!(frames[..2], [Frame::Start(_), Frame::Keyframe(_)]));
    assert_eq!(frames.last(), Some(&Frame::End));

    // The next run goes on behind it, and what is there counts.
    record(directory.path(), limits, 2..40);
    let bytes: u64 = files(directory.path())
        .into_iter()
        .map(|(_, bytes)| bytes)
        .sum();
    assert!(bytes <= 2 << 20, "{bytes}");
}

#[test]
fn a_segment_that_gets_too_long_says_that_something_is_gone() {
    let directory = tempdir().unwrap();
    let limits = Limits::with_segments(1 << 20, 64 << 10);
    let mut recorder = Recorder::patient(directory.path(), limits, start()).unwrap();
    recorder.note(Note::Keyframe(Box::new(|| Some(keyframe(1)))));
    let noted = |recorder: &mut Recorder, slots: std::ops::Range<u64>| {
        for event in slots.flat_map(events) {
            recorder.note(Note::Event(event));
        }
    };
    noted(&mut recorder, 2..30);
    recorder.note(Note::Keyframe(Box::new(|| None)));
    noted(&mut recorder, 30..31);
    recorder.note(Note::Keyframe(Box::new(|| Some(keyframe(31)))));
    noted(&mut recorder, 31..33);
    drop(recorder);
    let (frames, damages) = read(directory.path());
    assert_eq!(damages, []);
    let gaps = frames.iter().filter(|frame| **frame == Frame::Gap).count();
    assert_eq!(gaps, 1);
    let slots = frames.iter().filter_map(|frame| match frame {
        Frame::Event(Event {
            taken: Taken::Tick { slot, .. },
            ..
        }) => Some(*slot),
        _ => None,
    });
    let slots: Vec<_> = slots.collect();
    assert!(
        slots.ends_with(&[31, 32]) && !slots.contains(&30) && slots.contains(&2),
        "{slots:?}"
    );
}

#[test]
fn a_torn_end_costs_no_more_than_itself() {
    let directory = tempdir().unwrap();
    record(directory.path(), Limits::of(1 << 28), 2..5);
    let (whole, _) = read(directory.path());
    let (path, length) = &files(directory.path()).remove(0);
    let bytes = fs::read(path).unwrap();
    for cut in (0..*length).step_by(997) {
        fs::write(path, &bytes[..cut as usize]).unwrap();
        let (frames, damages) = read(directory.path());
        assert_eq!(frames, whole[..frames.len()], "{cut}");
        assert!(frames.len() < whole.len() && damages.len() <= 1);
    }
}

#[test]
fn flipped_bits_are_found() {
    let directory = tempdir().unwrap();
    record(directory.path(), Limits::of(1 << 28), 2..5);
    let (whole, _) = read(directory.path());
    let (path, length) = files(directory.path()).remove(0);
    let bytes = fs::read(&path).unwrap();
    for at in (0..length as usize).step_by(1_409) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&path, flipped).unwrap();
        let (frames, damages) = read(directory.path());
        assert_eq!(frames, whole[..frames.len()], "{at}");
        assert_eq!(damages.len(), 1, "{at}");
    }
}

#[test]
fn a_disk_that_refuses_ends_the_recording_and_nothing_else() {
    let directory = tempdir().unwrap();
    let within = directory.path().join("recording");
    let mut recorder = Recorder::start(&within, Limits::of(1 << 28), start()).unwrap();
    fs::remove_dir(&within).unwrap();
    recorder.note(Note::Keyframe(Box::new(|| Some(keyframe(1)))));
    while recorder.is_live() {
        std::thread::yield_now();
    }
    for event in events(3) {
        recorder.note(Note::Event(event));
    }
}

#[test]
fn what_a_slow_writer_cannot_take_is_lost_up_to_the_next_keyframe() {
    let directory = tempdir().unwrap();
    let mut recorder = Recorder::start(directory.path(), Limits::of(1 << 28), start()).unwrap();
    let (go_on, gate) = std::sync::mpsc::sync_channel::<()>(0);
    recorder.note(Note::Keyframe(Box::new(move || {
        gate.recv().unwrap();
        Some(keyframe(1))
    })));
    let mut noted = 0;
    while !recorder.is_lost() {
        recorder.note(Note::Event(events(2).remove(2)));
        noted += 1;
        assert!(noted < 100_000);
    }
    assert!(recorder.wants_keyframe() && recorder.is_live());
    go_on.send(()).unwrap();
    // It takes the keyframe when there is room again.
    while recorder.is_lost() {
        recorder.note(Note::Keyframe(Box::new(|| Some(keyframe(9)))));
        std::thread::yield_now();
    }
    recorder.note(Note::End);
    drop(recorder);
    let (frames, damages) = read(directory.path());
    assert_eq!(damages, []);
    let gap = frames
        .iter()
        .position(|frame| *frame == Frame::Gap)
        .unwrap();
    assert!(matches!(
        frames[gap + 1],
        Frame::Start(Start { part: 1, .. })
    ));
    assert_eq!(frames.last(), Some(&Frame::End));
}

proptest! {
    #[test]
    fn whatever_the_bytes_are_they_are_decoded_or_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let mut tables = Tables::default();
        let mut decoder = Decoder::new(&bytes, &mut tables);
        while !decoder.is_empty() && Frame::decode(&mut decoder).is_ok() {}
        let directory = tempdir().unwrap();
        let path = directory.path().join("00000000.qrec");
        let mut file = crate::segment::MARK.to_vec();
        file.extend(&bytes);
        fs::write(&path, file).unwrap();
        for frame in SegmentReader::open(&path).unwrap() {
            let _ = frame;
        }
    }
}
