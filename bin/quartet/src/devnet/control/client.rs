//! A command's end of the socket.

use std::{io, path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

use super::{
    MAX_REPLY, Reply, Request,
    path::{Reachable, SOCKET},
};

/// How long a reply may take: all nodes are stopped in six seconds, or killed, and a devnet does one thing after another.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a devnet was not reached.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum Unreached {
    /// No devnet listens.
    #[error("no devnet is running in {0}")]
    NotRunning(String),
    /// It does not answer as it should.
    #[error("the devnet in {directory} does not answer: {error}")]
    Silent {
        /// Where it is.
        directory: String,
        /// What went wrong.
        error: io::Error,
    },
}

/// Asks the devnet that runs in a directory.
///
/// # Errors
/// When none does, or it does not answer.
pub(in super::super) async fn ask(devnet: &Path, request: &Request) -> Result<Reply, Unreached> {
    let directory = devnet.display().to_string();
    let exchanged = timeout(PATIENCE, exchange(devnet, request)).await;
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "it takes too long");
    exchanged.map_err(late).flatten().map_err(|error| {
        use io::ErrorKind::{ConnectionRefused, NotADirectory, NotFound};
        match error.kind() {
            NotFound | ConnectionRefused | NotADirectory => Unreached::NotRunning(directory),
            _ => Unreached::Silent { directory, error },
        }
    })
}

async fn exchange(devnet: &Path, request: &Request) -> io::Result<Reply> {
    let reachable = Reachable::new(devnet, SOCKET)?;
    let mut stream = UnixStream::connect(&reachable.path).await?;
    let mut text = serde_json::to_vec(request)?;
    text.push(b'\n');
    stream.write_all(&text).await?;
    let mut reply = Vec::new();
    stream.take(MAX_REPLY).read_to_end(&mut reply).await?;
    if reply.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "it has ended meanwhile",
        ));
    }
    Ok(serde_json::from_slice(&reply)?)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::{super::server::Control, *};

    fn refused(reply: Reply) -> String {
        match reply {
            Reply::Refused(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_request_is_answered_and_the_socket_is_the_owners_alone() {
        let directory = tempfile::tempdir().unwrap();
        // Longer than a socket's address may be.
        let long = directory.path().join("x".repeat(150));
        fs::create_dir(&long).unwrap();
        for devnet in [directory.path(), &long] {
            // One that was killed has left its socket.
            drop(std::os::unix::net::UnixListener::bind(directory.path().join("old")).unwrap());
            fs::rename(directory.path().join("old"), devnet.join(SOCKET)).unwrap();
            let unreached = ask(devnet, &Request::Status).await.unwrap_err().to_string();
            assert!(unreached.contains("no devnet is running in"), "{unreached}");

            let mut control = Control::open(devnet).unwrap();
            let mode = fs::metadata(devnet.join(SOCKET))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
            let request = Request::Kill {
                node: "a".to_owned(),
            };
            let answering = async {
                let (request, reply) = control.next().await;
                reply.send(Reply::Done(format!("{request:?}"))).unwrap();
            };
            let (reply, ()) = tokio::join!(ask(devnet, &request), answering);
            assert_eq!(reply.unwrap(), Reply::Done(format!("{request:?}")));
            drop(control);
            assert!(!devnet.join(SOCKET).exists());
        }
        let unreached = ask(&directory.path().join("nowhere"), &Request::Stop).await;
        assert!(matches!(unreached, Err(Unreached::NotRunning(_))));
    }

    #[tokio::test]
    async fn malformed_requests_are_refused_and_cost_little() {
        let directory = tempfile::tempdir().unwrap();
        let _control = Control::open(directory.path()).unwrap();
        let long = format!("{{\"do\":\"kill\",\"node\":\"{}", "x".repeat(20_000));
        for wrong in ["{}\n", "\n", "{\"do\":\"format\"}\n", &long] {
            let mut stream = UnixStream::connect(directory.path().join(SOCKET))
                .await
                .unwrap();
            stream.write_all(wrong.as_bytes()).await.unwrap();
            let mut reply = Vec::new();
            let read = stream.read_to_end(&mut reply).await;
            if wrong == long {
                // It is not even read to its end.
                assert!(reply.len() < 1_000);
                continue;
            }
            read.unwrap();
            let reason = refused(serde_json::from_slice(&reply).unwrap());
            assert!(reason.contains("not a request of this version"), "{reason}");
        }
    }
}
