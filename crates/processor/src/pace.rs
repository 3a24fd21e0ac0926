//! How long jobs take when they run without threads: for simulations of slow machines.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::{Priority, ProcessorError};

/// How long jobs take in the runtime's time, which simulations let pass as they like. Clones are the same.
///
/// Jobs of a priority are done one after another; those of another do not wait for them.
#[derive(Clone, Debug, Default)]
pub struct Pace(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    lines: Mutex<[Line; Priority::ALL.len()]>,
    end: Notify,
}

#[derive(Clone, Copy, Debug, Default)]
struct Line {
    each: Duration,
    /// When the last job that was taken in is done.
    free_at: Option<Instant>,
}

impl Pace {
    /// From now on, each job of a priority takes so long. By default jobs take no time.
    pub fn set(&self, priority: Priority, each: Duration) {
        self.0.lines.lock()[priority as usize].each = each;
    }

    /// Drops all jobs that wait, as the end of a process does.
    pub fn give_up(&self) {
        self.0.end.notify_waiters();
    }

    /// Waits until a job that comes now would be done.
    pub(crate) async fn wait(&self, priority: Priority) -> Result<(), ProcessorError> {
        let now = Instant::now();
        let done = {
            let line = &mut self.0.lines.lock()[priority as usize];
            let begins = line.free_at.map_or(now, |free| free.max(now));
            let done = begins + line.each;
            line.free_at = Some(done);
            done
        };
        // Without a pace it does not wait at all.
        if done <= now {
            return Ok(());
        }
        tokio::select! {
            biased;
            () = self.0.end.notified() => Err(ProcessorError::ShutDown),
            () = sleep_until(done) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Processor;

    #[tokio::test(start_paused = true)]
    async fn jobs_of_a_priority_take_their_time_one_after_another() {
        let pace = Pace::default();
        let processor = Processor::paced(pace.clone());
        let begin = Instant::now();
        let done = |priority| {
            let job = processor.run(priority, || ());
            async move {
                job.await.unwrap();
                begin.elapsed().as_millis()
            }
        };
        assert_eq!(done(Priority::Block).await, 0);
        pace.set(Priority::Block, Duration::from_millis(30));
        pace.set(Priority::Background, Duration::from_millis(500));
        let (first, disk, duty, second) = tokio::join!(
            done(Priority::Block),
            done(Priority::Background),
            done(Priority::Duty),
            done(Priority::Block),
        );
        assert_eq!([first, disk, duty, second], [30, 500, 0, 60]);
    }

    #[tokio::test(start_paused = true)]
    async fn jobs_that_wait_can_be_given_up() {
        let pace = Pace::default();
        pace.set(Priority::Duty, Duration::from_secs(1));
        let processor = Processor::paced(pace.clone());
        let (ended, ()) = tokio::join!(processor.run(Priority::Duty, || ()), async {
            pace.give_up()
        });
        assert_eq!(ended, Err(ProcessorError::ShutDown));
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_is_not_begun_before_its_time_has_passed() {
        let pace = Pace::default();
        pace.set(Priority::Background, Duration::from_secs(1));
        let processor = Processor::paced(pace);
        let (begun, begins) = std::sync::mpsc::sync_channel(1);
        let mut job = Box::pin(processor.run(Priority::Background, move || begun.send(7)));
        let early = tokio::time::timeout(Duration::from_millis(999), &mut job);
        assert!(early.await.is_err());
        assert!(begins.try_recv().is_err());
        job.await.unwrap().unwrap();
        assert_eq!(begins.try_recv(), Ok(7));
    }
}
