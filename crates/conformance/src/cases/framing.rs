//! The bytes of requests, one by one: written by hand, right and wrong.

use futures::AsyncWriteExt as _;
use quartet_types::Root;
use ssz::Encode as _;
use tokio::time::timeout;

use super::{case, liveness, source};
use crate::{
    case::{Case, Group},
    context::CaseContext,
    frames::{
        COMPRESSED, IDENTIFIER, UNCOMPRESSED, chunk, compressed_body, framed, payload, plain_body,
        varint,
    },
    peer::{BLOCKS_BY_ROOT, Peer, STATUS},
    requests::{Answer, End, by_root, read_answer},
    verdict::{CaseResult, Failure, broken, differs, fail, pass, pass_if, unsupported},
};

const GROUP: Group = Group::Framing;

pub(super) const CASES: &[Case] = &[
    case(
        GROUP,
        "F01",
        "a length prefix of more than ten bytes is refused",
        source::VARINT,
        |s| Box::pin(endless_varint(s)),
    ),
    case(
        GROUP,
        "F02",
        "a length prefix that is not in its shortest form is refused",
        source::VARINT,
        |s| Box::pin(long_varint(s)),
    ),
    case(
        GROUP,
        "F03",
        "a length above the type's limit is refused before anything is read",
        source::ETH2_REQUESTS,
        |s| Box::pin(beyond_limit(s)),
    ),
    case(
        GROUP,
        "F04",
        "frames with less than is announced are refused",
        source::ETH2_REQUESTS,
        |s| Box::pin(less(s)),
    ),
    case(
        GROUP,
        "F05",
        "frames with more than is announced are refused",
        source::ETH2_REQUESTS,
        |s| Box::pin(more(s)),
    ),
    case(
        GROUP,
        "F06",
        "a frame with a wrong checksum is refused",
        source::FRAMES,
        |s| Box::pin(checksum(s)),
    ),
    case(
        GROUP,
        "F07",
        "frames without the stream identifier are refused",
        source::FRAMES,
        |s| Box::pin(no_identifier(s)),
    ),
    case(
        GROUP,
        "F08",
        "a request that ends in the middle of a frame is refused",
        source::FRAMES,
        |s| Box::pin(truncated(s)),
    ),
    case(
        GROUP,
        "F09",
        "bytes behind a request do no harm: it is refused, or answered as if they were not there",
        source::ETH2_REQUESTS,
        |s| Box::pin(trailing(s)),
    ),
    case(
        GROUP,
        "F10",
        "a stream that is closed without a byte is not answered with success",
        source::ETH2_REQUESTS,
        |s| Box::pin(nothing(s)),
    ),
    case(
        GROUP,
        "F11",
        "a request that comes byte by byte is answered",
        source::ETH2_REQUESTS,
        |s| Box::pin(single_bytes(s)),
    ),
    case(
        GROUP,
        "F12",
        "frames with data that are not compressed are read",
        source::FRAMES,
        |s| Box::pin(uncompressed(s)),
    ),
    case(
        GROUP,
        "F13",
        "data may be in several frames, with padding and repeated identifiers between them",
        source::FRAMES,
        |s| Box::pin(padded(s)),
    ),
    case(
        GROUP,
        "F14",
        "a frame of a reserved kind that must not be skipped is refused",
        source::FRAMES,
        |s| Box::pin(reserved(s)),
    ),
    case(
        GROUP,
        "F15",
        "a frame that announces 16 MiB is refused",
        source::FRAMES,
        |s| Box::pin(long_frame(s)),
    ),
    case(
        GROUP,
        "F16",
        "a status of 79 bytes is refused",
        source::LEAN_STATUS,
        |s| Box::pin(short_status(s)),
    ),
    case(
        GROUP,
        "F17",
        "a status of 81 bytes is refused",
        source::LEAN_STATUS,
        |s| Box::pin(long_status(s)),
    ),
    case(
        GROUP,
        "F18",
        "a list of roots that is no multiple of 32 bytes is refused",
        source::LEAN_BLOCKS,
        |s| Box::pin(half_a_root(s)),
    ),
    case(
        GROUP,
        "F19",
        "a request in snappy's block format, not framed, is refused",
        source::LEAN_ENCODING,
        |s| Box::pin(not_framed(s)),
    ),
    case(GROUP, "F90", liveness::RULE, source::ROBUST, |s| {
        Box::pin(liveness::is_alive(s))
    }),
];

