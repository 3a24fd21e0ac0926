//! Resources of processes, and signals to them.

use std::{fs, io::Read as _, path::Path};

/// Resident memory of a process, in bytes; `None` where there is no such process, or no `/proc`.
pub(crate) fn rss(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    rss_of(&status)
}

fn rss_of(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Bytes on disk of all files below a directory; those that vanish meanwhile count for nothing.
pub(crate) fn disk_usage(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else {
        return 0;
    };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_usage(&entry.path()),
        Ok(metadata) => allocated(&metadata),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// How many lines a file has; those of a file that cannot be read are none.
pub(crate) fn lines(path: &Path) -> u64 {
    let Ok(mut file) = fs::File::open(path) else {
        return 0;
    };
    let mut buffer = vec![0; 1 << 16];
    let mut lines = 0;
    while let Ok(length @ 1..) = file.read(&mut buffer) {
        lines += buffer[..length]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
    }
    lines as u64
}

/// How many files and sockets a process has open; none where there is no such process, or no `/proc`.
pub(crate) fn open_files(pid: u32) -> u64 {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |entries| entries.count() as u64)
}

#[cfg(unix)]
fn allocated(metadata: &fs::Metadata) -> u64 {
    // In units of 512 bytes, whatever the file system's blocks are.
    std::os::unix::fs::MetadataExt::blocks(metadata) * 512
}

#[cfg(not(unix))]
fn allocated(metadata: &fs::Metadata) -> u64 {
    metadata.len()
}

/// Lowers the priority of the thread that calls this, where the system can.
#[cfg(unix)]
pub(crate) fn be_nice(niceness: i32) {
    // An attacker of full priority is a harder test, not a wrong one.
    let _ = rustix::process::nice(niceness);
}

#[cfg(not(unix))]
pub(crate) fn be_nice(_: i32) {}

/// A signal to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// To end.
    Terminate,
    /// To stand still.
    Stop,
    /// To go on.
    Continue,
}

/// Tells a process something.
#[cfg(unix)]
pub(crate) fn tell(pid: u32, order: Order) {
    use rustix::process::{Pid, Signal, kill_process};
    let signal = match order {
        Order::Terminate => Signal::TERM,
        Order::Stop => Signal::STOP,
        Order::Continue => Signal::CONT,
    };
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended already.
        let _ = kill_process(pid, signal);
    }
}

#[cfg(not(unix))]
pub(crate) fn tell(_: u32, _: Order) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_found_among_the_lines() {
        let status = "Name:\tquartet\nVmSize:\t  900000 kB\nVmRSS:\t   12345 kB\nThreads:\t4\n";
        assert_eq!(rss_of(status), Some(12_345 * 1024));
        assert_eq!(rss_of("Name:\tzombie\n"), None);
        assert_eq!(rss(u32::MAX), None);
    }

    #[test]
    fn files_are_counted_through_all_directories() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(disk_usage(directory.path()), 0);
        let below = directory.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        fs::write(below.join("file"), vec![7; 100_000]).unwrap();
        assert!(disk_usage(directory.path()) >= 100_000);
        fs::write(below.join("lines"), "one\ntwo\nthree").unwrap();
        assert_eq!(lines(&below.join("lines")), 2);
        assert_eq!(lines(&below.join("none")), 0);
    }
}
