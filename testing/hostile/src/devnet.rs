//! A devnet of real processes: our own, or one that runs already.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use quartet_clock::{Clock, Stopwatch};
use quartet_config::GenesisConfig;
use quartet_types::{Slot, State, ValidatorIndex};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{attacks::Kind, node::Node, process};

/// Nodes of our own devnets.
const NODES: u64 = 4;

/// Dealt out in turn, they leave the last node one validator: less than a third, however they are counted.
pub(crate) const VALIDATORS_WITH_A_TRAITOR: u64 = 7;

/// How long a devnet may take to start, the making of its keys included.
const START: Duration = Duration::from_secs(120);

/// How long it may take to stop before it is killed. Its nodes end with it.
const STOP: Duration = Duration::from_secs(10);

/// How often a starting devnet is looked at.
const PAUSE: Duration = Duration::from_millis(100);

/// A devnet. One of our own is killed when this is dropped, and its directory removed.
#[derive(Debug)]
pub struct Devnet {
    description: Description,
    own: Option<Own>,
    traitor: Option<ValidatorIndex>,
}

/// What `devnet.json` tells.
#[derive(Clone, Debug, Deserialize)]
struct Description {
    genesis_time: u64,
    genesis: PathBuf,
    nodes: Vec<Node>,
}

/// A devnet's process and where it lives.
#[derive(Debug)]
struct Own {
    child: Child,
    directory: TempDir,
}

impl Devnet {
    /// Starts a devnet that an attack of this kind is played on.
    ///
    /// # Errors
    /// As [`Devnet::start`].
    pub async fn start_for(kind: Kind, program: &Path, slots: Slot) -> Result<Self> {
        match kind {
            Kind::Rules | Kind::Machinery => Self::start(program, slots).await,
            Kind::Treason => Self::start_with_a_traitor(program, slots).await,
        }
    }

    /// Starts a devnet of four nodes and waits until they are there. It ends by itself after `slots`, should
    /// this process not live to end it.
    ///
    /// # Errors
    /// When the program cannot be run, or the devnet does not start.
    pub async fn start(program: &Path, slots: Slot) -> Result<Self> {
        Self::start_with(program, slots, NODES).await
    }

    /// Starts a devnet of four nodes and seven validators, and ends the node that has but one of them. Its key is
    /// for the attacker.
    async fn start_with_a_traitor(program: &Path, slots: Slot) -> Result<Self> {
        let mut devnet = Self::start_with(program, slots, VALIDATORS_WITH_A_TRAITOR).await?;
        let last = devnet.description.nodes.pop();
        process::tell(last.context("no node")?.pid, process::Order::Terminate);
        devnet.traitor = Some(NODES - 1);
        Ok(devnet)
    }

    async fn start_with(program: &Path, slots: Slot, validators: u64) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("quartet-hostile-")
            .tempdir()
            .context("no temporary directory can be made")?;
        let data = directory.path().join("net");
        let log = File::create(directory.path().join("log"))?;
        let mut command = Command::new(program);
        command
            .args(["devnet", "--nodes", &NODES.to_string()])
            .args(["--validators", &validators.to_string()])
            .args(["--slots", &slots.to_string()])
            .arg("--data-dir")
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        let child = command
            .spawn()
            .with_context(|| format!("{} cannot be run", program.display()))?;
        let mut own = Own { child, directory };
        let started = Stopwatch::start();
        let description = loop {
            if let Some(description) = Description::read(&data) {
                break description;
            }
            if own.child.try_wait()?.is_some() || started.elapsed() > START {
                let log = own.directory.path().join("log");
                let said = fs::read_to_string(log).unwrap_or_default();
                bail!("the devnet does not start; it says:\n{said}");
            }
            tokio::time::sleep(PAUSE).await;
        };
        Ok(Self {
            description,
            own: Some(own),
            traitor: None,
        })
    }

    /// The devnet that runs in `directory`.
    ///
    /// # Errors
    /// When none runs there.
    pub fn running_in(directory: &Path) -> Result<Self> {
        let description = Description::read(directory)
            .filter(|description| description.nodes.iter().all(|node| node.rss().is_some()));
        let Some(description) = description else {
            bail!(
                "no devnet runs in {}: start one with `quartet devnet --data-dir {0}`",
                directory.display()
            );
        };
        Ok(Self {
            description,
            own: None,
            traitor: None,
        })
    }

    /// Its nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.description.nodes
    }

    /// The validator whose key the attacker has.
    pub(crate) fn traitor(&self) -> Option<ValidatorIndex> {
        self.traitor
    }

    /// The program that its nodes run.
    pub(crate) fn program(&self) -> Option<&Path> {
        let node = self.description.nodes.first()?;
        node.command.first().map(Path::new)
    }

    /// The directory with the files from which a node joins.
    pub(crate) fn genesis_directory(&self) -> &Path {
        &self.description.genesis
    }

    /// Its clock.
    pub fn clock(&self) -> Clock {
        Clock::system(self.description.genesis_time)
    }

    /// Its genesis state, as any node builds it.
    ///
    /// # Errors
    /// When its genesis file cannot be read.
    pub fn genesis(&self) -> Result<State> {
        let config = GenesisConfig::read(&self.description.genesis.join("config.yaml"))?;
        Ok(config.state()?)
    }

    /// Stops it, if it is our own.
    ///
    /// # Errors
    /// When its end cannot be waited for.
    pub async fn stop(mut self) -> Result<()> {
        self.end().await
    }

    /// Stops it and leaves behind its nodes as they were, the directory of its genesis, and all its files.
    ///
    /// # Errors
    /// When it is not our own, or its end cannot be waited for.
    pub(crate) async fn lend(mut self) -> Result<(Vec<Node>, PathBuf, TempDir)> {
        self.end().await?;
        let own = self.own.context("the devnet is not our own")?;
        let Description { nodes, genesis, .. } = self.description;
        Ok((nodes, genesis, own.directory))
    }

    async fn end(&mut self) -> Result<()> {
        if let Some(own) = &mut self.own {
            if let Some(pid) = own.child.id() {
                process::tell(pid, process::Order::Terminate);
            }
            if tokio::time::timeout(STOP, own.child.wait()).await.is_err() {
                own.child.kill().await?;
            }
        }
        Ok(())
    }
}

impl Description {
    fn read(devnet: &Path) -> Option<Self> {
        let json = fs::read(devnet.join("devnet.json")).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_no_devnet_runs_the_command_that_starts_one_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let error = Devnet::running_in(directory.path()).unwrap_err();
        assert!(
            error.to_string().contains("quartet devnet --data-dir"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_program_that_starts_no_devnet_is_told_with_what_it_says() {
        let error = Devnet::start(Path::new("/bin/echo"), 1).await.unwrap_err();
        assert!(error.to_string().contains("devnet --nodes 4"), "{error}");
        let error = Devnet::start(Path::new("/nonexistent/quartet"), 1)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("cannot be run"), "{error}");
    }
}
