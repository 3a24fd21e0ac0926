//! What an attack did to one node.

use serde::Serialize;

use crate::limits::FILES_SLACK;

/// What an attack did to one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NodeReport {
    /// The node's name.
    pub name: String,
    /// Whether its process runs.
    pub alive: bool,
    /// Memory before, in bytes.
    pub rss_before: u64,
    /// The most memory, in bytes.
    pub rss_peak: u64,
    /// Memory at the end, in bytes.
    pub rss_after: u64,
    /// Bytes by which its database has grown.
    pub disk_growth: u64,
    /// Blocks imported, as it says.
    pub blocks_imported: u64,
    /// Reorganisations, as it says.
    pub reorgs: u64,
    /// Proposals missed, as it says.
    pub missed_proposals: u64,
    /// Late attestations, as it says.
    pub late: u64,
    /// Attestations signed, one for each duty done, as it says.
    pub signed: u64,
    /// Forged blocks that it has.
    pub forged_imported: u64,
    /// Forged blocks that it has answered for.
    pub forged_asked: u64,
    /// Peers before.
    pub peers_before: u64,
    /// Peers in the end.
    pub peers_after: u64,
    /// Open files and sockets before.
    pub files_before: u64,
    /// Open files and sockets in the end.
    pub files_after: u64,
    /// Lines logged during the attack.
    pub log_lines: u64,
}

impl NodeReport {
    /// Each limit that does not hold for this node, in words; this many forged blocks were sent.
    pub(crate) fn reasons(&self, forged_sent: u64) -> Vec<String> {
        let name = &self.name;
        let mut reasons = Vec::new();
        if !self.alive {
            reasons.push(format!("{name} has died"));
        }
        if self.forged_asked < forged_sent {
            let unknown = forged_sent - self.forged_asked;
            reasons.push(format!(
                "{name} does not say whether it has {unknown} forged blocks"
            ));
        }
        if self.peers_after > self.peers_before {
            let more = self.peers_after - self.peers_before;
            reasons.push(format!("{name} has {more} more peers when all is over"));
        }
        if self.files_after > self.files_before + FILES_SLACK {
            let more = self.files_after - self.files_before;
            reasons.push(format!(
                "{name} has {more} more files open when all is over"
            ));
        }
        reasons
    }
}
