//! Asking one node.

use std::time::Duration;

use quartet_checkpoint::{Client, Limits, Refusal, ServerUrl, UrlError};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Condition, Facts, Peer, Place, Tally, Validator,
    facts::cleaned,
    http,
    json_rpc::{Call, Results, request},
};

/// The longest answer that is read, in bytes: more than the votes or records of 4,096 validators.
const MAX_ANSWER: usize = 8 << 20;
/// A probe that waits longer than this has its answer.
const PATIENCE: Duration = Duration::from_secs(3);
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(2),
    head: PATIENCE,
    idle: PATIENCE,
    // Long enough that what was waited for can be named.
    total: Duration::from_secs(5),
    patience: PATIENCE,
};

/// Why nothing is known of a node.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum Failure {
    /// There is no answer.
    #[error("it does not answer: {0}")]
    NotReached(String),
    /// The server is no lean node.
    #[error("no lean node: {0}")]
    NotLean(String),
}

/// Asks nodes.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    client: Client,
}

/// Facts, and details that only our JSON-RPC has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) facts: Facts,
    pub(crate) peers: Vec<Peer>,
    /// Whether it speaks our JSON-RPC, so that more can be asked.
    pub(crate) is_ours: bool,
}

/// A node's URL; `http://` may be left out.
pub(crate) fn address(text: &str) -> Result<ServerUrl, UrlError> {
    if text.contains("://") {
        text.parse()
    } else {
        format!("http://{text}").parse()
    }
}

/// Milliseconds since the Unix epoch.
pub(crate) fn unix_ms() -> u64 {
    quartet_clock::unix_time().as_millis() as u64
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Syncing {
    state: Option<Condition>,
    current_slot: Option<u64>,
    distance: Option<u64>,
    seconds_left: Option<u64>,
}

#[derive(Deserialize)]
struct Finality {
    justified: Place,
    finalized: Place,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Info {
    name: Option<String>,
    client: Option<String>,
    version: Option<String>,
    commit: Option<String>,
    peer_id: Option<String>,
    uptime_seconds: Option<u64>,
    validators: Option<Vec<u64>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Genesis {
    genesis_time: Option<u64>,
    validator_count: Option<u64>,
    slot_duration_ms: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Peers {
    count: Option<u64>,
    peers: Vec<Peer>,
}

impl Reader {
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn new() -> Result<Self, Refusal> {
        Ok(Self {
            client: Client::new(LIMITS)?,
        })
    }

    pub(super) async fn get(&self, url: &ServerUrl, path: &'static str) -> Result<Value, Refusal> {
        let body = self.client.get_json(url, path, MAX_ANSWER).await?;
        serde_json::from_slice(&body).map_err(|error| Refusal::Exchange {
            path,
            error: error.to_string(),
        })
    }

    /// The results of some calls, at most 100; `None` when the server does not speak JSON-RPC.
    pub(crate) async fn call(
        &self,
        url: &ServerUrl,
        calls: &[Call],
    ) -> Result<Option<Results>, Failure> {
        let asked = self
            .client
            .post_json(url, "/", request(calls), MAX_ANSWER)
            .await;
        match asked {
            Ok(body) => Ok(Results::parse(&body, calls.len())),
            Err(Refusal::Status { .. } | Refusal::Form { .. }) => Ok(None),
            Err(why) => Err(Failure::NotReached(cleaned(&why.to_string()))),
        }
    }

    /// All facts at once: by one batch of cheap calls, or by the paths of the HTTP API.
    ///
    /// # Errors
    /// When the server does not answer, or is no lean node.
    pub(crate) async fn ask(&self, url: &ServerUrl) -> Result<Answer, Failure> {
        const CALLS: [Call; 6] = [
            Call::new("lean_syncing"),
            Call::new("lean_head"),
            Call::new("lean_finality"),
            Call::new("lean_node_info"),
            Call::new("lean_genesis"),
            Call::new("lean_peers"),
        ];
        let results = self.call(url, &CALLS).await?;
        let Some((mut results, head)) = results.and_then(|mut results| {
            // Another JSON-RPC server knows none of this.
            let head: Place = results.take(1)?;
            Some((results, head))
        }) else {
            let facts = http::ask(self, url).await?;
            return Ok(Answer {
                facts,
                ..Answer::default()
            });
        };
        let syncing: Syncing = results.take(0).unwrap_or_default();
        let finality: Option<Finality> = results.take(2);
        let info: Info = results.take(3).unwrap_or_default();
        let genesis: Genesis = results.take(4).unwrap_or_default();
        let peers: Peers = results.take(5).unwrap_or_default();
        let clean = |text: Option<String>| text.as_deref().map(cleaned);
        let (justified, finalized) =
            finality.map_or((None, None), |it| (Some(it.justified), Some(it.finalized)));
        let facts = Facts {
            condition: syncing.state.unwrap_or_default(),
            name: clean(info.name),
            client: clean(info.client),
            version: clean(info.version),
            commit: clean(info.commit),
            peer_id: clean(info.peer_id),
            current_slot: syncing.current_slot,
            head: Some(head),
            justified,
            finalized,
            distance: syncing.distance,
            seconds_left: syncing.seconds_left,
            peers: peers.count,
            validator_count: genesis.validator_count,
            validators: info.validators,
            duties: None,
            uptime_seconds: info.uptime_seconds,
            genesis_time: genesis.genesis_time,
            slot_duration_ms: genesis.slot_duration_ms.filter(|duration| *duration > 0),
        };
        Ok(Answer {
            facts,
            peers: peers.peers,
            is_ours: true,
        })
    }

    /// [`Reader::ask`], and the tally of duties.
    pub(crate) async fn ask_all(&self, url: &ServerUrl) -> Result<Facts, Failure> {
        let Answer {
            mut facts, is_ours, ..
        } = self.ask(url).await?;
        if is_ours && facts.validators.as_ref().is_some_and(|own| !own.is_empty()) {
            let asked = self.call(url, &[Call::new("lean_validators")]).await;
            let validators = asked.ok().flatten().and_then(|mut it| it.take(0));
            facts.duties = validators.map(|list: Vec<Validator>| Tally::of(&list));
        }
        Ok(facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_may_be_left_out() {
        let is = |text, url: &str| assert_eq!(address(text).unwrap().to_string(), url);
        is("127.0.0.1:5052", "http://127.0.0.1:5052");
        is("localhost", "http://localhost");
        is("https://x.example/a/", "https://x.example/a");
        assert!(address("").is_err());
        assert!(address("ftp://x").is_err());
    }
}
