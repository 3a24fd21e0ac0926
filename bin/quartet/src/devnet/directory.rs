//! The devnet's directory: fresh, or that of a former devnet, and never anything else.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::{
    description::DESCRIPTION,
    layout::{GUESTS, GenesisPaths, NODE_PREFIX},
};
use anyhow::{Context as _, Result, bail};

/// The prefix of temporary directories' names.
pub(super) const TEMPORARY_PREFIX: &str = "quartet-devnet-";

/// The file that makes a directory ours. A running devnet holds a lock on it.
const MARKER: &str = "devnet.lock";

/// A devnet's directory, locked for as long as this lives.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Whether a devnet lay here before.
    pub(super) former: bool,
    _lock: File,
}

impl Directory {
    /// Opens `requested`, made where missing, or makes a fresh temporary directory. Of a former devnet all
    /// is removed but its keys.
    ///
    /// # Errors
    /// When the directory holds something else, or a running devnet, or cannot be written.
    pub(super) fn open(requested: Option<&Path>) -> Result<Self> {
        let path = match requested {
            Some(path) => path.to_owned(),
            None => temporary()?,
        };
        make(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        // The nodes get absolute paths, so that their command lines work from anywhere.
        let path = path
            .canonicalize()
            .with_context(|| format!("{} cannot be opened", path.display()))?;
        let former = check(&path)?;
        let directory = Self {
            former,
            _lock: lock(&path)?,
            path,
        };
        directory
            .clear()
            .with_context(|| format!("{} cannot be cleared", directory.path.display()))?;
        Ok(directory)
    }

    /// Opens the directory of a former devnet to go on with it. Nothing is changed.
    ///
    /// # Errors
    /// When there is none, or a devnet is running there.
    pub(super) fn resume(path: &Path) -> Result<Self> {
        let unopened = || format!("{} cannot be resumed: it cannot be opened", path.display());
        let path = path.canonicalize().with_context(unopened)?;
        if !path.join(MARKER).is_file() {
            bail!(
                "{} cannot be resumed: it holds no former devnet",
                path.display()
            );
        }
        Ok(Self {
            former: true,
            _lock: lock(&path)?,
            path,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn genesis(&self) -> GenesisPaths {
        GenesisPaths::of(&self.path)
    }

    /// Removes what a former devnet wrote, file by file known to be ours, except for its keys: they take
    /// long to make.
    fn clear(&self) -> io::Result<()> {
        gone(fs::remove_file(self.path.join(DESCRIPTION)))?;
        gone(fs::remove_dir_all(self.path.join(GUESTS)))?;
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(is_node) {
                gone(fs::remove_dir_all(entry.path()))?;
            }
        }
        let genesis = self.genesis();
        let entries = match fs::read_dir(genesis.directory()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                gone(fs::remove_file(entry.path()))?;
            }
        }
        Ok(())
    }
}

/// Whether a devnet has begun in the directory before; anything else in it is an error.
fn check(path: &Path) -> Result<bool> {
    let opened = || format!("{} cannot be read", path.display());
    let first = fs::read_dir(path).with_context(opened)?.next();
    if first.is_some() && !path.join(MARKER).is_file() {
        bail!(
            "{} is not empty and holds no former devnet: give another --data-dir, one that is empty or \
             does not exist yet",
            path.display()
        );
    }
    Ok(GenesisPaths::of(path).directory().exists())
}

fn lock(path: &Path) -> Result<File> {
    let marker = path.join(MARKER);
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    let file = options
        .open(&marker)
        .with_context(|| format!("{} cannot be opened", marker.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => bail!(
            "a devnet is running in {}: stop it, or give another --data-dir",
            path.display()
        ),
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("{} cannot be locked", marker.display()));
        }
    }
    let text = "This directory belongs to `quartet devnet`, which clears it before it starts anew, unless with --resume.\n";
    (|| {
        file.set_len(0)?;
        (&file).write_all(text.as_bytes())
    })()
    .with_context(|| format!("{} cannot be written", marker.display()))?;
    Ok(file)
}

/// Makes a directory for its owner alone: keys lie in it.
fn make(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

fn temporary() -> Result<PathBuf> {
    let parent = std::env::temp_dir();
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    for attempt in 1..1000 {
        let path = parent.join(format!(
            "{TEMPORARY_PREFIX}{}-{attempt}",
            std::process::id()
        ));
        match builder.create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("{} cannot be made", path.display()));
            }
        }
    }
    bail!(
        "{} is full of former devnets: remove some, or give --data-dir",
        parent.display()
    )
}

