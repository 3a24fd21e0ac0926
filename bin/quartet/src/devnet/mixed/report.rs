//! The last table of a mixed devnet, and whether it went well.

use quartet_types::Slot;
use serde::Serialize;

use super::{
    super::{
        layout::NodeLayout,
        view::{Agreement, ChainView, MAX_MIXED_FINALITY_LAG, NodeView, Point, Seen},
    },
    ClientTally,
};
use crate::keys::table;

/// Slots by which the head of a node with one peer only may be behind: many clients do not pass gossip on.
const LATE_HEAD_LAG: u64 = 4;

/// The state of the network at the end.
pub(in super::super) struct Ended<'n> {
    /// What most of our own nodes agreed on.
    pub(in super::super) agreement: Agreement,
    /// All nodes, and what they saw.
    pub(in super::super) nodes: &'n [NodeLayout],
    pub(in super::super) seen: &'n [Option<Seen>],
    pub(in super::super) late: Option<LateTally>,
    /// Slots in which all nodes had the same head, and those in which they were asked.
    pub(in super::super) agreed: (u64, u64),
    /// What the clients did; unknown if no node of ours answers.
    pub(in super::super) clients: Vec<ClientTally>,
}

/// How the node that starts late caught up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in super::super) struct LateTally {
    pub(in super::super) node: String,
    /// The only node that it knows.
    pub(in super::super) from: String,
    pub(in super::super) started_in_slot: Slot,
    /// When it first had the head of the others.
    pub(in super::super) caught_up_in_slot: Option<Slot>,
    #[serde(skip)]
    pub(in super::super) view: Option<NodeView>,
}

/// The report on a network of several clients.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(in super::super) struct Mixed {
    slots_asked: u64,
    slots_agreed: u64,
    clients: Vec<ClientTally>,
    #[serde(skip_serializing_if = "Option::is_none")]
    late: Option<LateTally>,
    /// Why it is not well; none where it is.
    pub(in super::super) complaints: Vec<String>,
    #[serde(skip)]
    text: String,
}

impl Mixed {
    /// Judges it.
    pub(in super::super) fn new(ended: Ended<'_>) -> Self {
        let text = text(&ended);
        let mut complaints = Vec::new();
        if let Some(chain) = ended.agreement.chain {
            for (node, seen) in ended.nodes.iter().zip(ended.seen) {
                if node.as_guest().is_some() {
                    complaints.extend(of_guest(node, seen.unwrap_or_default(), &chain));
                }
            }
            complaints.extend(ended.late.as_ref().and_then(|late| of_late(late, &chain)));
        }
        if ended.clients.is_empty() {
            complaints.push("no node of ours told what the clients did".to_owned())
        } else {
            complaints.extend(ended.clients.iter().flat_map(ClientTally::complaints))
        }
        let (slots_agreed, slots_asked) = ended.agreed;
        Self {
            slots_asked,
            slots_agreed,
            clients: ended.clients,
            late: ended.late,
            complaints,
            text,
        }
    }

    /// The table, for people.
    pub(in super::super) fn text(&self) -> &str {
        &self.text
    }
}

fn of_guest(node: &NodeLayout, seen: Seen, chain: &ChainView) -> Option<String> {
    let name = &node.name;
    let Some(head) = seen.head else {
        return Some(format!("{name} does not tell its head"));
    };
    if head.slot != chain.head.slot || head.root.is_some_and(|root| root != chain.head.root) {
        let root = head
            .root
            .map_or_else(String::new, |root| format!(" ({root})"));
        return Some(format!(
            "{name} has head {}{root}, and our nodes have {} ({})",
            head.slot, chain.head.slot, chain.head.root
        ));
    }
    match seen.finalized {
        None => Some(format!("{name} does not tell what is finalized")),
        Some(finalized) if finalized.slot + MAX_MIXED_FINALITY_LAG < chain.finalized.slot => {
            Some(format!(
                "{name} has finalized slot {}, and our nodes have {}",
                finalized.slot, chain.finalized.slot
            ))
        }
        Some(_) => None,
    }
}

fn of_late(late: &LateTally, chain: &ChainView) -> Option<String> {
    let LateTally {
        node, from, view, ..
    } = late;
    let Some(view) = view else {
        return Some(format!("{node}, which knows {from} only, does not answer"));
    };
    let head = view.chain.head.slot;
    (head + LATE_HEAD_LAG < chain.head.slot).then(|| {
        format!(
            "{node}, which knows {from} only, has head {head}, and the others have {}",
            chain.head.slot
        )
    })
}

fn text(ended: &Ended<'_>) -> String {
    let mut rows = vec![
        [
            "node",
            "client",
            "validators",
            "head",
            "justified",
            "finalized",
            "peers",
        ]
        .map(str::to_owned),
    ];
    let unknown = || "-".to_owned();
    for (node, seen) in ended.nodes.iter().zip(ended.seen) {
        let seen = seen.unwrap_or_default();
        let slot =
            |point: Option<Point>| point.map_or_else(unknown, |point| point.slot.to_string());
        let indices: Vec<_> = node.validators.iter().map(u64::to_string).collect();
        rows.push([
            node.name.clone(),
            node.client().to_owned(),
            if indices.is_empty() {
                unknown()
            } else {
                indices.join(",")
            },
            slot(seen.head),
            slot(seen.justified),
            slot(seen.finalized),
            seen.peers.map_or_else(unknown, |peers| peers.to_string()),
        ]);
    }
    let mut text = table(&rows);
    let heading = [
        "client",
        "blocks due",
        "came",
        "in chain",
        "votes due",
        "counted",
        "late",
        "in blocks",
    ];
    let mut rows = vec![heading.map(str::to_owned)];
    rows.extend(ended.clients.iter().map(|tally| {
        [
            tally.client.clone(),
            tally.blocks_due.to_string(),
            tally.blocks_seen.to_string(),
            tally.blocks_in_chain.to_string(),
            tally.votes_due.to_string(),
            tally.votes_counted.to_string(),
            tally.votes_late.to_string(),
            tally.votes_in_blocks.to_string(),
        ]
    }));
    text.push('\n');
    text.push_str(&table(&rows));
    let (agreed, asked) = ended.agreed;
    text.push_str(&format!(
        "\nall heads the same in {agreed} of {asked} slots\n"
    ));
    if let Some(late) = &ended.late {
        let how = match late.caught_up_in_slot {
            Some(slot) => format!("had the head of the others in slot {slot}"),
            None => "never had the head of the others".to_owned(),
        };
        let LateTally {
            node,
            from,
            started_in_slot,
            ..
        } = late;
        text.push_str(&format!(
            "{node} was started in slot {started_in_slot} with {from} as its only peer, and {how}\n"
        ));
    }
    text
}
