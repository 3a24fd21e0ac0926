//! A network of several clients: what each did, and whether it did enough.

mod records;
mod report;
mod tally;

pub(super) use records::Records;
pub(super) use report::{Ended, LateTally, Mixed};
pub(super) use tally::ClientTally;
