//! The validators' keys: ready-made for the first few, made here for the others.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use anyhow::{Context as _, Result, anyhow, bail};
use quartet_config::ValidatorKey;
use quartet_keystore::{ForeignFormat, NewKey, generate, inspect, keystore_file_name};
use quartet_types::{SlotDuration, ValidatorIndex};
use quartet_xmss::Scheme;
use rayon::prelude::*;
use tokio::sync::oneshot;

use super::terminal::note;
use crate::{
    genesis::export_as,
    progress::Work,
    words::{count, duration},
};

/// Epochs of new keys beyond the slots that are asked for: the run ends a little after the last of them.
const MARGIN: u64 = 64;
/// Where no number of slots is given, all new keys together get so many epochs, which takes 10 s on two cores with
/// AVX-512, ...
const EPOCHS_TOGETHER: u64 = 1 << 19;
/// ... but each at least these, for 68 minutes, and at most these, for 36 hours.
const FEWEST_EPOCHS: u64 = 1 << 10;
const MOST_EPOCHS: u64 = 1 << 15;

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

/// Which keys a devnet needs.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// How many.
    pub(super) validators: u64,
    /// For how many slots they shall last, if that is known.
    pub(super) slots: Option<u64>,
    pub(super) slot_duration: SlotDuration,
    /// Those that another client takes, and in which form.
    pub(super) foreign: Vec<(ValidatorIndex, ForeignFormat)>,
}

/// Makes sure that `directory` has the keys that are wanted. Those that are there are kept; others are made, short-lived,
/// and the user sees how far it is and how long they last.
///
/// # Errors
/// When they cannot be read or written, or those that are there do not last.
pub(super) async fn provide(directory: PathBuf, wanted: Wanted) -> Result<DevnetKeys> {
    let (sender, keys) = oneshot::channel();
    // A thread that the runtime does not wait for: the user may not want to wait for its end.
    thread::spawn(move || {
        let _ = sender.send(provide_blocking(&directory, &wanted));
    });
    keys.await
        .map_err(|_| anyhow!("the making of keys has panicked"))?
}

fn provide_blocking(directory: &Path, wanted: &Wanted) -> Result<DevnetKeys> {
    let Wanted {
        validators,
        slots,
        slot_duration,
        ref foreign,
    } = *wanted;
    let unmade = || format!("{} cannot be made", directory.display());
    fs::create_dir_all(directory).with_context(unmade)?;
    let path = |index| directory.join(keystore_file_name(index));
    for (key, index) in READY_MADE.iter().zip(0..validators) {
        let path = path(index);
        let unwritten = || format!("{} cannot be written", path.display());
        key.unpack(&path).with_context(unwritten)?;
    }
    let missing = (0..validators).filter(|index| !path(*index).exists());
    // The forms of others hold whole trees.
    let is_foreign = |index: &u64| foreign.iter().any(|(of, _)| of == index);
    let (others, own): (Vec<_>, Vec<_>) = missing.partition(is_foreign);
    let new = (others.len() + own.len()) as u64;
    let epochs = epochs_of_new(slots, new);
    let whole = Scheme::Production.whole_trees(0, epochs)?.end;
    for (indices, epochs) in [(own, epochs), (others, whole)] {
        let paths: Vec<_> = indices.into_iter().map(path).collect();
        make(&paths, epochs, slot_duration)?;
    }
    let described = (0..validators).map(|index| describe(&path(index), index));
    let (mut keys, epochs): (Vec<_>, Vec<_>) =
        described.collect::<Result<Vec<_>>>()?.into_iter().unzip();
    for (index, format) in foreign {
        if let Some(key) = keys.get_mut(usize::try_from(*index)?) {
            export_as(*format, directory, *index, key).with_context(|| {
                format!(
                    "validator {index}'s key cannot be written for another client: give another --data-dir, where new \
                     ones are made"
                )
            })?;
            // zeam looks for it; others take the one in JSON, or none.
            let path = directory.join(format!("validator_{index}_pk.ssz"));
            let unwritten = || format!("{} cannot be written", path.display());
            fs::write(&path, key.public_key.0).with_context(unwritten)?;
        }
    }
    let fewest = epochs.into_iter().min().unwrap_or(0);
    if let Some(slots) = slots.filter(|slots| *slots >= fewest) {
        bail!(
            "the keys in {} are made for {fewest} slots, too few for {slots}: give another --data-dir, where new \
             ones are made",
            directory.display()
        );
    }
    note(format_args!(
        "  keys       last for {fewest} slots ({}); a new --data-dir gets new ones",
        duration(fewest, slot_duration)
    ));
    Ok(DevnetKeys {
        keys,
        log_active_epochs: fewest.checked_ilog2().unwrap_or(0) as u8,
    })
}

/// How many epochs each of `count` new keys shall have for a run of `slots`, if the number is known.
fn epochs_of_new(slots: Option<u64>, count: u64) -> u64 {
    match slots {
        Some(slots) => slots.saturating_add(MARGIN),
        None => (EPOCHS_TOGETHER / count.max(1)).clamp(FEWEST_EPOCHS, MOST_EPOCHS),
    }
}

/// The fewest epochs, from the first on, that one of the validators' keys in a directory is active for.
///
/// # Errors
/// When one cannot be read.
pub(super) fn fewest_epochs(directory: &Path, validators: u64) -> Result<u64> {
    let epochs = (0..validators).map(|index| {
        let (_, epochs) = describe(&directory.join(keystore_file_name(index)), index)?;
        Ok(epochs)
    });
    let epochs = epochs.collect::<Result<Vec<_>>>()?;
    Ok(epochs.into_iter().min().unwrap_or(0))
}

