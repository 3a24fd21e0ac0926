//! The panes about the chosen node.

use ratatui::{
    Frame,
    layout::{Constraint, Rect},
    style::Style,
    text::Line,
    widgets::{Block, Paragraph, Row, Table},
};

use super::super::{
    app::{App, Pane},
    node::{Node, peer_label},
    poll::SlotReport,
};
use crate::lean_api::{Peer, Place, Validator};

/// A pane's titles, the widths below them, its rows, and what is said where there are none.
struct Content {
    titles: Vec<&'static str>,
    widths: Vec<Constraint>,
    rows: Vec<(Vec<String>, Style)>,
    empty: &'static str,
}

/// Draws a pane.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    block: Block<'_>,
    app: &App,
    node: &Node,
    pane: Pane,
    scroll: usize,
) {
    let content = match pane {
        Pane::Slots => slots(app, node),
        Pane::Duties => duties(app, node),
        Pane::Validators => validators(app, node),
        Pane::Peers => peers(node),
        Pane::Events => events(app),
    };
    if content.rows.is_empty() {
        let text = Line::styled(format!(" {}", content.empty), app.theme.faint());
        frame.render_widget(Paragraph::new(text).block(block), area);
        return;
    }
    let room = usize::from(area.height.saturating_sub(3));
    let skipped = scroll.min(content.rows.len().saturating_sub(room));
    let rows = content.rows.into_iter().skip(skipped).take(room);
    let rows = rows.map(|(cells, style)| Row::new(cells).style(style));
    let table = Table::new(rows, content.widths)
        .header(Row::new(content.titles).style(app.theme.faint()))
        .block(block);
    frame.render_widget(table, area);
}

/// The newest slots first.
fn slots(app: &App, node: &Node) -> Content {
    let facts = node.facts.as_ref();
    let validators = facts.and_then(|facts| facts.validator_count);
    let now = facts.and_then(|facts| facts.current_slot);
    let row = |row: &SlotReport| {
        let is_over = Some(row.slot) != now;
        let votes = row.votes.as_ref().map(|votes| {
            let all = validators.map_or_else(String::new, |all| format!("/{all}"));
            format!("{}{all}", votes.len())
        });
        let late = row
            .votes
            .as_ref()
            .map(|votes| votes.values().filter(|late| **late).count());
        let block = match (&row.block, is_over) {
            (Some(root), _) => root.chars().take(10).collect(),
            (None, true) => "no block".to_owned(),
            (None, false) => "…".to_owned(),
        };
        let style = match (&row.block, late) {
            (None, _) if is_over && row.slot > 0 => app.theme.bad(),
            (_, Some(1..)) => app.theme.fair(),
            _ => Style::new(),
        };
        let own = if row.proposer_is_local { "*" } else { "" };
        let cells = vec![
            format!(" {}", row.slot),
            row.proposer
                .map_or_else(dash, |proposer| format!("{proposer}{own}")),
            block,
            votes.unwrap_or_else(dash),
            late.map_or_else(dash, |late| late.to_string()),
            row.head
                .as_ref()
                .map_or_else(dash, |head| head.slot.to_string()),
        ];
        (cells, style)
    };
    Content {
        titles: vec![" slot", "proposer", "block", "votes", "late", "they name"],
        widths: lengths(&[9, 9, 11, 10, 6, 10]),
        rows: node.slots.values().rev().map(row).collect(),
        empty: "this node does not tell of its slots",
    }
}

/// What the node's own validators had to do.
fn duties(app: &App, node: &Node) -> Content {
    let now = node.facts.as_ref().and_then(|facts| facts.current_slot);
    let mut rows = Vec::new();
    for row in node.slots.values().rev() {
        let is_over = Some(row.slot) != now;
        if let Some(proposer) = row.proposer.filter(|_| row.proposer_is_local) {
            let (outcome, style) = match (&row.block, is_over) {
                (Some(_), _) => ("done", app.theme.good()),
                (None, true) => ("missed, or its block is on another branch", app.theme.bad()),
                (None, false) => ("due", Style::new()),
            };
            let cells = vec![
                format!(" {}", row.slot),
                "propose".to_owned(),
                proposer.to_string(),
                outcome.to_owned(),
            ];
            rows.push((cells, style));
        }
        let Some(votes) = row.votes.as_ref().filter(|_| !row.attesters.is_empty()) else {
            continue;
        };
        let of = |wanted: Option<bool>| {
            let own = row
                .attesters
                .iter()
                .filter(|own| votes.get(own).copied() == wanted);
            own.count()
        };
        let (done, late, open) = (of(Some(false)), of(Some(true)), of(None));
        let missing = if is_over { "missed" } else { "due" };
        let counts = [(done, "on time"), (late, "late"), (open, missing)];
        let said: Vec<_> = counts
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| format!("{number} {what}"))
            .collect();
        let style = match (late, open) {
            (0, 0) => app.theme.good(),
            (_, 1..) if is_over => app.theme.bad(),
            (1.., _) => app.theme.fair(),
            _ => Style::new(),
        };
        let cells = vec![
            format!(" {}", row.slot),
            "attest".to_owned(),
            few(&row.attesters),
            said.join(", "),
        ];
        rows.push((cells, style));
    }
    Content {
        titles: vec![" slot", "duty", "validators", "outcome"],
        widths: [lengths(&[9, 8, 16]), vec![Constraint::Min(10)]].concat(),
        rows,
        empty: "this node signs for nobody, or does not tell",
    }
}

