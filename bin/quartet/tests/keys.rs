//! `quartet keys` and `quartet genesis`, as an operator and as a script see them.
#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

fn quartet(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quartet"))
        .args(arguments)
        .env_remove("QUARTET_KEYS_PASSPHRASE")
        .env_remove("QUARTET_KEYS_PASSPHRASE_FILE")
        .output()
        .unwrap()
}

fn json(arguments: &[&str]) -> Value {
    let output = quartet(arguments);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What it says on standard error when it fails.
fn failure(arguments: &[&str]) -> String {
    let output = quartet(arguments);
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn ready_made() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../keystores")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_ready_made_keys_are_whole_and_active_for_twelve_days() {
    let keys = json(&["keys", "inspect", "--json", text(&ready_made())]);
    let keys = keys.as_array().unwrap();
    assert_eq!(keys.len(), 4);
    for key in keys {
        assert_eq!(key["active"], serde_json::json!([0, (1 << 18) - 1]));
        assert_eq!(key["prepared"], serde_json::json!([[0, (1 << 18) - 1]]));
        assert_eq!(key["public_test_key"], true);
        assert_eq!(key["trees"], "ok");
    }
}

#[test]
fn keys_of_few_epochs_are_made_listed_verified_and_not_exported() {
    let directory = tempfile::tempdir().unwrap();
    let keys = text(directory.path());
    let make = ["keys", "generate", "--json", "--directory", keys];
    let many = [
        "--epochs",
        "20",
        "--activation-epoch",
        "100",
        "--count",
        "3",
    ];
    let made = json(&[make.as_slice(), &many].concat());
    assert_eq!(made[2]["index"], 2);
    let inspected = json(&["keys", "inspect", "--json", keys]);
    for (made, found) in made
        .as_array()
        .unwrap()
        .iter()
        .zip(inspected.as_array().unwrap())
    {
        assert_eq!(found["public_key"], made["public_key"]);
        assert_eq!(found["active"], serde_json::json!([100, 119]));
        assert_eq!(found["prepared"], serde_json::json!([[100, 119]]));
    }
    let verified = json(&["keys", "verify", "--json", keys]);
    assert!(
        verified
            .as_array()
            .unwrap()
            .iter()
            .all(|key| key["ok"] == true)
    );
    // One of them is there already: nothing is made.
    let again = ["--first-index", "2", "--epochs", "20", "--count", "2"];
    assert!(failure(&[make.as_slice(), &again].concat()).contains("not replacing a key"));
    assert!(!directory.path().join("validator_3.yaml").exists());
    let manifest = directory.path().join("validator-keys-manifest.yaml");
    assert!(
        fs::read_to_string(manifest)
            .unwrap()
            .contains("num_validators: 3\n")
    );

    let other = directory.path().join("other");
    let export = ["keys", "export", keys, "--directory", text(&other)];
    assert!(failure(&export).contains("whole trees of 65536 epochs"));
    assert!(!other.exists());
    assert!(
        failure(&[make.as_slice(), &["--first-index", "9", "--epochs", "0"]].concat())
            .contains("at least one epoch")
    );
}

#[test]
fn a_key_is_encrypted_changes_its_passphrase_and_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let (one, two) = (at("one.txt"), at("two.txt"));
    fs::write(&one, "correct horse\nsecond line\n").unwrap();
    fs::write(&two, "battery staple").unwrap();
    let (first, second, plain) = (at("first"), at("second"), at("plain"));
    let unwritten = at("unwritten");
    let source = ready_made().join("validator_2.yaml");

    let import = ["keys", "import", "--json", "--directory"];
    let run = |rest: &[&str]| json(&[&import, rest].concat());
    run(&[
        text(&first),
        text(&source),
        "--encrypt",
        "--passphrase-file",
        text(&one),
    ]);
    let change = [
        "--encrypt",
        "--passphrase-file",
        text(&one),
        "--new-passphrase-file",
        text(&two),
    ];
    run(&[&[text(&second), text(&first)], change.as_slice()].concat());
    // Without a word of it, what is encrypted stays so.
    let kept = at("kept");
    run(&[text(&kept), text(&second), "--passphrase-file", text(&two)]);
    let opened = run(&[
        text(&plain),
        text(&kept),
        "--decrypt",
        "--passphrase-file",
        text(&two),
    ]);
    assert_eq!(opened[0]["index"], 2);

    let secret = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        let line = text.lines().find(|line| line.starts_with("prf_key"));
        line.map(str::to_owned)
    };
    let name = "validator_2.yaml";
    assert_eq!(secret(&plain.join(name)), secret(&source));
    assert_eq!(secret(&second.join(name)), None);
    assert_eq!(secret(&kept.join(name)), None);
    let inspect = [
        "keys",
        "inspect",
        text(&second),
        "--passphrase-file",
        text(&one),
    ];
    assert!(failure(&inspect).contains("wrong passphrase"));
    let silently_plain = [
        import.as_slice(),
        &[
            text(&unwritten),
            text(&source),
            "--passphrase-file",
            text(&one),
        ],
    ];
    assert!(failure(&silently_plain.concat()).contains("say --encrypt"));
    let again = [import.as_slice(), &[text(&plain), text(&source)]];
    assert!(failure(&again.concat()).contains("exists already; not replacing a key"));
}

