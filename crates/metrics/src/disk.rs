//! How much disk space the node uses, and how much is left.

use std::{
    fs,
    path::{Path, PathBuf},
};

use metrics::{describe_gauge, gauge};

const DATABASE: &str = "quartet_database_bytes";
const FREE: &str = "quartet_disk_free_bytes";
const SIZE: &str = "quartet_disk_size_bytes";

/// What is looked at.
#[derive(Debug)]
pub(crate) struct Disk {
    /// On the disk in question.
    pub(crate) directory: PathBuf,
    /// A directory of files.
    pub(crate) database: PathBuf,
}

/// Describes what [`Disk::collect`] sets, to the current recorder.
pub(crate) fn describe() {
    describe_gauge!(DATABASE, "Size of the database of blocks.");
    describe_gauge!(
        FREE,
        "Room that is left to the node on the disk of its data directory."
    );
    describe_gauge!(SIZE, "Size of the disk of the data directory.");
}

impl Disk {
    /// Sets what the system tells; what it does not tell stays as it was.
    pub(crate) fn collect(&self) {
        if let Some(bytes) = size(&self.database) {
            gauge!(DATABASE).set(bytes as f64);
        }
        if let Some((free, size)) = space(&self.directory) {
            gauge!(FREE).set(free as f64);
            gauge!(SIZE).set(size as f64);
        }
    }
}

/// Bytes of the files in a directory, without those in directories within.
fn size(directory: &Path) -> Option<u64> {
    let files = fs::read_dir(directory).ok()?;
    let files = files.filter_map(|file| file.ok()?.metadata().ok());
    Some(
        files
            .filter(|file| file.is_file())
            .map(|file| file.len())
            .sum(),
    )
}

/// Bytes that are free, and all.
#[cfg(target_os = "linux")]
fn space(directory: &Path) -> Option<(u64, u64)> {
    let disk = rustix::fs::statvfs(directory).ok()?;
    let bytes = |blocks: u64| blocks.checked_mul(disk.f_frsize);
    Some((bytes(disk.f_bavail)?, bytes(disk.f_blocks)?))
}

#[cfg(not(target_os = "linux"))]
fn space(_: &Path) -> Option<(u64, u64)> {
    None
}
