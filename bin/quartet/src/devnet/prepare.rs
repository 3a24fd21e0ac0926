//! The preparation of a network: a new one with a genesis of its own, or a former one that is resumed.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, anyhow, ensure};
use quartet_clock::Clock;
use quartet_config::{GenesisConfig, GenesisDirectory, GenesisFile, NodeKey, ValidatorKey};
use quartet_types::{Slot, SlotDuration};

use super::{
    description::Description,
    directory::Directory,
    guests::{Client, Guest},
    keys,
    layout::{self, GenesisPaths, NodeLayout, Role},
    ports::{NodePorts, ReservedPorts},
};
use crate::words::duration;

/// How often ports are chosen again when another program has taken one meanwhile.
const ATTEMPTS: usize = 3;

/// How long the nodes of a resumed devnet may take to answer: each reads its database.
const RESUMING: Duration = Duration::from_secs(30);

/// Slots for which keys have to last, at least, for a devnet to be resumed.
const LEAST_LEFT: u64 = 32;

/// Where a network comes from.
#[derive(Debug)]
pub(super) enum NetworkSource {
    New(NewNetwork),
    Resumed(FormerNetwork),
}

/// A new network.
#[derive(Debug)]
pub(super) struct NewNetwork {
    pub(super) nodes: u16,
    /// The validators' keys, in the order of the registry.
    pub(super) keys: Vec<ValidatorKey>,
    /// All keys are active for two to the power of this many epochs, or more.
    pub(super) log_active_epochs: u8,
    /// Seconds from the start of the first node to genesis.
    pub(super) genesis_delay: u64,
    pub(super) slot_duration: SlotDuration,
    /// The first of all ports, where they are not the system's choice.
    pub(super) base_port: Option<u16>,
    /// The client of each guest.
    pub(super) guests: Vec<Arc<Client>>,
    pub(super) late: Option<LateNode>,
}

/// A node of our own, without validators, that starts late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LateNode {
    /// The only node that it knows, by its name.
    pub(super) from: String,
    /// When it starts.
    pub(super) slot: Slot,
}

/// A network that has ended and is to be resumed.
#[derive(Debug)]
pub(super) struct FormerNetwork {
    ports: Vec<NodePorts>,
    genesis_time: u64,
    slot_duration: SlotDuration,
    pub(super) validators: u64,
}

/// A network that is ready to be started: files are written, ports are held.
#[derive(Debug)]
pub(super) struct PreparedNetwork {
    pub(super) nodes: Vec<NodeLayout>,
    pub(super) clock: Clock,
    pub(super) reserved: ReservedPorts,
    /// When the late node starts.
    pub(super) late: Option<Slot>,
    /// Time since the Unix epoch by which the nodes should answer.
    pub(super) ready_by: Duration,
}

impl NetworkSource {
    /// How often to try with other ports.
    pub(super) fn attempts(&self) -> usize {
        match self {
            Self::New(NewNetwork {
                base_port: None, ..
            }) => ATTEMPTS,
            _ => 1,
        }
    }

    /// Reserves ports and, for a new network, writes its genesis.
    ///
    /// # Errors
    /// When ports are taken, or files cannot be written.
    pub(super) fn prepare(&self, directory: &Directory) -> Result<PreparedNetwork> {
        match self {
            Self::New(setup) => setup.prepare(directory),
            Self::Resumed(former) => former.prepare(directory),
        }
    }
}

impl NewNetwork {
    fn prepare(&self, directory: &Directory) -> Result<PreparedNetwork> {
        let reserved = self.reserve()?;
        let mut nodes = self.lay_out(directory.path(), &reserved)?;
        let plan = layout::plan(
            &nodes,
            self.keys.len() as u64,
            self.log_active_epochs,
            self.slot_duration,
        );
        // A slot begins on a whole second, the next one or one after it.
        let genesis_time = Clock::system(0).now().as_secs() + 1 + self.genesis_delay;
        let genesis = GenesisDirectory::new(&plan, genesis_time, &self.keys)
            .context("genesis cannot be made")?;
        genesis.write(directory.genesis().directory())?;
        if self
            .guests
            .iter()
            .any(|guest| guest.template.reads.contains(&GenesisFile::Plan))
        {
            let keys: Vec<_> = genesis
                .identities
                .iter()
                .map(|(key, _)| key.clone())
                .collect();
            let path = directory
                .genesis()
                .directory()
                .join(GenesisFile::Plan.name());
            plan.write(&path, &keys)?;
        }
        self.fill_in_genesis(&mut nodes, &genesis, &directory.genesis())?;
        Ok(PreparedNetwork {
            nodes,
            clock: Clock::system(genesis_time).with_slot_duration(self.slot_duration),
            reserved,
            late: self.late.as_ref().map(|late| late.slot),
            ready_by: Duration::from_secs(genesis_time),
        })
    }

