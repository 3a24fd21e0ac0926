//! The report for people: a line for each case, by group, and more of what does not pass.

use std::fmt::Write as _;

use quartet_conformance::{Case, Group, Played, Report, Summary, Verdict};
use serde_json::json;

/// Prints cases as they are played.
pub(super) struct Table {
    colour: bool,
    group: Option<Group>,
}

impl Table {
    pub(super) fn new(colour: bool) -> Self {
        Self {
            colour,
            group: None,
        }
    }

    /// The lines of a case, with the group's name before its first one.
    pub(super) fn line(&mut self, played: &Played) -> String {
        let mut text = String::new();
        if self.group != Some(played.group) {
            if self.group.is_some() {
                text.push('\n');
            }
            let _ = writeln!(text, "{}", played.group);
            self.group = Some(played.group);
        }
        let verdict = painted(played.verdict, self.colour);
        let _ = writeln!(text, "  {:4} {verdict}  {}", played.id, played.rule);
        if played.verdict == Verdict::Unsupported {
            let _ = writeln!(text, "                    {}", played.seen);
        } else if played.verdict != Verdict::Pass {
            for (label, said) in [("sent", &played.sent), ("seen", &played.seen)] {
                if !said.is_empty() {
                    let _ = writeln!(text, "                    {label}: {said}");
                }
            }
            let _ = writeln!(text, "                    rule: {}", played.source);
        }
        text
    }
}

/// The last line.
pub(super) fn summary(report: &Report, colour: bool) -> String {
    let Summary {
        pass,
        fail,
        differs,
        unsupported,
    } = report.summary;
    let counts = [
        (Verdict::Pass, pass),
        (Verdict::Fail, fail),
        (Verdict::Differs, differs),
        (Verdict::Unsupported, unsupported),
    ];
    let counts: Vec<_> = counts
        .into_iter()
        .map(|(verdict, count)| format!("{count} {}", painted(verdict, colour).trim_end()))
        .collect();
    format!("\n{}\n", counts.join(", "))
}

/// The cases that there are.
pub(super) fn list(cases: &[Case], json: bool) -> serde_json::Result<String> {
    if json {
        let cases: Vec<_> = cases
            .iter()
            .map(|case| json!({ "id": case.id, "group": case.group, "rule": case.rule, "where": case.source }))
            .collect();
        return Ok(format!("{}\n", serde_json::to_string(&cases)?));
    }
    let mut text = String::new();
    for case in cases {
        let _ = writeln!(
            text,
            "{:4} {:10} {} [{}]",
            case.id,
            case.group.name(),
            case.rule,
            case.source
        );
    }
    Ok(text)
}

fn painted(verdict: Verdict, colour: bool) -> String {
    let word = format!("{verdict:11}");
    let code = match verdict {
        Verdict::Pass => "32",
        Verdict::Fail => "31",
        Verdict::Differs => "33",
        Verdict::Unsupported => "2",
    };
    if colour {
        format!("\u{1b}[{code}m{word}\u{1b}[0m")
    } else {
        word
    }
}