fn few(validators: &[u64]) -> String {
    let shown: Vec<_> = validators.iter().take(3).map(ToString::to_string).collect();
    match validators.len() {
        0..=3 => shown.join(", "),
        all => format!("{} … ({all})", shown.join(", ")),
    }
}

fn validators(app: &App, node: &Node) -> Content {
    let row = |validator: &Validator| {
        let (votes, proposals) = (validator.record.votes, validator.record.proposals);
        let style = match (votes.missed + proposals.missed, votes.late) {
            (1.., _) => app.theme.bad(),
            (0, 1..) => app.theme.fair(),
            _ => Style::new(),
        };
        let own = if validator.local { "*" } else { "" };
        let cells = vec![
            format!(" {}{own}", validator.index),
            votes.on_time.to_string(),
            votes.late.to_string(),
            votes.missed.to_string(),
            votes.included.to_string(),
            proposals.done.to_string(),
            proposals.missed.to_string(),
        ];
        (cells, style)
    };
    // Its own first.
    let (own, others): (Vec<_>, Vec<_>) = node.validators.iter().partition(|it| it.local);
    Content {
        titles: vec![
            " *own",
            "on time",
            "late",
            "missed",
            "in blocks",
            "proposed",
            "missed",
        ],
        widths: lengths(&[8, 8, 6, 7, 10, 9, 7]),
        rows: own.into_iter().chain(others).map(row).collect(),
        empty: "this node does not tell of validators",
    }
}

fn peers(node: &Node) -> Content {
    let row = |peer: &Peer| {
        let number = |number: Option<u64>| number.map_or_else(dash, |it| it.to_string());
        let cells = vec![
            format!(" {}", peer_label(peer)),
            peer.direction.clone(),
            peer.head
                .as_ref()
                .map_or_else(dash, |head: &Place| head.slot.to_string()),
            peer.latency_ms.map_or_else(dash, |it| format!("{it} ms")),
            peer.bytes_in.map_or_else(dash, bytes),
            peer.bytes_out.map_or_else(dash, bytes),
            number(peer.connected_seconds),
        ];
        (cells, Style::new())
    };
    Content {
        titles: vec![" peer", "way", "head", "ping", "in", "out", "s"],
        widths: [vec![Constraint::Min(16)], lengths(&[9, 7, 7, 8, 8, 6])].concat(),
        rows: node.peers.iter().map(row).collect(),
        empty: "no peers, or it does not tell of them",
    }
}

/// Of all nodes, the newest first.
fn events(app: &App) -> Content {
    let row = |event: &super::super::model::Event| {
        let ago = app.now.saturating_sub(event.at) / 1_000;
        let name = app.model.nodes.get(event.node).map_or("", Node::name);
        let style = if event.is_bad {
            app.theme.bad()
        } else {
            Style::new()
        };
        let cells = vec![format!(" {ago} s ago"), name.to_owned(), event.text.clone()];
        (cells, style)
    };
    Content {
        titles: vec![" when", "node", "what"],
        widths: vec![
            Constraint::Length(12),
            Constraint::Length(16),
            Constraint::Min(10),
        ],
        rows: app.model.events.iter().rev().map(row).collect(),
        empty: "nothing has happened yet",
    }
}

fn lengths(widths: &[u16]) -> Vec<Constraint> {
    widths.iter().copied().map(Constraint::Length).collect()
}

fn dash() -> String {
    "–".to_owned()
}

/// A size in the unit that fits.
fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}
