//! Attestations from gossip, on their way into the fork choice.

use metrics::{counter, histogram};
use quartet_clock::Stopwatch;
use quartet_fork_choice::{AttestationError, AttestationOrigin, AttestationOutcome};
use quartet_processor::Priority;
use quartet_recording::Decision;
use quartet_sync::Need;
use quartet_types::{Attestation, Checkpoint, PublicKey, SignedAttestation, Slot, proposer_index};
use tracing::debug;

use super::{ChainService, MAX_BATCH, jobs::Done};
use crate::{
    ChainEvent, GossipAttestation, ImportError, LeanChain, Source, Verdict,
    verification::verify_attestations,
};

/// What to do with an attestation before its signature is looked at.
#[derive(Debug, PartialEq)]
enum Triage {
    Verify(PublicKey),
    Answer(Verdict),
}

impl ChainService {
    /// Attestations have arrived, or need not wait any more: there may be many of those.
    pub(super) fn on_attestations(&mut self, mut items: Vec<GossipAttestation>) {
        while !items.is_empty() {
            let rest = items.split_off(items.len().min(MAX_BATCH));
            self.on_batch(items);
            items = rest;
        }
    }

    fn on_batch(&mut self, items: Vec<GossipAttestation>) {
        self.advance_to_now();
        let watch = Stopwatch::start();
        let triaged: Vec<Triage> = {
            let chain = self.chain.read();
            items
                .iter()
                .map(|item| triage(&chain, &item.attestation))
                .collect()
        };
        let each = watch.seconds() / triaged.len() as f64;
        histogram!("lean_attestation_validation_time_seconds").record(each);
        let (mut batch, mut keys) = (Vec::new(), Vec::new());
        for (item, triage) in items.into_iter().zip(triaged) {
            match triage {
                Triage::Verify(key) => {
                    batch.push(item);
                    keys.push(key);
                }
                Triage::Answer(verdict) => self.answer_vote(item, verdict),
            }
        }
        if !batch.is_empty() {
            self.verify(batch, keys);
        }
    }

    fn verify(&mut self, items: Vec<GossipAttestation>, keys: Vec<PublicKey>) {
        self.batches += 1;
        let verifier = self.verifier;
        let attestations: Vec<SignedAttestation> =
            items.iter().map(|item| item.attestation.clone()).collect();
        let work = move || verify_attestations(verifier, &keys, &attestations);
        self.spawn(Priority::Attestation, work, |valid| Done::Attestations {
            items,
            valid,
        });
    }

    /// The signatures of a batch have been verified.
    pub(super) fn on_attestations_verified(
        &mut self,
        items: Vec<GossipAttestation>,
        valid: Result<Vec<bool>, ImportError>,
    ) {
        self.batches -= 1;
        let Ok(valid) = valid else {
            // Dropping the items answers "ignore".
            return;
        };
        let (mut verified, mut invalid) = (Vec::new(), Vec::new());
        for (item, is_valid) in items.into_iter().zip(valid) {
            if is_valid {
                verified.push(item)
            } else {
                invalid.push(item)
            }
        }
        if !invalid.is_empty() {
            self.tape.decide(|| {
                let signers = invalid.iter();
                Decision::Invalid(
                    signers
                        .map(|item| item.attestation.message.validator_id)
                        .collect(),
                )
            });
        }
        for item in invalid {
            let Attestation { validator_id, data } = item.attestation.message;
            debug!(peer = %item.peer, validator_id, slot = data.slot, "invalid signature");
            self.answer_vote(item, Verdict::Reject);
        }
        self.tell_of_sightings(verified.iter().map(|item| &item.attestation.message));
        self.count(verified);
    }

