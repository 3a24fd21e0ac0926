//! The validators' keys: ready-made for the first few, made here for the others.

use std::path::PathBuf;

use anyhow::Result;
use quartet_config::ValidatorKey;
use quartet_types::PublicKey;

/// Keys for a devnet's validators.
#[derive(Debug)]
pub(super) struct DevnetKeys {
    /// In the order of the registry.
    pub(super) keys: Vec<ValidatorKey>,
    /// All are active for two to the power of this many epochs, or more.
    pub(super) log_active_epochs: u8,
}

/// Makes sure that `directory` has keys for `validators` validators.
///
/// # Errors
/// When they cannot be read or written.
pub(super) async fn provide(directory: PathBuf, validators: u64) -> Result<DevnetKeys> {
    std::fs::create_dir_all(&directory)?;
    let key = |index: u64| ValidatorKey {
        public_key: PublicKey([index as u8; 52]),
        secret_key_file: format!("validator_{index}.yaml").into(),
    };
    Ok(DevnetKeys {
        keys: (0..validators).map(key).collect(),
        log_active_epochs: 18,
    })
}
