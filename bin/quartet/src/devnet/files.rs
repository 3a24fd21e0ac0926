//! Writing files that others read meanwhile.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write as _},
    path::Path,
};

use serde::Serialize;

/// Writes a file of JSON.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    fs::write(path, json(value)?)
}

/// Replaces a JSON file atomically: readers see the old file or the new one, whole.
///
/// # Errors
/// When it cannot be written.
pub(super) fn replace_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    replace(path, &json(value)?)
}

/// Replaces a file atomically: readers see the old file or the new one, whole.
///
/// # Errors
/// When it cannot be written.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut beside = OsString::from(path);
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = Path::new(&beside);
    let write = || {
        let mut file = fs::File::create(beside)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(beside, path)
    };
    let written = write();
    if written.is_err() {
        // A file that cannot be removed is small.
        let _ = fs::remove_file(beside);
    }
    written
}

fn json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_or_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        replace_json(&path, &[1]).unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        // A directory cannot be replaced.
        let occupied = directory.path().join("d");
        fs::create_dir(&occupied).unwrap();
        assert!(replace(&occupied, b"x").is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}
