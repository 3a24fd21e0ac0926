//! The database: its file with bytes changed, and its rows with anything in them.

use std::panic;

use quartet_storage::{Database, DatabaseError};
use quartet_types::{Root, Slot};
use redb::{ReadableTable as _, TableDefinition};
use sha2::{Digest as _, Sha256};

use crate::{
    input::Input,
    stored::{Disk, Stored, stored},
};

type Rows<K> = TableDefinition<'static, K, &'static [u8]>;

const CHECKSUM_BYTES: usize = 8;
const BY_BLOCK: [&str; 3] = ["entries", "blocks", "states"];
const BY_NUMBER: [&str; 3] = ["canonical", "votes", "finality"];

/// Whatever the file holds, every question has an answer or an error that says so, and every block that is returned is the one
/// that was asked for.
pub fn run(data: &[u8]) {
    let stored = stored();
    let mut input = Input::new(data);
    let disk = Disk::of(stored.image.clone());
    if input.flag() {
        change_rows(&disk, &mut input)
    } else {
        let mut image = disk.image();
        change_bytes(&mut image, &mut input);
        // redb panics on some damaged pages, and the database takes that for damage. libFuzzer's hook would not let it.
        panic::set_hook(Box::new(|_| ()));
        let _ = ask(Disk::of(image), stored);
        return;
    }
    let _ = ask(disk, stored);
}

fn change_bytes(image: &mut Vec<u8>, input: &mut Input<'_>) {
    if input.below(8) == 0 {
        let length = input.number() as usize % (image.len() + 1);
        image.truncate(length);
    }
    while !input.is_empty() && !image.is_empty() {
        let at = u32::from_le_bytes(input.array()) as usize % image.len();
        let length = 1 + input.below(16);
        for (to, from) in image[at..].iter_mut().zip(input.take(length)) {
            *to = *from;
        }
    }
}

fn change_rows(disk: &Disk, input: &mut Input<'_>) {
    let redb = redb::Builder::new()
        .create_with_backend(disk.clone())
        .unwrap();
    let roots = &stored().roots;
    while !input.is_empty() {
        let root = match input.below(roots.len() + 1) {
            at if at < roots.len() => roots[at],
            _ => Root::repeat_byte(7),
        };
        let number = input.any_size();
        let transaction = redb.begin_write().unwrap();
        match input.below(4) {
            0 => {
                let table: TableDefinition<'_, &[u8; 32], Slot> = TableDefinition::new("slots");
                transaction
                    .open_table(table)
                    .unwrap()
                    .insert(&root.0, number)
                    .unwrap();
            }
            1 => {
                let name = BY_NUMBER[input.below(3)];
                let table: Rows<u64> = TableDefinition::new(name);
                let mut table = transaction.open_table(table).unwrap();
                let before = table.get(number).unwrap().map(|row| row.value().to_vec());
                let row = row(name, number, Root::ZERO, before, input);
                table.insert(number, row.as_slice()).unwrap();
            }
            _ => {
                let name = BY_BLOCK[input.below(3)];
                let table: Rows<(Slot, &[u8; 32])> = TableDefinition::new(name);
                let mut table = transaction.open_table(table).unwrap();
                let slot = number % 16;
                let before = table
                    .get((slot, &root.0))
                    .unwrap()
                    .map(|row| row.value().to_vec());
                let row = row(name, slot, root, before, input);
                table.insert((slot, &root.0), row.as_slice()).unwrap();
            }
        }
        transaction.commit().unwrap();
    }
}

/// A row with a checksum that is right, most often.
fn row(
    name: &str,
    number: u64,
    root: Root,
    before: Option<Vec<u8>>,
    input: &mut Input<'_>,
) -> Vec<u8> {
    let mut payload = before.map_or_else(Vec::new, |row| {
        row[CHECKSUM_BYTES.min(row.len())..].to_vec()
    });
    match input.below(4) {
        0 => payload = input.piece().to_vec(),
        1 => {
            let length = input.below(256) % (payload.len() + 1);
            payload.truncate(length);
        }
        _ if payload.is_empty() => {}
        _ => {
            let at = usize::from(u16::from_le_bytes(input.array())) % payload.len();
            for (to, from) in payload[at..].iter_mut().zip(input.take(8)) {
                *to = *from;
            }
        }
    }
    let hash = Sha256::new_with_prefix(name).chain_update(number.to_le_bytes());
    let hash = hash.chain_update(root).chain_update(&payload).finalize();
    let mut row = hash[..CHECKSUM_BYTES].to_vec();
    row.extend(payload);
    if input.below(16) == 0 {
        row[0] ^= 1;
    }
    row
}

/// Every question there is.
fn ask(disk: Disk, stored: &Stored) -> Result<(), DatabaseError> {
    let database = Database::with_backend("(fuzz)", disk, stored.network)?;
    let _ = (database.info(), database.slot_duration(), database.votes());
    let _ = (database.kept_from(), database.missing_blocks(None, 64));
    let mut after = (0, Root::ZERO);
    while let Ok(entries) = database.entries_after(after, 5) {
        let Some(last) = entries.last() else { break };
        let next = (last.slot, last.root);
        assert!(next > after, "{next:?} comes after {after:?}");
        after = next;
    }
    for slot in 0..20 {
        let _ = (database.canonical_root(slot), database.canonical(slot, 9));
        let _ = (
            database.finality(slot, 9),
            database.state_at_or_before(slot),
        );
    }
    for root in &stored.roots {
        if let Ok(Some(block)) = database.get(*root) {
            assert_eq!(database.message(*root)?.as_ref(), Some(&block.message));
        }
        let _ = (
            database.entry(*root),
            database.slot(*root),
            database.contains(*root),
        );
        let _ = (
            database.state(*root, None),
            database.state(*root, Some(&stored.genesis)),
        );
    }
    let _ = (database.finalized(), database.anchor());
    for _ in 0..4 {
        if !database.prune()?.more {
            break;
        }
    }
    let _ = database.extend_kept();
    database.flush()
}
