//! `quartet genesis`: a devnet's files from a `validator-config.yaml` as lean-quickstart has it, with
//! validators' keys. No container is needed.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use quartet_clock::Clock;
use quartet_config::{DevnetPlan, GenesisDirectory, KeyManifest, MANIFEST_FILE, ValidatorKey};
use quartet_keystore::{
    ForeignFormat, KeyExport, KeyRequest, NewKey, copy_mark, export, find_key, inspect,
    keystore_file_name,
};
use quartet_types::{PublicKey, SlotDuration, ValidatorIndex};
use quartet_xmss::Scheme;
use serde_json::json;

use crate::{
    keys::{make_key, print, table},
    progress::Work,
};

/// Where a genesis directory has the validators' keys.
pub(crate) const KEYS_DIRECTORY: &str = "hash-sig-keys";
/// The name of the plan in a genesis directory.
const PLAN_FILE: &str = "validator-config.yaml";

/// The arguments of `quartet genesis`.
#[derive(Debug, Args)]
pub(crate) struct GenesisArgs {
    /// The genesis directory. Its files are replaced, but for keys of validators, which are used again.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The plan; `validator-config.yaml` in the directory where not given.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Unix time of slot 0, in seconds.
    #[arg(long, value_name = "SECONDS", conflicts_with = "offset")]
    genesis_time: Option<u64>,
    /// Seconds from now to slot 0.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    offset: u64,
    /// Directory of ready-made keystores to copy before new keys are made.
    #[arg(long, value_name = "DIR")]
    keystores: Option<PathBuf>,
    /// Also write the keys as leanSig has them, `validator_N_sk.ssz`, for the other clients of a mixed devnet. New
    /// keys are then active for at least 2^17 epochs, whatever the plan says.
    #[arg(long)]
    ssz: bool,
    /// How long a slot lasts, in milliseconds: 400 to 60000, a multiple of 4. Anything but 4000 is for local networks whose
    /// nodes are all Quartet's: other clients do not know it.
    #[arg(long, value_name = "N", default_value = "4000")]
    slot_duration_ms: SlotDuration,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl GenesisArgs {
    /// Runs the command.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let plan_path = self
            .plan
            .clone()
            .unwrap_or_else(|| self.directory.join(PLAN_FILE));
        let (mut plan, unknown) = DevnetPlan::read_with_unknown(&plan_path)?;
        if !unknown.is_empty() {
            eprintln!(
                "warning: {}: these fields mean nothing here and are ignored: {}",
                plan_path.display(),
                unknown.join(", ")
            );
        }
        plan.slot_duration = self.slot_duration_ms;
        let directory = self.directory.join(KEYS_DIRECTORY);
        let mut active_epochs = 1u64
            .checked_shl(plan.log_active_epochs.into())
            .unwrap_or(u64::MAX);
        if self.ssz {
            active_epochs = Scheme::Production.whole_trees(0, active_epochs)?.end;
        }
        let wanted = WantedKeys {
            count: plan.validator_count(),
            active_epochs,
            ready_made: self.keystores.as_deref(),
        };
        let mut keys = ensure_keys(&directory, &wanted)?;
        if self.ssz {
            for (key, index) in keys.iter_mut().zip(0..) {
                export_ssz(&directory, index, key)?;
            }
        }
        // Last, since making keys may have taken minutes.
        let now = Clock::system(0).now().as_secs();
        let genesis_time = self.genesis_time.unwrap_or(now.saturating_add(self.offset));
        let genesis = GenesisDirectory::new(&plan, genesis_time, &keys)?;
        genesis.write(&self.directory)?;
        self.report(&genesis)
    }

    fn report(&self, genesis: &GenesisDirectory) -> anyhow::Result<()> {
        let time = genesis.config.genesis_time;
        let nodes = genesis.assignments.iter().zip(&genesis.identities);
        if self.json {
            let nodes = nodes.map(|(node, (_, record))| {
                let indices: Vec<_> = node.validators.iter().map(|v| v.index).collect();
                json!({ "name": node.name, "enr": record.to_string(), "validators": indices })
            });
            let nodes: Vec<_> = nodes.collect();
            let value =
                json!({ "genesis_time": time, "directory": self.directory, "nodes": nodes });
            return print(&serde_json::to_string_pretty(&value)?);
        }
        let mut rows = vec![["node", "address", "validators"].map(str::to_owned)];
        rows.extend(nodes.map(|(node, (_, record))| {
            let indices = node.validators.iter().map(|v| v.index.to_string());
            let address = record.address().map(|address| address.to_string());
            [
                node.name.clone(),
                address.unwrap_or_default(),
                indices.collect::<Vec<_>>().join(", "),
            ]
        }));
        print(&format!(
            "genesis at {time} in {}\n{}",
            self.directory.display(),
            table(&rows)
        ))
    }
}

/// The keys that a devnet needs.
pub(crate) struct WantedKeys<'a> {
    /// How many; the indices are 0 and up.
    pub(crate) count: u64,
    /// For how many epochs new ones shall be active, from epoch 0 on.
    pub(crate) active_epochs: u64,
    /// A directory of keystores to copy from before new ones are made.
    pub(crate) ready_made: Option<&'a Path>,
}

