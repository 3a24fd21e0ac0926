//! Streams that are slow, not ended, or many.

use std::time::Duration;

use futures::{AsyncReadExt as _, AsyncWriteExt as _, future::join_all};
use tokio::time::{Instant, sleep, timeout};

use super::{case, framing::for_nobody, liveness, source};
use crate::{
    case::{Case, Group},
    context::CaseContext,
    peer::{BLOCKS_BY_ROOT, STATUS},
    requests::{Answer, End, by_root, read_answer},
    verdict::{CaseResult, differs, fail, pass, pass_if, unsupported},
};

const GROUP: Group = Group::Streams;
/// How long a request that does not end may stay.
const UNENDED: Duration = Duration::from_secs(12);
/// Streams that are opened at once.
const MANY: usize = 32;

pub(super) const CASES: &[Case] = &[
    case(
        GROUP,
        "X01",
        "an answer that is read slowly comes to its end",
        source::ETH2_REQUESTS,
        |s| Box::pin(slow_reader(s)),
    ),
    case(
        GROUP,
        "X02",
        "a request that does not end holds up no other",
        source::ETH2_REQUESTS,
        |s| Box::pin(unended_beside(s)),
    ),
    case(
        GROUP,
        "X03",
        "a request that does not end is given up in the end",
        source::ETH2_REQUESTS,
        |s| Box::pin(unended(s)),
    ),
    case(
        GROUP,
        "X04",
        "of 32 requests at once each is answered or refused, and none forgotten",
        source::ROBUST,
        |s| Box::pin(many(s)),
    ),
    case(
        GROUP,
        "X05",
        "an answer that nobody wants any more does no harm",
        source::ROBUST,
        |s| Box::pin(dropped(s)),
    ),
    case(
        GROUP,
        "X06",
        "streams that are opened and closed without a byte do no harm",
        source::ROBUST,
        |s| Box::pin(empty_streams(s)),
    ),
    case(
        GROUP,
        "X07",
        "a whole request is answered though its side of the stream stays open",
        source::ETH2_REQUESTS,
        |s| Box::pin(half_open(s)),
    ),
    case(GROUP, "X90", liveness::RULE, source::ROBUST, |s| {
        Box::pin(liveness::is_alive(s))
    }),
];

async fn slow_reader(context: &CaseContext) -> CaseResult {
    let mut config = context.config();
    // The node cannot push it all into the checker's buffers.
    config.window = Some(1_500);
    let new_peer = context.new_peer_with(config).await?;
    let head = context.status_of(&new_peer).await?.head;
    if head.slot == 0 {
        return Err(unsupported(
            "the node's head is genesis: there is no block to ask for",
        ));
    }
    let mut stream = new_peer.open(BLOCKS_BY_ROOT).await?;
    let write = async {
        stream.write_all(&by_root(&[head.root])).await?;
        stream.close().await
    };
    let _ = timeout(context.answer_timeout, write).await;
    let mut bytes = Vec::new();
    let mut piece = [0; 512];
    let until = Instant::now() + 4 * context.answer_timeout;
    let end = loop {
        sleep(Duration::from_millis(40)).await;
        match timeout(context.answer_timeout, stream.read(&mut piece)).await {
            Ok(Ok(0)) => break End::Closed,
            Ok(Ok(length)) => bytes.extend(&piece[..length]),
            Ok(Err(error)) => break End::Broken(error.kind().to_string()),
            Err(_) => break End::Open,
        }
        if Instant::now() > until {
            break End::Open;
        }
    };
    let answer = Answer { bytes, end };
    let sent = "a request for the head, whose answer is read at 12 kB a second";
    match answer.blocks() {
        Ok(blocks) => pass_if(blocks.len() == 1, sent, answer.to_string()),
        Err(error) => fail(sent, error),
    }
}

async fn unended_beside(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let head = context.status_of(&new_peer).await?.head;
    let mut stream = new_peer.open(BLOCKS_BY_ROOT).await?;
    stream.write_all(&for_nobody()[..5]).await.ok();
    stream.flush().await.ok();
    let status = context.serves(&new_peer).await;
    let answer = context
        .ask(&new_peer, BLOCKS_BY_ROOT, &by_root(&[head.root]))
        .await?;
    drop(stream);
    pass_if(
        status.is_ok() && answer.succeeds(),
        "five bytes of a request, then on other streams a status and a request",
        format!(
            "status: {}; request: {answer}",
            status.map_or_else(|error| error.to_string(), |_| "answered".into())
        ),
    )
}

async fn unended(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let mut stream = new_peer.open(BLOCKS_BY_ROOT).await?;
    stream.write_all(&for_nobody()[..5]).await.ok();
    stream.flush().await.ok();
    let since = Instant::now();
    let answer = read_answer(&mut stream, UNENDED).await;
    let took = since.elapsed().as_secs();
    let sent = "five bytes of a request";
    match answer.end {
        End::Open => differs(sent, format!("the stream is open after {UNENDED:?}")),
        _ => pass_if(
            !answer.succeeds(),
            sent,
            format!("{answer}, after {took} s"),
        ),
    }
}

async fn many(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let head = context.status_of(&new_peer).await?.head;
    let request = by_root(&[head.root]);
    let asks = (0..MANY).map(|_| context.ask(&new_peer, BLOCKS_BY_ROOT, &request));
    let answers = join_all(asks).await;
    let forgotten = answers
        .iter()
        .flatten()
        .filter(|answer| answer.end == End::Open && !answer.succeeds())
        .count();
    let ended = answers
        .iter()
        .flatten()
        .filter(|answer| answer.end == End::Closed || answer.succeeds())
        .count();
    let status = context.serves(&new_peer).await;
    pass_if(
        forgotten == 0 && ended > 0 && (status.is_ok() || !new_peer.is_connected()),
        format!("{MANY} requests for the head at once"),
        format!(
            "{ended} come to an end, {} are refused, {forgotten} stay open",
            answers.len() - ended - forgotten
        ),
    )
}

async fn dropped(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let head = context.status_of(&new_peer).await?.head;
    for _ in 0..4 {
        let mut stream = new_peer.open(BLOCKS_BY_ROOT).await?;
        stream.write_all(&by_root(&[head.root])).await.ok();
        stream.flush().await.ok();
        let mut first = [0];
        let _ = timeout(context.answer_timeout, stream.read(&mut first)).await;
        drop(stream);
    }
    let status = context.serves(&new_peer).await;
    pass_if(
        status.is_ok(),
        "four requests whose streams are reset after the first byte of the answer",
        status.map_or_else(
            |error| error.to_string(),
            |_| "the next status is answered".into(),
        ),
    )
}

async fn empty_streams(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    for protocol in [STATUS, BLOCKS_BY_ROOT].repeat(4) {
        let mut stream = new_peer.open(protocol).await?;
        stream.close().await.ok();
    }
    let status = if new_peer.is_connected() {
        context.serves(&new_peer).await
    } else {
        context.serves_others().await
    };
    pass_if(
        status.is_ok(),
        "eight streams without a byte",
        status.map_or_else(
            |error| error.to_string(),
            |_| "the next status is answered".into(),
        ),
    )
}

async fn half_open(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let mut stream = new_peer.open(STATUS).await?;
    stream.write_all(&context.status_request()).await.ok();
    stream.flush().await.ok();
    let answer = read_answer(&mut stream, context.answer_timeout).await;
    let sent = "a status, with the stream left open";
    if answer.succeeds() {
        pass(sent, answer.to_string())
    } else {
        differs(sent, answer.to_string())
    }
}
