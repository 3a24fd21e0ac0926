//! As much of an HTTP client as is needed to ask a node on this machine.

use std::{fmt::Write as _, io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The longest answer that is read, in bytes.
const MAX_RESPONSE: u64 = 1 << 20;

/// Why a node gave no answer that could be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    /// The connection failed.
    #[error("no connection: {0}")]
    Connection(#[from] io::Error),
    /// Nothing came in time.
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    /// The answer is longer than [`MAX_RESPONSE`].
    #[error("the answer has more than {MAX_RESPONSE} bytes")]
    TooLong,
    /// The answer is no plain HTTP response.
    #[error("not an HTTP response: {0}")]
    Malformed(&'static str),
    /// The node refused.
    #[error("status {0}")]
    Status(u16),
}

/// Gets `path`.
///
/// # Errors
/// When there is no answer, or none with status 200.
pub(super) async fn get(node: SocketAddr, path: &str) -> Result<String, HttpError> {
    exchange(node, format!("GET {path} HTTP/1.1\r\n"), None).await
}

/// Gets `path` from a server that may not know where its answer ends: of the older version, which has no pieces.
///
/// # Errors
/// When there is no answer, or none with status 200.
pub(super) async fn get_from_any(node: SocketAddr, path: &str) -> Result<String, HttpError> {
    exchange(node, format!("GET {path} HTTP/1.0\r\n"), None).await
}

/// Posts JSON to `path`.
///
/// # Errors
/// When there is no answer, or none with status 200.
pub(super) async fn post(node: SocketAddr, path: &str, json: &str) -> Result<String, HttpError> {
    exchange(node, format!("POST {path} HTTP/1.1\r\n"), Some(json)).await
}

async fn exchange(
    node: SocketAddr,
    mut request: String,
    json: Option<&str>,
) -> Result<String, HttpError> {
    let _ = write!(request, "Host: {node}\r\nConnection: close\r\n");
    if let Some(json) = json {
        let length = json.len();
        let _ = write!(
            request,
            "Content-Type: application/json\r\nContent-Length: {length}\r\n"
        );
    }
    request.push_str("\r\n");
    request.push_str(json.unwrap_or_default());
    let exchange = async {
        let mut stream = TcpStream::connect(node).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut response = Vec::new();
        let mut limited = stream.take(MAX_RESPONSE + 1);
        limited.read_to_end(&mut response).await?;
        if response.len() as u64 > MAX_RESPONSE {
            return Err(HttpError::TooLong);
        }
        body(&response)
    };
    timeout(TIMEOUT, exchange)
        .await
        .map_err(|_| HttpError::Timeout)?
}

/// The body of a response, which the connection's end has delimited.
fn body(response: &[u8]) -> Result<String, HttpError> {
    let response = str::from_utf8(response).map_err(|_| HttpError::Malformed("not UTF-8"))?;
    let (head, body) = response
        .split_once("\r\n\r\n")
        .ok_or(HttpError::Malformed("no end of headers"))?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| {
        let rest = line.strip_prefix("HTTP/1.")?;
        rest.split(' ').nth(1)?.parse().ok()
    });
    match status {
        None => return Err(HttpError::Malformed("no status line")),
        Some(200) => {}
        Some(status) => return Err(HttpError::Status(status)),
    }
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(HttpError::Malformed("an encoded body"));
        }
        if name.eq_ignore_ascii_case("content-length") && value.parse() != Ok(body.len()) {
            return Err(HttpError::Malformed("another length than announced"));
        }
    }
    Ok(body.to_owned())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn error(response: &str) -> String {
        body(response.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn the_body_is_what_follows_the_headers() {
        let response = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\na\r\nb";
        assert_eq!(body(response).unwrap(), "a\r\nb");
    }

    #[test]
    fn answers_that_are_no_use_are_errors() {
        let cases = [
            ("", "no end of headers"),
            ("ICE 200\r\n\r\n", "no status line"),
            ("HTTP/1.1 404 Not Found\r\n\r\n", "status 404"),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhalf",
                "another length",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                "an encoded body",
            ),
        ];
        for (response, expected) in cases {
            let error = error(response);
            assert!(error.contains(expected), "{error} lacks {expected}");
        }
    }

    #[tokio::test]
    async fn a_question_and_its_answer_pass_over_a_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 1024];
            let length = stream.read(&mut request).await.unwrap();
            request.truncate(length);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]")
                .await
                .unwrap();
            String::from_utf8(request).unwrap()
        };
        let (request, answer) = tokio::join!(server, post(address, "/rpc", "{}"));
        assert_eq!(answer.unwrap(), "[]");
        assert!(request.starts_with("POST /rpc HTTP/1.1\r\n"));
        assert!(request.ends_with("Content-Length: 2\r\n\r\n{}"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_never_answers_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let error = get(address, "/metrics").await.unwrap_err();
        assert!(matches!(error, HttpError::Timeout), "{error}");
    }
}
