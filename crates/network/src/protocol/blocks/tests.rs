use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{AsyncReadExt as _, FutureExt as _, io::Cursor, stream};
use quartet_types::{
    BlocksByRangeRequest, MAX_REQUEST_BLOCKS, Root, SignedBlockWithAttestation, Slot,
};
use ssz::Encode as _;
use tokio::time::Instant;
use tree_hash::TreeHash as _;

use super::{
    super::{
        BLOCKS_BY_RANGE, BLOCKS_BY_ROOT, Block, idle_timeout_reader::IDLE_TIMEOUT,
        received_blocks::MIN_BLOCK_BYTES,
    },
    *,
};
use crate::wire::{MAX_MESSAGE_BYTES, ResultCode, encode_chunk, encode_payload, encode_varint};

/// A stream that is open and silent.
struct Silence;

impl AsyncRead for Silence {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Pending
    }
}

fn block(slot: u64) -> Block {
    let mut block = SignedBlockWithAttestation::default();
    block.message.block.slot = slot;
    Arc::new(block)
}

fn root(block: &Block) -> Root {
    block.block().tree_hash_root()
}

fn chunk(block: &Block) -> Vec<u8> {
    encode_chunk(ResultCode::Success, &block.as_ssz_bytes()).unwrap()
}

/// Asks and reads `answer`.
async fn ask_for(
    query: BlocksQuery,
    mut answer: impl AsyncRead + Unpin + Send,
    codec: &mut BlocksCodec,
) -> io::Result<Result<Vec<Block>, ErrorReply>> {
    let mut sent = Vec::new();
    let written = codec.write_request(&BLOCKS_BY_ROOT, &mut sent, Ok(query));
    written.await?;
    let response = codec.read_response(&BLOCKS_BY_ROOT, &mut answer).await?;
    match response {
        BlocksResponse::Received(received) => Ok(Ok(received.blocks)),
        BlocksResponse::Refused(error) => Ok(Err(error)),
        BlocksResponse::Served(_) => panic!("nothing is served"),
    }
}

/// Asks for the blocks' roots and reads `answer`.
async fn ask(
    blocks: &[Block],
    answer: impl AsyncRead + Unpin + Send,
) -> io::Result<Result<Vec<Block>, ErrorReply>> {
    let roots = blocks.iter().map(root).collect();
    ask_for(
        BlocksQuery::Roots(roots),
        answer,
        &mut BlocksCodec::default(),
    )
    .await
}

fn range(start_slot: Slot, count: u64) -> BlocksQuery {
    BlocksQuery::Range(BlocksByRangeRequest { start_slot, count })
}

/// Asks for slots and reads an answer with blocks of these slots, after which the stream ends.
async fn ask_for_slots(
    start_slot: Slot,
    count: u64,
    answer: &[Slot],
) -> io::Result<Result<Vec<Block>, ErrorReply>> {
    let chunks: Vec<u8> = answer
        .iter()
        .flat_map(|slot| chunk(&block(*slot)))
        .collect();
    let query = range(start_slot, count);
    ask_for(query, Cursor::new(chunks), &mut BlocksCodec::default()).await
}

/// An answer of ours with a piece for each block.
fn served(blocks: &[Block]) -> BlocksResponse {
    let budget = ByteBudget::new(1 << 20, "test");
    let pieces: Vec<_> = blocks
        .iter()
        .map(|block| {
            let reserved = budget.try_reserve(1).unwrap();
            Ok(Piece::new(chunk(block), reserved))
        })
        .collect();
    BlocksResponse::Served(stream::iter(pieces).boxed())
}

async fn written(response: BlocksResponse) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut codec = BlocksCodec::default();
    let written = codec.write_response(&BLOCKS_BY_ROOT, &mut bytes, response);
    written.await.unwrap();
    bytes
}

fn malformed(result: io::Result<Result<Vec<Block>, ErrorReply>>) -> WireError {
    let error = result.unwrap_err();
    WireError::in_io_error(&error).unwrap().clone()
}

#[test]
fn the_smallest_block_has_the_least_length() {
    let least = SignedBlockWithAttestation::default();
    assert_eq!(least.ssz_bytes_len(), MIN_BLOCK_BYTES);
}

#[tokio::test]
async fn a_request_by_roots_is_read_back() {
    let roots = vec![Root::repeat_byte(1), Root::repeat_byte(2)];
    for (query, protocol) in [
        (BlocksQuery::Roots(roots), &BLOCKS_BY_ROOT),
        (range(7, 1), &BLOCKS_BY_RANGE),
        (range(u64::MAX, MAX_REQUEST_BLOCKS as u64), &BLOCKS_BY_RANGE),
    ] {
        let mut codec = BlocksCodec::default();
        let mut bytes = Vec::new();
        let written = codec.write_request(protocol, &mut bytes, Ok(query.clone()));
        written.await.unwrap();
        let read = codec.read_request(protocol, &mut Cursor::new(&bytes)).await;
        assert_eq!(read.unwrap(), Ok(query));
    }
}

