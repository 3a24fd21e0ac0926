//! The context that all cases share: the node, its network, and the checker's keys and peers.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use libp2p::{Multiaddr, PeerId};
use parking_lot::Mutex;
use quartet_clock::Clock;
use quartet_types::{
    Checkpoint, Root, SignedBlockWithAttestation, Slot, SlotDuration, State, Status, ValidatorIndex,
};
use ssz::{Decode as _, Encode as _};
use tokio::{sync::Mutex as AsyncMutex, time::Instant};

use crate::{
    Options,
    chain::Chain,
    frames,
    gossip::Gossip,
    identity::{self, About},
    peer::{BLOCKS_BY_ROOT, Peer, PeerConfig, STATUS},
    requests::{self, Answer},
    signing::Keys,
    verdict::{Failure, broken, unsupported},
};

/// How long a message must not come to count as not forwarded, with slots of four seconds; valid messages are forwarded
/// within a tenth of that.
const SILENCE: Duration = Duration::from_millis(1_000);

/// What stands before the milliseconds of a slot in the protocol version of a Quartet network with other slots.
const SLOT_MS: &str = ";slot-ms=";

/// The scene.
pub(crate) struct CaseContext {
    pub(crate) address: Multiaddr,
    /// The node's identity, by its certificate.
    pub(crate) node: PeerId,
    /// The node's identify message, if it sends one.
    pub(crate) about: Option<About>,
    /// Whether it has told its status when it was asked first.
    pub(crate) supports_status: bool,
    /// How long an answer may take.
    pub(crate) answer_timeout: Duration,
    pub(crate) slot: SlotDuration,
    fork: String,
    /// The network's genesis, where it is known, and its clock.
    pub(crate) genesis: Option<Arc<State>>,
    pub(crate) clock: Option<Clock>,
    pub(crate) keys: Keys,
    pub(crate) restart: Option<String>,
    claim: Mutex<Status>,
    listener: AsyncMutex<Option<Arc<Gossip>>>,
    pub(crate) chain: AsyncMutex<Chain>,
    /// The node's head when it was last looked at, and when that was.
    last_head: Mutex<Option<(u64, Instant)>>,
    /// Slots in which a validator of the checker's has voted or proposed.
    pub(crate) used: Mutex<BTreeSet<(Slot, ValidatorIndex)>>,
    /// Whether it was found that none of the checker's validators can vote.
    pub(crate) has_no_voter: Mutex<bool>,
    /// The checker's last valid block.
    pub(crate) proposed: Mutex<Option<SignedBlockWithAttestation>>,
}

impl CaseContext {
    /// Gets to know the node.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub(crate) async fn new(options: Options) -> Result<Self, Failure> {
        let claim = options
            .genesis
            .as_deref()
            .map_or_else(Status::default, genesis_status);
        // The node's identify message is read before ours is sent: nodes disconnect peers with another slot duration.
        let mut config = PeerConfig::new("", claim);
        config.protocol_version = None;
        let address = options.address.0.clone();
        let peer = Peer::connect(address, config, options.answer_timeout).await?;
        let node = peer.node;
        let about = identity::ask(&peer, options.answer_timeout).await;
        let first = status(&peer, claim, options.answer_timeout).await.ok();
        peer.disconnect().await;