/// The SSZ of a request that the node would answer with a block, two roots of it, and the peer that asks.
struct Good {
    new_peer: Peer,
    ssz: Vec<u8>,
}

async fn good(context: &CaseContext) -> Result<Good, Failure> {
    let new_peer = context.new_peer().await?;
    let head = context.status_of(&new_peer).await?.head;
    if head.slot == 0 {
        return Err(unsupported(
            "the node's head is genesis: there is no block to ask for",
        ));
    }
    let block = context.block(&new_peer, head.root).await?;
    let ssz = vec![head.root, block.block().parent_root].as_ssz_bytes();
    Ok(Good { new_peer, ssz })
}

/// Asks for blocks with these bytes, which are to be refused.
async fn refused(
    context: &CaseContext,
    sent: &str,
    bytes: impl FnOnce(&[u8]) -> Vec<u8>,
) -> CaseResult {
    let Good { new_peer, ssz } = good(context).await?;
    let answer = context.ask(&new_peer, BLOCKS_BY_ROOT, &bytes(&ssz)).await?;
    judge_refusal(context, &new_peer, sent, &answer).await
}

async fn judge_refusal(
    context: &CaseContext,
    new_peer: &Peer,
    sent: &str,
    answer: &Answer,
) -> CaseResult {
    if answer.succeeds() {
        return fail(sent, answer.to_string());
    }
    if answer.end == End::Open {
        return differs(sent, format!("{answer}, for {:?}", context.answer_timeout));
    }
    // It may cost the connection; then others are served all the same.
    let next = if new_peer.is_connected() {
        context.serves(new_peer).await
    } else {
        context.serves_others().await
    };
    match next {
        Ok(_) => pass(sent, answer.to_string()),
        Err(error) => fail(sent, format!("{answer}; afterwards: {error}")),
    }
}

/// Asks for blocks with these bytes, which are to be answered.
async fn answered(
    context: &CaseContext,
    sent: &str,
    bytes: impl FnOnce(&[u8]) -> Vec<u8>,
) -> CaseResult {
    let Good { new_peer, ssz } = good(context).await?;
    let answer = context.ask(&new_peer, BLOCKS_BY_ROOT, &bytes(&ssz)).await?;
    pass_if(answer.succeeds(), sent, answer.to_string())
}

async fn endless_varint(context: &CaseContext) -> CaseResult {
    refused(context, "a length prefix of eleven bytes", |ssz| {
        [vec![0xc0; 10], vec![0x00], framed(ssz)].concat()
    })
    .await
}

async fn long_varint(context: &CaseContext) -> CaseResult {
    let sent = "the length 64 in two bytes, 0xc0 0x00";
    let Good { new_peer, ssz } = good(context).await?;
    let bytes = [vec![0xc0, 0x00], framed(&ssz)].concat();
    let answer = context.ask(&new_peer, BLOCKS_BY_ROOT, &bytes).await?;
    if answer.succeeds() {
        differs(sent, answer.to_string())
    } else {
        judge_refusal(context, &new_peer, sent, &answer).await
    }
}

async fn beyond_limit(context: &CaseContext) -> CaseResult {
    let Good { new_peer, .. } = good(context).await?;
    let sent = "the length 2^40, and nothing more; the stream is not closed";
    let mut stream = new_peer.open(BLOCKS_BY_ROOT).await?;
    let write = async {
        stream.write_all(&varint(1 << 40)).await?;
        stream.flush().await
    };
    let _ = timeout(context.answer_timeout, write).await;
    let answer = read_answer(&mut stream, context.answer_timeout).await;
    drop(stream);
    judge_refusal(context, &new_peer, sent, &answer).await
}

async fn less(context: &CaseContext) -> CaseResult {
    refused(context, "a length of 96 bytes, and 64 in frames", |ssz| {
        [varint(96), framed(ssz)].concat()
    })
    .await
}

async fn more(context: &CaseContext) -> CaseResult {
    refused(
        context,
        "a length of 32 bytes, and 64 in one frame",
        |ssz| [varint(32), framed(ssz)].concat(),
    )
    .await
}

async fn checksum(context: &CaseContext) -> CaseResult {
    refused(
        context,
        "a frame whose checksum has one bit turned",
        |ssz| {
            let mut body = compressed_body(ssz);
            body[0] ^= 1;
            [varint(64), IDENTIFIER.to_vec(), chunk(COMPRESSED, &body)].concat()
        },
    )
    .await
}

async fn no_identifier(context: &CaseContext) -> CaseResult {
    refused(context, "a frame without the identifier before it", |ssz| {
        [varint(64), chunk(COMPRESSED, &compressed_body(ssz))].concat()
    })
    .await
}