fn is_node(name: &str) -> bool {
    name.strip_prefix(NODE_PREFIX)
        .is_some_and(|index| index.parse::<u32>().is_ok())
}

/// Takes it as done when there was nothing to remove.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(path: &Path) -> String {
        Directory::open(Some(path)).unwrap_err().to_string()
    }

    #[test]
    fn a_missing_or_empty_directory_is_taken() {
        let parent = tempfile::tempdir().unwrap();
        let missing = parent.path().join("a/b");
        assert!(!Directory::open(Some(&missing)).unwrap().former);
        let empty = parent.path().join("empty");
        fs::create_dir(&empty).unwrap();
        assert!(!Directory::open(Some(&empty)).unwrap().former);
    }

    #[test]
    fn a_directory_with_other_things_is_refused_and_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path();
        fs::create_dir(path.join("quartet_0")).unwrap();
        assert!(message(path).contains("is not empty and holds no former devnet"));
        assert!(path.join("quartet_0").is_dir());
        assert!(!path.join(MARKER).exists());
    }

    #[test]
    fn a_file_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(message(file.path()).contains("cannot be made"));
    }

    #[test]
    fn of_a_former_devnet_only_the_keys_remain() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path();
        drop(Directory::open(Some(path)).unwrap());
        let keys = GenesisPaths::of(path).keys();
        fs::create_dir_all(&keys).unwrap();
        fs::create_dir_all(path.join("quartet_0/data")).unwrap();
        fs::create_dir_all(path.join("quartet_notes")).unwrap();
        fs::create_dir_all(path.join("guests/ream_0")).unwrap();
        for file in [
            "genesis/config.yaml",
            "genesis/hash-sig-keys/validator_4.yaml",
            "quartet_0/log",
            "devnet.json",
            "notes",
        ] {
            fs::write(path.join(file), "x").unwrap();
        }

        let directory = Directory::open(Some(path)).unwrap();
        assert!(directory.former);
        for (file, stays) in [
            ("genesis/config.yaml", false),
            ("genesis/hash-sig-keys/validator_4.yaml", true),
            ("quartet_0", false),
            ("guests", false),
            ("devnet.json", false),
            ("notes", true),
            ("quartet_notes", true),
        ] {
            assert_eq!(path.join(file).exists(), stays, "{file}");
        }
    }

    #[test]
    fn a_running_devnet_is_not_disturbed() {
        let parent = tempfile::tempdir().unwrap();
        let running = Directory::open(Some(parent.path())).unwrap();
        fs::write(running.path().join(DESCRIPTION), "x").unwrap();
        assert!(message(parent.path()).contains("a devnet is running in"));
        assert!(parent.path().join(DESCRIPTION).exists());
    }

    #[test]
    fn what_is_resumed_is_left_as_it_is_and_what_is_not_there_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path();
        let resumed = |path: &Path| Directory::resume(path).unwrap_err().to_string();
        assert!(resumed(&path.join("nowhere")).contains("cannot be opened"));
        assert!(resumed(path).contains("holds no former devnet"));
        let running = Directory::open(Some(path)).unwrap();
        fs::create_dir(path.join("quartet_0")).unwrap();
        assert!(resumed(path).contains("a devnet is running in"));
        drop(running);
        Directory::resume(path).unwrap();
        assert!(path.join("quartet_0").is_dir());
    }

    #[test]
    fn temporary_directories_differ() {
        let [first, second] = [(); 2].map(|()| Directory::open(None).unwrap());
        assert_ne!(first.path(), second.path());
        for directory in [first, second] {
            fs::remove_dir_all(directory.path()).unwrap();
        }
    }
}
