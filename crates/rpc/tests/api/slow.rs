//! Clients that are slow, on purpose or not: what they hold is taken from them.

use std::time::Duration;

use quartet_rpc::Limits;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::{
    budget::Locked,
    metrics::installed,
    node::TestNode,
    running::{PATIENCE, Running, exchange, get, rest},
};

const HALF_A_HEAD: &str = "GET /lean/v0/health HTTP/1.1\r\nHost: loc";
const HALF_A_BODY: &str = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{";
const KEPT: &str = "GET /lean/v0/head HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// Short enough to wait for.
const SOON: Duration = Duration::from_millis(100);

#[tokio::test]
async fn slow_sockets_keep_nobody_out() {
    let node = TestNode::with_chain(2);
    let limits = Limits {
        connections: 8,
        ..Limits::default()
    };
    let running = Running::with(&node, limits).await;
    let mut slow = Vec::new();
    for round in 0..20 {
        for begun in [HALF_A_HEAD, "", HALF_A_BODY, KEPT, "G"]
            .iter()
            .cycle()
            .take(15)
        {
            slow.push(running.begin(begun).await);
        }
        let path = ["/lean/v0/head", "/metrics"][round % 2];
        let answer = exchange(running.connect().await, &get(path)).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
    running.stop().await;
}

#[tokio::test]
async fn the_connection_that_waits_the_longest_makes_room() {
    let limits = Limits {
        connections: 3,
        ..Limits::default()
    };
    let running = Running::with(&TestNode::with_chain(2), limits).await;
    let first = running.begin(HALF_A_HEAD).await;
    let mut second = running.begin(KEPT).await;
    // Its answer shows that both are accepted, and makes its wait begin later.
    let mut buffer = [0; 1024];
    assert!(second.read(&mut buffer).await.unwrap() > 0);
    let third = running.begin(HALF_A_BODY).await;

    let answer = exchange(running.connect().await, &get("/lean/v0/head")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_gone(first).await;
    // The others are as they were.
    second.write_all(KEPT.as_bytes()).await.unwrap();
    assert!(
        timeout(PATIENCE, second.read(&mut buffer))
            .await
            .unwrap()
            .unwrap()
            > 0
    );
    let answer = exchange_to_close(third, "\"a\":23456}").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    running.stop().await;
}

#[tokio::test]
async fn each_part_of_an_exchange_has_its_deadline() {
    let node = TestNode::with_chain(2);
    let (generous, half) = (Limits::default(), HALF_A_HEAD);
    let head = Limits {
        head: SOON,
        ..generous
    };
    let body = Limits {
        body: SOON,
        ..generous
    };
    let idle = Limits {
        idle: SOON,
        ..generous
    };
    let cases = [
        (head, "", ""),
        (head, half, ""),
        (body, HALF_A_BODY, ""),
        (idle, KEPT, "\"slot\":2"),
    ];
    for (limits, sent, expected) in cases {
        let running = Running::with(&node, limits).await;
        let stream = running.begin(sent).await;
        let answer = rest(stream).await.unwrap_or_default();
        assert!(answer.contains(expected), "{sent:?} {answer:?}");
        assert_eq!(answer.is_empty(), expected.is_empty(), "{sent:?}");
        running.stop().await;
    }
}

#[tokio::test]
async fn a_second_request_on_a_connection_has_its_deadlines_too() {
    let limits = Limits {
        head: SOON,
        ..Limits::default()
    };
    let running = Running::with(&TestNode::with_chain(2), limits).await;
    let mut stream = running.begin(KEPT).await;
    let mut buffer = [0; 1024];
    assert!(stream.read(&mut buffer).await.unwrap() > 0);
    stream.write_all(HALF_A_HEAD.as_bytes()).await.unwrap();
    assert_gone(stream).await;
    running.stop().await;
}

#[tokio::test]
async fn a_byte_now_and_then_gives_no_more_time() {
    let limits = Limits {
        head: SOON,
        ..Limits::default()
    };
    let running = Running::with(&TestNode::with_chain(2), limits).await;
    let mut stream = running.begin("GET /").await;
    let drip = async {
        let mut pace = tokio::time::interval(SOON / 10);
        loop {
            pace.tick().await;
            // The end shows in an error some bytes after it.
            if stream.write_all(b"a").await.is_err() {
                return;
            }
        }
    };
    timeout(PATIENCE, drip).await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn an_exchange_has_a_deadline_even_when_we_are_the_slow_ones() {
    let node = TestNode::with_chain(2);
    let limits = Limits {
        exchange: SOON,
        ..Limits::default()
    };
    let running = Running::with(&node, limits).await;
    let locked = Locked::new(&node);
    assert_gone(running.begin(&get("/lean/v0/fork_choice")).await).await;
    drop(locked);
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_cut_off() {
    let limits = Limits {
        exchange: SOON,
        ..Limits::default()
    };
    let node = TestNode::with_validators(4096, Some(installed()));
    let running = Running::with(&node, limits).await;
    let deaf = deaf(&running).await;
    let cut_off = async {
        let counted = "quartet_http_connections_closed_total{reason=\"answer\"} 1";
        while !exchange(running.connect().await, &get("/metrics"))
            .await
            .contains(counted)
        {}
    };
    timeout(PATIENCE, cut_off).await.unwrap();
    assert_truncated(deaf).await;
    running.stop().await;
}

#[tokio::test]
async fn answers_that_nobody_takes_make_room_for_others() {
    let limits = Limits {
        answer_bytes: 1,
        ..Limits::default()
    };
    let node = TestNode::with_validators(4096, None);
    let running = Running::with(&node, limits).await;
    let deaf = deaf(&running).await;
    // What follows is answered after it.
    let mut first = [0; 12];
    deaf.peek(&mut first).await.unwrap();
    let answer = exchange(running.connect().await, &get("/lean/v0/node/version")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_truncated(deaf).await;
    running.stop().await;
}

/// A client that has asked for more than the kernel holds for it, and reads nothing.
async fn deaf(running: &Running) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(running.http).await.unwrap();
    let accept = "Accept: application/json\r\nHost";
    let request = get("/lean/v0/states/finalized").replace("Host", accept);
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn assert_truncated(stream: TcpStream) {
    let Ok(answer) = rest(stream).await else {
        return;
    };
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let (_, length) = head.split_once("content-length: ").unwrap();
    let length: usize = length.lines().next().unwrap().parse().unwrap();
    assert!(body.len() < length, "{} of {length}", body.len());
}

async fn assert_gone(stream: TcpStream) {
    assert_eq!(rest(stream).await.unwrap_or_default(), "");
}

async fn exchange_to_close(mut stream: TcpStream, last: &str) -> String {
    stream.write_all(last.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 4096];
    let read = timeout(PATIENCE, stream.read(&mut buffer))
        .await
        .unwrap()
        .unwrap();
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}
