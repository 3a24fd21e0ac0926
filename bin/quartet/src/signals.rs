//! The signals that ask a program to end.

use std::io;

/// SIGINT (Ctrl-C) and SIGTERM, and SIGHUP if asked for; elsewhere than on Unix, Ctrl-C.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    streams: Vec<tokio::signal::unix::Signal>,
}

impl Signals {
    /// Takes the signals over: from now on they no longer end the program by themselves. Without `with_hangup`, SIGHUP still
    /// does, unless `nohup` has it ignored.
    ///
    /// # Errors
    /// When the system refuses.
    #[cfg(unix)]
    pub(crate) fn take_over(with_hangup: bool) -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
        let hangup = with_hangup.then(SignalKind::hangup);
        let streams = kinds.into_iter().chain(hangup).map(signal);
        let streams = streams.collect::<io::Result<_>>()?;
        Ok(Self { streams })
    }

    /// Takes Ctrl-C over.
    ///
    /// # Errors
    /// Never here.
    #[cfg(not(unix))]
    pub(crate) fn take_over(_with_hangup: bool) -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for the next signal.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) {
        let streams = self.streams.iter_mut();
        futures::future::select_all(streams.map(|stream| Box::pin(stream.recv()))).await;
    }

    /// Waits for the next Ctrl-C.
    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
