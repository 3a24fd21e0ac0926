//! Memory and processor time of a process, as the operating system counts them.

use std::{fs, path::Path};

/// Linux counts processor time for programs in hundredths of a second, on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// The name of a node's threads that run its services, as the system shows it.
const SERVICE_THREAD: &str = "(service)";

/// Memory and processor time of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Usage {
    /// Memory that is resident, in bytes.
    pub(super) rss_bytes: u64,
    /// The most that it has been.
    pub(super) rss_peak_bytes: u64,
    /// Processor time of the threads that run the services, in seconds.
    pub(super) services_seconds: f64,
    /// Processor time since its start, user and system, in seconds.
    pub(super) cpu_seconds: f64,
}

impl Usage {
    /// The usage of a process; `None` where there is no `/proc`, or no such process.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let process = Path::new("/proc").join(pid.to_string());
        let status = fs::read_to_string(process.join("status")).ok()?;
        Some(Self {
            rss_bytes: bytes(&status, "VmRSS:")?,
            rss_peak_bytes: bytes(&status, "VmHWM:")?,
            services_seconds: services_seconds(&process),
            cpu_seconds: cpu_seconds(&fs::read_to_string(process.join("stat")).ok()?)?,
        })
    }
}

/// The threads of the services, by their name; those that have ended are not seen.
fn services_seconds(process: &Path) -> f64 {
    let threads = fs::read_dir(process.join("task")).into_iter().flatten();
    let stats =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("stat")).ok());
    let of_services = stats.filter(|stat| stat.contains(SERVICE_THREAD));
    of_services.filter_map(|stat| cpu_seconds(&stat)).sum()
}

/// From `/proc/<pid>/status`.
fn bytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// From `/proc/<pid>/stat`, whose second field is the program's name in parentheses and may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    // The third field of the line comes first here; user and system time are its 14th and 15th.
    let mut times = fields.split_whitespace().skip(11);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    Some(user.checked_add(system)? as f64 / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_found_among_the_lines() {
        let status = "Name:\tquartet\nVmSize:\t  900000 kB\nVmRSS:\t   12345 kB\nThreads:\t4\n";
        assert_eq!(bytes(status, "VmRSS:"), Some(12_345 * 1024));
        assert_eq!(bytes("Name:\tzombie\n", "VmRSS:"), None);
    }

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 100 0 0 0 150 25 0 0 20 0 4 0 900 0 0";
        assert_eq!(cpu_seconds(stat), Some(1.75));
        assert_eq!(cpu_seconds("42 (cut"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_takes_something() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.rss_bytes > 100_000);
        assert_eq!(Usage::of(u32::MAX), None);
    }
}