#[tokio::test]
async fn a_range_is_two_numbers_of_eight_bytes() {
    let numbers = [258_u64.to_le_bytes(), 3_u64.to_le_bytes()].concat();
    let bytes = encode_payload(&numbers).unwrap();
    let mut codec = BlocksCodec::default();
    let mut stream = Cursor::new(bytes);
    let read = codec.read_request(&BLOCKS_BY_RANGE, &mut stream).await;
    assert_eq!(read.unwrap(), Ok(range(258, 3)));
}

#[tokio::test]
async fn a_response_is_read_back() {
    let blocks = [block(1), block(2)];
    for answer in [&blocks[..], &[]] {
        let bytes = written(served(answer)).await;
        let read = ask(&blocks, Cursor::new(&bytes)).await.unwrap();
        assert_eq!(read, Ok(answer.to_vec()));
    }
    let refusal = ErrorReply::new(ResultCode::ResourceUnavailable, "é".repeat(200));
    let bytes = written(BlocksResponse::Refused(refusal.clone())).await;
    let read = ask(&blocks, Cursor::new(&bytes))
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!((read.code, read.message), (refusal.code, "é".repeat(128)));
}

#[tokio::test]
async fn an_error_is_sent_only_when_no_block_was() {
    let error = || Err(ErrorReply::new(ResultCode::ServerError, "no"));
    let alone = BlocksResponse::Served(stream::iter([error()]).boxed());
    let read = ask(&[block(1)], Cursor::new(written(alone).await)).await;
    assert_eq!(read.unwrap().unwrap_err().code, ResultCode::ServerError);

    let BlocksResponse::Served(pieces) = served(&[block(1)]) else {
        panic!()
    };
    let after = BlocksResponse::Served(pieces.chain(stream::iter([error()])).boxed());
    assert_eq!(written(after).await, chunk(&block(1)));
}

#[tokio::test]
async fn the_blocks_of_a_range_come_in_their_order() {
    for (asked, slots) in [
        ((5, 4), vec![5, 6, 7, 8]),
        ((5, 4), vec![6, 8]),
        ((5, 4), vec![]),
        ((u64::MAX - 1, 9), vec![u64::MAX - 1]),
    ] {
        let read = ask_for_slots(asked.0, asked.1, &slots).await.unwrap();
        let read: Vec<Slot> = read
            .unwrap()
            .iter()
            .map(|block| block.block().slot)
            .collect();
        assert_eq!(read, slots);
    }
    for slots in [&[4][..], &[5, 9], &[6, 5], &[6, 6]] {
        let error = malformed(ask_for_slots(5, 4, slots).await);
        assert!(matches!(error, WireError::UnexpectedSlot { .. }), "{error}");
    }
}

#[tokio::test]
async fn nothing_is_read_beyond_the_last_slot() {
    let bytes = [chunk(&block(7)), vec![0xff; 9]].concat();
    let read = ask_for(range(6, 2), Cursor::new(bytes), &mut BlocksCodec::default()).await;
    assert_eq!(read.unwrap(), Ok(vec![block(7)]));
}

#[tokio::test]
async fn requests_beyond_the_limits_are_refused() {
    let max = MAX_REQUEST_BLOCKS as u64;
    for found in [0, max + 1, u64::MAX] {
        let bytes = range(7, found).encode().unwrap();
        let mut codec = BlocksCodec::default();
        let mut stream = Cursor::new(bytes);
        let read = codec.read_request(&BLOCKS_BY_RANGE, &mut stream).await;
        assert_eq!(read.unwrap(), Err(WireError::SlotCount { max, found }));
    }
    for length in [0, 15, 17] {
        let bytes = encode_payload(&vec![0; length]).unwrap();
        let mut codec = BlocksCodec::default();
        let mut stream = Cursor::new(bytes);
        let read = codec.read_request(&BLOCKS_BY_RANGE, &mut stream).await;
        assert!(matches!(read.unwrap(), Err(WireError::Length { .. })));
    }
}

#[tokio::test]
async fn responses_share_the_budget_and_end_early_when_it_is_used_up() {
    let blocks = [block(1), block(2), block(3)];
    let bytes = blocks.each_ref().map(chunk).concat();
    let mut codec = BlocksCodec::default();
    let nearly_all = RECEIVED_BYTES as usize - 2 * MIN_BLOCK_BYTES;
    let reserved = codec.budget.try_reserve(nearly_all).unwrap();
    let mut other = codec.clone();
    let read = ask_for(range(1, 3), Cursor::new(&bytes), &mut codec).await;
    assert_eq!(read.unwrap().unwrap(), blocks[..2]);
    // What was read has been let go.
    drop(reserved);
    let read = ask_for(range(1, 3), Cursor::new(&bytes), &mut other).await;
    assert_eq!(read.unwrap().unwrap(), blocks);
    assert_eq!(codec.budget.reserved(), 0);
}

/// A stream that brings a byte every three seconds.
struct Trickle(Vec<u8>, Option<Pin<Box<tokio::time::Sleep>>>);

