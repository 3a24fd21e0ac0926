//! What the operating system says of this process, where it says it.

use metrics::{counter, describe_counter};
use metrics_process::Collector;

/// The standard counter has whole seconds, too coarse beside that of parts of the work.
const CPU: &str = "quartet_process_cpu_nanoseconds_total";

/// Describes Prometheus' standard metrics of a process, and a finer clock, to the current recorder.
pub(crate) fn describe(collector: &Collector) {
    collector.describe();
    describe_counter!(CPU, "Processor time of the whole process.");
}

/// Reads them into the current recorder.
pub(crate) fn collect(collector: &Collector) {
    collector.collect();
    if let Some(nanoseconds) = cpu_nanoseconds() {
        counter!(CPU).absolute(nanoseconds);
    }
}

#[cfg(target_os = "linux")]
fn cpu_nanoseconds() -> Option<u64> {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let rest = u64::try_from(time.tv_nsec).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(rest)
}

#[cfg(not(target_os = "linux"))]
fn cpu_nanoseconds() -> Option<u64> {
    None
}
