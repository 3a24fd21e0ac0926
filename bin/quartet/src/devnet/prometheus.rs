//! A scrape file for Prometheus.
//!
//! Each node is a job of its own, called after it: leanMetrics' dashboard lists nodes by their jobs, within the network that
//! the label `network` names. Its filter knows the names of some clients only; ours has to be added to it.

use std::fmt::Write as _;

use quartet_types::SlotDuration;

use super::{layout::NodeLayout, ports::LOOPBACK};

/// The label by which leanMetrics' dashboard distinguishes networks.
const NETWORK: &str = "quartet-devnet";

/// The configuration file, for nodes with this slot duration.
pub(super) fn scrape_file(nodes: &[NodeLayout], slot: SlotDuration) -> String {
    // A slot: more often shows nothing new. Prometheus takes no less than a second well.
    let interval = slot.as_millis().max(1_000);
    let mut text = format!(
        "# Made by `quartet devnet` at its start, which replaces it. Ports stay the same from run to run with --base-port\n\
         # or --resume.\n\
         # leanMetrics' dashboard: choose the network {NETWORK}, and add `|.*quartet.*` to the regex of its variable `job`.\n\
         global:\n  scrape_interval: {interval}ms\n  scrape_timeout: {}ms\nscrape_configs:\n",
        interval.min(10_000)
    );
    for node in nodes {
        let (name, port) = (&node.name, node.ports.metrics);
        let _ = write!(
            text,
            "  - job_name: {name}\n    static_configs:\n      - targets: [\"{LOOPBACK}:{port}\"]\n        \
             labels: {{network: {NETWORK}}}\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{super::ports::NodePorts, *};

    #[test]
    fn each_node_is_a_job_with_its_metrics_port() {
        let node = |index| {
            let ports = NodePorts::from_base(9_000, index as u16);
            NodeLayout::new(Path::new("/net"), index, ports)
        };
        let text = scrape_file(&[node(0), node(1)], SlotDuration::from_millis(400).unwrap());
        let uncommented: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            uncommented.join("\n"),
            "global:
  scrape_interval: 1000ms
  scrape_timeout: 1000ms
scrape_configs:
  - job_name: quartet_0
    static_configs:
      - targets: [\"127.0.0.1:9200\"]
        labels: {network: quartet-devnet}
  - job_name: quartet_1
    static_configs:
      - targets: [\"127.0.0.1:9201\"]
        labels: {network: quartet-devnet}"
        );
    }
}
