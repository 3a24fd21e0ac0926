use std::path::Path;

use quartet_chain::{ChainWriter, EventBus, LeanChain, chain_channel, network_channel};
use quartet_keystore::{
    KeyRequest, NewKey, Signer, generate, keystore_file_name, load_signer, record::SigningRecord,
};
use quartet_types::{Attestation, AttestationData, Checkpoint, State};
use quartet_xmss::Scheme;

use super::*;

fn signers(directory: &Path) -> Vec<Signer> {
    let record = SigningRecord::open(&directory.join("record")).unwrap();
    let signer = |index| {
        let key = NewKey {
            scheme: Scheme::Test,
            activation_epoch: 0,
            active_epochs: 64,
            passphrase: None,
            public_test_key: false,
        };
        let path = directory.join(keystore_file_name(index));
        let public_key = generate(&path, &key, &|_| {}).unwrap();
        let request = KeyRequest {
            index,
            public_key,
            file: None,
        };
        load_signer(directory, &request, None, &record, &|_| {}).unwrap()
    };
    (0..3).map(signer).collect()
}

/// A service whose chain stands at genesis.
fn service(signers: Vec<Signer>) -> ValidatorService {
    let keys: Vec<_> = signers.iter().map(|signer| *signer.public_key()).collect();
    let genesis = State::genesis(0, &keys).unwrap();
    let (chain_service, _) = chain_channel();
    let (network, _) = network_channel();
    let mut chain = LeanChain::from_genesis(genesis);
    chain.set_sync_state(SyncState::Synced);
    let parts = ValidatorServiceParts {
        chain: ChainWriter::new(chain).reader(),
        chain_service,
        network,
        signers: Signers::new(signers),
        processor: Processor::inline(),
        clock: Clock::system(0),
        events: EventBus::new(),
    };
    ValidatorService::new(ValidatorServiceConfig::default(), parts)
}

fn vote(validator_id: ValidatorIndex, source: Slot) -> Attestation {
    let checkpoint = |slot| Checkpoint {
        slot,
        ..Checkpoint::default()
    };
    let data = AttestationData {
        slot: 9,
        source: checkpoint(source),
        ..AttestationData::default()
    };
    Attestation { validator_id, data }
}

#[test]
fn only_validators_that_voted_from_what_the_node_does_not_know_are_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let mut service = service(signers(directory.path()));
    assert_eq!(service.with_known_source(10, 0..3), [0, 1, 2]);
    // Genesis is known to everybody.
    let signed = service.signers.sign(&[vote(0, 0), vote(1, 1)]);
    assert!(signed.iter().all(|(_, signature)| signature.is_ok()));
    assert_eq!(service.warned, None);
    assert_eq!(service.with_known_source(10, 0..3), [0, 2]);
    assert_eq!(service.warned, Some(10));
    assert!(service.knows_source_of(11, 0) && service.knows_source_of(11, 2));
    assert_eq!(service.warned, Some(10));
    assert!(!service.knows_source_of(11, 1));
    assert_eq!(service.warned, Some(11));
}

/// A service on a manual clock, which is at the start of `slot` of a network that began at 0.
fn service_at(signers: Vec<Signer>, slot: Slot) -> ValidatorService {
    let mut service = service(signers);
    let now = std::time::Duration::from_secs(slot * quartet_types::SECONDS_PER_SLOT);
    service.clock = Clock::manual(0, now);
    service.doppelganger = DoppelgangerGuard::new(service.clock.watch_for_jumps());
    service
}

fn tick(slot: Slot, interval: u64) -> Tick {
    Tick {
        slot,
        interval,
        late: std::time::Duration::ZERO,
        missed: 0,
    }
}

/// What is signed of votes for these slots, by validator 0.
async fn signed(
    service: &mut ValidatorService,
    slots: impl IntoIterator<Item = Slot>,
) -> Vec<Slot> {
    let mut signed = Vec::new();
    for slot in slots {
        let mut vote = vote(0, 0);
        vote.data.slot = slot;
        signed.extend(
            service
                .sign(vec![vote])
                .await
                .iter()
                .map(|signed| signed.message.data.slot),
        );
    }
    signed
}

