//! What the operating system says of this process, where it has a `/proc`.

use std::fs;

/// The kernel's unit of processor time in `/proc`, the same on every Linux: a hundredth of a second.
const TICKS_PER_SECOND: f64 = 100.0;

/// The process at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Usage {
    /// Memory in use that is not swapped out.
    pub(super) resident_bytes: u64,
    /// Address space.
    pub(super) virtual_bytes: u64,
    /// Threads.
    pub(super) threads: u64,
    /// Open files and sockets.
    pub(super) open_files: u64,
    /// Processor time spent so far, by the process and by the kernel for it.
    pub(super) cpu_seconds: f64,
}

impl Usage {
    /// `None` on systems that do not tell.
    pub(super) fn now() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let open_files = fs::read_dir("/proc/self/fd").ok()?.count() as u64;
        Self::parse(&status, &stat, open_files)
    }

    fn parse(status: &str, stat: &str, open_files: u64) -> Option<Self> {
        let field = |name: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        // The second field is the program's name in parentheses and may hold anything, so count from
        // its end: `utime` and `stime` are the 14th and 15th.
        let (_, after_name) = stat.rsplit_once(')')?;
        let mut times = after_name.split_whitespace().skip(11);
        let user: f64 = times.next()?.parse().ok()?;
        let system: f64 = times.next()?.parse().ok()?;
        Some(Self {
            resident_bytes: field("VmRSS:")? * 1024,
            virtual_bytes: field("VmSize:")? * 1024,
            threads: field("Threads:")?,
            open_files,
            cpu_seconds: (user + system) / TICKS_PER_SECOND,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let status = "Name:\tq\nVmSize:\t  2048 kB\nVmRSS:\t   40 kB\nThreads:\t3\n";
        let stat = "7 (a b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 3 0 99";
        let usage = Usage::parse(status, stat, 5);
        let expected = Usage {
            resident_bytes: 40 * 1024,
            virtual_bytes: 2048 * 1024,
            threads: 3,
            open_files: 5,
            cpu_seconds: 2.0,
        };
        assert_eq!(usage, Some(expected));
    }

    #[test]
    fn nonsense_is_nothing() {
        assert_eq!(Usage::parse("", "", 0), None);
        assert_eq!(Usage::parse("VmRSS: x kB", "1 (q) S", 0), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_memory() {
        let usage = Usage::now().unwrap();
        assert!(
            usage.resident_bytes > 100_000 && usage.threads > 0,
            "{usage:?}"
        );
    }
}
