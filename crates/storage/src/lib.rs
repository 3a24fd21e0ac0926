//! The embedded database that keeps blocks on disk.
//!
//! Knows blocks by root and by slot, and nothing of which of them matter: what to keep and what to
//! forget is the chain's to say. No consensus rules, no keys.

mod database;
mod error;
mod pending;
mod record;

pub use database::Database;
pub use error::DatabaseError;
