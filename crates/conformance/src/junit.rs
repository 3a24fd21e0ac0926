//! The report in the form that test runners' tools read.

use std::fmt::Write as _;

use crate::{Group, Report, Verdict};

/// The report as JUnit's XML: a suite for each group. What differs passes, what was not tried is skipped.
#[must_use]
pub fn junit(report: &Report) -> String {
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"quartet check\">\n",
    );
    for group in Group::ALL {
        let cases: Vec<_> = report
            .cases
            .iter()
            .filter(|case| case.group == group)
            .collect();
        if cases.is_empty() {
            continue;
        }
        let count = |verdict| cases.iter().filter(|case| case.verdict == verdict).count();
        // Writing to a string does not fail.
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{group}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\">",
            cases.len(),
            count(Verdict::Fail),
            count(Verdict::Unsupported)
        );
        for case in cases {
            let name = escaped(&format!("{} {}", case.id, case.rule));
            let _ = write!(
                xml,
                "    <testcase classname=\"{group}\" name=\"{name}\" time=\"{}\">",
                case.seconds
            );
            let said = escaped(&format!(
                "sent: {}; seen: {}; where: {}",
                case.sent, case.seen, case.source
            ));
            let _ = match case.verdict {
                Verdict::Fail => write!(
                    xml,
                    "<failure message=\"{}\">{said}</failure>",
                    escaped(&case.seen)
                ),
                Verdict::Unsupported => {
                    write!(xml, "<skipped message=\"{}\"/>", escaped(&case.seen))
                }
                Verdict::Pass | Verdict::Differs => {
                    write!(
                        xml,
                        "<system-out>{}: {said}</system-out>",
                        case.verdict.word()
                    )
                }
            };
            xml.push_str("</testcase>\n");
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML has no way to write them.
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Played, cases};

    #[test]
    fn a_nodes_words_cannot_break_the_junit_file() {
        let mut report = Report::default();
        let seen = "<x a=\"1\">&\u{0}".to_owned();
        report.add(Played::new(&cases()[0], Verdict::Fail, String::new(), seen));
        let xml = junit(&report);
        assert!(xml.contains("&lt;x a=&quot;1&quot;&gt;&amp; "), "{xml}");
        assert!(
            xml.contains("tests=\"1\" failures=\"1\" skipped=\"0\""),
            "{xml}"
        );
    }
}
