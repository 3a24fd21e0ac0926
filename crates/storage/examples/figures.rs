//! What the database costs: run with `cargo run --release -p quartet-storage --example figures [DIRECTORY]`.
//!
//! The chains are invented: storage does not look into what it keeps.

#![allow(clippy::disallowed_methods, reason = "it measures")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

use std::{path::Path, sync::Arc, time::Instant};

use quartet_storage::{Database, Entry, FILE_NAME, Retention, StoredBlock, snapshot, verify};
use quartet_types::{
    Attestation, AttestationData, Block, BlockHeader, Checkpoint, JustificationRoots, PublicKey,
    Root, Signature, SignedBlockWithAttestation, Slot, State, proposer_index,
};
use tree_hash::TreeHash as _;

const VALIDATORS: u64 = 64;
const SLOTS: Slot = 100_000;
/// Blocks of full size.
const FULL: Slot = 3_000;

fn main() {
    let given = std::env::args().nth(1);
    let temporary = tempfile::tempdir().unwrap();
    let directory = given.map_or(temporary.path().to_owned(), Into::into);
    in_memory();
    full_blocks(&directory.join("full"));
    long_chain(&directory.join("long"));
}

fn timed<T>(what: &str, operation: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = operation();
    println!("{what}: {:.2} ms", begun.elapsed().as_secs_f64() * 1e3);
    result
}

fn genesis() -> (StoredBlock, State) {
    let keys: Vec<_> = (0..VALIDATORS).map(|i| PublicKey([i as u8; 52])).collect();
    let state = State::genesis(7, &keys).unwrap();
    let mut block = SignedBlockWithAttestation::default();
    block.message.block = Block::genesis(&state);
    let checkpoint = block.block().checkpoint();
    let stored = StoredBlock {
        root: checkpoint.root,
        block: block.into(),
        justified: checkpoint,
        finalized: checkpoint,
        state: Some(state.clone().into()),
    };
    (stored, state)
}

/// A block on `parent` with so many votes, all of one kind.
fn block(slot: Slot, parent: Checkpoint, votes: u64) -> SignedBlockWithAttestation {
    let data = AttestationData {
        slot: slot - 1,
        head: parent,
        target: parent,
        source: Checkpoint::default(),
    };
    let mut envelope = SignedBlockWithAttestation::default();
    let block = &mut envelope.message.block;
    block.slot = slot;
    block.proposer_index = proposer_index(slot, VALIDATORS).unwrap();
    block.parent_root = parent.root;
    let votes: Vec<_> = (0..votes)
        .map(|validator_id| Attestation { validator_id, data })
        .collect();
    let signatures = (0..=votes.len()).map(|i| Signature::from([slot as u8 ^ i as u8; 3112]));
    envelope.signature = signatures.collect::<Vec<_>>().try_into().unwrap();
    block.body.attestations = votes.try_into().unwrap();
    envelope
}

fn stored(block: SignedBlockWithAttestation, start: Checkpoint) -> StoredBlock {
    StoredBlock {
        root: block.block().tree_hash_root(),
        block: block.into(),
        justified: start,
        finalized: start,
        state: None,
    }
}

/// What simulations and tests pay.
fn in_memory() {
    let (first, _) = genesis();
    let start = first.justified;
    let begun = Instant::now();
    let databases: Vec<_> = (0..20)
        .map(|_| {
            let database = Database::in_memory(first.root).unwrap();
            database.start_from(&first).unwrap();
            database
        })
        .collect();
    let each = begun.elapsed().as_secs_f64() * 1e3 / 20.0;
    println!("in memory, make and start: {each:.2} ms");
    let mut parent = start;
    let begun = Instant::now();
    for slot in 1..=500 {
        let block = stored(block(slot, parent, 4), start);
        parent = Checkpoint {
            root: block.root,
            slot,
        };
        databases[0].put(block).unwrap();
        databases[0].finalize(parent, &[parent], slot).unwrap();
        databases[0].prune().unwrap();
    }
    let each = begun.elapsed().as_secs_f64() * 1e3 / 500.0;
    println!("in memory, put, finalize and prune a block: {each:.2} ms");
}

