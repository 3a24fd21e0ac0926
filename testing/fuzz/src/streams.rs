//! Requests and answers as they come from a stream, in pieces of any size.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures::{AsyncRead, io::Cursor};
use quartet_network::{
    fuzz::{Question, read_answer, read_request},
    wire::{ResultCode, encode_chunk, encode_payload},
};
use quartet_types::{
    BlocksByRangeRequest, MAX_REQUEST_BLOCKS, Root, SignedBlockWithAttestation, Status,
};
use ssz::Encode as _;
use tree_hash::TreeHash as _;

use crate::input::Input;

/// A stream that brings its bytes in pieces, and is not always ready.
struct Pieces<'a> {
    bytes: &'a [u8],
    sizes: &'a [u8],
    turn: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let size = self.sizes.get(self.turn).copied().unwrap_or(255);
        self.turn += 1;
        if size == 0 {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let count = usize::from(size).min(buffer.len()).min(self.bytes.len());
        let (now, later) = self.bytes.split_at(count);
        buffer[..count].copy_from_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(count))
    }
}

/// What is understood does not depend on how it is cut up; a whole question or answer of ours is understood.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let is_answer = input.flag();
    let question = question(&mut input);
    let sizes = input.piece();
    let bytes = match (input.flag(), is_answer) {
        (true, _) => input.rest().to_vec(),
        (false, false) => own_request(&question),
        (false, true) => own_answer(&mut input),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut whole = Cursor::new(&bytes);
        let mut pieces = Pieces {
            bytes: &bytes,
            sizes,
            turn: 0,
        };
        let (one, other) = if is_answer {
            (
                read_answer(&question, &mut Cursor::new(vec![0; 1 << 16]), &mut whole).await,
                read_answer(&question, &mut Cursor::new(vec![0; 1 << 16]), &mut pieces).await,
            )
        } else {
            (
                read_request(&question, &mut whole).await,
                read_request(&question, &mut pieces).await,
            )
        };
        assert_eq!(one, other);
        assert_eq!(whole.position() as usize, bytes.len() - pieces.bytes.len());
    });
}

fn question(input: &mut Input<'_>) -> Question {
    match input.below(3) {
        0 => Question::Status,
        1 => {
            let blocks = blocks();
            let roots = (0..input.below(5)).map(|_| match input.below(8) {
                7 => Root::repeat_byte(7),
                number => blocks[number].0,
            });
            Question::Roots(roots.collect())
        }
        _ => Question::Range(BlocksByRangeRequest {
            start_slot: input.any_size(),
            count: input.any_size(),
        }),
    }
}

fn own_request(question: &Question) -> Vec<u8> {
    let ssz = match question {
        Question::Status => Status::default().as_ssz_bytes(),
        Question::Roots(roots) => roots.as_ssz_bytes(),
        Question::Range(range) => range.as_ssz_bytes(),
    };
    assert!(ssz.len() <= 32 * MAX_REQUEST_BLOCKS);
    encode_payload(&ssz).unwrap()
}

/// Chunks of all kinds, one after the other, some of them spoilt.
fn own_answer(input: &mut Input<'_>) -> Vec<u8> {
    let mut answer = Vec::new();
    for _ in 0..input.below(6) {
        let chunk = match input.below(8) {
            0 => encode_chunk(ResultCode::ResourceUnavailable, input.piece()),
            1 => encode_chunk(ResultCode::Success, input.piece()),
            2 => encode_chunk(ResultCode::Success, &Status::default().as_ssz_bytes()),
            _ => encode_chunk(ResultCode::Success, &blocks()[input.below(7)].1),
        };
        let mut chunk = chunk.unwrap();
        if input.below(8) == 0 {
            let at = usize::from(u16::from_le_bytes(input.array())) % chunk.len();
            chunk[at] ^= input.byte();
        }
        answer.extend(chunk);
    }
    answer
}

/// Small blocks, one in each of the slots 1 to 7.
fn blocks() -> Vec<(Root, Vec<u8>)> {
    let block = |slot| {
        let mut block = SignedBlockWithAttestation::default();
        block.message.block.slot = slot;
        (block.block().tree_hash_root(), block.as_ssz_bytes())
    };
    (1..8).map(block).collect()
}
