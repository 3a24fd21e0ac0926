//! All nodes, a row each.

use ratatui::{
    Frame,
    layout::{Constraint, Rect},
    text::Span,
    widgets::{Row, Table, TableState},
};

use super::super::{app::App, node::Node};
use crate::lean_api::{Condition, Place, Tally};

/// The widths of all columns but the first.
const WIDTHS: [u16; 8] = [11, 7, 10, 7, 7, 4, 5, 9];
/// The first column's, where there is room.
const NAMES: (usize, usize) = (12, 28);

/// Draws the table; the chosen node is always in sight.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let titles = [
        " node",
        "condition",
        "head",
        "root",
        "just.",
        "final.",
        "lag",
        "peers",
        "late/miss",
    ];
    let rows = app.model.nodes.iter().map(|node| row(app, node));
    let longest = app
        .model
        .nodes
        .iter()
        .map(|node| node.name().chars().count() + 1)
        .max();
    let longest = longest.unwrap_or_default().clamp(NAMES.0, NAMES.1) as u16;
    let others: u16 = WIDTHS.iter().map(|width| width + 1).sum();
    let first = longest.min(area.width.saturating_sub(others));
    let widths = [first].into_iter().chain(WIDTHS).map(Constraint::Length);
    let table = Table::new(rows, widths)
        .header(Row::new(titles).style(app.theme.faint()))
        .row_highlight_style(app.theme.chosen());
    let mut state = TableState::new().with_selected(Some(app.node));
    frame.render_stateful_widget(table, area, &mut state);
}

/// A condition's word, for the width that it has.
pub(in super::super) fn word(node: &Node) -> &'static str {
    match (&node.down, node.condition()) {
        (Some(_), _) => "no answer",
        (None, None) => "asking",
        (None, Some(Condition::CutOff)) => "cut off",
        (None, Some(condition)) => condition.name(),
    }
}

fn row(app: &App, node: &Node) -> Row<'static> {
    let theme = app.theme;
    let facts = node.facts.clone().unwrap_or_default();
    let slot = |place: &Option<Place>| or_dash(place.as_ref().map(|place| place.slot));
    let lag = facts.behind(facts.finalized.as_ref());
    let duties = node
        .validators
        .iter()
        .any(|validator| validator.local)
        .then(|| {
            let tally = Tally::of(&node.validators);
            format!("{}/{}", tally.votes_late, tally.votes_missed)
        });
    let head_style = if app.model.disagrees(node) {
        theme.bad()
    } else {
        ratatui::style::Style::new()
    };
    let lag_style = match lag {
        Some(5..=16) => theme.fair(),
        Some(17..) => theme.bad(),
        _ => ratatui::style::Style::new(),
    };
    let row = Row::new([
        Span::raw(format!(" {}", node.name())),
        Span::styled(
            word(node),
            match (&node.down, &node.facts) {
                (None, None) => theme.faint(),
                _ => theme.of(node.condition()),
            },
        ),
        Span::styled(slot(&facts.head), head_style),
        Span::styled(
            facts.head.as_ref().map(Place::short).unwrap_or_default(),
            head_style,
        ),
        Span::raw(slot(&facts.justified)),
        Span::raw(slot(&facts.finalized)),
        Span::styled(or_dash(lag), lag_style),
        Span::raw(or_dash(facts.peers)),
        Span::raw(duties.unwrap_or_else(|| "–".to_owned())),
    ]);
    match node.down {
        Some(_) => row.style(theme.bad()),
        None => row,
    }
}

fn or_dash(number: Option<u64>) -> String {
    number.map_or_else(|| "–".to_owned(), |number| number.to_string())
}