        let slot = options.slot.or_else(|| stated_slot(about.as_ref()?));
        let slot = slot.unwrap_or_default();
        let clock = options
            .genesis
            .as_deref()
            .map(|genesis| Clock::system(genesis.config.genesis_time).with_slot_duration(slot));
        Ok(Self {
            address: options.address.0,
            node,
            about,
            supports_status: first.is_some(),
            answer_timeout: options.answer_timeout,
            slot,
            fork: options.fork_name,
            chain: AsyncMutex::new(Chain::new(options.genesis.clone())),
            genesis: options.genesis,
            clock,
            keys: options.keys,
            restart: options.restart_command,
            claim: Mutex::new(first.unwrap_or(claim)),
            listener: AsyncMutex::default(),
            last_head: Mutex::default(),
            used: Mutex::default(),
            has_no_voter: Mutex::default(),
            proposed: Mutex::default(),
        })
    }

    /// The name of a topic.
    pub(crate) fn topic(&self, word: &str) -> String {
        format!("/leanconsensus/{}/{word}/ssz_snappy", self.fork)
    }

    /// The names of all topics.
    pub(crate) fn topics(&self) -> Vec<String> {
        ["block", "attestation"]
            .map(|word| self.topic(word))
            .to_vec()
    }

    /// The configuration of a new, well-behaved peer, which claims the node's last status.
    pub(crate) fn config(&self) -> PeerConfig {
        let version = self
            .about
            .as_ref()
            .map(|about| about.protocol_version.as_str());
        PeerConfig::new(version.unwrap_or("eth2/1.0.0"), *self.claim.lock())
    }

    /// Connects a new peer and exchanges statuses.
    ///
    /// # Errors
    /// When the node does not let it in.
    pub(crate) async fn new_peer(&self) -> Result<Peer, Failure> {
        self.new_peer_with(self.config()).await
    }

    /// As [`CaseContext::new_peer`], with this configuration.
    pub(crate) async fn new_peer_with(&self, config: PeerConfig) -> Result<Peer, Failure> {
        let peer = self.connect_silently(config).await?;
        if !self.supports_status {
            return Ok(peer);
        }
        // The dialling side sends its status first. Cases about statuses check the answer.
        if let Ok(status) = self.status_of(&peer).await {
            *self.claim.lock() = status;
        }
        Ok(peer)
    }

    /// Connects a new peer that sends nothing.
    ///
    /// # Errors
    /// When the node does not let it in.
    pub(crate) async fn connect_silently(&self, config: PeerConfig) -> Result<Peer, Failure> {
        Ok(Peer::connect(self.address.clone(), config, self.answer_timeout).await?)
    }

    /// Connects a new peer that gossips on all topics.
    ///
    /// # Errors
    /// When the node does not let it in, or does not gossip.
    pub(crate) async fn new_gossip_peer(&self) -> Result<Gossip, Failure> {
        let gossip = Gossip::begin(self.new_peer().await?).await?;
        gossip.join(&self.topics()).await;
        Ok(gossip)
    }

    /// The listener, a well-behaved peer that gets all messages the node passes on.
    ///
    /// # Errors
    /// When the node does not let it in, or does not gossip.
    pub(crate) async fn listener(&self) -> Result<Arc<Gossip>, Failure> {
        let mut listener = self.listener.lock().await;
        if let Some(listener) = listener
            .as_ref()
            .filter(|listener| listener.peer.is_connected())
        {
            return Ok(listener.clone());
        }
        let new = Arc::new(self.new_gossip_peer().await?);
        *listener = Some(new.clone());
        Ok(new)
    }

    /// Sends the bytes of a request and reads the answer to its end.
    ///
    /// # Errors
    /// When there is no stream.
    pub(crate) async fn ask(
        &self,
        peer: &Peer,
        protocol: &str,
        bytes: &[u8],
    ) -> Result<Answer, Failure> {
        requests::ask(peer, protocol, bytes, self.answer_timeout).await
    }

    /// Asks for blocks.
    ///
    /// # Errors
    /// When there is no stream.
    pub(crate) async fn ask_blocks(&self, peer: &Peer, roots: &[Root]) -> Result<Answer, Failure> {
        self.ask(peer, BLOCKS_BY_ROOT, &requests::by_root(roots))
            .await
    }

    /// The node's status.
    ///
    /// # Errors
    /// When it does not send it.
    pub(crate) async fn status_of(&self, peer: &Peer) -> Result<Status, Failure> {
        if !self.supports_status {
            return Err(unsupported("the node has told no status: see S01"));
        }
        let claim = *self.claim.lock();
        status(peer, claim, self.answer_timeout).await
    }

    /// Whether the node still serves a peer: tells it its status, or, where it has never told any, lets it stay.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) async fn serves(&self, peer: &Peer) -> Result<(), Failure> {
        if self.supports_status {
            return self.status_of(peer).await.map(drop);
        }
        if peer.is_disconnected_within(self.silence() / 2).await {
            Err(broken("the connection is closed"))
        } else {
            Ok(())
        }
    }

    /// As [`CaseContext::serves`], for a new peer.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) async fn serves_others(&self) -> Result<(), Failure> {
        self.serves(&self.new_peer().await?).await
    }

    /// The status that peers claim at present, as a request.
    pub(crate) fn status_request(&self) -> Vec<u8> {
        frames::payload(&self.claim.lock().as_ssz_bytes())
    }

    /// The status that peers claim at present.
    pub(crate) fn claim(&self) -> Status {
        *self.claim.lock()
    }

    /// How long to wait for what must not come.
    pub(crate) fn silence(&self) -> Duration {
        SILENCE.min(self.slots(1))
    }

    /// This many slots.
    pub(crate) fn slots(&self, slots: u32) -> Duration {
        self.slot.slot() * slots
    }

    /// Whether the node's head has advanced since the last call; `Err` says how it has not.
    pub(crate) fn head_goes_on(&self, head: Checkpoint) -> Result<(), String> {
        let now = Instant::now();
        let mut last = self.last_head.lock();
        let Some((slot, since)) = *last else {
            *last = Some((head.slot, now));
            return Ok(());
        };
        let slots = now.duration_since(since).as_secs_f64() / self.slot.slot().as_secs_f64();
        if head.slot < slot {
            return Err(format!(
                "its head went back from slot {slot} to {}",
                head.slot
            ));
        }
        if head.slot > slot {
            *last = Some((head.slot, now));
            return Ok(());
        }
        // Proposers may be missing, but not twenty in a row.
        if slot > 0 && slots > 20.0 {
            Err(format!(
                "its head has been at slot {slot} for {slots:.0} slots"
            ))
        } else {
            Ok(())
        }
    }
}

/// The status of a node that knows only genesis.
fn genesis_status(genesis: &State) -> Status {
    let checkpoint = quartet_types::Block::genesis(genesis).checkpoint();
    Status {
        finalized: checkpoint,
        head: checkpoint,
    }
}

async fn status(peer: &Peer, claim: Status, answer_timeout: Duration) -> Result<Status, Failure> {
    let request = frames::payload(&claim.as_ssz_bytes());
    let answer = requests::ask_for_one(peer, STATUS, &request, answer_timeout).await?;
    let chunks = answer.chunks().or_else(|error| {
        let other = requests::with_length(&answer, <Status as ssz::Decode>::ssz_fixed_len());
        other
            .chunks()
            .map_err(|_| broken(format!("status: {error}")))
    })?;
    match chunks.first() {
        Some(chunk) if chunk.code == 0 => Status::from_ssz_bytes(&chunk.ssz)
            .map_err(|error| broken(format!("a status that is none: {error:?}"))),
        _ => Err(broken(format!("instead of a status: {answer}"))),
    }
}

fn stated_slot(about: &About) -> Option<SlotDuration> {
    let (_, stated) = about.protocol_version.split_once(SLOT_MS)?;
    SlotDuration::from_millis(stated.parse().ok()?).ok()
}
