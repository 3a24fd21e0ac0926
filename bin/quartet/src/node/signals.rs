//! What tells the node to stop: SIGINT, SIGTERM, or the end of its parent.

use std::{io::Read as _, pin::Pin, thread};

use anyhow::Context as _;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

/// Completes with the reason when the node is told to stop.
pub(crate) type StopSignal = Pin<Box<dyn Future<Output = &'static str> + Send>>;

/// Listens for signals from now on and, if asked to, for the end of standard input.
pub(crate) fn stop_signal(with_parent: bool) -> anyhow::Result<StopSignal> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let parent = if with_parent {
        Some(end_of_input()?)
    } else {
        None
    };
    Ok(Box::pin(async move {
        let parent = async {
            match parent {
                Some(ended) => ended.await.unwrap_or_default(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
            () = parent => "the parent process has ended",
        }
    }))
}

/// Completes when standard input ends. The thread that reads it lasts as long as the process.
fn end_of_input() -> anyhow::Result<oneshot::Receiver<()>> {
    let (ended, end) = oneshot::channel();
    thread::Builder::new()
        .name("parent".to_owned())
        .spawn(move || {
            let mut byte = [0; 1];
            while matches!(std::io::stdin().read(&mut byte), Ok(1..)) {}
            // Nobody listens any more when the node is stopping already.
            let _ = ended.send(());
        })
        .context("cannot watch standard input")?;
    Ok(end)
}
