//! Four nodes that are far from each other: each link passes a relay of ours.

use std::{fs, process::Stdio, time::Duration};

use anyhow::{Context as _, Result};
use quartet_clock::Clock;
use quartet_config::{GenesisConfig, NodeKey, NodeRecord};
use quartet_relay::{Conditions, Relay, RelayConfig, Stats};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{devnet::Devnet, node::Node};

/// Slots that the devnet would run which only lends its keys and files.
const LENT: u64 = 100;

/// Seconds from the start of the nodes to genesis: time to meet over slow links.
const GENESIS_DELAY: u64 = 6;

/// A network of four nodes whose links pass relays. Dropped, its nodes are killed and its files removed.
#[derive(Debug)]
pub struct WideNetwork {
    nodes: Vec<Node>,
    links: Vec<RelayedLink>,
    clock: Clock,
    // Ended before the files vanish.
    _children: Vec<Child>,
    _directory: TempDir,
}

/// The way on which one node dials another.
#[derive(Debug)]
struct RelayedLink {
    from: usize,
    to: usize,
    relay: Relay,
}

impl WideNetwork {
    /// Starts the nodes. All links have these conditions, drawn from this seed.
    ///
    /// # Errors
    /// When relays or nodes cannot be started, or the nodes' files cannot be made.
    pub async fn start(
        program: &std::path::Path,
        conditions: &Conditions,
        seed: u64,
    ) -> Result<Self> {
        // A devnet makes keys, genesis and command lines, and is stopped before its genesis.
        let lender = Devnet::start(program, LENT).await?;
        let (mut nodes, genesis, directory) = lender.lend().await?;
        let config = genesis.join("config.yaml");
        let mut genesis_config = GenesisConfig::read(&config)?;
        genesis_config.genesis_time = Clock::system(0).now().as_secs() + GENESIS_DELAY;
        genesis_config.write(&config)?;
        let keys: Vec<_> = nodes
            .iter()
            .map(|node| NodeKey::read(&genesis.join(format!("{}.key", node.name))))
            .collect::<Result<_, _>>()?;

        let mut links = Vec::new();
        let mut children = Vec::new();
        for from in 0..nodes.len() {
            let mut records = Vec::new();
            for to in (0..nodes.len()).filter(|to| *to != from) {
                let relay = Relay::start(RelayConfig {
                    listen: ([127, 0, 0, 1], 0).into(),
                    target: nodes[to].quic,
                    conditions: conditions.clone(),
                    seed: seed + links.len() as u64,
                })
                .await?;
                records.push(NodeRecord::new(&keys[to], relay.address(), 1)?.to_string());
                links.push(RelayedLink { from, to, relay });
            }
            let child = start(&nodes[from], &records.join(","))?;
            nodes[from].pid = child.id().context("a node ended at once")?;
            children.push(child);
        }
        Ok(Self {
            nodes,
            links,
            clock: Clock::system(genesis_config.genesis_time),
            _children: children,
            _directory: directory,
        })
    }

    /// Its nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Its clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Cuts the first two nodes off the others, or mends the links between them.
    pub fn part(&self, is_cut: bool) {
        let side = |node: usize| node < 2;
        for link in &self.links {
            if side(link.from) != side(link.to) {
                link.relay.cut(is_cut);
            }
        }
    }

    /// What all relays have done so far, together.
    pub fn stats(&self) -> Stats {
        let all = self.links.iter().map(|link| link.relay.stats());
        all.fold(Stats::default(), |sum, stats| Stats {
            passed: sum.passed + stats.passed,
            lost: sum.lost + stats.lost,
            flows: sum.flows + stats.flows,
        })
    }

    /// Waits until so much of a slot is over.
    pub(crate) async fn reaches(&self, slot: u64, within: Duration) {
        let moment = Duration::from_secs(slot * quartet_types::SECONDS_PER_SLOT) + within;
        let now = self.clock.now();
        let genesis = Duration::from_secs(self.clock.genesis_time());
        tokio::time::sleep((genesis + moment).saturating_sub(now)).await;
    }
}

/// Starts a node anew that dials these peers instead of those that it was given.
fn start(node: &Node, bootnodes: &str) -> Result<Child> {
    let _ = fs::remove_dir_all(node.directory.join("data"));
    let log = fs::File::create(&node.log)?;
    let (program, arguments) = node.command.split_first().context("no command")?;
    let mut command = Command::new(program);
    command
        .args(with_bootnodes(arguments, bootnodes))
        .arg("--exit-with-parent")
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true);
    command.spawn().context("a node cannot be started")
}

fn with_bootnodes(arguments: &[String], bootnodes: &str) -> Vec<String> {
    let mut replaced = arguments.to_vec();
    if let Some(flag) = replaced.iter().position(|word| word == "--bootnodes")
        && let Some(value) = replaced.get_mut(flag + 1)
    {
        bootnodes.clone_into(value);
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_bootnodes_are_replaced() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let replaced = with_bootnodes(
            &words("node --bootnodes nodes.yaml --port 9"),
            "enr:a,enr:b",
        );
        assert_eq!(replaced, words("node --bootnodes enr:a,enr:b --port 9"));
    }
}
