//! The screen, drawn from the app alone.

mod nodes;
mod panes;

pub(super) use nodes::word;

#[cfg(test)]
mod tests;

use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout, Rect},
    text::{Line, Span},
    widgets::{Block, Clear, Paragraph, Sparkline},
};

use super::{
    app::{App, Pane},
    node::Node,
};
use crate::words::count;

/// From this size on all panes are shown at once.
const WIDE: u16 = 140;
const HIGH: u16 = 40;
/// The least of a screen's rows that the pane keeps, its frame included.
const PANE_ROWS: u16 = 9;

const HELP: &str = "\
 Tab, → ←     next and previous pane
 ↑ ↓          next and previous node
 j k          scroll the pane (PgDn, PgUp, Home)
 ?            this help
 q, Esc       quit

 A head in bold red names another block than the
 other nodes' for the same slot. Lag is the number
 of slots from the finalized one to the clock: 3
 is as good as it gets.";

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, app: &App) {
    let area = frame.area();
    let most = area.height.saturating_sub(PANE_ROWS + 4).max(2);
    let nodes = (app.model.nodes.len() as u16).saturating_add(1).min(most);
    let [title, table, facts, rest] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(nodes),
        Constraint::Length(3),
        Constraint::Min(0),
    ])
    .areas(area);
    frame.render_widget(headline(app), title);
    nodes::draw(frame, table, app);
    if let Some(node) = app.model.nodes.get(app.node) {
        about(frame, facts, app, node);
        if rest.width >= WIDE && area.height >= HIGH {
            all_panes(frame, rest, app, node);
        } else {
            one_pane(frame, rest, app, node);
        }
    }
    if app.help {
        help(frame, area, app);
    }
}

/// How many nodes are well, and whether they agree.
fn headline(app: &App) -> Line<'static> {
    let (theme, nodes) = (app.theme, &app.model.nodes);
    let is_well = |node: &&Node| node.condition().is_some_and(|it| it.is_healthy());
    let well = nodes.iter().filter(is_well).count();
    let facts = nodes
        .iter()
        .filter(|node| node.down.is_none())
        .filter_map(|node| node.facts.as_ref());
    let slot = facts.filter_map(|facts| facts.current_slot).max();
    let slot = slot.map_or_else(|| "slot –".to_owned(), |slot| format!("slot {slot}"));
    let style = if well == nodes.len() {
        theme.good()
    } else {
        theme.bad()
    };
    let all = count(nodes.len() as u64, "node");
    let differ = nodes
        .iter()
        .filter(|node| app.model.disagrees(node))
        .count();
    let mut parts = vec![
        Span::styled(" quartet watch  ", theme.strong()),
        Span::raw(format!("{slot}  ")),
        Span::styled(format!("{well} of {all} well"), style),
    ];
    if differ > 0 {
        let text = format!("  {} on another branch", count(differ as u64, "node"));
        parts.push(Span::styled(text, theme.bad()));
    }
    parts.push(Span::styled("  ? help  q quit", theme.faint()));
    Line::from(parts)
}

/// The chosen node in three lines, with finality's lag over time.
fn about(frame: &mut Frame<'_>, area: Rect, app: &App, node: &Node) {
    let theme = app.theme;
    // Why a node does not answer needs the room.
    let chart_width = match node.down {
        Some(_) => 0,
        None => (area.width / 3).min(60),
    };
    let [text, _, chart] = Layout::horizontal([
        Constraint::Min(0),
        Constraint::Length(1),
        Constraint::Length(chart_width),
    ])
    .areas(area);
    let facts = node.facts.as_ref();
    let (meaning, advice) = match (&node.down, facts) {
        (Some(down), _) => {
            let seconds = app.now.saturating_sub(down.since) / 1_000;
            (down.why.clone(), Some(format!("for {seconds} s")))
        }
        (None, Some(facts)) => facts.condition.in_words(facts),
        (None, None) => ("asking".to_owned(), None),
    };
    let who = facts.map(|facts| {
        let parts = [&facts.client, &facts.version].into_iter().flatten();
        let parts: Vec<&str> = parts.map(String::as_str).collect();
        parts.join(" ")
    });
    let own = facts.and_then(|facts| facts.validators.as_ref());
    let own = own.map(|own| format!("signs for {}", count(own.len() as u64, "validator")));
    let advice = advice.or(own);
    let lines = vec![
        Line::from(vec![
            Span::styled(format!(" {} ", node.name()), theme.strong()),
            Span::raw(format!("{} {}", node.url, who.unwrap_or_default())),
        ]),
        Line::from(Span::styled(
            format!(" {meaning}"),
            theme.of(node.condition()),
        )),
        Line::from(Span::raw(
            advice
                .map(|advice| format!(" {advice}"))
                .unwrap_or_default(),
        )),
    ];
    frame.render_widget(Paragraph::new(lines), text);
    let [caption, bars] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(2)]).areas(chart);
    let lag = node
        .lags
        .back()
        .map_or_else(String::new, |lag| format!("finality's lag {lag}"));
    let caption_line = Line::styled(lag, theme.faint()).alignment(Alignment::Right);
    frame.render_widget(caption_line, caption);
    let skipped = node.lags.len().saturating_sub(usize::from(chart.width));
    let data: Vec<u64> = node.lags.iter().skip(skipped).copied().collect();
    // A healthy lag is a low line, so that trouble is high.
    let top = data.iter().copied().max().unwrap_or(0).max(8);
    let style = match node.lags.back() {
        Some(0..=4) => theme.good(),
        Some(5..=16) => theme.fair(),
        _ => theme.bad(),
    };
    frame.render_widget(Sparkline::default().data(data).max(top).style(style), bars);
}

fn one_pane(frame: &mut Frame<'_>, area: Rect, app: &App, node: &Node) {
    let mut tabs = Vec::new();
    for pane in Pane::ALL {
        let style = if pane == app.pane() {
            app.theme.chosen()
        } else {
            app.theme.faint()
        };
        tabs.push(Span::styled(format!(" {} ", pane.name()), style));
        tabs.push(Span::raw(" "));
    }
    let block = Block::bordered().title(Line::from(tabs));
    panes::draw(frame, area, block, app, node, app.pane(), app.scroll);
}

fn all_panes(frame: &mut Frame<'_>, area: Rect, app: &App, node: &Node) {
    let [left, right] =
        Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(area);
    let [slots, duties] =
        Layout::vertical([Constraint::Percentage(60), Constraint::Percentage(40)]).areas(left);
    let [validators, peers, events] = Layout::vertical([
        Constraint::Percentage(34),
        Constraint::Percentage(33),
        Constraint::Percentage(33),
    ])
    .areas(right);
    for (pane, area) in Pane::ALL
        .into_iter()
        .zip([slots, duties, validators, peers, events])
    {
        let is_chosen = pane == app.pane();
        let style = if is_chosen {
            app.theme.chosen()
        } else {
            app.theme.strong()
        };
        let title = Line::styled(format!(" {} ", pane.name()), style);
        let scroll = if is_chosen { app.scroll } else { 0 };
        let block = Block::bordered().title(title);
        panes::draw(frame, area, block, app, node, pane, scroll);
    }
}

fn help(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let text = Paragraph::new(HELP);
    let height = (HELP.lines().count() as u16 + 2).min(area.height);
    let width = 54.min(area.width);
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, place);
    let title = Line::styled(" Help ", app.theme.strong());
    frame.render_widget(text.block(Block::bordered().title(title)), place);
}
