//! The unit in `config/systemd`, as systemd reads it. Where there is no systemd nothing is tested.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path, process::Command};

/// Of ten; a service that says nothing of its safety has 9.6.
const MOST_EXPOSED: &str = "--threshold=20";

#[test]
fn the_unit_is_well_formed_and_gives_the_node_few_rights() {
    if Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("not tested: there is no systemd-analyze");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let unit = fs::read_to_string(root.join("config/systemd/quartet.service")).unwrap();
    let program = env!("CARGO_BIN_EXE_quartet");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("quartet.service");
    // It asks whether the program is there.
    fs::write(&path, unit.replace("/usr/local/bin/quartet", program)).unwrap();
    let ask = |arguments: &[&str]| {
        let output = Command::new("systemd-analyze")
            .args(arguments)
            .arg(&path)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(output.status.success(), "{said}");
        said
    };
    // What it does not understand it ignores, with a word.
    assert_eq!(ask(&["verify", "--man=no"]), "");
    ask(&["security", "--offline=true", "--no-pager", MOST_EXPOSED]);
}
