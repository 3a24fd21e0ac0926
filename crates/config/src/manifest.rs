//! `validator-keys-manifest.yaml`: which file holds which validator's secret key.

use std::{
    collections::HashSet,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use quartet_types::{PublicKey, ValidatorIndex};
use serde::Deserialize;

use crate::{FileError, Problem, files, public_key};

/// The manifest's name in a directory of keys.
pub const MANIFEST_FILE: &str = "validator-keys-manifest.yaml";

/// The name that manifests give to the production scheme.
pub const PRODUCTION_SCHEME: &str = "SIGTopLevelTargetSumLifetime32Dim64Base8";

/// What a manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyManifest {
    /// The signature scheme's name, where given; see [`PRODUCTION_SCHEME`].
    pub scheme: Option<String>,
    /// Keys are active for two to the power of this many epochs, where given.
    pub log_active_epochs: Option<u8>,
    /// The keys, in the file's order.
    pub validators: Vec<ManifestEntry>,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestEntry {
    /// The validator.
    pub index: ValidatorIndex,
    /// Its public key.
    pub public_key: PublicKey,
    /// The secret key's file, relative to the manifest's directory.
    pub secret_key_file: PathBuf,
}

#[derive(Deserialize)]
struct Fields {
    key_scheme: Option<String>,
    log_num_active_epochs: Option<u8>,
    validators: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    index: ValidatorIndex,
    // The key tool wrote the same hexadecimal string under three names over time.
    #[serde(alias = "publicKey", alias = "public_key_file")]
    pubkey_hex: String,
    #[serde(alias = "privateKey", alias = "private_key_file")]
    privkey_file: PathBuf,
}

impl KeyManifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// When the file cannot be read, is malformed, has a key of the wrong length, or lists a validator twice.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        Self::parse(&files::read(path)?).map_err(|problem| problem.in_file(path))
    }

    fn parse(text: &str) -> Result<Self, Problem> {
        let fields: Fields = files::parse_yaml(text)?;
        let mut seen = HashSet::new();
        let mut validators = Vec::with_capacity(fields.validators.len());
        for entry in fields.validators {
            let index = entry.index;
            if !seen.insert(index) {
                return Err(Problem::DuplicateIndex {
                    index,
                    first: "this manifest".to_owned(),
                    second: "this manifest".to_owned(),
                });
            }
            validators.push(ManifestEntry {
                index,
                public_key: public_key::parse(&entry.pubkey_hex, || {
                    format!("validator {index}: pubkey_hex")
                })?,
                secret_key_file: entry.privkey_file,
            });
        }
        Ok(Self {
            scheme: fields.key_scheme,
            log_active_epochs: fields.log_num_active_epochs,
            validators,
        })
    }

    /// The entry of a validator.
    pub fn entry(&self, index: ValidatorIndex) -> Option<&ManifestEntry> {
        self.validators.iter().find(|entry| entry.index == index)
    }

    /// Writes a manifest.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        files::write(path, &self.to_yaml())
    }

    fn to_yaml(&self) -> String {
        let mut text = String::new();
        if let Some(scheme) = &self.scheme {
            let _ = writeln!(text, "key_scheme: {}", files::scalar(scheme));
            if scheme == PRODUCTION_SCHEME {
                text.push_str("hash_function: Poseidon2\nencoding: TargetSum\n");
                text.push_str("lifetime: 4294967296\n");
            }
        }
        if let Some(log) = self.log_active_epochs {
            let _ = writeln!(text, "log_num_active_epochs: {log}");
            if let Some(epochs) = 1u64.checked_shl(u32::from(log)) {
                let _ = writeln!(text, "num_active_epochs: {epochs}");
            }
        }
        let _ = writeln!(text, "num_validators: {}", self.validators.len());
        text.push_str("validators:\n");
        for entry in &self.validators {
            // The scripts that read this file insist on the prefix, and on no quotes being needed.
            let _ = write!(
                text,
                "  - index: {}\n    pubkey_hex: {}\n    privkey_file: {}\n",
                entry.index,
                entry.public_key,
                files::scalar(&entry.secret_key_file.to_string_lossy()),
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let manifest = KeyManifest {
            scheme: Some(PRODUCTION_SCHEME.to_owned()),
            log_active_epochs: Some(18),
            validators: vec![ManifestEntry {
                index: 3,
                public_key: PublicKey([0x12; 52]),
                secret_key_file: "validator_3.yaml".into(),
            }],
        };
        assert_eq!(KeyManifest::parse(&manifest.to_yaml()).unwrap(), manifest);
        assert!(manifest.entry(3).is_some() && manifest.entry(0).is_none());
    }

    #[test]
    fn older_field_names_are_understood() {
        let key = "0x".to_owned() + &"ab".repeat(52);
        let text = format!(
            "validators:\n- {{index: 0, publicKey: \"{key}\", private_key_file: a.json}}\n- {{index: 1, public_key_file: \"{key}\", privkey_file: b.json}}"
        );
        let manifest = KeyManifest::parse(&text).unwrap();
        assert_eq!(manifest.validators.len(), 2);
        assert_eq!(manifest.validators[1].public_key, PublicKey([0xab; 52]));
    }

    #[test]
    fn a_validator_listed_twice_is_refused() {
        let entry = format!(
            "- {{index: 7, pubkey_hex: \"{}\", privkey_file: a}}\n",
            "ab".repeat(52)
        );
        let error = KeyManifest::parse(&format!("validators:\n{entry}{entry}")).unwrap_err();
        assert!(matches!(error, Problem::DuplicateIndex { index: 7, .. }));
    }
}
