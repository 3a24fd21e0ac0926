//! Which of a client's metrics has a number.

use std::fmt;

use regex::Regex;

/// A regular expression for a metric's name, or for its name with labels as they are written, `name{label="value"}`; the whole of
/// either. A name is one for itself, with any labels.
#[derive(Clone, Debug)]
pub struct MetricPattern(Regex);

/// The beginning and the end of what is made of an expression.
const WHOLE: [&str; 2] = ["^(?:", ")$"];

impl MetricPattern {
    /// Reads an expression.
    ///
    /// # Errors
    /// When it is none, with the reason.
    pub fn new(expression: &str) -> Result<Self, regex::Error> {
        // By itself first: a bracket too many could otherwise end what is put around it.
        Regex::new(expression)?;
        let [begin, end] = WHOLE;
        Ok(Self(Regex::new(&format!("{begin}{expression}{end}"))?))
    }

    /// The expression.
    pub fn as_str(&self) -> &str {
        let [begin, end] = WHOLE.map(str::len);
        let whole = self.0.as_str();
        &whole[begin..whole.len() - end]
    }

    /// Whether it is for this series, a name that may have labels behind it.
    pub fn matches(&self, series: &str) -> bool {
        let name = series.split('{').next().unwrap_or_default();
        self.0.is_match(name) || self.0.is_match(series)
    }
}

impl PartialEq for MetricPattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for MetricPattern {}

impl fmt::Display for MetricPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_for_itself_and_an_expression_for_the_whole_of_a_series() {
        const PEERS: &str = r#"lean_connected_peers{client="a",way="in"}"#;
        for (expression, series, expected) in [
            ("lean_head_slot", "lean_head_slot", true),
            ("lean_head_slot", "lean_head_slot_total", false),
            ("head_slot", "lean_head_slot", false),
            ("lean_connected_peers", PEERS, true),
            (r#"lean_connected_peers\{.*way="in".*\}"#, PEERS, true),
            (r#"lean_connected_peers\{.*way="out".*\}"#, PEERS, false),
            ("(other|lean)_head_slot", "other_head_slot", true),
            ("a|lean_head", "lean_head_slot", false),
        ] {
            let pattern = MetricPattern::new(expression).unwrap();
            assert_eq!(pattern.matches(series), expected, "{expression} {series}");
            assert_eq!(pattern.as_str(), expression);
        }
        for expression in ["a)(b", "(", "[a"] {
            assert!(MetricPattern::new(expression).is_err(), "{expression}");
        }
    }
}
