//! The HTTP API of leanSpec, ethlambda and others, as far as a node serves it.

use quartet_checkpoint::{Refusal, ServerUrl};
use serde_json::Value;

use super::{
    Condition, Facts, Place,
    facts::cleaned,
    reader::{Failure, Reader},
};

/// leanSpec's slot duration, for clients that do not say theirs.
const SLOT_MS: u64 = 4_000;

/// The answers of its paths.
#[derive(Debug, Default)]
struct Answers {
    /// The status of the health's answer.
    health: Option<u16>,
    syncing: Option<Value>,
    fork_choice: Option<Value>,
    justified: Option<Value>,
    head: Option<Value>,
    identity: Option<Value>,
    genesis: Option<Value>,
    peers: Option<Value>,
}

/// Asks a node that does not speak our JSON-RPC.
pub(super) async fn ask(reader: &Reader, url: &ServerUrl) -> Result<Facts, Failure> {
    let get = async |path| reader.get(url, path).await;
    let health = get("/lean/v0/health").await;
    if let Err(why) = &health
        && !matches!(why, Refusal::Status { .. } | Refusal::Form { .. })
    {
        return Err(Failure::NotReached(cleaned(&why.to_string())));
    }
    let (syncing, fork_choice, justified, head, identity, genesis, peers) = tokio::join!(
        get("/lean/v0/node/syncing"),
        get("/lean/v0/fork_choice"),
        get("/lean/v0/checkpoints/justified"),
        get("/lean/v0/head"),
        get("/lean/v0/node/identity"),
        get("/lean/v0/genesis"),
        get("/lean/v0/node/peers"),
    );
    let answers = Answers {
        health: match &health {
            Ok(_) => Some(200),
            Err(Refusal::Status { status, .. }) => Some(status.as_u16()),
            Err(_) => None,
        },
        syncing: syncing.ok(),
        fork_choice: fork_choice.ok(),
        justified: justified.ok(),
        head: head.ok(),
        identity: identity.ok(),
        genesis: genesis.ok(),
        peers: peers.ok(),
    };
    let says = health.ok().and_then(|health| text(&health, "status"));
    match answers.facts() {
        // Nothing but a health, as on an address for metrics alone.
        facts if facts == Facts::default() && says.is_none() => {
            Err(Failure::NotLean(match answers.health {
                Some(403) => {
                    "it answers 403: it may want to know this name, see --http-allowed-host"
                        .to_owned()
                }
                Some(status) if status != 200 => {
                    format!("it speaks HTTP, but /lean/v0/health answers {status}")
                }
                _ => "it speaks HTTP, but has no JSON at /lean/v0/health".to_owned(),
            }))
        }
        facts => Ok(facts),
    }
}

fn text(value: &Value, member: &str) -> Option<String> {
    value.get(member)?.as_str().map(cleaned)
}

fn number(value: &Value, member: &str) -> Option<u64> {
    value.get(member)?.as_u64()
}

fn place(value: &Value) -> Option<Place> {
    serde_json::from_value(value.clone()).ok()
}

