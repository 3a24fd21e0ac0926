//! The two tables: what becomes of a block, and which errors condemn its root.
// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use quartet_fork_choice::NamedBlocks;
use quartet_types::{
    Attestation, AttestationData, Attestations, Block, BlockSignatures, Checkpoint, CheckpointRole,
    INTERVALS_PER_SLOT, PublicKey, Signature, SignedBlockWithAttestation, State, ValidatorIndex,
};
use tree_hash::TreeHash as _;

use super::{BlockTriage::*, *};
use crate::{ImportableBlock, PeerName, ProducedBlock, origin::Origin};

const VALIDATORS: u64 = 4;
/// The slot that the chain is in; it has blocks up to the one before.
const NOW: Slot = 5;

/// A chain with a block in each slot before [`NOW`].
pub(in crate::service) fn chain() -> LeanChain {
    let keys: Vec<PublicKey> = (0..VALIDATORS)
        .map(|index| PublicKey([index as u8; 52]))
        .collect();
    let mut chain = LeanChain::from_genesis(State::genesis(0, &keys).unwrap());
    for slot in 1..NOW {
        chain.advance(slot * INTERVALS_PER_SLOT);
        let produced = chain.proposal_basis().unwrap().build(slot).unwrap();
        let message = bound(&chain, &produced);
        let importable = ImportableBlock {
            root: produced.root,
            block: envelope(message),
            post_state: Arc::new(produced.post_state),
        };
        chain.import_block(importable).unwrap();
    }
    chain.advance(NOW * INTERVALS_PER_SLOT);
    chain
}

/// The block that is due.
pub(in crate::service) fn due(chain: &LeanChain) -> BlockWithAttestation {
    let produced = chain.proposal_basis().unwrap().build(NOW).unwrap();
    bound(chain, &produced)
}

fn bound(chain: &LeanChain, produced: &ProducedBlock) -> BlockWithAttestation {
    BlockWithAttestation {
        proposer_attestation: Attestation {
            validator_id: produced.block.proposer_index,
            data: produced.attestation_data(chain),
        },
        block: produced.block.clone(),
    }
}

/// Changes the block, and binds it to its proposer anew.
pub(in crate::service) fn altered(
    message: &BlockWithAttestation,
    alter: impl FnOnce(&mut Block),
) -> BlockWithAttestation {
    let mut message = message.clone();
    alter(&mut message.block);
    let Block {
        slot,
        proposer_index,
        ..
    } = message.block;
    let root = message.block.tree_hash_root();
    message.proposer_attestation.validator_id = proposer_index;
    message.proposer_attestation.data.slot = slot;
    message.proposer_attestation.data.head = Checkpoint { root, slot };
    message
}

/// Puts somebody else's attestation into the envelope.
fn by_another(message: &BlockWithAttestation) -> BlockWithAttestation {
    let mut message = message.clone();
    message.proposer_attestation.validator_id = (NOW + 1) % VALIDATORS;
    message
}

fn carrying(message: &BlockWithAttestation, body: Vec<Attestation>) -> BlockWithAttestation {
    altered(message, |block| {
        block.body.attestations = Attestations::try_from(body).unwrap();
    })
}

pub(in crate::service) fn envelope(
    message: BlockWithAttestation,
) -> Arc<SignedBlockWithAttestation> {
    let signatures = vec![Signature::default(); message.block.body.attestations.len() + 1];
    let signature = BlockSignatures::try_from(signatures).unwrap();
    Arc::new(SignedBlockWithAttestation { message, signature })
}

fn pending(message: BlockWithAttestation) -> PendingBlock {
    let origin = Origin::Gossip(PeerName::new("peer"));
    let root = message.block.tree_hash_root();
    PendingBlock::new(root, envelope(message), origin, Vec::new())
}

fn by_sync(message: BlockWithAttestation) -> PendingBlock {
    PendingBlock {
        origin: Origin::Sync(PeerName::new("peer")),
        ..pending(message)
    }
}

fn authentic(message: BlockWithAttestation) -> PendingBlock {
    PendingBlock {
        is_authentic: true,
        ..pending(message)
    }
}

fn vouched(message: BlockWithAttestation) -> PendingBlock {
    PendingBlock {
        names: NamedBlocks::Vouched,
        ..pending(message)
    }
}

/// Nothing special about the node: the first block of its slot, needed by nobody.
fn ordinary(chain: &LeanChain) -> Circumstances<'_> {
    Circumstances {
        chain,
        is_condemned: false,
        checking: None,
        has_room: true,
        need: None,
        has_place: true,
        has_early_place: true,
        is_crowded: false,
        wants_evidence: true,
    }
}

fn vote(validator_id: ValidatorIndex, slot: Slot, named: Checkpoint) -> Attestation {
    Attestation {
        validator_id,
        data: AttestationData {
            slot,
            head: named,
            target: named,
            source: named,
        },
    }
}

fn invented(slot: Slot) -> Checkpoint {
    Checkpoint {
        root: Root::repeat_byte(0xee),
        slot,
    }
}

