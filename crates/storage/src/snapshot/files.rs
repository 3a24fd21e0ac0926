//! Snapshots that a node writes from time to time: their names, and how many stay.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use quartet_types::Checkpoint;

const START: &str = "snapshot-";
const END: &str = ".quartet";
/// The end of the name of a file that is being written.
pub(super) const PARTIAL: &str = ".partial";

/// Digits of a slot in a name, so that names sort as slots do.
const DIGITS: usize = 10;

/// The name of the snapshot that starts from this block.
#[must_use]
pub fn file_name(anchor: Checkpoint) -> String {
    let root = format!("{:x}", anchor.root);
    format!("{START}{:0DIGITS$}-{}{END}", anchor.slot, &root[..8])
}

/// Deletes all but the `keep` newest snapshots in `directory`, going by [`file_name`]'s names and nothing else, and
/// what an interrupted [`write`](super::write) left of one. Returns how many were deleted.
///
/// # Errors
/// When the directory cannot be read or a file not deleted.
pub fn keep_newest(directory: &Path, keep: usize) -> io::Result<usize> {
    let mut names = Vec::new();
    let mut deleted = 0;
    for file in fs::read_dir(directory)? {
        let file = file?;
        let Ok(name) = file.file_name().into_string() else {
            continue;
        };
        let Some(rest) = name.strip_prefix(START) else {
            continue;
        };
        if rest.ends_with(&format!("{END}{}", PARTIAL)) {
            fs::remove_file(file.path())?;
            deleted += 1;
        } else if rest.ends_with(END) {
            names.push(name);
        }
    }
    names.sort_unstable();
    let surplus = names.len().saturating_sub(keep);
    for name in &names[..surplus] {
        fs::remove_file(directory.join(name))?;
    }
    Ok(deleted + surplus)
}

/// Makes a file's name durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}
