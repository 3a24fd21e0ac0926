//! A network of several clients: what each did, and whether that is well.

mod records;
mod tally;
mod verdict;

pub(super) use records::Records;
pub(super) use tally::ClientTally;
pub(super) use verdict::{Ended, LateTally, Mixed};
