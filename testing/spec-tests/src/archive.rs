//! The archive of vectors that is part of the repository, and what it lacks.

use std::{
    collections::BTreeSet,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use lzma_rust2::XzReader;
use sha2::{Digest as _, Sha256};
use tar::Archive;

use crate::directory;

/// Where it is. `pack`, beside it, makes it.
const ARCHIVE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors.tar.xz");

/// What a directory of vectors may have and the archive has not: secret keys of 8 and 10 MiB that do not get smaller.
pub const LARGE_KEYS: [&str; 2] = [
    "own/devnet-sample/genesis/hash-sig-keys/validator_0_sk.ssz.gz",
    "own/devnet-sample/genesis/hash-sig-keys/validator_1_sk.json.gz",
];

/// The directory with the archive's files, in `scratch`. It is unpacked there once: what is found under the name of
/// the archive's digest is whole, since only a whole directory gets that name.
pub(crate) fn unpacked(scratch: &Path) -> Result<PathBuf> {
    let packed = packed()?;
    let digest = Sha256::digest(&packed);
    let target = scratch.join(format!("vectors-{}", const_hex::encode(&digest[..8])));
    if target.is_dir() {
        return Ok(target);
    }
    fs::create_dir_all(scratch)?;
    let part = tempfile::tempdir_in(scratch)?;
    entries(&packed)
        .unpack(part.path())
        .with_context(|| format!("cannot unpack {ARCHIVE}"))?;
    match fs::rename(part.path(), &target) {
        // Another process was faster.
        Err(_) if target.is_dir() => Ok(target),
        renamed => renamed.map(|()| target).context("cannot name vectors"),
    }
}

/// How the archive and a directory of vectors compare.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// How many files are the same in both.
    pub same: usize,
    /// Files that both have, with other content.
    pub differing: Vec<String>,
    /// Files that only the directory has, the [`LARGE_KEYS`] and prose left aside.
    pub only_in_directory: Vec<String>,
    /// Files that only the archive has.
    pub only_in_archive: Vec<String>,
}

impl Comparison {
    /// Compares the archive with the files of a directory.
    ///
    /// # Errors
    /// When one of the two cannot be read.
    pub fn with(directory: &Path) -> Result<Self> {
        let mut comparison = Self::default();
        let files = directory::files(directory)?;
        let mut unseen: BTreeSet<&str> = files
            .iter()
            .map(|file| file.name.as_str())
            .filter(|name| !LARGE_KEYS.contains(name) && !directory::is_prose(name))
            .collect();
        for entry in entries(&packed()?).entries()? {
            let mut entry = entry?;
            if entry.header().entry_type().is_dir() {
                continue;
            }
            let name = String::from_utf8(entry.path_bytes().into_owned())?;
            if !unseen.remove(name.as_str()) {
                comparison.only_in_archive.push(name);
                continue;
            }
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            if fs::read(directory.join(&name))? == content {
                comparison.same += 1;
            } else {
                comparison.differing.push(name);
            }
        }
        comparison.only_in_directory = unseen.into_iter().map(str::to_owned).collect();
        Ok(comparison)
    }

    /// Says what keeps the two from being the same vectors. What only one of them has does not: vectors may be added to a
    /// directory.
    ///
    /// # Errors
    /// When files of one name differ, or no file is in both.
    pub fn check(&self) -> Result<()> {
        ensure!(self.same > 0, "the archive has no file of the directory");
        ensure!(
            self.differing.is_empty(),
            "in the archive and in the directory these differ: {}",
            self.differing.join(", ")
        );
        Ok(())
    }
}

fn packed() -> Result<Vec<u8>> {
    fs::read(ARCHIVE).with_context(|| format!("cannot read {ARCHIVE}"))
}

fn entries(packed: &[u8]) -> Archive<XzReader<&[u8]>> {
    Archive::new(XzReader::new(packed, false))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn the_archive_is_unpacked_once_whoever_is_first() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("not/there/yet");
        let found: BTreeSet<_> = thread::scope(|scope| {
            let started: Vec<_> = (0..4).map(|_| scope.spawn(|| unpacked(&path))).collect();
            let ended = started.into_iter().map(|thread| thread.join().unwrap());
            ended.map(Result::unwrap).collect()
        });
        assert_eq!(found.len(), 1);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1, "nothing is left");

        let file = found.first().unwrap().join("own/constants.json");
        fs::remove_file(&file).unwrap();
        unpacked(&path).unwrap();
        assert!(!file.exists(), "it is not unpacked again");
    }

    #[test]
    fn a_file_that_differs_is_an_error_and_one_more_is_not() {
        let scratch = tempfile::tempdir().unwrap();
        let directory = unpacked(scratch.path()).unwrap();
        let whole = Comparison::with(&directory).unwrap();
        assert!(whole.same > 250, "{whole:?}");
        let same = whole.same;
        assert_eq!(
            whole,
            Comparison {
                same,
                ..Comparison::default()
            }
        );

        fs::write(directory.join(LARGE_KEYS[0]), "left aside").unwrap();
        fs::write(directory.join("README.md"), "left aside").unwrap();
        fs::write(directory.join("own/ssz/More.json"), "{}").unwrap();
        fs::remove_file(directory.join("own/gossip.json")).unwrap();
        let more = Comparison::with(&directory).unwrap();
        more.check().unwrap();
        assert_eq!(more.same, same - 1);
        assert_eq!(more.only_in_directory, ["own/ssz/More.json"]);
        assert_eq!(more.only_in_archive, ["own/gossip.json"]);

        fs::write(directory.join("own/proposer.json"), "{}").unwrap();
        let error = Comparison::with(&directory).unwrap().check().unwrap_err();
        assert!(error.to_string().contains("own/proposer.json"), "{error}");

        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("config.yaml"), "").unwrap();
        let unlike = Comparison::with(other.path()).unwrap();
        unlike.check().unwrap_err();
    }

    /// Nothing of the machine on which it was packed.
    #[test]
    fn the_archive_has_files_alone_of_nobody_and_no_time() {
        for entry in entries(&packed().unwrap()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let header = entry.header().clone();
            let name = entry.path().unwrap().display().to_string();
            assert!(
                header.entry_type().is_dir() || header.entry_type().is_file(),
                "{name}"
            );
            let numbers = [header.mtime(), header.uid(), header.gid()];
            assert_eq!(numbers.map(Result::unwrap), [0; 3], "{name}");
            assert_eq!(header.username(), Ok(Some("")), "{name}");
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let text = String::from_utf8_lossy(&content);
            for directory in ["/home/", "/root/", "/tmp/", "/Users/"] {
                assert!(!text.contains(directory), "{name} has {directory}");
            }
        }
    }
}
