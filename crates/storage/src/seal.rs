//! The checksum in front of every record.
//!
//! The database's own checksums are only looked at after a crash and when a small file is opened; this one makes sure
//! that nothing is ever returned with a flipped bit, signatures included. It covers the key of the record, too, so that
//! a record with a damaged key is not taken for another block's.

use ethereum_hashing::{Context, Sha256Context as _};
use quartet_types::{Root, Slot};
use ssz::Decode;

use crate::error::Failure;

/// Leading bytes of SHA-256 over place and record; against decay, not against an adversary.
pub(crate) const CHECKSUM_BYTES: usize = 8;

/// Where a record is: the table, and the key in it. What a table's key does not have is zero or empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    table: &'a str,
    number: u64,
    root: Root,
}

impl<'a> Place<'a> {
    pub(crate) fn block(table: &'a str, slot: Slot, root: Root) -> Self {
        Self {
            table,
            number: slot,
            root,
        }
    }

    pub(crate) fn number(table: &'a str, number: u64) -> Self {
        Self::block(table, number, Root::ZERO)
    }

    fn checksum(&self, payload: &[u8]) -> [u8; CHECKSUM_BYTES] {
        let mut hash = Context::new();
        hash.update(self.table.as_bytes());
        hash.update(&self.number.to_le_bytes());
        hash.update(&self.root[..]);
        hash.update(payload);
        let mut checksum = [0; CHECKSUM_BYTES];
        checksum.copy_from_slice(&hash.finalize()[..CHECKSUM_BYTES]);
        checksum
    }

    /// The record to store for a payload.
    pub(crate) fn seal(&self, payload: &[u8]) -> Vec<u8> {
        [&self.checksum(payload)[..], payload].concat()
    }

    /// The payload of a record.
    pub(crate) fn unseal<'r>(&self, record: &'r [u8]) -> Result<&'r [u8], Failure> {
        let (found, payload) = record
            .split_at_checked(CHECKSUM_BYTES)
            .ok_or_else(|| self.damaged("it has no checksum"))?;
        if found == self.checksum(payload) {
            Ok(payload)
        } else {
            Err(self.damaged("its checksum is wrong"))
        }
    }

    /// The value whose SSZ encoding is the payload of a record.
    pub(crate) fn decode<T: Decode>(&self, record: &[u8]) -> Result<T, Failure> {
        T::from_ssz_bytes(self.unseal(record)?)
            .map_err(|error| self.damaged(&format!("it cannot be decoded: {error:?}")))
    }

    pub(crate) fn damaged(&self, what: &str) -> Failure {
        let Self {
            table,
            number,
            root,
        } = self;
        let root = if root.is_zero() {
            String::new()
        } else {
            format!(" {root}")
        };
        Failure::Damaged(format!("record {number}{root} of table {table}: {what}"))
    }
}