    /// Counts attestations whose signatures are valid. One that names an unknown block waits for that block, an early one for its slot.
    pub(super) fn count(&mut self, items: Vec<GossipAttestation>) {
        if items.is_empty() {
            return;
        }
        self.advance_to_now();
        let current = self.chain.read().current_slot();
        let is_early = |item: &GossipAttestation| item.attestation.message.data.slot > current;
        let (early, items): (Vec<_>, Vec<_>) = items.into_iter().partition(is_early);
        for item in early {
            self.early.hold_attestation(item);
        }
        let results: Vec<_> = self.change(|chain| {
            let counted = items.iter().map(|item| {
                let Attestation { validator_id, data } = item.attestation.message;
                let fork_choice = chain.fork_choice();
                let was_known = fork_choice.has_equivocated(validator_id, data.slot);
                let result = chain.import_attestation(&item.attestation);
                let is_known = chain.fork_choice().has_equivocated(validator_id, data.slot);
                (result, is_known && !was_known)
            });
            counted.collect()
        });
        let recorded = items
            .iter()
            .zip(&results)
            .filter(|(_, (result, _))| matches!(result, Ok(AttestationOutcome::Recorded)));
        let recorded: Vec<Attestation> =
            recorded.map(|(item, _)| item.attestation.message).collect();
        let of_slot = recorded.iter().filter(|vote| vote.data.slot == current);
        self.note_votes(current, of_slot.count() as u64);
        self.tell_of_votes(Source::Gossip, recorded);
        for (item, (result, is_evidence)) in items.into_iter().zip(results) {
            match result {
                Ok(AttestationOutcome::Recorded) => self.answer_vote(item, Verdict::Accept),
                // Other nodes must see the second vote as well, so that all of them count neither; a third is not needed.
                _ if is_evidence => self.answer_vote(item, Verdict::Accept),
                Ok(AttestationOutcome::Superseded) => self.answer_vote(item, Verdict::Ignore),
                Err(ImportError::Attestation(AttestationError::UnknownBlock {
                    checkpoint,
                    ..
                })) => self.park_attestation(checkpoint, item),
                // The remaining errors depend on what others publish, on what we know, or on clocks.
                Err(error) => {
                    debug!(peer = %item.peer, %error, "an attestation is of no use");
                    self.answer_vote(item, Verdict::Ignore);
                }
            }
        }
    }

    /// Counts attestations of our own, a batch at a time, so that no reader waits long for the lock.
    pub(super) fn count_own(
        &mut self,
        attestations: &[SignedAttestation],
    ) -> Vec<Result<(), ImportError>> {
        self.advance_to_now();
        let batches = attestations.chunks(MAX_BATCH);
        let count = |batch: &[SignedAttestation]| -> Vec<_> {
            self.change(|chain| {
                let results = batch.iter().map(|signed| chain.import_attestation(signed));
                results.map(|result| result.map(drop)).collect()
            })
        };
        let results: Vec<_> = batches.flat_map(count).collect();
        let current = self.chain.read().current_slot();
        let counted = attestations.iter().zip(&results);
        let counted: Vec<Attestation> = counted
            .filter(|(_, result)| result.is_ok())
            .map(|(signed, _)| signed.message)
            .collect();
        let of_slot = counted.iter().filter(|vote| vote.data.slot == current);
        self.note_votes(current, of_slot.count() as u64);
        self.tape.decide(|| Decision::OwnVotes {
            counted: counted.len() as u64,
            refused: (results.len() - counted.len()) as u64,
        });
        self.tell_of_votes(Source::Own, counted);
        results
    }

    /// Tells the watchers of votes that count now.
    fn tell_of_votes(&self, origin: Source, votes: Vec<Attestation>) {
        if !votes.is_empty() {
            let votes = votes.into();
            self.tell_watchers(ChainEvent::Attestations { origin, votes });
        }
    }

    /// So many votes of the current slot have been counted.
    pub(super) fn note_votes(&mut self, slot: Slot, votes: u64) {
        let validators = self.chain.read().validator_count();
        let since = self.clock.since_slot(slot);
        self.slot_votes.count(slot, votes, validators, since);
    }

