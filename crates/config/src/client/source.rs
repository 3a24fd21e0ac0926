//! Where a client says what it sees of the chain.

use serde::{Deserialize, Serialize};

use super::MetricPattern;

/// Where one thing is read: a field of an answer in JSON, or a metric in Prometheus' text form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub enum Source {
    /// A field of the answer to `GET path` at the client's HTTP port.
    Json {
        /// With its slash.
        path: String,
        /// Names of members, with dots in between.
        field: String,
    },
    /// The sum of some series at the client's metrics port.
    Metric {
        /// Where all metrics are; with its slash.
        path: String,
        /// Which series.
        pattern: MetricPattern,
    },
}

/// Where metrics are, unless a source says otherwise.
const METRICS_PATH: &str = "/metrics";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    json: Option<String>,
    field: Option<String>,
    metric: Option<String>,
    path: Option<String>,
}

impl TryFrom<Fields> for Source {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Self, String> {
        let source = match fields {
            Fields {
                json: Some(path),
                field: Some(field),
                metric: None,
                path: None,
            } => Self::Json { path, field },
            Fields {
                json: None,
                field: None,
                metric: Some(expression),
                path,
            } => Self::Metric {
                path: path.unwrap_or_else(|| METRICS_PATH.to_owned()),
                pattern: MetricPattern::new(&expression)
                    .map_err(|error| format!("metric: {error}"))?,
            },
            _ => {
                return Err(
                    "a source is `{json: /a/path, field: a.field}` or `{metric: a_name}`, which may have a `path`"
                        .to_owned(),
                );
            }
        };
        let (Self::Json { path, .. } | Self::Metric { path, .. }) = &source;
        // It becomes a line of a request.
        if path.starts_with('/') && path.chars().all(|c| c.is_ascii_graphic()) {
            Ok(source)
        } else {
            Err(format!(
                "{path:?} is not the path of a URL, which begins with a slash"
            ))
        }
    }
}

impl From<Source> for Fields {
    fn from(source: Source) -> Self {
        let none = Self {
            json: None,
            field: None,
            metric: None,
            path: None,
        };
        match source {
            Source::Json { path, field } => Self {
                json: Some(path),
                field: Some(field),
                ..none
            },
            Source::Metric { path, pattern } => Self {
                metric: Some(pattern.to_string()),
                path: Some(path),
                ..none
            },
        }
    }
}

/// Where to read a client's view of the chain. What it does not report is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientViewSources {
    /// The head's slot.
    pub head_slot: Source,
    /// The head's root, 32 bytes in hexadecimal.
    pub head_root: Option<Source>,
    /// The justified checkpoint's slot.
    pub justified_slot: Option<Source>,
    /// The finalized checkpoint's slot.
    pub finalized_slot: Source,
    /// The finalized checkpoint's root.
    pub finalized_root: Option<Source>,
    /// How many peers it is connected with.
    pub peers: Option<Source>,
}

impl ClientViewSources {
    /// All that there are.
    pub fn all(&self) -> impl Iterator<Item = &Source> {
        let Self {
            head_slot,
            head_root,
            justified_slot,
            finalized_slot,
            finalized_root,
            peers,
        } = self;
        let optional = [head_root, justified_slot, finalized_root, peers]
            .into_iter()
            .flatten();
        [head_slot, finalized_slot].into_iter().chain(optional)
    }
}
