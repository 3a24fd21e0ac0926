//! Runs the services: when one ends, all end, in order, with the reason.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context as _, anyhow};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::signals::StopSignal;

/// How long all services together have to stop.
const GRACE: Duration = Duration::from_secs(5);

/// The running services, in the order in which they are stopped.
#[derive(Default)]
pub(crate) struct Supervisor {
    services: Vec<Service>,
}

struct Service {
    name: &'static str,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

/// What a service's `run` may return.
pub(crate) trait Outcome: Send + 'static {
    fn into_result(self) -> anyhow::Result<()>;
}

impl Outcome for () {
    fn into_result(self) -> anyhow::Result<()> {
        Ok(())
    }
}

impl<E: std::error::Error + Send + Sync + 'static> Outcome for Result<(), E> {
    fn into_result(self) -> anyhow::Result<()> {
        Ok(self?)
    }
}

impl Supervisor {
    /// Starts a service.
    pub(crate) fn start<F>(&mut self, name: &'static str, run: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output: Outcome> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let running = run(stop.clone());
        let task = tokio::spawn(async move { running.await.into_result() });
        self.services.push(Service { name, stop, task });
    }

    /// Waits until the node is told to stop or a service ends, then stops all.
    pub(crate) async fn run(mut self, stop: StopSignal) -> anyhow::Result<ExitCode> {
        let outcome = tokio::select! {
            biased;
            reason = stop => {
                info!(reason, "stopping");
                Ok(ExitCode::SUCCESS)
            }
            (index, result) = self.first_to_end() => {
                let name = self.services.remove(index).name;
                error!(service = name, "a service has ended; stopping");
                Err(result.err().unwrap_or_else(|| anyhow!("it ended though nobody told it to")))
                    .with_context(|| format!("the {name} service"))
            }
        };
        if timeout(GRACE, self.stop_all()).await.is_err() {
            warn!("not all services stopped in time");
        }
        info!("stopped");
        outcome
    }

    async fn first_to_end(&mut self) -> (usize, anyhow::Result<()>) {
        let tasks = self.services.iter_mut().map(|service| &mut service.task);
        let (result, index, _) = futures::future::select_all(tasks).await;
        (index, result.map_err(anyhow::Error::from).flatten())
    }

    async fn stop_all(self) {
        for Service { name, stop, task } in self.services {
            stop.cancel();
            match task.await.map_err(anyhow::Error::from).flatten() {
                Ok(()) => {}
                Err(error) => error!(
                    service = name,
                    error = format!("{error:#}"),
                    "did not stop cleanly"
                ),
            }
        }
    }
}
