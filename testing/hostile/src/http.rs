//! As much of an HTTP client as is needed to ask a node on this machine.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The longest answer that is read, in bytes: a whole batch of calls and a bit more.
const MAX_RESPONSE: u64 = 6 << 20;

/// Gets `path`.
///
/// # Errors
/// When there is no answer, or none with status 200.
pub(crate) async fn get(node: SocketAddr, path: &str) -> Result<String> {
    exchange(node, &format!("GET {path} HTTP/1.1\r\n"), "").await
}

/// Posts JSON to the root.
///
/// # Errors
/// When there is no answer, or none with status 200.
pub(crate) async fn post(node: SocketAddr, json: &str) -> Result<String> {
    let length = json.len();
    let head = format!(
        "POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
    );
    exchange(node, &head, json).await
}

async fn exchange(node: SocketAddr, head: &str, body: &str) -> Result<String> {
    let request = format!("{head}Host: {node}\r\nConnection: close\r\n\r\n{body}");
    let exchange = async {
        let mut stream = TcpStream::connect(node).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut response = Vec::new();
        stream.take(MAX_RESPONSE).read_to_end(&mut response).await?;
        anyhow::Ok(response)
    };
    let response = timeout(TIMEOUT, exchange)
        .await
        .context("no answer in time")??;
    body_of(&response)
}

/// The body of a response, which the connection's end has delimited.
fn body_of(response: &[u8]) -> Result<String> {
    let response = str::from_utf8(response).context("the answer is not UTF-8")?;
    let (head, body) = response
        .split_once("\r\n\r\n")
        .context("the answer has no body")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status != "200" {
        bail!("status {status}");
    }
    Ok(body.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_what_follows_the_headers() {
        let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\na\r\nb";
        assert_eq!(body_of(ok).unwrap(), "a\r\nb");
        for wrong in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 404 Not Found\r\n\r\n"] {
            assert!(body_of(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
