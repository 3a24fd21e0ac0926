//! Key files of every accepted format, the signers made from them, and the signing record.
//!
//! A validator's key is found in a directory of keys ([`find_key`]), as our own keystore ([`Keystore`]) or
//! as leanSig writes it ([`ForeignFormat`]), and becomes a [`Signer`]. A signer asks the
//! [signing record](record) before each signature, and the key's high-water mark is raised. Secrets are wiped from memory when dropped, and appear
//! in no log, error or `Debug`.

mod encryption;
mod error;
mod files;
mod foreign;
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

pub use encryption::{EncryptionError, Passphrase};
pub use error::{KeyError, KeyFileProblem};
pub use foreign::ForeignFormat;
pub use keystore::Keystore;
pub use load::{
    KeyFormat, KeyRequest, Loading, Marks, find_key, keystore_file_name, load_signer,
    load_signer_with, load_signers,
};
pub use locks::MachineLocks;
pub use manage::{KeyReport, NewKey, TreesReport, convert, export, generate, inspect, verify};
pub use mark::MarkError;
pub use marked::{MarkReport, copy_mark, set_mark};
pub use signer::{SignError, Signer, SigningDuty, reserve, sign_many};
pub use throwaway::read_throwaway;
pub use trees::OnProgress;
