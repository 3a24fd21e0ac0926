//! A service that runs on a loopback port, and clients as bare sockets.

use std::{net::SocketAddr, time::Duration};

use quartet_rpc::{Limits, RpcConfig, RpcError, RpcService};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::node::{Answer, TestNode};

/// Longer than anything here takes; only a failure waits it out.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn any_port() -> Option<SocketAddr> {
    Some(([127, 0, 0, 1], 0).into())
}

pub(crate) struct Running {
    pub(crate) http: SocketAddr,
    shutdown: CancellationToken,
    ended: JoinHandle<Result<(), RpcError>>,
}

impl Running {
    pub(crate) async fn http() -> Self {
        Self::with(&TestNode::with_chain(2), Limits::default()).await
    }

    pub(crate) async fn with(node: &TestNode, limits: Limits) -> Self {
        let config = RpcConfig {
            http: any_port(),
            limits,
            ..RpcConfig::default()
        };
        Self::configured(node, config).await
    }

    pub(crate) async fn configured(node: &TestNode, config: RpcConfig) -> Self {
        let service = RpcService::bind(config, node.view.clone()).await.unwrap();
        let http = service.http_address().unwrap();
        let shutdown = CancellationToken::new();
        let ended = tokio::spawn(service.run(shutdown.clone()));
        Self {
            http,
            shutdown,
            ended,
        }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.http).await.unwrap()
    }

    /// A connection on which this has been sent.
    pub(crate) async fn begin(&self, bytes: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream
    }

    /// The answer to a request with these headers, each with its line's end.
    pub(crate) async fn get(&self, path: &str, headers: &str) -> Answer {
        // In HTTP/1.0 nothing comes in chunks.
        let request = format!("GET {path} HTTP/1.0\r\n{headers}\r\n");
        let (mut stream, mut bytes) = (self.begin(&request).await, Vec::new());
        let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
        read.unwrap().unwrap();
        Answer::parse(&bytes)
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        timeout(PATIENCE, self.ended)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}

/// Sends bytes and reads until the other end closes.
pub(crate) async fn exchange(mut stream: TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    rest(stream).await.unwrap()
}

/// What comes until the other end closes; the error when it breaks off.
pub(crate) async fn rest(mut stream: TcpStream) -> std::io::Result<String> {
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    timeout(PATIENCE, read).await.unwrap()?;
    Ok(answer)
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}
