//! Key files of every accepted format, the signers made from them, and the signing record.
//!
//! A validator's key is found in a directory of keys ([`find_key`]), as our own keystore ([`Keystore`]) or as leanSig
//! writes it ([`ForeignFormat`]), and becomes a [`Signer`]. A signer asks the [signing record](record) before each
//! signature, and the key's high-water mark is raised. Secrets are wiped from memory when dropped, and appear in no
//! log, error or `Debug`.
//!
//! # Where to begin
//!
//! [`Signer::sign`] is where everything comes together, in this order: the key's high-water mark is raised, the
//! [signing record](record) grants the epoch, both durably, and only then the key signs. What is refused, and why, is
//! [`record::Refusal`]. How a file becomes a signer is in [`load_signer_with`]; what operators do with files (`manage`,
//! `marked`) signs nothing.
//!
//! | file | holds | format |
//! | --- | --- | --- |
//! | `validator_N.yaml` | the secret, encrypted or not, and what it is for | [`Keystore`] |
//! | `validator_N.trees` | what is prepared of the key's trees: a cache | `trees` |
//! | `validator_N.mark` | the epoch below which the key may have signed | `mark` |
//! | `signing-record` | what each key has signed in its last epochs | [`record`] |
//!
//! # Example
//!
//! A key is made, loaded, and signs; a second message for the same epoch is refused, since two signatures would reveal
//! the key:
//!
//! ```
//! use quartet_keystore::{
//!     KeyRequest, NewKey, SignError, generate, keystore_file_name, load_signer,
//!     record::{Refusal, SigningRecord},
//! };
//! use quartet_types::Root;
//! use quartet_xmss::Scheme;
//!
//! let directory = tempfile::tempdir()?;
//! let directory = directory.path();
//! let new = NewKey {
//!     scheme: Scheme::Test,
//!     activation_epoch: 0,
//!     active_epochs: 32,
//!     passphrase: None,
//!     public_test_key: false,
//! };
//! let public_key = generate(&directory.join(keystore_file_name(0)), &new, &|_| ())?;
//!
//! let record = SigningRecord::open(&directory.join("signing-record"))?;
//! let request = KeyRequest { index: 0, public_key, file: None };
//! let signer = load_signer(directory, &request, None, &record, &|_| ())?;
//!
//! let (epoch, message, another) = (7, Root::repeat_byte(1), Root::repeat_byte(2));
//! let signature = signer.sign(epoch, message)?;
//! // The same message has the same signature, so that one can be asked for again.
//! assert_eq!(signer.sign(epoch, message)?, signature);
//! let refused = signer.sign(epoch, another);
//! assert!(matches!(refused, Err(SignError::Refused(Refusal::AnotherMessage { .. }))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod convert;
mod encryption;
mod error;
mod files;
mod foreign;
mod format;
mod guard;
mod keystore;
mod load;
mod locks;
mod manage;
mod mark;
mod marked;
pub mod record;
mod signer;
mod throwaway;
mod trees;

pub use convert::{KeyConversion, KeyExport, convert, export};
pub use encryption::{EncryptionError, Passphrase};
pub use error::{KeyError, KeyFileProblem};
pub use foreign::ForeignFormat;
pub use format::KeyFormat;
pub use guard::Marks;
pub use keystore::Keystore;
pub use load::{KeyRequest, Loading, find_key, keystore_file_name, load_signer, load_signer_with};
pub use locks::MachineLocks;
pub use manage::{KeyReport, NewKey, TreesReport, generate, inspect, set_mark, verify};
pub use mark::MarkError;
pub use marked::{MarkReport, copy_mark};
pub use signer::{SignError, Signer, SigningDuty, reserve, sign_many};
pub use throwaway::read_throwaway;
pub use trees::OnProgress;
