//! The Prometheus text format, as far as gauges and counters read on a scrape need it.

use std::{
    collections::BTreeSet,
    fmt::{Display, Write as _},
};

/// Metrics in text form.
#[derive(Debug, Default)]
pub(super) struct Text {
    text: String,
    names: BTreeSet<String>,
}

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
        self.names.insert(name.to_owned());
        // Writing to a string does not fail.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(name);
        for (position, (label, content)) in labels.iter().enumerate() {
            self.text.push(if position == 0 { '{' } else { ',' });
            let content = content
                .replace('\\', r"\\")
                .replace('"', "\\\"")
                .replace('\n', r"\n");
            let _ = write!(self.text, "{label}=\"{content}\"");
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    /// Adds what a recorder has rendered, except metrics that are there already: a name may be in the
    /// text once only.
    pub(super) fn append(&mut self, rendered: &str) {
        // Each metric starts with `# HELP name …` or `# TYPE name …` and ends with an empty line.
        for metric in rendered.split_inclusive("\n\n") {
            let name = metric.split(' ').nth(2).unwrap_or_default();
            if !self.names.contains(name) {
                self.text.push_str(metric);
            }
        }
    }

    pub(super) fn finish(self) -> String {
        self.text
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

    #[test]
    fn a_metric_that_is_there_is_not_added_again() {
        let mut text = Text::default();
        text.gauge("lean_head_slot", "Slot of the head.", 7);
        let before = text.text.clone();
        let other = "# TYPE lean_head gauge\nlean_head 1\n\n";
        text.append(&format!(
            "# HELP lean_head_slot x\n# TYPE lean_head_slot gauge\nlean_head_slot 6\n\n{other}"
        ));
        assert_eq!(text.finish(), format!("{before}{other}"));
    }
}
