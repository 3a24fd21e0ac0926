//! `GET /lean/v0/events?topics=…`: events as server-sent events in ethlambda's form.
//!
//! Each connection reads the feed at its own pace: events that it has not taken wait in the feed's ring, where they cost nothing.
//! A client that falls behind by more than the ring is told in a comment how many events were lost, as Lighthouse and ethlambda
//! do it, and the stream goes on: after a broken connection clients have to look at the slots anyway. The server closes
//! connections that take nothing at all.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{Query, State, rejection::QueryRejection},
    http::{
        HeaderMap, HeaderValue, Method,
        header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use futures::stream::unfold;
use tokio::{
    sync::broadcast::{
        Receiver,
        error::{RecvError, TryRecvError},
    },
    time::{Instant, timeout_at},
};

use crate::{
    accept::{Form, negotiate},
    error::ApiError,
    feed::{FeedEvent, Topic, TopicsError},
    node::NodeView,
    server::Endless,
};

/// How long nothing may be sent, so that proxies do not take the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Bytes after which a piece is complete. It may exceed this by one event.
const PIECE: usize = 16 << 10;

/// ethlambda's names for our topics. Its `block_gossip` comes before the block is imported, ours when it is imported.
const ALIASES: [(&str, Topic); 3] = [
    ("justified_checkpoint", Topic::Justified),
    ("finalized_checkpoint", Topic::Finalized),
    ("block_gossip", Topic::Block),
];

/// The topics that a client has asked for, each with the name under which it gets the events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct RequestedTopics(Vec<(&'static str, Topic)>);

impl RequestedTopics {
    /// Reads `topics`, a list with commas, which may be given several times.
    fn parse(query: &[(String, String)]) -> Result<Self, TopicsError> {
        let lists = query.iter().filter(|(name, _)| name == "topics");
        let mut wanted = Self::default();
        for name in lists.flat_map(|(_, list)| list.split(',')) {
            let found = topic_named(name).ok_or_else(|| TopicsError::unknown(name))?;
            if !wanted.0.contains(&found) {
                wanted.0.push(found);
            }
        }
        if wanted.0.is_empty() {
            return Err(TopicsError::None);
        }
        Ok(wanted)
    }

    /// Writes an event under each of the names that it was asked for by.
    fn write(&self, event: &FeedEvent, to: &mut Vec<u8>) {
        for (name, _) in self.0.iter().filter(|(_, topic)| *topic == event.topic) {
            for part in ["event: ", name, "\ndata: ", event.json.get(), "\n\n"] {
                to.extend_from_slice(part.as_bytes());
            }
        }
    }
}

fn topic_named(name: &str) -> Option<(&'static str, Topic)> {
    let ours = Topic::ALL.into_iter().map(|topic| (topic.name(), topic));
    ours.chain(ALIASES).find(|(known, _)| *known == name)
}

type TopicsQuery = Result<Query<Vec<(String, String)>>, QueryRejection>;

pub(super) async fn events(
    State(node): State<NodeView>,
    query: TopicsQuery,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|rejection| ApiError::bad_request(rejection.body_text()))?;
    let wanted =
        RequestedTopics::parse(&query).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let form = negotiate(&headers, &[Form::Events])?;
    let headers = [
        (CONTENT_TYPE, form.media_type()),
        (CACHE_CONTROL, "no-store"),
    ];
    if method == Method::HEAD {
        return Ok((headers, Body::empty()).into_response());
    }
    let events = node.feed().subscribe();
    let pieces = unfold((events, wanted), |(mut events, wanted)| async move {
        let piece = next(&mut events, &wanted).await?;
        Some((Ok::<_, ApiError>(Bytes::from(piece)), (events, wanted)))
    });
    let mut response = (headers, Body::from_stream(pieces)).into_response();
    // Whatever ends the stream ends the connection, which stays a subscriber's until then.
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    response.extensions_mut().insert(Endless);
    Ok(response)
}

