//! The checker's input files: the network's genesis, and validators' keys.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use quartet_config::{GenesisConfig, KeyManifest, MANIFEST_FILE};
use quartet_conformance::{Address, Options};
use quartet_keystore::{KeyRequest, find_key, keystore_file_name, read_throwaway};
use quartet_types::ValidatorIndex;
use quartet_xmss::SecretKey;

use super::CheckArgs;

/// The genesis file in a genesis directory.
const CONFIG_FILE: &str = "config.yaml";

/// The options, as far as they come from files.
///
/// # Errors
/// When a file cannot be read, or a key is not the registry's.
pub(super) fn options(args: &CheckArgs, address: Address) -> anyhow::Result<Options> {
    let options = Options::new(address);
    let Some(genesis) = &args.genesis else {
        return Ok(options);
    };
    let file = if genesis.is_dir() {
        genesis.join(CONFIG_FILE)
    } else {
        genesis.clone()
    };
    let config = GenesisConfig::read(&file)?;
    let state = config
        .state()
        .with_context(|| format!("{}: no genesis", file.display()))?;
    let beside = |path: &Path| {
        path.parent()
            .unwrap_or(Path::new(""))
            .join(crate::genesis::KEYS_DIRECTORY)
    };
    let directory = args.keystores.clone().unwrap_or_else(|| beside(&file));
    let keys = args.validators.iter().map(|index| {
        let key = key(args, &config, &directory, *index);
        Ok((*index, key?))
    });
    let keys: anyhow::Result<Vec<_>> = keys.collect();
    let mut options = options.with_keys(keys?);
    options.slot = Some(config.slot_duration);
    options.genesis = Some(Arc::new(state));
    Ok(options)
}

fn key(
    args: &CheckArgs,
    config: &GenesisConfig,
    directory: &Path,
    index: ValidatorIndex,
) -> anyhow::Result<SecretKey> {
    let public_key = usize::try_from(index)
        .ok()
        .and_then(|index| config.validators.get(index));
    let Some(public_key) = public_key else {
        bail!("the registry has no validator {index}");
    };
    // Ours first, wherever the manifest leads: it says whether it is public.
    let own = keystore_file_name(index);
    let file = if directory.join(&own).exists() {
        Some(own)
    } else {
        listed(directory, index)?
    };
    let request = KeyRequest {
        index,
        public_key: *public_key,
        file,
    };
    let path = find_key(directory, &request)?;
    let passphrase = args.passphrase.given()?;
    let key = read_throwaway(
        &path,
        public_key,
        passphrase.as_ref(),
        args.burn_keys,
        &|_| {},
    );
    key.context("a checker's keys are public test keys, or given up with --burn-keys")
}

/// The file that a manifest names.
fn listed(directory: &Path, index: ValidatorIndex) -> anyhow::Result<Option<PathBuf>> {
    let manifest = directory.join(MANIFEST_FILE);
    if !manifest.exists() {
        return Ok(None);
    }
    let manifest = KeyManifest::read(&manifest)?;
    Ok(manifest
        .entry(index)
        .map(|entry| entry.secret_key_file.clone()))
}
