//! Processor time, as apart from time that passes: on a busy machine the two differ.

use std::time::Duration;

/// Measures the processor time that the calling thread spends. Where the system does not tell, the time that passes.
#[derive(Clone, Copy, Debug)]
pub struct CpuTime(Duration);

impl CpuTime {
    /// Starts to measure.
    pub fn start() -> Self {
        Self(spent())
    }

    /// Processor time since the start; only to be asked on the thread that started it.
    pub fn elapsed(&self) -> Duration {
        spent().saturating_sub(self.0)
    }
}

#[cfg(target_os = "linux")]
fn spent() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
fn spent() -> Duration {
    use std::{sync::OnceLock, time::Instant};
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    BEGINNING.get_or_init(Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    fn work_counts_as_processor_time() {
        let time = CpuTime::start();
        while time.elapsed() < Duration::from_millis(2) {
            black_box((0..1_000u64).sum::<u64>());
        }
        assert!(time.elapsed() >= Duration::from_millis(2));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn waiting_does_not_count_as_processor_time() {
        let time = CpuTime::start();
        let (_sender, receiver) = std::sync::mpsc::sync_channel::<()>(0);
        let _ = receiver.recv_timeout(Duration::from_millis(200));
        assert!(time.elapsed() < Duration::from_millis(100));
    }
}