/// A validator's key, and how many epochs it is active for.
fn describe(path: &Path, index: u64) -> Result<(ValidatorKey, u64)> {
    let report = inspect(path, None)?;
    if !report.public_test_key {
        bail!(
            "{} is not marked as a public test key: a devnet signs the same epochs again each time it is started, which would reveal it; move the key away",
            path.display()
        );
    }
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

/// Makes keys of `epochs` epochs from 0 on, on all processors, and shows the progress.
fn make(paths: &[PathBuf], epochs: u64, slot_duration: SlotDuration) -> Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let keys = count(paths.len() as u64, "short-lived test key");
    note(format_args!(
        "  keys       making {keys}, for {epochs} slots ({})",
        duration(epochs, slot_duration)
    ));
    let total = (paths.len() as u64).saturating_mul(epochs);
    let work = Work::start("             making keys", total);
    let new = NewKey {
        scheme: Scheme::Production,
        activation_epoch: 0,
        active_epochs: epochs,
        passphrase: None,
        // A devnet that is started anew signs the same epochs again with it.
        public_test_key: true,
    };
    paths.par_iter().try_for_each(|path| {
        let so_far = AtomicU64::new(0);
        generate(path, &new, &|progress| {
            let before = so_far.fetch_max(progress.done, Ordering::Relaxed);
            work.add(progress.done.saturating_sub(before));
        })
        .map(drop)
    })?;
    work.finish();
    Ok(())
}

#[cfg(test)]
mod tests {
    use quartet_keystore::TreesReport;

    use super::*;

    fn wanted(validators: u64, slots: Option<u64>) -> Wanted {
        Wanted {
            validators,
            slots,
            slot_duration: SlotDuration::default(),
            foreign: Vec::new(),
        }
    }

    #[tokio::test]
    async fn the_first_four_keys_are_ready_and_put_right_where_damaged() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("genesis/keys");
        let keys = provide(directory.clone(), wanted(4, None)).await.unwrap();
        assert_eq!(keys.keys.len(), 4);
        assert_eq!(keys.log_active_epochs, 18);

        let damaged = directory.join("validator_2.trees");
        fs::write(&damaged, "x").unwrap();
        let again = provide(directory.clone(), wanted(3, Some(1000)))
            .await
            .unwrap();
        assert_eq!(again.keys, keys.keys[..3]);
        for index in 0..3 {
            let report = inspect(&directory.join(keystore_file_name(index)), None).unwrap();
            assert!(report.public_test_key && !report.readable_by_others);
            assert!(matches!(report.trees, TreesReport::Whole(_)));
        }
    }

    #[tokio::test]
    async fn a_key_that_is_not_marked_as_a_test_key_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("validator_4.yaml");
        let marked = String::from_utf8(READY_MADE[1].keystore.to_vec()).unwrap();
        let unmarked = marked.replace("purpose: public-test-key\n", "");
        assert_ne!(marked, unmarked);
        fs::write(&path, &unmarked).unwrap();
        let provided = provide(directory.path().to_owned(), wanted(5, None)).await;
        let error = provided.unwrap_err();
        let said = error.to_string();
        assert!(said.contains("validator_4.yaml is not marked"), "{said}");
        assert_eq!(fs::read_to_string(&path).unwrap(), unmarked);
    }

    #[tokio::test]
    async fn a_key_of_before_is_kept_and_a_damaged_one_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("validator_4.yaml");
        fs::write(&path, READY_MADE[1].keystore).unwrap();
        let keys = provide(directory.path().to_owned(), wanted(5, None))
            .await
            .unwrap();
        assert_eq!(keys.keys[4].public_key, keys.keys[1].public_key);

        fs::write(&path, "version: 1\n").unwrap();
        let error = provide(directory.path().to_owned(), wanted(5, None))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("validator_4.yaml"), "{error}");
    }

    #[tokio::test]
    async fn new_keys_last_for_the_run_and_a_longer_one_needs_others() {
        let directory = tempfile::tempdir().unwrap();
        let provide = |slots| provide(directory.path().to_owned(), wanted(7, Some(slots)));
        let made = provide(100).await.unwrap();
        // 164 epochs.
        assert_eq!(made.log_active_epochs, 7);
        for index in 4..7 {
            let report = inspect(&directory.path().join(keystore_file_name(index)), None).unwrap();
            assert_eq!(report.active, 0..164);
            assert!(report.public_test_key && !report.readable_by_others);
            assert!(matches!(report.trees, TreesReport::Whole(_)));
        }
        assert_eq!(provide(163).await.unwrap().keys, made.keys);
        let error = provide(164).await.unwrap_err().to_string();
        assert!(error.contains("made for 164 slots"), "{error}");
    }

    #[test]
    fn without_an_end_many_keys_are_shorter_than_few() {
        assert_eq!(epochs_of_new(Some(50), 4000), 50 + MARGIN);
        assert_eq!(epochs_of_new(None, 1), 1 << 15);
        assert_eq!(epochs_of_new(None, 64), 1 << 13);
        assert_eq!(epochs_of_new(None, 4096), 1 << 10);
        assert_eq!(epochs_of_new(Some(u64::MAX), 1), u64::MAX);
    }
}