async fn pass(seconds: u64) {
    tokio::time::advance(std::time::Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn the_guard_of_the_start_is_armed_anew_when_the_clock_is_set() {
    // A machine is brought back from a snapshot of slot 10: it has signed up to slot 20 since then, and its record is as it
    // was. Then the clock is set.
    for step_slots in [10, 1] {
        let directory = tempfile::tempdir().unwrap();
        let mut service = service_at(signers(directory.path()), 10);
        service.on_tick(tick(10, 3)).await.unwrap();
        pass(1).await;
        service.clock.step(step_slots * 4_000);
        let now = service.clock.slot();
        service.on_tick(tick(now, 3)).await.unwrap();
        assert_eq!(signed(&mut service, 11..=now + 1).await, [now + 1]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_guard_is_armed_before_a_signature_not_only_at_ticks() {
    let directory = tempfile::tempdir().unwrap();
    let mut service = service_at(signers(directory.path()), 10);
    service.on_tick(tick(10, 3)).await.unwrap();
    // The machine sleeps in the middle of a duty.
    service.clock.step(40_000);
    assert_eq!(signed(&mut service, [10, 20, 21]).await, [21]);
    // The process is held up.
    pass(9).await;
    assert_eq!(signed(&mut service, [22, 23]).await, [23]);
}

#[tokio::test(start_paused = true)]
async fn the_guard_is_armed_when_ticks_were_missed_and_when_the_clock_goes_back_and_forth() {
    let directory = tempfile::tempdir().unwrap();
    let mut service = service_at(signers(directory.path()), 10);
    service.on_tick(tick(10, 3)).await.unwrap();
    let missed = Tick {
        missed: 8,
        ..tick(12, 3)
    };
    service.clock.step(900);
    pass(3).await;
    pass(3).await;
    service.on_tick(missed).await.unwrap();
    assert_eq!(signed(&mut service, [11, 12]).await, [12]);
    for step in [-8_000, 12_000, -20_000, 30_000, -40_000, 30_000] {
        service.clock.step(step);
        service
            .on_tick(tick(service.clock.slot(), 3))
            .await
            .unwrap();
    }
    // It has been as far as slot 15 meanwhile, whatever it is now.
    assert_eq!(signed(&mut service, 13..=16).await, [16]);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_genesis_is_no_jump() {
    let directory = tempfile::tempdir().unwrap();
    let mut service = service_at(signers(directory.path()), 0);
    pass(1_000).await;
    service.clock = Clock::manual(0, std::time::Duration::ZERO);
    service.on_tick(tick(0, 0)).await.unwrap();
    assert_eq!(signed(&mut service, [1]).await, [1]);
}

/// Tells the service of a vote that was seen on the network.
fn seen(service: ValidatorService) -> (ValidatorService, mpsc::Sender<Attestation>) {
    let (sender, receiver) = mpsc::channel(8);
    (service.with_sightings(receiver), sender)
}

#[tokio::test(start_paused = true)]
async fn a_second_signer_that_is_seen_stops_its_validator_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let (mut service, network) = seen(service_at(signers(directory.path()), 10));
    service.signers.refuse_up_to(8);
    let own = service.sign(vec![vote(0, 0), vote(1, 0)]).await;
    assert_eq!(own.len(), 2);
    for signed in own {
        network.send(signed.message).await.unwrap();
    }
    service.on_tick(tick(10, 3)).await.unwrap();
    assert_eq!(signed(&mut service, [10]).await, [10]);
    let mut theirs = vote(0, 0);
    theirs.data.slot = 12;
    network.send(theirs).await.unwrap();
    service.on_tick(tick(10, 3)).await.unwrap();
    assert!(signed(&mut service, 10..20).await.is_empty());
    let mut other = vote(1, 0);
    other.data.slot = 13;
    assert_eq!(service.sign(vec![other]).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn votes_from_before_the_start_raise_the_record() {
    let directory = tempfile::tempdir().unwrap();
    let (mut service, network) = seen(service_at(signers(directory.path()), 10));
    service.signers.refuse_up_to(9);
    network.send(vote(0, 5)).await.unwrap();
    service.on_tick(tick(10, 3)).await.unwrap();
    // It is written down beside the duties.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(service.signers.last_source(0), Some(5));
    assert_eq!(signed(&mut service, [9, 10]).await, [10]);
}

#[tokio::test(start_paused = true)]
async fn duties_wait_while_the_node_listens_for_other_signers() {
    let directory = tempfile::tempdir().unwrap();
    let mut service = service_at(signers(directory.path()), 10);
    service.doppelganger.listen_for(2);
    let (mut service, network) = seen(service);
    service.signers.refuse_up_to(9);
    let listens = |service: &mut ValidatorService, slot| service.doppelganger.is_listening(slot);
    assert!(listens(&mut service, 10) && listens(&mut service, 11));
    // The other signer of this key is heard.
    let mut theirs = vote(0, 0);
    theirs.data.slot = 11;
    network.send(theirs).await.unwrap();
    service.on_tick(tick(11, 3)).await.unwrap();
    assert!(!listens(&mut service, 12));
    assert!(signed(&mut service, [12]).await.is_empty());
    // After a jump it listens again.
    service.clock.step(40_000);
    service.on_tick(tick(20, 3)).await.unwrap();
    assert!(listens(&mut service, 21) && listens(&mut service, 22) && !listens(&mut service, 23));
}

#[tokio::test(start_paused = true)]
async fn slots_in_which_a_node_hears_nothing_do_not_count_as_listened_to() {
    let directory = tempfile::tempdir().unwrap();
    let mut service = service_at(signers(directory.path()), 10);
    service.doppelganger.listen_for(2);
    // Between the two it is not ready for duties.
    assert!([10, 10, 20, 20].map(|slot| service.doppelganger.is_listening(slot)) == [true; 4]);
    assert!(!service.doppelganger.is_listening(21));
}