#[test]
fn each_circumstance_has_its_verdict() {
    let chain = chain();
    let good = due(&chain);
    let head = chain.head();
    let unknown_parent = altered(&good, |block| block.parent_root = invented(0).root);
    let bloated = carrying(&good, vec![vote(1, 4, head); 2]);
    let names_unknown = carrying(&good, vec![vote(1, 4, invented(4))]);
    let names_sibling = carrying(&good, vec![vote(1, NOW, invented(NOW))]);
    let names_old = carrying(&good, vec![vote(1, 4, invented(1))]);
    let half_bound = {
        let mut message = good.clone();
        message.proposer_attestation.data.head = head;
        message
    };
    let in_slot = |slot: Slot| {
        altered(&good, |block| {
            block.slot = slot;
            block.proposer_index = slot % VALIDATORS;
        })
    };
    let known = chain.block(head.root).unwrap().message.clone();
    let [ignore, reject] = [Verdict::Ignore, Verdict::Reject].map(Answer);
    let usual = || ordinary(&chain);
    let condemned = || Circumstances {
        is_condemned: true,
        ..usual()
    };
    let second = || Circumstances {
        has_place: false,
        ..usual()
    };
    let third = || Circumstances {
        wants_evidence: false,
        ..second()
    };
    let needed = |need| Circumstances {
        need: Some(need),
        ..second()
    };
    let busy = || Circumstances {
        has_room: false,
        ..usual()
    };
    let busy_with_second = || Circumstances {
        has_room: false,
        ..second()
    };
    let without_early_place = || Circumstances {
        has_early_place: false,
        ..usual()
    };
    let crowded = |need| Circumstances {
        is_crowded: true,
        need,
        ..usual()
    };
    let parent_wanted = Park(invented(0).root, Wait::Parent);
    let name_wanted = |slot| Park(invented(slot).root, Wait::Name);
    let [recent, sibling, old] = [4, NOW, 1].map(name_wanted);

    let cases: Vec<(&str, PendingBlock, Circumstances<'_>, &BlockTriage)> = vec![
        ("first and bound", pending(good.clone()), usual(), &Check),
        (
            "first and bound, by sync",
            by_sync(good.clone()),
            usual(),
            &Check,
        ),
        ("known", pending(known), usual(), &ignore),
        (
            "invalid before",
            pending(good.clone()),
            condemned(),
            &Condemned,
        ),
        (
            "next slot",
            pending(in_slot(NOW + 1)),
            usual(),
            &Authenticate,
        ),
        (
            "next slot, authentic",
            authentic(in_slot(NOW + 1)),
            usual(),
            &Hold(NOW + 1),
        ),
        (
            "next slot, others of its proposer are held",
            pending(in_slot(NOW + 1)),
            without_early_place(),
            &ignore,
        ),
        (
            "others of its proposer are held for the next slot",
            pending(good.clone()),
            without_early_place(),
            &Check,
        ),
        (
            "slot after next",
            pending(in_slot(NOW + 2)),
            usual(),
            &ignore,
        ),
        ("no room", pending(good.clone()), busy(), &ignore),
        ("half bound", pending(half_bound.clone()), usual(), &Check),
        (
            "half bound and second",
            pending(half_bound),
            second(),
            &ignore,
        ),
        ("unbound", pending(by_another(&good)), usual(), &reject),
        (
            "unbound, by sync",
            by_sync(by_another(&good)),
            usual(),
            &ignore,
        ),
        (
            "unbound, an ancestor",
            by_sync(by_another(&good)),
            needed(Need::Ancestor),
            &Check,
        ),
        (
            "unbound, merely named",
            by_sync(by_another(&good)),
            needed(Need::Name),
            &ignore,
        ),
        ("second", pending(good.clone()), second(), &CheckEvidence),
        (
            "second, no room",
            pending(good.clone()),
            busy_with_second(),
            &ignore,
        ),
        ("third", pending(good.clone()), third(), &ignore),
        (
            "second, named by others",
            by_sync(good.clone()),
            needed(Need::Name),
            &Check,
        ),
        ("bloated", pending(bloated.clone()), usual(), &ignore),
        (
            "bloated, an ancestor",
            by_sync(bloated),
            needed(Need::Ancestor),
            &Check,
        ),
        (
            "unknown parent",
            pending(unknown_parent.clone()),
            usual(),
            &Authenticate,
        ),
        (
            "unknown parent, no room",
            pending(unknown_parent.clone()),
            busy(),
            &ignore,
        ),
        (
            "unknown parent, authentic",
            authentic(unknown_parent.clone()),
            usual(),
            &parent_wanted,
        ),
        (
            "unknown parent, others of its slot wait",
            authentic(unknown_parent.clone()),
            crowded(None),
            &ignore,
        ),
        (
            "unknown parent, others of its slot wait, by sync",
            PendingBlock {
                is_authentic: true,
                ..by_sync(unknown_parent.clone())
            },
            crowded(None),
            &parent_wanted,
        ),
        (
            "unknown parent, others of its slot wait, needed",
            authentic(unknown_parent.clone()),
            crowded(Some(Need::Name)),
            &parent_wanted,
        ),
        (
            "others of its slot wait",
            pending(good.clone()),
            crowded(None),
            &Check,
        ),
        (
            "unknown parent, needed",
            by_sync(by_another(&unknown_parent)),
            needed(Need::Ancestor),
            &parent_wanted,
        ),
        (
            "names an unknown block",
            pending(names_unknown.clone()),
            usual(),
            &Authenticate,
        ),
        (
            "names an unknown block, an ancestor",
            by_sync(names_unknown.clone()),
            needed(Need::Ancestor),
            &Authenticate,
        ),
        (
            "names an unknown block, authentic",
            authentic(names_unknown.clone()),
            usual(),
            &recent,
        ),
        (
            "names a sibling",
            authentic(names_sibling),
            usual(),
            &sibling,
        ),
        (
            "names an invented root at an old slot",
            authentic(names_old),
            usual(),
            &old,
        ),
        (
            "names an unknown block, vouched for",
            vouched(names_unknown),
            usual(),
            &Check,
        ),
        (
            "a vote of the slot after next",
            authentic(carrying(&good, vec![vote(1, NOW + 2, head)])),
            usual(),
            &Hold(NOW + 1),
        ),
        (
            "a vote of long after",
            pending(carrying(&good, vec![vote(1, NOW + 3, head)])),
            usual(),
            &ignore,
        ),
    ];
    for (circumstance, pending, circumstances, expected) in cases {
        assert_eq!(
            triage(&pending, &circumstances),
            *expected,
            "{circumstance}"
        );
    }

    let copy = pending(good.clone());
    let checking = Circumstances {
        checking: Some(&copy),
        ..usual()
    };
    assert_eq!(triage(&pending(good.clone()), &checking), Join);
    let mut other_envelope = good.clone();
    other_envelope.proposer_attestation.data.source = invented(3);
    assert_eq!(triage(&pending(other_envelope), &checking), OtherEnvelope);
}

