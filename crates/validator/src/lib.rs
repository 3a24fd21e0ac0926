//! The validator service: proposes at the start of a slot and attests a quarter into it.
//!
//! Any number of validators per node. It reads the chain, never writes it: what it builds goes to the
//! chain service and to the network. Its keys sign only what the signing record grants.
//!
//! # Example
//!
//! A validator's vote, a quarter into slot 1, on its way to the network:
//!
//! ```
//! # use std::time::Duration;
//! # use quartet_keystore::{KeyRequest, NewKey, generate, keystore_file_name, load_signer, record::SigningRecord};
//! # use quartet_types::{PublicKey, State};
//! # use quartet_xmss::Scheme;
//! use quartet_chain::{
//!     ChainMessage, ChainWriter, EventBus, LeanChain, NetworkMessage, SyncState, chain_channel,
//!     network_channel,
//! };
//! use quartet_clock::Clock;
//! use quartet_processor::Processor;
//! use quartet_validator::{
//!     Signers, ValidatorService, ValidatorServiceConfig, ValidatorServiceParts,
//! };
//! use tokio_util::sync::CancellationToken;
//!
//! # let directory = tempfile::tempdir()?;
//! # let new = NewKey { scheme: Scheme::Test, activation_epoch: 0, active_epochs: 32, passphrase: None, public_test_key: true };
//! # let public_key = generate(&directory.path().join(keystore_file_name(0)), &new, &|_| ())?;
//! # let record = SigningRecord::open(&directory.path().join("signing-record"))?;
//! # let request = KeyRequest { index: 0, public_key, file: None };
//! # let signer = load_signer(directory.path(), &request, None, &record, &|_| ())?;
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
//! # runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), async {
//! // Of two validators, the first is ours; `signer` has its key. The other one proposes in slot 1.
//! let genesis = State::genesis(1_000, &[*signer.public_key(), PublicKey::default()])?;
//! let mut chain = LeanChain::from_genesis(genesis);
//! chain.set_sync_state(SyncState::Synced);
//! let (chain_service, mut inbox) = chain_channel();
//! let (network, mut to_network) = network_channel();
//! let parts = ValidatorServiceParts {
//!     chain: ChainWriter::new(chain).reader(),
//!     chain_service,
//!     network,
//!     signers: Signers::new([signer]),
//!     processor: Processor::inline(),
//!     clock: Clock::manual(1_000, Duration::from_secs(1_003)),
//!     events: EventBus::new(),
//! };
//! let service = ValidatorService::new(ValidatorServiceConfig::default(), parts);
//! let stop = CancellationToken::new();
//! let running = tokio::spawn(service.run(stop.clone()));
//!
//! let Some(ChainMessage::OwnAttestations { attestations, imported }) = inbox.next_message().await else {
//!     panic!("a vote is handed to the chain service");
//! };
//! assert_eq!((attestations[0].message.validator_id, attestations[0].message.data.slot), (0, 1));
//! // The chain service counts it; then, and only then, it is published.
//! imported.send(vec![Ok(())]).map_err(|_| "nobody waits for it")?;
//! let published = to_network.recv().await;
//! assert!(matches!(published, Some(NetworkMessage::PublishAttestations(votes)) if votes == attestations));
//! stop.cancel();
//! running.await??;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).await })??;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod attest;
mod doppelganger;
mod missing_source;
mod outcomes;
mod propose;
mod service;
mod signers;

pub use service::{
    ValidatorService, ValidatorServiceConfig, ValidatorServiceError, ValidatorServiceParts,
};
pub use signers::Signers;