/// Sees to it that a directory has all keys: those there are used, then ready-made ones copied, then new ones
/// made. In the order of their indices.
pub(crate) fn ensure_keys(
    directory: &Path,
    wanted: &WantedKeys<'_>,
) -> anyhow::Result<Vec<ValidatorKey>> {
    std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    let manifest = directory.join(MANIFEST_FILE);
    let manifest = if manifest.exists() {
        Some(KeyManifest::read(&manifest)?)
    } else {
        None
    };
    (0..wanted.count)
        .map(|index| {
            if let Some(key) = existing_key(directory, manifest.as_ref(), index)? {
                return Ok(key);
            }
            let name = keystore_file_name(index);
            let public_key = match wanted.ready_made.map(|ready| ready.join(&name)) {
                Some(ready) if ready.exists() => copy_key(&ready, &directory.join(&name))?,
                _ => {
                    let new = NewKey {
                        scheme: Scheme::Production,
                        activation_epoch: 0,
                        active_epochs: wanted.active_epochs,
                        passphrase: None,
                        public_test_key: false,
                    };
                    make_key(directory, index, &new)?
                }
            };
            let secret_key_file = name;
            Ok(ValidatorKey {
                public_key,
                secret_key_file,
            })
        })
        .collect()
}

fn existing_key(
    directory: &Path,
    manifest: Option<&KeyManifest>,
    index: ValidatorIndex,
) -> anyhow::Result<Option<ValidatorKey>> {
    let entry = manifest.and_then(|manifest| manifest.entry(index));
    let request = KeyRequest {
        index,
        public_key: entry.map_or_else(PublicKey::default, |entry| entry.public_key),
        file: entry.map(|entry| entry.secret_key_file.clone()),
    };
    let Ok(path) = find_key(directory, &request) else {
        return Ok(None);
    };
    let public_key = inspect(&path, None)?.public_key;
    if let Some(entry) = entry
        && entry.public_key != public_key
    {
        bail!(
            "{}: its public key is {public_key}, but {MANIFEST_FILE} has {}",
            path.display(),
            entry.public_key
        );
    }
    let secret_key_file = path.strip_prefix(directory).unwrap_or(&path).to_owned();
    Ok(Some(ValidatorKey {
        public_key,
        secret_key_file,
    }))
}

/// Copies a keystore with its trees and its high-water mark. A running node locks its keys, so two devnets cannot share them.
fn copy_key(source: &Path, target: &Path) -> anyhow::Result<PublicKey> {
    let report = inspect(source, None)?;
    let trees = source.with_extension("trees");
    if trees.exists() {
        copy(&trees, &target.with_extension("trees"))?;
    }
    copy_mark(source, target, &report.public_key)?;
    copy(source, target)?;
    Ok(report.public_key)
}

fn copy(source: &Path, target: &Path) -> anyhow::Result<()> {
    std::fs::copy(source, target)
        .with_context(|| format!("cannot copy {} to {}", source.display(), target.display()))?;
    Ok(())
}

/// Writes the key for other clients too, and has the devnet's files name that form, which all can read.
fn export_ssz(
    directory: &Path,
    index: ValidatorIndex,
    key: &mut ValidatorKey,
) -> anyhow::Result<()> {
    export_as(ForeignFormat::Ssz, directory, index, key)
}

/// The same in one of the forms that other clients take.
pub(crate) fn export_as(
    format: ForeignFormat,
    directory: &Path,
    index: ValidatorIndex,
    key: &mut ValidatorKey,
) -> anyhow::Result<()> {
    let name = format.file_name(index);
    if !directory.join(&name).exists() {
        let source = directory.join(&key.secret_key_file);
        let work = Work::start(format!("validator {index} for other clients"), 1);
        let progress = |progress: quartet_xmss::Progress| work.at(progress.done, progress.total);
        let key = KeyExport {
            source: &source,
            directory,
            index,
            format,
            epoch: 0,
            passphrase: None,
        };
        let exported = export(key, &progress);
        work.finish();
        exported?;
    }
    key.secret_key_file = name;
    Ok(())
}

#[cfg(test)]
mod tests {
    use quartet_keystore::TreesReport;

    use super::*;

    #[test]
    fn ready_made_keys_are_copied_once_and_then_used() {
        let ready_made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../keystores");
        let directory = tempfile::tempdir().unwrap();
        let wanted = WantedKeys {
            count: 4,
            active_epochs: 1 << 18,
            ready_made: Some(&ready_made),
        };
        let keys = ensure_keys(directory.path(), &wanted).unwrap();
        let manifest = KeyManifest::read(&ready_made.join(MANIFEST_FILE)).unwrap();
        for (key, entry) in keys.iter().zip(&manifest.validators) {
            assert_eq!(key.public_key, entry.public_key);
            let copied = inspect(&directory.path().join(&key.secret_key_file), None).unwrap();
            assert_eq!(copied.public_key, entry.public_key);
            assert!(matches!(copied.trees, TreesReport::Whole(_)));
        }
        let without = WantedKeys {
            ready_made: None,
            ..wanted
        };
        assert_eq!(ensure_keys(directory.path(), &without).unwrap(), keys);
    }

    #[test]
    fn a_manifest_that_names_another_key_is_refused() {
        let ready_made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../keystores");
        let directory = tempfile::tempdir().unwrap();
        let copied = |name: &str| directory.path().join(name);
        copy(
            &ready_made.join("validator_0.yaml"),
            &copied("validator_1.yaml"),
        )
        .unwrap();
        let manifest = std::fs::read_to_string(ready_made.join(MANIFEST_FILE)).unwrap();
        std::fs::write(copied(MANIFEST_FILE), manifest).unwrap();
        let manifest = KeyManifest::read(&copied(MANIFEST_FILE)).unwrap();
        let error = existing_key(directory.path(), Some(&manifest), 1).unwrap_err();
        assert!(
            error.to_string().contains("its public key is 0xa9fb"),
            "{error}"
        );
    }
}
