//! The manual pages in `docs/man` are what the commands say of themselves.

use std::{collections::BTreeMap, env, fs, path::Path};

use clap::CommandFactory as _;

use crate::Cli;

/// With this set, the pages are written anew.
const WRITE: &str = "QUARTET_WRITE_MAN";

fn pages(directory: &Path) -> BTreeMap<String, String> {
    let pages = fs::read_dir(directory).into_iter().flatten();
    let page = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read_to_string(entry.path()).unwrap())
    };
    pages.map(|entry| page(entry.unwrap())).collect()
}

#[test]
fn the_manual_pages_say_what_the_commands_do() {
    // Without the commit, which is another one each time.
    let version = env!("CARGO_PKG_VERSION");
    let command = Cli::command().version(version).long_version(version);
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/man");
    if env::var_os(WRITE).is_some() {
        fs::remove_dir_all(&directory).unwrap_or_default();
        fs::create_dir_all(&directory).unwrap();
        clap_mangen::generate_to(command.clone(), &directory).unwrap();
    }
    let made = tempfile::tempdir().unwrap();
    clap_mangen::generate_to(command, made.path()).unwrap();
    let (kept, made) = (pages(&directory), pages(made.path()));
    assert!(
        kept.keys().eq(made.keys()),
        "other pages: run `just man`: {:?}",
        made.keys()
    );
    for (name, page) in made {
        assert!(kept[&name] == page, "{name} is out of date: run `just man`");
        assert!(
            !page.contains("exit\\-with\\-parent"),
            "{name} has what is hidden"
        );
    }
}