    /// The names of all nodes: our own, the one that starts late, guests.
    fn names(&self) -> Vec<String> {
        let own = usize::from(self.nodes) + usize::from(self.late.is_some());
        let own = (0..own).map(NodeLayout::name);
        let guests = self.guests.iter().enumerate().map(|(at, client)| {
            let name = &client.template.name;
            let before = self.guests[..at].iter();
            let number = before.filter(|other| other.template.name == *name).count();
            format!("{name}_{number}")
        });
        own.chain(guests).collect()
    }

    fn lay_out(&self, devnet: &Path, reserved: &ReservedPorts) -> Result<Vec<NodeLayout>> {
        let mut nodes = lay_out(devnet, reserved)?;
        if self.late.is_some() {
            nodes[usize::from(self.nodes)].role = Role::Late {
                peer: String::new(),
            };
        }
        let first = nodes.len() - self.guests.len();
        for (index, name) in self.names().into_iter().enumerate().skip(first) {
            let guest = Guest {
                client: self.guests[index - first].clone(),
                enrs: Vec::new(),
                genesis_time: 0,
            };
            nodes[index] = NodeLayout::guest(devnet, name, nodes[index].ports, guest);
        }
        Ok(nodes)
    }

    /// Fills in the values that come from the genesis.
    fn fill_in_genesis(
        &self,
        nodes: &mut [NodeLayout],
        genesis: &GenesisDirectory,
        paths: &GenesisPaths,
    ) -> Result<()> {
        let records: Vec<_> = (genesis.assignments.iter().zip(&genesis.identities))
            .map(|(node, (_, record))| (node.name.clone(), record.to_string()))
            .collect();
        for node in nodes {
            let assigned = genesis.assignments.iter().find(|of| of.name == node.name);
            let validators = assigned.into_iter().flat_map(|of| &of.validators);
            node.validators = validators.map(|validator| validator.index).collect();
            match &mut node.role {
                Role::Member => {}
                Role::Late { peer } => {
                    let from = self.late.as_ref().map_or("", |late| &late.from);
                    let known = records.iter().find(|(name, _)| name == from);
                    let (_, record) = known.context("the late node's peer is not there")?;
                    peer.clone_from(record);
                    NodeKey::generate()
                        .context("no key for the late node")?
                        .write(&paths.node_key(&node.name))?;
                }
                Role::Guest(guest) => {
                    let others = records.iter().filter(|(name, _)| *name != node.name);
                    guest.enrs = others.map(|(_, record)| record.clone()).collect();
                    guest.genesis_time = genesis.config.genesis_time;
                    for file in &guest.client.template.reads {
                        let path = paths.directory().join(file.name());
                        ensure!(
                            path.exists(),
                            "{} reads {}, which is not there",
                            node.name,
                            path.display()
                        );
                    }
                }
            }
        }
        Ok(())
    }

    fn reserve(&self) -> Result<ReservedPorts> {
        let names = self.names();
        let Some(base) = self.base_port else {
            return ReservedPorts::any(names.len()).context("no free ports on loopback");
        };
        let wanted = (0..)
            .zip(&names)
            .map(|(index, _)| NodePorts::from_base(base, index));
        ReservedPorts::these(&wanted.collect::<Vec<_>>()).map_err(|taken| {
            let node = &names[taken.node];
            anyhow!("{taken}, and {node} is to have it: give another --base-port than {base}")
        })
    }
}

