//! Genesis time to slot and interval, and the stream of ticks.
