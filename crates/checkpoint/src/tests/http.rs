//! Servers that break HTTP, send too much, or are too slow.

use std::{sync::atomic::Ordering, time::Duration};

use super::{
    chain::{chain, network},
    liar::{Liar, Reply, honest, ssz, status, with_headers},
};
use crate::{
    CheckpointError, Fetched, Limits, Refusal, Stage, fetch,
    limits::{MAX_BLOCK, state_bytes},
    url::{BLOCK_PATH, STATE_PATH},
};

const NOW: u64 = 12;
const SSZ: &str = "Content-Type: application/octet-stream\r\n";
/// For the one limit that a test waits for.
const SHORT: Duration = Duration::from_millis(100);

async fn refusal_within(server: &Liar, limits: Limits) -> Refusal {
    let outcome = fetch(std::slice::from_ref(&server.url), network(NOW), limits).await;
    match outcome {
        Err(CheckpointError::NoneUsable(mut refusals)) => refusals.remove(0).1,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it is taken"),
    }
}

/// What becomes of a server that gives `reply` for a block, and of one that does for a state.
async fn refusals_of(reply: Reply, limits: Limits) -> [Refusal; 2] {
    let served = chain(5, &[]).pop().unwrap();
    let liar = |wrong: &'static str| {
        let (reply, served) = (reply.clone(), served.clone());
        Liar::start(move |path| match path {
            path if path == wrong => reply.clone(),
            path => honest(&served, path),
        })
    };
    [
        refusal_within(&liar(BLOCK_PATH).await, limits).await,
        refusal_within(&liar(STATE_PATH).await, limits).await,
    ]
}

/// The refusal itself, whether the block or the state was concerned.
fn unwrapped(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::NoBlock(why) => *why,
        refusal => refusal,
    }
}

#[tokio::test]
async fn ten_gigabytes_are_refused_when_they_are_announced() {
    let head = format!("HTTP/1.1 200 OK\r\n{SSZ}Content-Length: 10000000000\r\n\r\n");
    let limits = [MAX_BLOCK, state_bytes(NOW, 4)];
    let found = refusals_of(Reply::Flood(head.into()), Limits::default()).await;
    for (refusal, most) in found.into_iter().zip(limits) {
        assert!(
            matches!(refusal, Refusal::TooLarge { limit, .. } if limit == most),
            "{refusal}"
        );
    }
}

#[tokio::test]
async fn an_endless_body_is_left_at_the_limit() {
    let head = format!("HTTP/1.1 200 OK\r\n{SSZ}Transfer-Encoding: chunked\r\n\r\n");
    for wrong in [STATE_PATH, BLOCK_PATH] {
        let (head, served) = (head.clone(), chain(5, &[]).pop().unwrap());
        let liar = Liar::start(move |path| match path {
            path if path == wrong => Reply::Flood(head.clone().into()),
            path => honest(&served, path),
        })
        .await;
        let refusal = refusal_within(&liar, Limits::default()).await;
        assert!(matches!(refusal, Refusal::TooLarge { .. }), "{refusal}");
        // Beyond the limit there is what the kernels buffer.
        let sent = liar.sent.load(Ordering::Relaxed) as usize;
        assert!(sent < MAX_BLOCK + (16 << 20), "{sent} bytes were taken");
    }
}

#[tokio::test]
async fn hanging_at_any_stage_ends_at_that_stages_limit() {
    let head = format!("HTTP/1.1 200 OK\r\n{SSZ}Content-Length: 300\r\n\r\n");
    let stages = [
        (Vec::new(), Stage::Head),
        (b"HTTP/1.1 200 OK\r\nContent-".to_vec(), Stage::Head),
        (head.clone().into_bytes(), Stage::Body),
        ([head.as_bytes(), &[0; 200]].concat(), Stage::Body),
    ];
    for (bytes, expected) in stages {
        let mut limits = Limits::default();
        match expected {
            Stage::Head => limits.head = SHORT,
            _ => limits.idle = SHORT,
        }
        for refusal in refusals_of(Reply::Hang(bytes), limits).await {
            assert!(
                matches!(refusal, Refusal::TimedOut { stage, limit } if stage == expected && limit == SHORT),
                "{refusal}"
            );
        }
    }
}

