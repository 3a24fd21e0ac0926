//! Reading and writing whole files, with errors that name them.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
};

use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::{FileError, Problem};

pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>, FileError> {
    fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| Problem::Unreadable(error).in_file(path))
}

pub(crate) fn parse_yaml<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    serde_yaml::from_str(text).map_err(Problem::Yaml)
}

/// Creates or replaces a file that anyone may read.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), FileError> {
    fs::write(path, text).map_err(|error| Problem::Unwritable(error).in_file(path))
}

/// Creates or replaces a file that only its owner may read. An existing file is removed first, since
/// its permissions would outlive the truncation.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<(), FileError> {
    let write = || {
        match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path)?.write_all(text.as_bytes())
    };
    write().map_err(|error| Problem::Unwritable(error).in_file(path))
}

/// A string as a YAML scalar, quoted where YAML would read something else (`null`, `12`, `yes`).
pub(crate) fn scalar(text: &str) -> String {
    serde_yaml::to_string(text).map_or_else(
        |_| format!("{text:?}"),
        |line| line.trim_end_matches('\n').to_owned(),
    )
}
