//! As much of Prometheus' text form as is needed to read a node's metrics.

use quartet_config::MetricPattern;

/// A counter's value, over all its labels. One that is not listed has never counted anything.
pub(super) fn counter(metrics: &str, name: &str) -> u64 {
    let values = samples(metrics, name).map(|(_, value)| value);
    values.sum::<f64>() as u64
}

/// A counter's value, over the samples with this label.
pub(super) fn labelled(metrics: &str, name: &str, label: &str, word: &str) -> u64 {
    let label = format!("{label}=\"{word}\"");
    let values = samples(metrics, name).filter(|(labels, _)| labels.contains(&label));
    values.map(|(_, value)| value).sum::<f64>() as u64
}

/// The sum of all series that a pattern is for; `None` if there is none.
pub(super) fn sum(metrics: &str, pattern: &MetricPattern) -> Option<f64> {
    let value = |line: &str| {
        let end = match (line.starts_with('#'), line.rfind('}')) {
            (true, _) => return None,
            (false, Some(brace)) => brace + 1,
            (false, None) => line.find(' ')?,
        };
        let (series, rest) = line.split_at(end);
        let value = rest.split_whitespace().next()?.parse::<f64>().ok()?;
        pattern.matches(series).then_some(value)
    };
    metrics
        .lines()
        .filter_map(value)
        .reduce(|sum, value| sum + value)
}

/// A gauge's value.
pub(super) fn gauge(metrics: &str, name: &str) -> Option<f64> {
    Some(samples(metrics, name).next()?.1)
}

/// How many values a histogram without labels has, and their median, as if values lay evenly within their bucket.
pub(super) fn median(metrics: &str, name: &str) -> (u64, Option<f64>) {
    let bucket = |(labels, count): (&str, f64)| {
        let bound = labels.split("le=\"").nth(1)?.split('"').next()?;
        Some((bound.parse::<f64>().unwrap_or(f64::INFINITY), count))
    };
    let buckets: Vec<_> = samples(metrics, &format!("{name}_bucket"))
        .filter_map(bucket)
        .collect();
    let all = buckets.last().map_or(0.0, |(_, count)| *count);
    let half = all / 2.0;
    let (mut low, mut below) = (0.0, 0.0);
    for (high, count) in buckets {
        if count >= half && count > below {
            let share = (half - below) / (count - below);
            let median = if high.is_finite() {
                low + share * (high - low)
            } else {
                low
            };
            return (all as u64, Some(median));
        }
        (low, below) = (high, count);
    }
    (0, None)
}

/// The samples of this very name, each with its labels.
fn samples<'a>(metrics: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
    metrics.lines().filter_map(move |line| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = match rest.strip_prefix('{') {
            Some(labels) => labels.rsplit_once('}')?,
            None => ("", rest.strip_prefix(' ')?),
        };
        Some((labels, value.split_whitespace().next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = "\
# TYPE quartet_proposals_missed_total counter
quartet_proposals_missed_total 2
quartet_proposals_missed_total_since 9
# TYPE quartet_attestations_late_total counter
quartet_attestations_late_total{reason=\"a}\"} 3
quartet_attestations_late_total{reason=\"b\"} 4 1700000000
quartet_longest 1.25
quartet_import_bucket{le=\"0.1\"} 0
quartet_import_bucket{le=\"0.2\"} 4
quartet_import_bucket{le=\"0.4\"} 8
quartet_import_bucket{le=\"+Inf\"} 10
quartet_import_sum 3
quartet_import_count 10
quartet_none_bucket{le=\"0.1\"} 0
quartet_none_bucket{le=\"+Inf\"} 0
";

    #[test]
    fn counters_are_summed_over_their_labels_and_zero_when_absent() {
        assert_eq!(counter(METRICS, "quartet_proposals_missed_total"), 2);
        assert_eq!(counter(METRICS, "quartet_attestations_late_total"), 7);
        assert_eq!(counter(METRICS, "quartet_other_total"), 0);
        let of = |word| labelled(METRICS, "quartet_attestations_late_total", "reason", word);
        assert_eq!((of("b"), of("c")), (4, 0));
        assert_eq!(gauge(METRICS, "quartet_longest"), Some(1.25));
        assert_eq!(gauge(METRICS, "quartet_other"), None);
    }

    #[test]
    fn a_pattern_sums_the_series_that_it_is_for() {
        let of = |expression| sum(METRICS, &MetricPattern::new(expression).unwrap());
        assert_eq!(of("quartet_attestations_late_total"), Some(7.0));
        let second = r#"quartet_attestations_late_total\{reason="b"\}"#;
        assert_eq!(of(second), Some(4.0));
        assert_eq!(of("quartet_(longest|import_sum)"), Some(4.25));
        assert_eq!(of("quartet_proposals_missed_total"), Some(2.0));
        assert_eq!(of("quartet_other"), None);
        assert_eq!(of("# TYPE.*"), None);
    }

    #[test]
    fn a_median_lies_within_its_bucket() {
        let (count, found) = median(METRICS, "quartet_import");
        assert_eq!(count, 10);
        assert!((found.unwrap() - 0.25).abs() < 1e-9, "{found:?}");
        assert_eq!(median(METRICS, "quartet_none"), (0, None));
        assert_eq!(median(METRICS, "quartet_other"), (0, None));
    }
}
