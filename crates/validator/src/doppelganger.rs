//! Keeps validators from signing while another process signs with their keys, or twice: the clock is watched for jumps, and votes
//! of our own validators that come back from the network are compared with what was signed here.

use std::collections::{BTreeMap, BTreeSet};

use metrics::counter;
use quartet_clock::{Jump, JumpWatch};
use quartet_keystore::record::{Sighting, SigningRequest};
use quartet_processor::{Priority, Processor};
use quartet_types::{Attestation, AttestationData, Slot, ValidatorIndex};
use tokio::sync::mpsc;
use tracing::{debug, error, info, warn};

use crate::Signers;

/// Slots for which our own votes are kept, to recognize them at a glance: they come back with the next block or two.
const RECENT: Slot = 4;

/// Finds other signers of this node's keys.
#[derive(Debug)]
pub(crate) struct DoppelgangerGuard {
    jumps: JumpWatch,
    /// Whether the first tick has come; until then jumps are not looked for.
    has_begun: bool,
    /// Votes of our validators with valid signatures, from blocks and gossip.
    seen: Option<mpsc::Receiver<Attestation>>,
    /// Our own votes of the last slots.
    own: BTreeMap<(Slot, ValidatorIndex), AttestationData>,
    /// Validators that somebody else signs for, at most all of this node.
    stopped: BTreeSet<ValidatorIndex>,
    /// Slots for which we listen for other signers of our keys before we sign.
    listens_for: u64,
    /// How many slots we were ready in since the start or the last jump, and the last of these.
    listened: u64,
    listened_in: Option<Slot>,
}

impl DoppelgangerGuard {
    pub(crate) fn new(jumps: JumpWatch) -> Self {
        Self {
            jumps,
            has_begun: false,
            seen: None,
            own: BTreeMap::new(),
            stopped: BTreeSet::new(),
            listens_for: 0,
            listened: 0,
            listened_in: None,
        }
    }

    pub(crate) fn watch(&mut self, seen: mpsc::Receiver<Attestation>) {
        self.seen = Some(seen);
    }

    pub(crate) fn listen_for(&mut self, slots: u64) {
        self.listens_for = slots;
    }

    /// Arms the guard of the start again if the clock has jumped, or ticks were missed: the machine may have been restored
    /// from a snapshot, and what it signed after that is in no record here. To be called before every signature.
    pub(crate) fn check_clock(&mut self, signers: &Signers, slot: Slot, has_missed: bool) {
        let jump = self.jumps.check();
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        if has_missed || jump.is_some() && !(is_first && jump == Some(Jump::Pause)) {
            self.arm(signers, slot);
        }
    }

    /// The duties of a tick are done. A pause in them is no jump, as they may take long; but the clock may have been set meanwhile.
    pub(crate) fn after_duties(&mut self, signers: &Signers, slot: Slot) {
        if self.jumps.check() == Some(Jump::Set) {
            self.arm(signers, slot);
        }
    }

    fn arm(&mut self, signers: &Signers, slot: Slot) {
        (self.listened, self.listened_in) = (0, None);
        if signers.is_empty() {
            return;
        }
        warn!(
            slot,
            "the clock jumped, or the node was held up: signing nothing new up to this slot"
        );
        counter!("quartet_guard_armed_total").increment(1);
        signers.refuse_up_to(slot);
    }

    /// Whether duties of `slot`, for which all else is ready, are left out to listen for other signers of our keys.
    pub(crate) fn is_listening(&mut self, slot: Slot) -> bool {
        if self.listens_for == 0 {
            return false;
        }
        // A node that is not ready, as it catches up or is cut off, does not hear what others sign.
        if self.listened_in.replace(slot) != Some(slot) {
            self.listened = self.listened.saturating_add(1);
        }
        let is_listening = self.listened <= self.listens_for;
        if is_listening {
            info!(
                slot,
                until = slot
                    .saturating_add(self.listens_for - self.listened)
                    .saturating_add(1),
                "listening for other signers of our keys before signing"
            );
        }
        is_listening
    }

    /// Remembers what is signed here.
    pub(crate) fn signed(&mut self, votes: impl Iterator<Item = Attestation>) {
        for Attestation { validator_id, data } in votes {
            self.own.insert((data.slot, validator_id), data);
        }
        if let Some(((newest, _), _)) = self.own.last_key_value() {
            let oldest = (newest.saturating_sub(RECENT), ValidatorIndex::MIN);
            self.own = self.own.split_off(&oldest);
        }
    }

    /// Compares the votes that have come back from the network since the last call. Returns the epochs that were signed elsewhere,
    /// which are to be recorded.
    pub(crate) fn check_sightings(&mut self, signers: &Signers) -> Vec<SigningRequest> {
        let mut news = Vec::new();
        let Some(seen) = &mut self.seen else {
            return Vec::new();
        };
        while let Ok(vote) = seen.try_recv() {
            let own = self.own.get(&(vote.data.slot, vote.validator_id));
            if own != Some(&vote.data) {
                news.push(vote);
            }
        }
        let (mut elsewhere, mut earlier) = (Vec::new(), 0);
        for (vote, request, sighting) in signers.sight(&news) {
            let (validator, slot) = (vote.validator_id, vote.data.slot);
            match sighting {
                Sighting::Known => continue,
                Sighting::Earlier => earlier += 1,
                Sighting::SecondSigner if self.stopped.insert(validator) => {
                    counter!("quartet_second_signers_total").increment(1);
                    error!(
                        validator,
                        slot,
                        "somebody else signs with this validator's key; it has no more duties here until the restart: find and stop the other signer first"
                    );
                }
                Sighting::SecondSigner => debug!(validator, slot, "another vote by somebody else"),
            }
            elsewhere.push(request);
        }
        if earlier > 0 {
            let newest = elsewhere.iter().map(|seen| seen.epoch).max();
            info!(
                votes = earlier,
                newest,
                "votes of our validators from before the start, which the signing record lacks"
            );
        }
        elsewhere
    }

    /// Records what was signed elsewhere, beside the duties.
    pub(crate) fn record_elsewhere(
        signers: Signers,
        elsewhere: Vec<SigningRequest>,
        processor: Processor,
    ) {
        if elsewhere.is_empty() {
            return;
        }
        tokio::spawn(async move {
            let work = move || signers.raise(&elsewhere);
            if let Err(error) = processor.run(Priority::Background, work).await {
                warn!(%error, "what was signed elsewhere is not written down");
            }
        });
    }
}
