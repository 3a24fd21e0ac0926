//! A process that stores, finalizes, prunes and takes snapshots at full speed is killed at random instants.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use quartet_storage::{Retention, snapshot, verify};
use quartet_types::Slot;
use tempfile::tempdir;

use crate::support::{Made, VALIDATORS, network, open};

/// Where the victim works.
const DIRECTORY: &str = "QUARTET_STORAGE_VICTIM";
/// How often it is killed, and with which seed.
const ROUNDS: &str = "QUARTET_STORAGE_KILLS";

/// Not a test: what the killed process does. Says what is durable, as a finalized slot a line.
#[test]
#[ignore = "it runs until it is killed"]
fn victim() {
    let Ok(directory) = env::var(DIRECTORY) else {
        return;
    };
    let directory = Path::new(&directory);
    let database = open(&directory.join("blocks")).with_retention(Retention::Slots(1200));
    let genesis = Made::genesis();
    database.start_from(&genesis.stored(true)).unwrap();
    let anchor = database.anchor().unwrap().unwrap();
    let mut last = match anchor.slot {
        0 => genesis,
        _ => Made {
            root: anchor.root,
            block: database.get(anchor.root).unwrap().unwrap().into(),
            state: database.state(anchor.root, None).unwrap().unwrap().into(),
        },
    };
    loop {
        let mut chain: Vec<Made> = Vec::new();
        for index in 0..23 {
            // By the slot, so that the same chain is made again after a kill.
            let voters = if last.slot() % 8 == 0 { VALIDATORS } else { 0 };
            let next = last.child(last.slot() + 1, voters);
            let fork = last.child(last.slot() + 2, 1);
            database
                .put(next.stored(next.slot().is_multiple_of(9)))
                .unwrap();
            database.put(fork.stored(index == 5)).unwrap();
            chain.push(next.clone());
            last = next;
        }
        let finalized = database.finalized().unwrap().unwrap();
        let new: Vec<_> = chain.iter().map(Made::checkpoint).collect();
        let new: Vec<_> = new
            .into_iter()
            .filter(|at| at.slot > finalized.slot)
            .collect();
        database
            .finalize(last.checkpoint(), &new, last.slot())
            .unwrap();
        println!("durable {}", last.slot());
        std::io::stdout().flush().unwrap();
        while database.prune().unwrap().more {}
        if last.slot() % 3 == 0 {
            let anchor = database.anchor().unwrap().unwrap();
            let path = directory.join(snapshot::file_name(anchor));
            snapshot::write(&database, &path).unwrap();
            snapshot::keep_newest(directory, 2).unwrap();
        }
    }
}

/// Runs the victim for a while, kills it, and returns the last slot that it said was durable.
fn kill_after(directory: &Path, pause: Duration) -> Slot {
    let mut victim = Command::new(env::current_exe().unwrap())
        .args(["--exact", "kills::victim", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(victim.stdout.take().unwrap());
    let reader = thread::spawn(move || {
        let slots = output.lines().map_while(Result::ok).filter_map(|line| {
            let (_, slot) = line.split_once("durable ")?;
            slot.trim().parse::<Slot>().ok()
        });
        slots.last().unwrap_or(0)
    });
    thread::sleep(pause);
    assert!(victim.try_wait().unwrap().is_none(), "it ended by itself");
    victim.kill().unwrap();
    victim.wait().unwrap();
    reader.join().unwrap()
}

/// Also with `QUARTET_STORAGE_KILLS=200`, or `200,SEED`.
#[test]
fn what_was_durable_is_there_however_often_the_process_is_killed() {
    let given = env::var(ROUNDS).unwrap_or_default();
    let (rounds, seed) = given.split_once(',').unwrap_or((&given, ""));
    let rounds = rounds.parse().unwrap_or(12);
    let mut luck: u64 = seed.parse().unwrap_or_else(|_| std::process::id().into());
    println!("seed {luck}");
    let directory = tempdir().unwrap();
    let blocks = directory.path().join("blocks");
    let mut durable = 0;
    for round in 0..rounds {
        luck = luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let pause = Duration::from_millis(5 + (luck >> 33) % 300);
        durable = durable.max(kill_after(directory.path(), pause));
        if !blocks.exists() {
            continue;
        }
        let mut problems = Vec::new();
        match verify(&blocks, &mut |what| problems.push(what.to_owned())) {
            Ok(_) => assert_eq!(problems, [""; 0], "round {round}"),
            // Killed before the file was made, or before it was a database.
            Err(error) => assert_eq!(durable, 0, "round {round}: {error}"),
        }
        let database = open(&blocks);
        let finalized = database.finalized().unwrap().map_or(0, |at| at.slot);
        assert!(
            finalized >= durable,
            "round {round}: {durable} was lost, there is {finalized}"
        );
        for name in std::fs::read_dir(directory.path()).unwrap() {
            let path = name.unwrap().path();
            if path.extension().is_some_and(|end| end == "quartet") {
                snapshot::verify(&path, Some(network())).unwrap();
            }
        }
    }
    assert!(durable > 0 || rounds < 5, "it never got anywhere");
}
