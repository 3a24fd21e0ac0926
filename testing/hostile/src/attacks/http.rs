//! Abuse of the HTTP server.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::attacker::Stage;

/// Connections per node that send slowly: more than a node takes from all together.
const SLOW: usize = 96;

/// Between two bytes.
const BYTE: Duration = Duration::from_secs(8);

/// Connections per node that ask and do not read.
const READERS: usize = 32;

/// Connections per node of the flood.
const FLOODERS: usize = 8;

/// Calls in a batch: as many as a node takes.
const CALLS: usize = 100;

/// Before a connection that was closed or refused is opened again.
const PAUSE: Duration = Duration::from_millis(250);

/// How long a foreign request waits for its answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Heads of requests that come a byte at a time.
pub(super) async fn slowloris(stage: Stage) {
    crowd(&stage, SLOW, |stage, node| async move {
        let Ok(mut stream) = TcpStream::connect(node).await else {
            return;
        };
        stage.count("connections", 1);
        let mut heard = [0; 64];
        // The head never ends.
        for byte in b"GET /metrics HTTP/1.1\r\nx-pad: "
            .iter()
            .chain(std::iter::repeat(&b'a'))
        {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            let rest = timeout(BYTE, stream.read(&mut heard));
            // Nothing is heard while the node waits for the rest; anything else is its farewell.
            if rest.await.is_ok() {
                stage.count("closed_by_the_node", 1);
                return;
            }
        }
    })
    .await;
}

/// Batches of calls whose answers are long and are not read.
pub(super) async fn slow_readers(stage: Stage) {
    crowd(&stage, READERS, |stage, node| async move {
        let Ok(mut stream) = TcpStream::connect(node).await else {
            return;
        };
        stage.count("connections", 1);
        // As many as go into the buffers between us; then it waits to be thrown out.
        let request = batch(node, "lean_block");
        while stream.write_all(request.as_bytes()).await.is_ok() {
            stage.count("requests", 1);
        }
    })
    .await;
}

/// The dearest requests, one after another, all answers read.
pub(super) async fn flood(stage: Stage) {
    crowd(&stage, FLOODERS, |stage, node| async move {
        let Ok(mut stream) = TcpStream::connect(node).await else {
            return;
        };
        let request = batch(node, "lean_block");
        let mut heard = vec![0; 1 << 16];
        while stream.write_all(request.as_bytes()).await.is_ok() {
            stage.count("requests", 1);
            // Answers come one after another on one connection: each one that is read makes place for the next.
            if let Ok(Ok(0) | Err(_)) = timeout(PATIENCE, stream.read(&mut heard)).await {
                return;
            }
        }
    })
    .await;
}

/// Requests for other hosts. An answer other than a refusal is a fault.
pub(super) async fn foreign_host(stage: Stage) {
    crowd(&stage, 1, |stage, node| async move {
        for request in foreign_requests(node) {
            stage.count("requests", 1);
            if is_answered(node, &request).await == Some(true) {
                stage.fault("foreign_hosts_answered");
            }
        }
    })
    .await;
}

/// Has this many connections with each node, again and again.
async fn crowd<F, W>(stage: &Stage, count: usize, what: W)
where
    W: Fn(Stage, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let mut connections = JoinSet::new();
    for node in stage.http.iter().copied() {
        for _ in 0..count {
            let (stage, what) = (stage.clone(), what.clone());
            connections.spawn(async move {
                loop {
                    what(stage.clone(), node).await;
                    sleep(PAUSE).await;
                }
            });
        }
    }
    while connections.join_next().await.is_some() {}
}

fn batch(node: SocketAddr, method: &str) -> String {
    let call = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":["head"]}}"#);
    let body = format!("[{}]", vec![call; CALLS].join(","));
    let length = body.len();
    format!(
        "POST / HTTP/1.1\r\nHost: {node}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn foreign_requests(node: SocketAddr) -> [String; 3] {
    let port = node.port();
    let hosts = [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        format!("127.0.0.1.evil.example:{port}"),
    ];
    hosts.map(|host| format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
}

/// Whether a request is answered with success; `None` when there is no answer at all.
async fn is_answered(node: SocketAddr, request: &str) -> Option<bool> {
    let exchange = async {
        let mut stream = TcpStream::connect(node).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.ok()?;
        Some(status.ends_with(b" 200"))
    };
    timeout(PATIENCE, exchange).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_says_how_long_it_is() {
        let node = SocketAddr::from(([127, 0, 0, 1], 5052));
        let batch = batch(node, "lean_head");
        let (head, body) = batch.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        let calls: Vec<serde_json::Value> = serde_json::from_str(body).unwrap();
        assert_eq!(calls.len(), CALLS);
    }

    #[test]
    fn foreign_hosts_look_ever_more_like_ours() {
        let node = SocketAddr::from(([127, 0, 0, 1], 5052));
        for request in foreign_requests(node) {
            assert!(request.contains("evil.example"), "{request}");
        }
    }
}
