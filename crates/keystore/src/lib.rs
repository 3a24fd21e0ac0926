//! Key files of every accepted format, the signers made from them, and the signing record.
//!
//! A validator's key is found in a directory of keys ([`find_key`]), as our own keystore ([`Keystore`]) or
//! as leanSig writes it ([`ForeignFormat`]), and becomes a [`Signer`]. A signer asks the
//! [signing record](record) before each signature. Secrets are wiped from memory when dropped, and appear
//! in no log, error or `Debug`.

mod encryption;
mod error;
mod files;
mod foreign;
mod keystore;
mod load;
mod manage;
pub mod record;
mod signer;
mod trees;

pub use encryption::{EncryptionError, Passphrase};
pub use error::{KeyError, KeyFileProblem};
pub use foreign::ForeignFormat;
pub use keystore::Keystore;
pub use load::{KeyFormat, KeyRequest, find_key, keystore_file_name, load_signer, load_signers};
pub use manage::{KeyReport, NewKey, TreesReport, convert, export, generate, inspect, verify};
pub use signer::{SignError, Signer, SigningDuty, sign_many};
pub use trees::OnProgress;