impl FormerNetwork {
    /// Reads the network that is to be resumed in a directory.
    ///
    /// # Errors
    /// When there is nothing that can be: no devnet has run there, another version made it, files are missing, or its
    /// keys are used up.
    pub(super) fn read(directory: &Directory) -> Result<Self> {
        let devnet = directory.path();
        let cannot = || format!("{} cannot be resumed", devnet.display());
        let description = Description::read(devnet).with_context(cannot)?;
        let guests = description.guests();
        ensure!(
            guests.is_empty(),
            "{}: {} of other clients had a part in it, and they do not all go on from where they were: start it anew, \
             without --resume",
            cannot(),
            guests.join(", ")
        );
        let genesis = directory.genesis();
        let config =
            GenesisConfig::read(&genesis.directory().join("config.yaml")).with_context(cannot)?;
        let former = Self {
            ports: description.ports().with_context(cannot)?,
            genesis_time: config.genesis_time,
            slot_duration: config.slot_duration,
            validators: config.validators.len() as u64,
        };
        let fewest =
            keys::fewest_epochs(&genesis.keys(), former.validators).with_context(cannot)?;
        former.check_keys(fewest).with_context(cannot)?;
        Ok(former)
    }

    fn check_keys(&self, fewest: u64) -> Result<()> {
        let slot = self.clock().slot();
        let left = fewest.saturating_sub(slot);
        ensure!(
            left >= LEAST_LEFT,
            "its keys last for {fewest} slots ({} from its genesis), and slot {slot} is now: start a new devnet, with \
             another --data-dir or without --resume",
            duration(fewest, self.slot_duration)
        );
        Ok(())
    }

    pub(super) fn clock(&self) -> Clock {
        Clock::system(self.genesis_time).with_slot_duration(self.slot_duration)
    }

    fn prepare(&self, directory: &Directory) -> Result<PreparedNetwork> {
        let reserved = ReservedPorts::these(&self.ports).map_err(|taken| {
            let node = NodeLayout::name(taken.node);
            anyhow!(
                "{taken}, and {node} had it before; a devnet that is resumed has the ports that it had: end the other \
                 program"
            )
        })?;
        let clock = self.clock();
        Ok(PreparedNetwork {
            nodes: lay_out(directory.path(), &reserved)?,
            ready_by: clock.now() + RESUMING,
            clock,
            reserved,
            late: None,
        })
    }
}

fn lay_out(devnet: &Path, reserved: &ReservedPorts) -> Result<Vec<NodeLayout>> {
    let numbers = reserved.numbers().context("no free ports on loopback")?;
    let node = |(index, ports)| NodeLayout::new(devnet, index, ports);
    Ok(numbers.into_iter().enumerate().map(node).collect())
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::{super::ports::LOOPBACK, *};

    #[test]
    fn a_taken_port_is_named_with_the_flag_that_changes_it() {
        let taken = UdpSocket::bind((LOOPBACK, 0)).unwrap();
        let base = taken.local_addr().unwrap().port();
        let setup = NewNetwork {
            nodes: 1,
            keys: Vec::new(),
            log_active_epochs: 18,
            genesis_delay: 1,
            slot_duration: SlotDuration::default(),
            base_port: Some(base),
            guests: Vec::new(),
            late: None,
        };
        let said = setup.reserve().unwrap_err().to_string();
        assert_eq!(
            said,
            format!(
                "QUIC (UDP) port {base} is taken by another program, and quartet_0 is to have it: give another \
                 --base-port than {base}"
            )
        );
    }

    #[test]
    fn keys_that_are_used_up_keep_a_devnet_from_being_resumed() {
        let now = Clock::system(0).now().as_secs();
        let former = |slots: u64| FormerNetwork {
            ports: Vec::new(),
            genesis_time: now - 4 * slots,
            slot_duration: SlotDuration::default(),
            validators: 4,
        };
        former(900).check_keys(1_024).unwrap();
        for slots in [1_000, 1_024, 1_000_000] {
            let said = former(slots).check_keys(1_024).unwrap_err().to_string();
            assert!(
                said.contains("its keys last for 1024 slots (1 h 8 min"),
                "{said}"
            );
        }
    }
}
