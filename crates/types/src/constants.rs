//! Protocol constants, by their names in the specification.

/// Length of a slot in seconds, in every public network; a local one may have another, see
/// [`SlotDuration`](crate::SlotDuration). Source: leanSpec `subspecs/chain/config.py`.
pub const SECONDS_PER_SLOT: u64 = 4;
/// Ticks per slot: at t = 0, ¼, ½ and ¾. Source: leanSpec `subspecs/chain/config.py`.
pub const INTERVALS_PER_SLOT: u64 = 4;
/// Length of an interval in seconds, in every public network. Source: leanSpec `subspecs/chain/config.py`.
pub const SECONDS_PER_INTERVAL: u64 = SECONDS_PER_SLOT / INTERVALS_PER_SLOT;
/// Most blocks by which an attestation's target steps back from the head towards the safe target. Source: leanSpec
/// `subspecs/chain/config.py`.
pub const JUSTIFICATION_LOOKBACK_SLOTS: u64 = 3;
/// Most block roots that a state's history holds, one for each slot: a network lasts 2^18 slots, some twelve days.
/// Source: leanSpec `subspecs/chain/config.py`.
pub const HISTORICAL_ROOTS_LIMIT: u64 = 1 << 18;
/// Most validators in the registry. Source: leanSpec `subspecs/chain/config.py`.
pub const VALIDATOR_REGISTRY_LIMIT: u64 = 1 << 12;
/// Most roots in one `BlocksByRoot` request, and most slots in one `BlocksByRange` request. Source: leanSpec
/// `subspecs/networking/config.py`.
pub const MAX_REQUEST_BLOCKS: usize = 1 << 10;
/// Bytes of a public key on the wire. Source: leanSpec `subspecs/xmss`.
pub const PUBLIC_KEY_BYTES: usize = 52;
/// Bytes of a signature on the wire. Source: leanSpec `subspecs/xmss`.
pub const SIGNATURE_BYTES: usize = 3112;
