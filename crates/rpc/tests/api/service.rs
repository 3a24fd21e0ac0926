//! The service on loopback sockets: its ports, its limits, its end.

use std::{net::SocketAddr, time::Duration};

use quartet_rpc::{RpcConfig, RpcError, RpcService};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::node::TestNode;

/// Longer than anything here takes; only a failure waits it out.
const PATIENCE: Duration = Duration::from_secs(10);

fn any_port() -> Option<SocketAddr> {
    Some(([127, 0, 0, 1], 0).into())
}

struct Running {
    http: SocketAddr,
    shutdown: CancellationToken,
    ended: JoinHandle<Result<(), RpcError>>,
}

async fn run(config: RpcConfig) -> Running {
    let node = TestNode::with_chain(2);
    let service = RpcService::bind(config, node.view.clone()).await.unwrap();
    let http = service.http_address().unwrap();
    let shutdown = CancellationToken::new();
    let ended = tokio::spawn(service.run(shutdown.clone()));
    Running {
        http,
        shutdown,
        ended,
    }
}

impl Running {
    async fn http() -> Self {
        run(RpcConfig {
            http: any_port(),
            metrics: None,
        })
        .await
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.http).await.unwrap()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        timeout(PATIENCE, self.ended)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}

/// Sends bytes and reads until the other end closes.
async fn exchange(mut stream: TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    timeout(PATIENCE, read).await.unwrap().unwrap();
    answer
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn it_answers_on_the_port_that_it_got() {
    let running = Running::http().await;
    assert_ne!(running.http.port(), 0);
    let answer = exchange(running.connect().await, &get("/lean/v0/head")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains(r#""slot":2"#), "{answer}");
    running.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let running = Running::http().await;
    for (http, metrics) in [(Some(running.http), None), (None, Some(running.http))] {
        let config = RpcConfig { http, metrics };
        let view = TestNode::at_genesis(0).view.clone();
        let error = RpcService::bind(config, view)
            .await
            .unwrap_err()
            .to_string();
        let flag = if http.is_some() {
            "--http-port"
        } else {
            "--metrics-port"
        };
        assert!(error.contains(&running.http.to_string()), "{error}");
        assert!(error.contains("in use") && error.contains(flag), "{error}");
    }
    running.stop().await;
}

#[tokio::test]
async fn metrics_share_the_address_or_have_their_own() {
    let view = TestNode::at_genesis(0).view.clone();
    let own = RpcConfig {
        http: any_port(),
        metrics: any_port(),
    };
    let service = RpcService::bind(own, view.clone()).await.unwrap();
    let free = service.http_address().unwrap();
    assert_ne!(service.metrics_address(), Some(free));
    drop(service);

    let shared = RpcConfig {
        http: Some(free),
        metrics: Some(free),
    };
    let service = RpcService::bind(shared, view.clone()).await.unwrap();
    assert_eq!(service.metrics_address(), Some(free));
    drop(service);

    let service = RpcService::bind(RpcConfig::default(), view).await.unwrap();
    assert_eq!(
        (service.http_address(), service.metrics_address()),
        (None, None)
    );
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    timeout(PATIENCE, service.run(shutdown))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn it_ends_at_once_whatever_clients_do() {
    let running = Running::http().await;
    // One that keeps its connection, one that stops in the middle of a request, one that says nothing.
    let mut kept = running.connect().await;
    let request = "GET /lean/v0/health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    kept.write_all(request.as_bytes()).await.unwrap();
    let mut buffer = [0; 256];
    assert!(kept.read(&mut buffer).await.unwrap() > 0);
    let mut halfway = running.connect().await;
    let request = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{";
    halfway.write_all(request.as_bytes()).await.unwrap();
    let _silent = running.connect().await;

    let before = quartet_clock::Stopwatch::start();
    running.stop().await;
    assert!(before.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn an_announced_body_that_is_too_large_is_refused_before_it_comes() {
    let running = Running::http().await;
    let request = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\
                   Connection: close\r\n\r\n";
    let answer = exchange(running.connect().await, request).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    running.stop().await;
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let running = Running::http().await;
    let answer = exchange(running.connect().await, "\u{1}\u{2}\u{3}\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    running.stop().await;
}

#[tokio::test]
async fn a_crowd_is_served_one_after_the_other() {
    let running = Running::http().await;
    let mut crowd = Vec::new();
    for _ in 0..100 {
        crowd.push(running.connect().await);
    }
    // Some hold their places without a word; the others get theirs once these are gone.
    let served = crowd.split_off(64);
    drop(crowd);
    for stream in served {
        let answer = exchange(stream, &get("/lean/v0/health")).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
    running.stop().await;
}
