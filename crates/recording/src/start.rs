//! What node a recording is of.

use quartet_types::Root;

use crate::{
    codec::{Decoder, Encoder},
    error::Malformed,
};

/// Which of the signature schemes' parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordedScheme {
    /// Those of devnets.
    Production,
    /// Those of tests.
    Test,
}

/// The node that a recording is of, and how its chain service was set up. Every segment begins with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Version and commit of the software.
    pub software: String,
    /// The node's name.
    pub node: String,
    /// Tells runs of the node from one another: when it started, in nanoseconds since the Unix epoch.
    pub session: u64,
    /// Number of the segment in its session. The one numbered 0 has the session's beginning.
    pub part: u64,
    /// Root of the genesis block.
    pub network: Root,
    /// Unix time of slot 0, in seconds.
    pub genesis_time: u64,
    /// How long a slot lasts, in milliseconds.
    pub slot_milliseconds: u64,
    /// Whose signatures they are.
    pub scheme: RecordedScheme,
    /// Whether it had peers to wait for.
    pub expects_peers: bool,
    /// Whether it fetched the chain's past.
    pub backfill: bool,
    /// Most bytes of memory for states, for blocks, and for what is not written yet.
    pub memory: [u64; 3],
}

impl Start {
    pub(crate) fn encode(&self, to: &mut Encoder) {
        to.text(&self.software);
        to.text(&self.node);
        to.number(self.session);
        to.number(self.part);
        to.root(&self.network);
        to.number(self.genesis_time);
        to.number(self.slot_milliseconds);
        to.flag(self.scheme == RecordedScheme::Test);
        to.flag(self.expects_peers);
        to.flag(self.backfill);
        for limit in self.memory {
            to.number(limit);
        }
    }

    pub(crate) fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            software: from.text()?,
            node: from.text()?,
            session: from.number()?,
            part: from.number()?,
            network: from.root()?,
            genesis_time: from.number()?,
            slot_milliseconds: from.number()?,
            scheme: if from.flag()? {
                RecordedScheme::Test
            } else {
                RecordedScheme::Production
            },
            expects_peers: from.flag()?,
            backfill: from.flag()?,
            memory: [from.number()?, from.number()?, from.number()?],
        })
    }
}
