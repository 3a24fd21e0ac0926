//! The formats of key files.

use std::path::Path;

use crate::{ForeignFormat, KeyError, KeyFileProblem};

/// The format of a key's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyFormat {
    /// Our own, in YAML.
    Keystore,
    /// leanSig's.
    Foreign(ForeignFormat),
}

impl KeyFormat {
    /// The format that a file's name stands for.
    ///
    /// # Errors
    /// When it ends in none of `.yaml`, `.ssz` and `.json`.
    pub fn of(path: &Path) -> Result<Self, KeyError> {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("yaml" | "yml")) {
            return Ok(Self::Keystore);
        }
        ForeignFormat::of(path)
            .map(Self::Foreign)
            .ok_or_else(|| KeyFileProblem::UnknownFormat.in_file(path))
    }
}
