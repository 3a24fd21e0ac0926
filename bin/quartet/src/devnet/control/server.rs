//! The devnet's end of the socket.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc, oneshot},
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    MAX_REQUEST, Reply, Request,
    path::{Reachable, SOCKET},
};

/// Commands at a time; further ones wait to be taken.
const MAX_CLIENTS: usize = 8;
/// How long a client may take to send its request, and to take the reply.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before another try when no connection can be taken, for want of files.
const PAUSE: Duration = Duration::from_millis(100);

/// A request, and where its reply goes.
pub(in super::super) type Asked = (Request, oneshot::Sender<Reply>);

/// The socket, open for commands. Dropped, it is gone.
#[derive(Debug)]
pub(in super::super) struct Control {
    requests: mpsc::Receiver<Asked>,
    server: JoinHandle<()>,
    places: Arc<Semaphore>,
    /// Where it is, until it is closed.
    path: Option<PathBuf>,
}

impl Control {
    /// Opens the socket in the devnet's directory. Whoever calls this holds the directory's lock, so what lies there is what
    /// a devnet that was killed has left.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(in super::super) fn open(devnet: &Path) -> io::Result<Self> {
        let path = devnet.join(SOCKET);
        // It gets its name only when its permissions are set.
        let beside = format!("{SOCKET}.new");
        match fs::remove_file(devnet.join(&beside)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let reachable = Reachable::new(devnet, &beside)?;
        let listener = UnixListener::bind(&reachable.path)?;
        fs::set_permissions(devnet.join(&beside), fs::Permissions::from_mode(0o600))?;
        fs::rename(devnet.join(&beside), &path)?;
        let (sender, requests) = mpsc::channel(MAX_CLIENTS);
        let places = Arc::new(Semaphore::new(MAX_CLIENTS));
        Ok(Self {
            requests,
            server: tokio::spawn(serve(listener, places.clone(), sender)),
            places,
            path: Some(path),
        })
    }

    /// The next request.
    pub(in super::super) async fn next(&mut self) -> Asked {
        match self.requests.recv().await {
            Some(asked) => asked,
            // The server has ended, which it never does.
            None => std::future::pending().await,
        }
    }

    /// Takes no more requests. Waiting ones are not answered; their clients are told that the devnet has ended.
    pub(in super::super) fn close(&mut self) {
        self.server.abort();
        self.requests.close();
        while self.requests.try_recv().is_ok() {}
        if let Some(path) = self.path.take() {
            // One that stays behind leads nowhere.
            let _ = fs::remove_file(path);
        }
    }

    /// Waits until all replies have been sent.
    pub(in super::super) async fn finish(self) {
        let all = u32::try_from(MAX_CLIENTS).unwrap_or(u32::MAX);
        // Clients that do not read are given up after this time.
        let _ = timeout(PATIENCE, self.places.acquire_many(all)).await;
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.close();
    }
}

async fn serve(listener: UnixListener, places: Arc<Semaphore>, requests: mpsc::Sender<Asked>) {
    while let Ok(place) = places.clone().acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        let requests = requests.clone();
        tokio::spawn(async move {
            // A client that goes away has no use for the reply.
            let _ = attend(stream, requests).await;
            drop(place);
        });
    }
}

async fn attend(stream: UnixStream, requests: mpsc::Sender<Asked>) -> io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut line = Vec::new();
    let mut reading = BufReader::new(reading.take(MAX_REQUEST));
    timeout(PATIENCE, reading.read_until(b'\n', &mut line)).await??;
    let reply = match serde_json::from_slice(&line) {
        Ok(request) => {
            let (sender, reply) = oneshot::channel();
            let gone = |_| io::Error::other("the devnet has ended");
            requests
                .send((request, sender))
                .await
                .map_err(|_| gone(()))?;
            reply.await.map_err(|_| gone(()))?
        }
        Err(error) => Reply::Refused(format!("not a request of this version: {error}")),
    };
    let mut text = serde_json::to_vec(&reply)?;
    text.push(b'\n');
    timeout(PATIENCE, writing.write_all(&text)).await??;
    Ok(())
}
