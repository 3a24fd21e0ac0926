//! The tables and the encodings of their rows.

use quartet_types::{AttestationData, BlockSignatures, Checkpoint, Root, Slot, ValidatorIndex};
use redb::{ReadableTable, Table, TableDefinition, TableHandle as _};
use ssz::{Decode as _, Encode};
use ssz_derive::{Decode, Encode};

use crate::{error::Failure, seal::Place};

/// The format of the file. Raise it with every change of a table.
pub(crate) const FORMAT: u64 = 2;

/// Slot, then root: blocks in the order of their slots.
pub(crate) type Key = (Slot, &'static [u8; 32]);
pub(crate) type Definition<K> = TableDefinition<'static, K, &'static [u8]>;

pub(crate) const META: Definition<&str> = TableDefinition::new("meta");
pub(crate) const SLOTS: TableDefinition<'_, &[u8; 32], Slot> = TableDefinition::new("slots");
pub(crate) const ENTRIES: Definition<Key> = TableDefinition::new("entries");
pub(crate) const BLOCKS: Definition<Key> = TableDefinition::new("blocks");
pub(crate) const SIGNATURES: Definition<(Slot, &[u8; 32], u16)> =
    TableDefinition::new("signatures");
pub(crate) const STATES: Definition<Key> = TableDefinition::new("states");
pub(crate) const CANONICAL: Definition<Slot> = TableDefinition::new("canonical");
pub(crate) const VOTES: Definition<ValidatorIndex> = TableDefinition::new("votes");
pub(crate) const FINALITY: Definition<Slot> = TableDefinition::new("finality");

/// Bytes of one piece of a block's signatures. A value takes a power of two of pages of 4 KiB; pieces that fill four
/// pages leave little empty, where 100 kB in one value would take 128 KiB.
const PIECE_BYTES: usize = 16_256;

/// Names in [`META`]. `FORMAT` and `NETWORK` are bare, so that every version can read them.
pub(crate) mod meta {
    pub(crate) const FORMAT: &str = "format";
    pub(crate) const NETWORK: &str = "network";
    /// The block from which a start builds the tree.
    pub(crate) const ANCHOR: &str = "anchor";
    /// The last row of the finalized chain.
    pub(crate) const FINALIZED: &str = "finalized";
    /// From this slot on the finalized chain's blocks are kept.
    pub(crate) const KEPT: &str = "kept";
    /// Below this slot there is no block off the finalized chain.
    pub(crate) const SWEPT: &str = "swept";
    /// Below this slot states have been thinned out.
    pub(crate) const THINNED: &str = "thinned";
    /// Milliseconds of a slot, where they are not the usual ones.
    pub(crate) const SLOT_MS: &str = "slot_ms";
    /// What a state says of its network: genesis time and registry.
    pub(crate) const REGISTRY: &str = "registry";
}

/// A row of [`ENTRIES`].
#[derive(Clone, Copy, Debug, Encode, Decode)]
pub(crate) struct Links {
    pub(crate) parent_root: Root,
    pub(crate) justified: Checkpoint,
    pub(crate) finalized: Checkpoint,
}

/// A row of [`FINALITY`].
#[derive(Clone, Copy, Debug, Encode, Decode)]
pub(crate) struct Finalization {
    pub(crate) root: Root,
    pub(crate) at: Slot,
}

/// A row of a table whose key is slot and root.
pub(crate) fn keyed<T: ssz::Decode>(
    table: &impl ReadableTable<Key, &'static [u8]>,
    name: &str,
    slot: Slot,
    root: Root,
) -> Result<Option<T>, Failure> {
    let row = table.get((slot, &root.0))?;
    row.map(|row| Place::block(name, slot, root).decode(row.value()))
        .transpose()
}

pub(crate) fn put_keyed(
    table: &mut Table<'_, Key, &'static [u8]>,
    slot: Slot,
    root: Root,
    value: &impl Encode,
) -> Result<(), Failure> {
    let name = table.name().to_owned();
    let record = Place::block(&name, slot, root).seal(&value.as_ssz_bytes());
    table.insert((slot, &root.0), &record[..])?;
    Ok(())
}

/// A row of a table whose key is a number.
pub(crate) fn numbered<T: ssz::Decode>(
    table: &impl ReadableTable<u64, &'static [u8]>,
    name: &str,
    number: u64,
) -> Result<Option<T>, Failure> {
    let row = table.get(number)?;
    row.map(|row| Place::number(name, number).decode(row.value()))
        .transpose()
}

pub(crate) fn put_numbered(
    table: &mut Table<'_, u64, &'static [u8]>,
    number: u64,
    value: &impl Encode,
) -> Result<(), Failure> {
    let name = table.name().to_owned();
    let record = Place::number(&name, number).seal(&value.as_ssz_bytes());
    table.insert(number, &record[..])?;
    Ok(())
}

pub(crate) fn get_meta<T: ssz::Decode>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    name: &str,
) -> Result<Option<T>, Failure> {
    let row = table.get(name)?;
    row.map(|row| Place::number(name, 0).decode(row.value()))
        .transpose()
}

pub(crate) fn put_meta(
    table: &mut Table<'_, &'static str, &'static [u8]>,
    name: &str,
    value: &impl Encode,
) -> Result<(), Failure> {
    let record = Place::number(name, 0).seal(&value.as_ssz_bytes());
    table.insert(name, &record[..])?;
    Ok(())
}

/// The newest vote of `validator` in stored blocks.
pub(crate) fn vote(
    table: &impl ReadableTable<u64, &'static [u8]>,
    validator: ValidatorIndex,
) -> Result<Option<AttestationData>, Failure> {
    numbered(table, VOTES.name(), validator)
}

type SignatureKey = (Slot, &'static [u8; 32], u16);

pub(crate) fn put_signatures(
    table: &mut Table<'_, SignatureKey, &'static [u8]>,
    slot: Slot,
    root: Root,
    signatures: &BlockSignatures,
) -> Result<(), Failure> {
    let place = Place::block(SIGNATURES.name(), slot, root);
    let record = place.seal(&signatures.as_ssz_bytes());
    // At most 785 pieces: 4,096 signatures of 3,112 bytes.
    for (piece, bytes) in (0_u16..).zip(record.chunks(PIECE_BYTES)) {
        table.insert((slot, &root.0, piece), bytes)?;
    }
    Ok(())
}

pub(crate) fn signatures(
    table: &impl ReadableTable<SignatureKey, &'static [u8]>,
    slot: Slot,
    root: Root,
) -> Result<BlockSignatures, Failure> {
    let mut record = Vec::new();
    let pieces = (slot, &root.0, 0)..=(slot, &root.0, u16::MAX);
    for row in table.range::<(Slot, &[u8; 32], u16)>(pieces)? {
        record.extend_from_slice(row?.1.value());
    }
    let place = Place::block(SIGNATURES.name(), slot, root);
    let payload = place.unseal(&record)?;
    BlockSignatures::from_ssz_bytes(payload)
        .map_err(|error| place.damaged(&format!("they cannot be decoded: {error:?}")))
}
