//! `quartet db`, as an operator and as a script see it.
#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
};

use quartet_config::GenesisConfig;
use quartet_state_transition::seal_block;
use quartet_storage::{Database, FILE_NAME, StoredBlock};
use quartet_types::{
    Attestation, AttestationData, Block, BlockBody, Checkpoint, PublicKey, Signature,
    SignedBlockWithAttestation, Slot, State,
};
use serde_json::Value;
use tempfile::{TempDir, tempdir};
use tree_hash::TreeHash as _;

const VALIDATORS: u64 = 4;

fn quartet(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quartet"))
        .arg("db")
        .args(arguments)
        .env_remove("QUARTET_DATA_DIR")
        .env_remove("QUARTET_GENESIS")
        .output()
        .unwrap()
}

fn success(arguments: &[&str]) -> String {
    let output = quartet(arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Exit code 1, and all that it says.
fn failure(arguments: &[&str]) -> String {
    let output = quartet(arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A node's data directory with a chain, and the genesis file beside it.
struct Node {
    directory: TempDir,
    slots: Slot,
}

impl Node {
    /// A chain of so many slots, a state in every fourth, all final, and an early abandoned block.
    fn new(slots: Slot) -> Self {
        let directory = tempdir().unwrap();
        let node = Self { directory, slots };
        let validators = (0..VALIDATORS).map(|i| PublicKey([i as u8; 52])).collect();
        let config = GenesisConfig {
            genesis_time: 7,
            slot_duration: quartet_types::SlotDuration::default(),
            log_active_epochs: None,
            validators,
        };
        config.write(&node.genesis()).unwrap();
        node.fill(&config.state().unwrap());
        node
    }

    fn fill(&self, genesis: &State) {
        let mut block = SignedBlockWithAttestation::default();
        block.message.block = Block::genesis(genesis);
        let start = block.block().checkpoint();
        let database = Database::open(&self.blocks(), start.root).unwrap();
        let first = stored(block, genesis.clone(), start, start, true);
        database.start_from(&first).unwrap();
        let mut parent = (start, genesis.clone());
        let mut chain = Vec::new();
        let fork = child(&parent.1, start, 3, 0, true);
        database.put(fork).unwrap();
        for slot in 1..=self.slots {
            let child = child(&parent.1, parent.0, slot, 2, true);
            let checkpoint = Checkpoint {
                root: child.root,
                slot,
            };
            parent = (checkpoint, (**child.state.as_ref().unwrap()).clone());
            let state = child.state.clone().filter(|_| slot % 4 == 0);
            database.put(StoredBlock { state, ..child }).unwrap();
            chain.push(checkpoint);
        }
        database.finalize(parent.0, &chain, self.slots).unwrap();
    }

    fn genesis(&self) -> PathBuf {
        self.directory.path().join("config.yaml")
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn blocks(&self) -> PathBuf {
        self.data().join("blocks")
    }

    fn info(&self) -> Value {
        info(&self.data())
    }
}

fn info(data: &Path) -> Value {
    let printed = success(&["info", "--json", "--data-dir", text(data)]);
    serde_json::from_str(&printed).unwrap()
}

fn child(
    state: &State,
    parent: Checkpoint,
    slot: Slot,
    voters: u64,
    with_state: bool,
) -> StoredBlock {
    let data = AttestationData {
        slot: slot - 1,
        head: parent,
        target: parent,
        source: Checkpoint::default(),
    };
    let votes: Vec<_> = (0..voters)
        .map(|validator_id| Attestation { validator_id, data })
        .collect();
    let block = Block {
        slot,
        proposer_index: slot % VALIDATORS,
        parent_root: parent.root,
        body: BlockBody {
            attestations: votes.try_into().unwrap(),
        },
        ..Block::default()
    };
    let (block, state) = seal_block(state, block).unwrap();
    let mut envelope = SignedBlockWithAttestation::default();
    envelope.message.proposer_attestation.validator_id = block.proposer_index;
    envelope.message.proposer_attestation.data.slot = slot;
    envelope.message.block = block;
    let signatures = vec![Signature::from([slot as u8; 3112]); voters as usize + 1];
    envelope.signature = signatures.try_into().unwrap();
    let (justified, finalized) = (state.highest_justified(), state.latest_finalized);
    stored(envelope, state, justified, finalized, with_state)
}

fn stored(
    block: SignedBlockWithAttestation,
    state: State,
    justified: Checkpoint,
    finalized: Checkpoint,
    with_state: bool,
) -> StoredBlock {
    StoredBlock {
        root: block.block().tree_hash_root(),
        block: Arc::new(block),
        justified,
        finalized,
        state: with_state.then(|| Arc::new(state)),
    }
}

#[test]
fn info_says_what_is_there() {
    let node = Node::new(10);
    let info = node.info();
    assert_eq!(info["format"], 2);
    assert_eq!(info["anchor"]["slot"], 8);
    assert_eq!(info["finalized"]["slot"], 10);
    assert_eq!(info["kept_from"], 0);
    assert_eq!(info["tables"]["entries"]["rows"], 12);
    assert_eq!(info["tables"]["canonical"]["rows"], 11);
    assert!(info["tables"]["signatures"]["bytes"].as_u64().unwrap() > 90_000);
    assert!(info["file_bytes"].as_u64().unwrap() > 100_000);
    let printed = success(&["info", "--data-dir", text(&node.data())]);
    for what in [
        "anchor       slot 8",
        "finalized    slot 10",
        "oldest kept  slot 0",
        "signatures",
    ] {
        assert!(printed.contains(what), "{what:?} is not in {printed}");
    }
}

#[test]
fn a_sound_database_passes_and_a_damaged_one_is_named() {
    let node = Node::new(10);
    let data = node.data();
    let printed = success(&["verify", "--data-dir", text(&data)]);
    assert!(printed.starts_with("0 problems in 12 blocks"), "{printed}");

    let canonical = redb::TableDefinition::<u64, &[u8]>::new("canonical");
    let file = redb::Database::create(node.blocks().join(FILE_NAME)).unwrap();
    let transaction = file.begin_write().unwrap();
    transaction
        .open_table(canonical)
        .unwrap()
        .insert(5, &[1; 40][..])
        .unwrap();
    transaction.commit().unwrap();
    drop(file);
    let said = failure(&["verify", "--data-dir", text(&data)]);
    assert!(
        said.contains("record 5 of table canonical: its checksum is wrong"),
        "{said}"
    );

    let path = node.blocks().join(FILE_NAME);
    fs::write(&path, "no database").unwrap();
    let said = failure(&["verify", "--data-dir", text(&data)]);
    assert!(said.contains("damaged or not a database"), "{said}");
}

#[test]
fn every_command_says_when_there_is_no_database_or_a_node_has_it() {
    let node = Node::new(4);
    let data = node.data();
    let file = node.directory.path().join("snapshot");
    let commands: [&[&str]; 5] = [
        &["info"],
        &["verify"],
        &["prune", "--retain", "all"],
        &["compact"],
        &["export", text(&file)],
    ];
    let network = node.info()["network"].as_str().unwrap().parse().unwrap();
    let open = Database::open(&node.blocks(), network).unwrap();
    for command in commands {
        let said = failure(&[command, &["--data-dir", text(&data)]].concat());
        assert!(
            said.contains("in use by another process: stop that one"),
            "{said}"
        );
        let nowhere = node.directory.path().join("nowhere");
        let said = failure(&[command, &["--data-dir", text(&nowhere)]].concat());
        assert!(said.contains("there is no database"), "{said}");
        assert!(!nowhere.exists(), "{command:?} made it");
    }
    drop(open);
}

#[test]
fn pruning_deletes_what_is_old_and_compacting_gives_it_back() {
    let node = Node::new(600);
    let data = node.data();
    let wrong = quartet(&["prune", "--retain", "some", "--data-dir", text(&data)]);
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert!(
        said.contains("expected all, none, or a number of slots"),
        "{said}"
    );
    let all = success(&["prune", "--retain", "all", "--data-dir", text(&data)]);
    // Below slot 600, the states of slots 0, 256 and 512 stay.
    assert!(all.starts_with("deleted 0 blocks and 148 states"), "{all}");
    let some = success(&["prune", "--retain", "90", "--data-dir", text(&data)]);
    assert!(
        some.starts_with("deleted 511 blocks and 2 states"),
        "{some}"
    );
    assert_eq!(node.info()["kept_from"], 510);
    let before = fs::metadata(node.blocks().join(FILE_NAME)).unwrap().len();
    let said = success(&["compact", "--data-dir", text(&data)]);
    let after = fs::metadata(node.blocks().join(FILE_NAME)).unwrap().len();
    assert_eq!(
        said.trim(),
        format!("{before} bytes before, {after} bytes after")
    );
    assert!(after < before / 2, "{said}");
    success(&["verify", "--data-dir", text(&data)]);
}

#[test]
fn a_snapshot_starts_another_node_and_nothing_else_is_taken() {
    let node = Node::new(10);
    let directory = tempdir().unwrap();
    let file = directory.path().join("snapshot");
    let other = directory.path().join("other");
    let said = success(&["export", text(&file), "--data-dir", text(&node.data())]);
    assert!(
        said.contains("9 finalized blocks, from slot 0 to 8"),
        "{said}"
    );

    let genesis = node.genesis();
    let data = ["--data-dir", text(&other)];
    let import = [
        &["import", text(&file), "--genesis", text(&genesis)][..],
        &data,
    ]
    .concat();
    let said = success(&import);
    assert!(said.contains("imported 9 finalized blocks"), "{said}");
    success(&[&["verify"][..], &data].concat());
    let info = info(&other);
    assert_eq!(info["anchor"]["slot"], 8);
    assert_eq!(info["kept_from"], 0);
    assert_eq!(info["network"], node.info()["network"]);
    let said = failure(&import);
    assert!(said.contains("there is a database already"), "{said}");
    fs::remove_dir_all(&other).unwrap();

    // Of another network.
    let foreign = directory.path().join("config.yaml");
    let config = fs::read_to_string(&genesis).unwrap();
    fs::write(
        &foreign,
        config.replace("GENESIS_TIME: 7", "GENESIS_TIME: 8"),
    )
    .unwrap();
    let said = failure(
        &[
            &["import", text(&file), "--genesis", text(&foreign)][..],
            &data,
        ]
        .concat(),
    );
    assert!(said.contains("of the network with genesis root"), "{said}");

    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let said = failure(&import);
    assert!(said.contains("is not to be used"), "{said}");
    assert!(!other.join("blocks").exists());
}
