//! The resources that a node has used: processor time by part of the work, and bytes.

use serde::{Deserialize, Serialize};

use super::{
    exposition::{counter, labelled},
    usage::Usage,
};

/// Processor time by the part of the work, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Parts {
    /// All threads of the services but for the chain service's work: above all QUIC and gossip.
    pub(super) gossip: f64,
    /// The chain service's own loop.
    pub(super) chain: f64,
    pub(super) verification: f64,
    pub(super) signing: f64,
    /// Applying and building blocks.
    pub(super) transition: f64,
    /// Roots of blocks, states and messages.
    pub(super) hashing: f64,
    /// Preparing keys.
    pub(super) keys: f64,
    /// The rest, such as the disk.
    pub(super) other: f64,
}

/// The resources that a node has used since its start, or between two readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Reading {
    /// Processor time in all, in seconds.
    pub(super) cpu_seconds: f64,
    pub(super) cpu_seconds_by_part: Parts,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
}

impl Reading {
    /// From a node's metrics and the usage of its process.
    pub(super) fn new(metrics: &str, usage: &Usage) -> Self {
        let part = |name| {
            let spent = labelled(metrics, "quartet_cpu_nanoseconds_total", "part", name);
            spent as f64 / 1e9
        };
        let bytes = |way| labelled(metrics, "quartet_network_bytes_total", "direction", way);
        let known = counter(metrics, "quartet_cpu_nanoseconds_total") as f64 / 1e9;
        let chain = part("chain");
        let gossip = (usage.services_seconds - chain).max(0.0);
        Self {
            cpu_seconds: usage.cpu_seconds,
            cpu_seconds_by_part: Parts {
                gossip,
                chain,
                verification: part("verification"),
                signing: part("signing"),
                transition: part("transition"),
                hashing: part("hashing"),
                keys: part("keys"),
                other: (usage.cpu_seconds - gossip - known).max(0.0),
            },
            bytes_sent: bytes("sent"),
            bytes_received: bytes("received"),
        }
    }

    /// The resources used since an earlier reading.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds - earlier.cpu_seconds,
            cpu_seconds_by_part: self.cpu_seconds_by_part.since(&earlier.cpu_seconds_by_part),
            bytes_sent: self.bytes_sent.saturating_sub(earlier.bytes_sent),
            bytes_received: self.bytes_received.saturating_sub(earlier.bytes_received),
        }
    }
}

impl Parts {
    fn since(&self, earlier: &Self) -> Self {
        Self {
            gossip: self.gossip - earlier.gossip,
            chain: self.chain - earlier.chain,
            verification: self.verification - earlier.verification,
            signing: self.signing - earlier.signing,
            transition: self.transition - earlier.transition,
            hashing: self.hashing - earlier.hashing,
            keys: self.keys - earlier.keys,
            other: self.other - earlier.other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = "\
quartet_cpu_nanoseconds_total{part=\"chain\"} 500000000
quartet_cpu_nanoseconds_total{part=\"verification\"} 2000000000
quartet_network_bytes_total{direction=\"sent\"} 70
quartet_network_bytes_total{direction=\"received\"} 90
";

    #[test]
    fn parts_add_up_and_readings_can_be_subtracted() {
        let usage = Usage {
            cpu_seconds: 6.0,
            services_seconds: 3.0,
            ..Usage::default()
        };
        let reading = Reading::new(METRICS, &usage);
        let parts = reading.cpu_seconds_by_part;
        assert_eq!(
            (parts.gossip, parts.chain, parts.verification),
            (2.5, 0.5, 2.0)
        );
        assert_eq!(parts.other, 1.0);
        let none = reading.since(&reading);
        assert_eq!(none, Reading::default());
        assert_eq!(reading.since(&Reading::default()), reading);
    }
}
