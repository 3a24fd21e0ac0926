//! Signals to stop: SIGINT, SIGTERM, or the end of the parent.

use std::pin::Pin;

use anyhow::Context as _;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

/// Completes with the reason when the node is told to stop.
pub(crate) type StopSignal = Pin<Box<dyn Future<Output = &'static str> + Send>>;

/// Listens for signals from now on and for the parent's end, where there is one to listen for.
pub(crate) fn stop_signal(parent: Option<oneshot::Receiver<()>>) -> anyhow::Result<StopSignal> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    Ok(Box::pin(async move {
        let parent = async {
            match parent {
                Some(ended) => ended.await.unwrap_or_default(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
            () = parent => "the parent process has ended",
        }
    }))
}
