//! Which key files a command is about.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// The key files that paths stand for: the files themselves, or those in a directory.
pub(super) fn key_files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = path
            .read_dir()
            .with_context(|| path.display().to_string())?;
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.with_context(|| path.display().to_string())?;
            if index_of(&entry.path()).is_some() {
                found.push(entry.path());
            }
        }
        if found.is_empty() {
            bail!(
                "{}: no keys (validator_N.yaml, validator_N_sk.ssz or .json)",
                path.display()
            );
        }
        found.sort_by_key(|path| index_of(path));
        files.extend(found);
    }
    Ok(files)
}

/// The validator that a key's file is named after.
pub(super) fn index_of(path: &Path) -> Option<u64> {
    let rest = path.file_name()?.to_str()?.strip_prefix("validator_")?;
    let endings = [".yaml", "_sk.ssz", "_sk.json"];
    endings
        .iter()
        .find_map(|ending| rest.strip_suffix(ending)?.parse().ok())
}
