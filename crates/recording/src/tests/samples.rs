//! Values of all kinds to be recorded.

use std::{sync::Arc, time::Duration};

use quartet_sync::{PeerName, RequestError, SyncState};
use quartet_types::{
    Attestation, AttestationData, Block, BlockWithAttestation, Checkpoint, PublicKey, Root,
    SIGNATURE_BYTES, Signature, SignedAttestation, SignedBlockWithAttestation, State, Status,
};

use crate::*;

pub(super) fn start() -> Start {
    Start {
        software: "0.1.0".to_owned(),
        node: "someone".to_owned(),
        session: 77,
        part: 0,
        network: Root::repeat_byte(7),
        genesis_time: 1_700_000_000,
        slot_milliseconds: 4_000,
        scheme: RecordedScheme::Test,
        expects_peers: true,
        backfill: false,
        memory: [1, 2, 3],
    }
}

fn checkpoint(slot: u64) -> Checkpoint {
    let root = Root::left_padding_from(&slot.to_be_bytes());
    Checkpoint { root, slot }
}

pub(super) fn vote(validator_id: u64, slot: u64) -> SignedAttestation {
    let data = AttestationData {
        slot,
        head: checkpoint(slot),
        target: checkpoint(slot.saturating_sub(1)),
        source: checkpoint(slot.saturating_sub(2)),
    };
    let mut signature = [0; SIGNATURE_BYTES];
    for (index, byte) in signature.iter_mut().enumerate() {
        let mixed = (index as u64 + 1) * (validator_id * 7919 + slot * 104_729 + 13);
        *byte = (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8;
    }
    SignedAttestation {
        message: Attestation { validator_id, data },
        signature: Signature::from(signature),
    }
}

pub(super) fn block(slot: u64) -> Arc<SignedBlockWithAttestation> {
    let votes: Vec<_> = (0..4).map(|validator| vote(validator, slot - 1)).collect();
    let own = vote(4, slot);
    let mut block = Block {
        slot,
        proposer_index: 4,
        parent_root: checkpoint(slot - 1).root,
        ..Block::default()
    };
    let messages: Vec<_> = votes.iter().map(|vote| vote.message).collect();
    block.body.attestations = messages.try_into().unwrap();
    let signatures = votes.into_iter().chain([own.clone()]);
    let signatures: Vec<_> = signatures.map(|vote| vote.signature).collect();
    Arc::new(SignedBlockWithAttestation {
        message: BlockWithAttestation {
            block,
            proposer_attestation: own.message,
        },
        signature: signatures.try_into().unwrap(),
    })
}

pub(super) fn keyframe(slot: u64) -> Keyframe {
    let keys = [PublicKey([5; 52]); 3];
    let key_block = |slot| KeyBlock {
        root: checkpoint(slot).root,
        message: block(slot).message.clone(),
        justified: checkpoint(1),
        finalized: checkpoint(0),
    };
    Keyframe {
        at: Duration::from_millis(slot * 4_000 + 3),
        is_beginning: slot == 1,
        is_synced: true,
        time: slot * 4,
        head: checkpoint(slot),
        safe_target: checkpoint(slot),
        justified: checkpoint(1),
        finalized: checkpoint(0),
        anchor: key_block(slot),
        state: Arc::new(State::genesis(1_700_000_000, &keys).unwrap()),
        blocks: vec![key_block(slot + 1), key_block(slot + 2)],
        votes: vec![vote(1, slot).message],
        new_votes: vec![vote(2, slot).message],
        equivocated: vec![(3, slot)],
        remembered: vec![checkpoint(900)],
    }
}

/// An event of each kind.
pub(super) fn events(slot: u64) -> Vec<Event> {
    let peer = PeerName::new("a peer");
    let status = Status {
        finalized: checkpoint(slot - 1),
        head: checkpoint(slot),
    };
    let done = |job, answer| Taken::Done { job, answer };
    let root = checkpoint(slot).root;
    let taken = vec![
        Taken::Tick {
            slot,
            interval: 3,
            missed: 1,
        },
        Taken::Attestations(vec![
            (vote(1, slot), peer.clone()),
            (vote(2, slot), peer.clone()),
        ]),
        Taken::BatchDue,
        Taken::Block {
            block: block(slot),
            peer: peer.clone(),
        },
        Taken::OwnBlock(block(slot + 1)),
        Taken::OwnAttestations(vec![vote(9, slot)]),
        Taken::PrepareProposal(slot),
        Taken::Status {
            peer: peer.clone(),
            status,
        },
        Taken::Disconnected(peer),
        Taken::Requested {
            request: 5,
            result: Ok(vec![block(slot)]),
        },
        Taken::Requested {
            request: 6,
            result: Err(RequestError::NoAnswer),
        },
        done(Job::Block(root), Answer::Computed),
        done(Job::Authentic(root), Answer::Failed("why".to_owned())),
        done(Job::Witnessed(root), Answer::Computed),
        done(Job::Vouched(root), Answer::Computed),
        done(Job::HeadState(root), Answer::Computed),
        done(Job::RangeChecked(4), Answer::Computed),
        done(Job::RangeApplied(Some(4)), Answer::Computed),
        done(Job::Attestations(1, slot, 2), Answer::Computed),
        done(Job::Recalled(root), Answer::Slot(Some(3))),
        done(
            Job::Stored,
            Answer::Written {
                roots: vec![root],
                more_to_prune: true,
            },
        ),
        done(
            Job::Past,
            Answer::Missing {
                blocks: vec![checkpoint(3)],
                next: None,
                kept_from: 2,
            },
        ),
        done(
            Job::Past,
            Answer::Kept {
                request: 3,
                roots: [root].into(),
                bytes: 12,
                kept_from: 2,
            },
        ),
        Taken::Stop,
    ];
    let event = |taken| Event {
        at: Duration::from_millis(slot * 4_000),
        monotonic: Duration::from_micros(slot * 31),
        taken,
    };
    taken.into_iter().map(event).collect()
}

/// A decision of each kind.
pub(super) fn decisions(slot: u64) -> Vec<Decision> {
    let (block, peer) = (checkpoint(slot), PeerName::new("another"));
    let asked = |request, is_sent| Decision::Asked {
        peer: peer.clone(),
        request,
        is_sent,
    };
    vec![
        Decision::Vote {
            validator: 3,
            slot,
            verdict: RecordedVerdict::Accept,
        },
        Decision::Block {
            block,
            verdict: RecordedVerdict::Reject,
        },
        Decision::ParkedVote {
            validator: 3,
            slot,
            waits_for: block.root,
        },
        Decision::Parked {
            block,
            waits_for: Root::ZERO,
            by_name: true,
        },
        Decision::Checked {
            job: Job::Block(block.root),
            error: Some("wrong".to_owned()),
        },
        Decision::Invalid(vec![1, 2]),
        Decision::Imported(block),
        Decision::NotImported {
            block,
            error: "late".to_owned(),
        },
        Decision::OwnVotes {
            counted: 3,
            refused: 1,
        },
        Decision::Head {
            head: block,
            reorg_depth: 2,
        },
        Decision::Justified(block),
        Decision::Finalized(block),
        Decision::SafeTarget(block),
        Decision::Sync(SyncState::Syncing { target: 9 }),
        Decision::Equivocation { validator: 1, slot },
        asked(Request::Roots(1, vec![block.root]), true),
        asked(Request::Range(2, 3, 64), false),
        asked(Request::Leave("other network".to_owned()), true),
        asked(Request::Penalty("invalid block".to_owned()), true),
    ]
}

/// What a recorder writes down of some slots, without keyframes.
pub(super) fn frames(slots: std::ops::Range<u64>) -> Vec<Frame> {
    let of_slot = |slot| {
        let events = events(slot).into_iter();
        events.flat_map(move |event| [Frame::Event(event), Frame::Decided(decisions(slot))])
    };
    slots.flat_map(of_slot).collect()
}
