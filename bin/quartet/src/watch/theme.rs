//! Colours, where they are wanted; without them, weight says the same.

use std::ffi::OsString;

use ratatui::style::{Color, Modifier, Style};

use crate::lean_api::Condition;

/// Whether colours are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Theme {
    pub(super) colour: bool,
}

/// Whether the terminal and the custom of `NO_COLOR` allow colours.
pub(crate) fn colour_is_wanted(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let is_dumb = variable("TERM").is_some_and(|term| term == "dumb");
    !is_dumb && variable("NO_COLOR").is_none_or(|value| value.is_empty())
}

impl Theme {
    fn coloured(self, colour: Color) -> Style {
        if self.colour {
            Style::new().fg(colour)
        } else {
            Style::new()
        }
    }

    /// All is well.
    pub(super) fn good(self) -> Style {
        self.coloured(Color::Green)
    }

    /// Wait and see.
    pub(super) fn fair(self) -> Style {
        self.coloured(Color::Yellow)
    }

    /// Something is wrong.
    pub(super) fn bad(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// What is not so important.
    pub(super) fn faint(self) -> Style {
        self.coloured(Color::DarkGray)
    }

    /// Titles and what is chosen.
    pub(super) fn strong(self) -> Style {
        self.coloured(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// The row or tab that is chosen.
    pub(super) fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Of a condition, or of no answer.
    pub(super) fn of(self, condition: Option<Condition>) -> Style {
        match condition {
            Some(Condition::Synced) => self.good(),
            Some(Condition::Starting | Condition::Syncing | Condition::Unknown) => self.fair(),
            _ => self.bad(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_is_respected() {
        let wanted = |name: &'static str, value: &'static str| {
            colour_is_wanted(|asked| (asked == name).then(|| value.into()))
        };
        assert!(wanted("NO_COLOR", ""));
        assert!(!wanted("NO_COLOR", "1"));
        assert!(!wanted("TERM", "dumb"));
        assert!(wanted("TERM", "xterm"));
        let theme = Theme { colour: false };
        for style in [theme.good(), theme.bad(), theme.fair(), theme.strong()] {
            assert_eq!(style.fg, None);
        }
    }
}
