//! The validators' keys: ready-made for the first few, made here for the others.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context as _, Result, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use quartet_config::ValidatorKey;
use quartet_keystore::{NewKey, generate, inspect, keystore_file_name};
use quartet_xmss::Scheme;
use tokio::sync::oneshot;

use super::terminal::note;

/// New keys are active for as few epochs as keys can be, some six days, so that they are soon made.
const ACTIVE_EPOCHS: u64 = 1 << 17;

/// A key that comes with the program.
struct ReadyMade {
    keystore: &'static [u8],
    trees: &'static [u8],
}

macro_rules! ready_made {
    ($name:literal) => {
        ReadyMade {
            keystore: include_bytes!(concat!("../../../../keystores/", $name, ".yaml")),
            trees: include_bytes!(concat!("../../../../keystores/", $name, ".trees")),
        }
    };
}

/// Part of the program, so that an installed one needs no checkout.
static READY_MADE: [ReadyMade; 4] = [
    ready_made!("validator_0"),
    ready_made!("validator_1"),
    ready_made!("validator_2"),
    ready_made!("validator_3"),
];

/// Keys for a devnet's validators.
#[derive(Debug)]
pub(super) struct DevnetKeys {
    /// In the order of the registry.
    pub(super) keys: Vec<ValidatorKey>,
    /// All are active for two to the power of this many epochs, or more.
    pub(super) log_active_epochs: u8,
}

/// Makes sure that `directory` has keys for `validators` validators. Those that are there are kept; making
/// others takes seconds each, and the user sees how far it is.
///
/// # Errors
/// When they cannot be read or written.
pub(super) async fn provide(directory: PathBuf, validators: u64) -> Result<DevnetKeys> {
    let (sender, keys) = oneshot::channel();
    // A thread that the runtime does not wait for: the user may not want to wait for its end.
    thread::spawn(move || {
        let _ = sender.send(provide_blocking(&directory, validators));
    });
    keys.await
        .map_err(|_| anyhow!("the making of keys has panicked"))?
}

fn provide_blocking(directory: &Path, validators: u64) -> Result<DevnetKeys> {
    let unmade = || format!("{} cannot be made", directory.display());
    fs::create_dir_all(directory).with_context(unmade)?;
    let path = |index| directory.join(keystore_file_name(index));
    for (key, index) in READY_MADE.iter().zip(0..validators) {
        let path = path(index);
        let unwritten = || format!("{} cannot be written", path.display());
        key.unpack(&path).with_context(unwritten)?;
    }
    let missing: Vec<_> = (0..validators)
        .map(path)
        .filter(|path| !path.exists())
        .collect();
    make(&missing)?;
    let described = (0..validators).map(|index| describe(&path(index), index));
    let (keys, epochs): (Vec<_>, Vec<_>) =
        described.collect::<Result<Vec<_>>>()?.into_iter().unzip();
    let fewest = epochs.into_iter().min().unwrap_or(ACTIVE_EPOCHS);
    Ok(DevnetKeys {
        keys,
        log_active_epochs: fewest.checked_ilog2().unwrap_or(0) as u8,
    })
}

/// A validator's key, and how many epochs it is active for.
fn describe(path: &Path, index: u64) -> Result<(ValidatorKey, u64)> {
    let report = inspect(path, None)?;
    let key = ValidatorKey {
        public_key: report.public_key,
        secret_key_file: keystore_file_name(index),
    };
    Ok((key, report.active.end - report.active.start))
}

impl ReadyMade {
    fn unpack(&self, keystore: &Path) -> io::Result<()> {
        // Trees first: a key without them is rebuilt, which takes long.
        for (path, bytes) in [
            (keystore.with_extension("trees"), self.trees),
            (keystore.to_owned(), self.keystore),
        ] {
            if fs::read(&path).is_ok_and(|found| found == bytes) {
                continue;
            }
            let _ = fs::remove_file(&path);
            let mut options = File::options();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options.open(&path)?.write_all(bytes)?;
        }
        Ok(())
    }
}

/// Makes keys, on all processors, with a bar that tells how far it is.
fn make(paths: &[PathBuf]) -> Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let (count, s) = (paths.len(), if paths.len() == 1 { "" } else { "s" });
    note(format_args!(
        "  keys       making {count} new one{s}, which takes some seconds each"
    ));
    let bar = ProgressBar::new(count as u64 * ACTIVE_EPOCHS).with_style(style());
    for (number, path) in (0..).zip(paths) {
        bar.set_prefix(format!("key {} of {count}", number + 1));
        let new = NewKey {
            scheme: Scheme::Production,
            activation_epoch: 0,
            active_epochs: ACTIVE_EPOCHS,
            passphrase: None,
            // Whoever starts the devnet anew signs the same epochs again with it.
            public_test_key: true,
        };
        generate(path, &new, &|progress| {
            bar.set_position(number * ACTIVE_EPOCHS + progress.done.min(ACTIVE_EPOCHS));
        })?;
    }
    bar.finish_and_clear();
    Ok(())
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("             {prefix}  {wide_bar}  {percent:>3} %  {eta} left ")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use quartet_keystore::TreesReport;

    use super::*;

    #[tokio::test]
    async fn the_first_four_keys_are_ready_and_put_right_where_damaged() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("genesis/keys");
        let keys = provide(directory.clone(), 4).await.unwrap();
        assert_eq!(keys.keys.len(), 4);
        assert_eq!(keys.log_active_epochs, 18);

        let damaged = directory.join("validator_2.trees");
        fs::write(&damaged, "x").unwrap();
        let again = provide(directory.clone(), 3).await.unwrap();
        assert_eq!(again.keys, keys.keys[..3]);
        for index in 0..3 {
            let report = inspect(&directory.join(keystore_file_name(index)), None).unwrap();
            assert!(report.public_test_key && !report.readable_by_others);
            assert!(matches!(report.trees, TreesReport::Whole(_)));
        }
    }

    #[tokio::test]
    async fn a_key_of_before_is_kept_and_a_damaged_one_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("validator_4.yaml");
        fs::write(&path, READY_MADE[1].keystore).unwrap();
        let keys = provide(directory.path().to_owned(), 5).await.unwrap();
        assert_eq!(keys.keys[4].public_key, keys.keys[1].public_key);

        fs::write(&path, "version: 1\n").unwrap();
        let error = provide(directory.path().to_owned(), 5).await.unwrap_err();
        assert!(error.to_string().contains("validator_4.yaml"), "{error}");
    }
}