/// Blocks with 32 votes of 64 validators.
fn full_blocks(directory: &Path) {
    let (first, _) = genesis();
    let start = Checkpoint {
        root: first.root,
        slot: 0,
    };
    let database = Database::open(directory, first.root).unwrap();
    database.start_from(&first).unwrap();
    let mut parent = start;
    let mut chain = Vec::new();
    let mut spent = 0.0;
    for slot in 1..=FULL {
        let mut block = block(slot, parent, 32);
        let state = (slot == FULL).then(|| Arc::new(seal(&mut block, &chain)));
        let mut block = stored(block, start);
        block.state = state;
        parent = Checkpoint {
            root: block.root,
            slot,
        };
        chain.push(parent);
        let begun = Instant::now();
        database.put(block).unwrap();
        spent += begun.elapsed().as_secs_f64();
    }
    database.flush().unwrap();
    println!(
        "put, 32 votes of 64 validators: {:.0} blocks/s",
        FULL as f64 / spent
    );
    let info = database.info().unwrap();
    for table in &info.tables {
        let each = table.bytes as f64 / FULL as f64;
        println!("  {}: {each:.0} bytes a block", table.name);
    }
    println!("  file: {} bytes a block", info.file_bytes / FULL);
    let middle = chain[FULL as usize / 2].root;
    timed("get, one block", || database.get(middle).unwrap().unwrap());
    timed("message, one block", || {
        database.message(middle).unwrap().unwrap()
    });
    drop(database);
    let database = timed("open, 0.3 GB", || {
        Database::open(directory, first.root).unwrap()
    });
    database.finalize(parent, &chain, FULL).unwrap();
    export(database, directory);
    let database = Database::open(directory, first.root).unwrap();
    let database = database.with_retention(Retention::None);
    let (mut calls, mut longest) = (0, 0.0_f64);
    let begun = Instant::now();
    loop {
        let one = Instant::now();
        let more = database.prune().unwrap().more;
        longest = longest.max(one.elapsed().as_secs_f64());
        calls += 1;
        if !more {
            break;
        }
    }
    let all = begun.elapsed().as_secs_f64();
    println!("prune of {FULL} blocks: {all:.2} s, {calls} calls, the longest {longest:.3} s");
    let mut database = database;
    let compacted = timed("compact", || database.compact().unwrap());
    println!("  {} to {} bytes", compacted.before, compacted.after);
}

/// An invented state after a block on `chain`, which is given the state's root.
fn seal(envelope: &mut SignedBlockWithAttestation, chain: &[Checkpoint]) -> State {
    let (first, mut state) = genesis();
    state.historical_block_hashes.push(first.root).unwrap();
    state.justified_slots.push(true).unwrap();
    for block in chain {
        state.historical_block_hashes.push(block.root).unwrap();
        state.justified_slots.push(false).unwrap();
    }
    // Without finality, targets lie ever further apart: some 2·√slots of them.
    let targets = 2 * (chain.len() as f64).sqrt() as usize;
    let roots = (0..targets).map(|i| state.historical_block_hashes.get(i * i / 8).copied());
    let roots: Vec<Root> = roots.flatten().collect();
    for bit in 0..roots.len() * VALIDATORS as usize {
        state.justifications_validators.push(bit % 2 == 0).unwrap();
    }
    state.justifications_roots = JustificationRoots::try_from_iter(roots).unwrap();
    let block = &mut envelope.message.block;
    state.slot = block.slot;
    state.latest_block_header = BlockHeader {
        state_root: Root::ZERO,
        ..block.header()
    };
    block.state_root = state.tree_hash_root();
    state
}

