//! What gossip is set to.

use crate::bandwidth::Nanos;

/// What gossip is set to. [`Default`] is what our node has in a small network, in `crates/network/src/gossip/mod.rs` and in the library's
/// own defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GossipSettings {
    /// Peers that a mesh is to have, at least and at most.
    pub mesh: usize,
    /// With fewer, peers are added.
    pub mesh_low: usize,
    /// Above this many peers, some are pruned.
    pub mesh_high: usize,
    /// Peers of a mesh that we have dialled ourselves, at least.
    pub mesh_dialled: usize,
    /// Peers outside the mesh that hear of messages in a heartbeat, at least; otherwise a quarter of them.
    pub lazy: usize,
    /// Nanoseconds between two heartbeats.
    pub heartbeat: Nanos,
    /// Heartbeats for which messages are announced, and kept.
    pub announced_heartbeats: usize,
    /// Heartbeats for which messages are kept to be served.
    pub kept_heartbeats: usize,
    /// Whether messages of our own go to every peer, instead of the mesh.
    pub flood_publish: bool,
    /// Whether peers are told what need not be sent to us any more, as from gossipsub 1.2 on.
    pub idontwant: bool,
    /// Messages that may wait for a peer.
    pub queue: usize,
    /// Ids in an IHAVE or IWANT, and ids asked of a peer between two heartbeats.
    pub max_ids: usize,
    /// Bytes of control messages in an RPC; a receiver of more refuses them all.
    pub max_control_bytes: u64,
    /// Bytes of gossip that a peer may have under way to us: QUIC's window of a stream.
    pub window: u64,
}

/// Messages that may wait for a peer: two slots' votes, within these limits.
const MIN_QUEUE: usize = 1_024;
const MAX_QUEUE: usize = 8_192;

impl GossipSettings {
    /// The settings of our node in a network of this many validators.
    pub fn of(validators: u64) -> Self {
        let votes = usize::try_from(validators).unwrap_or(MAX_QUEUE);
        let queue = votes.saturating_mul(2).clamp(MIN_QUEUE, MAX_QUEUE);
        Self {
            queue,
            ..Self::default()
        }
    }
}

impl Default for GossipSettings {
    fn default() -> Self {
        Self {
            mesh: 8,
            mesh_low: 6,
            mesh_high: 12,
            mesh_dialled: 2,
            lazy: 6,
            heartbeat: 700_000_000,
            announced_heartbeats: 3,
            kept_heartbeats: 6,
            flood_publish: true,
            idontwant: true,
            queue: MIN_QUEUE,
            max_ids: 700,
            max_control_bytes: 16_384,
            window: 1 << 20,
        }
    }
}
