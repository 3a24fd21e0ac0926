//! Verdicts as a table.

use std::fmt::Write as _;

use crate::{attack_report::AttackReport, limits::MIB};

/// A table of verdicts, with the reasons below it. Where three numbers are separated by strokes, they are those
/// before, during and after the attack.
pub fn table(reports: &[AttackReport]) -> String {
    let mut table = format!(
        "{:<16} {:<7} {:>8} {:>5} {:>7} {:>9} {:>6} {:>5} {:>13} {:>8} {:>7} {:>6} {:>9} {:>6}  heads\n",
        "attack",
        "verdict",
        "sent",
        "ids",
        "forged",
        "lag b/d/a",
        "missed",
        "late",
        "MiB b/p/a",
        "disk KiB",
        "gone s",
        "join s",
        "HTTP p99",
        "log/s",
    );
    for report in reports {
        // Writing to a string does not fail.
        let _ = writeln!(table, "{}", line(report));
    }
    for report in reports.iter().filter(|report| !report.holds()) {
        let _ = writeln!(table, "{}: {}", report.attack, report.reasons.join("; "));
    }
    table
}

fn line(report: &AttackReport) -> String {
    let outcome = if report.holds() { "held" } else { "BROKEN" };
    let lags = [report.lag_before, report.lag_during, report.lag_after];
    let lags = lags.map(|lag| lag.map_or("-".to_owned(), |lag| lag.to_string()));
    let memory = [report.rss_before, report.rss_peak, report.rss_after];
    let memory = memory.map(|bytes| (bytes / MIB).to_string());
    let seconds = |time: Option<f64>| time.map_or("-".to_owned(), |time| format!("{time:.1}"));
    // In brackets where the nodes cannot know better.
    let gone = match (report.told_apart, report.gone_after_seconds) {
        (false, Some(stay)) => format!("({stay:.0})"),
        (_, stay) => seconds(stay),
    };
    let p99 = report.http_p99_seconds.map(|time| format!("{time:.3}"));
    format!(
        "{:<16} {:<7} {:>8} {:>5} {:>7} {:>9} {:>6} {:>5} {:>13} {:>8} {:>7} {:>6} {:>9} {:>6.1}  {}",
        report.attack,
        outcome,
        report.sent,
        report.identities,
        format!("{}/{}", report.forged_imported, report.forged_sent),
        lags.join("/"),
        report.missed,
        report.late,
        memory.join("/"),
        report.disk_growth >> 10,
        gone,
        seconds(report.join_seconds),
        p99.unwrap_or("-".to_owned()),
        report.log_lines_per_second,
        if report.heads_agree {
            "agree"
        } else {
            "DIFFER"
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack_report::{AttackOutcome, AttackReport};

    #[test]
    fn there_is_a_line_for_each_attack_and_one_for_each_that_broke_something() {
        let good = AttackReport {
            attack: "nothing",
            ..AttackReport::default()
        };
        let bad = AttackReport {
            verdict: AttackOutcome::Broken,
            reasons: vec!["7 duties missed".to_owned()],
            ..good.clone()
        };
        let table = table(&[good, bad]);
        assert_eq!(table.lines().count(), 4);
        assert!(
            table.lines().last().unwrap().contains("7 duties missed"),
            "{table}"
        );
    }
}
