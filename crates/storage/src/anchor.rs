//! The anchor: the newest finalized block that has a stored state.

use quartet_types::{Checkpoint, Root, Slot};
use redb::{TableHandle as _, WriteTransaction};

use crate::{
    error::Failure,
    tables::{CANONICAL, Key, META, STATES, get_meta, meta, numbered, put_meta},
};

/// Moves the anchor of a database that has started as far as there are states.
pub(crate) fn move_anchor(transaction: &WriteTransaction) -> Result<(), Failure> {
    let mut table = transaction.open_table(META)?;
    let anchor: Option<Checkpoint> = get_meta(&table, meta::ANCHOR)?;
    let finalized: Option<Checkpoint> = get_meta(&table, meta::FINALIZED)?;
    let Some((old, finalized)) = anchor.zip(finalized) else {
        return Ok(());
    };
    let states = transaction.open_table(STATES)?;
    let canonical = transaction.open_table(CANONICAL)?;
    match newest_state(&states, &canonical, old.slot, finalized.slot)? {
        Some(newest) if newest != old => put_meta(&mut table, meta::ANCHOR, &newest),
        _ => Ok(()),
    }
}

/// The newest block of the finalized chain in these slots that has a stored state.
pub(crate) fn newest_state(
    states: &impl redb::ReadableTable<Key, &'static [u8]>,
    canonical: &impl redb::ReadableTable<Slot, &'static [u8]>,
    first: Slot,
    last: Slot,
) -> Result<Option<Checkpoint>, Failure> {
    let keys = (first, &[0; 32])..=(last, &[0xff; 32]);
    for row in states.range::<(Slot, &[u8; 32])>(keys)?.rev() {
        let key = row?.0;
        let (slot, root) = key.value();
        let root = Root::from(root);
        if numbered(canonical, CANONICAL.name(), slot)? == Some(root) {
            return Ok(Some(Checkpoint { root, slot }));
        }
    }
    Ok(None)
}