/// 100,000 blocks without votes.
fn long_chain(directory: &Path) {
    let (first, _) = genesis();
    let start = Checkpoint {
        root: first.root,
        slot: 0,
    };
    let database = Database::open(directory, first.root).unwrap();
    database.start_from(&first).unwrap();
    let mut parent = start;
    let (mut chain, mut states) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    for slot in 1..=SLOTS {
        let mut block = block(slot, parent, 0);
        block.signature = vec![].try_into().unwrap();
        if slot + 1 >= SLOTS {
            states.push(Arc::new(seal(&mut block, &chain)));
        }
        let mut block = stored(block, start);
        block.state = (slot + 1 >= SLOTS)
            .then(|| states.last().cloned())
            .flatten();
        parent = Checkpoint {
            root: block.root,
            slot,
        };
        chain.push(parent);
        database.put(block).unwrap();
    }
    database.flush().unwrap();
    let rate = SLOTS as f64 / begun.elapsed().as_secs_f64();
    println!("put, no votes, no signatures: {rate:.0} blocks/s");
    let info = database.info().unwrap();
    let table = info
        .tables
        .iter()
        .find(|table| table.name == "states")
        .unwrap();
    println!(
        "a state after 100,000 slots without finality, {} targets: {} bytes in the table of {}",
        states[1].justifications_roots.len(),
        table.bytes / table.rows,
        table.rows
    );
    let killed = directory.join("killed");
    std::fs::create_dir_all(&killed).unwrap();
    std::fs::copy(directory.join(FILE_NAME), killed.join(FILE_NAME)).unwrap();
    drop(database);

    timed("open, as a killed process left it", || {
        Database::open(&killed, first.root).unwrap()
    });
    let open = || Database::open(directory, first.root).unwrap();
    let database = timed("open, 100,000 entries", open);
    println!("  {} bytes", database.file_bytes());
    let entries = timed("all entries, in pages of 1,024", || all_entries(&database));
    assert_eq!(entries.len() as u64, SLOTS + 1);
    timed("votes", || database.votes().unwrap());
    rebuild(&database, parent, &states, "entries");
    timed("finalize 100,000 at once", || {
        database.finalize(parent, &chain, SLOTS).unwrap()
    });
    rebuild(&database, parent, &states, "the finalized chain");
    let mut calls = 0;
    timed("prune, retaining 1,000 slots", || {
        let database = &database;
        loop {
            calls += 1;
            if !database.prune().unwrap().more {
                break;
            }
        }
    });
    println!("  {calls} calls");
    let mut checkpoint = stored(block(1, start, 0), parent);
    checkpoint.root = parent.root;
    checkpoint.block = database.get(parent.root).unwrap().unwrap().into();
    checkpoint.state = Some(states[1].clone());
    let other = Database::open(&directory.join("other"), first.root).unwrap();
    timed("start from a checkpoint of 100,000 slots", || {
        other.start_from(&checkpoint).unwrap()
    });
    drop(other);
    let other = timed("open it, checked from end to end", || {
        Database::open(&directory.join("other"), first.root).unwrap()
    });
    println!("  {} bytes", other.file_bytes());
    export(database, directory);
}

fn export(database: Database, directory: &Path) {
    let path = directory.join("snapshot");
    let summary = timed("export", || snapshot::write(&database, &path).unwrap());
    println!("  {} blocks, {} bytes", summary.blocks, summary.bytes);
    drop(database);
    let done = timed("verify", || {
        verify(directory, &mut |what| {
            println!("  {}", &what[..what.len().min(120)])
        })
        .unwrap()
    });
    println!("  {done:?}");
}

fn rebuild(database: &Database, last: Checkpoint, states: &[Arc<State>], from: &str) {
    let alone = timed(&format!("rebuild a state from {from}"), || {
        database.state(last.root, None).unwrap().unwrap()
    });
    assert_eq!(alone, *states[1]);
    let near = timed("  with the help of its parent's", || {
        database
            .state(last.root, Some(&states[0]))
            .unwrap()
            .unwrap()
    });
    assert_eq!(near, *states[1]);
}

fn all_entries(database: &Database) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    let mut last = (0, Root::ZERO);
    loop {
        let page = database.entries_after(last, 1024).unwrap();
        let Some(end) = page.last() else {
            return all;
        };
        last = (end.slot, end.root);
        all.extend(page);
    }
}
