//! Protocol constants (leanSpec `subspecs/chain/config.py`, `subspecs/networking/config.py`).

/// Length of a slot, in every public network; a local one may have another, see [`SlotDuration`](crate::SlotDuration).
pub const SECONDS_PER_SLOT: u64 = 4;
/// Ticks per slot: at t = 0, ¼, ½ and ¾.
pub const INTERVALS_PER_SLOT: u64 = 4;
/// Length of an interval.
pub const SECONDS_PER_INTERVAL: u64 = SECONDS_PER_SLOT / INTERVALS_PER_SLOT;
/// How many blocks an attestation's target steps back from the head towards the safe target.
pub const JUSTIFICATION_LOOKBACK_SLOTS: u64 = 3;
/// Most block roots that a state's history holds.
pub const HISTORICAL_ROOTS_LIMIT: u64 = 1 << 18;
/// Most validators in the registry.
pub const VALIDATOR_REGISTRY_LIMIT: u64 = 1 << 12;
/// Most roots in one `BlocksByRoot` request, and most slots in one `BlocksByRange` request.
pub const MAX_REQUEST_BLOCKS: usize = 1 << 10;
/// Bytes of a public key on the wire.
pub const PUBLIC_KEY_BYTES: usize = 52;
/// Bytes of a signature on the wire.
pub const SIGNATURE_BYTES: usize = 3112;