#[test]
fn a_genesis_directory_is_made_from_a_plan_and_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let genesis = directory.path().join("genesis");
    fs::create_dir(&genesis).unwrap();
    let plan = "shuffle: roundrobin\nconfig: {activeEpoch: 18, keyType: hash-sig}\nvalidators:\n\
        - {name: quartet_0, enrFields: {ip: 127.0.0.1, quic: 9001}, count: 2}\n\
        - {name: ream_0, enrFields: {ip: 127.0.0.1, quic: 9002}, count: 1}\n";
    fs::write(genesis.join("validator-config.yaml"), plan).unwrap();
    let keystores = ready_made();
    let make = |time| {
        let time = ["--genesis-time", time, "--keystores", text(&keystores)];
        json(&[&["genesis", text(&genesis), "--json"], time.as_slice()].concat())
    };
    let made = make("1795211904");
    assert_eq!(made["nodes"][0]["validators"], serde_json::json!([0, 2]));
    let names = [
        "config.yaml",
        "validators.yaml",
        "annotated_validators.yaml",
        "nodes.yaml",
        "quartet_0.key",
        "ream_0.key",
        "hash-sig-keys/validator-keys-manifest.yaml",
        "hash-sig-keys/validator_2.yaml",
        "hash-sig-keys/validator_2.trees",
    ];
    for name in names {
        assert!(genesis.join(name).exists(), "{name}");
    }
    let keys = |name: &str| fs::read(genesis.join("hash-sig-keys").join(name)).unwrap();
    let before = keys("validator_2.yaml");
    make("1795219999");
    assert_eq!(keys("validator_2.yaml"), before);
    let config = fs::read_to_string(genesis.join("config.yaml")).unwrap();
    assert!(config.starts_with("GENESIS_TIME: 1795219999\n"));
}

#[test]
fn a_signing_record_moves_to_another_machine() {
    let directory = tempfile::tempdir().unwrap();
    let record = directory.path().join("data/signing-record");
    let exported = directory.path().join("record.json");
    let key = format!("0x{}", "11".repeat(52));
    let root = format!("0x{}", "22".repeat(32));
    let document = format!(
        r#"{{"format":"quartet-signing-record","version":1,"validators":[{{"public_key":"{key}","signed":[{{"epoch":41,"message_root":"{root}"}}]}}]}}"#
    );
    fs::write(&exported, &document).unwrap();
    let import = [
        "keys",
        "record",
        "import",
        "--json",
        "--record",
        text(&record),
        text(&exported),
    ];
    assert_eq!(json(&import)["raised"], 1);
    assert_eq!(json(&import)["raised"], 0);
    let export = ["keys", "record", "export", "--record", text(&record)];
    let expected: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(json(&export), expected);
    fs::write(&exported, "{}").unwrap();
    assert!(failure(&import).contains("not an exported signing record"));
    let missing = directory.path().join("nowhere");
    assert!(failure(&["keys", "record", "export", "--record", text(&missing)]).contains("nowhere"));
}

