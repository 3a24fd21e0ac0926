//! Which pages may read answers: what browsers are told, and what the node refuses itself.

use quartet_rpc::{AllowedHosts, AllowedOrigins, Limits, RpcConfig};
use tokio::{io::AsyncReadExt as _, time::timeout};

use crate::{
    node::TestNode,
    running::{PATIENCE, Running, any_port, exchange},
};

async fn running(origins: &[&str]) -> Running {
    let config = RpcConfig {
        http: any_port(),
        allowed_hosts: AllowedHosts::new(["node.example"]),
        allowed_origins: AllowedOrigins::new(origins),
        limits: Limits::default(),
        ..RpcConfig::default()
    };
    Running::configured(&TestNode::with_chain(2), config).await
}

/// Asks as a page of this origin, and gives the whole answer in lower case.
async fn ask(running: &Running, request: &str, origin: &str, more: &str) -> String {
    let request = format!(
        "{request} HTTP/1.1\r\nHost: localhost:5052\r\nOrigin: {origin}\r\n{more}Connection: close\r\n\r\n"
    );
    let answer = exchange(running.connect().await, &request).await;
    answer.to_ascii_lowercase()
}

/// Whether a page of this origin may open a WebSocket.
async fn may_upgrade(running: &Running, origin: &str) -> bool {
    let request = format!(
        "GET / HTTP/1.1\r\nHost: localhost:5052\r\nOrigin: {origin}\r\nConnection: upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let mut stream = running.begin(&request).await;
    let mut status = [0; 12];
    let read = timeout(PATIENCE, stream.read_exact(&mut status)).await;
    read.unwrap().unwrap();
    match &status {
        b"HTTP/1.1 101" => true,
        b"HTTP/1.1 403" => false,
        other => panic!("{}", String::from_utf8_lossy(other)),
    }
}

#[tokio::test]
async fn pages_of_this_machine_and_of_what_is_allowed_may_read() {
    let running = running(&["https://dash.example"]).await;
    let table = [
        ("http://localhost:3000", true),
        ("http://127.0.0.1:8080", true),
        ("https://node.example", true),
        ("https://dash.example", true),
        ("http://dash.example", false),
        ("https://evil.example", false),
        ("null", false),
    ];
    for (origin, may) in table {
        let allowed = format!("access-control-allow-origin: {origin}\r\n");
        // Also what refuses, so that a page can show why.
        for path in [
            "/lean/v0/head",
            "/lean/v0/blocks/latest",
            "/metrics",
            "/nowhere",
        ] {
            let answer = ask(&running, &format!("GET {path}"), origin, "").await;
            assert_eq!(answer.contains(&allowed), may, "{origin}: {answer}");
            assert!(answer.contains("vary: origin\r\n"), "{answer}");
        }
        let asks = "Access-Control-Request-Method: POST\r\n\
                    Access-Control-Request-Headers: content-type\r\n";
        let answer = ask(&running, "OPTIONS /", origin, asks).await;
        let status = if may { "http/1.1 204" } else { "http/1.1 403" };
        assert!(answer.starts_with(status), "{origin}: {answer}");
        assert_eq!(
            answer.contains("access-control-allow-methods: get, head, post\r\n"),
            may
        );
        assert_eq!(answer.contains("access-control-allow-headers: *\r\n"), may);
        assert_eq!(answer.contains("--http-cors-origin"), !may, "{answer}");
        assert_eq!(may_upgrade(&running, origin).await, may, "{origin}");
    }
    running.stop().await;
}

#[tokio::test]
async fn every_page_may_read_where_that_was_asked_for() {
    let running = running(&["*"]).await;
    for origin in ["https://evil.example", "null"] {
        let answer = ask(&running, "GET /lean/v0/head", origin, "").await;
        assert!(
            answer.contains("access-control-allow-origin: *\r\n"),
            "{answer}"
        );
        assert!(may_upgrade(&running, origin).await, "{origin}");
    }
    running.stop().await;
}

#[tokio::test]
async fn clients_without_an_origin_get_no_cors_headers() {
    let running = Running::http().await;
    let request = crate::running::get("/lean/v0/head");
    let answer = exchange(running.connect().await, &request).await;
    assert!(
        !answer.to_ascii_lowercase().contains("access-control"),
        "{answer}"
    );
    let request = "OPTIONS / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = exchange(running.connect().await, request).await;
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    running.stop().await;
}
