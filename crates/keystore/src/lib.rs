//! Key files of every accepted format, the signers made from them, and the signing record.
//!
//! Secrets are wiped from memory when dropped, and appear in no log, error or `Debug`.

mod files;
pub mod record;