async fn truncated(context: &CaseContext) -> CaseResult {
    refused(context, "all but the last five bytes of a request", |ssz| {
        let mut bytes = payload(ssz);
        bytes.truncate(bytes.len() - 5);
        bytes
    })
    .await
}

async fn trailing(context: &CaseContext) -> CaseResult {
    let Good { new_peer, ssz } = good(context).await?;
    let bytes = [payload(&ssz), vec![0x2a; 7]].concat();
    let answer = context.ask(&new_peer, BLOCKS_BY_ROOT, &bytes).await?;
    let sent = "a request and seven bytes behind it";
    if answer.succeeds() {
        let blocks = answer.blocks().map_err(broken)?;
        pass_if(!blocks.is_empty(), sent, format!("{} blocks", blocks.len()))
    } else {
        judge_refusal(context, &new_peer, sent, &answer).await
    }
}

async fn nothing(context: &CaseContext) -> CaseResult {
    refused(context, "no byte", |_| Vec::new()).await
}

async fn single_bytes(context: &CaseContext) -> CaseResult {
    let Good { new_peer, ssz } = good(context).await?;
    let mut stream = new_peer.open(BLOCKS_BY_ROOT).await?;
    let write = async {
        for byte in payload(&ssz) {
            stream.write_all(&[byte]).await?;
            stream.flush().await?;
        }
        stream.close().await
    };
    let _ = timeout(context.answer_timeout, write).await;
    let answer = read_answer(&mut stream, context.answer_timeout).await;
    pass_if(
        answer.succeeds(),
        "a request, one byte at a time",
        answer.to_string(),
    )
}

async fn uncompressed(context: &CaseContext) -> CaseResult {
    answered(context, "a frame with data as they are", |ssz| {
        [
            varint(64),
            IDENTIFIER.to_vec(),
            chunk(UNCOMPRESSED, &plain_body(ssz)),
        ]
        .concat()
    })
    .await
}

async fn padded(context: &CaseContext) -> CaseResult {
    answered(
        context,
        "two frames, and padding, a skippable frame and another identifier between them",
        |ssz| {
            let (one, other) = ssz.split_at(20);
            [
                varint(64),
                IDENTIFIER.to_vec(),
                chunk(COMPRESSED, &compressed_body(one)),
                chunk(0xfe, &[0; 9]),
                chunk(0x80, b"skip me"),
                IDENTIFIER.to_vec(),
                chunk(UNCOMPRESSED, &plain_body(other)),
            ]
            .concat()
        },
    )
    .await
}

async fn reserved(context: &CaseContext) -> CaseResult {
    refused(context, "a frame of the kind 0x02 before the data", |ssz| {
        let rest = framed(ssz).split_off(IDENTIFIER.len());
        [
            varint(64),
            IDENTIFIER.to_vec(),
            chunk(0x02, b"reserved"),
            rest,
        ]
        .concat()
    })
    .await
}

async fn long_frame(context: &CaseContext) -> CaseResult {
    refused(context, "the header of a frame with 2^24 - 1 bytes", |_| {
        [
            varint(64),
            IDENTIFIER.to_vec(),
            vec![UNCOMPRESSED, 0xff, 0xff, 0xff],
        ]
        .concat()
    })
    .await
}

async fn short_status(context: &CaseContext) -> CaseResult {
    status_of(context, 79).await
}

async fn long_status(context: &CaseContext) -> CaseResult {
    status_of(context, 81).await
}

async fn status_of(context: &CaseContext, length: usize) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let mut ssz = context.claim().as_ssz_bytes();
    ssz.resize(length, 0);
    let answer = context.ask(&new_peer, STATUS, &payload(&ssz)).await?;
    judge_refusal(
        context,
        &new_peer,
        &format!("a status of {length} bytes"),
        &answer,
    )
    .await
}

async fn half_a_root(context: &CaseContext) -> CaseResult {
    refused(context, "two roots and a byte", |ssz| {
        payload(&[ssz, &[1]].concat())
    })
    .await
}

async fn not_framed(context: &CaseContext) -> CaseResult {
    refused(
        context,
        "the length and the roots in snappy's block format",
        |ssz| [varint(64), crate::frames::block(ssz)].concat(),
    )
    .await
}

/// A request for blocks that do not exist.
pub(super) fn for_nobody() -> Vec<u8> {
    by_root(&[Root::repeat_byte(0x77)])
}
