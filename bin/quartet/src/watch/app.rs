//! The state of the screen, and what keys do to it.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{model::Model, theme::Theme};

/// A part of the screen about the chosen node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pane {
    Slots,
    Duties,
    Validators,
    Peers,
    Events,
}

impl Pane {
    pub(super) const ALL: [Self; 5] = [
        Self::Slots,
        Self::Duties,
        Self::Validators,
        Self::Peers,
        Self::Events,
    ];

    /// Its title.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Slots => "Slots",
            Self::Duties => "Duties",
            Self::Validators => "Validators",
            Self::Peers => "Peers",
            Self::Events => "Events",
        }
    }
}

/// The whole.
#[derive(Debug)]
pub(super) struct App {
    pub(super) model: Model,
    pub(super) theme: Theme,
    /// The chosen node's place.
    pub(super) node: usize,
    pub(super) pane: usize,
    /// Rows of the pane that are scrolled away.
    pub(super) scroll: usize,
    pub(super) help: bool,
    /// Unix milliseconds.
    pub(super) now: u64,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Stay,
    Quit,
}

impl App {
    /// Shows a model.
    pub(super) fn new(model: Model, theme: Theme) -> Self {
        Self {
            model,
            theme,
            node: 0,
            pane: 0,
            scroll: 0,
            help: false,
            now: 0,
        }
    }

    /// The pane that is chosen.
    pub(super) fn pane(&self) -> Pane {
        Pane::ALL[self.pane % Pane::ALL.len()]
    }

    /// A key was pressed.
    pub(super) fn press(&mut self, key: KeyEvent) -> Next {
        if key.kind == KeyEventKind::Release {
            return Next::Stay;
        }
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        let (nodes, panes) = (self.model.nodes.len().max(1), Pane::ALL.len());
        match key.code {
            KeyCode::Char('c' | 'd') if is_control => return Next::Quit,
            KeyCode::Char('?' | 'h') => self.help = !self.help,
            KeyCode::Esc if self.help => self.help = false,
            KeyCode::Char('q') | KeyCode::Esc => return Next::Quit,
            KeyCode::Tab | KeyCode::Right => self.show((self.pane + 1) % panes),
            KeyCode::BackTab | KeyCode::Left => self.show((self.pane + panes - 1) % panes),
            KeyCode::Down => self.choose((self.node + 1) % nodes),
            KeyCode::Up => self.choose((self.node + nodes - 1) % nodes),
            KeyCode::PageDown | KeyCode::Char('j') => self.scroll = self.scroll.saturating_add(1),
            KeyCode::PageUp | KeyCode::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::Home => self.scroll = 0,
            _ => {}
        }
        Next::Stay
    }

    fn show(&mut self, pane: usize) {
        (self.pane, self.scroll) = (pane, 0);
    }

    fn choose(&mut self, node: usize) {
        (self.node, self.scroll) = (node, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_choose_and_quit() {
        let model = Model::new(["a".to_owned(), "b".to_owned()]);
        let mut app = App::new(model, Theme { colour: false });
        let mut press = |code| {
            let next = app.press(KeyEvent::new(code, KeyModifiers::NONE));
            (next, app.node, app.pane(), app.help)
        };
        use Next::{Quit, Stay};
        assert_eq!(press(KeyCode::Down), (Stay, 1, Pane::Slots, false));
        assert_eq!(press(KeyCode::Down), (Stay, 0, Pane::Slots, false));
        assert_eq!(press(KeyCode::Up), (Stay, 1, Pane::Slots, false));
        assert_eq!(press(KeyCode::Tab), (Stay, 1, Pane::Duties, false));
        assert_eq!(press(KeyCode::Left), (Stay, 1, Pane::Slots, false));
        assert_eq!(press(KeyCode::BackTab), (Stay, 1, Pane::Events, false));
        assert_eq!(press(KeyCode::Char('?')), (Stay, 1, Pane::Events, true));
        assert_eq!(press(KeyCode::Esc), (Stay, 1, Pane::Events, false));
        assert_eq!(press(KeyCode::Esc).0, Quit);
        assert_eq!(press(KeyCode::Char('q')).0, Quit);
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(app.press(control_c), Quit);
    }
}
