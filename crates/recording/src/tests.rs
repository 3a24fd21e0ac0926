mod samples;

use std::{fs, path::Path};

use proptest::prelude::*;
use quartet_types::SIGNATURE_BYTES;
use tempfile::tempdir;

use self::samples::{block, decisions, events, frames, keyframe, start, vote};
use crate::{
    codec::{Decoder, Encoder, Tables},
    *,
};

fn record(directory: &Path, limits: Limits, slots: std::ops::Range<u64>) {
    let mut recorder = Recorder::start_blocking(directory, limits, start()).unwrap();
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
fn what_was_recorded_is_read_back() {
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
    let mut recorder = Recorder::start_blocking(directory.path(), limits, start()).unwrap();
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

#[test]
fn few_bytes_cannot_stand_for_much_memory() {
    let mut encoder = Encoder::default();
    encoder.list(&[vote(1, 4).message; 100], Encoder::attestation);
    assert!(encoder.out.len() < 400);
    let decode = |budget| {
        let mut tables = Tables::default();
        let mut decoder = Decoder::new(&encoder.out, &mut tables, budget);
        decoder.list(Decoder::attestation).map(|votes| votes.len())
    };
    let needed = 100 * size_of::<quartet_types::Attestation>();
    assert_eq!(decode(needed).ok(), Some(100));
    assert!(decode(needed - 1).is_err());
}

#[test]
fn a_number_beyond_64_bits_is_refused() {
    let number = |bytes: &[u8]| Decoder::new(bytes, &mut Tables::default(), 0).number().ok();
    let mut bytes = [0xff; 10];
    bytes[9] = 1;
    assert_eq!(number(&bytes), Some(u64::MAX));
    bytes[9] = 2;
    assert_eq!(number(&bytes), None);
    assert_eq!(number(&[0x80; 11]), None);
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let mut tables = Tables::default();
        let mut decoder = Decoder::new(&bytes, &mut tables, 1 << 20);
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
