//! The service on loopback sockets: its ports, its end, and what it refuses.

use std::time::Duration;

use quartet_rpc::{RpcConfig, RpcService};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    node::TestNode,
    running::{PATIENCE, Running, any_port, exchange, get},
};

#[tokio::test]
async fn the_service_answers_on_the_port_that_it_got() {
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
        let config = RpcConfig {
            http,
            metrics,
            ..RpcConfig::default()
        };
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
        ..RpcConfig::default()
    };
    let service = RpcService::bind(own, view.clone()).await.unwrap();
    let free = service.http_address().unwrap();
    assert_ne!(service.metrics_address(), Some(free));
    drop(service);

    let shared = RpcConfig {
        http: Some(free),
        metrics: Some(free),
        ..RpcConfig::default()
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
async fn the_service_ends_at_once_whatever_clients_do() {
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
async fn a_head_that_is_too_large_is_refused() {
    let running = Running::http().await;
    let name = "a".repeat(64 << 10);
    let request = format!("GET /{name} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut stream = running.connect().await;
    // It may be refused, and the connection closed, before all of it is sent.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&answer, b"HTTP/1.1 431");
    running.stop().await;
}

#[tokio::test]
async fn a_page_of_another_host_learns_nothing() {
    let table = [
        ("Host: localhost:5052", "200"),
        ("Host: 127.0.0.1:5052", "200"),
        ("Host: evil.example", "403"),
        ("X-Host: localhost", "400"),
    ];
    let running = Running::http().await;
    for path in ["/lean/v0/head", "/metrics", "/lean/v0/node/version"] {
        for (host, status) in table {
            let request = format!("GET {path} HTTP/1.1\r\n{host}\r\nConnection: close\r\n\r\n");
            let answer = exchange(running.connect().await, &request).await;
            assert_eq!(answer.split(' ').nth(1), Some(status), "{host}: {answer}");
            let told = answer.contains("--http-allowed-host");
            assert_eq!(told, status == "403", "{answer}");
        }
    }
    running.stop().await;
}
