use std::path::Path;

use quartet_chain::{LeanChain, chain_channel, network_channel};
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
    ValidatorService::new(ValidatorServiceConfig {
        chain: LeanChain::from_genesis(genesis).shared(),
        chain_service,
        network,
        signers: Signers::new(signers),
        processor: Processor::inline(),
        clock: Clock::system(0),
    })
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