impl AsyncRead for Trickle {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let pause = || Box::pin(tokio::time::sleep(Duration::from_secs(3)));
        let waiting = self.1.get_or_insert_with(pause);
        futures::ready!(waiting.as_mut().poll(context));
        self.1 = None;
        buffer[0] = self.0.remove(0);
        Poll::Ready(Ok(1))
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_trickles_is_given_up_soon() {
    let start = Instant::now();
    let read = ask(&[block(1)], Trickle(chunk(&block(1)), None)).await;
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(start.elapsed() < 2 * IDLE_TIMEOUT, "{:?}", start.elapsed());
}

/// A stream that takes nothing.
struct Full;

impl AsyncWrite for Full {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_cut_off() {
    let start = Instant::now();
    let mut codec = BlocksCodec::default();
    let (mut stream, answer) = (Full, served(&[block(1)]));
    let written = codec.write_response(&BLOCKS_BY_ROOT, &mut stream, answer);
    assert_eq!(written.await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(start.elapsed() < 2 * IDLE_TIMEOUT, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_complete_response_is_not_waited_beyond() {
    let blocks = [block(1), block(2)];
    let bytes = [chunk(&blocks[1]), chunk(&blocks[0])].concat();
    let answer = ask(&blocks, Cursor::new(bytes).chain(Silence));
    let read = answer.now_or_never().unwrap().unwrap().unwrap();
    assert_eq!(read, [blocks[1].clone(), blocks[0].clone()]);
}

#[tokio::test(start_paused = true)]
async fn a_partial_response_counts_when_the_stream_ends_or_falls_silent() {
    let blocks = [block(1), block(2)];
    let partial = [chunk(&blocks[0])];
    let cut = [chunk(&blocks[0]), chunk(&blocks[1])[..20].to_vec()];
    let error = ErrorReply::new(ResultCode::ServerError, "tired");
    let ended = [chunk(&blocks[0]), error.encode().unwrap()];
    for bytes in [partial.concat(), cut.concat(), ended.concat()] {
        let read = ask(&blocks, Cursor::new(&bytes)).await.unwrap();
        assert_eq!(read, Ok(vec![blocks[0].clone()]));
        let read = ask(&blocks, Cursor::new(&bytes).chain(Silence)).await;
        assert_eq!(read.unwrap(), Ok(vec![blocks[0].clone()]));
    }
}

#[tokio::test(start_paused = true)]
async fn silence_from_the_start_is_no_answer() {
    let error = ask(&[block(1)], Silence).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let nothing = ask(&[block(1)], Cursor::new([])).await.unwrap();
    assert_eq!(nothing, Ok(vec![]));
}

#[tokio::test]
async fn blocks_that_were_not_asked_for_make_the_answer_malformed() {
    let (asked, other) = (block(1), block(2));
    for (first, second) in [(&other, &asked), (&asked, &asked), (&asked, &other)] {
        let bytes = [chunk(first), chunk(second)].concat();
        let blocks = [asked.clone(), block(3)];
        let error = malformed(ask(&blocks, Cursor::new(bytes)).await);
        let wrong = if first == &asked { second } else { first };
        assert_eq!(error, WireError::Unrequested(root(wrong)));
    }
}

#[tokio::test]
async fn bytes_that_are_no_block_make_the_answer_malformed() {
    let length = |length: u64| [vec![0], encode_varint(length)].concat();
    let payload = |ssz: &[u8]| encode_chunk(ResultCode::Success, ssz).unwrap();
    for bytes in [
        vec![9],
        length(MAX_MESSAGE_BYTES as u64 + 1),
        length(10),
        payload(&[0xff; 300]),
        [length(300), vec![1; 100]].concat(),
    ] {
        malformed(ask(&[block(1)], Cursor::new(bytes)).await);
    }
}

#[tokio::test]
async fn a_malformed_request_is_passed_on_to_be_answered() {
    let roots = vec![Root::ZERO; MAX_REQUEST_BLOCKS + 1].as_ssz_bytes();
    let too_many = encode_payload(&roots).unwrap();
    let uneven = encode_payload(&[1; 33]).unwrap();
    for bytes in [too_many, uneven, vec![0xff; 12], vec![32]] {
        let mut codec = BlocksCodec::default();
        let mut stream = Cursor::new(bytes);
        let read = codec.read_request(&BLOCKS_BY_ROOT, &mut stream).await;
        assert!(read.unwrap().is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_does_not_end_is_not_waited_for_and_passed_on() {
    let whole = encode_payload(&[1; 32]).unwrap();
    for begun in [&[][..], &whole[..whole.len() / 2]] {
        let mut codec = BlocksCodec::default();
        let mut stream = Cursor::new(begun).chain(Silence);
        let request = codec.read_request(&BLOCKS_BY_ROOT, &mut stream).await;
        let expected = WireError::Stream(io::ErrorKind::TimedOut);
        assert_eq!(request.unwrap().unwrap_err(), expected);
    }
}