impl Answers {
    fn facts(&self) -> Facts {
        let tree = self.fork_choice.as_ref();
        let in_tree = |member| tree.and_then(|tree| place(tree.get(member)?));
        let syncing = |member| number(self.syncing.as_ref()?, member);
        let genesis = |member| number(self.genesis.as_ref()?, member);
        let head = self.head.as_ref().and_then(place).or_else(|| {
            let tree = tree?;
            let root = text(tree, "head")?;
            let nodes = tree.get("nodes")?.as_array()?;
            let is_head = |node: &&Value| text(node, "root").as_ref() == Some(&root);
            let slot = number(nodes.iter().find(is_head)?, "slot")?;
            Some(Place { root, slot })
        });
        let slot_only = |slot| Place {
            root: String::new(),
            slot,
        };
        let head = head.or_else(|| syncing("head_slot").map(slot_only));
        let finalized = in_tree("finalized").or_else(|| syncing("finalized_slot").map(slot_only));
        let distance = syncing("sync_distance");
        let by_distance = || {
            syncing("head_slot")
                .zip(distance)
                .map(|(a, b)| a.saturating_add(b))
        };
        let version = self.identity.as_ref().and_then(|it| text(it, "version"));
        let mut facts = Facts {
            // `ethlambda/v0.1.0-…`: the client is the first part, where there is more than one.
            client: version.as_deref().and_then(|version| {
                let (client, _) = version.split_once('/')?;
                Some(client.to_owned())
            }),
            version,
            peer_id: self.identity.as_ref().and_then(|it| text(it, "peer_id")),
            current_slot: by_distance(),
            justified: self
                .justified
                .as_ref()
                .and_then(place)
                .or_else(|| in_tree("justified")),
            head,
            finalized,
            distance,
            peers: self.peers.as_ref().and_then(|peers| {
                let list = peers.get("peers").or_else(|| peers.get("data"));
                let listed = list
                    .unwrap_or(peers)
                    .as_array()
                    .map(|list| list.len() as u64);
                number(peers, "count").or(listed)
            }),
            validator_count: tree
                .and_then(|tree| number(tree, "validator_count"))
                .or_else(|| genesis("validator_count")),
            genesis_time: genesis("genesis_time"),
            ..Facts::default()
        };
        if facts.genesis_time.is_some() {
            facts.slot_duration_ms = Some(SLOT_MS);
        }
        let is_syncing = self
            .syncing
            .as_ref()
            .and_then(|it| it.get("is_syncing")?.as_bool());
        if facts != Facts::default() || self.health == Some(206) {
            facts.condition = Condition::derived(&facts, self.health, is_syncing);
        }
        facts
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_as_leanspec_has_it_tells_its_head_and_finality() {
        let answers = Answers {
            health: Some(200),
            justified: Some(json!({"root":"0xbb","slot":6})),
            fork_choice: Some(json!({
                "nodes":[{"root":"0xaa","slot":5},{"root":"0xcc","slot":8}],
                "head":"0xcc","justified":{"root":"0xbb","slot":6},
                "finalized":{"root":"0xaa","slot":5},"validator_count":4})),
            ..Answers::default()
        };
        let facts = answers.facts();
        let slot = |place: Option<Place>| place.map(|place| place.slot);
        assert_eq!(slot(facts.head), Some(8));
        assert_eq!(slot(facts.justified), Some(6));
        assert_eq!(slot(facts.finalized), Some(5));
        assert_eq!((facts.validator_count, facts.peers), (Some(4), None));
        assert_eq!(facts.condition, Condition::Unknown);
    }

    #[test]
    fn a_node_as_ethlambda_has_it_tells_its_clock_too() {
        let answers = Answers {
            health: Some(200),
            syncing: Some(
                json!({"is_syncing":false,"head_slot":1024,"sync_distance":1,"finalized_slot":1021}),
            ),
            identity: Some(
                json!({"version":"ethlambda/v0.1.0-main-892ad575/x86_64","peer_id":"16Uiu2"}),
            ),
            genesis: Some(json!({"genesis_time":1770407233,"validator_count":16})),
            ..Answers::default()
        };
        let facts = answers.facts();
        assert_eq!(facts.current_slot, Some(1025));
        assert_eq!(facts.client.as_deref(), Some("ethlambda"));
        assert_eq!(facts.condition, Condition::Synced);
        assert_eq!(facts.behind(facts.finalized.as_ref()), Some(4));
    }

    #[test]
    fn a_node_that_tells_nothing_has_no_facts() {
        assert_eq!(Answers::default().facts(), Facts::default());
        let wild = Answers {
            syncing: Some(json!([])),
            fork_choice: Some(json!({"nodes":3,"head":{},"finalized":[]})),
            peers: Some(json!("many")),
            ..Answers::default()
        };
        assert_eq!(wild.facts(), Facts::default());
    }
}
