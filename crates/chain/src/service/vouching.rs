//! Blocks whose attestations name blocks that no peer serves.
//!
//! The specification refuses a block for ever when one of its attestations names an unknown block. A node that was there when
//! the named block was published has imported it; one that comes later, or was sent something else, may find no peer that has it. So
//! the block waits until more than a third of the validators have voted for it or for what builds on it: one of them at
//! least is honest, and has imported it knowing what it names, or because another honest one did. Nobody can
//! collect such votes for a block that honest nodes have rejected.

use std::collections::{BTreeMap, BTreeSet};

use metrics::counter;
use quartet_fork_choice::NamedBlocks;
use quartet_processor::Priority;
use quartet_types::{Checkpoint, PublicKey, Root};
use tracing::debug;

use super::{ChainService, jobs::Done};
use crate::{
    ImportError,
    parking::{Ballot, ParkedCopy},
    verification::{invalid_signature, verify_attestations},
};

/// Most blocks whose votes are counted at a time.
const MAX_VOUCHED_AT_ONCE: usize = 8;

/// What the check of the votes for a block has found.
#[derive(Debug)]
pub(super) struct Vouched {
    /// Whether enough of them are valid.
    pub(super) is_vouched: bool,
    /// Copies of blocks that came with a bad signature.
    forged: BTreeMap<ParkedCopy, ImportError>,
}

impl ChainService {
    /// Looks for blocks that wait for a name only, and that enough validators vouch for.
    pub(super) fn look_for_vouchers(&mut self) {
        let waiting = self.parking.next_waiting_for_names(MAX_VOUCHED_AT_ONCE);
        for root in waiting {
            self.look_for_vouchers_of(root);
        }
    }

    fn look_for_vouchers_of(&mut self, root: Root) {
        let chain = self.chain.read();
        let validators = chain.validator_count() as usize;
        let Some(ballots) = self.parking.ballots(root, validators / 3) else {
            return;
        };
        let (ballots, keys): (Vec<Ballot>, Vec<PublicKey>) = ballots
            .into_iter()
            .filter_map(|ballot| {
                let key = *chain.public_key(ballot.vote.message.validator_id)?;
                Some((ballot, key))
            })
            .unzip();
        drop(chain);
        let verifier = self.verifier;
        let work = move || {
            let (votes, carriers): (Vec<_>, Vec<_>) = ballots
                .into_iter()
                .map(|ballot| (ballot.vote, ballot.carrier))
                .unzip();
            let (mut vouchers, mut forged) = (0, BTreeMap::new());
            for (valid, (vote, carrier)) in verify_attestations(verifier, &keys, &votes)
                .into_iter()
                .zip(votes.iter().zip(carriers))
            {
                match (valid, carrier) {
                    (true, _) => vouchers += 1,
                    (false, Some(carrier)) => {
                        forged.insert(carrier, invalid_signature(&vote.message));
                    }
                    (false, None) => {}
                }
            }
            let is_vouched = vouchers > validators / 3;
            Vouched { is_vouched, forged }
        };
        self.spawn(Priority::Block, work, move |vouched| Done::Vouched {
            root,
            vouched,
        });
    }

    /// The votes for a waiting block have been verified. Copies of blocks with forged ones are dropped, so that other copies can
    /// take their places: they hide what their validators have really signed.
    pub(super) fn on_vouched(&mut self, root: Root, vouched: Result<Vouched, ImportError>) {
        let Ok(Vouched { is_vouched, forged }) = vouched else {
            // It was not finished.
            return self.parking.forget_ballots(&root);
        };
        for (carrier, error) in forged {
            if let Some(copy) = self.parking.take_copy(carrier) {
                self.on_invalid_block(copy, &error);
            }
        }
        if !is_vouched {
            return;
        }
        if let Some(mut pending) = self.parking.take_block(root) {
            debug!(%root, slot = pending.slot(), "vouched for: what it names is not needed");
            counter!("quartet_blocks_vouched_total").increment(1);
            // This holds for the block. Of its envelope, which the root does not cover, all is checked but what it names.
            pending.names = NamedBlocks::Vouched;
            self.dispatch(pending);
        }
    }

    /// Looks up a named block in the database, which has those that finality has left behind.
    pub(super) fn recall(&mut self, root: Root) {
        let store = self.store.clone();
        let work = move || {
            store
                .entry(root)
                .map_err(crate::StoreError::from)
                .map(|entry| entry.map(|entry| entry.slot))
        };
        let done = move |found: Result<Result<_, crate::StoreError>, ImportError>| Done::Recalled {
            root,
            // If the database has failed, the next write shows it.
            slot: found.ok().and_then(Result::ok).flatten(),
        };
        self.spawn(Priority::Background, work, done);
    }

    /// A named block has been looked up in the database: blocks that wait for it may go on.
    pub(super) fn on_recalled(&mut self, root: Root, slot: Option<u64>) {
        let Some(slot) = slot else {
            return;
        };
        self.change(|chain| chain.remember(Checkpoint { root, slot }));
        let (blocks, attestations) = self.parking.release(&root);
        for block in blocks {
            self.dispatch(block);
        }
        self.on_attestations(attestations);
    }

    /// How many unknown blocks the attestations of a waiting block name.
    pub(super) fn names_fetched(&self, root: Root) -> usize {
        let chain = self.chain.read();
        let Some(block) = self.parking.block(&root) else {
            return 0;
        };
        let names = block.attestations().flat_map(|attestation| {
            let data = &attestation.data;
            [data.source.root, data.target.root, data.head.root]
        });
        let is_unknown = |name: &Root| *name != root && !chain.fork_choice().is_known(name);
        let unknown: BTreeSet<Root> = names.filter(is_unknown).collect();
        unknown.len()
    }
}