    /// Says what becomes of an attestation from gossip.
    fn answer_vote(&self, item: GossipAttestation, verdict: Verdict) {
        count_verdict(verdict);
        let Attestation { validator_id, data } = item.attestation.message;
        self.tape.decide(|| Decision::Vote {
            validator: validator_id,
            slot: data.slot,
            verdict: verdict.into(),
        });
        // The receiver is gone when the network has given up on the item.
        let _ = item.verdict.send(verdict);
    }

    /// Parks an attestation that names an unknown block, and asks for the block, unless the block's own proposer has signed it: a
    /// validator that proposes twice in a slot needs votes of others to have the second block fetched. Votes for invalid blocks
    /// are dropped: those blocks never come, and their absence is no sign of being cut off.
    fn park_attestation(&mut self, unknown: Checkpoint, item: GossipAttestation) {
        let (finalized, current, proposer) = {
            let chain = self.chain.read();
            let proposer = proposer_index(unknown.slot, chain.validator_count());
            (
                chain.latest_finalized().slot,
                chain.current_slot(),
                proposer,
            )
        };
        let is_by_proposer = proposer == Some(item.attestation.message.validator_id);
        let is_lost = self.condemned.is_voted_for(&item.attestation.message);
        if unknown.slot <= finalized || unknown.slot > current || is_by_proposer || is_lost {
            return self.answer_vote(item, Verdict::Ignore);
        }
        let (peer, Attestation { validator_id, data }) =
            (item.peer.clone(), item.attestation.message);
        if !self.parking.park_attestation(unknown.root, item) {
            return;
        }
        self.tape.decide(|| Decision::ParkedVote {
            validator: validator_id,
            slot: data.slot,
            waits_for: unknown.root,
        });
        let (root, slot, need) = (unknown.root, unknown.slot, Some(Need::Name));
        self.with_sync(|sync, view| sync.want(root, slot, Some(peer), need, view));
        self.poll_sync();
    }
}

/// A vote may be so many slots ahead of our clock, and is held until its slot begins: this is how a node with a slow clock
/// follows the chain. Places are counted by slot, 256 each, so that one validator cannot take up all messages that may wait for a
/// verdict.
const MAX_SLOTS_EARLY: Slot = 4;

fn triage(chain: &LeanChain, signed: &SignedAttestation) -> Triage {
    let attestation = &signed.message;
    let (slot, current) = (attestation.data.slot, chain.current_slot());
    let Some(key) = chain.public_key(attestation.validator_id) else {
        return Triage::Answer(Verdict::Reject);
    };
    let fork_choice = chain.fork_choice();
    if fork_choice.is_superseded(attestation) {
        let first = fork_choice.vote_in_slot(attestation.validator_id, slot);
        let is_second = first.is_some_and(|first| first != attestation.data);
        let is_news = is_second && !fork_choice.has_equivocated(attestation.validator_id, slot);
        return if is_news {
            Triage::Verify(*key)
        } else {
            Triage::Answer(Verdict::Ignore)
        };
    }
    if slot > current + MAX_SLOTS_EARLY {
        // It would be held until then, whatever it names, and its verdict with it.
        return Triage::Answer(Verdict::Ignore);
    }
    if slot == current + 1 {
        // Places for early votes are few: they are for votes with valid signatures.
        return Triage::Verify(*key);
    }
    match fork_choice.validate_attestation(attestation, AttestationOrigin::Gossip) {
        // A vote for an unknown block is verified before it may wait.
        Ok(()) | Err(AttestationError::UnknownBlock { .. }) => Triage::Verify(*key),
        // The sender may be honest: these errors depend on clocks, on what is known, or on what others publish.
        Err(_) => Triage::Answer(Verdict::Ignore),
    }
}

fn count_verdict(verdict: Verdict) {
    let outcome = match verdict {
        Verdict::Accept => "lean_attestations_valid_total",
        Verdict::Ignore => "quartet_attestations_ignored_total",
        Verdict::Reject => "lean_attestations_invalid_total",
    };
    counter!(outcome).increment(1);
}
