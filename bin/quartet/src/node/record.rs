//! The flight recorder of a node.

use std::path::Path;

use anyhow::Context as _;
use quartet_chain::MemoryLimits;
use quartet_clock::Clock;
use quartet_recording::{Limits, RecordedScheme, Recorder, Start};
use quartet_types::Root;
use tracing::info;

use crate::version;

/// What a recording notes of the node.
pub(super) struct Recorded<'a> {
    pub(super) directory: &'a Path,
    pub(super) limit_mib: u32,
    pub(super) node: &'a str,
    pub(super) network: Root,
    pub(super) clock: &'a Clock,
    pub(super) memory: MemoryLimits,
    pub(super) expects_peers: bool,
    pub(super) backfill: bool,
}

impl Recorded<'_> {
    /// Begins the recording.
    pub(super) fn start(self) -> anyhow::Result<Recorder> {
        let started = self.clock.now();
        let MemoryLimits {
            states,
            blocks,
            unwritten,
        } = self.memory;
        let start = Start {
            software: version::LONG.to_owned(),
            node: self.node.to_owned(),
            session: u64::try_from(started.as_nanos()).unwrap_or(u64::MAX),
            part: 0,
            network: self.network,
            genesis_time: self.clock.genesis_time(),
            slot_milliseconds: u64::try_from(self.clock.slot_duration().slot().as_millis())?,
            scheme: RecordedScheme::Production,
            expects_peers: self.expects_peers,
            backfill: self.backfill,
            memory: [states, blocks, unwritten].map(|bytes| bytes as u64),
        };
        let limits = Limits::of(u64::from(self.limit_mib) << 20);
        let recorder = Recorder::start(self.directory, limits, start);
        let recorder = recorder.context("--record")?;
        info!(directory = %self.directory.display(), limit_mib = self.limit_mib, "recording");
        Ok(recorder)
    }
}
