//! A guest's view of the chain, as far as it answers.

use std::{collections::BTreeMap, net::SocketAddr, str::FromStr as _};

use futures::future::join_all;
use quartet_config::{ClientViewSources, Source};
use quartet_types::{Root, Slot};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::{
    exposition,
    http::{self, HttpError},
    view::{ChainView, Point, Seen},
};

/// The queries to a guest, and their addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Questions {
    pub(in super::super) http: SocketAddr,
    pub(in super::super) metrics: SocketAddr,
    pub(in super::super) sources: ClientViewSources,
}

/// A guest's answers; `None` where it does not answer, or not yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct GuestView {
    pub(in super::super) head_slot: Option<Slot>,
    pub(in super::super) head_root: Option<Root>,
    pub(in super::super) justified_slot: Option<Slot>,
    pub(in super::super) finalized_slot: Option<Slot>,
    pub(in super::super) finalized_root: Option<Root>,
    pub(in super::super) peers: Option<usize>,
}

type Pages = BTreeMap<(SocketAddr, String), Result<String, HttpError>>;

impl Questions {
    fn page(&self, source: &Source) -> (SocketAddr, String) {
        match source {
            Source::Json { path, .. } => (self.http, path.clone()),
            Source::Metric { path, .. } => (self.metrics, path.clone()),
        }
    }

    /// Asks it.
    ///
    /// # Errors
    /// When no page can be had.
    pub(in super::super) async fn ask(&self) -> Result<GuestView, HttpError> {
        let wanted: BTreeMap<_, ()> = self
            .sources
            .all()
            .map(|source| (self.page(source), ()))
            .collect();
        let pages = wanted.into_keys().map(async |(address, path)| {
            let page = http::get_from_any(address, &path).await;
            ((address, path), page)
        });
        let mut pages: Pages = join_all(pages).await.into_iter().collect();
        if pages.values().all(Result::is_err)
            && let Some((_, Err(error))) = pages.pop_first()
        {
            return Err(error);
        }
        Ok(self.read(&pages))
    }

    fn read(&self, pages: &Pages) -> GuestView {
        let text = |source: &Source| pages.get(&self.page(source))?.as_deref().ok();
        let number = |source: &Source| read_number(source, text(source)?);
        let root = |source: &Source| read_root(source, text(source)?);
        let sources = &self.sources;
        GuestView {
            head_slot: number(&sources.head_slot),
            head_root: sources.head_root.as_ref().and_then(root),
            justified_slot: sources.justified_slot.as_ref().and_then(number),
            finalized_slot: number(&sources.finalized_slot),
            finalized_root: sources.finalized_root.as_ref().and_then(root),
            peers: sources
                .peers
                .as_ref()
                .and_then(number)
                .map(|count| count as usize),
        }
    }
}

/// A field's value.
fn member(text: &str, field: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    let found = field
        .split('.')
        .try_fold(&value, |value, name| match value {
            Value::Array(values) => values.get(name.parse::<usize>().ok()?),
            value => value.get(name),
        });
    found.cloned()
}

/// Clients write numbers as numbers or as strings.
fn read_number(source: &Source, text: &str) -> Option<u64> {
    match source {
        Source::Metric { pattern, .. } => exposition::sum(text, pattern).map(|value| value as u64),
        Source::Json { field, .. } => match member(text, field)? {
            Value::String(digits) => digits.parse().ok(),
            value => value.as_u64(),
        },
    }
}

fn read_root(source: &Source, text: &str) -> Option<Root> {
    match source {
        Source::Metric { .. } => None,
        Source::Json { field, .. } => Root::from_str(member(text, field)?.as_str()?).ok(),
    }
}

impl GuestView {
    /// Whether its head is that of a chain, as far as it answers.
    pub(in super::super) fn has_head_of(&self, chain: &ChainView) -> bool {
        let same = self.head_root.is_none_or(|root| root == chain.head.root);
        self.head_slot == Some(chain.head.slot) && same
    }
}

impl From<GuestView> for Seen {
    fn from(view: GuestView) -> Self {
        let point = |slot: Option<Slot>, root| slot.map(|slot| Point { slot, root });
        Self {
            head: point(view.head_slot, view.head_root),
            justified: point(view.justified_slot, None),
            finalized: point(view.finalized_slot, view.finalized_root),
            peers: view.peers,
        }
    }
}

#[cfg(test)]
mod tests {
    use quartet_config::MetricPattern;

    use super::*;

    fn json(path: &str, field: &str) -> Source {
        Source::Json {
            path: path.to_owned(),
            field: field.to_owned(),
        }
    }

    fn metric(name: &str) -> Source {
        Source::Metric {
            path: "/metrics".to_owned(),
            pattern: MetricPattern::new(name).unwrap(),
        }
    }

    fn questions() -> Questions {
        Questions {
            http: "127.0.0.1:1".parse().unwrap(),
            metrics: "127.0.0.1:2".parse().unwrap(),
            sources: ClientViewSources {
                head_slot: json("/head", "data.slot"),
                head_root: Some(json("/head", "data.root")),
                justified_slot: Some(json("/head", "chain.0")),
                finalized_slot: metric("lean_latest_finalized_slot"),
                finalized_root: None,
                peers: Some(metric("lean_connected_peers")),
            },
        }
    }

    #[test]
    fn answers_are_read_in_either_form_and_what_is_not_told_is_not_known() {
        let questions = questions();
        let head = format!(
            r#"{{"data":{{"slot":"9","root":"0x{}"}},"chain":[7]}}"#,
            "ab".repeat(32)
        );
        let metrics = "lean_latest_finalized_slot 5\nlean_connected_peers{client=\"a\"} 1\nlean_connected_peers{client=\"b\"} 2\n";
        let mut pages = Pages::new();
        pages.insert((questions.http, "/head".to_owned()), Ok(head));
        pages.insert(
            (questions.metrics, "/metrics".to_owned()),
            Ok(metrics.to_owned()),
        );
        let view = questions.read(&pages);
        let expected = GuestView {
            head_slot: Some(9),
            head_root: Some(Root::repeat_byte(0xab)),
            justified_slot: Some(7),
            finalized_slot: Some(5),
            finalized_root: None,
            peers: Some(3),
        };
        assert_eq!(view, expected);
        // As clients answer before their first block, and what no client should.
        for page in ["", "{}", "[]", "null", "lean_latest_finalized_slot x\n"] {
            pages
                .values_mut()
                .for_each(|found| *found = Ok(page.to_owned()));
            assert_eq!(questions.read(&pages), GuestView::default(), "{page}");
        }
    }

    #[tokio::test]
    async fn a_guest_that_does_not_answer_is_an_error() {
        assert!(questions().ask().await.is_err());
    }

    #[test]
    fn questions_pass_through_a_file() {
        let text = serde_json::to_string(&questions()).unwrap();
        assert_eq!(
            serde_json::from_str::<Questions>(&text).unwrap(),
            questions()
        );
    }
}
