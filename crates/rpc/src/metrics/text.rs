//! The Prometheus text format, as far as gauges and counters read on a scrape need it.

use std::fmt::{Display, Write as _};

/// Metrics in text form.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, help, "gauge");
        self.sample(name, &[], value);
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, help, "counter");
        self.sample(name, &[], value);
    }

    /// Opens a metric; its samples follow.
    pub(super) fn family(&mut self, name: &str, help: &str, kind: &str) {
        let text = format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n").to_string();
        self.0.push_str(&text);
    }

    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (position, (label, content)) in labels.iter().enumerate() {
            self.0.push(if position == 0 { '{' } else { ',' });
            let content = content
                .replace('\\', r"\\")
                .replace('"', "\\\"")
                .replace('\n', r"\n");
            // Writing to a string does not fail.
            let _ = write!(self.0, "{label}=\"{content}\"");
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped() {
        let mut text = Text::default();
        text.family("m", "Help.", "gauge");
        text.sample("m", &[("a", "x\"y\\z\n"), ("b", "")], 1.5);
        let expected = "# HELP m Help.\n# TYPE m gauge\nm{a=\"x\\\"y\\\\z\\n\",b=\"\"} 1.5\n";
        assert_eq!(text.finish(), expected);
    }
}