#[tokio::test]
async fn a_trickle_ends_when_the_time_for_everything_is_over() {
    let head = format!("HTTP/1.1 200 OK\r\n{SSZ}Content-Length: 300\r\n\r\n");
    let limits = Limits {
        total: 3 * SHORT,
        ..Limits::default()
    };
    for start in [head.as_bytes(), b"HTTP/1.1 200 OK\r\nX: "] {
        let served = chain(5, &[]).pop().unwrap();
        let start = start.to_vec();
        let liar = Liar::start(move |path| match path {
            BLOCK_PATH => Reply::Trickle(start.clone()),
            path => honest(&served, path),
        })
        .await;
        let refusal = refusal_within(&liar, limits).await;
        assert!(
            matches!(refusal, Refusal::TimedOut { stage: Stage::Total, limit } if limit == limits.total),
            "{refusal}"
        );
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    for line in [
        "301 Moved Permanently",
        "302 Found",
        "307 Temporary Redirect",
    ] {
        let to = format!("http://127.0.0.1:1{STATE_PATH}");
        let reply = format!("HTTP/1.1 {line}\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        let reply = Reply::Raw(reply.into_bytes());
        let liar = Liar::start(move |_| reply.clone()).await;
        match refusal_within(&liar, Limits::default()).await {
            Refusal::Redirect { to: found, .. } => assert_eq!(found, to),
            other => panic!("{other}"),
        }
        assert_eq!(liar.requests.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn answers_of_another_content_type_are_refused() {
    let types = ["text/html; charset=utf-8", "application/json", ""];
    for kind in types {
        let reply = with_headers(b"<html></html>", &format!("Content-Type: {kind}\r\n"));
        for refusal in refusals_of(reply, Limits::default()).await {
            let refusal = unwrapped(refusal);
            assert!(
                matches!(&refusal, Refusal::Form { found, .. } if found == kind),
                "{refusal}"
            );
        }
    }
    for refusal in refusals_of(with_headers(b"", ""), Limits::default()).await {
        assert!(matches!(unwrapped(refusal), Refusal::Form { .. }));
    }
}

#[tokio::test]
async fn compressed_answers_are_refused() {
    for encoding in ["gzip", "br", "deflate, gzip"] {
        let headers = format!("{SSZ}Content-Encoding: {encoding}\r\n");
        for refusal in refusals_of(with_headers(&[0x1f, 0x8b], &headers), Limits::default()).await {
            let refusal = unwrapped(refusal);
            assert!(
                matches!(&refusal, Refusal::Form { found, .. } if found == encoding),
                "{refusal}"
            );
        }
    }
}

#[tokio::test]
async fn error_statuses_of_the_server_are_reported() {
    for line in [
        "404 Not Found",
        "500 Internal Server Error",
        "503 Service Unavailable",
    ] {
        for refusal in refusals_of(status(line), Limits::default()).await {
            let text = refusal.to_string();
            assert!(
                text.contains(&format!("status {line}")) && text.contains("/finalized"),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn heads_that_are_too_long_or_no_heads_are_refused() {
    let large = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: x\r\n".repeat(200));
    let cut = format!("HTTP/1.1 200 OK\r\n{SSZ}Content-Length: 300\r\n\r\nabc");
    let two = format!("HTTP/1.1 200 OK\r\n{SSZ}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc");
    for bytes in [&large, &many, &cut, &two, "SSH-2.0-x\r\n", ""] {
        for refusal in refusals_of(Reply::Raw(bytes.into()), Limits::default()).await {
            assert!(matches!(refusal, Refusal::Exchange { .. }), "{refusal}");
        }
    }
}

#[tokio::test]
async fn what_other_clients_do_differently_is_understood() {
    let served = chain(5, &[]).pop().unwrap();
    let variants: [fn(&[u8]) -> Reply; 4] = [
        ssz,
        // As zeam can: the length twice.
        |body| with_headers(body, &format!("{SSZ}Content-Length: {}\r\n", body.len())),
        |body| with_headers(body, "content-type: Application/Octet-Stream; x=y\r\n"),
        // Without a length, up to the end of the connection.
        |body| {
            let head = format!("HTTP/1.0 200 OK\r\n{SSZ}Content-Encoding: identity\r\n\r\n");
            Reply::Raw([head.as_bytes(), body].concat())
        },
    ];
    for variant in variants {
        let (block, state) = (served.block_bytes(), served.state_bytes());
        let server = Liar::start(move |path| match path {
            BLOCK_PATH => variant(&block),
            STATE_PATH => variant(&state),
            _ => status("404 Not Found"),
        })
        .await;
        let outcome = fetch(
            std::slice::from_ref(&server.url),
            network(NOW),
            Limits::default(),
        )
        .await;
        match outcome {
            Ok(Fetched::Anchor(anchor)) => assert_eq!(anchor.state, served.state),
            Ok(Fetched::Genesis) => panic!("genesis"),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_listen_is_reported() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let outcome = fetch(&[url.parse().unwrap()], network(NOW), Limits::default()).await;
    match outcome {
        Err(CheckpointError::NoneUsable(refusals)) => {
            assert!(
                matches!(refusals[..], [(_, Refusal::Connect(_))]),
                "{refusals:?}"
            );
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it is taken"),
    }
}