#[test]
fn mistakes_are_explained() {
    let directory = tempfile::tempdir().unwrap();
    let empty = text(directory.path());
    let cases: [(&[&str], &str); 5] = [
        (&["keys", "inspect", empty], "no keys (validator_N.yaml"),
        (
            &["keys", "inspect", "nowhere.yaml"],
            "nowhere.yaml: cannot be read",
        ),
        (
            &["keys", "inspect", "key.pem"],
            "key.pem: unknown format; known are .yaml, .ssz and .json",
        ),
        (&["genesis", empty], "validator-config.yaml: cannot be read"),
        (
            &["keys", "generate", "--directory", empty, "--count", "0"],
            "0 is not in 1..",
        ),
    ];
    for (arguments, expected) in cases {
        let said = failure(arguments);
        assert!(said.contains(expected), "{said} lacks {expected}");
    }
}

/// One of the ready-made keys as if it were not public, in a directory of its own.
fn secret_key(directory: &Path) -> PathBuf {
    fs::create_dir_all(directory).unwrap();
    let name = "validator_1.trees";
    fs::copy(ready_made().join(name), directory.join(name)).unwrap();
    let path = directory.join("validator_1.yaml");
    let text = fs::read_to_string(ready_made().join("validator_1.yaml")).unwrap();
    let secret = text.replace("purpose: public-test-key\n", "high_water_mark: required\n");
    assert_ne!(text, secret);
    fs::write(&path, secret).unwrap();
    path
}

#[test]
fn a_mark_is_shown_begun_and_raised_and_goes_along() {
    let directory = tempfile::tempdir().unwrap();
    let key = secret_key(&directory.path().join("keys"));
    let mark = |rest: &[&str]| {
        let arguments = [&["keys", "mark", "--json", text(&key)], rest].concat();
        json(&arguments)[0]["free_from_epoch"].clone()
    };
    assert_eq!(mark(&[]), Value::Null);
    let out = directory.path().join("out");
    let import = [
        "keys",
        "import",
        "--json",
        "--directory",
        text(&out),
        text(&key),
    ];
    assert!(failure(&import).contains("there is no high-water mark"));
    assert_eq!(mark(&["--unused"]), 0);
    assert_eq!(mark(&["--used-up-to", "4999"]), 5000);
    assert_eq!(mark(&["--unused"]), 5000);
    json(&import);
    let export = directory.path().join("exported");
    json(&[
        "keys",
        "export",
        "--json",
        "--directory",
        text(&export),
        text(&out),
    ]);
    for copy in [&out, &export] {
        let keys = json(&["keys", "inspect", "--json", text(copy)]);
        assert_eq!(keys[0]["free_from_epoch"], 5000);
        assert_eq!(keys[0]["public_test_key"], false);
    }
    // A public test key has none, and stays one.
    let test = directory.path().join("test");
    let source = ready_made().join("validator_0.yaml");
    json(&[
        "keys",
        "import",
        "--json",
        "--directory",
        text(&test),
        text(&source),
    ]);
    let keys = json(&["keys", "inspect", "--json", text(&test)]);
    assert_eq!(keys[0]["public_test_key"], true);
    assert!(!test.join("validator_0.mark").exists());
}

#[cfg(unix)]
#[test]
fn a_passphrase_that_others_may_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("passphrase");
    fs::write(&file, "correct horse").unwrap();
    let inspect = |mode| {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let source = ready_made().join("validator_0.yaml");
        let arguments = [
            "keys",
            "inspect",
            text(&source),
            "--passphrase-file",
            text(&file),
        ];
        let output = quartet(&arguments);
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    for mode in [0o644, 0o640, 0o604] {
        assert!(inspect(mode).contains("others may read this passphrase"));
    }
    assert_eq!(inspect(0o600), "");
}

/// Killed by a signal that dumps core, in a shell that allows it, a program that has keys in memory leaves none.
#[cfg(target_os = "linux")]
#[test]
fn no_core_is_dumped() {
    use std::os::unix::process::ExitStatusExt as _;
    let directory = tempfile::tempdir().unwrap();
    // Reading it takes as long as nobody writes to it.
    let pipe = directory.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let script =
        "ulimit -c unlimited 2> /dev/null; exec \"$0\" keys record import --record record pipe";
    let mut child = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_quartet")])
        .current_dir(&directory)
        .spawn()
        .unwrap();
    // Open as soon as the other side is.
    let _pipe = fs::File::options().write(true).open(&pipe).unwrap();
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<&str> = core.unwrap().split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"]);
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-ABRT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let status = child.wait().unwrap();
    assert_eq!((status.signal(), status.core_dumped()), (Some(6), false));
    for entry in fs::read_dir(&directory).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(!name.to_string_lossy().starts_with("core"), "{name:?}");
    }
}
