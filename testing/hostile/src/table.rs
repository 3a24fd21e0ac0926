//! Verdicts as a table.

use std::fmt::Write as _;

use crate::{limits::MIB, verdict::Verdict};

/// A table of verdicts, with the reasons below it. Where three numbers are separated by strokes, they are those
/// before, during and after the attack.
pub fn table(verdicts: &[Verdict]) -> String {
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
    for verdict in verdicts {
        // Writing to a string does not fail.
        let _ = writeln!(table, "{}", line(verdict));
    }
    for verdict in verdicts.iter().filter(|verdict| !verdict.holds()) {
        let _ = writeln!(table, "{}: {}", verdict.attack, verdict.reasons.join("; "));
    }
    table
}

fn line(verdict: &Verdict) -> String {
    let outcome = if verdict.holds() { "held" } else { "BROKEN" };
    let lags = [verdict.lag_before, verdict.lag_during, verdict.lag_after];
    let lags = lags.map(|lag| lag.map_or("-".to_owned(), |lag| lag.to_string()));
    let memory = [verdict.rss_before, verdict.rss_peak, verdict.rss_after];
    let memory = memory.map(|bytes| (bytes / MIB).to_string());
    let seconds = |time: Option<f64>| time.map_or("-".to_owned(), |time| format!("{time:.1}"));
    // In brackets where the nodes cannot know better.
    let gone = match (verdict.told_apart, verdict.gone_after_seconds) {
        (false, Some(stay)) => format!("({stay:.0})"),
        (_, stay) => seconds(stay),
    };
    let p99 = verdict.http_p99_seconds.map(|time| format!("{time:.3}"));
    format!(
        "{:<16} {:<7} {:>8} {:>5} {:>7} {:>9} {:>6} {:>5} {:>13} {:>8} {:>7} {:>6} {:>9} {:>6.1}  {}",
        verdict.attack,
        outcome,
        verdict.sent,
        verdict.identities,
        format!("{}/{}", verdict.forged_imported, verdict.forged_sent),
        lags.join("/"),
        verdict.missed,
        verdict.late,
        memory.join("/"),
        verdict.disk_growth >> 10,
        gone,
        seconds(verdict.join_seconds),
        p99.unwrap_or("-".to_owned()),
        verdict.log_lines_per_second,
        if verdict.heads_agree {
            "agree"
        } else {
            "DIFFER"
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Outcome, Verdict};

    #[test]
    fn there_is_a_line_for_each_attack_and_one_for_each_that_broke_something() {
        let good = Verdict {
            attack: "nothing",
            ..Verdict::default()
        };
        let bad = Verdict {
            verdict: Outcome::Broken,
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