#[test]
fn errors_that_the_bytes_prove_condemn_the_root() {
    let chain = chain();
    let good = due(&chain);
    let head = chain.head();
    let wrong_slot = Checkpoint { slot: 2, ..head };
    let backwards = {
        let mut backwards = vote(1, 4, head);
        backwards.data.target = chain.latest_finalized();
        backwards
    };
    let cases = [
        altered(&good, |block| block.proposer_index += 1),
        carrying(&good, vec![vote(VALIDATORS, 4, head)]),
        carrying(&good, vec![vote(1, 4, wrong_slot)]),
        carrying(&good, vec![backwards]),
    ];
    for message in cases {
        match triage(&pending(message), &ordinary(&chain)) {
            Refuse(error) => assert!(condemns_block(&error), "{error}"),
            other => panic!("{other:?}"),
        }
    }
    // In the envelope the same errors say nothing of the block.
    let mut envelope = good;
    envelope.proposer_attestation.data.source = wrong_slot;
    match triage(&pending(envelope), &ordinary(&chain)) {
        Refuse(error) => assert!(!condemns_block(&error), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn errors_of_envelope_view_or_clock_condemn_no_root() {
    let root = Root::repeat_byte(1);
    let unknown = AttestationError::UnknownBlock {
        role: CheckpointRole::Head,
        checkpoint: invented(1),
    };
    let future = AttestationError::FutureSlot { slot: 9, latest: 8 };
    let body = |error| BlockError::BodyAttestation { index: 0, error };
    let errors: [ImportError; 10] = [
        ImportError::SignatureCount {
            expected: 2,
            found: 1,
        },
        ImportError::ValidatorNotInRegistry {
            validator: 9,
            validators: 4,
        },
        ImportError::InvalidSignature {
            validator: 1,
            slot: 2,
        },
        ImportError::UnknownParent(root),
        ImportError::Attestation(unknown),
        body(unknown).into(),
        body(future).into(),
        BlockError::ProposerAttestation(unknown).into(),
        BlockError::UnknownParent {
            root,
            parent_root: root,
        }
        .into(),
        BlockError::UnknownJustified {
            root,
            justified: invented(1),
        }
        .into(),
    ];
    for error in errors {
        assert!(!condemns_block(&error), "{error}");
    }
    let transition = TransitionError::StateRoot {
        expected: root,
        found: Root::ZERO,
    };
    assert!(condemns_block(&transition.into()));
}

#[test]
fn a_validator_has_signed_an_invalid_block_if_it_is_bound_and_its_transition_fails() {
    let root = Root::repeat_byte(1);
    let (expected, found) = (root, Root::ZERO);
    let fails = || ImportError::from(TransitionError::StateRoot { expected, found });
    let wrong_proposer = ImportError::from(TransitionError::WrongProposer {
        slot: 5,
        expected: 1,
        found: 2,
    });
    let cases = [
        (Binding::Bound, fails(), true),
        (Binding::HalfBound, fails(), false),
        (Binding::Unbound, fails(), false),
        (Binding::Bound, wrong_proposer, false),
        (Binding::Bound, ImportError::UnknownParent(root), false),
    ];
    for (binding, error, is_signed) in cases {
        assert_eq!(is_signed_and_invalid(binding, &error), is_signed, "{error}");
    }
}