/// The next piece: all waiting events that fit, or else the next event when it comes. `None` at the end of all events.
async fn next(events: &mut Receiver<Arc<FeedEvent>>, wanted: &RequestedTopics) -> Option<Vec<u8>> {
    let mut piece = Vec::new();
    let silence = Instant::now() + KEEP_ALIVE;
    while piece.is_empty() {
        let Ok(received) = timeout_at(silence, events.recv()).await else {
            return Some(b":\n\n".to_vec());
        };
        match received {
            Ok(event) => wanted.write(&event, &mut piece),
            Err(RecvError::Lagged(missed)) => write_lost(missed, &mut piece),
            Err(RecvError::Closed) => return None,
        }
    }
    while piece.len() < PIECE {
        match events.try_recv() {
            Ok(event) => wanted.write(&event, &mut piece),
            Err(TryRecvError::Lagged(missed)) => write_lost(missed, &mut piece),
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    Some(piece)
}

fn write_lost(missed: u64, to: &mut Vec<u8>) {
    to.extend_from_slice(format!(": error - dropped {missed} messages\n\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;
    use tokio::sync::broadcast;

    use super::*;

    fn wanted(topics: &str) -> Result<RequestedTopics, TopicsError> {
        RequestedTopics::parse(&[("topics".to_owned(), topics.to_owned())])
    }

    fn event(topic: Topic, number: u64) -> Arc<FeedEvent> {
        let json = to_raw_value(&number).unwrap();
        Arc::new(FeedEvent { topic, json })
    }

    fn text(piece: Option<Vec<u8>>) -> String {
        String::from_utf8(piece.unwrap()).unwrap()
    }

    #[test]
    fn topics_have_our_names_and_ethlambdas() {
        for topic in Topic::ALL {
            let found = RequestedTopics(vec![(topic.name(), topic)]);
            assert_eq!(wanted(topic.name()), Ok(found));
        }
        for (name, topic) in ALIASES {
            assert_eq!(wanted(name), Ok(RequestedTopics(vec![(name, topic)])));
        }
        let twice = wanted("head,block,head").unwrap();
        assert_eq!(twice.0, [("head", Topic::Head), ("block", Topic::Block)]);
        let lists = ["head", "block"].map(|list| ("topics".to_owned(), list.to_owned()));
        assert_eq!(RequestedTopics::parse(&lists), Ok(twice));
    }

    #[test]
    fn unknown_topics_are_refused_and_quoted_briefly() {
        let commas = ",".repeat(10_000);
        let long = "é".repeat(10_000);
        for topics in [
            "",
            "nope",
            "head,",
            "head,nope",
            "aggregate",
            &commas,
            &long,
        ] {
            let error = wanted(topics).unwrap_err().to_string();
            assert!(error.contains("finalized") && error.len() < 600, "{error}");
        }
        assert_eq!(RequestedTopics::parse(&[]), Err(TopicsError::None));
    }

    #[tokio::test(start_paused = true)]
    async fn events_bear_the_name_that_was_asked_for() {
        let (sender, mut events) = broadcast::channel(16);
        let both = wanted("finalized_checkpoint,head,finalized").unwrap();
        sender.send(event(Topic::Head, 1)).unwrap();
        sender.send(event(Topic::Block, 2)).unwrap();
        sender.send(event(Topic::Finalized, 3)).unwrap();
        let expected = "event: head\ndata: 1\n\n\
                        event: finalized_checkpoint\ndata: 3\n\n\
                        event: finalized\ndata: 3\n\n";
        assert_eq!(text(next(&mut events, &both).await), expected);
        drop(sender);
        assert_eq!(next(&mut events, &both).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_with_a_keep_alive_and_unwanted_events_do_not_count() {
        let (sender, mut events) = broadcast::channel(16);
        let head = wanted("head").unwrap();
        let sending = sender.clone();
        tokio::spawn(async move {
            loop {
                let _ = sending.send(event(Topic::Block, 1));
                tokio::time::sleep(Duration::from_secs(4)).await;
            }
        });
        let begin = Instant::now();
        assert_eq!(text(next(&mut events, &head).await), ":\n\n");
        assert_eq!(begin.elapsed(), KEEP_ALIVE);
    }

    #[tokio::test]
    async fn a_subscriber_that_falls_behind_is_told_and_goes_on() {
        let (sender, mut events) = broadcast::channel(4);
        let head = wanted("head").unwrap();
        for number in 0..10 {
            sender.send(event(Topic::Head, number)).unwrap();
        }
        let told = text(next(&mut events, &head).await);
        let (lost, rest) = told.split_once("\n\n").unwrap();
        assert_eq!(lost, ": error - dropped 6 messages");
        assert!(rest.starts_with("event: head\ndata: 6\n\n"), "{rest}");
        assert!(rest.ends_with("event: head\ndata: 9\n\n"), "{rest}");
    }

    #[tokio::test]
    async fn a_piece_of_events_has_a_limit() {
        let (sender, mut events) = broadcast::channel(4096);
        let head = wanted("head").unwrap();
        for number in 0..4096 {
            sender.send(event(Topic::Head, number)).unwrap();
        }
        let piece = next(&mut events, &head).await.unwrap();
        assert!((PIECE..PIECE + 64).contains(&piece.len()));
        assert!(!events.is_empty());
    }
}
