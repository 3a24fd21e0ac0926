//! The process of a node that imports, finalizes, prunes and takes snapshots at full speed is killed at random instants.

// Helpers outside of test functions may fail, too, and the victim talks to its killer on the standard output.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use quartet_simulation::stall::{Endless, Progress};
use quartet_storage::{Retention, snapshot, verify};
use quartet_types::Slot;
use tempfile::tempdir;

/// Where the victim works.
const DIRECTORY: &str = "QUARTET_VICTIM";
/// How often it is killed, and with which seed.
const LIVES: &str = "QUARTET_KILLS";
/// Lives where nothing is said.
const FEW: u32 = 10;
/// A start that takes longer does not end. Nothing here is longer than a few thousand slots.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most of a life, in milliseconds; some end before the node is up.
const LONGEST: u64 = 600;

fn endless(directory: &Path) -> Endless {
    Endless {
        directory: directory.to_owned(),
        validators: 8,
        retention: Retention::Slots(300),
    }
}

/// Not a test: what the killed process does. Says that it is up, and what is durable, as a finalized slot a line.
#[test]
#[ignore = "it runs until it is killed"]
fn victim() {
    let Ok(directory) = env::var(DIRECTORY) else {
        return;
    };
    let mut last = None;
    let ended = endless(&PathBuf::from(directory)).play(|Progress { finalized, .. }| {
        if last.replace(finalized) != Some(finalized) {
            println!("durable {}", finalized.slot);
            std::io::stdout().flush().unwrap();
        }
    });
    println!("ended {ended:?}");
}

fn victim_in(directory: &Path) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "victim", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Runs the victim for a while, kills it, and returns what it said was durable, in its order.
fn kill_after(directory: &Path, pause: Duration) -> Vec<Slot> {
    let mut victim = victim_in(directory);
    let output = BufReader::new(victim.stdout.take().unwrap());
    let reader = thread::spawn(move || {
        let mut slots = Vec::new();
        for line in output.lines().map_while(Result::ok) {
            assert!(!line.contains("ended"), "{line}");
            let slot = line.split_once("durable ");
            slots.extend(slot.and_then(|(_, slot)| slot.trim().parse::<Slot>().ok()));
        }
        slots
    });
    thread::sleep(pause);
    let ended = victim.try_wait().unwrap();
    victim.kill().unwrap();
    victim.wait().unwrap();
    let slots = reader.join().unwrap();
    assert!(ended.is_none(), "it ended by itself");
    slots
}

/// Starts a node on what is left, in no more than [`PATIENCE`].
fn look(directory: &Path) -> Progress {
    let endless = endless(directory);
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    thread::spawn(move || tell.send(endless.look()));
    let looked = told.recv_timeout(PATIENCE);
    looked.expect("the start does not end").unwrap()
}

/// Also with `QUARTET_KILLS=200`, or `200,SEED`.
#[test]
fn a_killed_node_comes_up_with_all_that_was_durable() {
    let given = env::var(LIVES).unwrap_or_default();
    let (lives, seed) = given.split_once(',').unwrap_or((&given, ""));
    let lives = lives.parse().unwrap_or(FEW);
    let mut luck: u64 = seed.parse().unwrap_or_else(|_| std::process::id().into());
    println!("seed {luck}");
    let directory = tempdir().unwrap();
    let (mut durable, mut up, mut snapshots) = (0, 0, 0);
    for life in 0..lives {
        luck = luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let pause = Duration::from_millis((luck >> 33) % LONGEST);
        let said = kill_after(directory.path(), pause);
        assert!(
            said.is_sorted(),
            "life {life}: finality went back: {said:?}"
        );
        let first = said.first().copied().unwrap_or(durable);
        assert!(first >= durable, "life {life}: {durable}, then {first}");
        up += u32::from(!said.is_empty());
        durable = said.last().copied().unwrap_or(durable);

        let blocks = endless(directory.path()).blocks();
        if !blocks.join(quartet_storage::FILE_NAME).exists() {
            assert_eq!(durable, 0, "life {life}");
            continue;
        }
        let mut problems = Vec::new();
        match verify(&blocks, &mut |what| problems.push(what.to_owned())) {
            Ok(_) => assert_eq!(problems, [""; 0], "life {life}"),
            // Killed before the new file said what it is.
            Err(error) => assert_eq!(durable, 0, "life {life}: {error}"),
        }
        let Progress { head, finalized } = look(directory.path());
        assert!(
            finalized.slot >= durable && head.slot >= finalized.slot,
            "life {life}: {durable} was durable, there are {finalized} and {head}"
        );
        durable = finalized.slot;
        snapshots += check_snapshots(directory.path());
    }
    println!(
        "{up} of {lives} lives came up before they ended, finalized {durable}, {snapshots} snapshots read"
    );
    assert!(durable > 0 && up > 0, "it never got anywhere");
}

fn check_snapshots(directory: &Path) -> usize {
    let files = std::fs::read_dir(directory).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let snapshots = paths.filter(|path| path.extension().is_some_and(|end| end == "quartet"));
    let read = snapshots.map(|path| snapshot::verify(&path, None).unwrap());
    read.fold(0, |count, _| count + 1)
}
