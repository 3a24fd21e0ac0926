//! A server on the loopback that answers whatever a test wants it to.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
};

use super::chain::Served;
use crate::{
    ServerUrl,
    url::{BLOCK_PATH, STATE_PATH},
};

/// An answer.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// These bytes, then the end.
    Raw(Vec<u8>),
    /// These bytes, then nothing more.
    Hang(Vec<u8>),
    /// These bytes, then one after another, slowly.
    Trickle(Vec<u8>),
    /// These bytes, then as many as it can send.
    Flood(Vec<u8>),
}

pub(crate) fn ssz(body: &[u8]) -> Reply {
    with_headers(body, "Content-Type: application/octet-stream\r\n")
}

pub(crate) fn with_headers(body: &[u8], headers: &str) -> Reply {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {length}\r\n\r\n");
    Reply::Raw([head.as_bytes(), body].concat())
}

pub(crate) fn status(line: &str) -> Reply {
    Reply::Raw(format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n").into_bytes())
}

/// What an honest node answers to this path.
pub(crate) fn honest(served: &Served, path: &str) -> Reply {
    match path {
        STATE_PATH => ssz(&served.state_bytes()),
        BLOCK_PATH => ssz(&served.block_bytes()),
        _ => status("404 Not Found"),
    }
}

/// A server until the test's runtime ends.
pub(crate) struct Liar {
    pub(crate) url: ServerUrl,
    pub(crate) address: SocketAddr,
    /// Requests that came.
    pub(crate) requests: Arc<AtomicU64>,
    /// Bytes of a flood that it got rid of.
    pub(crate) sent: Arc<AtomicU64>,
}

impl Liar {
    pub(crate) async fn start(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, sent) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let counters = (requests.clone(), sent.clone());
        let reply = Arc::new(reply);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (reply, (requests, sent)) = (reply.clone(), counters.clone());
                tokio::spawn(async move {
                    requests.fetch_add(1, Ordering::Relaxed);
                    answer(stream, &*reply, &sent).await
                });
            }
        });
        Self {
            url: format!("http://{address}").parse().unwrap(),
            address,
            requests,
            sent,
        }
    }

    pub(crate) async fn honest(served: &Served) -> Self {
        let served = served.clone();
        Self::start(move |path| honest(&served, path)).await
    }
}

/// Reads a request's head and answers it.
pub(crate) async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    reply: &(impl Fn(&str) -> Reply + ?Sized),
    sent: &AtomicU64,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap();
    // The client may have gone away, which is its right.
    match reply(path) {
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reply::Hang(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.flush().await;
            // Until the client is gone.
            let _ = stream.read_u8().await;
        }
        Reply::Trickle(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let mut pace = tokio::time::interval(Duration::from_millis(20));
            while stream.write_all(b"x").await.is_ok() && stream.flush().await.is_ok() {
                pace.tick().await;
            }
        }
        Reply::Flood(bytes) => {
            let _ = stream.write_all(&bytes).await;
            // A chunk of 64 KiB, where the answer is in chunks.
            let chunk = [b"10000\r\n".as_slice(), &[0; 0x10000], b"\r\n"].concat();
            while stream.write_all(&chunk).await.is_ok() {
                sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            }
        }
    }
}
