//! Recordings: of a node that any messages reached, and of an honest one with bytes changed under checksums that are right.

use std::{fs, path::Path, sync::OnceLock};

use quartet_recording::{Frame, Recording, SegmentReader};
use quartet_replay::{ExplainTarget, ReplayOptions, ReplayOutcome, RootPattern, play};
use quartet_world::StandIn;
use tempfile::tempdir;

use crate::{chain_service, input::Input};

const MARK_BYTES: usize = 8;

/// A run that was recorded replays with the same decisions, whatever the node was sent. Whatever a recording holds, reading and
/// replaying it ends, and what comes before the first change in it is read as it was written.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let directory = tempdir().unwrap();
    if input.flag() {
        chain_service::play(input.rest(), Some(directory.path()));
        let outcome = replay(directory.path(), None);
        assert!(
            outcome.is_identical() && !outcome.is_incomplete,
            "{outcome:#?}"
        );
        return;
    }
    let (target, honest) = (explained(&mut input), honest());
    let mut chunks = honest.chunks.clone();
    let first = change(&mut chunks, &mut input);
    let path = directory.path().join("00000000.qrec");
    fs::write(&path, file(&honest.mark, &chunks)).unwrap();
    let same = honest.frames_before(first);
    let read = frames(&path);
    assert!(read.len() >= same.len() && read[..same.len()] == *same);
    replay(&path, target);
}

fn replay(path: &Path, explain: Option<ExplainTarget>) -> ReplayOutcome {
    let options = ReplayOptions {
        explain,
        ..ReplayOptions::new(&StandIn)
    };
    let recording = Recording::open(path).unwrap();
    play(&recording, options, |told| _ = format!("{told:?}"))
}

fn explained(input: &mut Input<'_>) -> Option<ExplainTarget> {
    match input.below(4) {
        0 => Some(ExplainTarget::Slot(input.any_size())),
        1 => {
            let pattern = format!("0x{:02x}", input.byte()).parse::<RootPattern>();
            pattern.ok().map(ExplainTarget::Block)
        }
        _ => None,
    }
}

/// Frames that are compressed together, before that, and their signatures.
#[derive(Clone)]
struct Chunk {
    frames: Vec<u8>,
    signatures: Vec<u8>,
}

/// The recording of a run of honest validators.
struct Honest {
    mark: Vec<u8>,
    chunks: Vec<Chunk>,
    /// The frames of each chunk.
    frames: Vec<Vec<Frame>>,
}

impl Honest {
    fn frames_before(&self, chunk: usize) -> Vec<Frame> {
        self.frames[..chunk].concat()
    }
}

fn honest() -> &'static Honest {
    static HONEST: OnceLock<Honest> = OnceLock::new();
    HONEST.get_or_init(|| {
        let directory = tempdir().unwrap();
        chain_service::play(&chain_service::honest_run(), Some(directory.path()));
        let recording = Recording::open(directory.path()).unwrap();
        let path = &recording.sessions[0].segments[0].path;
        let bytes = fs::read(path).unwrap();
        let (mark, mut rest) = bytes.split_at(MARK_BYTES);
        let mut honest = Honest {
            mark: mark.to_vec(),
            chunks: Vec::new(),
            frames: Vec::new(),
        };
        let alone = directory.path().join("alone");
        let mut known = 0;
        while !rest.is_empty() {
            let (chunk, next) = rest.split_at(8 + number(rest));
            honest.chunks.push(unpack(&chunk[8..]));
            rest = next;
            fs::write(&alone, file(mark, &honest.chunks)).unwrap();
            let frames = frames(&alone).split_off(known);
            known += frames.len();
            honest.frames.push(frames);
        }
        honest
    })
}

fn frames(path: &Path) -> Vec<Frame> {
    let reader = SegmentReader::open(path).unwrap();
    reader.map_while(Result::ok).collect()
}

fn number(bytes: &[u8]) -> usize {
    u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize
}

fn unpack(payload: &[u8]) -> Chunk {
    let (compressed, signatures) = payload[8..].split_at(number(&payload[4..]));
    Chunk {
        frames: snap::raw::Decoder::new()
            .decompress_vec(compressed)
            .unwrap(),
        signatures: signatures.to_vec(),
    }
}

fn file(mark: &[u8], chunks: &[Chunk]) -> Vec<u8> {
    let mut file = mark.to_vec();
    for chunk in chunks {
        let compressed = snap::raw::Encoder::new()
            .compress_vec(&chunk.frames)
            .unwrap();
        let signatures = chunk.signatures.len() / quartet_types::SIGNATURE_BYTES;
        let mut payload = Vec::new();
        for number in [signatures, compressed.len()] {
            payload.extend((number as u32).to_le_bytes());
        }
        payload.extend(compressed);
        payload.extend(&chunk.signatures);
        file.extend((payload.len() as u32).to_le_bytes());
        file.extend(crc32fast::hash(&payload).to_le_bytes());
        file.extend(payload);
    }
    file
}

/// Changes chunks as the input says: the first one that is not as it was, or how many there are.
fn change(chunks: &mut Vec<Chunk>, input: &mut Input<'_>) -> usize {
    let mut first = chunks.len();
    while !input.is_empty() && !chunks.is_empty() {
        let index = input.below(chunks.len());
        first = first.min(index);
        let chunk = &mut chunks[index];
        let at = u32::from_le_bytes(input.array()) as usize % chunk.frames.len().max(1);
        match input.below(12) {
            0 => chunk.frames.truncate(at),
            1 => _ = chunk.frames.splice(at..at, input.piece().to_vec()),
            2 => {
                let run = vec![input.byte(); input.any_size().min(1 << 20) as usize];
                chunk.frames.splice(at..at, run);
            }
            3 => {
                let end = (at + input.below(256)).min(chunk.frames.len());
                chunk.frames.drain(at..end);
            }
            4 => chunk.signatures.truncate(at),
            5 => _ = chunks.remove(index),
            6 => {
                let copy = chunk.clone();
                chunks.insert(index, copy);
            }
            _ => {
                let changed = input.piece();
                for (to, from) in chunk.frames[at..].iter_mut().zip(changed) {
                    *to = *from;
                }
            }
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_honest_run_finalizes_and_is_replayed_as_it_was() {
        let directory = tempdir().unwrap();
        let honest = honest();
        assert!(honest.chunks.len() > 1);
        let path = directory.path().join("00000000.qrec");
        fs::write(&path, file(&honest.mark, &honest.chunks)).unwrap();
        assert_eq!(frames(&path), honest.frames.concat());
        let outcome = replay(&path, Some(ExplainTarget::Slot(7)));
        assert!(outcome.is_identical() && outcome.is_explained);
        assert!(outcome.slots > 20, "{outcome:#?}");
    }
}
