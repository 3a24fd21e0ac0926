//! Which devnet a command means.

use std::{
    env, fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

use super::{super::directory::TEMPORARY_PREFIX, path::SOCKET};

/// The directory that was named, or that of the one devnet of this user that runs in a temporary directory.
///
/// # Errors
/// When none was named, and there is none, or there are several.
pub(in super::super) fn locate(named: Option<&Path>) -> Result<PathBuf> {
    match named {
        Some(path) => Ok(path.canonicalize().unwrap_or_else(|_| path.to_owned())),
        None => the_only_one(temporary(&env::temp_dir())),
    }
}

/// The temporary directories of this user's devnets, those that run and those that were killed.
fn temporary(parent: &Path) -> Vec<PathBuf> {
    let user = rustix::process::getuid().as_raw();
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| {
        let is_devnet = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(TEMPORARY_PREFIX));
        is_devnet && entry.metadata().is_ok_and(|found| found.uid() == user)
    });
    let mut found: Vec<_> = ours.map(|entry| entry.path()).collect();
    found.retain(|path| path.join(SOCKET).exists());
    found.sort();
    found
}

fn the_only_one(mut found: Vec<PathBuf>) -> Result<PathBuf> {
    found.retain(|path| {
        // One that was killed has left its socket.
        std::os::unix::net::UnixStream::connect(path.join(SOCKET)).is_ok()
    });
    match &mut found[..] {
        [] => bail!("no devnet is running in a temporary directory: name its own with --data-dir"),
        [only] => Ok(std::mem::take(only)),
        several => {
            let names: Vec<_> = several
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            bail!(
                "several devnets are running, name one with --data-dir: {}",
                names.join(", ")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn the_only_running_one_is_meant() {
        let parent = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let path = parent.path().join(name);
            fs::create_dir(&path).unwrap();
            (UnixListener::bind(path.join(SOCKET)).unwrap(), path)
        };
        let found = || the_only_one(temporary(parent.path()));
        assert!(
            found()
                .unwrap_err()
                .to_string()
                .contains("no devnet is running")
        );
        let (dead, _) = make(&format!("{TEMPORARY_PREFIX}1-1"));
        drop(dead);
        let _other = make("something-else");
        assert!(found().is_err());
        let (_first, path) = make(&format!("{TEMPORARY_PREFIX}2-1"));
        assert_eq!(found().unwrap(), path);
        let _second = make(&format!("{TEMPORARY_PREFIX}3-1"));
        let several = found().unwrap_err().to_string();
        assert!(
            several.contains("several") && several.contains("2-1"),
            "{several}"
        );
    }
}
